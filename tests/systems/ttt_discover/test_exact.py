"""Exact arithmetic against fractions and plain loops."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon.systems.ttt_discover import exact

whole = st.lists(st.integers(0, 2**70), min_size=1, max_size=12)
finite = st.floats(allow_nan=False, allow_infinity=False)


@given(whole, whole)
def test_convolution_and_correlation_by_their_sums(a: list[int], b: list[int]) -> None:
    n = len(a) + len(b) - 1
    expected = [sum(a[i] * b[k - i] for i in range(len(a)) if 0 <= k - i < len(b)) for k in range(n)]
    assert exact.convolved(a, b) == expected
    small = [value % 1000 for value in a], [value % 1000 for value in b]
    assert exact.correlated(*small) == np.correlate(*small, "full").tolist()


@given(st.lists(finite, max_size=8))
def test_floats_become_integers_without_loss(values: list[float]) -> None:
    found, power = exact.integers(values)
    assert [Fraction(top, 2**power) for top in found] == [Fraction(value) for value in values]


@given(st.fractions(-(10**6), 10**6))
def test_the_floats_around_a_fraction_are_the_closest(value: Fraction) -> None:
    low, high = exact.enclosed(value)
    assert Fraction(low) <= value <= Fraction(high)
    assert high == low if Fraction(low) == value else high == math.nextafter(low, math.inf)


def test_negative_and_empty_sequences_are_refused() -> None:
    for a, b in (([1, -1], [1]), ([], [1]), ([1], [])):
        with pytest.raises(ValueError, match="not negative"):
            exact.convolved(a, b)
