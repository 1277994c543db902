"""The bench of one run: its vault, its desk, its workers and its place in the ledger."""

from __future__ import annotations

import contextlib
import math
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guerdon.bench import checkpoint
from guerdon.bench.interrupt import Interrupt
from guerdon.bench.rationing import affordable
from guerdon.bench.vault import Vault
from guerdon.bench.visibility import Veil
from guerdon.bench.workers import open_workers
from guerdon.core.budget import Budget
from guerdon.core.challenge import Challenge, Visibility
from guerdon.core.errors import BudgetError, ChallengeError, GuerdonError, ProviderError, SolverError
from guerdon.core.faultpoint import reach
from guerdon.core.plain import Blob, digest, not_plain
from guerdon.core.preference import Choice, Pair, Preference
from guerdon.core.recipe import identity, recipe
from guerdon.core.reward import Need, Reward, needs_of
from guerdon.core.rng import stream
from guerdon.core.score import Fault, FaultKind, Score
from guerdon.core.solver import Learner, Problem, Solver
from guerdon.core.task import Answer, Judged
from guerdon.ledger import AttemptRow, ChoiceRow, Ledger, RunRow, StepRow, VerdictRow, attempt_id, verdict_id

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Figures = Mapping[str, str | int | float]
History = list[tuple[AttemptRow, VerdictRow | None]]
FIRST = "first"
SAVE_SHARE = 10
"""A checkpoint waits at least so many times what the last one took, so that a large state does not slow its run."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands; passed to `on_progress` after each step.

    Args:
        run: the run's id.
        step: steps finished.
        spent: attempts, seconds, tokens, sandbox_seconds, frames.
        budget: the limits.
        best: highest score so far, where the split is open.
        at_top: tasks whose best score is the judge's highest possible.
        tasks: number of tasks.
        faults: verdicts without a number.
        figures: what the solver has to say.
    """

    run: str
    step: int
    spent: Mapping[str, float]
    budget: Budget
    best: float | None
    at_top: int
    tasks: int
    faults: int
    figures: Figures = field(default_factory=dict)


