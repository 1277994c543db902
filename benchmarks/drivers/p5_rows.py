"""The rows that are added, and how an archive is read back; the same on all sides."""

import hashlib

import numpy as np

DIMS, RANGES, WIDTH = (100, 100), ((-1.0, 1.0), (-1.0, 1.0)), 10


def rows(batch, count):
    """Batches of (solutions, objectives, measures): scores rise slowly and often tie, some measures lie outside."""
    rng = np.random.default_rng([20_260, batch])
    found = []
    for i in range(count // batch):
        objectives = np.round(rng.normal(size=batch) + 2 * i * batch / count, 1)
        found.append((rng.normal(size=(batch, WIDTH)), objectives, rng.normal(size=(batch, 2)) / 2))
    return found


def plain(cells, objectives, measures, solutions):
    """An archive as JSON: one row for each cell, in the order of cells."""
    order = np.argsort(cells)
    return [[int(cells[i]), float(objectives[i]), measures[i].tolist(), mark(solutions[i])] for i in order.tolist()]


def mark(array):
    """A short digest of an array of floats."""
    return hashlib.sha256(np.ascontiguousarray(array, dtype=np.float64).tobytes()).hexdigest()[:12]


def operations(make, add, contents):
    """What a side answers to.

    Args:
        make: gives an empty archive.
        add: adds one batch, returns status and value or nothing.
        contents: cells, objectives, measures and solutions of an archive.
    """
    state = {}

    def prepare(batch, count):
        state["rows"] = rows(batch, count)

    def fill(times):
        for _ in range(times):
            archive = state["archive"] = make()
            for one in state["rows"]:
                add(archive, *one)

    def verdicts():
        archive = make()
        return [[mark(each) for each in add(archive, *one)] for one in state["rows"]]

    def read():
        return plain(*contents(state.pop("archive")))

    return {"prepare": prepare, "fill": fill, "verdicts": verdicts, "read": read}
