"""Runs that are empty, tiny, all faults, covered, or full of odd numbers."""

from __future__ import annotations

import time
from typing import Any

import pytest

from guerdon.core.score import Score
from guerdon.core.task import Answer
from guerdon.report import render
from guerdon.report.gather import gather


def test_an_empty_run(book: Any, inert: Any) -> None:
    book.run("r1", status="running", created=1.0)
    text = inert(render(book.ledger, ["r1"])).text
    assert "No answer has been handed in." in text
    assert "Best score unknown" in text
    assert "Faults unknown" in text
    assert "Time unknown" in text
    assert "Tokens unknown" in text
    assert "There is nothing to draw yet." in text


def test_two_empty_runs_side_by_side(book: Any, inert: Any) -> None:
    book.run("r1")
    book.run("r2", seed=2)
    assert "Leaderboard" in inert(render(book.ledger, ["r1", "r2"])).texts


def test_one_attempt_one_task(book: Any, inert: Any) -> None:
    run = book.run(recipe={"top": 1.0, "tasks": 1})
    book.step(run, 0, [(Answer("t", {"value": 7}), Score(1.0))])
    text = inert(render(book.ledger, [run])).text
    assert "1 of 1" in text
    assert '"value": 7' in text


def test_an_attempt_that_was_never_judged(book: Any, inert: Any) -> None:
    run = book.run(status="interrupted")
    book.step(run, 0, [(Answer("t", 1), None)], seconds=None)
    text = inert(render(book.ledger, [run])).text
    assert "Not judged yet 1" in text
    assert "Best score unknown" in text


def test_all_faults(book: Any, inert: Any) -> None:
    run = book.run()
    faults = ["timeout", "judge", "lost", "crash"]
    book.step(run, 0, [(Answer(f"t{i}", i), Score.failed(kind, f"because {kind}")) for i, kind in enumerate(faults)])
    text = inert(render(book.ledger, [run])).text
    assert "Faults 100 %" in text
    assert "Best score unknown" in text
    for words in ("timeout the answer's 1 25 % because timeout", "judge the judge's 1", "lost the host's 1"):
        assert words in text
    assert "No answer has a score high enough" in text


@pytest.mark.parametrize("value", [-0.0, 1e-300, 5e-324, 1e308, -1e308, 1e15, 0.1 + 0.2])
def test_odd_numbers(book: Any, inert: Any, value: float) -> None:
    run = book.run()
    book.step(run, 0, [(Answer(f"t{i}", i), Score(value * (1 - i / 20) + 0.0)) for i in range(12)])
    page = render(book.ledger, [run])
    inert(page)
    assert "nan" not in page.replace("dominant", "")
    assert ">-0<" not in page
    assert "inf" not in page.split("</style>")[1].replace("info", "").replace("infinit", "")


def test_both_ends_of_the_floats(book: Any, inert: Any) -> None:
    run = book.run()
    book.step(run, 0, [(Answer(f"t{i}", i), Score(v)) for i, v in enumerate((-1.7e308, 1.7e308, 0.0, 1e-300, 5e-324))])
    inert(render(book.ledger, [run]))


def test_a_declared_range_gives_the_top_and_the_floor(book: Any, parse: Any) -> None:
    run = book.run(recipe={"judge": {"range": [-10, 0]}, "top": 0.0})
    book.step(run, 0, [(Answer("a", 1), Score(0.0)), (Answer("b", 1), Score.failed("timeout"))])
    report = gather(book.ledger, run)
    assert (report.top, report.at_top) == (0.0, 1)
    assert report.mean.value == -5.0


def test_without_a_highest_score_nothing_is_said_of_the_top(book: Any, parse: Any) -> None:
    run = book.run()
    book.step(run, 0, [(Answer("a", 1), Score(17.5)), (Answer("b", 1), Score(-3.0))])
    assert gather(book.ledger, run).at_top is None
    assert "Tasks at the top" not in parse(render(book.ledger, [run])).text


def test_a_recipe_that_says_there_is_no_top_is_believed(book: Any) -> None:
    run = book.run(recipe={"top": None, "tasks": 7})
    book.step(run, 0, [(Answer("a", 1), Score(1.0))])
    report = gather(book.ledger, run)
    assert (report.top, report.at_top, report.totals.tasks) == (None, None, 7)


@pytest.mark.parametrize("visibility", ["sealed", "aggregate"])
def test_covered_splits_hide_single_scores_unless_revealed(book: Any, inert: Any, visibility: str) -> None:
    run = book.run(visibility=visibility)
    scores = [Score(0.123456), Score(0.777), Score.failed("timeout", "detail of it")]
    pairs = [(Answer(f"t{i}", {"code": f"secret answer {i}"}), score) for i, score in enumerate(scores)]
    book.step(run, 0, pairs)
    book.step(run, 1, pairs[:1])
    page = render(book.ledger, [run])
    text = inert(page).text
    assert "Scores of single answers are hidden" in text
    for hidden in ("0.123", "0.777", "secret answer", "detail of it", "Looks strange Nothing"):
        assert hidden not in page
    assert "Attempts 4" in text
    assert ("timeout" in text) == (visibility == "aggregate")
    assert "secret answer" in render(book.ledger, [run], reveal=True)
    book.step(book.run("r2", visibility=visibility, seed=1), 0, pairs)
    both = render(book.ledger, ["r1", "r2"])
    assert "the runs are not ranked here" in inert(both).text
    assert "0.777" not in both


def test_unknown_tokens_are_not_zero_and_known_ones_are_counted(book: Any, parse: Any) -> None:
    run = book.run()
    book.step(run, 0, [(Answer("a", 1), Score(0.5))])
    assert "Tokens unknown" in parse(render(book.ledger, [run])).text
    other = book.run("r2")
    book.step(other, 0, [(Answer("a", 1, note={"tokens": 0}), Score(0.5))])
    assert "Tokens 0" in parse(render(book.ledger, [other])).text


def test_ten_thousand_attempts_make_a_small_page_soon(book: Any, inert: Any) -> None:
    run = book.random_run("r1", 10_000, 300, binary=False)
    start = time.process_time()
    page = render(book.ledger, [run])
    assert time.process_time() - start < 5
    assert len(page.encode("utf-8")) < 1_500_000
    inert(page)
