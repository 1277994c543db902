"""What ranking descent is compared with, on the same challenge and budget: every point that the oracle sees counts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from guerdon.core.errors import ConfigError
from guerdon.core.plain import digest
from guerdon.core.rng import stream
from guerdon.core.solver import Learner, Problem
from guerdon.core.task import Answer, Judged
from guerdon.search import Centre, CmaEs, GldFast, Parents, RandomSearch, load_state, save_state, value_gradient
from guerdon.search.arrays import Floats
from guerdon.systems.zo_ranksgd.solver import Setting, points_told

if TYPE_CHECKING:
    from guerdon.core.rng import Rng


def scores_told(judged: Sequence[Judged]) -> Floats:
    """Scores (M,), nan where there is none."""
    return np.array([math.nan if item.score.value is None else item.score.value for item in judged])


@dataclass(frozen=True, kw_only=True)
class ZoSgd(Learner[Centre]):
    """ZO-SGD (Ghadimi and Lan, arXiv 1309.5549): descent that knows the values. Needs `tell="values"`.

    A step asks f(x) and f(x + μ ξᵢ) for m − 1 directions.
    """

    mu: float = 0.01
    """μ of the differences."""
    eta: float = 0.03
    """Step; 0.03 suits the quadratic, Rosenbrock needs about 0.0001 (ours)."""
    schedule: Literal["constant", "root"] = "constant"
    """η, or η/√t."""

    name: ClassVar[str] = "zo-sgd"

    def __post_init__(self) -> None:
        if not (self.mu > 0 and self.eta > 0):
            raise ConfigError("mu and eta are positive", f"got {self.mu} and {self.eta}", "Raise them")

    def start(self, problem: Problem, rng: Rng) -> Centre:
        """At the start of the task.

        Raises:
            ConfigError: the challenge tells no values.
        """
        setting = Setting.of(problem)
        if setting.told != "values":
            raise ConfigError("zo-sgd needs values", "this challenge tells the order only", "Add --tell values")
        return Centre(setting.start, -math.inf, self.eta)

    def ask(self, problem: Problem, state: Centre, rng: Rng) -> Sequence[Answer]:
        """The point first, then its neighbours."""
        setting = Setting.of(problem)
        noise = rng.standard_normal((setting.m - 1, len(state.point)))
        return setting.query(np.concatenate([state.point[None, :], state.point + self.mu * noise]), state.step, "rank")

    def tell(self, problem: Problem, state: Centre, judged: Sequence[Judged], rng: Rng) -> Centre:
        """One step; none where a difference is not known."""
        points, losses = points_told(judged, len(state.point)), -scores_told(judged)
        if len(points) < 2 or not (np.isfinite(losses[0]) and np.isfinite(losses[1:]).any()):
            return Centre(state.point, state.score, state.size, state.step + 1)
        gradient = value_gradient((points[1:] - state.point) / self.mu, losses[1:], float(losses[0]), self.mu)
        eta = self.eta / math.sqrt(state.step + 1) if self.schedule == "root" else self.eta
        return Centre(state.point - eta * gradient, -float(losses[0]), state.size, state.step + 1)

    def point(self, state: Centre) -> Floats:
        """Where the search stands."""
        return state.point

    def save(self, state: Centre, folder: Path) -> None:
        """Arrays and numbers."""
        save_state(state, folder)

    def load(self, folder: Path) -> Centre:
        """Read what `save` wrote."""
        return load_state(Centre, folder)

    def progress(self, state: Centre) -> Mapping[str, str | int | float]:
        """Steps taken."""
        return {"steps": state.step}


@dataclass(frozen=True, kw_only=True)
class Gld(Learner[Centre]):
    """GLD-Fast (Golovin et al., arXiv 1911.06317, algorithm 2): the best of points at a ladder of radii.

    It needs comparisons only. Where values are told, the incumbent's is remembered; where only order is, the incumbent
    is asked for again in each query, which costs one point more.
    """

    radius: float = 10.0
    """R, the diameter of where the optimum may be."""
    condition: float = 10.0
    """Q, a bound of the condition number."""

    name: ClassVar[str] = "gld-fast"

    @property
    def _search(self) -> GldFast:
        return GldFast(radius=self.radius, condition=self.condition)

    def start(self, problem: Problem, rng: Rng) -> Centre:
        """At the start of the task, which is asked for once."""
        return self._search.start(Setting.of(problem).start)

    def ask(self, problem: Problem, state: Centre, rng: Rng) -> Sequence[Answer]:
        """The ladder of radii, with the incumbent in front when it has to be compared."""
        setting = Setting.of(problem)
        points = self._search.ask(state, rng)
        if setting.told == "order" or state.step == 0:
            points = np.concatenate([state.point[None, :], points])
        return setting.query(points, state.step, "rank", best=1)

    def tell(self, problem: Problem, state: Centre, judged: Sequence[Judged], rng: Rng) -> Centre:
        """Move to the best if it is better."""
        points, scores = points_told(judged, len(state.point)), scores_told(judged)
        if Setting.of(problem).told == "order" or state.step == 0:
            state = Centre(state.point, _known(scores[0]) if len(scores) else state.score, state.size, state.step)
            points, scores = points[1:], scores[1:]
        return self._search.tell(state, points, scores)

    def point(self, state: Centre) -> Floats:
        """The best so far."""
        return state.point

    def save(self, state: Centre, folder: Path) -> None:
        """Arrays and numbers."""
        save_state(state, folder)

    def load(self, folder: Path) -> Centre:
        """Read what `save` wrote."""
        return load_state(Centre, folder)

    def progress(self, state: Centre) -> Mapping[str, str | int | float]:
        """Steps and the radius now."""
        return {"steps": state.step, "radius": state.size}


def _known(score: float) -> float:
    return float(score) if math.isfinite(score) else -math.inf


@dataclass(frozen=True, kw_only=True)
class Random(Learner[Parents]):
    """Gaussian points around the start. Where only order is told, the best so far is asked for again."""

    sigma: float = 1.0
    """Standard deviation of the points (ours)."""

    name: ClassVar[str] = "random"

    def _search(self, count: int) -> RandomSearch:
        return RandomSearch(batch=count, sigma=self.sigma)

    def start(self, problem: Problem, rng: Rng) -> Parents:
        """At the start of the task."""
        return self._search(1).start(Setting.of(problem).start)

    def ask(self, problem: Problem, state: Parents, rng: Rng) -> Sequence[Answer]:
        """M − 1 points, and the best so far in front."""
        setting = Setting.of(problem)
        points = self._search(max(setting.m - 1, 1)).ask(state, rng)
        turn = digest(points[0].tolist())[:12]
        answers = setting.query(np.concatenate([state.points[1:], points]), 0, "rank", best=1)
        return [Answer(each.task, each.content, note={**each.note, "group": turn}) for each in answers]

    def tell(self, problem: Problem, state: Parents, judged: Sequence[Judged], rng: Rng) -> Parents:
        """Keep the best."""
        points, scores = points_told(judged, state.points.shape[1]), scores_told(judged)
        if not len(points):
            return state
        held = Parents(state.points, np.array([-math.inf, _known(scores[0])]))
        return self._search(1).tell(held, points[1:], scores[1:])

    def point(self, state: Parents) -> Floats:
        """The best so far."""
        best: Floats = state.points[1]
        return best

    def save(self, state: Parents, folder: Path) -> None:
        """Arrays."""
        save_state(state, folder)

    def load(self, folder: Path) -> Parents:
        """Read what `save` wrote."""
        return load_state(Parents, folder)


CmaState = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Cma(Learner[CmaState]):
    """CMA-ES (Hansen, arXiv 1604.00772) by the package `cma`: it uses the order within a generation only.

    Where the order only is told, a generation is one query of at most m points, and the result is the centre of the
    distribution; where values are told, generations have their usual size, and the result is the best point seen.
    """

    sigma: float = 0.3
    """Initial standard deviation."""
    population: int = 0
    """Points of a generation; 0 takes 4 + ⌊3 ln d⌋, or m where that is less and only order is told."""
    _live: dict[str, CmaEs] = field(
        default_factory=dict, init=False, repr=False, compare=False, metadata={"recipe": False}
    )

    name: ClassVar[str] = "cma-es"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_live": {}}

    def start(self, problem: Problem, rng: Rng) -> CmaState:
        """No generation yet; what was told is all that is remembered, and the strategy follows from it."""
        setting = Setting.of(problem)
        size = self.population or 4 + int(3 * math.log(max(len(setting.start), 1)))
        if setting.told == "order":
            size = min(size, setting.m)
        state = {"start": setting.start.tolist(), "size": size, "told": setting.told, "seeds": [], "scores": []}
        return {**state, "best": None, "best_score": None, "mean": setting.start.tolist(), "name": "start"}

    def ask(self, problem: Problem, state: CmaState, rng: Rng) -> Sequence[Answer]:
        """A generation, drawn from a seed that its notes carry."""
        seed = int(rng.integers(2**53))
        strategy = self._strategy(state)
        points = strategy.ask(stream(seed))
        self._keep(f"{state['name']}/{seed}", strategy)
        answers = Setting.of(problem).query(points, len(state["seeds"]), "rank")
        return [Answer(each.task, each.content, note={**each.note, "drawn": seed}) for each in answers]

    def tell(self, problem: Problem, state: CmaState, judged: Sequence[Judged], rng: Rng) -> CmaState:
        """The next generation's distribution; a generation cut short by the budget, or without a score, is left out."""
        scores = [None if item.score.value is None else item.score.value for item in judged]
        known = [i for i, score in enumerate(scores) if score is not None]
        if len(judged) < state["size"] or not known:
            return state
        seed = judged[0].answer.note["drawn"]
        strategy = self._live.pop(f"{state['name']}/{seed}", None) or self._strategy(state)
        if not strategy.asked:
            strategy.ask(stream(int(str(seed))))
        points = points_told(judged, len(state["start"]))
        strategy.tell(points, scores)
        best = max(known, key=lambda i: scores[i])  # type: ignore[arg-type, return-value]
        found = {**state, "seeds": [*state["seeds"], seed], "scores": [*state["scores"], scores]}
        found |= {"mean": strategy.mean.tolist(), "name": digest(state["name"], seed, scores)}
        if state["best_score"] is None or scores[best] > state["best_score"]:
            found |= {"best": points[best].tolist(), "best_score": scores[best]}
        self._keep(found["name"], strategy)
        return found

    def _strategy(self, state: CmaState) -> CmaEs:
        """The strategy of a state, between generations: at hand, or made again from what was told."""
        found = self._live.pop(state["name"], None)
        if found is None or found.asked:
            found = CmaEs(state["start"], sigma=self.sigma, population=state["size"])
            for seed, scores in zip(state["seeds"], state["scores"], strict=True):
                found.tell(found.ask(stream(int(seed))), scores)
        return found

    def _keep(self, name: str, strategy: CmaEs) -> None:
        self._live.clear()
        self._live[name] = strategy

    def point(self, state: CmaState) -> Floats:
        """The best point seen, or the centre where points of different generations cannot be compared."""
        chosen = state["best"] if state["told"] == "values" and state["best"] is not None else state["mean"]
        return np.asarray(chosen, dtype=np.float64)

    def progress(self, state: CmaState) -> Mapping[str, str | int | float]:
        """Generations."""
        return {"generations": len(state["seeds"])}
