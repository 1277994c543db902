"""Plain solvers for constructions of numbers: they need a task's `Space` and a judge, and nothing else.

A first try at a challenge of one's own, and the baselines that anything cleverer should beat. Each task is searched by
itself. Scores are maximised; an answer whose score is not known is never built upon. They learn from scores, so the
split must tell them (`open`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, TypedDict

import numpy as np

from guerdon.core.errors import ConfigError
from guerdon.core.plain import canonical
from guerdon.core.rng import entropy, stream
from guerdon.core.solver import Learner, Problem
from guerdon.core.task import Answer, Judged, Task
from guerdon.search.arrays import Floats, Rng
from guerdon.search.cma_es import CmaEs
from guerdon.search.evolution import Centre, OneFifth
from guerdon.search.populations import truncation
from guerdon.search.space import Space


def _at_least(low: float, **fields: float) -> None:
    for name, value in fields.items():
        if not value >= low:
            raise ConfigError(f"{name} is at least {low:g}", f"got {value}", "Raise it")


def _by_task(judged: Sequence[Judged]) -> Iterator[tuple[Task, list[Judged]]]:
    groups: dict[str, list[Judged]] = {}
    for item in judged:
        groups.setdefault(item.task.id, []).append(item)
    for items in groups.values():
        yield items[0].task, items


def _best(scores: Sequence[float | None]) -> dict[str, float]:
    """The figures beside the progress bar: the mean over tasks of their best scores."""
    known = [score for score in scores if score is not None]
    return {"mean best": sum(known) / len(known)} if known else {}


@dataclass(frozen=True, kw_only=True)
class UniformSearch(Learner[dict[str, Any]]):
    """Draw constructions uniformly within the bounds.

    Args:
        batch: answers to each task in a step.
    """

    batch: int = 16

    name: ClassVar[str] = "random-search"

    def __post_init__(self) -> None:
        _at_least(1, batch=self.batch)

    @property
    def independent(self) -> bool:
        """Each answer is a fresh draw."""
        return True

    def start(self, problem: Problem, rng: Rng) -> dict[str, Any]:
        """Nothing to remember."""
        return {}

    def ask(self, problem: Problem, state: dict[str, Any], rng: Rng) -> list[Answer]:
        """The next draws."""
        spaces = [(task.id, Space.of(task)) for task in problem.tasks]
        return [Answer(task, _drawn(space, rng)) for task, space in spaces for _ in range(self.batch)]


def _drawn(space: Space, rng: Rng) -> Any:
    return space.content(space.at(rng.random(space.size)))


class _Climb(TypedDict):
    point: list[float]
    score: float | None
    size: float
    best: float | None


@dataclass(frozen=True, kw_only=True)
class HillClimb(Learner[dict[str, _Climb]]):
    """The (1+1) evolution strategy with the one-fifth success rule, started anew where its steps become tiny.

    Lengths are shares of the way from the lowest to the highest value of each number.

    Args:
        sigma: standard deviation of the first steps.
        up: factor of a success; a failure has `up ** (-1/4)` (Auger 2009).
        smallest: steps below this start a new climb at a random point.
    """

    sigma: float = 0.2
    up: float = 1.5
    smallest: float = 1e-9

    name: ClassVar[str] = "hill-climb"

    def __post_init__(self) -> None:
        if not 0 < self.smallest < self.sigma:
            raise ConfigError("0 < smallest < sigma", f"got {self.smallest} and {self.sigma}", "Change them")
        OneFifth(sigma=self.sigma, up=self.up)

    def start(self, problem: Problem, rng: Rng) -> dict[str, _Climb]:
        """A random point for each task, not yet judged."""
        return {task.id: self._anew(Space.of(task), None, rng) for task in problem.tasks}

    def _anew(self, space: Space, best: float | None, rng: Rng) -> _Climb:
        return _Climb(point=rng.random(space.size).tolist(), score=None, size=self.sigma, best=best)

    def ask(self, problem: Problem, state: dict[str, _Climb], rng: Rng) -> list[Answer]:
        """One step from each task's point; the first time, the point itself."""
        answers = []
        for task in problem.tasks:
            climb, space = state[task.id], Space.of(task)
            point = np.array(climb["point"])
            if climb["score"] is not None:
                size = max(climb["size"], _grain(space))
                (point,) = OneFifth(up=self.up).ask(Centre(point, 0.0, size), rng)
            answers.append(Answer(task.id, space.content(space.at(point))))
        return answers

    def tell(self, problem: Problem, state: dict[str, _Climb], judged: Sequence[Judged], rng: Rng) -> dict[str, _Climb]:
        """Move where it is as good or better; a point that nobody can judge is left for a random one."""
        found = dict(state)
        for task, items in _by_task(judged):
            space, climb = Space.of(task), found[task.id]
            for item in items:
                climb = self._told(space, climb, item, rng)
            found[task.id] = climb
        return found

    def _told(self, space: Space, climb: _Climb, item: Judged, rng: Rng) -> _Climb:
        value = item.score.value
        before = climb["score"]
        if before is None and value is None:
            return self._anew(space, climb["best"], rng)
        centre = Centre(np.array(climb["point"]), -np.inf if before is None else before, climb["size"])
        unit = space.unit(space.point(item.answer.content))
        moved = OneFifth(up=self.up).tell(centre, unit[None, :], [value])
        size = climb["size"] if before is None else min(moved.size, 1.0)
        best = moved.score if climb["best"] is None else max(climb["best"], moved.score)
        if size < self.smallest:
            return self._anew(space, best, rng)
        return _Climb(point=moved.point.tolist(), score=moved.score, size=size, best=best)

    def progress(self, state: dict[str, _Climb]) -> Mapping[str, float]:
        """The mean of the best scores."""
        return _best([climb["best"] for climb in state.values()])


