"""The overlap problem: known values, a second computation in fractions, hostile answers, lies."""

import math
import xml.etree.ElementTree as ET
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.bench.check import check
from guerdon.core.score import Score
from guerdon.core.task import Answer, Case
from guerdon.systems.ttt_discover.problem import Invalid
from guerdon.systems.ttt_discover.problems.erdos import (
    KNOWN,
    ErdosOverlap,
    c5,
    exact_c5,
    overlaps,
    rescaled,
    seeds,
)

CHALLENGE = ErdosOverlap()
TASK = next(iter(CHALLENGE.tasks("main")))
LOWER_BOUND = 0.379005  # proved for every admissible function (White 2022, arXiv 2201.05704)


def judged(content: Any) -> Score:
    return CHALLENGE.judge([Case(TASK, Answer(TASK.id, content))])[0]


def by_integration(h: list[float], steps: int = 7) -> float:
    """The largest overlap over a finer grid of shifts, each an exact integral of step functions."""
    n, best = len(h), Fraction(0)
    half = Fraction(n, 2) / sum(map(Fraction, h))
    value = [Fraction(x) * half for x in h]
    for shift in range(-n * steps, n * steps + 1):
        total = Fraction(0)
        for i in range(n * steps):  # cells of width 2 / (n steps), on which both functions are constant
            j = i + shift
            if 0 <= j < n * steps:
                total += value[i // steps] * (1 - value[j // steps])
        best = max(best, total * Fraction(2, n * steps))
    return float(best)


def test_one_half_everywhere_is_one_half() -> None:
    for n in (1, 2, 40, 999, 1000):
        score = judged([0.5] * n)
        assert score.value == 2.0
        assert score.parts == {"c5": 0.5, "certified_low": 0.5, "certified_high": 0.5, "pieces": float(n)}


def test_an_indicator_overlaps_wholly() -> None:
    # h = 1 on [0, 1]: shifted by one, it lies on its complement, an overlap of 1
    assert judged([1.0, 0.0]).parts["c5"] == 1.0
    assert judged([0.0] * 10 + [1.0] * 20 + [0.0] * 10).parts["c5"] == 0.5


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_c5_is_the_largest_overlap_of_all_shifts(h: list[float]) -> None:
    if sum(h) < 1e-3 or max(h) * len(h) / 2 > sum(h):
        return
    score = judged(h)
    expected = by_integration(h)
    assert score.parts["c5"] == pytest.approx(expected, rel=1e-14)
    assert score.parts["certified_low"] - 1e-15 <= expected <= score.parts["certified_high"] + 1e-15


@given(st.integers(0, 10**6), st.integers(1, 200))
def test_search_and_certificate_agree_and_no_bound_is_beaten(seed: int, n: int) -> None:
    h = np.random.default_rng(seed).uniform(0.3, 0.6, n).tolist()
    score = judged(h)
    assert score.parts["c5"] == pytest.approx(c5(rescaled(h)), rel=1e-13)
    assert score.parts["certified_low"] <= score.parts["certified_high"] == score.parts["c5"]
    assert score.parts["c5"] >= LOWER_BOUND
    assert score.value == 1 / score.parts["c5"]


def test_the_rounding_of_a_sum_is_mended_exactly() -> None:
    h = [0.1, 0.9, 0.3, 0.7]
    for nudged in (h, [math.nextafter(0.1, 0), *h[1:]], [math.nextafter(0.1, 1), *h[1:]]):
        exact = exact_c5(nudged)
        assert abs(exact - Fraction(max(overlaps(h)))) < Fraction(1, 10**14)
        assert exact.denominator > 0
    assert exact_c5([1.0, 0.0, math.nextafter(0.5, 0), 0.5]) < 1  # too small a sum, with a value at 1


def test_values_are_rescaled_and_held_to_the_range_again() -> None:
    assert judged([0.25] * 40).parts["c5"] == 0.5
    assert judged([0.75] * 40).parts["c5"] == 0.5
    assert "scaled" in str(judged([1.0] * 10 + [0.1] * 30).fault)
    with pytest.raises(Invalid, match="sum is 0"):
        rescaled([0.0, 0.0])
    assert not judged([5e-324] + [0.0] * 40).known


@pytest.mark.parametrize("lie", [{"c5": 0.3808}, {"bound": 0.38}, {"value": 9.0}, {"c5": "0.1", "certified_high": 0.1}])
def test_a_reported_value_is_not_read(lie: dict[str, Any]) -> None:
    h = list(KNOWN)
    assert judged({"construction": h, **lie}) == judged({"construction": h}) == judged(h)
    assert judged(h).parts["c5"] == pytest.approx(0.38214, abs=1e-6)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=14), inner, max_size=3),
    max_leaves=20,
)


