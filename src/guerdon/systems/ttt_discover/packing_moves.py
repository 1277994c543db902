"""Moves on packings of circles: a kick, and linear programmes that settle what it has stirred up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from guerdon.core.plain import Json
from guerdon.systems.ttt_discover.problems import circle_packing

if TYPE_CHECKING:
    from guerdon.core.rng import Rng
    from guerdon.core.task import Task
    from guerdon.systems.ttt_discover.proposer import Start

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

KICKS = 4
STEPS = (0, 1, 3)
POINTS = 30
"""Places that a re-seated circle may choose from."""
SAFE = 1e-15
"""What radii are shrunk by, relatively, so that rounding lets no two circles overlap."""


@dataclass(frozen=True, kw_only=True)
class PackingMoves:
    """An action is a kick, its size 10^−(0.5 + 0.5 s), a number of settling steps, and their size 10^−(1 + 0.5 s).

    Kicks: none, shift one circle, re-seat the smallest, shift all. A settling step is a linear programme on centres
    and radii together; with none, the best radii for the centres are found by another. Radii always follow from the
    centres, so that a packing never overlaps. The result is handed in whether it is better or not.
    """

    choices: ClassVar[tuple[int, ...]] = (KICKS, 6, len(STEPS), 4)

    def seeds(self, task: Task, count: int, rng: Rng) -> list[Json]:
        """Random centres, by the problem's own rule."""
        n = task.data["n"]
        assert isinstance(n, int)
        return [[list(circle) for circle in found] for found in circle_packing.seeds(rng, count, n)]

    def features(self, start: Start, progress: float) -> tuple[float, float]:
        """How much smaller than 2.7 the sum of radii is, and the share of steps done."""
        return 2.7 - (0.0 if start.value is None else start.value), progress

    def apply(self, content: Json, action: Sequence[int], rng: Rng) -> Json:
        """The packing that an action makes."""
        kick, size, steps, trust = action
        packed = np.array(_rows(content), dtype=np.float64)
        packed[:, :2] = _kicked(packed, kick, 10.0 ** -(0.5 + 0.5 * size), rng)
        for _ in range(STEPS[steps]):
            packed = linear_step(packed, 10.0 ** -(1.0 + 0.5 * trust))
        return with_best_radii(packed[:, :2]).tolist()  # type: ignore[no-any-return]


def _rows(content: Any) -> list[circle_packing.Circle]:
    rows = content["construction"] if isinstance(content, dict) and "construction" in content else content
    n = len(rows["radii"]) if isinstance(rows, dict) else len(rows)
    return circle_packing.circles(rows, n)


def _kicked(packed: Floats, kick: int, step: float, rng: Rng) -> Floats:
    """Centres after a kick, in the unit square."""
    if kick == 2:
        return _reseated(packed, rng)
    moves = kick * (np.arange(len(packed)) == rng.integers(len(packed))) if kick < 2 else np.ones(len(packed))
    scale = step if kick < 2 else 0.1 * step
    found: Floats = np.clip(packed[:, :2] + scale * moves[:, None] * rng.standard_normal((len(packed), 2)), 0.0, 1.0)
    return found


def _reseated(packed: Floats, rng: Rng) -> Floats:
    """The smallest circle at the one of some random points that is farthest from the others and the walls."""
    smallest = int(packed[:, 2].argmin())
    rest = np.delete(packed, smallest, axis=0)
    points = rng.random((POINTS, 2))
    walls = np.minimum(points, 1.0 - points).min(axis=1)
    apart = np.linalg.norm(points[:, None, :] - rest[None, :, :2], axis=2) - rest[None, :, 2]
    centres = packed[:, :2].copy()
    centres[smallest] = points[np.minimum(walls, apart.min(axis=1, initial=1.0)).argmax()]
    return centres


@cache
def _pairs(n: int) -> tuple[Ints, Ints]:
    first, second = np.triu_indices(n, 1)
    return first.astype(np.int64), second.astype(np.int64)


