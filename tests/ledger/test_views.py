"""What the views say, checked by hand."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from guerdon.core.errors import LedgerError
from guerdon.core.intervals import wilson
from guerdon.core.preference import Choice
from guerdon.core.score import Score
from guerdon.core.task import Answer, Task
from guerdon.ledger import AttemptRow, ChoiceRow, Ledger, RunRow, StepRow, attempt_id, views
from guerdon.ledger.estimates import mean_interval, pass_probability
from guerdon.testing.ledger import all_views, make_run, make_verdict, write_history
from guerdon.testing.postgres import Server

Given = float | Score | None


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(tmp_path / "guerdon.db") as ledger:
        yield ledger


def fill(ledger: Ledger, steps: Sequence[Sequence[tuple[str, Given]]], run: str = "r", **of_run: object) -> list[str]:
    """A run of (task, score) pairs; returns the attempts' ids."""
    ledger.begin(make_run(run, **of_run))
    names = []
    for step, pairs in enumerate(steps):
        rows = []
        for index, (task, _) in enumerate(pairs):
            answer = Answer(task, f"{step}.{index}")
            rows.append(AttemptRow(attempt_id(run, step, index, answer), run, step, index, answer))
        known = [(row.id, score) for row, (_, score) in zip(rows, pairs, strict=True) if score is not None]
        verdicts = [make_verdict(name, score) for name, score in known]
        ledger.record(rows, verdicts, StepRow(run, step, 2.0, tokens=10))
        names += [row.id for row in rows]
    return names


TIMEOUT, SANDBOX, BROKEN = Score.failed("timeout", "9 s"), Score.failed("sandbox"), Score.failed("judge")


def test_best_breaks_ties_by_who_was_first(ledger: Ledger) -> None:
    names = fill(ledger, [[("a", 1.0), ("b", 0.5)], [("a", 1.0), ("b", TIMEOUT), ("b", 2.0), ("c", None)]])
    assert [attempt.id for attempt, _ in views.best(ledger, "r")] == [names[4], names[0], names[2], names[1]]
    assert len(views.best(ledger, "r", 2)) == 2
    assert views.best(ledger, "r", 0) == []


def test_curve_has_a_point_per_improvement_and_step(ledger: Ledger) -> None:
    fill(ledger, [[("a", TIMEOUT), ("a", 0.5), ("a", 0.2)], [("a", 0.1)], [("a", 0.7), ("a", 0.9)]])
    told = [(p.attempts, p.best, p.step, p.seconds, p.tokens) for p in views.curve(ledger, "r")]
    assert told == [
        (2, 0.5, 0, 2.0, 10),
        (3, 0.5, 0, 2.0, 10),
        (4, 0.5, 1, 4.0, 20),
        (5, 0.7, 2, 6.0, 30),
        (6, 0.9, 2, 6.0, 30),
    ]


def test_faults_are_counted_with_examples(ledger: Ledger) -> None:
    names = fill(ledger, [[("a", TIMEOUT)] * 5 + [("b", SANDBOX), ("c", 1.0)]])
    first, second = views.faults(ledger, "r")
    assert (first.kind, first.whose, first.count) == ("timeout", "solver", 5)
    assert first.examples == tuple((name, "a", "9 s") for name in names[:3])
    assert (second.kind, second.whose, second.count) == ("sandbox", "host", 1)


def test_leaderboard_means_the_best_of_each_task(ledger: Ledger) -> None:
    fill(ledger, [[("a", 0.2), ("a", 0.8), ("b", TIMEOUT), ("c", SANDBOX), ("d", 1.0), ("e", None)]], "x", solver="one")
    (entry,) = views.leaderboard(ledger, "c", "main")
    assert entry.mean == pytest.approx((0.8 + 0.0 + 1.0) / 3)
    assert (entry.tasks, entry.unknown, entry.attempts, entry.rank) == (3, 1, 5, 1)
    assert entry.faults == {"solver": 1, "host": 1}
    assert (entry.low, entry.high) == (None, None)
    (floored,) = views.leaderboard(ledger, "c", "main", floor=-1.0)
    assert floored.mean == pytest.approx((0.8 - 1.0 + 1.0) / 3)
    assert views.leaderboard(ledger, "c", "other") == views.leaderboard(ledger, "d", "main") == []