@given(plain | st.fixed_dictionaries({"construction": plain, "c5": st.floats()}))
def test_any_answer_is_a_score_that_can_be_or_a_fault_of_the_solver(content: Any) -> None:
    score = judged(content)
    if score.value is None:
        assert score.fault is not None
        assert (score.fault.kind, score.fault.whose) == ("invalid", "solver")
        assert len(score.fault.detail) < 300
    else:
        assert 0 < score.value <= 1 / LOWER_BOUND


@pytest.mark.parametrize(
    "content",
    [
        [0.5, math.nan],
        [math.inf],
        [-1e-300, 0.5],
        [1.0000000001, 0.2],
        [True, False],
        ["0.5"] * 4,
        [[0.5]],
        [10**400, 0],
        {"h": [0.5]},
        {"construction": None},
        [0.5] * 1001,
        [0.5] * 10**7,
        [[0.5] * 10**6] * 10,
        "0.5" * 10**6,
        b"0.5",
    ],
    ids=lambda content: str(content)[:20],
)
def test_malformed_answers_are_faults(content: Any) -> None:
    score = judged(content)
    assert score.fault is not None
    assert score.fault.kind == "invalid"


class Unread(list[float]):
    """A list that may be measured and not read."""

    def __iter__(self) -> Any:
        raise AssertionError("it was read")

    __getitem__ = __iter__  # type: ignore[assignment]


def test_answers_that_are_too_long_are_refused_without_being_read() -> None:
    assert "got 1001" in str(judged(Unread([0.5] * 1001)).fault)
    assert judged({"construction": Unread([0.5] * 2000)}).fault is not None


def test_the_challenge_passes_its_own_check() -> None:
    findings = list(check(CHALLENGE, on_step=lambda text: None))
    assert len(findings) > 10
    assert all(finding.ok for finding in findings), [f for f in findings if not f.ok]


def test_seeds_are_those_of_the_problem_and_admissible() -> None:
    found = seeds(np.random.default_rng(3), 500)
    assert {40 <= len(h) <= 99 for h in found} == {True}
    assert all(judged(h).known for h in found)
    assert all(abs(np.mean(h) - 0.5) < 1e-12 for h in found)
    assert seeds(np.random.default_rng(3), 500) == found


def test_pictures_are_drawn_and_malformed_answers_have_none() -> None:
    (picture,) = CHALLENGE.pictures(TASK, Answer(TASK.id, {"construction": list(KNOWN)}))
    root = ET.fromstring(picture.data)
    assert root.tag.endswith("svg")
    points = root[0].attrib["points"].split()
    assert len(points) == 2 * len(KNOWN) + 2
    assert "0.382140" in picture.caption
    for content in (None, [], "x", [2.0], [0.0] * 40, {"construction": [0.5] * 1001}):
        assert CHALLENGE.pictures(TASK, Answer(TASK.id, content)) == ()


def test_landmarks_are_of_the_measure_that_is_scored() -> None:
    marks = CHALLENGE.landmarks(TASK)
    assert {mark.measure for mark in marks} == {"c5"}
    assert all(LOWER_BOUND < mark.value < 0.381 and mark.source for mark in marks)
