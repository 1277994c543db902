"""Columns of a set of preferences: codes of choices, and what is checked of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.prefer.votes import HEAVIEST, Bools, Floats

Column = list[Any] | npt.NDArray[Any]
FIRST, SECOND, TIE, UNKNOWN = 1, 2, 0, -1
CHOICES: tuple[str | None, ...] = ("tie", "first", "second", None)
"""Names of the codes 0, 1, 2 and −1."""

_CODES: Mapping[Any, int] = {
    "first": FIRST, "left": FIRST, "second": SECOND, "right": SECOND, "tie": TIE, None: UNKNOWN, "skip": UNKNOWN
}  # fmt: skip


def plain(value: Any) -> Any:
    """A value of a column as JSON has it; nan is `None`."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def exchanged(one: Any, two: Any, mask: Bools) -> tuple[Any, Any]:
    """Two columns with their values exchanged where the mask is true."""
    if isinstance(one, np.ndarray) and isinstance(two, np.ndarray) and one.ndim == two.ndim == 1:
        return np.where(mask, two, one), np.where(mask, one, two)
    turned = mask.tolist()
    return (
        [b if turn else a for a, b, turn in zip(one, two, turned)],
        [a if turn else b for a, b, turn in zip(one, two, turned)],
    )


def codes_of(choice: Any) -> npt.NDArray[np.int8]:
    """(n,) codes of choices by name, or of codes."""
    if isinstance(choice, np.ndarray) and choice.dtype.kind in "iu":
        if not np.isin(choice, (FIRST, SECOND, TIE, UNKNOWN)).all():
            raise ConfigError("choices are the codes 1, 2, 0 and -1", "another number came", "See PreferenceSet")
        return choice.astype(np.int8)
    try:
        return np.fromiter(map(_CODES.__getitem__, choice), np.int8, len(choice))
    except (KeyError, TypeError):
        row, bad = next((k, each) for k, each in enumerate(choice) if not _known(each))
        raise ConfigError(
            "a choice is first, second, tie or None", f"row {row} has {bad!r:.80}", "Map it to one of these"
        ) from None


def _known(value: Any) -> bool:
    try:
        return value in _CODES
    except TypeError:
        return False


def check_lengths(n: int, columns: Mapping[str, Any]) -> None:
    """Refuse columns that are not of length n."""
    for name, column in columns.items():
        if column is not None and len(column) != n:
            raise ConfigError(f"{name} has a value for each of {n} rows", f"got {len(column)}", "Align the columns")


def check_numbers(margin: Floats, weight: Floats) -> None:
    """Refuse margins and weights out of range."""
    odd = np.flatnonzero(np.abs(margin) > HEAVIEST)
    if len(odd):
        raise ConfigError(
            f"a margin is at most {HEAVIEST:,.0f} either way, or nan",
            f"row {odd[0]} has {margin[odd[0]]}",
            "Rescale it",
        )
    odd = np.flatnonzero(~((weight >= 0) & (weight <= HEAVIEST)))
    if len(odd):
        raise ConfigError(
            f"a weight is a number from 0 to {HEAVIEST:,.0f}", f"row {odd[0]} has {weight[odd[0]]}", "Correct it"
        )
