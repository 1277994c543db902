from __future__ import annotations

import decimal
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon.sandbox import near, strictly_equal


class Yes:
    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (1, True), (1, 1.0), (0, False), (None, False), ("1", b"1"), ((1,), [1]), ({1}, {True}), ({1: 2}, {1.0: 2}),
        ({1: 2}, {1: True}), ([1], [1, 1]), ({1}, {1, 2}), (math.nan, math.nan), ([math.nan], [math.nan]),
        (Yes(), Yes()),
        (Yes(), 1), (1, Yes()), ([Yes()], [1]), (decimal.Decimal(1), decimal.Decimal(1)), ({1: 1, 2: 2}, {1: 1, 3: 2}),
        (frozenset(), frozenset()), (1j, 1j),
    ],
)  # fmt: skip
def test_not_strictly_equal(left: Any, right: Any) -> None:
    assert not strictly_equal(left, right)
    assert not strictly_equal(right, left)


def test_nan_in_the_same_object_is_not_equal() -> None:
    nan = [math.nan]
    assert not strictly_equal(nan, nan)


@given(
    st.recursive(
        st.integers() | st.text() | st.booleans(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_plain_data_equals_itself(value: Any) -> None:
    assert strictly_equal(value, value)


def test_order_of_a_dict_does_not_matter() -> None:
    assert strictly_equal({1: 2, 3: 4}, {3: 4, 1: 2})


def test_near_measures_on_the_key() -> None:
    assert near(101, 100.0, absolute=0.0, relative=0.01)
    assert not near(1e308, 1.0, absolute=0.0, relative=0.5)
    assert near(0.5, 0.0, absolute=0.5, relative=0.0)
    assert not near(True, 1.0, absolute=1.0, relative=1.0)
    assert not near(10**400, 1.0, absolute=1.0, relative=1.0)
