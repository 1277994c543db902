"""Moves on step functions for the minimum overlap problem: five tiny hill climbs and one linear programme."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import numpy.typing as npt

from guerdon.core.plain import Json
from guerdon.systems.ttt_discover.problem import construction
from guerdon.systems.ttt_discover.problems import erdos

if TYPE_CHECKING:
    from guerdon.core.rng import Rng
    from guerdon.core.task import Task
    from guerdon.systems.ttt_discover.proposer import Start

Floats = npt.NDArray[np.float64]

REPEATS = (1, 3, 6)
ACTIVE = (20, 40, 60)
REGIONS = 5


@dataclass(frozen=True, kw_only=True)
class ErdosMoves:
    """An action is an operator, a size 10^−(0.3 + 0.7 s), one of five equal regions, and a number of repeats.

    Operators: move mass between two cells, jitter all, jitter a region, smooth a region, symmetrise a region, one
    step of a linear programme. All but the last try `repeats` times and keep improvements; the last takes its number
    of shifts (20, 40 or 60) from the same choice, and its step whether it improves or not. A single action is small
    against what can be reached: otherwise restarts would do as well as reuse.

    """

    choices: ClassVar[tuple[int, ...]] = (6, 6, REGIONS, len(REPEATS))

    def seeds(self, task: Task, count: int, rng: Rng) -> list[Json]:
        """The problem's seeds, with as many steps as the task says."""
        pieces = task.data["pieces"]
        assert isinstance(pieces, int)
        return list(erdos.seeds(rng, count, pieces, pieces))

    def features(self, start: Start, progress: float) -> tuple[float, float]:
        """The gap of C5 to 0.38, and the share of steps done."""
        value = 0.5 if start.value is None else -start.value
        return 10.0 * (value - 0.38), progress

    def apply(self, content: Json, action: Sequence[int], rng: Rng) -> Json:
        """The construction that an action makes."""
        operator, size, region, repeats = action
        h_n = np.array(construction(content), dtype=np.float64)
        step = 10.0 ** -(0.3 + 0.7 * size)
        if operator == len(HILL_CLIMBS):
            found = linear_step(h_n, step, ACTIVE[repeats])
        else:
            cells = np.array_split(np.arange(len(h_n)), REGIONS)[region]
            found = _climb(h_n, REPEATS[repeats], lambda at: HILL_CLIMBS[operator](at, step, cells, rng))
        return found.tolist()  # type: ignore[no-any-return]


def projected(h_n: Floats) -> Floats:
    """The closest function with values of 0 to 1 and sum n / 2: shifted by one number, and clipped.

    The sum is piecewise linear in the shift; its corners, sorted, say on which piece n / 2 lies.

    >>> projected(np.array([2.0, 0.25, 0.25])).tolist()
    [1.0, 0.25, 0.25]
    """
    corners = np.concatenate([-h_n, 1.0 - h_n])
    order = np.argsort(corners)
    corners = corners[order]
    slopes = np.where(order < len(h_n), 1, -1).cumsum()  # each value starts to count, then stops
    sums = np.append(0.0, (slopes[:-1] * np.diff(corners)).cumsum())
    piece = int(np.searchsorted(sums, len(h_n) / 2, side="right")) - 1
    shift = corners[piece] + (len(h_n) / 2 - sums[piece]) / max(slopes[piece], 1)
    found: Floats = np.clip(h_n + shift, 0.0, 1.0)
    return found


def _climb(h_n: Floats, tries: int, change: Callable[[Floats], Floats]) -> Floats:
    best_n, best = h_n, erdos.c5(h_n)
    for _ in range(tries):
        tried_n = projected(change(best_n))
        value = erdos.c5(tried_n)
        if value < best:
            best_n, best = tried_n, value
    return best_n


def _move_mass(h_n: Floats, step: float, cells: npt.NDArray[np.int64], rng: Rng) -> Floats:
    moved = h_n.copy()
    source, target = rng.choice(cells), rng.integers(len(h_n))
    amount = min(step, moved[source], 1.0 - moved[target])
    moved[source] -= amount
    moved[target] += amount
    return moved


def _jitter(h_n: Floats, step: float, cells: npt.NDArray[np.int64], rng: Rng) -> Floats:
    found: Floats = h_n + step * rng.standard_normal(len(h_n))
    return found


def _jitter_region(h_n: Floats, step: float, cells: npt.NDArray[np.int64], rng: Rng) -> Floats:
    moved = h_n.copy()
    moved[cells] += step * rng.standard_normal(len(cells))
    return moved


def _smooth(h_n: Floats, step: float, cells: npt.NDArray[np.int64], rng: Rng) -> Floats:
    padded = np.pad(h_n, 1, mode="edge")
    means = (padded[:-2] + padded[1:-1] + padded[2:]) / 3.0
    share = step * rng.random()
    moved = h_n.copy()
    moved[cells] += share * (means[cells] - h_n[cells])
    return moved


def _symmetrise(h_n: Floats, step: float, cells: npt.NDArray[np.int64], rng: Rng) -> Floats:
    mirrored = len(h_n) - 1 - cells
    share = step * rng.random()
    moved = h_n.copy()
    moved[cells] += share * (h_n[mirrored] - h_n[cells])
    return moved


HILL_CLIMBS = (_move_mass, _jitter, _jitter_region, _smooth, _symmetrise)


def linear_step(h_n: Floats, size: float, active: int) -> Floats:
    """One step of a linear programme on the overlaps as far as they are linear, projected.

        minimise t   such that   C_k + ∇C_k · d ≤ t for the `active` largest overlaps k,
                                 |d| ≤ size, 0 ≤ h + d ≤ 1, Σ d = 0

    Args:
        h_n: (n,) values.
        size: largest change of a value.
        active: number of overlaps that are held down.
    """
    from scipy.optimize import linprog

    n = len(h_n)
    overlap_k = erdos.overlaps(h_n)
    rows = np.argsort(-overlap_k, kind="stable")[:active]
    gradient_kn = gradients(h_n, rows)
    bounds = [*zip(np.maximum(-size, -h_n), np.minimum(size, 1.0 - h_n)), (None, None)]
    solved = linprog(
        np.append(np.zeros(n), 1.0),
        A_ub=np.hstack([gradient_kn, -np.ones((len(rows), 1))]),
        b_ub=-overlap_k[rows],
        A_eq=np.append(np.ones(n), 0.0)[None, :],
        b_eq=[0.0],
        bounds=bounds,
        method="highs",
    )
    return h_n if solved.x is None else projected(h_n + solved.x[:n])


def gradients(h_n: Floats, rows: npt.NDArray[np.int64]) -> Floats:
    """Derivatives of some overlaps by the values, (k, n).

    Overlap k is 2/n Σ h_(i + s) (1 − h_i) with the shift s = k − (n − 1), so that its derivative by h_j is
    2/n ((1 − h_(j − s)) − h_(j + s)), where an index out of range adds nothing.

    Args:
        h_n: (n,) values.
        rows: (k,) which overlaps, in the order of `erdos.overlaps`.
    """
    n = len(h_n)
    shift_k = rows - (n - 1)
    before_kn = np.arange(n)[None, :] - shift_k[:, None]
    after_kn = np.arange(n)[None, :] + shift_k[:, None]
    free_kn = np.where((before_kn >= 0) & (before_kn < n), 1.0 - h_n[np.clip(before_kn, 0, n - 1)], 0.0)
    held_kn = np.where((after_kn >= 0) & (after_kn < n), h_n[np.clip(after_kn, 0, n - 1)], 0.0)
    found: Floats = (2.0 / n) * (free_kn - held_kn)
    return found
