"""The floor: X'Y once and one product of the size of the weights, which no exact method does without."""

import numpy as np
from p14_rows import operations
from speak import serve


def fit(x, y):
    """Normal equations with one penalty, and nothing chosen."""
    np.linalg.solve(x.T @ x + np.eye(x.shape[1], dtype=x.dtype), x.T @ y)


if __name__ == "__main__":
    serve(operations(fit))
