"""What every learner promises. Subclass, give the fixtures `solver` and `challenge`, and pytest does the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guerdon.bench.run import run
from guerdon.core.challenge import Challenge
from guerdon.core.reward import Reward, needs_of
from guerdon.core.rng import stream
from guerdon.core.score import Score
from guerdon.core.solver import Learner
from guerdon.core.task import Case
from guerdon.ledger import Ledger


@dataclass(frozen=True, kw_only=True)
class Unreliable(Reward):
    """A judge of which a share of the verdicts are faults of the host, drawn by answer."""

    inner: Reward
    share: float = 0.2

    def __post_init__(self) -> None:
        object.__setattr__(self, "range", self.inner.range)
        object.__setattr__(self, "unit", self.inner.unit)
        object.__setattr__(self, "needs", needs_of(self.inner))

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        """The inner verdicts, some replaced by faults."""
        lost = [stream(0, "lost", case.task.id, case.answer.digest).random() < self.share for case in cases]
        return [
            Score.failed("provider", "injected") if gone else score
            for gone, score in zip(lost, self.inner(cases), strict=True)
        ]


class SolverContract:
    """Within budget, the same by seed, resumable at every step, and not thrown off by faults.

    Give fixtures `solver` (a `Learner`) and `challenge` (small). `budget` is in attempts.
    """

    budget = 60

    def history(self, solver: Any, challenge: Challenge, path: Path, *budgets: int, **options: Any) -> list[Any]:
        """Run with growing budgets on one ledger; everything that must not depend on interruptions."""
        with Ledger.open(path) as book:
            for budget in budgets:
                done = run(solver, challenge, ledger=book, budget=budget, **options)
            rows = [(a.id, a.step, a.index, a.answer, v and v.score) for a, v in book.judged(done.id)]
            assert len(rows) <= budgets[-1]
            return rows

    def test_same_seed_same_attempts(self, solver: Learner[Any], challenge: Challenge, tmp_path: Path) -> None:
        """Two ledgers, one history."""
        one = self.history(solver, challenge, tmp_path / "a.db", self.budget)
        two = self.history(solver, challenge, tmp_path / "b.db", self.budget)
        assert one == two
        assert one

    def test_saved_and_loaded_at_every_step_it_asks_the_same(
        self, solver: Learner[Any], challenge: Challenge, tmp_path: Path
    ) -> None:
        """The state survives `save` and `load` between any two steps."""
        whole = self.history(solver, challenge, tmp_path / "a.db", self.budget)
        reloading = _reloading(solver, tmp_path)
        assert [row[1:] for row in self.history(reloading, challenge, tmp_path / "b.db", self.budget)] == [
            row[1:] for row in whole
        ]

    def test_faults_of_the_host_do_not_throw_it_off(
        self, solver: Learner[Any], challenge: Challenge, tmp_path: Path
    ) -> None:
        """A fifth of the verdicts missing: it goes on to its budget or its end."""
        judge = challenge.judge
        assert isinstance(judge, Reward)
        self.history(solver, challenge, tmp_path / "a.db", self.budget, judge=Unreliable(inner=judge))


def _reloading(solver: Learner[Any], folder: Path) -> Learner[Any]:
    """The same solver, whose `tell` passes its state through `save` and `load`."""
    kind = type(solver)

    def tell(self: Any, problem: Any, state: Any, judged: Any, rng: Any) -> Any:
        state = kind.tell(self, problem, state, judged, rng)
        place = folder / f"state-{len(list(folder.iterdir()))}"
        place.mkdir()
        self.save(state, place)
        return self.load(place)

    twin = type(kind.__name__, (kind,), {"tell": tell, "__module__": kind.__module__})
    copy: Learner[Any] = object.__new__(twin)
    for name in solver.__dataclass_fields__:  # type: ignore[attr-defined]
        object.__setattr__(copy, name, getattr(solver, name))
    return copy
