"""What is gathered in one pass says the same as the ledger's views."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from guerdon.core.score import Score
from guerdon.core.task import Answer
from guerdon.ledger import VerdictRow, views
from guerdon.report.estimates import standings
from guerdon.report.gather import gather


@pytest.fixture(params=[True, False])
def runs(book: Any, request: pytest.FixtureRequest) -> list[str]:
    return [book.random_run(f"r{i}", 200 + 40 * i, 8, seed=i, binary=request.param) for i in range(3)]


def test_best_faults_and_spending(book: Any, runs: list[str]) -> None:
    for run in runs:
        report = gather(book.ledger, run)
        ((_, verdict),) = views.best(book.ledger, run, 1)
        assert report.best == verdict.score.value
        assert report.totals.attempts == book.ledger.spent(run)["attempts"]
        assert report.totals.seconds == pytest.approx(book.ledger.spent(run)["seconds"])
        mine = {(group.kind, group.whose, group.count) for group in report.faults}
        assert mine == {(fault.kind, fault.whose, fault.count) for fault in views.faults(book.ledger, run)}


def test_means_intervals_and_ranks(book: Any, runs: list[str]) -> None:
    entries = {entry.run: entry for entry in views.leaderboard(book.ledger, "sums", "main")}
    for line in standings([gather(book.ledger, run) for run in runs]):
        entry = entries[line.report.row.id]
        assert (line.rank, line.tasks) == (entry.rank, entry.tasks)
        assert (line.mean.value, line.mean.low, line.mean.high) == pytest.approx((entry.mean, entry.low, entry.high))


def test_pass_at_k(book: Any) -> None:
    run = book.random_run("r1", 400, 10)
    report = gather(book.ledger, run)
    assert [k for k, _ in report.pass_at] == [1, 2, 5, 10, 20]
    for (_, mine), theirs in zip(report.pass_at, views.pass_at_k(book.ledger, run, [1, 2, 5, 10, 20]), strict=True):
        assert (mine.value, mine.low, mine.high) == pytest.approx((theirs.value, theirs.low, theirs.high))


def test_pass_at_k_is_not_shown_of_answers_that_depend_on_each_other(book: Any) -> None:
    run = book.random_run("r1", 400, 10, recipe={"independent": False})
    assert gather(book.ledger, run).pass_at == ()


def test_lineage(book: Any) -> None:
    run = book.run()
    first = book.step(run, 0, [(Answer("t", 0), Score(0.1)), (Answer("t", 1), Score(0.2))])
    second = book.step(run, 1, [(Answer("t", 2, tuple(first)), Score(0.3))])
    (last,) = book.step(run, 2, [(Answer("t", 3, (*second, first[0])), Score(0.4))])
    (line,) = gather(book.ledger, run).tasks
    mine = {ancestor.attempt: ancestor.depth for ancestor in line.lineage}
    assert set(mine) == {ancestor.attempt.id for ancestor in views.lineage(book.ledger, last)}
    assert [a.number for a in line.lineage] == [4, 3, 1, 2, 1]


def test_a_long_lineage_is_cut_and_counted_and_a_circle_ends(book: Any) -> None:
    run = book.run()
    parents: tuple[str, ...] = ()
    for step in range(100):
        parents = tuple(book.step(run, step, [(Answer("t", step, parents), Score(step / 100))]))
    (line,) = gather(book.ledger, run).tasks
    assert len(line.lineage) + line.more_ancestors == 100
    other = book.run("r2")
    book.step(other, 0, [(Answer("t", 1, ("x",)), Score(0.5))])
    assert len(gather(book.ledger, other).tasks[0].lineage) == 2


def test_a_new_verdict_counts_in_place_of_the_old(book: Any) -> None:
    run = book.run()
    (attempt,) = book.step(run, 0, [(Answer("t", 1), Score.failed("lost"))])
    assert gather(book.ledger, run).best is None
    book.ledger.judge([VerdictRow("again", attempt, "judge", Score(0.75), reason="again")])
    assert gather(book.ledger, run).best == 0.75


def test_curves_count_attempts_and_seconds(book: Any) -> None:
    run = book.run()
    book.step(run, 0, [(Answer("a", 1), Score(0.0)), (Answer("b", 1), Score(1.0))], seconds=2.0)
    book.step(run, 1, [(Answer("a", 2), Score(1.0)), (Answer("c", 2), Score.failed("judge"))], seconds=3.0)
    progress = gather(book.ledger, run).progress
    assert progress.attempts.tolist() == [1, 2, 3, 4]
    assert progress.seconds is not None
    assert progress.seconds.tolist() == [2, 2, 5, 5]
    assert progress.at_top is not None
    assert progress.at_top.tolist() == [0, 1, 2, 2]
    assert progress.mean.tolist() == [0, 0.5, 1, 1]


def test_time_is_unknown_without_finished_steps(book: Any) -> None:
    run = book.run()
    book.step(run, 0, [(Answer("a", 1), Score(0.5))], seconds=None)
    report = gather(book.ledger, run)
    assert report.totals.seconds is None
    assert report.progress.seconds is None
    assert np.isnan(gather(book.ledger, book.run("r2")).progress.mean).all()


def test_runs_that_tie_on_every_task_differ_by_nothing(book: Any) -> None:
    for run in ("r1", "r2"):
        book.step(book.run(run), 0, [(Answer(f"t{i}", i), Score(float(i % 2))) for i in range(40)])
    behind = standings([gather(book.ledger, run) for run in ("r1", "r2")])[1].behind
    assert behind is not None
    assert (behind.value, behind.low, behind.high) == (0, 0, 0)
