"""Where the component rewards stop being good proxies: the surface of the true evaluation over them, and its top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Surface:
    """A polynomial fitted to the evaluation over the component rewards, seen only where there were points.

    Made by `fit`. The polynomial explodes off the data, so the mask is part of the method.

    Args:
        points: (K, N) components.
        degree: of the polynomial.
        density: of points per unit (of N-dimensional volume) below which the surface is hidden; `None` for that which
            nine of ten points have around them.
        coefficients: of the terms.
        error: root mean squared error on the points.
    """

    points: Floats = field(repr=False)
    degree: int
    density: float | None
    coefficients: Floats = field(repr=False)
    error: float

    def values(self, points: npt.ArrayLike) -> Floats:
        """(M,) the fitted evaluation at points (M, N)."""
        found: Floats = _terms(_scaled(points, self.points), self.degree) @ self.coefficients
        return found

    def visible(self, points: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """(M,) where a Gaussian kernel estimate of the density reaches the bound."""
        from scipy.stats import gaussian_kde

        spread = self.points - self.points.mean(0)
        if np.linalg.matrix_rank(spread, tol=1e-8 * len(spread)) < spread.shape[1]:
            got = "they lie on a line or a plane"
            raise ConfigError("points that differ in every component", got, "Pool runs of several components")
        estimate = gaussian_kde(self.points.T)
        bound = self.density
        if bound is None:
            bound = len(self.points) * float(np.quantile(estimate(self.points.T), 0.1))
        found: npt.NDArray[np.bool_] = len(self.points) * estimate(np.asarray(points, np.float64).T) >= bound
        return found

    def grid(self, steps: int = 61) -> Floats:
        """(steps ** N, N) places within the range of the points."""
        low, high = self.points.min(0), self.points.max(0)
        axes = [np.linspace(a, b, steps) for a, b in zip(low, high, strict=True)]
        return np.stack([each.ravel() for each in np.meshgrid(*axes, indexing="ij")], 1)

    def top(self, steps: int = 61) -> tuple[Floats, float]:
        """The proxy point: components (N,) at the highest visible place, and the evaluation there.

        Raises:
            ConfigError: nothing is visible.
        """
        places = self.grid(steps)
        seen = places[self.visible(places)]
        if not len(seen):
            got = f"the density of {len(self.points)} points is below {self.density} everywhere"
            raise ConfigError("places where there were points", got, "Log more points, or lower the density")
        values = self.values(seen)
        best = int(values.argmax())
        return seen[best], float(values[best])


def fit(
    points: npt.ArrayLike, evaluations: npt.ArrayLike, *, degree: int = 10, density: float | None = 50.0
) -> Surface:
    """Fit the evaluation over the components (arXiv 2310.04373, section 3).

    Least squares in Chebyshev polynomials over the range of the points: the same surface as in powers, without their
    rounding. With fewer points than terms the smallest coefficients are taken.

    Args:
        points: (K, N) mean components, pooled from runs that each train on one of them, logged densely from the start.
        evaluations: (K,) the true evaluation there.
        degree: largest total degree of a term.
        density: points per unit of volume below which the surface is hidden; see `Surface`. It depends on the units
            of the components, so that the published 50 is too low where they cover most of 0 to 1.

    Raises:
        ConfigError: shapes do not fit, or there are too few points.
    """
    array, values = np.asarray(points, np.float64), np.asarray(evaluations, np.float64)
    if array.ndim != 2 or values.shape != (len(array),) or len(array) <= array.shape[1] or degree < 1:
        got = f"got {array.shape}, {values.shape} and degree {degree}"
        raise ConfigError("points (K, N) with K above N, evaluations (K,), degree at least 1", got, "Log more points")
    known = np.isfinite(array).all(1) & np.isfinite(values)
    array, values = array[known], values[known]
    terms = _terms(_scaled(array, array), degree)
    coefficients = np.asarray(np.linalg.lstsq(terms, values, rcond=1e-8)[0], np.float64)
    error = float(np.sqrt(np.mean((terms @ coefficients - values) ** 2)))
    return Surface(points=array, degree=degree, density=density, coefficients=coefficients, error=error)


def independent(runs: Sequence[npt.ArrayLike], evaluations: Sequence[npt.ArrayLike], *, smooth: int = 1) -> Floats:
    """(N,) thresholds one by one: each component where its own run scored best. Published as the worse way.

    Args:
        runs: for each component i, the means (T,) of component i in the run that trained on it alone.
        evaluations: the evaluation (T,) along each.
        smooth: iterations of the running mean.
    """
    from guerdon.systems.constrained_rlhf.diagnostics import running_mean

    return np.array(
        [
            running_mean(run, smooth)[int(running_mean(scores, smooth).argmax())]
            for run, scores in zip(runs, evaluations, strict=True)
        ]
    )


def _scaled(points: npt.ArrayLike, data: Floats) -> Floats:
    low, high = data.min(0), data.max(0)
    found: Floats = 2.0 * (np.asarray(points, np.float64) - low) / np.maximum(high - low, 1e-12) - 1.0
    return found


def _terms(scaled: Floats, degree: int) -> Floats:
    """(M, terms) products of Chebyshev polynomials of total degree up to `degree`."""
    ladders = [np.polynomial.chebyshev.chebvander(column, degree) for column in scaled.T]
    which = [each for each in product(range(degree + 1), repeat=len(ladders)) if sum(each) <= degree]
    return np.stack([np.prod([ladder[:, k] for ladder, k in zip(ladders, each)], axis=0) for each in which], 1)
