"""Equality that nothing can talk its way past."""

from __future__ import annotations

import math


def strictly_equal(left: object, right: object) -> bool:
    """True when both are the same plain data, of exactly the same types, all the way down.

    2, 2.0 and True are three different values; NaN equals nothing; 0.0 and -0.0 are equal floats; the order of a dict
    does not matter. Anything that is not plain data equals nothing, so no foreign `__eq__` is ever called.

    >>> strictly_equal([1, (2.0, "x")], [1, (2.0, "x")])
    True
    >>> strictly_equal(1, True), strictly_equal(1, 1.0), strictly_equal((1, 2), [1, 2])
    (False, False, False)
    """
    kind = type(left)
    if kind is not type(right):
        return False
    if kind in (int, str, bytes, float, bool):
        return bool(left == right)
    if left is None:
        return True
    if kind not in (list, tuple, dict, set):
        return False
    if len(left) != len(right):  # type: ignore[arg-type]
        return False
    if kind in (list, tuple):
        return all(map(strictly_equal, left, right))  # type: ignore[call-overload]
    return _same_keys(left, right)


def _same_keys(left: object, right: object) -> bool:
    """Compare two dicts or two sets, whose keys may be equal without being the same type (1, 1.0, True)."""
    own = {key: key for key in right}  # type: ignore[attr-defined]
    for key in left:  # type: ignore[attr-defined]
        if key not in own or not strictly_equal(key, own[key]):
            return False
        if type(left) is dict and not strictly_equal(left[key], right[key]):  # type: ignore[index]
            return False
    return True


def near(answer: object, key: float, *, absolute: float, relative: float) -> bool:
    """True when a finite number lies within a declared tolerance of a finite key.

    The relative part is measured on the key, so the size of the answer buys nothing.

    Args:
        answer: an int or float, not a bool.
        key: what it should be.
        absolute: largest absolute difference.
        relative: largest difference as a part of the key.

    >>> near(1.0001, 1.0, absolute=0.0, relative=1e-3), near(float("inf"), float("inf"), absolute=1.0, relative=1.0)
    (True, False)
    """
    if type(answer) not in (int, float):
        return False
    try:
        number, target = float(answer), float(key)  # type: ignore[arg-type]
    except OverflowError:
        return False
    if not math.isfinite(number) or not math.isfinite(target):
        return False
    return abs(number - target) <= max(absolute, relative * abs(target))
