"""Standardised features, and their first principal components."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError

Floats: TypeAlias = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Components:
    """Standardisation and principal components, fitted on training rows only.

    Args:
        mean: (p,).
        scale: (p,), standard deviations, 1 where a feature does not vary.
        axes: (p, k), the directions of most variance, largest first; the sign makes each one's largest entry positive.
        variances: (k,).
    """

    mean: npt.NDArray[np.float32]
    scale: npt.NDArray[np.float32]
    axes: npt.NDArray[np.float32]
    variances: npt.NDArray[np.float64]

    @classmethod
    def fit(cls, x: Floats, count: int) -> Components:
        """Fit on training rows (n, p).

        Args:
            x: features.
            count: how many components; fewer where rows or features do not give as many.

        Raises:
            ConfigError: no rows, or no component asked for.
        """
        if len(x) < 2 or count < 1:
            raise ConfigError("2 rows or more, and a component", f"got {len(x)} and {count}", "Give more")
        mean, spread = x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64)
        scale = np.where(spread > 1e-9 * (np.abs(mean) + 1e-30), spread, 1.0)
        moved = np.asarray((x - mean) / scale, np.float32)
        rows, width = moved.shape
        # The smaller of the two Gram matrices has the same spectrum.
        if width <= rows:
            values, axes = np.linalg.eigh(_product(moved.T, moved))
        else:
            values, left = np.linalg.eigh(_product(moved, moved.T))
            axes = moved.T @ (left / np.sqrt(np.maximum(values, 1e-12))).astype(np.float32)
        real = int((values > values[-1] * 1e-7).sum())
        order = np.argsort(values)[::-1][: min(count, real)]
        axes = axes[:, order]
        axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(len(order))])
        return cls(
            mean.astype(np.float32), scale.astype(np.float32), axes.astype(np.float32), values[order] / (rows - 1)
        )

    def transform(self, x: Floats) -> npt.NDArray[np.float32]:
        """Components (m, k) of rows (m, p)."""
        found = ((x - self.mean) / self.scale) @ self.axes
        return np.asarray(found, np.float32)


def _product(one: Floats, two: Floats) -> npt.NDArray[np.float64]:
    return np.asarray(one @ two, np.float64)
