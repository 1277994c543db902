"""A grid with a key and a door, one class for one lane and for thousands, with a reward only at the goal.

The shortest way (66 steps) fetches the key at one end of the grid and brings it to the door at the other. Actions
stick with probability `sticky`. The noise of a lane is a function of its seed and its step (SplitMix64), so a lane
does the same whatever the number of lanes, and its state is five numbers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.core.score import FaultKind
from guerdon.worlds.errors import WorldError, missing
from guerdon.worlds.world import checked_seed

U8: TypeAlias = npt.NDArray[np.uint8]
U64: TypeAlias = npt.NDArray[np.uint64]
Bools: TypeAlias = npt.NDArray[np.bool_]

LAYOUT = """
#################
#S......#.......#
#######.#.#####.#
#.......#.#...#.#
#.#######.#.#.#.#
#.........#.#K#.#
#.#######.#.###.#
#.......#.......#
#########D#######
#.......#.......#
#.#####.#.#####.#
#....G#...#...#.#
#################
"""
MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))
STAY = len(MOVES)
GOLDEN = np.uint64(0x9E3779B97F4A7C15)
SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))
FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


class Lanes(NamedTuple):
    """What a step of all lanes returns.

    Args:
        observation: `(n, 3)` of uint8: row, column, key held; of the new episode where a lane was started again.
        reward: `(n,)` of float32.
        terminated: `(n,)` at the goal.
        truncated: `(n,)` out of time.
        final: `(n, 3)`, the observation before lanes were started again.
    """

    observation: U8
    reward: npt.NDArray[np.float32]
    terminated: Bools
    truncated: Bools
    final: U8


class KeyDoor:
    """The grid, in `n` lanes. Actions: 0 up, 1 right, 2 down, 3 left.

    Args:
        n: number of lanes.
        sticky: probability that a step repeats the last action instead of the one given.
        max_steps: truncate a lane after so many steps.
        autoreset: start a lane again in the same step in which it ends; otherwise a step after an end is an error.
        layout: rows of `#` wall, `.` floor, `S` start, `K` key, `D` door, `G` goal.

    >>> grid = KeyDoor(n=2)
    >>> grid.reset(seed=0).tolist()
    [[1, 1, 0], [1, 1, 0]]
    >>> grid.step([1, 0]).observation.tolist()
    [[1, 2, 0], [1, 1, 0]]
    """

    name = "guerdon/KeyDoor-v0"

    def __init__(
        self, n: int = 1, *, sticky: float = 0.0, max_steps: int = 400, autoreset: bool = True, layout: str = LAYOUT
    ) -> None:
        if not (n >= 1 and 0.0 <= sticky < 1.0 and max_steps >= 1):
            got = f"got n={n}, sticky={sticky}, max_steps={max_steps}"
            raise ConfigError("n >= 1, 0 <= sticky < 1 and max_steps >= 1", got, "Change them")
        self.n, self.sticky, self.max_steps, self.autoreset, self.layout = n, sticky, max_steps, autoreset, layout
        self._table, self._seen, self._start, self._goal = _tables(layout)
        self._threshold = np.uint64(int(sticky * 2**64))
        self._state = np.full(n, self._start, np.int64)
        self._previous = np.full(n, STAY, np.int64)
        self._clock = np.zeros(n, np.uint64)
        self._began = np.zeros(n, np.uint64)
        self._seeds: U64 | None = None
        self._ended = False

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows = self.layout.split()
        return len(rows), len(rows[0])

    def reset(self, seed: int) -> U8:
        """Start all lanes; lane `i` is the world of `seed + i`. Returns observations `(n, 3)`."""
        first = checked_seed(seed)
        self._seeds = np.array([(first + lane) % 2**64 for lane in range(self.n)], np.uint64)
        self._state[:], self._previous[:], self._clock[:], self._began[:] = self._start, STAY, 0, 0
        self._ended = False
        return self._seen[self._state]

    def step(self, actions: Sequence[int] | npt.NDArray[Any]) -> Lanes:
        """Take one action in each lane.

        Args:
            actions: `(n,)` whole numbers from 0 to 3.

        Raises:
            WorldError: before a reset, after an end without `autoreset`, or no such action.
        """
        taken = self._taken(actions)
        if self.sticky:
            taken = np.where(self._noise() < self._threshold, self._previous, taken)
        state = self._table.take((self._state << 3) + taken)
        self._clock += np.uint64(1)
        terminated = state == self._goal
        truncated = (self._clock - self._began) >= self.max_steps
        final = observation = self._seen.take(state, axis=0)
        ended = terminated | truncated
        self._state, self._previous = state, taken
        if ended.any():
            if self.autoreset:
                state[ended], taken[ended], self._began[ended] = self._start, STAY, self._clock[ended]
                observation = self._seen.take(state, axis=0)
            else:
                self._ended = True
        return Lanes(observation, terminated.astype(np.float32), terminated, truncated, final)

    def rows(self) -> U64:
        """The state of all lanes `(n, 5)`: place and key, last action, clock, clock at the episode's start, seed."""
        if self._seeds is None:
            raise self._misused("a reset before it", "there was none", "Call reset(seed)")
        columns = (self._state, self._previous, self._clock, self._began, self._seeds)
        return np.stack([column.astype(np.uint64) for column in columns], axis=1)

    def put(self, rows: U64, lanes: npt.ArrayLike | None = None) -> U8:
        """Put states from `rows()` into lanes (all by default). Returns all observations `(n, 3)`."""
        if self._seeds is None:
            self.reset(0)
        assert self._seeds is not None
        where: Any = slice(None) if lanes is None else np.asarray(lanes)
        self._state[where], self._previous[where] = rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64)
        self._clock[where], self._began[where], self._seeds[where] = rows[:, 2], rows[:, 3], rows[:, 4]
        late = (self._clock - self._began) >= self.max_steps
        self._ended = not self.autoreset and bool((late | (self._state == self._goal)).any())
        return self._seen[self._state]

    def save(self) -> bytes:
        """The state of all lanes, 40 bytes each."""
        return self.rows().tobytes()

    def restore(self, token: bytes) -> None:
        """Go to what `save` returned, in a grid of the same size and layout."""
        self.put(np.frombuffer(token, np.uint64).reshape(self.n, 5))

    def solution(self) -> list[int]:
        """A shortest sequence of actions from start to goal, without noise."""
        came: dict[int, tuple[int, int]] = {self._start: (-1, -1)}
        queue = deque([self._start])
        while queue and self._goal not in came:
            state = queue.popleft()
            for action in range(len(MOVES)):
                found = int(self._table[(state << 3) + action])
                if found not in came:
                    came[found] = (state, action)
                    queue.append(found)
        if self._goal not in came:
            raise ConfigError("a layout with a way to the goal", "there is none", "Change the layout")
        actions, state = [], self._goal
        while state != self._start:
            state, action = came[state]
            actions.append(action)
        return actions[::-1]

    def picture(self, lane: int = 0, scale: int = 8) -> U8:
        """A lane as a picture `(rows * scale, columns * scale, 3)`."""
        row, column, key = (int(x) for x in self._seen[self._state[lane]])
        colours = {"#": (40, 40, 48), "K": (230, 190, 40), "D": (150, 90, 40), "G": (60, 170, 80)}
        rows = self.layout.split()
        picture = np.full((len(rows), len(rows[0]), 3), 235, np.uint8)
        for i, line in enumerate(rows):
            for j, sign in enumerate(line):
                if sign in colours and not (sign == "K" and key):
                    picture[i, j] = colours[sign]
        picture[row, column] = (200, 60, 60) if key else (60, 90, 200)
        return picture.repeat(scale, 0).repeat(scale, 1)

    def _taken(self, actions: Sequence[int] | npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        if self._seeds is None or self._ended:
            what = "a lane has ended" if self._ended else "there was none"
            raise self._misused("a running episode", what, "Call reset(seed)")
        taken = np.asarray(actions)
        if taken.shape != (self.n,) or taken.dtype.kind not in "iu":
            raise self._misused(f"{self.n} whole numbers", f"got {taken.dtype} of shape {taken.shape}", "Give (n,)")
        if taken.min() < 0 or taken.max() >= len(MOVES):
            lane = int(np.flatnonzero((taken < 0) | (taken >= len(MOVES)))[0])
            raise self._misused("actions from 0 to 3", f"got {taken[lane]} in lane {lane}", "Give one of them")
        return taken.astype(np.int64)

    def _noise(self) -> U64:
        """SplitMix64 of seed and clock, per lane `(n,)`."""
        assert self._seeds is not None
        z = _mixed(self._seeds + GOLDEN)
        return _mixed(z + self._clock * GOLDEN)

    def _misused(self, expected: str, got: str, do: str) -> WorldError:
        step = int(self._clock.max())
        return WorldError(expected, got, do, world=self.name, step=step, kind=FaultKind.INVALID)


def _mixed(z: U64) -> U64:
    z = (z ^ (z >> SHIFTS[0])) * FACTORS[0]
    z = (z ^ (z >> SHIFTS[1])) * FACTORS[1]
    return z ^ (z >> SHIFTS[2])


@cache
def _tables(layout: str) -> tuple[npt.NDArray[np.int64], U8, int, int]:
    """Next states `(states * 8,)`, observations `(states, 3)`, start and goal. A state is `2 * cell + key`."""
    rows = layout.split()
    width = len(rows[0])
    flat = "".join(rows)
    if any(len(row) != width for row in rows) or any(flat.count(sign) != 1 for sign in "SKG"):
        raise ConfigError("a layout of equal rows with one S, K and G", "got another", "Mend it")
    if set(flat) - set("#.SKDG") or "." in rows[0] + rows[-1] or any(row[0] + row[-1] != "##" for row in rows):
        raise ConfigError("a layout of #.SKDG with walls around", "got another", "Mend it")
    table = np.zeros((len(flat) * 2, 8), np.int64)
    seen = np.zeros((len(flat) * 2, 3), np.uint8)
    for cell, key in ((c, k) for c, sign in enumerate(flat) if sign != "#" for k in (0, 1)):
        state = 2 * cell + key
        seen[state] = (cell // width, cell % width, key)
        table[state] = state
        for action, (down, right) in enumerate(MOVES):
            there = cell + down * width + right
            if flat[there] != "#" and (flat[there] != "D" or key):
                table[state, action] = 2 * there + (1 if flat[there] == "K" else key)
    return table.ravel(), seen, 2 * flat.index("S"), 2 * flat.index("G") + 1


# ── the single view ─────────────────────────────────────────────────────────────────────────────────────────────────


def single(**arguments: Any) -> Any:
    """One lane as a Gymnasium environment; takes what `KeyDoor` takes, and `render_mode`."""
    return _single_class()(**arguments)


def register() -> None:
    """Make `guerdon/KeyDoor-v0` known to Gymnasium. Calling it again does nothing."""
    try:
        import gymnasium
    except ImportError as error:
        raise missing("gymnasium", error) from None
    if KeyDoor.name not in gymnasium.registry:
        gymnasium.register(KeyDoor.name, entry_point="guerdon.worlds.grid:single")


@cache
def _single_class() -> Any:
    try:
        import gymnasium
        from gymnasium import spaces
    except ImportError as error:
        raise missing("gymnasium", error) from None

    class KeyDoorEnv(gymnasium.Env):  # type: ignore[misc,type-arg,unused-ignore]
        """One lane of `KeyDoor`."""

        code_of = KeyDoor

        metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012  # Gymnasium's own declaration

        def __init__(self, render_mode: str | None = None, **arguments: Any) -> None:
            self.grid = KeyDoor(1, autoreset=False, **arguments)
            self.render_mode = render_mode
            rows, columns = self.grid.shape
            self.action_space = spaces.Discrete(len(MOVES))
            high = np.array([rows - 1, columns - 1, 1], np.uint8)
            self.observation_space = spaces.Box(np.zeros(3, np.uint8), high, dtype=np.uint8)

        def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[U8, dict[str, Any]]:
            super().reset(seed=seed)
            start = seed if seed is not None else int(self.np_random.integers(2**32))
            return self.grid.reset(start)[0], {}

        def step(self, action: int) -> tuple[U8, float, bool, bool, dict[str, Any]]:
            lanes = self.grid.step(np.array([action]))
            return (
                lanes.observation[0], float(lanes.reward[0]), bool(lanes.terminated[0]), bool(lanes.truncated[0]), {},
            )  # fmt: skip

        def render(self) -> U8 | None:  # type: ignore[override,unused-ignore]
            return self.grid.picture() if self.render_mode == "rgb_array" else None

    KeyDoorEnv.__module__, KeyDoorEnv.__qualname__ = __name__, "KeyDoorEnv"
    globals()["KeyDoorEnv"] = KeyDoorEnv  # so that it can be pickled
    return KeyDoorEnv
