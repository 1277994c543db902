"""ZO-RankSGD: a ranking of random perturbations gives a direction, one more ranking gives the step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from guerdon.core.errors import ConfigError, SolverError
from guerdon.core.plain import Json
from guerdon.core.solver import Learner, Problem
from guerdon.core.task import Answer, Judged
from guerdon.prefer.rankings import levels
from guerdon.search import edge_gradient, ladder, load_state, rank_gradient, rankings_to_edges, save_state
from guerdon.search.arrays import Floats

if TYPE_CHECKING:
    from guerdon.core.rng import Rng


@dataclass(frozen=True, slots=True)
class Setting:
    """What a solver reads from the task.

    Args:
        task: its id.
        start: (D,) where to start.
        m: points in one query.
        k: how many of them are ranked.
        told: "order" or "values".
    """

    task: str
    start: Floats
    m: int
    k: int
    told: str

    @classmethod
    def of(cls, problem: Problem) -> Setting:
        """The setting of a problem with one task.

        Raises:
            SolverError: it is no problem of ranked points.
        """
        data: Mapping[str, Any] = problem.tasks[0].data
        if len(problem.tasks) != 1 or not {"start", "m", "k", "tell"} <= set(data):
            raise SolverError(
                "one task with start, m, k and tell",
                f"got {problem.name}",
                "Use it on zo-ranksgd or a challenge like it",
            )
        return cls(problem.tasks[0].id, np.asarray(data["start"], float), data["m"], data["k"], data["tell"])

    def query(
        self, points: Floats, turn: int, mode: str, best: int | None = None, held: int | None = None
    ) -> list[Answer]:
        """Points (M, D) as the answers of one query.

        Args:
            points: what is ranked.
            turn: number of the query.
            mode: "rank" or "line".
            best: ask for so many only.
            held: which of them is where the search stands.
        """
        note: dict[str, Json] = {"group": f"{turn}/{mode}", "turn": turn, "mode": mode}
        if best is not None:
            note["best"] = best
        notes = [{**note, "held": True} if i == held else note for i in range(len(points))]
        return [Answer(self.task, point, note=each) for point, each in zip(points.tolist(), notes, strict=True)]


def points_told(judged: Sequence[Judged], width: int) -> Floats:
    """The points of what was judged, (M, D)."""
    contents: list[Any] = [item.answer.content for item in judged]
    return np.asarray(contents, dtype=np.float64).reshape(len(contents), width)


def to_sphere(points: Floats, radius: float) -> Floats:
    """Rows moved to a sphere around 0; a row at 0 stays.

    >>> to_sphere(np.array([[3.0, 4.0]]), 10.0).tolist()
    [[6.0, 8.0]]
    """
    length = np.linalg.norm(points, axis=-1, keepdims=True)
    moved: Floats = points * np.where(length > 0, radius / np.where(length > 0, length, 1.0), 1.0)
    return moved


@dataclass(frozen=True, slots=True)
class Walk:
    """The state.

    Args:
        point: (D,) x.
        direction: (D,) g, in the human loop the mean over rounds since the last success.
        leader: (D,) the best perturbation of the last ranking round.
        eta: step size now.
        turn: queries asked.
        steps: steps taken.
        rounds: ranking rounds that the direction is a mean of.
        stays: line searches in a row that the incumbent won.
        searching: 1 when the next query is a line search.
    """

    point: Floats
    direction: Floats
    leader: Floats
    eta: float
    turn: int = 0
    steps: int = 0
    rounds: int = 0
    stays: int = 0
    searching: int = 0


@dataclass(frozen=True, kw_only=True)
class ZoRankSgd(Learner[Walk]):
    """ZO-RankSGD (Tang, Rybin and Chang, arXiv 2303.03751, algorithm 1), with its line search (algorithm 2).

    A round asks for a ranking of x + μ ξᵢ, ξᵢ ~ N(0, I), and takes g, the mean of ξⱼ − ξᵢ over all comparisons
    (i better than j) that the ranking implies. Then x moves by a step schedule, or, with `search` > 1, to the best of
    x and x − η γⁱ g, for which one more query is asked. How many points are ranked is the challenge's affair (m, k).
    """

    mu: float = 0.01
    """μ, how far apart the points of a query are (source: not given; ours). For people it must show."""
    eta: float = 2.0
    """η, the step, the longest one in a line search (source: not given; ours)."""
    search: int = 5
    """l, candidates of a line search, x included; 0 steps by the schedule (source: l not given; ours)."""
    shrink: float = 0.5
    """γ between two candidates (source: 0.5)."""
    schedule: Literal["constant", "root"] = "constant"
    """Steps without a line search: η, or η/√t (source: both)."""
    halve_after: int = 2
    """η is halved when x won so many line searches in a row; 0 never does (ours; the source keeps η)."""
    form: Literal["closed", "edges"] = "closed"
    """How g is computed: in closed form, O(m d), or edge by edge; the same numbers."""
    sphere: bool = False
    """Move every candidate to the sphere around 0 on which the start lies (ours, for latents of diffusion models)."""

    name: ClassVar[str] = "zo-ranksgd"

    def __post_init__(self) -> None:
        for name, value in (("mu", self.mu), ("eta", self.eta), ("shrink", self.shrink)):
            if not (math.isfinite(value) and value > 0):
                raise ConfigError(f"{name} is positive and finite", f"got {value}", "Change it")
        if self.search < 0 or self.search == 1:
            raise ConfigError("a line search has 2 candidates or more", f"got {self.search}", "Write 5, or 0 for none")
        if self.halve_after < 0:
            raise ConfigError("halve_after is 0 (never) or more", f"got {self.halve_after}", "Raise it")

    # ── the loop ────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self, problem: Problem, rng: Rng) -> Walk:
        """At the start of the task, before a ranking round."""
        point = Setting.of(problem).start
        if self.sphere and not np.linalg.norm(point) > 0:
            raise ConfigError("a start away from 0 has a sphere", "it is at 0, or hidden", "Drop --sphere")
        return Walk(point, np.zeros_like(point), point, self.eta)

    def ask(self, problem: Problem, state: Walk, rng: Rng) -> Sequence[Answer]:
        """A ranking round, or a line search in its direction."""
        setting = Setting.of(problem)
        if state.searching:
            points = self.candidates(setting, state)
            return setting.query(points, state.turn, "line", best=1, held=self.incumbent(points))
        noise = rng.standard_normal((self.batch(setting), len(state.point)))
        return setting.query(state.point + self.mu * noise, state.turn, "rank")

    def batch(self, setting: Setting) -> int:
        """Points of a ranking round."""
        return setting.m

    def candidates(self, setting: Setting, state: Walk) -> Floats:
        """The points of a line search (L, D), the incumbent first."""
        return self.held(state, ladder(state.point, state.direction, state.eta, count=self.search, shrink=self.shrink))

    def tell(self, problem: Problem, state: Walk, judged: Sequence[Judged], rng: Rng) -> Walk:
        """Take the direction from a ranking, or the step from a line search."""
        points = points_told(judged, len(state.point))
        places = levels([item.score for item in judged])
        state = replace(state, turn=state.turn + 1)
        return self._moved(state, points, places) if state.searching else self._directed(state, points, places)

    def _directed(self, state: Walk, points: Floats, places: Sequence[int | None]) -> Walk:
        rows = [i for i, place in enumerate(places) if place is not None]
        order = [place for place in places if place is not None]
        if len(set(order)) < 2:
            return state  # nothing was compared: skipped, or all alike
        gradient = self._gradient((points[rows] - state.point) / self.mu, np.asarray(order, dtype=np.int64))
        leader = points[rows[order.index(0)]]
        if self.search:
            return self.aimed(state, gradient, leader)
        eta = state.eta / math.sqrt(state.steps + 1) if self.schedule == "root" else state.eta
        (point,) = self.held(state, (state.point - eta * gradient)[None, :])
        return replace(state, point=point, direction=gradient, leader=leader, steps=state.steps + 1)

    def _gradient(self, directions: Floats, order: Any) -> Floats:
        if self.form == "closed":
            return rank_gradient(directions, order)
        return edge_gradient(directions, rankings_to_edges(order))

    def aimed(self, state: Walk, gradient: Floats, leader: Floats) -> Walk:
        """What is known after a ranking round."""
        return replace(state, direction=gradient, leader=leader, rounds=1, searching=1)

    def _moved(self, state: Walk, points: Floats, places: Sequence[int | None]) -> Walk:
        state = replace(state, searching=0)
        if len({place for place in places if place is not None}) < 2:
            return state  # skipped
        winners = [i for i, place in enumerate(places) if place == 0]
        if self.incumbent(points) in winners:
            return self._stayed(state)
        return replace(
            state, point=points[winners[0]], direction=np.zeros_like(state.point), rounds=0, stays=0,
            steps=state.steps + 1,
        )  # fmt: skip

    def incumbent(self, points: Floats) -> int:
        """Which of the candidates is x."""
        return 0

    def _stayed(self, state: Walk) -> Walk:
        stays = state.stays + 1
        if self.halve_after and stays >= self.halve_after:
            return replace(state, eta=state.eta / 2, stays=0)
        return replace(state, stays=stays)

    def held(self, state: Walk, points: Floats) -> Floats:
        """Candidates on the sphere on which x lies, if they are to be there."""
        return to_sphere(points, float(np.linalg.norm(state.point))) if self.sphere else points

    # ── the rest ────────────────────────────────────────────────────────────────────────────────────────────────

    def point(self, state: Walk) -> Floats:
        """Where the search stands, (D,)."""
        return state.point

    def save(self, state: Walk, folder: Path) -> None:
        """Arrays and numbers, without pickle."""
        save_state(state, folder)

    def load(self, folder: Path) -> Walk:
        """Read what `save` wrote."""
        return load_state(Walk, folder)

    def progress(self, state: Walk) -> Mapping[str, str | int | float]:
        """Queries asked, steps taken, and the step size now."""
        return {"queries": state.turn, "steps": state.steps, "eta": state.eta}


@dataclass(frozen=True, kw_only=True)
class HumanLoop(ZoRankSgd):
    """The variant for people (the released image code of arXiv 2303.03751): an incumbent is never given up lightly.

    The candidates of a line search are m − 2 steps η γⁱ, the best perturbation of the ranking round, and x itself. If x
    wins, the direction is kept, and the next round's is averaged into it; after a success the mean starts anew. The
    weights are those of the graph, which sum to 0; the released code is off by one there. A step is in units of μ.

    Args:
        mu: how far apart the points of a query are; they must look different.
        eta: the longest step of a line search, in units of mu (source: not given; ours).
    """

    mu: float = 0.5
    eta: float = 2.0
    search: int = 2
    """Not used: there are as many candidates as points in a query."""

    name: ClassVar[str] = "human-loop"
    interactive: ClassVar[bool] = True

    def batch(self, setting: Setting) -> int:
        """As many as fit, at least 3."""
        if setting.m < 3:
            raise ConfigError("people are shown 3 points or more", f"got m = {setting.m}", "Raise --m")
        return setting.m

    def candidates(self, setting: Setting, state: Walk) -> Floats:
        """Steps, the best perturbation, the incumbent last."""
        reach = state.eta * self.mu
        rungs = ladder(state.point, state.direction, reach, count=setting.m - 1, shrink=self.shrink)[1:]
        moved = self.held(state, np.concatenate([rungs, state.leader[None, :]]))
        return np.concatenate([moved, state.point[None, :]])

    def incumbent(self, points: Floats) -> int:
        """The last."""
        return len(points) - 1

    def aimed(self, state: Walk, gradient: Floats, leader: Floats) -> Walk:
        """The mean of the directions since the last success."""
        mean = (state.direction * state.rounds + gradient) / (state.rounds + 1)
        return replace(state, direction=mean, leader=leader, rounds=state.rounds + 1, searching=1)


@dataclass(frozen=True, kw_only=True)
class Comparison(ZoRankSgd):
    """One comparison at a time, the (2, 1) oracle: the same descent with all but two points of a query left out."""

    name: ClassVar[str] = "comparison"

    def batch(self, setting: Setting) -> int:
        """Two."""
        return 2
