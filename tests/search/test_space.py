import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon.core.errors import ConfigError, SolverError
from guerdon.core.plain import canonical
from guerdon.core.task import Task
from guerdon.search import Space

SPACES = st.builds(
    lambda shape, low, width, whole: Space(tuple(shape), low, low + width, whole),
    st.lists(st.integers(1, 4), min_size=1, max_size=3),
    st.integers(-5, 5).map(float),
    st.integers(1, 9).map(float),
    st.booleans(),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=20,
)


@given(SPACES, st.lists(st.floats(-1e6, 1e6), min_size=64, max_size=64))
def test_what_a_solver_hands_in_is_never_wrong(space, numbers):
    content = space.content(space.at(np.array(numbers)[: space.size]))
    assert space.wrong(content) == ""
    assert np.shape(content) == space.shape
    canonical(content)
    again = space.content(space.at(space.unit(space.point(content))))
    assert np.allclose(again, content, rtol=0, atol=1e-9)


@given(SPACES, JSON)
def test_whatever_is_handed_in_is_right_by_the_letter_or_wrong(space, content):
    wrong = space.wrong(content)
    flat = np.array(content, dtype=object) if isinstance(content, list) else np.zeros(0)
    right = flat.shape == space.shape and all(
        type(x) in ((int,) if space.whole else (int, float)) and space.low <= x <= space.high for x in flat.ravel()
    )
    assert (wrong == "") == right
    assert len(wrong) < 200


@pytest.mark.parametrize(
    "content",
    [
        [0.5] * 10_000_000,
        [[0.5, 0.5]] * 10_000_000,
        [[10**400_000, 0.5]] * 2,
        [[True, 0.5], [0.5, 0.5]],
        [[math.nan, 0.5], [0.5, 0.5]],
        [[math.inf, 0.5], [0.5, 0.5]],
        [["0.5", 0.5], [0.5, 0.5]],
        [[[0.5], 0.5], [0.5, 0.5]],
        {"answer": [[0.5, 0.5], [0.5, 0.5]]},
        "[[0.5, 0.5], [0.5, 0.5]]",
        None,
    ],
    ids=lambda content: str(type(content).__name__),
)
def test_hostile_answers_are_wrong_at_once_and_in_few_words(content):
    began = time.process_time()
    wrong = Space((2, 2)).wrong(content)
    assert time.process_time() - began < 1.0  # of our own CPU time: thousands of times more than it takes
    assert wrong.startswith("a list of 2 lists of 2 numbers from 0 to 1; answer")
    assert len(wrong) < 150


def test_bounds_may_differ_along_the_last_axis():
    space = Space((2, 3), low=(0.0, 0.0, -1.0), high=(1.0, 2.0, 0.0))
    assert space.wrong([[1, 2, -1], [0, 0, 0]]) == ""
    assert (
        space.wrong([[1, 2, -1], [0, 0, 0.5]])
        == "a list of 2 lists of 3 numbers within their bounds; answer[1][2] is 0.5"
    )
    assert space.at(np.full(6, 0.25)).tolist() == [0.25, 0.5, -0.75] * 2
    assert space.at(np.full(6, -0.25)).tolist() == space.at(np.full(6, 1.75)).tolist() == [0.25, 0.5, -0.75] * 2


def test_whole_numbers_between_bounds_that_are_not():
    space = Space((2,), 0.5, 2, whole=True)
    assert space.content(space.at(np.array([0.0, 1.0]))) == [1, 2]
    assert space.wrong([1, 2]) == ""
    assert Space((1,), 0.5, 1, whole=True).content([0.5]) == [1]


@given(SPACES)
def test_a_task_carries_it(space):
    assert Space.of(Task("t", {"space": space.plain()})) == space


def test_no_such_space():
    for bad in (
        {"shape": ()},
        {"shape": (0,)},
        {"shape": (2.0,)},
        {"shape": (True,)},
        {"shape": (1001, 1000)},
        {"shape": (2,), "low": 1.0},
        {"shape": (2,), "low": math.nan},
        {"shape": (2,), "high": math.inf},
        {"shape": (2,), "high": 10**400},
        {"shape": (2,), "high": 1e200},
        {"shape": (2,), "high": 2**60, "whole": True},
        {"shape": (2,), "high": True},
        {"shape": (2,), "high": "1"},
        {"shape": (2,), "high": (1.0, 2.0, 3.0)},
        {"shape": (2,), "low": 0.1, "high": 0.9, "whole": True},
        {"shape": (2,), "whole": 1},
    ):
        with pytest.raises(ConfigError):
            Space(**bad)
    for data in ({}, {"space": None}, {"space": [2, 3]}, {"space": {"low": 0}}, {"space": {"shape": [2], "dim": 3}}):
        with pytest.raises(SolverError, match='data have a "space"'):
            Space.of(Task("t", data))
