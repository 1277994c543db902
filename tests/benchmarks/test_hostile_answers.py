import os
import sys
from pathlib import Path

import pytest
from benchmarks.hostile_answers import Hostile, lay_out, stops, try_all
from benchmarks.peers import DRIVERS, Driver

from benchmarks import hostile_answers, workload

LIE = Hostile("C1", "lies", "def f(x): return None\n")
MARK = Hostile("B8", "writes", "@FOLDER@", mark="written")


@pytest.fixture
def bait():
    with lay_out("word", os.getpid(), __file__) as laid:
        yield laid


def test_an_answer_that_passes_was_not_stopped(bait):
    results = try_all(lambda program: "pass", bait, [LIE, MARK])
    assert stops(results) == "0/2"
    assert hostile_answers.not_stopped(results) == {"C1": "lies", "B8": "writes"}


@pytest.mark.parametrize("verdict", ["fail", "timeout"])
def test_an_answer_that_fails_was_stopped(bait, verdict):
    assert stops(try_all(lambda program: verdict, bait, [LIE, MARK])) == "2/2"


def test_a_mark_counts_whatever_the_verdict_says(bait):
    def careless(program):
        if program["source"].startswith("/"):
            Path(program["source"], "written").touch()
        return "fail"

    assert [each.stopped for each in try_all(careless, bait, [LIE, MARK])] == [True, False]


def test_an_executor_that_is_brought_down_has_not_stopped_it(bait):
    def down(program):
        raise EOFError

    (result,) = try_all(down, bait, [LIE])
    assert (result.stopped, result.verdict) == (False, "down: EOFError")


def test_an_executor_that_takes_for_ever_has_not_stopped_it(bait, monkeypatch):
    monkeypatch.setattr(hostile_answers, "PATIENCE_S", -1.0)
    assert stops(try_all(lambda program: "timeout", bait, [LIE])) == "0/1"


def test_every_hostile_answer_is_python_once_its_places_are_filled(bait):
    assert len({each.id for each in hostile_answers.HOSTILE}) == len(hostile_answers.HOSTILE) >= 20
    for each in hostile_answers.HOSTILE:
        source = bait.fill(each.source)
        assert "@" not in source
        compile(source, each.id, "exec")


def test_the_workload_has_one_wrong_candidate_in_five_and_the_right_ones_are_right():
    programs = workload.make(80, 1)
    assert sum(not each.right for each in programs) == 16
    assert programs == workload.make(80, 1)
    assert len({each.source for each in programs}) == 80
    for each in programs:
        try:
            passes = workload.outputs(each.source, each.entry, each.inputs) == each.expected
        except SyntaxError:
            passes = False
        assert passes == each.right
    assert "right" not in programs[0].plain()


def test_the_bare_fork_gives_the_verdicts_and_stops_little():
    programs = workload.make(16, 1)
    command = [sys.executable, "-S", str(DRIVERS / "p1_executors.py"), "fork"]
    with Driver("fork", command) as driver, lay_out("word", driver.pid, __file__) as laid:
        driver.ask("load", programs=[each.plain() for each in programs])
        verdicts, spent = driver.timed("run", first=0, last=16)
        assert verdicts == ["pass" if each.right else "fail" for each in programs]
        assert 0 < spent.cpu < 30
        swift = [each for each in hostile_answers.HOSTILE if each.id in ("C1", "A12a", "B1a", "B3a", "B8")]
        results = try_all(lambda program: driver.ask("ask", program=program), laid, swift)
        assert {each.id: each.stopped for each in results} == {
            "C1": False, "A12a": True, "B1a": False, "B3a": False, "B8": False,
        }  # fmt: skip