def with_best_radii(centres: Floats) -> Floats:
    """Centres (n, 2) with the radii of the largest sum, (n, 3): r_i + r_j ≤ distance, r_i ≤ distance to the wall.

    What the solver's tolerance lets overlap is shrunk away, so that the packing is valid.
    """
    from scipy.optimize import linprog
    from scipy.sparse import coo_array

    n = len(centres)
    first, second = _pairs(n)
    distance = np.linalg.norm(centres[first] - centres[second], axis=1)
    wall = np.clip(np.minimum(centres, 1.0 - centres).min(axis=1), 0.0, None)
    near = distance < wall[first] + wall[second]
    rows = np.arange(int(near.sum()))
    ones = np.ones(2 * len(rows))
    pairs = np.concatenate([first[near], second[near]])
    matrix = coo_array((ones, (np.concatenate([rows, rows]), pairs)), shape=(len(rows), n))
    limits = {"A_ub": matrix, "b_ub": distance[near]} if len(rows) else {}
    solved = linprog(-np.ones(n), **limits, bounds=np.stack([np.zeros(n), wall], axis=1), method="highs")
    radii = np.zeros(n) if solved.x is None else np.minimum(np.clip(solved.x, 0.0, None), wall)
    reach = radii[first] + radii[second]
    held = float((distance[reach > 0] / reach[reach > 0]).min(initial=1.0))
    return np.column_stack([centres, radii * min(held, 1.0) * (1 - SAFE)])


def linear_step(packed: Floats, size: float) -> Floats:
    """A step of all centres at once, to first order, after which radii are chosen anew.

        maximise Σ r   such that   |c_i − c_j| + u_ij · (d_i − d_j) ≥ r_i + r_j,   r_i ≤ c_i + d_i ≤ 1 − r_i,
                                   |d| ≤ size,   u_ij the direction from c_j to c_i

    Args:
        packed: (n, 3) circles.
        size: largest change of a coordinate.
    """
    from scipy.optimize import linprog
    from scipy.sparse import coo_array, vstack

    n = len(packed)
    centres = packed[:, :2]
    first, second = _pairs(n)
    apart = centres[first] - centres[second]
    distance = np.linalg.norm(apart, axis=1)
    near = (distance < packed[first, 2] + packed[second, 2] + 4.0 * size) & (distance > 1e-9)
    first, second = first[near], second[near]
    direction, distance = apart[near] / distance[near, None], distance[near]
    rows = np.arange(len(first))
    ones = np.ones(len(rows))
    # variables: d_x (n), d_y (n), r (n)
    columns = [first, second, n + first, n + second, 2 * n + first, 2 * n + second]
    values = [-direction[:, 0], direction[:, 0], -direction[:, 1], direction[:, 1], ones, ones]
    overlap = coo_array((np.concatenate(values), (np.tile(rows, 6), np.concatenate(columns))), shape=(len(rows), 3 * n))
    each = np.arange(2 * n)
    radius = 2 * n + each % n
    both = np.concatenate([each, each])
    low = coo_array((np.repeat([-1.0, 1.0], 2 * n), (both, np.concatenate([each, radius]))), shape=(2 * n, 3 * n))
    high = coo_array((np.ones(4 * n), (both, np.concatenate([each, radius]))), shape=(2 * n, 3 * n))
    at = centres.T.ravel()
    solved = linprog(
        np.concatenate([np.zeros(2 * n), -np.ones(n)]),
        A_ub=vstack([overlap, low, high]),
        b_ub=np.concatenate([distance, at, 1.0 - at]),
        bounds=[(-size, size)] * (2 * n) + [(0.0, 0.5)] * n,
        method="highs",
    )
    if solved.x is None:
        return packed
    return with_best_radii(np.clip(centres + solved.x[: 2 * n].reshape(2, n).T, 0.0, 1.0))
