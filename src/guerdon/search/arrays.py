"""Arrays at the borders of the room: what shape was expected, what came, what to do."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import SolverError

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Rng: TypeAlias = np.random.Generator


def table(name: str, values: npt.ArrayLike, width: int | None = None) -> Floats:
    """Values as a (B, width) array of floats; any width when none is given.

    Raises:
        SolverError: another shape, or not numbers.
    """
    array = _floats(name, values)
    if array.ndim != 2 or (width is not None and array.shape[1] != width):
        wanted = f"(B, {'D' if width is None else width})"
        raise SolverError(f"{name} has the shape {wanted}", f"got {array.shape}", "Pass one row for each item")
    return array


def column(name: str, values: Any, length: int | None = None) -> Floats:
    """Values as a (length,) array of floats, in which `None` is nan.

    Raises:
        SolverError: another shape, or not numbers.
    """
    array = _floats(name, values)
    if array.ndim != 1 or (length is not None and len(array) != length):
        wanted = f"({'B' if length is None else length},)"
        raise SolverError(f"{name} has the shape {wanted}", f"got {array.shape}", "Pass one number for each item")
    return array


def whole(name: str, values: npt.ArrayLike, length: int | None = None, below: int | None = None) -> Ints:
    """Values as a (length,) array of whole numbers, each at least 0 and less than `below`.

    Raises:
        SolverError: another shape, not whole numbers, or one out of range.
    """
    array = np.asarray(values)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu" or array.ndim != 1 or (length is not None and len(array) != length):
        wanted = f"({'B' if length is None else length},)"
        got = f"got {array.dtype} {array.shape}"
        raise SolverError(f"{name} are whole numbers of shape {wanted}", got, "Pass one for each item")
    if below is not None and array.size and not (array.min() >= 0 and array.max() < below):
        got = f"got {array.min()} to {array.max()}"
        raise SolverError(f"{name} are at least 0 and less than {below}", got, "Pass numbers that this object gave out")
    return array.astype(np.int64, copy=False)


def known(values: Floats) -> Floats:
    """Scores with everything that is not finite turned into −inf: an unknown score never wins."""
    return np.where(np.isfinite(values), values, -np.inf)


def _floats(name: str, values: Any) -> Floats:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise SolverError(f"{name} are numbers in a regular array", str(error), "Pass an array of floats") from None
