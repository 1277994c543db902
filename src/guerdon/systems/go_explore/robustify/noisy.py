"""Noisy worlds side by side that can be put into any state of a demonstration.

Two ways, one protocol: `GridWorlds` moves rows of numbers between thousands of lanes of a grid, `SnapshotWorlds` keeps
one world per lane and restores snapshots. The noise is that of evaluation: actions stick, and an episode begins after
a random number of steps in which nothing is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError, SolverError
from guerdon.core.plain import Json
from guerdon.core.rng import stream
from guerdon.systems.go_explore.robustify.demos import Demo
from guerdon.worlds.ale import AleWorld
from guerdon.worlds.grid import STAY, KeyDoor
from guerdon.worlds.snapshot import Snapshot, snapshot_of

Array: TypeAlias = npt.NDArray[Any]
Ints: TypeAlias = npt.NDArray[np.int64]
Arrays: TypeAlias = dict[str, Array]


class Moved(NamedTuple):
    """What a step gives, without a new start.

    Args:
        observation: `(n, ...)`.
        reward: `(n,)`, the world's own.
        terminated: `(n,)`.
        truncated: `(n,)`.
    """

    observation: Array
    reward: Array
    terminated: Array
    truncated: Array


class NoisyWorlds(Protocol):
    """Worlds side by side.

    Attributes:
        n: number of lanes.
        actions: number of actions.
    """

    n: int
    actions: int

    def record(self, actions: Sequence[Json], seed: int = 0) -> Demo:
        """Play a demonstration without noise, and keep what is needed to start from it."""

    def place(self, lanes: Ints, demos: Sequence[Demo], starts: Ints, seeds: Ints, waits: Ints) -> None:
        """Put lanes into the state before step `starts` of a demonstration each, with fresh noise and some no-ops."""

    def look(self) -> Array:
        """What is seen now `(n, ...)`."""

    def step(self, actions: Ints, active: Array) -> Moved:
        """Take a step in the active lanes; what the others give means nothing."""

    def save(self) -> Arrays:
        """The state of all lanes, as arrays."""

    def restore(self, arrays: Arrays) -> None:
        """Go to what `save` gave."""


class GridWorlds:
    """Lanes of `KeyDoor`.

    Args:
        n: number of lanes.
        sticky: probability that an action repeats the one before.
        max_steps: longest episode.
        layout: of the grid; the usual one by default.
    """

    def __init__(self, n: int, *, sticky: float = 0.25, max_steps: int = 400, layout: str = "") -> None:
        self._made_with: dict[str, Any] = {"max_steps": max_steps, **({"layout": layout} if layout else {})}
        self.grid = KeyDoor(n, sticky=sticky, **self._made_with)
        self.n, self.actions, self.max_steps = n, 4, max_steps
        self._seen = self.grid.reset(0)

    @property
    def categories(self) -> tuple[int, int, int]:
        """Sizes of the entries of an observation: rows, columns, key."""
        return (*self.grid.shape, 2)

    def record(self, actions: Sequence[Json], seed: int = 0) -> Demo:
        """Play actions in one lane that does not stick."""
        quiet = KeyDoor(1, autoreset=False, **self._made_with)
        seen, states, rewards = [quiet.reset(seed)[0]], [quiet.rows()[0]], []
        for action in actions:
            lanes = quiet.step(np.array([action]))
            seen.append(lanes.observation[0])
            rewards.append(float(lanes.reward[0]))
            states.append(quiet.rows()[0])
        return Demo(np.stack(seen), np.array(actions, np.int64), np.array(rewards), tuple(states[: len(actions)]))

    def place(self, lanes: Ints, demos: Sequence[Demo], starts: Ints, seeds: Ints, waits: Ints) -> None:
        """A no-op is a tick of the clock in which nothing moves: the grid has no such action."""
        rows = np.stack([demo.states[start] for demo, start in zip(demos, starts, strict=True)])
        waits = np.minimum(waits, self.max_steps - 1 - starts).clip(min=0)
        rows[:, 1] = np.where(waits > 0, STAY, rows[:, 1])
        rows[:, 2], rows[:, 3], rows[:, 4] = starts + waits, 0, seeds
        self._seen = self.grid.put(rows, lanes)

    def look(self) -> Array:
        """Row, column, key `(n, 3)`."""
        return self._seen

    def step(self, actions: Ints, active: Array) -> Moved:
        """Take a step in all lanes."""
        lanes = self.grid.step(actions)
        self._seen = lanes.observation
        return Moved(lanes.final, lanes.reward, lanes.terminated, lanes.truncated)

    def save(self) -> Arrays:
        """One row of numbers per lane."""
        return {"rows": self.grid.rows()}

    def restore(self, arrays: Arrays) -> None:
        """Put the rows back."""
        self._seen = self.grid.put(arrays["rows"])


class Screens:
    """What the published policy sees of Atari: RGB at half size, the larger of two frames, four of them stacked."""

    STACK, HEIGHT, WIDTH = 4, 105, 80

    def first(self, world: AleWorld) -> Array:
        """The stack at a reset: one frame four times."""
        return np.concatenate([self._small(world.render())] * self.STACK, axis=2)

    def step(self, world: AleWorld, action: int) -> tuple[float, Array]:
        """Hold an action for the world's frame skip, keeping the last two screens; returns reward and new frame."""
        skip, reward, screens = world.frame_skip, 0, []
        try:
            for frames in (max(skip - 1, 0), min(skip, 1)):
                world.frame_skip = frames
                if frames:
                    reward += world.act(action)
                    screens.append(world.render())
        finally:
            world.frame_skip = skip
        return float(reward), self._small(np.max(screens, axis=0))

    def after(self, before: Array, frame: Array) -> Array:
        """The next stack: the oldest frame goes."""
        return np.concatenate((before[..., 3:], frame), axis=-1)

    def _small(self, screen: Array) -> Array:
        parts = screen.reshape(self.HEIGHT, 2, self.WIDTH, 2, 3)
        mean: Array = parts.mean((1, 3)).astype(np.uint8)
        return mean


