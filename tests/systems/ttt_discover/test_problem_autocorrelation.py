from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.core.rng import stream
from guerdon.core.task import Answer, Case, Task
from guerdon.search.space import Space
from guerdon.systems.ttt_discover.problems import autocorrelation as ac

BOTH = [ac.Autocorrelation1(), ac.Autocorrelation2()]
SEQUENCES = st.lists(st.floats(0, 1000), min_size=1, max_size=30).filter(lambda a: sum(a) >= 0.02)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(["construction", "bound"]), inner),
    max_leaves=10,
)


def score(problem: Any, content: Any) -> Any:
    task = Task(problem.name)
    return problem.judge([Case(task, Answer(task.id, content))])[0]


def exact_first(a: list[float]) -> Fraction:
    """The definition, in fractions."""
    x = [Fraction(min(each, 1000.0)) for each in a]
    c = [sum(x[i] * x[k - i] for i in range(len(x)) if 0 <= k - i < len(x)) for k in range(2 * len(x) - 1)]
    return 2 * len(x) * max(c) / sum(x) ** 2


def published_second(a: list[float]) -> float:
    """The published formula, in floating point."""
    c = np.convolve(np.minimum(a, 1000.0), np.minimum(a, 1000.0))
    edges = np.linspace(-0.5, 0.5, len(c) + 2)
    y, h = np.concatenate([[0], c, [0]]), np.diff(edges)
    squares = np.sum(h / 3 * (y[:-1] ** 2 + y[:-1] * y[1:] + y[1:] ** 2))
    return float(squares / (np.sum(np.abs(c)) / (len(c) + 1) * np.max(np.abs(c))))


@pytest.mark.parametrize("n", [1, 2, 7, 600])
def test_a_constant_sequence_has_the_known_bounds(n: int) -> None:
    assert score(BOTH[0], [3.5] * n).parts["bound"] == 2.0
    assert score(BOTH[0], [3.5] * n).value == 0.5
    low, high = ac.second_bound([3.5] * n)
    assert low <= 2 / 3 <= high
    assert high - low < 1e-15


@given(SEQUENCES)
def test_the_first_bound_encloses_the_definition_and_pays_its_upper_end(a: list[float]) -> None:
    exact = exact_first(a)
    found = score(BOTH[0], a)
    assert Fraction(found.parts["certified_low"]) <= exact <= Fraction(found.parts["certified_high"])
    assert found.parts["bound"] == found.parts["certified_high"]
    assert found.parts["certified_high"] <= math.nextafter(found.parts["certified_low"], math.inf)


@given(SEQUENCES)
def test_the_second_bound_is_the_published_formula_and_at_most_one(a: list[float]) -> None:
    found = score(BOTH[1], a)
    assert found.value == pytest.approx(published_second(a), rel=1e-9)
    assert found.parts["certified_low"] == found.value <= found.parts["certified_high"] <= 1.0


@pytest.mark.parametrize("kind", ["flat", "random", "wide", "spike"])
@pytest.mark.parametrize("bound", [ac.first_bound, ac.second_bound])
def test_the_enclosure_of_long_sequences_holds_the_exact_value(
    kind: str, bound: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)
    a = {
        "flat": np.ones(700),
        "random": rng.random(700),
        "wide": np.exp(rng.normal(0, 20, 700)).clip(0, 1000),
        "spike": np.concatenate([[1000.0], np.full(699, 1e-300)]),
    }[kind].tolist()
    low, high = bound(a)
    assert high <= math.nextafter(low, math.inf)
    monkeypatch.setattr(ac, "EXACT_BYTES", 0)
    wide_low, wide_high = bound(a)
    assert wide_low <= low <= high <= wide_high
    assert wide_high - wide_low < 1e-9 * high


def test_scaling_by_a_power_of_two_changes_nothing() -> None:
    a = [0.1, 0.7, 0.3, 0.9]
    assert ac.first_bound(a) == ac.first_bound([8 * each for each in a])
    assert ac.second_bound(a) == ac.second_bound([8 * each for each in a])


def test_heights_above_a_thousand_are_cut_down() -> None:
    for problem in BOTH:
        assert score(problem, [5e6, 1.0]).value == score(problem, [1000.0, 1.0]).value


@pytest.mark.parametrize("problem", BOTH)
@pytest.mark.parametrize(
    "content",
    [
        None,
        True,
        3,
        "1 2 3",
        [],
        {},
        {"construction": None},
        {"bound": 1.0},
        [True, True],
        ["1", "2"],
        [[1.0], [2.0]],
        [{"a": 1}],
        [1.0, float("nan")],
        [1.0, float("inf")],
        [1.0, -0.5],
        [1.0, 10**400],
        [0.004, 0.004],
        [0.0] * 5,
        [1.0] * 100_001,
    ],
    ids=lambda content: str(content)[:40],
)
def test_malformed_answers_are_faults_of_the_solver(problem: Any, content: Any) -> None:
    found = score(problem, content)
    assert found.value is None
    assert str(found.fault.kind) == "invalid"
    assert found.fault.whose == "solver"
    assert len(found.fault.detail) < 300


@pytest.mark.parametrize("problem", BOTH)
def test_ten_million_numbers_are_refused_by_their_count_alone(problem: Any) -> None:
    huge = [object()] * 10_000_000  # looking at any of them would say something else
    assert "got 10000000" in score(problem, huge).fault.detail


@pytest.mark.parametrize(("problem", "floor"), [(BOTH[0], 0.5), (BOTH[1], 2 / 3)])
def test_lying_gains_nothing(problem: Any, floor: float) -> None:
    for lie in (0.0, 1e-9, 1e9):
        lied = score(problem, {"construction": [1.0] * 9, "bound": lie, "value": lie, "certified_high": lie})
        assert lied.value <= floor


@settings(max_examples=200)
@given(ANYTHING)
def test_no_answer_breaks_the_judges(content: Any) -> None:
    for problem in BOTH:
        found = score(problem, content)
        assert (found.value is None) == (found.fault is not None)
        assert found.value is None or 0 < found.value <= 1.0
        assert isinstance(problem.pictures(Task(problem.name), Answer(problem.name, content)), tuple)


def test_the_longest_and_widest_answers_are_not_squared_digit_by_digit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ac, "convolved", None)
    widest = [5e-324, 1000.0] * 50_000  # exactly, these would be 27 MB of digits, for minutes
    assert ac.first_bound(widest)[0] > 1
    assert ac.second_bound(widest)[0] == pytest.approx(4 / 9, rel=1e-8)  # every other height is nothing


def test_seeds_are_constant_and_redrawn() -> None:
    found = ac.seeds(stream(101, "seeds"), 5)
    assert len({tuple(each[:1]) for each in found}) == 5
    assert all(1000 <= len(each) <= 7999 and len(set(each)) == 1 for each in found)


def test_the_picture_is_a_step_function() -> None:
    (picture,) = BOTH[0].pictures(Task("t"), Answer("t", [1.0, 2.0] * 5000))
    assert picture.media == "image/svg+xml"
    assert picture.data.startswith(b"<svg")
    assert len(picture.data) < 60_000


@pytest.mark.parametrize("problem", [*BOTH, ac.Autocorrelation1(least=100, pieces=7), ac.Autocorrelation2(most=5)])
def test_general_solvers_of_numbers_find_a_space(problem: Any) -> None:
    (task,) = problem.tasks("main")
    space = Space.of(task)
    content = space.content(stream(101, "point").random(space.size))
    assert space.wrong(content) == ""
    assert score(problem, content).value > 0
