"""Any sequence of doings leaves a ledger that says what a dictionary would."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from guerdon.core.score import FaultKind, Score
from guerdon.core.task import Answer
from guerdon.ledger import AttemptRow, Ledger, StepRow, VerdictRow, attempt_id, verdict_id
from guerdon.ledger.export import bundle_digest, export_bundle, import_bundle
from guerdon.testing.ledger import make_run
from guerdon.testing.postgres import Server

TEXT = st.text(st.characters(codec=None), max_size=6)  # surrogates and NUL too
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
SCORES = st.floats(allow_nan=False, allow_infinity=False).map(Score) | st.builds(
    Score.failed, st.sampled_from(list(FaultKind)), TEXT
)


class LedgerMachine(RuleBasedStateMachine):
    """The model: attempts by id in order, verdicts by (attempt, id) in order, steps."""

    url: str = ""
    fresh: Any = None
    known = Bundle("known")

    @initialize()
    def begin(self) -> None:
        self.scratch = tempfile.TemporaryDirectory()
        self.folder = Path(self.scratch.name)
        self.where = self.fresh(self.folder)
        self.ledger = Ledger.open(self.where, files=self.folder / "files")
        self.ledger.begin(make_run("r"))
        self.attempts: dict[str, Answer] = {}
        self.verdicts: dict[str, dict[str, tuple[Score, bool]]] = {}
        self.steps: set[int] = set()
        self.copies = 0

    @rule(target=known, step=st.integers(0, 5), task=TEXT, content=PLAIN, note=st.dictionaries(TEXT, PLAIN, max_size=2))
    def attempt(self, step: int, task: str, content: Any, note: dict[str, Any]) -> str:
        answer = Answer(task, content, tuple(list(self.attempts)[:2]), note)
        name = attempt_id("r", step, len(self.attempts), answer)
        row = AttemptRow(name, "r", step, len(self.attempts), answer)
        self.ledger.attempt([row, row])
        self.ledger.attempt([row])
        self.attempts[name] = answer
        return name

    @rule(name=known, score=SCORES, reason=st.sampled_from(["first", "again", "late"]), superseded=st.booleans())
    def judge(self, name: str, score: Score, reason: str, superseded: bool) -> None:
        row = VerdictRow(verdict_id(name, "j", reason), name, "j", score, reason=reason, superseded=superseded)
        self.ledger.judge([row])
        self.verdicts.setdefault(name, {}).setdefault(row.id, (score, superseded))

    @rule(name=consumes(known), score=SCORES)
    def batch_with_a_mistake(self, name: str, score: Score) -> None:
        good = VerdictRow(verdict_id(name, "j", "lost"), name, "j", score)
        with pytest.raises(Exception, match="unknown"):
            self.ledger.record([], [good, VerdictRow("x", "nobody", "j", score)], StepRow("r", 77, 1.0))

    @rule(step=st.integers(0, 5))
    def commit(self, step: int) -> None:
        self.ledger.commit_step(StepRow("r", step, 1.0))
        self.steps.add(step)

    @rule()
    def reopen(self) -> None:
        self.ledger.close()
        self.ledger = Ledger.open(self.where, files=self.folder / "files")

    @rule()
    def carry(self) -> None:
        """Export, import twice elsewhere, and back: nothing changes."""
        self.copies += 1
        bundle = self.folder / f"bundle{self.copies}"
        digest = export_bundle(self.ledger, bundle)
        with Ledger.open(self.folder / f"copy{self.copies}.db") as copy:
            import_bundle(copy, bundle)
            import_bundle(copy, bundle)
            assert bundle_digest(copy) == digest
            self.check(copy)
        import_bundle(self.ledger, bundle)
        assert bundle_digest(self.ledger) == digest

    @invariant()
    def agrees(self) -> None:
        if hasattr(self, "ledger"):
            self.check(self.ledger)

    def check(self, ledger: Ledger) -> None:
        assert {row.id: row.answer for row in ledger.attempts()} == self.attempts
        found: dict[str, list[Score]] = {}
        for row in ledger.verdicts("r", all=True):
            found.setdefault(row.attempt, []).append(row.score)
        assert found == {name: [score for score, _ in told.values()] for name, told in self.verdicts.items()}
        counting = {
            name: [score for score, superseded in told.values() if not superseded]
            for name, told in self.verdicts.items()
        }
        for first in (True, False):
            shown = {row.id: verdict and verdict.score for row, verdict in ledger.judged("r", first=first)}
            expected = {name: (counting.get(name) or [None])[0 if first else -1] for name in self.attempts}
            assert shown == expected
        assert {row.step for row in ledger.steps("r")} == self.steps
        assert ledger.spent("r")["attempts"] == len(self.attempts)

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()
            self.scratch.cleanup()


def run_machine(fresh: Any, examples: int) -> None:
    machine = type("Machine", (LedgerMachine,), {"fresh": staticmethod(fresh)})
    quick = settings(
        max_examples=examples, stateful_step_count=15, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    run_state_machine_as_test(machine, settings=quick)


def test_sqlite() -> None:
    run_machine(lambda folder: str(folder / "guerdon.db"), 8)


def test_postgresql(postgres: Server) -> None:
    run_machine(lambda _: postgres.schema(), 4)


@pytest.mark.slow
def test_sqlite_at_length() -> None:
    run_machine(lambda folder: str(folder / "guerdon.db"), 200)


@pytest.mark.slow
def test_postgresql_at_length(postgres: Server) -> None:
    run_machine(lambda _: postgres.schema(), 60)
