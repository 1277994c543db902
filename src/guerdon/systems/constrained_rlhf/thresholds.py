"""NM-PPO: one run of xi-PPO whose thresholds are searched by Nelder and Mead's simplex on the true evaluation.

vertex -> train until all components are within 5 % of it, or its share of the run is spent
       -> minus the evaluation, where the policy then is  (looked up where a vertex near it was tried before)
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError, SolverError
from guerdon.core.plain import digest
from guerdon.core.rng import stream
from guerdon.search.nelder_mead import NelderMead, Simplex
from guerdon.search.saving import load_state, save_state
from guerdon.systems.constrained_rlhf.runs import EVAL, Setting
from guerdon.train.state import State

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Vertex:
    """Thresholds that were tried.

    Args:
        thresholds: (N,).
        reached: (N,) components where the policy then was.
        evaluation: the true evaluation there.
        iteration: when.
        within: whether all components came within the tolerance.
    """

    thresholds: list[float]
    reached: list[float]
    evaluation: float
    iteration: int
    within: bool


@dataclass(frozen=True)
class Search:
    """Where a search stands.

    Args:
        simplex: of the thresholds; its scores are evaluations.
        tried: every vertex for which the policy was trained, in order.
        state: of the policy.
        best: the state at the best vertex.
        lookups: evaluations that were not run but looked up.
        waiting: scores of the present question that are known so far.
    """

    simplex: Simplex
    tried: tuple[Vertex, ...]
    state: State
    best: State
    lookups: int = 0
    waiting: tuple[float, ...] = ()

    @property
    def top(self) -> Vertex:
        """The best vertex."""
        return max(self.tried, key=lambda each: each.evaluation)


@dataclass(frozen=True, kw_only=True)
class ThresholdSearch:
    """The search (arXiv 2310.04373, section 4.2 and algorithm 2), climbing the evaluation.

    The first simplex lies above what the policy does at the start: `start + U(0, 1) (most − start)`, N + 1 draws.

    Args:
        iterations: of the whole run.
        most: (N,) the largest values that a first vertex may have; the upper ends of the rewards.
        tolerance: relative distance from the thresholds that ends a vertex.
        share: of the iterations that a vertex may take.
        near: relative distance, in every component, within which a vertex counts as tried before.
        flat: standard deviation of the vertices' evaluations that ends the search.
        most_lookups: looked up evaluations that end it: a simplex that finds only vertices it knows goes nowhere.
        simplex: the rules of the search.
    """

    iterations: int
    most: tuple[float, ...]
    tolerance: float = 0.05
    share: float = 0.125
    near: float = 0.05
    flat: float = 0.01
    most_lookups: int = 100
    simplex: NelderMead = field(default_factory=NelderMead)

    def __post_init__(self) -> None:
        if not (0 < self.share <= 1 and self.tolerance > 0 and self.near >= 0 and self.iterations > 0):
            got = f"got {self.share}, {self.tolerance}, {self.near} and {self.iterations}"
            raise ConfigError("a share within 0 and 1, a tolerance and iterations above 0", got, "Change them")

    def run(self, setting: Setting, folder: Path | None = None) -> Search:
        """Search until the vertices are alike or the iterations are spent.

        Args:
            setting: what is trained on.
            folder: keeps the search after each vertex; called again, it goes on from there.
        """
        policy = setting.policy()
        found = _load(folder, self._name(setting)) if folder else None
        now = found or self._start(setting, policy)
        while self._goes_on(now):
            now = self._next(setting, policy, now)
            if folder:
                _save(now, folder, self._name(setting))
        policy.load(now.best.policy)
        return now

    def _goes_on(self, now: Search) -> bool:
        left = now.state.iteration < self.iterations and now.lookups < self.most_lookups
        return left and self.simplex.spread(now.simplex) >= self.flat

    def _start(self, setting: Setting, policy: Any) -> Search:
        state = setting.learner("xi-ppo", (1.0,) * len(setting.names)).start(policy, setting.seed)
        policy.load(state.policy)
        told = setting.evaluate(policy, state)
        here = np.array([told[name] for name in setting.names])
        if len(self.most) != len(here) or not (np.asarray(self.most) > here).all():
            got = f"got {self.most}, where the policy starts at {here.round(4).tolist()}"
            raise ConfigError("most lies above what the policy does at the start", got, "Raise most")
        draws = stream(setting.seed, "simplex").random((len(here) + 1, len(here)))
        return Search(self.simplex.start(here + draws * (np.asarray(self.most) - here)), (), state, state)

    def _next(self, setting: Setting, policy: Any, now: Search) -> Search:
        """One vertex more; once all that were asked for are known, the simplex is told."""
        asked = self.simplex.ask(now.simplex)
        theta = asked[len(now.waiting)]
        known = self._known(now.tried, theta)
        if known is not None:
            now = replace(now, lookups=now.lookups + 1, waiting=(*now.waiting, known.evaluation))
        else:
            state, vertex = self._tried(setting, policy, now.state, theta)
            better = not now.tried or vertex.evaluation > now.top.evaluation
            now = replace(
                now, tried=(*now.tried, vertex), state=state, best=state if better else now.best,
                waiting=(*now.waiting, vertex.evaluation),
            )  # fmt: skip
        if len(now.waiting) < len(asked):
            return now
        return replace(now, simplex=self.simplex.tell(now.simplex, asked, now.waiting), waiting=())

    def _tried(self, setting: Setting, policy: Any, state: State, theta: Floats) -> tuple[State, Vertex]:
        """Train for these thresholds; evaluations come every so many iterations, and the last one counts."""
        last = min(self.iterations, state.iteration + max(1, round(self.share * self.iterations)))
        while True:
            until = min(last, state.iteration + setting.every)
            state = setting.train(
                "xi-ppo", until, thresholds=theta.tolist(), start=state, policy=policy, watched=False
            ).state
            told = setting.evaluate(policy, state)
            reached = np.array([told[name] for name in setting.names])
            within = bool((np.abs(reached - theta) <= self.tolerance * np.abs(theta)).all())
            if within or state.iteration >= last:
                return state, Vertex(theta.tolist(), reached.tolist(), float(told[EVAL]), state.iteration, within)

    def _known(self, tried: Sequence[Vertex], theta: Floats) -> Vertex | None:
        for each in tried:
            if (np.abs(np.asarray(each.thresholds) - theta) <= self.near * np.abs(each.thresholds)).all():
                return each
        return None

    def _name(self, setting: Setting) -> str:
        plain = [self.iterations, self.most, self.tolerance, self.share, self.near, self.flat, setting.seed]
        return digest([*plain, setting.batch, setting.every, list(setting.names)])


FORMAT = "guerdon-threshold-search-1"


def _save(search: Search, folder: Path, name: str) -> None:
    """Write a search beside the last one, then say that it is the newest."""
    here = folder / f"search-{len(search.tried):04d}-{search.lookups:04d}"
    search.state.save(here / "state")
    search.best.save(here / "best")
    save_state(search.simplex, here / "simplex")
    tried = [{slot: getattr(each, slot) for slot in Vertex.__slots__} for each in search.tried]
    plain: Mapping[str, Any] = {
        "format": FORMAT, "name": name, "tried": tried, "lookups": search.lookups, "waiting": search.waiting,
    }  # fmt: skip
    (here / "search.json").write_text(json.dumps(plain), encoding="utf-8")
    part = folder / ".newest"
    part.write_text(here.name, encoding="utf-8")
    before = (folder / "newest").read_text(encoding="utf-8") if (folder / "newest").exists() else ""
    part.replace(folder / "newest")
    if before and before != here.name:
        import shutil

        shutil.rmtree(folder / before, ignore_errors=True)


def _load(folder: Path, name: str) -> Search | None:
    if not (folder / "newest").exists():
        return None
    here = folder / (folder / "newest").read_text(encoding="utf-8")
    try:
        plain = json.loads((here / "search.json").read_text(encoding="utf-8"))
        known = (plain["format"], plain["name"])
        tried = tuple(Vertex(**each) for each in plain["tried"])
        lookups, waiting = int(plain["lookups"]), tuple(map(float, plain["waiting"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SolverError(f"{folder.name} holds a search", str(error)[:200], "Remove that folder") from None
    if known != (FORMAT, name):
        raise ConfigError("a search of the same settings", "got one of others", "Give another folder")
    simplex = load_state(Simplex, here / "simplex")
    return Search(simplex, tried, State.load(here / "state"), State.load(here / "best"), lookups, waiting)
