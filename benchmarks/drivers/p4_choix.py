"""choix: ilsr_pairwise, its fastest way to the maximum likelihood; no errors."""

import choix
from p4_rows import operations
from speak import serve


def make(_kind, items, first, second, points, _features):
    """A list of (winner, loser)."""
    pairs = zip(first.tolist(), second.tolist(), points.tolist())
    return items, [(i, j) if won else (j, i) for i, j, won in pairs]


def fit(given):
    """Ratings alone."""
    items, pairs = given
    return choix.ilsr_pairwise(items, pairs), None


if __name__ == "__main__":
    serve(operations(make, fit))
