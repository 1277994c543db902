"""MAP-Elites on a grid: one elite for each cell of a measure space."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError, SolverError
from guerdon.core.plain import Json
from guerdon.search import saving
from guerdon.search.arrays import Bools, Floats, Ints, Rng, column, table

REFUSED, KEPT_OUT, BETTER, NEW = -1, 0, 1, 2
"""What became of a solution: not comparable; not better than its cell's elite; better; the first of its cell."""

_EPSILON = 1e-6  # added before rounding down, as in pyribs, so that a value on a border lies in the upper cell
_MOST_CELLS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Elites:
    """Elites as arrays with a shared first axis.

    Args:
        cells: (N,) number of the cell.
        solutions: (N, D).
        objectives: (N,).
        measures: (N, M).
        serials: (N,) which of all rows ever added it was, counted from 0: the key into the caller's own records.
    """

    cells: Ints
    solutions: Floats
    objectives: Floats
    measures: Floats
    serials: Ints

    def __len__(self) -> int:
        return len(self.cells)


class GridArchive:
    """The best solution of each cell of a regular grid over the measures (Mouret and Clune, arXiv 1504.04909).

    A cell's elite is replaced by a strictly higher objective. Of several equal ones the first in the batch wins, so
    contents do not depend on how a stream is cut into batches. Contents equal those of `ribs.archives.GridArchive`.
    Where we differ: a row that cannot be compared (objective not finite, measure nan) is refused by itself with
    status −1 and value nan instead of ending the whole batch, and measures far outside, ±inf included, go to the
    nearest border cell.

    Args:
        dims: cells along each measure.
        ranges: (low, high) of each measure.
        solution_dim: D, length of a solution.
        outside: where measures out of bounds go: to the nearest border cell, or nowhere ("refuse").

    >>> archive = GridArchive(dims=(2,), ranges=((0.0, 1.0),), solution_dim=1)
    >>> status, value = archive.add([[1.0], [2.0], [3.0]], [0.5, 0.7, 0.2], [[0.1], [0.2], [0.9]])
    >>> status.tolist(), value.tolist(), archive.coverage, round(archive.qd_score(), 6)
    ([2, 2, 2], [0.5, 0.7, 0.2], 1.0, 0.9)
    >>> archive.elites().solutions.tolist()
    [[2.0], [3.0]]
    """

    def __init__(
        self,
        *,
        dims: Sequence[int],
        ranges: Sequence[tuple[float, float]],
        solution_dim: int,
        outside: Literal["clip", "refuse"] = "clip",
    ) -> None:
        _check(dims, ranges, solution_dim, outside)
        self.dims, self.ranges, self.solution_dim, self.outside = tuple(dims), tuple(ranges), solution_dim, outside
        self.cells = math.prod(dims)
        self._low = np.array([[low] for low, _ in ranges], dtype=np.float64)  # (M, 1), as all that follow
        self._high = np.array([[high] for _, high in ranges], dtype=np.float64)
        self._size, self._dims = self._high - self._low, np.array(dims, dtype=np.float64)[:, None]
        self._last = self._dims - 1
        self._strides = np.array([math.prod(dims[i + 1 :]) for i in range(len(dims))], dtype=np.float64)
        self._objectives: Floats = np.full(self.cells, -np.inf)
        self._solutions: Floats = np.zeros((self.cells, solution_dim))
        self._measures: Floats = np.zeros((self.cells, len(dims)))
        self._serials: Ints = np.zeros(self.cells, dtype=np.int64)
        self._order: Ints = np.zeros(self.cells, dtype=np.int64)
        self._first: Ints = np.zeros(self.cells, dtype=np.int64)
        self._filled = 0
        self.rows = 0

    def add(
        self, solutions: npt.ArrayLike, objectives: npt.ArrayLike, measures: npt.ArrayLike
    ) -> tuple[npt.NDArray[np.int8], Floats]:
        """Offer a batch.

        Args:
            solutions: (B, D).
            objectives: (B,), higher is better; `None` and nan are refused.
            measures: (B, M).

        Returns:
            status_B: NEW, BETTER, KEPT_OUT or REFUSED, against the archive as it was before this batch.
            value_B: the objective for a new cell, else the objective less that of the cell's elite; nan if refused.
        """
        solutions_BD = table("solutions", solutions, self.solution_dim)
        count = len(solutions_BD)
        objectives_B = column("objectives", objectives, count)
        measures_BM = table("measures", measures, len(self.dims))
        if len(measures_BM) != count:
            raise SolverError("a batch has one row of measures for each solution", f"got {len(measures_BM)}", "Align")
        if not count:
            return np.zeros(0, dtype=np.int8), np.zeros(0)
        refused_B = self._refused(objectives_B, measures_BM)
        cells_B = self._place(measures_BM if refused_B is None else np.where(refused_B[:, None], 0.0, measures_BM))
        if refused_B is not None:
            objectives_B = np.where(refused_B, np.nan, objectives_B)
        old_B = self._objectives[cells_B]
        accepted_B = objectives_B > old_B
        empty_B = old_B == -np.inf
        status_B = accepted_B.astype(np.int8)
        status_B[accepted_B & empty_B] = NEW
        old_B[empty_B] = 0.0
        value_B = objectives_B - old_B
        if refused_B is not None:
            status_B[refused_B] = REFUSED
        self._store(accepted_B, status_B, cells_B, solutions_BD, objectives_B, measures_BM)
        self.rows += count
        return status_B, value_B

    def _refused(self, objectives_B: Floats, measures_BM: Floats) -> Bools | None:
        """Which rows cannot be compared; `None` when all can."""
        refused_B: Bools = ~np.isfinite(objectives_B)
        if self.outside == "refuse":
            columns_MB = measures_BM.T
            inside_MB = np.logical_and(columns_MB >= self._low, columns_MB <= self._high)
            refused_B |= ~inside_MB.all(axis=0)
        elif not np.isfinite(measures_BM).all():
            refused_B |= np.isnan(measures_BM).any(axis=1)
        return refused_B if refused_B.any() else None

    def _place(self, measures_BM: Floats) -> Ints:
        grid_MB = np.array(measures_BM.T, order="C")  # long inner loops: one measure at a time
        grid_MB -= self._low
        grid_MB *= self._dims
        grid_MB += _EPSILON
        grid_MB /= self._size
        np.maximum(grid_MB, 0.0, out=grid_MB)
        np.minimum(grid_MB, self._last, out=grid_MB)
        np.floor(grid_MB, out=grid_MB)
        return (self._strides @ grid_MB).astype(np.int64)  # exact: whole numbers below 2^31

    def _store(
        self,
        accepted_B: Bools,
        status_B: npt.NDArray[np.int8],
        cells_B: Ints,
        solutions_BD: Floats,
        objectives_B: Floats,
        measures_BM: Floats,
    ) -> None:
        rows = accepted_B.nonzero()[0]
        if not len(rows):
            return
        cells = cells_B[rows]
        if len(rows) > 1:
            # The maximum of each cell, then the first row that reaches it; both are order-free reductions.
            np.maximum.at(self._objectives, cells, objectives_B[rows])
            top = objectives_B[rows] == self._objectives[cells]
            rows, cells = rows[top], cells[top]
            self._first[cells] = len(cells_B)
            np.minimum.at(self._first, cells, rows)
            first = self._first[cells] == rows
            rows, cells = rows[first], cells[first]
        self._objectives[cells] = objectives_B[rows]
        self._solutions[cells] = solutions_BD[rows]
        self._measures[cells] = measures_BM[rows]
        self._serials[cells] = rows + self.rows
        fresh = cells[status_B[rows] == NEW]
        self._order[self._filled : self._filled + len(fresh)] = fresh
        self._filled += len(fresh)

    def cell_of(self, measures: npt.ArrayLike) -> Ints:
        """The cell of each row of measures (B, M); −1 where the row would be refused."""
        measures_BM = table("measures", measures, len(self.dims))
        refused_B = self._refused(np.zeros(len(measures_BM)), measures_BM)
        if refused_B is None:
            return self._place(measures_BM)
        return np.where(refused_B, -1, self._place(np.where(refused_B[:, None], 0.0, measures_BM)))

    def __len__(self) -> int:
        return self._filled

    @property
    def coverage(self) -> float:
        """Share of cells that have an elite."""
        return self._filled / self.cells

    def qd_score(self, offset: float = 0.0) -> float:
        """Σ (objective − offset) over all elites; 0 for an empty archive.

        Args:
            offset: the lowest objective there can be, so that filling a cell never lowers the score.
        """
        return float(np.sum(self._objectives[self._order[: self._filled]] - offset))

    def elites(self) -> Elites:
        """All elites, by cell."""
        return self._at(np.sort(self._order[: self._filled]))

    def best(self) -> Elites:
        """The elite with the highest objective, of equals the lowest cell; none from an empty archive."""
        return self._at(np.array([self._objectives.argmax()])[: self._filled])

    def sample(self, count: int, rng: Rng) -> Elites:
        """Elites drawn uniformly and with replacement.

        Raises:
            SolverError: the archive is empty.
        """
        if not self._filled:
            raise SolverError("an archive that is sampled has an elite", "got an empty one", "Add solutions first")
        return self._at(self._order[rng.integers(self._filled, size=count)])

    def _at(self, cells: Ints) -> Elites:
        return Elites(
            cells, self._solutions[cells], self._objectives[cells], self._measures[cells], self._serials[cells]
        )

    def save(self, folder: Path) -> None:
        """Write the archive into a folder."""
        elites = self._at(self._order[: self._filled])
        arrays = {name: getattr(elites, name) for name in Elites.__slots__}
        about: dict[str, Json] = {
            "dims": list(self.dims),
            "ranges": [list(each) for each in self.ranges],
            "solution_dim": self.solution_dim,
            "outside": self.outside,
            "rows": self.rows,
        }
        saving.write(folder, "GridArchive", arrays, about)

    @classmethod
    def load(cls, folder: Path) -> GridArchive:
        """Read what `save` wrote."""
        arrays, about = saving.read(folder, "GridArchive")
        rows = about.pop("rows")
        archive = cls(**{**about, "ranges": [(low, high) for low, high in about["ranges"]]})
        cells = arrays["cells"]
        archive._solutions[cells], archive._objectives[cells] = arrays["solutions"], arrays["objectives"]
        archive._measures[cells], archive._serials[cells] = arrays["measures"], arrays["serials"]
        archive._filled, archive.rows = len(cells), rows
        archive._order[: len(cells)] = cells
        return archive


def _check(dims: Sequence[int], ranges: Sequence[tuple[float, float]], solution_dim: int, outside: str) -> None:
    if not dims or len(dims) != len(ranges) or min(dims) < 1:
        got = f"got dims {tuple(dims)} and {len(ranges)} ranges"
        raise ConfigError("dims gives at least one cell along each measure, ranges its bounds", got, "Make them agree")
    if math.prod(dims) > _MOST_CELLS:
        raise ConfigError(f"a grid has at most {_MOST_CELLS} cells", f"got {math.prod(dims)}", "Use a CellArchive")
    for low, high in ranges:
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ConfigError("a range is finite with low < high", f"got {low}, {high}", "Give the measure's bounds")
    if solution_dim < 0 or outside not in ("clip", "refuse"):
        got = f"got {solution_dim}, {outside!r}"
        raise ConfigError('solution_dim is at least 0, outside is "clip" or "refuse"', got, "Change them")
