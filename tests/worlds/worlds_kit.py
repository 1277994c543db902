"""Small worlds for the tests: good ones, and one for every way to break the contract."""

import random
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces


class Walk(gymnasium.Env):
    """A random walk on a line; the noise is the world's own, from its seed."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 5}  # noqa: RUF012

    def __init__(self, noise: float = 1.0, end: float = 8.0, render_mode: str | None = None) -> None:
        self.noise, self.end, self.render_mode = noise, end, render_mode
        self.observation_space = spaces.Box(-1000, 1000, (2,), np.float32)
        self.action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.x, self.t = float(self.np_random.normal()), 0
        return self.look(), {}

    def look(self) -> Any:
        return np.array([self.x, self.t], np.float32)

    def draw(self) -> float:
        return float(self.np_random.normal(0, self.noise))

    def step(self, action: int) -> Any:
        self.x, self.t = self.x + (1 if action else -1) + self.draw(), self.t + 1
        return self.look(), -abs(self.x) / 100, abs(self.x) > self.end, False, {}

    def render(self) -> Any:
        picture = np.zeros((16, 32, 3), np.uint8)
        picture[:, int(np.clip(self.x + 16, 0, 31))] = 255
        return picture


class Hidden(Walk):
    """Its noise comes from a generator that no seed and no copy reaches, one step in `rarely`."""

    def __init__(self, rarely: int = 1) -> None:
        super().__init__()
        self.rarely = rarely

    def draw(self) -> float:
        return random.random() if self.t % self.rarely == self.rarely - 1 else 0.0


class HalfHidden(Walk):
    """Reproducible from its seed, but its noise lives in a module and survives a restore."""

    shared = np.random.default_rng(0)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        type(self).shared = np.random.default_rng(seed)
        return super().reset(seed=seed, options=options)

    def draw(self) -> float:
        return float(type(self).shared.normal())


class Broken(Walk):
    """Keeps the contract up to step 2, where `fault` happens."""

    def __init__(self, fault: str) -> None:
        super().__init__(noise=0.0, end=1000.0)
        self.fault = fault
        self.buffer = np.zeros(2, np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        observation, info = super().reset(seed=seed)
        match self.fault:
            case "reset without info":
                return observation
            case "reset raises":
                raise RuntimeError("no display")
            case "reset gives nan":
                return np.array([np.nan, 0], np.float32), info
        return observation, info

    def step(self, action: int) -> Any:
        observation, reward, terminated, truncated, info = super().step(action)
        if self.fault == "changes what it returned":
            self.buffer[:] = observation
            return self.buffer, reward, terminated, truncated, info
        if self.t <= 2:
            return observation, reward, terminated, truncated, info
        nan = float("nan")
        return {
            "nan observation": (observation * np.float32(nan), reward, terminated, truncated, info),
            "wrong shape": (observation[:1], reward, terminated, truncated, info),
            "wrong dtype": (observation.astype(np.float64), reward, terminated, truncated, info),
            "a list": (observation.tolist(), reward, terminated, truncated, info),
            "out of bounds": (observation + np.float32(9000), reward, terminated, truncated, info),
            "nan reward": (observation, nan, terminated, truncated, info),
            "infinite reward": (observation, float("inf"), terminated, truncated, info),
            "reward in an array": (observation, np.array([1.0]), terminated, truncated, info),
            "no reward": (observation, None, terminated, truncated, info),
            "text as reward": (observation, "1", terminated, truncated, info),
            "a number as terminated": (observation, reward, 1, truncated, info),
            "no info": (observation, reward, terminated, truncated, None),
            "four": (observation, reward, terminated, info),
        }[self.fault]


FAULTS = (
    "nan observation", "wrong shape", "wrong dtype", "a list", "out of bounds", "nan reward", "infinite reward",
    "reward in an array", "no reward", "text as reward", "a number as terminated", "no info", "four",
)  # fmt: skip
