"""The policy-based variant of 2021: a goal-conditioned policy returns to a cell by itself, and then explores.

Nothing is restored and the noise is always on, so no second phase is needed. The archive keeps for every cell the
sequence of cells that led there. An episode draws a cell, and the policy is sent along its sequence: the goal is the
next cell of it, and reaching any of the next ten will do. Then it explores with goals of its own (arXiv 2004.12919,
methods).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.rng import stream
from guerdon.systems.go_explore.robustify.noisy import GridWorlds
from guerdon.train.nets import VectorNet
from guerdon.train.ppo import PPO, Agent, Outcome, View, collect, improve

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Array: TypeAlias = npt.NDArray[Any]
Cell: TypeAlias = tuple[int, ...]
"""Row, column, key."""


@dataclass(frozen=True, kw_only=True)
class PolicyBased:
    """Settings; shares of goals and the window are those published."""

    window: int = 10
    """How many cells ahead in the sequence count as reaching the goal (source: 10)."""
    unknown: float = 0.10
    """Share of exploration's goals that are neighbours outside the archive (source: 0.10)."""
    adjacent: float = 0.225
    """Share of goals that are any neighbours (source: 0.225); all others are cells of the archive."""
    explore_steps: int = 100
    """Steps of exploration after the return."""
    patience: int = 30
    """Steps without reaching a goal after which a return has failed, or exploration takes another goal."""
    no_ops: int = 30
    """Most steps of waiting before an episode (source: 30)."""


class Known(NamedTuple):
    """What the archive holds of a cell.

    Args:
        score: highest score on the way there.
        length: steps of that way.
        route: the cells on it, from the start's to its own, without loops.
    """

    score: float
    length: int
    route: tuple[Cell, ...]


@dataclass
class Traveller:
    """One lane's episode.

    Args:
        route: the sequence it follows.
        at: how many cells of it are behind.
        exploring: whether it has returned.
        goal: where it is sent.
        since: steps since its last goal was reached.
        left: steps of exploration left.
        path: cells it came through, without loops.
        place: position of each cell in the path.
        score: so far.
        steps: so far.
    """

    route: tuple[Cell, ...]
    goal: Cell
    left: int
    at: int = 0
    exploring: bool = False
    since: int = 0
    path: list[Cell] = field(default_factory=list)
    place: dict[Cell, int] = field(default_factory=dict)
    score: float = 0.0
    steps: int = 0

    def go(self, cell: Cell) -> None:
        """Note a cell; coming back to one forgets the loop."""
        at = self.place.get(cell)
        if at is None:
            self.place[cell] = len(self.path)
            self.path.append(cell)
        else:
            for forgotten in self.path[at + 1 :]:
                del self.place[forgotten]
            del self.path[at + 1 :]


