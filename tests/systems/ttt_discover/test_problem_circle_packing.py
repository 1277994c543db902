from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.core.rng import stream
from guerdon.core.task import Answer, Case, Task
from guerdon.systems.ttt_discover.problems import circle_packing as cp

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["construction", "centers", "radii", "sum"]), inner)
    ),
    max_leaves=12,
)


def score(content: Any, n: int = 2, tolerance: float = 1e-12) -> Any:
    problem = cp.CirclePacking(n=n, tolerance=tolerance)
    return problem.judge([Case(Task("circle-packing"), Answer("circle-packing", content))])[0]


def test_one_circle_fills_the_square() -> None:
    assert score([[0.5, 0.5, 0.5]], n=1).value == 0.5


def test_two_circles_in_opposite_corners() -> None:
    r = 1 / (2 + math.sqrt(2))  # the known optimum for equal circles
    assert score([[r, r, r], [1 - r, 1 - r, r]]).value == pytest.approx(2 - math.sqrt(2))


def test_both_forms_are_read() -> None:
    rows = {"construction": [[0.25, 0.25, 0.25], [0.75, 0.75, 0.25]]}
    fields = {"centers": [[0.25, 0.25], [0.75, 0.75]], "radii": [0.25, 0.25]}
    assert score(rows).value == score(fields).value == score({"construction": fields}).value == 0.5


def test_walls_and_overlaps_are_decided_without_rounding() -> None:
    above = math.nextafter(0.25, 1)
    touching = [[0.25, 0.25, 0.25], [0.75, 0.25, 0.25]]
    assert score(touching, tolerance=0.0).value == 0.5
    assert "overlap" in score([[0.25, 0.25, 0.25], [math.nextafter(0.75, 0), 0.25, 0.25]], tolerance=0.0).fault.detail
    assert "wall" in score([[0.25, 0.25, above], [0.75, 0.75, 0.25]], tolerance=0.0).fault.detail
    assert score([[0.25, 0.25, above], [0.75, 0.75, 0.25]]).value is not None


@pytest.mark.parametrize(("over", "accepted"), [(0.9e-12, True), (1.1e-12, False)])
def test_the_tolerance_is_the_published_one(over: float, accepted: bool) -> None:
    assert (score([[0.25, 0.25, 0.25 + over], [0.75, 0.75, 0.25]]).value is not None) is accepted
    overlapping = [[0.25, 0.5, 0.25 + over / 2], [0.75 - over / 2, 0.5, 0.25]]
    assert (score(overlapping).value is not None) is accepted


@pytest.mark.parametrize("n", [*range(1, 41), 100])
def test_the_grid_is_a_valid_packing(n: int) -> None:
    found = score([list(each) for each in cp.grid(n)], n=n, tolerance=0.0)
    assert found.value >= 0.49 * math.sqrt(n) * 0.5


def test_the_grid_of_26_has_the_known_sum() -> None:
    assert score([list(each) for each in cp.grid(26)], n=26).value == pytest.approx(2.5 + 0.1 * (math.sqrt(2) - 1))


def test_a_reported_sum_is_not_read() -> None:
    points = [[0.5, 0.5, 0.0]] * 2
    assert score({"construction": points, "sum": 9.0, "sum_of_radii": 9.0}).value == 0.0


@settings(max_examples=60)
@given(st.integers(1, 6), st.data())
def test_no_valid_packing_beats_the_area_of_the_square(n: int, data: Any) -> None:
    unit = st.floats(0, 1)
    rows = [[data.draw(unit), data.draw(unit), data.draw(st.floats(0, 0.5))] for _ in range(n)]
    found = score(rows, n=n, tolerance=0.0)
    if found.value is not None:  # sum pi r^2 <= 1 and Cauchy-Schwarz
        assert found.value <= math.sqrt(n / math.pi)
        assert found.value == pytest.approx(sum(r for _, _, r in rows))


@settings(max_examples=200)
@given(ANYTHING)
def test_no_answer_breaks_the_judge(content: Any) -> None:
    found = score(content)
    assert (found.value is None) == (found.fault is not None)
    assert found.value is None or 0 <= found.value <= 2 - math.sqrt(2) + 1e-9
    pictures = cp.CirclePacking(n=2).pictures(Task("t"), Answer("t", content))
    assert isinstance(pictures, tuple)


@pytest.mark.parametrize(
    "content", [[[0.0] * 3] * 10_000_000, [[10**400, 0.5, 0.1]] * 2, [[0.5, 0.5, float("inf")]] * 2]
)
def test_large_answers_are_faults(content: Any) -> None:
    assert str(score(content).fault.kind) == "invalid"


def test_seeds_are_valid_packings() -> None:
    for seed in cp.seeds(stream(101, "seeds"), 5, n=26):
        assert score([list(each) for each in seed], n=26).value > 0


def test_the_picture_shows_every_circle() -> None:
    problem = cp.CirclePacking()
    (picture,) = problem.pictures(Task("t"), Answer("t", [list(each) for each in cp.grid(26)]))
    assert picture.data.count(b"<circle") == 26


def test_landmarks_follow_the_number_of_circles() -> None:
    for n, best in ((26, 2.635983), (32, 2.939572)):
        marks = cp.CirclePacking(n=n).landmarks(Task("t"))
        assert max(mark.value for mark in marks) == best
    assert len(cp.CirclePacking(n=7).landmarks(Task("t"))) == 1
