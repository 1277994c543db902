"""guerdon: GridArchive.add, with everything that it checks."""

from p5_rows import DIMS, RANGES, WIDTH, operations
from speak import serve

from guerdon.search.grid import GridArchive


def make():
    """An empty archive."""
    return GridArchive(dims=DIMS, ranges=RANGES, solution_dim=WIDTH)


def contents(archive):
    """All elites."""
    elites = archive.elites()
    return elites.cells, elites.objectives, elites.measures, elites.solutions


if __name__ == "__main__":
    serve(operations(make, GridArchive.add, contents))