class SnapshotWorlds:
    """One world per lane, restored from snapshots: Atari by the raw emulator, or any world that `snapshot_of` can save.

    An `AleWorld` sticks by the frame, as in the publications, and is seen as `Screens`; other worlds stick by the step
    and are seen as vectors.

    Args:
        make: makes one world: an `AleWorld` or a `World` with discrete actions.
        n: number of lanes.
        sticky: probability that an action repeats the one before.
        every: steps of a demonstration between two snapshots.
        no_op: the action that does nothing; without one nobody waits. On Atari it is 0.
    """

    def __init__(
        self, make: Callable[[], Any], n: int, *, sticky: float = 0.25, every: int = 1, no_op: int | None = None
    ) -> None:
        self.worlds = [make() for _ in range(n)]
        self.n, self.sticky, self.every = n, sticky, every
        self._snapshots: list[Snapshot] = [snapshot_of(world) for world in self.worlds]
        world = self.worlds[0]
        self.screens = Screens() if isinstance(world, AleWorld) else None
        self.no_op = 0 if self.screens and no_op is None else no_op
        self._least = 0 if self.screens else int(world.action_space.start)
        self.actions = len(world.action_meanings) if self.screens else int(world.action_space.n)
        self._seeds, self._clock, self._previous = (np.zeros(n, np.int64) for _ in range(3))
        self._seen: Array | None = None

    def record(self, actions: Sequence[Json], seed: int = 0) -> Demo:
        """Play actions in the first lane, without noise."""
        world, snapshot = self.worlds[0], self._snapshots[0]
        first, _ = world.reset(seed)
        self._noise(0, None)
        seen, states, rewards = [self.screens.first(world) if self.screens else self._flat(first)], [], []
        indices = [int(world.decode(action)) - self._least for action in actions]
        for i, action in enumerate(indices):
            if i % self.every == 0:
                states.append(snapshot.save())
            reward, look, *_ = self._act(0, action, seen[-1])
            seen.append(look)
            rewards.append(reward)
        return Demo(np.stack(seen), np.array(indices, np.int64), np.array(rewards), tuple(states), self.every)

    def place(self, lanes: Ints, demos: Sequence[Demo], starts: Ints, seeds: Ints, waits: Ints) -> None:
        """Restore the snapshot before, play on to the start point, then do nothing for a while."""
        if self._seen is None:
            self._seen = np.stack([demos[0].observations[0]] * self.n)
        for lane, demo, start, seed, wait in zip(lanes, demos, starts, seeds, waits, strict=True):
            self._go(lane, demo, int(start))
            self._noise(lane, int(seed))
            for _ in range(int(wait) if self.no_op is not None else 0):
                if self._wait(lane):
                    self._go(lane, demo, int(start))
                    self._noise(lane, int(seed))
                    break

    def look(self) -> Array:
        """What was last seen `(n, ...)`.

        Raises:
            SolverError: nothing has been placed.
        """
        if self._seen is None:
            raise SolverError("worlds in some state", "none was placed", "Call place first")
        return self._seen.copy()

    def step(self, actions: Ints, active: Array) -> Moved:
        """Step the active lanes one after the other."""
        seen = self.look()
        reward, terminated, truncated = np.zeros(self.n), np.zeros(self.n, bool), np.zeros(self.n, bool)
        for lane in np.flatnonzero(active).tolist():
            action = self._stuck(lane, int(actions[lane]))
            reward[lane], seen[lane], terminated[lane], truncated[lane] = self._act(lane, action, seen[lane])
        self._seen = seen
        return Moved(seen.copy(), reward, terminated, truncated)

    def save(self) -> Arrays:
        """Snapshots as bytes, with the noise and the screens.

        Raises:
            SolverError: the snapshots of this world are live copies, which cannot be written down.
        """
        tokens = [snapshot.save() for snapshot in self._snapshots]
        if not all(isinstance(token, bytes) for token in tokens):
            way = self._snapshots[0].way
            raise SolverError("snapshots that are bytes", f"way {way!r} keeps live objects", "Use worlds that replay")
        found: Arrays = {f"token{i}": np.frombuffer(token, np.uint8) for i, token in enumerate(tokens)}
        return found | {
            "seeds": self._seeds, "clock": self._clock, "previous": self._previous, "seen": self.look(),
        }  # fmt: skip

    def restore(self, arrays: Arrays) -> None:
        """Restore each lane."""
        self._seeds, self._clock = arrays["seeds"].copy(), arrays["clock"].copy()
        self._previous, self._seen = arrays["previous"].copy(), arrays["seen"].copy()
        for i, snapshot in enumerate(self._snapshots):
            snapshot.restore(arrays[f"token{i}"].tobytes())
            if self.screens:
                self.worlds[i].sticky = self.sticky

    # ── one lane ────────────────────────────────────────────────────────────────────────────────────────────────

    def _go(self, lane: int, demo: Demo, start: int) -> None:
        assert self._seen is not None
        self._snapshots[lane].restore(demo.states[start // demo.every])
        self._noise(lane, None)
        for action in demo.actions[start // demo.every * demo.every : start]:
            self._act(lane, int(action), self._seen[lane])
        self._seen[lane] = demo.observations[start]
        self._previous[lane] = demo.actions[start - 1] if start else self.no_op or 0

    def _noise(self, lane: int, seed: int | None) -> None:
        """Fresh noise by a seed, or none."""
        self._seeds[lane], self._clock[lane] = -1 if seed is None else seed, 0
        if self.screens:
            world = self.worlds[lane]
            world.sticky = 0.0 if seed is None else self.sticky
            world.seed = world.seed if seed is None else seed

    def _stuck(self, lane: int, action: int) -> int:
        """The action that is really taken, where worlds do not stick by themselves."""
        if not self.screens and self.sticky and self._seeds[lane] >= 0:
            draw = stream(int(self._seeds[lane]), "sticky", int(self._clock[lane])).random()
            action = int(self._previous[lane]) if draw < self.sticky else action
        self._previous[lane], self._clock[lane] = action, self._clock[lane] + 1
        return action

    def _act(self, lane: int, action: int, before: Array) -> tuple[float, Array, bool, bool]:
        world = self.worlds[lane]
        if self.screens:
            reward, frame = self.screens.step(world, action)
            truncated = not world.ended and world.frames >= world.max_frames
            return reward, self.screens.after(before, frame), bool(world.ended), truncated
        step = world.step(action + self._least)
        return step.reward, self._flat(step.observation), step.terminated, step.truncated

    def _wait(self, lane: int) -> bool:
        """One no-op: a frame of Atari, a step of other worlds. True if that ended the episode."""
        assert self._seen is not None
        assert self.no_op is not None
        world = self.worlds[lane]
        if not self.screens:
            _, look, terminated, truncated = self._act(lane, self.no_op, self._seen[lane])
            self._seen[lane] = look
            return terminated or truncated
        skip, world.frame_skip = world.frame_skip, 1
        try:
            world.act(self.no_op)
        finally:
            world.frame_skip = skip
        return bool(world.ended)

    def _flat(self, observation: Any) -> Array:
        array = np.asarray(observation)
        if array.dtype == object:
            raise ConfigError("observations that are arrays", f"got a {type(observation).__name__}", "Flatten them")
        return array.reshape(-1)