def _grain(space: Space) -> float:
    """The step below which whole numbers would not change any more; 0 for others."""
    return float(0.5 / (space.highs - space.lows).max()) if space.whole else 0.0


class _Member(TypedDict):
    point: list[float]
    score: float
    step: float
    attempt: str


class _Population(TypedDict):
    members: list[_Member]
    waited: int
    top: float | None
    best: float | None


@dataclass(frozen=True, kw_only=True)
class Evolution(Learner[dict[str, _Population]]):
    """(μ + λ) evolution of constructions: rows of two parents mixed, then Gaussian steps whose sizes evolve as well.

    A row is a list of the last axis (a point, an interval, ...), or one number where there is one axis. Half of the
    offspring change everywhere, half in one row only. Sizes follow exp(τ N(0, 1)) with τ = 1/√(2 √D) (Schwefel 1995).
    The population starts anew when `stale` steps brought nothing better. Parents are in the ledger.

    Args:
        mu: parents.
        offspring: λ, answers to each task in a step.
        sigma: size of the first steps, as a share of the way from the lowest to the highest value.
        cross: probability that rows come from two parents.
        redraw: probability that one row is drawn uniformly instead of stepping.
        stale: steps without a better member before a new population; 0 for never.
    """

    mu: int = 5
    offspring: int = 35
    sigma: float = 0.2
    cross: float = 0.3
    redraw: float = 0.1
    stale: int = 100

    name: ClassVar[str] = "evolution"

    def __post_init__(self) -> None:
        _at_least(1, mu=self.mu, offspring=self.offspring)
        _at_least(0, stale=self.stale, cross=self.cross, redraw=self.redraw)
        if not 0 < self.sigma <= 1:
            raise ConfigError("sigma is above 0 and at most 1", f"got {self.sigma}", "Write sigma=0.2")

    def start(self, problem: Problem, rng: Rng) -> dict[str, _Population]:
        """No members yet."""
        return {task.id: _Population(members=[], waited=0, top=None, best=None) for task in problem.tasks}

    def ask(self, problem: Problem, state: dict[str, _Population], rng: Rng) -> list[Answer]:
        """Offspring of each task; random constructions while it has no members."""
        answers = []
        for task in problem.tasks:
            space, members = Space.of(task), state[task.id]["members"]
            for _ in range(self.offspring):
                if members:
                    answers.append(self._child(task.id, space, members, rng))
                else:
                    answers.append(Answer(task.id, _drawn(space, rng), note={"step": self.sigma}))
        return answers

    def _child(self, task: str, space: Space, members: list[_Member], rng: Rng) -> Answer:
        chosen = [members[int(rng.integers(len(members)))]]
        point_RK = _rows(space, chosen[0]["point"])
        if rng.random() < self.cross:
            chosen.append(members[int(rng.integers(len(members)))])
            theirs_R = rng.random(len(point_RK)) < 0.5
            point_RK = np.where(theirs_R[:, None], _rows(space, chosen[1]["point"]), point_RK)
        size = chosen[0]["step"] * float(np.exp(rng.standard_normal() / np.sqrt(2 * np.sqrt(space.size))))
        size = min(max(size, _grain(space), 1e-12), 1.0)
        content = space.content(space.at(self._moved(point_RK, size, rng).ravel()))
        parents = tuple(dict.fromkeys(member["attempt"] for member in chosen))
        return Answer(task, content, parents, {"step": size})

    def _moved(self, point_RK: Floats, size: float, rng: Rng) -> Floats:
        if rng.random() < self.redraw:
            row = rng.integers(len(point_RK))
            return np.where(np.arange(len(point_RK))[:, None] == row, rng.random(point_RK.shape), point_RK)
        changed_R = np.ones(len(point_RK), dtype=bool)
        if rng.random() < 0.5:
            changed_R = np.arange(len(point_RK)) == rng.integers(len(point_RK))
        moved_RK: Floats = point_RK + size * changed_R[:, None] * rng.standard_normal(point_RK.shape)
        return moved_RK

    def tell(
        self, problem: Problem, state: dict[str, _Population], judged: Sequence[Judged], rng: Rng
    ) -> dict[str, _Population]:
        """The best of parents and offspring; of equals the parents, of copies the first."""
        found = dict(state)
        for task, items in _by_task(judged):
            found[task.id] = self._next(Space.of(task), found[task.id], items)
        return found

    def _next(self, space: Space, population: _Population, items: Sequence[Judged]) -> _Population:
        pool = {tuple(member["point"]): member for member in population["members"]}
        for item in items:
            if item.score.value is not None:
                point = space.unit(space.point(item.answer.content)).tolist()
                step = float(item.answer.note["step"])  # type: ignore[arg-type]
                member = _Member(point=point, score=item.score.value, step=step, attempt=item.attempt)
                pool.setdefault(tuple(point), member)
        members = list(pool.values())
        members = [members[row] for row in truncation([member["score"] for member in members], self.mu).tolist()]
        if not members:
            return population
        top, before = members[0]["score"], population["top"]
        waited = 0 if before is None or top > before else population["waited"] + 1
        best = top if population["best"] is None else max(top, population["best"])
        if self.stale and waited >= self.stale:
            return _Population(members=[], waited=0, top=None, best=best)
        return _Population(members=members, waited=waited, top=top, best=best)

    def progress(self, state: dict[str, _Population]) -> Mapping[str, float]:
        """The mean of the best scores."""
        return _best([population["best"] for population in state.values()])


