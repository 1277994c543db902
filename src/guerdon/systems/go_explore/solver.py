"""Go-Explore, phase 1: remember states, return to one, explore from there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from guerdon.core.errors import ConfigError, SolverError
from guerdon.core.plain import Json, canonical
from guerdon.core.recipe import code_digest
from guerdon.core.rng import stream
from guerdon.core.solver import Learner, Problem
from guerdon.core.task import Answer, Judged, Task
from guerdon.search.cells import CellRecord
from guerdon.search.selection import GO_EXPLORE_RUNS, GoExplore2019, GoExplore2021
from guerdon.systems.go_explore.explore import Found, Place, Plan, Rules, Start, here, spread_out
from guerdon.systems.go_explore.memory import End, Fitting, Memory, News
from guerdon.systems.go_explore.selection import Layout, weights
from guerdon.systems.go_explore.simulator import Cells, Simulator, cell_of, function_of, game_of, settled, simulator

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Selection = Literal[
    "2019 montezuma",
    "2019 montezuma, domain knowledge",
    "2019 pitfall, domain knowledge",
    "2021 no domain knowledge",
    "2021 montezuma, domain knowledge",
    "2021 pitfall, domain knowledge",
]
CLAIMS = 4
"""Most new rooms that one step claims."""


@dataclass(slots=True)
class State:
    """The whole memory of a run.

    Args:
        tasks: a memory for each task.
        turn: batches explored so far.
        audits: stored trajectories that the judge has played again.
        wrong: those whose score came out another.
        batch: the batch that was asked last, so that it is not explored twice; not saved.
    """

    tasks: dict[str, Memory]
    turn: int = 0
    audits: int = 0
    wrong: int = 0
    batch: Batch | None = None


@dataclass(slots=True)
class Batch:
    """Explorations that follow from a memory and a seed alone.

    Args:
        turn: whose number it is.
        seed: of all its random numbers.
        records: the cells that were chosen, frozen.
        starts: where the explorations start.
        found: the explorations.
    """

    turn: int
    seed: int
    records: list[CellRecord]
    starts: list[End]
    found: list[Found]


@dataclass(frozen=True, kw_only=True)
class GoExplore(Learner[State]):
    """Phase 1 of Go-Explore (Ecoffet et al. 2019 and 2021; arXiv 1901.10995, 2004.12919): explore until solved.

    Cells are chosen by weight, their stored states are restored, and at most `explore_steps` random actions, each
    repeated for a while, are taken from there. A state takes its cell when the cell is new, its score higher, or its
    score equal and its way shorter. What a chosen cell holds is frozen when it is chosen, so that no trajectory joins
    parts that nobody has played one after the other.

    Every answer is a list of actions that the judge plays from the reset: the best trajectory when it is a new one, the
    way into new rooms, and else stored trajectories drawn by lot, which audits the archive.

    Where we differ: RAM cells count keys without the room each was taken in, and steps that lead to no stored state are
    not logged.

    Args:
        cells: "ram" (domain knowledge; Montezuma's Revenge and Pitfall), "pixels" (2019: 11 × 8 × 8), "dynamic" (2021),
            "observation", a function of the world as `module:name` or `FILE.py:name`, or "auto": the first there is.
        grid: side of a RAM cell in doubled pixels (source: 16).
        width: pixel cells across (source, 2019: 11).
        height: pixel cells down (source, 2019: 8).
        levels: grey levels of pixel cells (source, 2019: 8).
        resolution: width of an observation's cell along each real number.
        selection: the published weights; "2021 no domain knowledge" is W = 1/√(seen + 1).
        w_seen: weight of how often a cell was seen, instead of the published one.
        w_chosen: weight of how often it was chosen.
        w_since_new: weight of how often it was chosen since it led to something new.
        w_horizontal: weight of each unknown neighbour to the left and right.
        w_vertical: weight of each unknown neighbour above and below.
        w_more: weight of having no cell at the same place with more keys.
        level_base: factor for each level below the highest (source: 0.1).
        batch: cells chosen at once (source: 100; 1000 with domain knowledge in 2019).
        explore_steps: most steps of an exploration (source: 100).
        keep: probability that an action is the one before (source: 0.95; robotics 0.9).
        end: stop at the loss of a life (source: 2019, and all with domain knowledge) or only when the game is over.
        drop_before_death: steps before the loss of a life that are not stored (source: 1).
        reset_cell_on_update: set a cell's counters to zero when it is taken (source: all of 2021, 2019 Pitfall).
        return_to: start explorations from the chosen cell, or, as a control, from the start state all the same.
        fit_first: steps before dynamic cells are fitted first (source: 10,000).
        fit_every: steps between fits (source: 10 million).
        fit_cells: fit when there are more cells (source: 50,000).
        frame_share: probability that a step's screen is kept for the fit (source: 0.01).
        recent_frames: screens kept (source: 10,000).
        proposals: dynamic cells tried in a fit (source: 3000).
        target: cells wanted for each screen (source: 0.125).
        audits: stored trajectories the judge plays in a step that has nothing new to claim.
        processes: emulators at work at once; what is found does not depend on it.

    >>> GoExplore().rule.weights(seen=[0, 3]).tolist()
    [1.0, 0.5]
    """

    name: ClassVar[str] = "go-explore"

    cells: str = "auto"
    grid: int = 16
    width: int = 11
    height: int = 8
    levels: int = 8
    resolution: float = 0.5
    selection: Selection = "2021 no domain knowledge"
    w_seen: float | None = None
    w_chosen: float | None = None
    w_since_new: float | None = None
    w_horizontal: float | None = None
    w_vertical: float | None = None
    w_more: float | None = None
    level_base: float = 0.1
    batch: int = 100
    explore_steps: int = 100
    keep: float = 0.95
    end: Literal["life", "game over"] = "life"
    drop_before_death: int = 1
    reset_cell_on_update: bool = True
    return_to: Literal["cell", "start"] = "cell"
    fit_first: int = 10_000
    fit_every: int = 10_000_000
    fit_cells: int = 50_000
    frame_share: float = 0.01
    recent_frames: int = 10_000
    proposals: int = 3000
    target: float = 0.125
    audits: int = 1
    processes: int = field(default=1, metadata={"recipe": False})

    def __post_init__(self) -> None:
        counts = ("grid", "batch", "explore_steps", "fit_first", "fit_every", "fit_cells", "recent_frames", "processes")
        for name in counts:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is at least 1", f"got {getattr(self, name)}", "Raise it")
        if min(self.audits, self.drop_before_death) < 0:
            raise ConfigError("audits and drop_before_death are at least 0", "got less", "Raise them")
        if not (0 <= self.keep < 1 and 0 <= self.frame_share <= 1):
            got = f"got keep {self.keep}, frame_share {self.frame_share}"
            raise ConfigError("probabilities, keep below 1", got, "Write keep=0.95")
        if not self.resolution > 0:
            raise ConfigError("resolution is positive", f"got {self.resolution}", "Write resolution=0.5")
        if self.selection not in GO_EXPLORE_RUNS:
            raise ConfigError(
                "a published selection", f"got {self.selection!r}", f"Known: {', '.join(GO_EXPLORE_RUNS)}"
            )

    def fingerprint(self) -> str:
        """The code of a cell function of one's own."""
        return code_digest(function_of(self.cells)) if ":" in self.cells else ""

    @property
    def rule(self) -> GoExplore2019 | GoExplore2021:
        """The selection rule, with weights of one's own in place."""
        names = ("seen", "chosen", "since_new", "horizontal", "vertical", "more")
        own = {name: getattr(self, f"w_{name}") for name in names}
        given = {name: value for name, value in own.items() if value is not None}
        return replace(GO_EXPLORE_RUNS[self.selection], level_base=self.level_base, **given)

    @property
    def shape(self) -> Cells:
        """The cells."""
        return Cells(
            kind=self.cells, grid=self.grid, width=self.width, height=self.height, levels=self.levels,
            resolution=self.resolution,
        )  # fmt: skip

    # ── the loop ────────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self, problem: Problem, rng: Rng) -> State:
        """The start state of each task.

        Raises:
            SolverError: a task names no world.
            ConfigError: its world cannot be made, has no such cells, or does not repeat.
        """
        return State({task.id: self.begin(place_of(task)) for task in problem.tasks})

    def ask(self, problem: Problem, state: State, rng: Rng) -> Sequence[Answer]:
        """Explore a batch for the task whose turn it is, and hand in what it found."""
        task = problem.tasks[state.turn % len(problem.tasks)]
        seed = int(rng.integers(2**53))
        batch = self._explored(task, state, seed)
        answers = self._claims(task, state.tasks[task.id], batch)
        frames = sum(len(one.actions) for one in batch.found) * simulator(*place_of(task)).frames
        note = {**answers[0].note, "explore": seed, "frames": frames}
        return [replace(answers[0], note=note), *answers[1:]]

    def tell(self, problem: Problem, state: State, judged: Sequence[Judged], rng: Rng) -> State:
        """Bring the batch into the archive; what it was made of is found again from its seed."""
        seed = next((item.answer.note["explore"] for item in judged if "explore" in item.answer.note), None)
        if type(seed) is not int:
            return state
        task = judged[0].task
        batch = self._explored(task, state, seed)
        memory = state.tasks[task.id]
        self.bring(memory, batch)
        state.turn, state.batch = state.turn + 1, None
        for item in judged:
            claimed, value = item.answer.note.get("score"), item.score.value
            if value is not None and isinstance(claimed, (int, float)):
                state.audits += 1
                state.wrong += abs(value - claimed) > 1e-9 * max(1.0, abs(value))
        return state

    def save(self, state: State, folder: Path) -> None:
        """A folder for each task, and the counters."""
        for i, memory in enumerate(state.tasks.values()):
            memory.save(folder / f"task-{i:05d}")
        plain = {"tasks": list(state.tasks), "turn": state.turn, "audits": state.audits, "wrong": state.wrong}
        (folder / "state.json").write_text(canonical(plain), encoding="utf-8")

    def load(self, folder: Path) -> State:
        """Read what `save` wrote."""
        plain = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        tasks = {name: Memory.load(folder / f"task-{i:05d}") for i, name in enumerate(plain["tasks"])}
        return State(tasks, plain["turn"], plain["audits"], plain["wrong"])

    def progress(self, state: State) -> Mapping[str, str | int | float]:
        """Rooms (where they are known), cells, steps, and how many stored trajectories were audited."""
        memories = state.tasks.values()
        rooms = sum(len(memory.rooms) for memory in memories)
        figures: dict[str, str | int | float] = {"rooms": rooms} if rooms else {}
        figures |= {
            "cells": sum(len(memory.archive) for memory in memories),
            "steps": sum(memory.steps for memory in memories),
            "audited": state.audits,
        }
        return {**figures, "wrong": state.wrong} if state.wrong else figures

    # ── its parts, for use without a bench ──────────────────────────────────────────────────────────────────────────

    def begin(self, place: Place) -> Memory:
        """The memory of a world before the first step."""
        sim = simulator(*place)
        kind = settled(self.shape, sim.world)
        cell = cell_of(self.shape, sim.world)
        return Memory.begin(sim, cell, reset_counters=self.reset_cell_on_update, with_frames=kind == "dynamic")

    def sample(self, place: Place, memory: Memory, seed: int) -> list[CellRecord]:
        """Choose cells, without counting them."""
        layout = self._layout(simulator(*place))
        return memory.archive.drawn(weights(memory.archive, self.rule, layout), self.batch, stream(seed, "sample"))

    def explorations(self, place: Place, memory: Memory, records: Sequence[CellRecord], seed: int) -> Iterator[Found]:
        """Explore from cells. A generator: whoever stops early pays for no more (with one process)."""
        sim = simulator(*place)
        dynamic = settled(self.shape, sim.world) == "dynamic"
        rules = Rules(
            steps=self.explore_steps, keep=self.keep, stop_at_death=self.end == "life", drop=self.drop_before_death,
            frame_share=self.frame_share if dynamic else 0.0, with_frames=dynamic,
        )  # fmt: skip
        plan = Plan(place, self.shape, memory.shrink, rules, seed)
        sendable = self.processes > 1
        starts = [self._start(memory, record, sendable) for record in records]
        if sendable:
            return spread_out(plan, starts, self.processes)
        return here(plan, sim, starts, memory.might_take)

    def bring(self, memory: Memory, batch: Batch) -> News:
        """Bring explorations into the archive, and fit dynamic cells anew where it is time."""
        news = memory.take(batch.records, batch.starts, batch.found)
        if self.cells == "dynamic":
            fitting = Fitting(
                first=self.fit_first, every=self.fit_every, most_cells=self.fit_cells, recent=self.recent_frames,
                proposals=self.proposals, target=self.target,
            )  # fmt: skip
            memory.refit(fitting, stream(batch.seed, "fit"))
        return news

    def search(self, place: Place, seed: int, steps: int) -> Memory:
        """Phase 1 without a bench: explore until so many steps are taken.

        Args:
            place: the world and its seed.
            seed: of all random numbers.
            steps: the budget; the exploration that reaches it is the last.
        """
        memory, turn = self.begin(place), 0
        while memory.steps < steps:
            batch_seed = int(stream(seed, "ask", turn).integers(2**53))
            records = self.sample(place, memory, batch_seed)
            found = _within(self.explorations(place, memory, records, batch_seed), steps - memory.steps)
            self.bring(memory, Batch(turn, batch_seed, records, self._ends(records), list(found)))
            turn += 1
        return memory

    def _start(self, memory: Memory, record: CellRecord, sendable: bool) -> Start:
        return memory.root(sendable=sendable) if self.return_to == "start" else memory.start(record, sendable=sendable)

    def _ends(self, records: Sequence[CellRecord]) -> list[End]:
        if self.return_to == "start":
            return [End(0.0, 0, 0)] * len(records)
        return [End(record.score, record.length, record.pointer) for record in records]

    def _layout(self, sim: Simulator) -> Layout:
        return game_of(sim.world) if settled(self.shape, sim.world) == "ram" else None

    def _explored(self, task: Task, state: State, seed: int) -> Batch:
        if state.batch is None or (state.batch.turn, state.batch.seed) != (state.turn, seed):
            place, memory = place_of(task), state.tasks[task.id]
            records = self.sample(place, memory, seed)
            found = list(self.explorations(place, memory, records, seed))
            state.batch = Batch(state.turn, seed, records, self._ends(records), found)
        return state.batch

    def _claims(self, task: Task, memory: Memory, batch: Batch) -> list[Answer]:
        """New bests and new rooms of a batch; else trajectories by lot, or the empty one."""
        claims: list[Answer] = []
        best, rooms = memory.best.score, set(memory.rooms)
        for start, one in zip(batch.starts, batch.found):
            ways = {each.step: each for each in one.offers if each.room not in rooms and each.room is not None}
            for step, each in list(ways.items())[:1]:
                rooms.add(each.room)  # type: ignore[arg-type]
                if len(claims) < CLAIMS:
                    claims.append(_claim(task, memory, start, one, step, each.score, "a new room"))
            step = len(one.actions) if one.over else max((each.step for each in one.offers), default=0)
            score = start.score + sum(reward for at, reward in one.rewards if at <= step)
            if score > best:
                best = score
                claims = [claim for claim in claims if claim.note["why"] != "a new best"]
                claims.append(_claim(task, memory, start, one, step, score, "a new best"))
        if not claims and self.audits:
            drawn = memory.archive.drawn([1.0] * len(memory.archive), self.audits, stream(batch.seed, "audit"))
            claims = [_answer(task, memory.log.actions(each.pointer), each.score, "an audit") for each in drawn]
        return claims or [_answer(task, [], 0.0, "nothing new")]


def _claim(task: Task, memory: Memory, start: End, one: Found, step: int, score: float, why: str) -> Answer:
    return _answer(task, [*memory.log.actions(start.pointer), *one.actions[:step]], score, why)


def _answer(task: Task, actions: Sequence[Json], score: float, why: str) -> Answer:
    return Answer(task.id, list(actions), note={"why": why, "score": score})


def _within(found: Iterator[Found], steps: int) -> Iterator[Found]:
    for one in found:
        yield one
        steps -= len(one.actions)
        if steps <= 0:
            return


def place_of(task: Task) -> Place:
    """The world of a task and its seed, as a `WorldChallenge` writes them.

    Raises:
        SolverError: it names none.
    """
    data: Any = task.data
    if "world" not in data or "seed" not in data:
        raise SolverError("a task that names its world and seed", f"{task.id} does not", "Use a WorldChallenge")
    return Place(str(data["world"]), str(data.get("arguments", "{}")), data.get("max_steps"), int(data["seed"]))
