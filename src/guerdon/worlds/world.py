"""One Gymnasium world, held to its contract, with a seed that is always given."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from guerdon.core.errors import ConfigError
from guerdon.core.plain import Json
from guerdon.core.score import FaultKind
from guerdon.worlds.errors import START, WorldError, missing
from guerdon.worlds.identity import identify
from guerdon.worlds.spaces import decode, encode, fingerprint, kind_of, leaves, misfit

if TYPE_CHECKING:
    import gymnasium

Check = Literal["full", "shapes", "none"]
SEEDS = 2**64


class Step(NamedTuple):
    """What a step returns: Gymnasium's five, in Gymnasium's order.

    `terminated` says the world is over; `truncated` that somebody stopped watching (a time limit). Both may be true.
    """

    observation: Any
    reward: float
    terminated: bool
    truncated: bool
    info: dict[str, Any]

    @property
    def ended(self) -> bool:
        """True when no further step is possible."""
        return self.terminated or self.truncated


def checked_seed(seed: object) -> int:
    """A seed as Python's int. Zero is a seed like any other.

    Raises:
        ConfigError: it is `None`, no whole number, negative, or 2**64 and more.

    >>> checked_seed(0), checked_seed(2**32 - 1)
    (0, 4294967295)
    """
    if isinstance(seed, (int, np.integer)) and not isinstance(seed, bool) and 0 <= seed < SEEDS:
        return int(seed)
    what = "a world cannot be played again without one" if seed is None else f"got {str(seed)[:40]}"
    raise ConfigError("the seed of a world is a whole number from 0 to 2**64 - 1", what, "Give one, e.g. 0")


class World:
    """A Gymnasium world that says what is wrong with it, or with what is done to it, by name and step.

    It never resets by itself (`autoreset = "none"`): a step after the end is an error. Observations are handed out as
    copies, so nobody changes them later.

    Args:
        env: a Gymnasium id, an environment, or a function that makes one.
        max_steps: truncate after so many steps, on top of the world's own limit.
        check: "full" checks everything; "shapes" leaves out bounds and later changes, for worlds with careless
            bounds; "none" trusts the world.
        arguments: keyword arguments for `gymnasium.make`, when `env` is an id.

    Raises:
        ConfigError: it cannot be made, or is a vector world, or resets by itself.
    """

    autoreset: Literal["none"] = "none"

    def __init__(
        self,
        env: str | gymnasium.Env[Any, Any] | Callable[[], gymnasium.Env[Any, Any]],
        *,
        max_steps: int | None = None,
        check: Check = "full",
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        self.env: Any = make(env, **(arguments or {}))
        refuse_self_resetting(self.env)
        spec = getattr(self.env, "spec", None)
        self.name = str(spec.id if spec is not None else type(self.env.unwrapped).__name__)
        self.max_steps, self.check, self._arguments = max_steps, check, dict(arguments or {})
        self.seed: int | None = None
        self.steps = 0
        self.ended = False
        self.actions: list[Json] = []
        self.observation: Any = None
        self._last: tuple[Any, int] | None = None

    @property
    def action_space(self) -> Any:
        """Gymnasium's space of actions."""
        return self.env.action_space

    @property
    def observation_space(self) -> Any:
        """Gymnasium's space of observations."""
        return self.env.observation_space

    def identity(self) -> dict[str, Json]:
        """Which world this is: id, arguments, limit, versions, digest of its code and of its ROM."""
        return {**identify(self.env, self.name, self._arguments), "max_steps": self.max_steps}

    def reset(self, seed: int) -> tuple[Any, dict[str, Any]]:
        """Start an episode; the same seed starts the same episode.

        Returns:
            The first observation and the info.
        """
        self.seed, self.steps, self.ended, self.actions = checked_seed(seed), 0, False, []
        self._last = None
        try:
            returned = self.env.reset(seed=self.seed)
        except Exception as error:
            raise self._broken("a reset that works", f"{type(error).__name__}: {error}", START) from error
        if not isinstance(returned, tuple) or len(returned) != 2 or not isinstance(returned[1], dict):
            raise self._broken("an observation and an info", f"got {_brief(returned)}", START)
        self.observation = self._observed(returned[0], START)
        return self.observation, dict(returned[1])

    def step(self, action: Any) -> Step:
        """Take one action of the action space.

        Raises:
            WorldError: before a reset, after the end, not in the action space, or the world broke its contract.
        """
        at = self.steps
        if self.seed is None:
            raise self._misused("a reset before it", "there was none", "Call reset(seed)")
        if self.ended:
            raise self._misused("an episode that goes on", f"it ended after {at} steps", "Call reset(seed)")
        plain = self.encode(action)
        try:
            returned = self.env.step(action)
        except Exception as error:
            raise self._broken("a step that works", f"{type(error).__name__}: {error}", at) from error
        observation, reward, terminated, truncated, info = self._five(returned, at)
        self._refuse_changed(at)
        self.observation = self._observed(observation, at)
        self.steps = at + 1
        self.actions.append(plain)
        truncated = truncated or (self.max_steps is not None and self.steps >= self.max_steps)
        self.ended = terminated or truncated
        return Step(self.observation, reward, terminated, truncated, info)

    def encode(self, action: Any) -> Json:
        """An action as plain JSON.

        Raises:
            WorldError: it is not in the action space.
        """
        try:
            plain = encode(self.action_space, action)
        except ValueError as error:
            raise self._misused(f"an action in {_name(self.action_space)}", str(error), "Give one of it") from None
        return plain

    def decode(self, plain: Json) -> Any:
        """The action that was written as plain JSON.

        Raises:
            WorldError: it is none of the action space.
        """
        try:
            return decode(self.action_space, plain)
        except ValueError as error:
            raise self._misused(f"an action in {_name(self.action_space)}", str(error), "Give one of it") from None

    def sample(self, rng: np.random.Generator) -> Any:
        """A random action, drawn by `rng` alone."""
        space = self.action_space
        if kind_of(space) == "Discrete":
            return int(rng.integers(space.n)) + int(space.start)
        space.seed(int(rng.integers(2**31)))
        return space.sample()

    def digest(self) -> str:
        """A digest of what can be seen: the last observation and the number of steps."""
        return fingerprint([self.observation, self.steps])

    def render(self) -> Any:
        """The picture of now `(h, w, 3)`, if the world was made with `render_mode="rgb_array"`."""
        return self.env.render()

    def close(self) -> None:
        """Release the world."""
        self.env.close()

    # ── the contract ────────────────────────────────────────────────────────────────────────────────────────────

    def _five(self, returned: Any, at: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if not isinstance(returned, tuple) or len(returned) != 5:
            raise self._broken("observation, reward, terminated, truncated, info", f"got {_brief(returned)}", at)
        observation, reward, terminated, truncated, info = returned
        for name, flag in (("terminated", terminated), ("truncated", truncated)):
            if not isinstance(flag, (bool, np.bool_)):
                raise self._broken(f"{name} as a bool", f"got {_brief(flag)}", at)
        if not isinstance(info, dict):
            raise self._broken("info as a dict", f"got {_brief(info)}", at)
        return observation, self._reward(reward, at), bool(terminated), bool(truncated), info

    def _reward(self, reward: Any, at: int) -> float:
        if not isinstance(reward, (int, float, np.integer, np.floating)):
            raise self._broken("a reward that is one number", f"got {_brief(reward)}", at)
        if not math.isfinite(reward):
            raise self._broken("a finite reward", f"got {float(reward)}", at)
        return float(reward)

    def _observed(self, observation: Any, at: int) -> Any:
        if self.check == "none":
            return observation
        problem = misfit(self.observation_space, observation, bounds=self.check == "full")
        if problem:
            raise self._broken(f"an observation in {_name(self.observation_space)}", problem, at)
        if self.check == "full":
            self._last = (observation, _sum(observation))
        return copied(observation)

    def _refuse_changed(self, at: int) -> None:
        if self.check == "full" and self._last is not None and _sum(self._last[0]) != self._last[1]:
            problem = "the array it returned before has changed since"
            raise self._broken("observations that stay as they were returned", problem, at, "Return a copy")

    def _broken(self, expected: str, got: str, at: int, do: str = "Mend the world") -> WorldError:
        return WorldError(expected, got, do, world=self.name, step=at, kind=FaultKind.JUDGE)

    def _misused(self, expected: str, got: str, do: str) -> WorldError:
        return WorldError(expected, got, do, world=self.name, step=self.steps)


def make(env: Any, **arguments: Any) -> Any:
    """A Gymnasium environment from its id, itself, or a function that makes it.

    Ids of ale-py (`ALE/...`) and of this package (`guerdon/...`) are known without further imports.
    """
    try:
        import gymnasium
    except ImportError as error:
        raise missing("gymnasium", error) from None
    if isinstance(env, str):
        _register(env)
        try:
            return gymnasium.make(env, disable_env_checker=True, **arguments)
        except (gymnasium.error.Error, ImportError, TypeError) as error:
            text = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            raise ConfigError(f"Gymnasium makes {env!r}", text, "Check the id, its package and the arguments") from None
    if arguments:
        raise ConfigError("arguments go with an id", f"got a {type(env).__name__}", "Make it with them yourself")
    made = env if isinstance(env, gymnasium.Env) else env() if callable(env) else env
    if not isinstance(made, gymnasium.Env):
        raise ConfigError("a Gymnasium environment", f"got a {type(made).__name__}", "Give an id, an Env or a factory")
    return made


def _register(name: str) -> None:
    if name.startswith("ALE/"):
        try:
            import ale_py  # noqa: F401  # registers its ids
        except ImportError as error:
            raise missing("ale-py", error) from None
    if name.startswith("guerdon/"):
        from guerdon.worlds.grid import register

        register()


def layers(env: Any) -> Iterator[Any]:
    """The environment and what it wraps, outside in."""
    while True:
        yield env
        inner = getattr(env, "env", None)
        if inner is None:
            return
        env = inner


def refuse_self_resetting(env: Any) -> None:
    """Refuse worlds that go on with a new episode by themselves.

    Raises:
        ConfigError: one of its layers does.
    """
    for layer in layers(env):
        if hasattr(layer, "num_envs") or type(layer).__name__ in ("Autoreset", "AutoResetWrapper"):
            raise ConfigError(
                "one world that does not reset by itself", f"got a {type(layer).__name__}", "Give the world inside it"
            )


def copied(value: Any) -> Any:
    """The same observation in arrays of its own."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, dict):
        return {name: copied(item) for name, item in value.items()}
    return tuple(copied(item) for item in value) if isinstance(value, tuple) else value


def _sum(value: Any) -> int:
    total = 0
    for leaf in leaves(value):
        if isinstance(leaf, np.ndarray) and leaf.dtype != object:
            total = zlib.crc32(np.ascontiguousarray(leaf).data, total)
    return total


def _name(space: Any) -> str:
    return str(space).replace("\n", "")[:80]


def _brief(value: Any) -> str:
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    return f"{str(value)[:60]!r} ({type(value).__name__})"
