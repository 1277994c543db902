"""Certified values: exact arithmetic on binary floats, rounded outwards at the very end.

Every float is a rational number, so that a bound of a finite construction can be computed without any rounding. Sums
of products (correlations, convolutions) are computed by one multiplication of large integers, into which the floats
are packed: exact, and fast enough for tens of thousands of pieces. FFT convolution is for search only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction


def enclosed(value: Fraction) -> tuple[float, float]:
    """The closest floats around an exact value: `low <= value <= high`, equal where the value is a float.

    >>> low, high = enclosed(Fraction(1, 3))
    >>> Fraction(low) < Fraction(1, 3) < Fraction(high), enclosed(Fraction(1, 2))
    (True, (0.5, 0.5))
    """
    near = value.numerator / value.denominator  # correctly rounded
    exact = Fraction(near)
    if exact == value:
        return near, near
    return (near, math.nextafter(near, math.inf)) if exact < value else (math.nextafter(near, -math.inf), near)


def integers(values: Iterable[float]) -> tuple[list[int], int]:
    """Finite floats as integers with one power of two: `values[i] == found[i] * 2**-power`, power >= 0.

    >>> integers([0.5, 3.0])
    ([1, 6], 1)
    """
    ratios = [float(value).as_integer_ratio() for value in values]
    power = max((bottom.bit_length() - 1 for _, bottom in ratios), default=0)
    return [top << (power - bottom.bit_length() + 1) for top, bottom in ratios], power


def convolved(a: Sequence[int], b: Sequence[int]) -> list[int]:
    """The full convolution of two sequences of integers that are not negative, exactly.

    Element k is the sum of `a[i] * b[k - i]`; there are `len(a) + len(b) - 1`.

    Raises:
        ValueError: one is empty or holds a negative number.

    >>> convolved([1, 2], [3, 4, 5])
    [3, 10, 13, 10]
    """
    if not a or not b or min(a) < 0 or min(b) < 0:
        raise ValueError("two sequences of integers, not empty and not negative")
    bits = max(a).bit_length() + max(b).bit_length() + min(len(a), len(b)).bit_length()
    width = bits // 8 + 1
    count = len(a) + len(b) - 1
    product = (_packed(a, width) * _packed(b, width)).to_bytes(count * width, "little")
    return [int.from_bytes(product[i * width : (i + 1) * width], "little") for i in range(count)]


def correlated(a: Sequence[int], b: Sequence[int]) -> list[int]:
    """The full correlation, in the order of `numpy.correlate(a, b, "full")`."""
    return convolved(a, b[::-1])


def _packed(values: Sequence[int], width: int) -> int:
    return int.from_bytes(b"".join(value.to_bytes(width, "little") for value in values), "little")
