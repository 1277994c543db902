"""guerdon: Votes, with all that it checks, and BradleyTerry(prior=None).fit, errors included."""

import numpy as np
from p4_rows import names, operations
from speak import serve

from guerdon.prefer import BradleyTerry, Votes

MODEL = BradleyTerry(prior=None)


def make(kind, items, first, second, points, features):
    """Positions where choix has them; names where arena-rank has them."""
    known = names(items)
    if kind == "decided":
        return "codes", known, first, second, points, None
    columns = None if features is None else {f"x{k}": features[:, k] for k in range(features.shape[1])}
    first, second = ([known[k] for k in side.tolist()] for side in (first, second))
    return "names", known, first, second, points.tolist(), columns


def fit(given):
    """Ratings and half-widths."""
    how, known, first, second, points, columns = given
    if how == "codes":
        votes = Votes.from_codes(known, first, second, points)
    else:
        votes = Votes.of(first, second, points, features=columns, names=known)
    found = MODEL.fit(votes)
    return found.values, 1.959963984540054 * found.errors


if __name__ == "__main__":
    np.zeros(1)
    serve(operations(make, fit))
