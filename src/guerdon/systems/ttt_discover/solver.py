"""TTT-Discover: reuse archived states, attempt, judge, take one optimiser step, and again; all on one problem."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from guerdon.bench.loading import resolve
from guerdon.core.errors import ConfigError, SolverError, did_you_mean
from guerdon.core.plain import Blob, Json, canonical, digest
from guerdon.core.solver import Learner, Problem
from guerdon.core.task import Answer, Judged, Task
from guerdon.search.reuse import ReusePolicy, StateArchive
from guerdon.search.selection import epsilon_greedy
from guerdon.systems.ttt_discover.problem import Invalid, construction
from guerdon.systems.ttt_discover.proposer import Proposer, Recipe, Sample, Start
from guerdon.systems.ttt_discover.small_policy import SmallProposer
from guerdon.train.entropic import group_advantages, teaches

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

MOVES: Mapping[str, str] = {
    "erdos-overlap": "guerdon.systems.ttt_discover.erdos_moves:ErdosMoves",
    "autocorrelation-1": "guerdon.systems.ttt_discover.autocorrelation_moves:FirstMoves",
    "autocorrelation-2": "guerdon.systems.ttt_discover.autocorrelation_moves:SecondMoves",
    "circle-packing": "guerdon.systems.ttt_discover.packing_moves:PackingMoves",
}
"""Problem → moves for the small policy."""

Figures = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Known:
    """What is kept of a state in the archive.

    Args:
        content: what was handed in.
        attempt: its name in the ledger.
        note: the proposer's remarks.
    """

    content: Json
    attempt: str
    note: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class State:
    """The whole memory of a run.

    Args:
        task: the problem.
        step: steps done.
        policy: the proposer's.
        archive: values and lineage of the states that may be started from; empty when seeds are wanted.
        known: the contents of the archive's states.
        best: the best value yet, signed so that higher is better.
        figures: of the last step.
    """

    task: Task
    step: int
    policy: Any
    archive: StateArchive
    known: Mapping[int, Known] = field(default_factory=dict)
    best: float | None = None
    figures: Figures = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TttDiscover(Learner[State]):
    """Reinforcement learning on the one problem that is to be solved (arXiv 2601.16175, section 3).

    A step: choose start states, attempt `rollouts` times from each, have all judged, turn the rewards of each group
    into advantages, take ONE optimiser step, add the best new states to the archive. The result is the best attempt
    ever made. Published values stand in brackets; defaults fit the small policy on a desk.

    Args:
        steps: steps of the run (50).
        groups: start states of a step (8).
        rollouts: attempts from each (64).
        objective: "adaptive" (entropic, β from each group), "constant" (entropic, β as given), "mean" (reward less
            its group's mean), or "none" (the proposer stays as it was).
        beta: β of the constant objective (2).
        reuse: how start states are chosen: "puct" (distinct lineages); "epsilon-greedy" (the best, or any);
            "mu-plus-lambda" (any of the `mu` best); or "none" (fresh seeds in each step).
        epsilon: chance of any state, for epsilon-greedy (0.1).
        mu: parents, for mu-plus-lambda.
        c: weight of exploration in PUCT (1).
        visits: what counts as a visit in PUCT: a "group" of attempts (the paper) or each "attempt" (released code).
        keep_children: best children kept of each start and step (2).
        capacity: best states kept, all seeds besides (1,000).
        lr: learning rate of Adam (4e-5 for a language model; 2e-5 for ahc058).
        kl: weight of the shaping towards the first policy (0.1; 0.01 for the AtCoder problems; the released code's
            default is 0).
        failed_reward: what an attempt that failed by its own fault counts in training (0). Attempts that failed by
            another's are left out.
        hidden: width of the small policy.
    """

    name: ClassVar[str] = "ttt-discover"

    steps: int = 20
    groups: int = 8
    rollouts: int = 8
    objective: Literal["adaptive", "constant", "mean", "none"] = "adaptive"
    beta: float = 2.0
    reuse: Literal["puct", "epsilon-greedy", "mu-plus-lambda", "none"] = "puct"
    epsilon: float = 0.1
    mu: int = 8
    c: float = 1.0
    visits: Literal["group", "attempt"] = "group"
    keep_children: int = 2
    capacity: int = 1000
    lr: float = 1e-2
    kl: float = 0.0
    failed_reward: float = 0.0
    hidden: int = 32

    def __post_init__(self) -> None:
        for name in ("steps", "groups", "rollouts", "mu", "hidden"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is at least 1", f"got {getattr(self, name)}", "Raise it")
        if not (self.lr >= 0 and self.kl >= 0 and 0 <= self.epsilon <= 1):
            got = f"got lr={self.lr}, kl={self.kl}, epsilon={self.epsilon}"
            raise ConfigError("lr and kl are not negative, epsilon is a probability", got, "Change them")
        if self.objective not in ("adaptive", "constant", "mean", "none"):
            got = f"got {self.objective!r}"
            raise ConfigError("an objective", got, did_you_mean(self.objective, ("adaptive", "constant", "mean")))
        if self.reuse not in ("puct", "epsilon-greedy", "mu-plus-lambda", "none"):
            raise ConfigError("a rule of reuse", f"got {self.reuse!r}", "Write puct, epsilon-greedy or none")

    def proposer(self, task: Task) -> Proposer[Any]:
        """What makes attempts at a problem.

        Raises:
            ConfigError: there are no moves for it.
        """
        name = str(task.data.get("problem"))
        if name not in MOVES:
            do = f"{did_you_mean(name, MOVES)}; ttt-discover-lm takes any problem"
            raise ConfigError("a problem that the small policy has moves for", f"got {name!r}", do)
        return SmallProposer(moves=resolve(MOVES[name])(), hidden=self.hidden)

    def recipe(self) -> Recipe:
        """How an optimiser step is made."""
        return Recipe(lr=self.lr, kl=self.kl)

    # ── the loop ────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self, problem: Problem, rng: Rng) -> State:
        """A fresh policy and an empty archive."""
        if len(problem.tasks) != 1:
            got = f"{problem.name} has {len(problem.tasks)}"
            raise ConfigError("one problem, that is a challenge of one task", got, "Choose a problem of this system")
        task = problem.tasks[0]
        return State(task, 0, self.proposer(task).start(task, rng), self._archive())

    def _archive(self) -> StateArchive:
        settings = {"c": self.c, "keep_children": self.keep_children, "capacity": self.capacity}
        return StateArchive(ReusePolicy(visits=self.visits, **settings))  # type: ignore[arg-type]

    def ask(self, problem: Problem, state: State, rng: Rng) -> Sequence[Answer]:
        """Seeds where there is nothing to start from; else attempts from chosen states; at the end nothing."""
        if state.step >= self.steps:
            return []
        task = problem.tasks[0]
        proposer = self.proposer(task)
        if not len(state.archive):
            seeds = proposer.seeds(task, self.groups, rng)
            return [Answer(task.id, content, note={"step": state.step, "seed": True}) for content in seeds]
        chosen = self.chosen(state.archive, rng)
        starts = [self.begun(state, each) for each in chosen]
        groups = proposer.propose(task, state.policy, starts, self.rollouts, state.step / self.steps, rng)
        figures = {name: float(value) for name, value in state.figures.items()}
        answers: list[Answer] = []
        for number, (each, drafts) in enumerate(zip(chosen, groups, strict=True)):
            for draft in drafts:
                note: dict[str, Json] = {**draft.note, "step": state.step, "group": str(number), "start": each}
                note |= {"action": draft.action} | ({} if answers else {"figures": figures})
                answers.append(Answer(task.id, draft.content, (state.known[each].attempt,), note))
        return answers

    def chosen(self, archive: StateArchive, rng: Rng) -> list[int]:
        """The states to start from."""
        if self.reuse in ("puct", "none"):
            return [int(state) for state in archive.select(self.groups)]
        alive = archive.alive
        values = archive.values(alive)
        if self.reuse == "epsilon-greedy":
            rows = epsilon_greedy(values, self.epsilon, self.groups, rng)
        else:
            rows = rng.choice(np.argsort(-values, kind="stable")[: self.mu], size=self.groups)
        return [int(state) for state in alive[rows]]

    @staticmethod
    def begun(state: State, start: int) -> Start:
        """A state of the archive, as the proposer sees it."""
        parent = int(state.archive.parents([start])[0])
        before = float(state.archive.values([parent])[0]) if parent >= 0 else None
        known = state.known[start]
        return Start(known.content, float(state.archive.values([start])[0]), before, known.note)

    def tell(self, problem: Problem, state: State, judged: Sequence[Judged], rng: Rng) -> State:
        """Learn from the step, and archive its best states."""
        if not judged:
            return state
        if judged[0].answer.note.get("seed"):
            return self._seeded(state, judged)
        groups = _groups(judged)
        policy, figures = self._learned(state, groups)
        archive, known = self._archived(state, groups)
        best = _better(state.best, judged)
        figures = {**figures, "zero": _share_failed(judged), "states": float(len(archive))}
        if self.reuse == "none":
            archive, known = self._archive(), {}
        return replace(
            state, step=state.step + 1, policy=policy, archive=archive, known=known, best=best, figures=figures
        )

    def _seeded(self, state: State, judged: Sequence[Judged]) -> State:
        good = [one for one in judged if _signed(one) is not None]
        if not good:
            raise SolverError("seeds that the verifier accepts", str(judged[0].score.fault), "Mend the seeds")
        unique = list({_name(one): one for one in reversed(good)}.values())[::-1]
        archive = self._archive()
        values = [_signed(one) or 0.0 for one in unique]
        rows = archive.seed(values, [_name(one) for one in unique]).tolist()
        known = {row: _known(one) for row, one in zip(rows, unique)}
        return replace(state, archive=archive, known=known, best=_better(state.best, judged))

    def _learned(self, state: State, groups: Mapping[str, list[Judged]]) -> tuple[Any, dict[str, float]]:
        if self.objective == "none":
            return state.policy, {}
        samples: list[Sample] = []
        taught = 0
        for group in groups.values():
            rewarded = [(one, reward) for one in group if (reward := self._reward(one)) is not None]
            rewards = [reward for _, reward in rewarded]
            if not teaches(rewards):
                continue
            taught += 1
            start = self.begun(state, _start(group[0]))
            advantages = group_advantages(rewards, self.objective, self.beta)
            for (one, _), advantage in zip(rewarded, advantages.tolist(), strict=True):
                samples.append(Sample(start, state.step / self.steps, _action(one), advantage))
        if not samples:
            return state.policy, {"taught": 0.0}
        proposer = self.proposer(state.task)
        policy, figures = proposer.learn(state.task, state.policy, samples, self.recipe())
        return policy, {**figures, "taught": float(taught)}

    def _reward(self, one: Judged) -> float | None:
        if one.score.value is not None:
            return one.score.value
        fault = one.score.fault
        return self.failed_reward if fault is not None and fault.whose == "solver" else None

    @staticmethod
    def _archived(state: State, groups: Mapping[str, list[Judged]]) -> tuple[StateArchive, dict[int, Known]]:
        archive = copy.deepcopy(state.archive)
        rows = list(groups.values())
        made = archive.update(
            [_start(group[0]) for group in rows],
            [[_signed(one) for one in group] for group in rows],
            [[_name(one) for one in group] for group in rows],
        )
        known = dict(state.known)
        for group, names in zip(rows, made, strict=True):
            known |= {name: _known(one) for name, one in zip(names.tolist(), group, strict=True) if name >= 0}
        return archive, {name: known[name] for name in archive.alive.tolist()}

    def progress(self, state: State) -> Mapping[str, str | int | float]:
        """The best measure, and figures of the last step."""
        measure = str(state.task.data.get("measure"))
        best = {} if state.best is None else {measure: abs(state.best) if _smaller(state.task) else state.best}
        return {"step": state.step, **best, **{name: round(value, 4) for name, value in state.figures.items()}}

    # ── on disk ─────────────────────────────────────────────────────────────────────────────────────────────────

    def save(self, state: State, folder: Path) -> None:
        """The policy by its proposer, the archive by its room, the rest as JSON."""
        for name in ("policy", "archive"):
            (folder / name).mkdir()
        self.proposer(state.task).save(state.policy, folder / "policy")
        state.archive.save(folder / "archive")
        plain = {
            "task": {"id": state.task.id, "data": state.task.data},
            "step": state.step,
            "known": [[row, one.content, one.attempt, one.note] for row, one in state.known.items()],
            "best": state.best,
            "figures": dict(state.figures),
        }
        (folder / "state.json").write_text(canonical(plain), encoding="utf-8")

    def load(self, folder: Path) -> State:
        """What `save` wrote."""
        plain = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        task = Task(plain["task"]["id"], plain["task"]["data"])
        known = {row: Known(content, attempt, note) for row, content, attempt, note in plain["known"]}
        policy = self.proposer(task).load(folder / "policy")
        archive = StateArchive.load(folder / "archive")
        return State(task, plain["step"], policy, archive, known, plain["best"], plain["figures"])


def _groups(judged: Sequence[Judged]) -> dict[str, list[Judged]]:
    groups: dict[str, list[Judged]] = {}
    for one in judged:
        groups.setdefault(str(one.answer.note.get("group")), []).append(one)
    return groups


def _start(one: Judged) -> int:
    start = one.answer.note.get("start")
    if type(start) is not int:
        raise SolverError("a judged answer carries the solver's own notes", f"got {start!r}", "Keep Answer.note")
    return start


def _action(one: Judged) -> Mapping[str, Json]:
    action = one.answer.note.get("action")
    if not isinstance(action, Mapping):
        raise SolverError("a judged answer carries the solver's own notes", f"got {action!r}", "Keep Answer.note")
    return action


def _smaller(task: Task) -> bool:
    return task.data.get("sense") == "min"


def _signed(one: Judged) -> float | None:
    """The measure with the sign by which higher is better; the score itself where a verifier names no measure."""
    if one.score.value is None:
        return None
    measured = one.score.parts.get(str(one.task.data.get("measure")))
    if measured is None:
        return one.score.value
    return -measured if _smaller(one.task) else measured


def _better(best: float | None, judged: Sequence[Judged]) -> float | None:
    return max((value for value in (best, *map(_signed, judged)) if value is not None), default=None)


def _share_failed(judged: Sequence[Judged]) -> float:
    return sum(one.score.value is None for one in judged) / len(judged)


def _name(one: Judged) -> str:
    """By the construction; by the code where there is none."""
    content = one.answer.content
    if isinstance(content, Blob):
        return content.digest
    try:
        return digest(construction(content))
    except Invalid:
        return digest(content)


def _known(one: Judged) -> Known:
    content = one.answer.content
    if isinstance(content, Blob):
        raise SolverError("a construction as plain data", "got a stored file", "Hand in the construction itself")
    own = ("step", "group", "start", "action", "figures", "seed")
    return Known(content, one.attempt, {name: value for name, value in one.answer.note.items() if name not in own})
