"""Folds of rows for cross-validation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError

if TYPE_CHECKING:
    from guerdon.core.rng import Rng


def split(count: int, folds: int, rng: Rng | None = None) -> list[npt.NDArray[np.int64]]:
    """Rows of each fold, sizes differing by one at most.

    Args:
        count: rows.
        folds: how many folds.
        rng: shuffles the rows first; without it folds are runs of neighbouring rows, as they should be in time series.

    Raises:
        ConfigError: a fold would be empty, or there is only one.

    >>> [rows.tolist() for rows in split(5, 2)]
    [[0, 1, 2], [3, 4]]
    """
    if not 2 <= folds <= count:
        raise ConfigError(f"2 to {count} folds of {count} rows", f"got {folds}", "Change the number of folds")
    order = np.arange(count) if rng is None else rng.permutation(count)
    return [np.sort(rows) for rows in np.array_split(order, folds)]
