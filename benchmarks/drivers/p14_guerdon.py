"""guerdon: Ridge, one penalty for each target."""

from p14_rows import ALPHAS, FOLDS, operations
from speak import serve

from guerdon.numerics.ridge import Ridge


def fit(x, y):
    """Cross-validate and fit."""
    found = Ridge(alphas=ALPHAS, folds=FOLDS).fit(x, y)
    return found.alphas, found.scores, found.weights, found.intercept


if __name__ == "__main__":
    serve(operations(fit))
