"""pyribs: GridArchive.add."""

from p5_rows import DIMS, RANGES, WIDTH, operations
from ribs.archives import GridArchive
from speak import serve


def make():
    """An empty archive."""
    return GridArchive(solution_dim=WIDTH, dims=DIMS, ranges=RANGES)


def add(archive, solutions, objectives, measures):
    """One batch."""
    info = archive.add(solutions, objectives, measures)
    return info["status"], info["value"]


def contents(archive):
    """All elites."""
    data = archive.data(return_type="dict")
    return data["index"], data["objective"], data["measures"], data["solution"]


if __name__ == "__main__":
    serve(operations(make, add, contents))
