"""The floor: place, maximum of each cell, scatter; no checks, no status, no value, no statistics."""

import numpy as np
from p5_rows import DIMS, RANGES, WIDTH, operations
from speak import serve

LOW = np.array([[low] for low, _ in RANGES])
SIZE = np.array([[high - low] for low, high in RANGES])
SHAPE = np.array(DIMS)[:, None]
CELLS = DIMS[0] * DIMS[1]


def make():
    """Empty arrays: objectives, solutions, measures."""
    return np.full(CELLS, -np.inf), np.zeros((CELLS, WIDTH)), np.zeros((CELLS, 2))


def add(archive, solutions, objectives, measures):
    """One batch; rows are written last to first, so that the first of equal ones stays."""
    best, stored, placed = archive
    grid = ((SHAPE * (np.ascontiguousarray(measures.T) - LOW) + 1e-6) / SIZE).astype(np.int64)
    grid = grid.clip(0, SHAPE - 1)
    cells = grid[0] * DIMS[1] + grid[1]
    rows = (objectives > best[cells]).nonzero()[0]
    np.maximum.at(best, cells[rows], objectives[rows])
    rows = rows[objectives[rows] == best[cells[rows]]][::-1]
    stored[cells[rows]], placed[cells[rows]] = solutions[rows], measures[rows]


def contents(archive):
    """What is there."""
    best, stored, placed = archive
    cells = np.flatnonzero(best > -np.inf)
    return cells, best[cells], placed[cells], stored[cells]


if __name__ == "__main__":
    serve(operations(make, add, contents))