def test_leaderboard_shares_ranks_where_intervals_overlap(ledger: Ledger) -> None:
    def scores(share: float) -> list[tuple[str, Given]]:
        return [(f"t{i}", float(i < share * 100)) for i in range(100)]

    for name, share in (("low", 0.2), ("mid", 0.8), ("also", 0.85)):
        fill(ledger, [scores(share)], name)
    fill(ledger, [scores(0.1)], "other", judge="another judge")
    board = views.leaderboard(ledger, "c", "main")
    assert [(entry.run, entry.rank) for entry in board] == [("also", 1), ("mid", 1), ("low", 3), ("other", 1)]
    pooled = views.leaderboard(ledger, "c", "main", by="solver")
    assert (pooled[0].run, pooled[0].runs, pooled[0].mean) == ("", 3, pytest.approx(1.85 / 3))


def test_a_run_that_begins_while_a_leaderboard_is_made_waits_for_the_next(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(ledger, [[("a", 1.0)]], "x")
    read = ledger.runs

    def runs(challenge: str | None = None) -> list[RunRow]:
        found = read(challenge)
        fill(ledger, [[("a", 0.5)]], "y")
        return found

    monkeypatch.setattr(ledger, "runs", runs)
    assert [entry.run for entry in views.leaderboard(ledger, "c", "main")] == ["x"]
    assert [entry.run for entry in views.leaderboard(ledger, "c", "main")] == ["x", "y"]


def test_a_sealed_leaderboard_tells_nothing(ledger: Ledger) -> None:
    fill(ledger, [[("a", 0.9), ("b", TIMEOUT)]], "z", visibility="sealed")
    fill(ledger, [[("a", 0.1)]], "y", visibility="sealed")
    shown = views.leaderboard(ledger, "c", "main")
    assert [entry.run for entry in shown] == ["y", "z"]
    assert all(entry.mean is entry.rank is None and not entry.faults and not entry.attempts for entry in shown)
    assert [entry.run for entry in views.leaderboard(ledger, "c", "main", reveal=True)] == ["z", "y"]
    assert views.training_set(ledger) == []
    assert len(views.training_set(ledger, reveal=True)) == 2


def test_pass_at_k_is_the_share_of_subsets() -> None:
    for n, right, k in itertools.product(range(1, 8), range(8), range(1, 8)):
        if right <= n >= k:
            subsets = list(itertools.combinations([True] * right + [False] * (n - right), k))
            assert pass_probability(n, right, k) == pytest.approx(sum(map(any, subsets)) / len(subsets))
    assert 0 < pass_probability(100_000, 3, 10) < 1


def test_pass_at_k_counts_whose_fault_it_was(ledger: Ledger) -> None:
    pairs = [
        ("a", 1.0),
        ("a", TIMEOUT),
        ("a", SANDBOX),
        ("a", BROKEN),
        ("b", 0.9),
        ("b", 0.0),
        ("b", 1.0),
        ("c", SANDBOX),
    ]
    fill(ledger, [pairs])
    one, three = views.pass_at_k(ledger, "r", (1, 3))
    assert (one.value, one.tasks, one.left_out) == (pytest.approx((1 / 2 + 1 / 3) / 2), 2, 1)
    assert (three.value, three.tasks, three.left_out) == (1.0, 1, 2)
    (lax,) = views.pass_at_k(ledger, "r", (1,), solved=lambda score: (score.value or 0.0) > 0.5)
    assert lax.value == pytest.approx((1 / 2 + 2 / 3) / 2)
    (none,) = views.pass_at_k(ledger, "r", (50,))
    assert (none.value, none.low, none.tasks, none.left_out) == (None, None, 0, 3)
    with pytest.raises(LedgerError, match="k >= 1"):
        views.pass_at_k(ledger, "r", (0,))


def test_lineage_goes_through_shared_and_unknown_parents(ledger: Ledger) -> None:
    ledger.begin(make_run())
    parents = {"root": (), "left": ("root",), "right": ("root", "lost"), "child": ("left", "right", "child")}
    rows = [AttemptRow(n, "r", i, 0, Answer("t", n, tuple(p))) for i, (n, p) in enumerate(parents.items())]
    ledger.record(rows, [make_verdict("root", 1.0)], None)
    family = views.lineage(ledger, "child")
    assert [(a.depth, a.attempt.id) for a in family] == [(0, "child"), (1, "left"), (1, "right"), (2, "root")]
    assert family[3].verdict is not None
    assert family[0].verdict is None
    with pytest.raises(LedgerError, match="there is no 'nobody'"):
        views.lineage(ledger, "nobody")


def test_training_rows(ledger: Ledger) -> None:
    names = fill(ledger, [[("a", 0.2), ("b", 0.8), ("b", TIMEOUT), ("b", None)]])
    ledger.tasks_seen("c", [Task("a", {"prompt": "old"}), Task("a", {"prompt": "new"}), Task("b", {"n": 1})])
    rows = views.training_set(ledger, "r")
    assert rows == [
        {"prompt": "new", "completion": "0.0", "reward": 0.2, "task": "a", "attempt": names[0]},
        {"prompt": '{"n":1}', "completion": "0.1", "reward": 0.8, "task": "b", "attempt": names[1]},
    ]
    assert [row["reward"] for row in views.training_set(ledger, challenge="c", min_score=0.5)] == [0.8]


def test_preferred_pairs(ledger: Ledger) -> None:
    a, b, *_ = fill(ledger, [[("a", 0.2), ("a", 0.8)]])
    outcomes = [Choice("left"), Choice("right", 0.5), Choice("tie"), Choice("skip"), Choice(None, fault=TIMEOUT.fault)]
    ledger.choose([ChoiceRow(f"c{i}", "r", 0, i, "a", a, b, outcome, "ann") for i, outcome in enumerate(outcomes)])
    ledger.choose([ChoiceRow("gone", "r", 0, 9, "a", a, "unknown", Choice("left"))])
    rows = views.preferences(ledger, "r")
    assert [(row["chosen"], row["rejected"], row["strength"]) for row in rows] == [
        ("0.0", "0.1", 1),
        ("0.1", "0.0", 0.5),
    ]
    assert {row["annotator"] for row in rows} == {"ann"}


def test_cost(ledger: Ledger) -> None:
    fill(ledger, [[("a", 1.0), ("a", None)], [("a", 0.5)]])
    spent = {"attempts": 3, "seconds": 4.0, "tokens": 20, "sandbox_seconds": 0.0, "frames": 0}
    assert views.cost(ledger, "r") == {**spent, "verdicts": 2, "judging_seconds": 0.0}


def test_intervals() -> None:
    low, high = wilson(50, 100)
    assert (low, high) == (pytest.approx(0.4038, abs=1e-4), pytest.approx(0.5962, abs=1e-4))
    assert wilson(0, 5)[0] == 0.0
    assert wilson(5, 5)[1] == 1.0
    assert mean_interval([0.5] * 6) == (0.5, (0.5, 0.5))
    assert mean_interval([0.5, 0.6]) == (0.55, None)
    draw = np.random.default_rng(0)
    for n in (5, 30, 200, 1000):
        values = list(draw.random(n))
        mean, interval = mean_interval(values)
        assert interval is not None
        assert interval[0] < mean < interval[1]
        assert mean_interval(values) == (mean, interval)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    draw = np.random.default_rng(1)
    held = sum(low <= 0.5 <= high for low, high in (mean_interval(list(draw.random(40)))[1] for _ in range(100)))  # type: ignore[misc]
    assert held >= 88


def test_both_data_bases_say_the_same(ledger: Ledger, postgres: Server, tmp_path: Path) -> None:
    with Ledger.open(postgres.schema(), files=tmp_path / "files") as other:
        for book in (ledger, other):
            write_history(book, "r", seed=3, steps=6)
            write_history(book, "q", seed=4)
        assert all_views(ledger) == all_views(other)


@pytest.mark.slow
def test_a_leaderboard_of_a_hundred_thousand(ledger: Ledger) -> None:
    import time

    for run in range(10):
        pairs = [(f"t{i % 500}", (i * 7919 % 1000) / 1000) for i in range(10_000)]
        fill(ledger, [pairs[i : i + 1000] for i in range(0, 10_000, 1000)], f"r{run}")
    views.leaderboard(ledger, "none", "main")
    start = time.process_time()
    board = views.leaderboard(ledger, "c", "main")
    assert time.process_time() - start < 1.5
    assert sum(entry.attempts for entry in board) == 100_000