class Bench:
    """One run. A solver sees it as its `Desk`: `left`, `score`, `compare`, `rng`.

    Attempts are recorded before they are judged and verdicts as they come, unless the step before took less than
    `QUICK_S` seconds: then a step is recorded whole, in one transaction, and a crash costs at most that little.
    """

    QUICK_S = 0.02

    def __init__(
        self,
        solver: Solver,
        challenge: Challenge,
        judge: Reward | Preference,
        ledger: Ledger,
        split: str,
        seed: int,
        budget: Budget,
        resume: bool,
    ) -> None:
        self._solver, self._challenge, self._judge, self._ledger = solver, challenge, judge, ledger
        self._seed, self._budget = seed, budget
        low = judge.range[0] if isinstance(judge, Reward) else 0.0
        self._veil = Veil(challenge.visibility(split), low if math.isfinite(low) else 0.0)
        self._vault = Vault(challenge, split)
        if not self._vault.tasks:
            raise ChallengeError(
                f"{challenge.name}/{split} has tasks", "it has none", "Give it the data of this split, or take another"
            )
        self._judge_id = identity(judge)
        self._top = judge.range[1] if isinstance(judge, Reward) else math.inf
        self.row = self._begin(split, resume)
        world = challenge.world if type(challenge).world is not Challenge.world else None
        self.problem = Problem(challenge.name, tuple(self._vault.tasks.values()), self._veil.visibility, world=world)
        self._best: dict[str, float] = {}
        self._step = self._host_faults = self._faults = 0
        self._sandbox_seconds = 0.0
        self._eager = True
        self._cut = ""
        self._held: tuple[list[AttemptRow], list[VerdictRow]] = ([], [])
        self._spent: dict[str, float] = dict.fromkeys(("attempts", "seconds", "tokens", "sandbox_seconds", "frames"), 0)

    def _begin(self, split: str, resume: bool) -> RunRow:
        challenge, solver = self._challenge, self._solver
        names: list[Any] = [identity(challenge), identity(solver), self._judge_id, split, self._seed]
        taken = set() if resume else {row.id for row in self._ledger.runs()}
        while (name := digest(*names)[:12]) in taken:
            names = [*names[:5], names[5] + 1 if len(names) > 5 else 1]
        return self._ledger.begin(
            RunRow(
                id=name,
                challenge=challenge.name,
                split=split,
                visibility=self._veil.visibility.value,
                solver=solver.name,
                judge=self._judge_id,
                seed=self._seed,
                budget=self._budget.limits(),
                recipe={
                    "challenge": recipe(challenge),
                    "solver": recipe(solver),
                    "judge": recipe(self._judge),
                    "tasks": len(self._vault.tasks),
                    "independent": solver.independent,
                    "top": self._top if math.isfinite(self._top) else None,
                },
                versions=_versions(),
                created=time.time(),
            )
        )

    @contextlib.contextmanager
    def opened(
        self,
        workers: str,
        patience_s: float,
        halt_after: int,
        checkpoint_s: float,
        on_progress: Callable[[Progress], None] | None,
    ) -> Iterator[None]:
        """The bench with its lock, its workers and its interrupt handler."""
        reward = self._judge if isinstance(self._judge, Reward) else None
        if reward is not None and Need.SANDBOX in needs_of(reward):
            from guerdon.sandbox import shared

            shared.get()  # refuse now, with the reason, rather than at the first verdict
        self._halt_after, self._checkpoint_s, self._on_progress = halt_after, checkpoint_s, on_progress
        with self._ledger.lock(self.row.id), Interrupt() as self._interrupt:
            self._workers = open_workers(workers, reward, patience_s) if reward else None
            try:
                yield
            finally:
                if self._workers:
                    self._workers.close()

    def work(self) -> tuple[str, str]:
        """Drive the solver to its end; returns the status and why it ended."""
        self._ledger.tasks_seen(self._challenge.name, self.problem.tasks)
        self._history = self._load_history()
        self._steps = {row.step: row for row in self._ledger.steps(self.row.id)}
        self._clock = time.monotonic()
        status = "failed"
        try:
            reason = self._drive(self._solver) if isinstance(self._solver, Learner) else self._drive_freely()
            status = "interrupted" if self._interrupt.asked else "done"
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        finally:
            self._let_go()
            self._ledger.finish(self.row.id, status)
        return status, reason

    # ── the loop ────────────────────────────────────────────────────────────────────────────────────────────────

    def _drive(self, learner: Learner[Any]) -> str:
        state = self._restore(learner)
        saved, took = time.monotonic(), 0.0
        while True:
            reason = self._stop_reason()
            answers = [] if reason else self._answers(learner, state)
            if not answers:
                return reason or self._cut or "the solver has finished"
            shown = self._veil.show(self._record(answers))
            reach("before tell")
            state = self._call("tell", learner.tell, self.problem, state, shown, self.rng("tell", self._step))
            name = None
            pause = max(self._checkpoint_s, SAVE_SHARE * took) if self._checkpoint_s else 0.0
            if (begun := time.monotonic()) - saved >= pause:
                name, saved = self._checkpoint(learner, state), time.monotonic()
                took = saved - begun
            self._commit(answers, name, self._call("progress", learner.progress, state))

    def _answers(self, learner: Learner[Any], state: Any) -> list[Answer]:
        """What to judge in this step: what was recorded before a crash, else what the solver asks."""
        if self._step in self._history:
            return [attempt.answer for attempt, _ in self._history[self._step]]
        asked = self._call("ask", learner.ask, self.problem, state, self.rng("ask", self._step))
        reach("asked")
        valid = self._valid(asked)
        return [valid[place] for place in self._within_budget(valid)]

    def _restore(self, learner: Learner[Any]) -> Any:
        """The state before the first step that is not finished: from a checkpoint, then re-told from the ledger."""
        committed = {row.checkpoint: row.step + 1 for row in self._steps.values() if row.checkpoint}
        found = checkpoint.newest(learner, self._folder, committed)
        first, state = found or (0, self._call("start", learner.start, self.problem, self.rng("start")))
        for step in sorted(self._steps):
            judged = [_judged(self._vault, *pair) for pair in self._history.pop(step, [])]
            self._notice(judged)
            shown = self._veil.show(judged)
            if step >= first:
                state = self._call("tell", learner.tell, self.problem, state, shown, self.rng("tell", step))
            self._spend([j.answer for j in judged], self._steps[step])
            self._step = step + 1
        self._host_faults = 0
        return state

    def _drive_freely(self) -> str:
        try:
            self._call("solve", self._solver.solve, self.problem, self)
        except BudgetError:
            if not (self._stop_reason() or self._cut):
                raise
        return self._stop_reason() or self._cut or "the solver has finished"

    # ── the desk, as a solver sees it ───────────────────────────────────────────────────────────────────────────

    @property
    def left(self) -> Budget:
        """What may still be spent."""
        return self._budget.left(self._spent_now())

    def _spent_now(self) -> dict[str, float]:
        running = 0.0 if self._step in self._steps else time.monotonic() - self._clock
        return {**self._spent, "seconds": self._spent["seconds"] + running}

    def rng(self, *purpose: str | int) -> Rng:
        """The stream of random numbers for a purpose of this run."""
        return stream(self._seed, *purpose)

    def score(self, answers: Sequence[Answer]) -> list[Judged]:
        """Judge and record answers once; those over the budget come back as budget faults, then `BudgetError`."""
        valid = self._valid(answers)
        if not valid:
            return []
        places = self._affordable(valid)
        taken = [valid[place] for place in places]
        shown = dict(zip(places, self._veil.show(self._record(taken)), strict=True))
        self._commit(taken, None, {})
        over = Score.failed(FaultKind.BUDGET)
        return [shown.get(i) or Judged(self._vault.task(answer), answer, over, "") for i, answer in enumerate(valid)]

    def compare(self, pairs: Sequence[tuple[Answer, Answer]]) -> list[Choice]:
        """Ask the challenge's preference which of two answers is better; answers and choices are recorded once.

        Pairs over the budget come back as budget faults, then `BudgetError`; on a split that is not open all is hidden.
        """
        if not isinstance(self._judge, Preference):
            raise SolverError("a challenge judged by preference", f"{self._judge.name} is a reward", "Call desk.score")
        sides = self._valid([side for pair in pairs for side in pair])
        if not sides:
            return []
        taken = [sides[place] for place in self._affordable(sides)]
        rows = self._attempt_rows(taken)
        self._ledger.attempt(rows)
        cases = self._vault.cases(taken)
        asked = [Pair(c.task, c.answer, cases[2 * i + 1].answer, c.key) for i, c in enumerate(cases[::2])]
        names = [digest(rows[2 * i].id, rows[2 * i + 1].id, self._judge_id) for i in range(len(asked))]
        known = self._chosen_before if self._step in self._history else {}
        fresh = [i for i, name in enumerate(names) if name not in known]
        chosen = dict(zip(fresh, self._judge([asked[i] for i in fresh]), strict=True))
        self._ledger.choose(
            [
                ChoiceRow(names[i], self.row.id, self._step, i, asked[i].task.id, rows[2 * i].id, rows[2 * i + 1].id, c)
                for i, c in chosen.items()
            ]
        )
        self._history.pop(self._step, None)
        self._commit(taken, None, {})
        told = self._veil.choices([known.get(name) or chosen[i] for i, name in enumerate(names)])
        return told + [Choice(None, fault=Fault(FaultKind.BUDGET))] * (len(pairs) - len(told))

    @cached_property
    def _chosen_before(self) -> dict[str, Choice]:
        return {row.id: row.choice for row in self._ledger.choices(self.row.id)}

    # ── recording ───────────────────────────────────────────────────────────────────────────────────────────────

    def _load_history(self) -> dict[int, History]:
        """What is recorded, by step, with the verdict that the solver was told: the first, whatever came later."""
        history: dict[int, History] = {}
        for attempt, verdict in self._ledger.judged(self.row.id, first=True):
            history.setdefault(attempt.step, []).append((attempt, verdict))
        return history

    def _record(self, answers: Sequence[Answer]) -> list[Judged]:
        """Attempts into the ledger, then verdicts as they come; what is there already is not judged again."""
        rows = self._attempt_rows(answers)
        scores = {a.id: v.score for a, v in self._history.pop(self._step, []) if v is not None}
        todo = [row for row in rows if row.id not in scores]
        if todo:
            self._held[0].extend(todo)
            if self._eager:
                self._let_go()
                reach("attempts recorded")
            scores.update(self._judge_rows(todo))
        judged = [Judged(self._vault.task(row.answer), row.answer, scores[row.id], row.id) for row in rows]
        self._notice(judged)
        return judged

    def _judge_rows(self, rows: Sequence[AttemptRow]) -> dict[str, Score]:
        if self._workers is None:
            raise SolverError("answers scored by a reward", f"{self._judge.name} compares", "Call desk.compare")
        scores: dict[str, Score] = {}
        for indices, reply in self._workers.judge(self._vault.cases([row.answer for row in rows])):
            self._sandbox_seconds += reply.sandbox_seconds
            share, now = reply.seconds / len(indices), time.time()
            verdicts = [
                first_verdict(rows[i].id, self._judge_id, score, reply.sandbox, share, now)
                for i, score in zip(indices, reply.scores, strict=True)
            ]
            reach("judged")
            self._held[1].extend(verdicts)
            if self._eager or time.monotonic() - self._clock > self.QUICK_S:
                self._let_go()
                reach("verdicts recorded")
            scores.update((verdict.attempt, verdict.score) for verdict in verdicts)
        return scores

    def _let_go(self) -> None:
        """Record what was held back for the end of a quick step."""
        attempts, verdicts = self._held
        self._held = ([], [])
        if attempts or verdicts:
            self._ledger.record(attempts, verdicts, None)

    def _attempt_rows(self, answers: Sequence[Answer]) -> list[AttemptRow]:
        run, step = self.row.id, self._step
        return [AttemptRow(attempt_id(run, step, i, answer), run, step, i, answer) for i, answer in enumerate(answers)]

    def _commit(self, answers: Sequence[Answer], checkpoint_name: str | None, figures: Figures) -> None:
        row = self._steps.get(self._step)
        if row is None:
            now = time.monotonic()
            row = StepRow(
                run=self.row.id,
                step=self._step,
                seconds=now - self._clock,
                tokens=sum(answer.tokens for answer in answers),
                sandbox_seconds=self._sandbox_seconds,
                frames=sum(_frames(answer) for answer in answers),
                checkpoint=checkpoint_name,
                note=dict(figures),
            )
            self._clock, self._eager = now, row.seconds > self.QUICK_S
            held, self._held = self._held, ([], [])
            self._ledger.record(*held, row)
            reach("step committed")
        self._let_go()
        self._sandbox_seconds = 0.0
        self._spend(answers, row)
        self._step += 1
        if self._on_progress:
            self._on_progress(self._progress(figures))
        if self._host_faults >= self._halt_after:
            faults = f"{self._host_faults} faults of the host or a provider in a row"
            raise ProviderError("verdicts", faults, "See `guerdon show`, mend the cause, run again")

    def _spend(self, answers: Sequence[Answer], row: StepRow) -> None:
        new = {"attempts": len(answers), "seconds": row.seconds, "tokens": row.tokens, "frames": row.frames}
        for name, value in {**new, "sandbox_seconds": row.sandbox_seconds}.items():
            self._spent[name] += value

    def _notice(self, judged: Sequence[Judged]) -> None:
        for item in judged:
            score = item.score
            if score.value is not None:
                self._host_faults = 0
                self._best[item.task.id] = max(score.value, self._best.get(item.task.id, score.value))
            elif score.fault is not None:
                self._faults += 1
                self._host_faults = self._host_faults + 1 if score.fault.whose == "host" else 0

    def _progress(self, figures: Figures) -> Progress:
        best = self._best if self._veil.visibility is Visibility.OPEN else {}
        at_top = sum(value >= self._top for value in best.values())
        return Progress(
            self.row.id, self._step, dict(self._spent), self._budget, max(best.values(), default=None), at_top,
            len(self.problem.tasks), self._faults, figures,
        )  # fmt: skip

    # ── limits and checks ───────────────────────────────────────────────────────────────────────────────────────

    def _stop_reason(self) -> str | None:
        if self._interrupt.asked:
            return "interrupted; the same command goes on"
        over = self._budget.reached(self._spent_now())
        return f"the budget of {over.replace('_', ' ')} is spent" if over else None

    def _refuse_if_over(self) -> None:
        if self._step in self._steps:
            return
        if self._interrupt.asked:
            raise KeyboardInterrupt
        over = self._budget.reached(self._spent_now())
        if over:
            raise BudgetError(f"answers within the budget of {over}", "it is spent", "Return when desk.left is 0")

    def _affordable(self, answers: Sequence[Answer]) -> list[int]:
        self._refuse_if_over()
        places = self._within_budget(answers)
        if not places:
            raise BudgetError("answers within the budget of attempts", self._cut, "Return when desk.left is too little")
        return places

    def _within_budget(self, answers: Sequence[Answer]) -> list[int]:
        """Places of those that may be judged; in a step that is finished already, of those that were."""
        if self._step in self._steps:
            return affordable(answers, len(self._history.get(self._step, answers)), self._judge)
        limit = self._budget.attempts
        left = len(answers) if limit is None else max(int(limit - self._spent["attempts"]), 0)
        places = affordable(answers, left, self._judge)
        if len(places) < len(answers):
            self._cut = "what is left of the budget of attempts is less than a group"
        return places

    def _valid(self, answers: Sequence[Answer]) -> list[Answer]:
        try:
            listed = list(answers)
        except TypeError:
            raise SolverError("ask returns a sequence of answers", f"got a {type(answers).__name__}") from None
        for i, answer in enumerate(listed):
            if not isinstance(answer, Answer):
                raise SolverError("ask returns answers", f"item {i} is a {type(answer).__name__}", "Make it an Answer")
            self._vault.task(answer)
            content = None if isinstance(answer.content, Blob) else not_plain(answer.content, "content")
            problem = content or not_plain(answer.note, "note")
            if problem:
                name = self._solver.name
                raise SolverError(f"answer {i} of {name} is plain data", problem, "Turn it into JSON or a Blob")
        return listed

    def _call(self, what: str, call: Callable[..., Any], *arguments: Any) -> Any:
        """Call the solver; what it raises is named as the solver's, with the cause kept."""
        try:
            return call(*arguments)
        except (GuerdonError, KeyboardInterrupt):
            raise
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            do = f"Step {self._step} can be resumed once it is mended"
            raise SolverError(f"{self._solver.name}.{what} works", text, do) from error

    @property
    def _folder(self) -> Path:
        return self._ledger.folder / "checkpoints" / self.row.id

    def _checkpoint(self, learner: Learner[Any], state: Any) -> str:
        self._folder.mkdir(parents=True, exist_ok=True)
        return str(self._call("save", checkpoint.save, learner, state, self._folder, self._step + 1))


def first_verdict(
    attempt: str, judge: str, score: Score, sandbox: str, seconds: float, now: float, reason: str = FIRST
) -> VerdictRow:
    """The row of one verdict."""
    name = verdict_id(attempt, judge, reason)
    return VerdictRow(name, attempt, judge, score, sandbox=sandbox, seconds=seconds, reason=reason, created=now)


def _judged(vault: Vault, attempt: AttemptRow, verdict: VerdictRow | None) -> Judged:
    score = verdict.score if verdict else Score.failed(FaultKind.LOST)
    return Judged(vault.task(attempt.answer), attempt.answer, score, attempt.id)


def _frames(answer: Answer) -> int:
    frames = answer.note.get("frames")
    return frames if type(frames) is int else 0


def _versions() -> dict[str, str]:
    from guerdon import __version__

    return {"guerdon": __version__, "python": platform.python_version(), "machine": platform.machine()}
