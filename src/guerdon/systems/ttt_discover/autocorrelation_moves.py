"""Moves on step functions for the two autocorrelation inequalities: hill climbs and one linear programme."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from guerdon.core.plain import Json
from guerdon.search.space import Space
from guerdon.systems.ttt_discover.erdos_moves import HILL_CLIMBS, REGIONS, REPEATS
from guerdon.systems.ttt_discover.problem import construction

if TYPE_CHECKING:
    from guerdon.core.rng import Rng
    from guerdon.core.task import Task
    from guerdon.systems.ttt_discover.proposer import Start

Floats = npt.NDArray[np.float64]

SHARES = (0.3, 0.6, 1.0)
"""How many of the autoconvolution's values a linear programme holds down, by the choice of repeats."""


@dataclass(frozen=True, kw_only=True)
class FirstMoves:
    """As `ErdosMoves`: operator, size 10^−(0.3 + 0.7 s) in units of the mean height, region, repeats.

    The linear programme holds down 30, 60 or 100 % of the values of the autoconvolution, the largest first.
    """

    choices: ClassVar[tuple[int, ...]] = (6, 6, REGIONS, len(REPEATS))

    def seeds(self, task: Task, count: int, rng: Rng) -> list[Json]:
        """Random heights of 0.5 to 1.5, as many as the task says."""
        return list(rng.uniform(0.5, 1.5, size=(count, Space.of(task).size)).tolist())

    def features(self, start: Start, progress: float) -> tuple[float, float]:
        """The distance of the value to the record, and the share of steps done."""
        return 3.0 if start.value is None else 10.0 * abs(abs(start.value) - self.record), progress

    def apply(self, content: Json, action: Sequence[int], rng: Rng) -> Json:
        """The construction that an action makes."""
        operator, size, region, repeats = action
        a_n = _normal(np.array(construction(content), dtype=np.float64))
        step = 10.0 ** -(0.3 + 0.7 * size)
        if operator == len(HILL_CLIMBS):
            return self.step(a_n, step, SHARES[repeats]).tolist()  # type: ignore[no-any-return]
        cells = np.array_split(np.arange(len(a_n)), REGIONS)[region]
        best = self.goodness(a_n)
        for _ in range(REPEATS[repeats]):
            tried_n = _normal(np.clip(_changed(operator, a_n, step, cells, rng), 0.0, None))
            if (value := self.goodness(tried_n)) > best:
                a_n, best = tried_n, value
        return a_n.tolist()  # type: ignore[no-any-return]

    record: ClassVar[float] = 1.50287

    def goodness(self, a_n: Floats) -> float:
        """What a hill climb raises."""
        return -first(a_n)

    def step(self, a_n: Floats, size: float, share: float) -> Floats:
        """One step of the linear programme."""
        return linear_step(a_n, size, share, np.zeros(len(a_n)))


@dataclass(frozen=True, kw_only=True)
class SecondMoves(FirstMoves):
    """The same for the second inequality, where the L2 norm of the autoconvolution is to be large besides."""

    record: ClassVar[float] = 0.961

    def goodness(self, a_n: Floats) -> float:
        """What a hill climb raises."""
        return second(a_n)

    def step(self, a_n: Floats, size: float, share: float) -> Floats:
        """One step of the linear programme, with the gradient of the logarithm of the L2 norm squared."""
        c_k = np.convolve(a_n, a_n)
        y_k = np.concatenate([[0.0], c_k, [0.0]])
        by_c = 4.0 * c_k + y_k[:-2] + y_k[2:]
        squares = 2.0 * (c_k @ c_k) + c_k[:-1] @ c_k[1:]
        return linear_step(a_n, size, share, 2.0 * np.correlate(by_c, a_n, "valid") / squares)


def first(a_n: Floats) -> float:
    """The first bound in floating point, for search.

    >>> first(np.ones(5))
    2.0
    """
    return float(2 * len(a_n) * np.convolve(a_n, a_n).max() / a_n.sum() ** 2)


def second(a_n: Floats) -> float:
    """The second bound in floating point, for search.

    >>> round(second(np.ones(5)), 12)
    0.666666666667
    """
    c_k = np.convolve(a_n, a_n)
    return float((2.0 * (c_k @ c_k) + c_k[:-1] @ c_k[1:]) / (3.0 * c_k.sum() * c_k.max()))


def _normal(a_n: Floats) -> Floats:
    """Heights with the mean 1; those of nothing at all are all 1."""
    mean = a_n.mean()
    return a_n / mean if mean > 0 else np.ones(len(a_n))


def _changed(operator: int, a_n: Floats, step: float, cells: npt.NDArray[np.int64], rng: Rng) -> Floats:
    """A hill climb's change; heights have no upper end here, so mass is moved by a plain rule."""
    if operator > 0:
        return HILL_CLIMBS[operator](a_n, step, cells, rng)
    moved = a_n.copy()
    source, target = rng.choice(cells), rng.integers(len(a_n))
    amount = min(step, moved[source])
    moved[source] -= amount
    moved[target] += amount
    return moved


def linear_step(a_n: Floats, size: float, share: float, gain_n: Floats) -> Floats:
    """One step of a linear programme on the autoconvolution c as far as it is linear.

        maximise gain · d − t / max c   such that   c_k + ∇c_k · d ≤ t for the share of the largest c_k,
                                                    |d| ≤ size, a + d ≥ 0, Σ d = 0

    Args:
        a_n: (n,) heights with the mean 1.
        size: largest change of a height.
        share: of the values of c that are held down.
        gain_n: (n,) what else each height gains.
    """
    from scipy.optimize import linprog

    n = len(a_n)
    c_k = np.convolve(a_n, a_n)
    rows = np.argsort(-c_k, kind="stable")[: max(1, int(share * len(c_k)))]
    other_kn = rows[:, None] - np.arange(n)[None, :]
    inside_kn = (other_kn >= 0) & (other_kn < n)
    gradient_kn = np.where(inside_kn, 2.0 * a_n[np.clip(other_kn, 0, n - 1)], 0.0)
    solved = linprog(
        np.append(-gain_n, 1.0 / c_k.max()),
        A_ub=np.hstack([gradient_kn, -np.ones((len(rows), 1))]),
        b_ub=-c_k[rows],
        A_eq=np.append(np.ones(n), 0.0)[None, :],
        b_eq=[0.0],
        bounds=[*zip(np.maximum(-size, -a_n), np.full(n, size)), (None, None)],
        method="highs",
    )
    return a_n if solved.x is None else _normal(np.clip(a_n + solved.x[:n], 0.0, None))