class ReturningLanes:
    """Lanes in which a goal-conditioned policy returns and explores; what PPO sees.

    Args:
        worlds: lanes of the grid, with their noise.
        settings: of the variant.

    Attributes:
        archive: what is known of each cell.
        returned: of the returns that have ended, how many came to their cell.
        ended: returns that have ended.
    """

    rng: Rng

    def __init__(self, worlds: GridWorlds, settings: PolicyBased) -> None:
        self.worlds, self.settings, self.n = worlds, settings, worlds.n
        self._start = worlds.record([0]).start()
        first: Cell = tuple(int(x) for x in self._start.observations[0])
        self.archive: dict[Cell, Known] = {first: Known(0.0, 0, (first,))}
        self._seen: dict[Cell, int] = {first: 0}
        self._first, self._lanes = first, list[Traveller]()
        self._new = np.ones(self.n, bool)
        self.returned, self.ended, self.frames = 0, 0, 0

    def begin(self, rng: Rng) -> None:
        """Take the generator of a chunk; the first time, start all lanes."""
        self.rng = rng
        if not self._lanes:
            self._lanes = [self._fresh() for _ in range(self.n)]
            self._place(np.arange(self.n))

    def view(self) -> View:
        """Row, column and key of the lane, then of its goal `(n, 6)`."""
        goals = np.array([lane.goal for lane in self._lanes], np.uint8)
        yes = np.ones(self.n, bool)
        return View(
            np.concatenate((self.worlds.look(), goals), 1), self._new.copy(), yes, np.full(self.n, -1),
            np.ones(self.n, np.float32),
        )  # fmt: skip

    def step(self, actions: Array) -> Outcome:
        """Move, note cells, and reward goals that were reached."""
        moved = self.worlds.step(actions.astype(np.int64), np.ones(self.n, bool))
        reward, failed, stopped = np.zeros(self.n, np.float32), moved.terminated.copy(), moved.truncated.copy()
        asked = np.array([lane.goal for lane in self._lanes], np.uint8)
        for i, row in enumerate(moved.observation.tolist()):
            lane, cell = self._lanes[i], tuple(row)
            lane.steps += 1
            lane.score += float(moved.reward[i])
            lane.go(cell)
            self._note(lane, cell)
            reward[i], lost, over = self._judge(lane, cell)
            failed[i] |= lost
            stopped[i] |= over
        ends = np.flatnonzero(failed | stopped)
        for i in ends.tolist():
            lane = self._lanes[i]
            self.ended += not lane.exploring
            self._lanes[i] = self._fresh()
        self._new = failed | stopped
        self._place(ends)
        self.frames += self.n
        return Outcome(reward, failed, stopped & ~failed, np.concatenate((moved.observation, asked), 1))

    def _judge(self, lane: Traveller, cell: Cell) -> tuple[float, bool, bool]:
        """Reward, whether the return has failed, whether exploration is over."""
        lane.since += 1
        if lane.exploring:
            lane.left -= 1
            reached = cell == lane.goal
            if reached or lane.since > self.settings.patience:
                lane.goal, lane.since = self._goal(cell), 0
            return float(reached), False, lane.left <= 0
        ahead = lane.route[lane.at : lane.at + self.settings.window]
        if cell not in ahead:
            return 0.0, lane.since > self.settings.patience, False
        lane.at, lane.since = lane.at + ahead.index(cell) + 1, 0
        if lane.at < len(lane.route):
            lane.goal = lane.route[lane.at]
        else:
            lane.exploring, lane.goal = True, self._goal(cell)
            self.returned, self.ended = self.returned + 1, self.ended + 1
        return 1.0, False, False

    def _goal(self, cell: Cell) -> Cell:
        """A goal of exploration: a neighbour outside the archive, any neighbour, or a cell of the archive."""
        draw = self.rng.random()
        row, column, *rest = cell
        near: list[Cell] = [(row + a, column + b, *rest) for a, b in ((-1, 0), (0, 1), (1, 0), (0, -1))]
        unknown = [other for other in near if other not in self.archive]
        if draw < self.settings.unknown and unknown:
            return unknown[self.rng.integers(len(unknown))]
        if draw < self.settings.unknown + self.settings.adjacent:
            return near[self.rng.integers(len(near))]
        return self._drawn()

    def _drawn(self) -> Cell:
        """A cell of the archive by W = 1 / sqrt(seen + 1)."""
        cells = list(self._seen)
        weights = np.cumsum(1.0 / np.sqrt(np.array(list(self._seen.values())) + 1.0))
        return cells[int(np.searchsorted(weights, self.rng.random() * weights[-1], side="right"))]

    def _note(self, lane: Traveller, cell: Cell) -> None:
        """Bring a cell into the archive: new, of a higher score, or of the same score and a shorter way."""
        known = self.archive.get(cell)
        if known is None or (lane.score, -lane.steps) > (known.score, -known.length):
            self.archive[cell] = Known(lane.score, lane.steps, tuple(lane.path))
        self._seen[cell] = 0 if known is None else self._seen[cell] + 1

    def _fresh(self) -> Traveller:
        route = self.archive[self._drawn()].route
        lane = Traveller(route, route[0], self.settings.explore_steps)
        lane.go(self._first)
        self._judge(lane, self._first)
        return lane

    def _place(self, lanes: Array) -> None:
        if len(lanes):
            zeros = np.zeros(len(lanes), np.int64)
            seeds = self.rng.integers(2**62, size=len(lanes))
            waits = self.rng.integers(self.settings.no_ops + 1, size=len(lanes))
            self.worlds.place(lanes, [self._start] * len(lanes), zeros, seeds, waits)


def explore_by_policy(lanes: ReturningLanes, settings: PPO, hidden: tuple[int, ...], seed: int, frames: int) -> Agent:
    """Train the returning policy for so many frames; what it found is in `lanes.archive`.

    Args:
        lanes: fresh lanes.
        settings: of PPO.
        hidden: units of the policy's layers.
        seed: of everything random.
        frames: steps in the worlds, of all lanes together.
    """
    net = VectorNet(inputs=6, actions=4, categories=lanes.worlds.categories * 2, hidden=hidden)
    agent, chunks = Agent.new(net, lanes.n, settings, stream(seed, "weights")), 0
    while lanes.frames < frames:
        lanes.begin(stream(seed, "lanes", chunks))
        chunk = collect(agent, lanes, settings, stream(seed, "act", chunks))
        improve(agent, chunk, settings, stream(seed, "learn", chunks))
        chunks += 1
    return agent


def explore_at_random(worlds: GridWorlds, seed: int, frames: int, no_ops: int = 30) -> set[Cell]:
    """The control: uniformly random actions in the same worlds, always from the start.

    Returns:
        The cells that were seen.
    """
    rng, n, start = stream(seed, "random"), worlds.n, worlds.record([0]).start()
    found, ends = set[Cell](), np.arange(n)
    for _ in range(-(-frames // n)):
        if len(ends):
            seeds, waits = rng.integers(2**62, size=len(ends)), rng.integers(no_ops + 1, size=len(ends))
            worlds.place(ends, [start] * len(ends), np.zeros(len(ends), np.int64), seeds, waits)
        moved = worlds.step(rng.integers(worlds.actions, size=n), np.ones(n, bool))
        found.update(map(tuple, np.unique(moved.observation, axis=0).tolist()))
        ends = np.flatnonzero(moved.terminated | moved.truncated)
    return found