def _rows(space: Space, point: Sequence[float]) -> Floats:
    """A vector (D,) as rows (R, K): the lists of the last axis, or single numbers where there is one axis."""
    return np.array(point).reshape(-1, space.shape[-1] if len(space.shape) > 1 else 1)


@dataclass(frozen=True, slots=True)
class _Strategy:
    """One task's CMA-ES: which it is, counted from 0, its generation, and how long nothing got better."""

    cma: CmaEs
    number: int
    generation: int
    waited: int
    top: float | None
    best: float | None
    drawn: list[tuple[CmaEs, Floats]] = field(default_factory=list, compare=False)
    """At most one: what `ask` has drawn from it, for `tell` to take instead of drawing it once more."""

    def plain(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("number", "generation", "waited", "top", "best")}


@dataclass(frozen=True, slots=True)
class _Strategies:
    """The state of all tasks; every draw follows from the seed, the task, the strategy's number and its generation."""

    seed: int
    tasks: dict[str, _Strategy]


@dataclass(frozen=True, kw_only=True)
class CmaSearch(Learner[_Strategies]):
    """CMA-ES (Hansen, arXiv 1604.00772) by the package `cma`, with restarts and growing populations.

    It is for smooth scores of up to some hundred real numbers. Numbers are scaled to the unit cube and mirrored at its
    walls. A strategy that brings nothing better for a while, or shrinks to a point, is followed by one from a random
    point with `grow` times the population, up to `largest` (Auger and Hansen 2005 double it).

    Args:
        sigma: first standard deviation, as a share of the way from the lowest to the highest value.
        population: answers to each task in a step; 0 for 4 + ⌊3 ln D⌋.
        grow: factor of the population at a restart.
        largest: population at most.
        stale: generations without a better answer before a restart; 0 for 10 + ⌈30 D / population⌉, the window
            of Hansen 2009.
        smallest: a standard deviation below this is a point.
    """

    sigma: float = 0.2
    population: int = 0
    grow: float = 2.0
    largest: int = 200
    stale: int = 0
    smallest: float = 1e-11

    name: ClassVar[str] = "cma-es"

    def __post_init__(self) -> None:
        _at_least(0, population=self.population, stale=self.stale)
        _at_least(1, grow=self.grow)
        _at_least(2, largest=self.largest)
        if not 0 < self.smallest < self.sigma:
            raise ConfigError("0 < smallest < sigma", f"got {self.smallest} and {self.sigma}", "Change them")

    def start(self, problem: Problem, rng: Rng) -> _Strategies:
        """A strategy for each task, at a random point.

        Raises:
            ConfigError: the package `cma` is missing, or a task has fewer than two numbers.
        """
        seed = int(rng.integers(2**31))
        return _Strategies(seed, {task.id: self._anew(seed, task, 0, None) for task in problem.tasks})

    def _anew(self, seed: int, task: Task, number: int, best: float | None) -> _Strategy:
        space = Space.of(task)
        first = self.population or 4 + int(3 * np.log(space.size))
        size = int(min(max(first, 2) * self.grow**number, max(self.largest, first)))
        point = stream(seed, "restart", task.id, number).random(space.size)
        return _Strategy(CmaEs(point, sigma=self.sigma, population=size), number, 0, 0, None, best)

    def _asked(self, seed: int, task: str, at: _Strategy) -> tuple[CmaEs, Floats]:
        """A copy of the strategy that has drawn its generation, and the points (P, D), before they are mirrored."""
        cma = at.cma.copy()
        return cma, cma.ask(stream(entropy(seed, "generation", task) % 2**63, at.number, at.generation))

    def ask(self, problem: Problem, state: _Strategies, rng: Rng) -> list[Answer]:
        """A generation of each task."""
        answers = []
        for task in problem.tasks:
            space = Space.of(task)
            at = state.tasks[task.id]
            at.drawn[:] = [self._asked(state.seed, task.id, at)]
            ((_, points),) = at.drawn
            answers += [Answer(task.id, space.content(space.at(u)), note={"row": i}) for i, u in enumerate(points)]
        return answers

    def tell(self, problem: Problem, state: _Strategies, judged: Sequence[Judged], rng: Rng) -> _Strategies:
        """The next generation of each task that has been judged."""
        tasks = dict(state.tasks)
        for task, items in _by_task(judged):
            tasks[task.id] = self._next(state.seed, task, tasks[task.id], items)
        return replace(state, tasks=tasks)

    def _next(self, seed: int, task: Task, at: _Strategy, items: Sequence[Judged]) -> _Strategy:
        cma, points = at.drawn.pop() if at.drawn else self._asked(seed, task.id, at)
        scores = np.full(len(points), np.nan)
        for item in items:
            scores[int(item.answer.note["row"])] = np.nan if item.score.value is None else item.score.value  # type: ignore[arg-type]
        if not np.isfinite(scores).any():
            return self._anew(seed, task, at.number + 1, at.best)
        cma.tell(points, scores)
        top = float(np.nanmax(scores))
        best = top if at.best is None else max(top, at.best)
        better = at.top is None or top > at.top
        waited = 0 if better else at.waited + 1
        stale = self.stale or 10 + -(-30 * points.shape[1] // len(points))
        if waited >= stale or not self.smallest < cma.sigma < 1e6:
            return self._anew(seed, task, at.number + 1, best)
        return _Strategy(cma, at.number, at.generation + 1, waited, top if better else at.top, best)

    def progress(self, state: _Strategies) -> Mapping[str, float]:
        """The mean of the best scores, and the most restarts of a task."""
        figures = _best([at.best for at in state.tasks.values()])
        return {**figures, "restarts": max(at.number for at in state.tasks.values())}

    def save(self, state: _Strategies, folder: Path) -> None:
        """Each task's strategy into a folder of its own."""
        for i, at in enumerate(state.tasks.values()):
            at.cma.save(folder / str(i))
        about = {"seed": state.seed, "tasks": [[task, at.plain()] for task, at in state.tasks.items()]}
        (folder / "strategies.json").write_text(canonical(about), encoding="utf-8")

    def load(self, folder: Path) -> _Strategies:
        """Read what `save` wrote."""
        about = json.loads((folder / "strategies.json").read_text(encoding="utf-8"))
        tasks = {task: _Strategy(CmaEs.load(folder / str(i)), **at) for i, (task, at) in enumerate(about["tasks"])}
        return _Strategies(about["seed"], tasks)
