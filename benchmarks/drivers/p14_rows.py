"""Features and targets, and what the sides answer to; the same on all sides."""

import numpy as np

ALPHAS = tuple(10.0**k for k in range(7))
FOLDS = 5
SHOWN = 64


def rows(count, width, targets):
    """Features (count, width) and targets (count, targets) in float32, with less and less signal in the targets."""
    rng = np.random.default_rng([20_260, count, width, targets])
    x = rng.standard_normal((count, width), dtype=np.float32) * np.geomspace(3, 0.1, width, dtype=np.float32)
    weights = rng.standard_normal((width, targets), dtype=np.float32) * np.float32(0.3)
    noise = np.geomspace(1, 30, targets, dtype=np.float32)
    y = rng.standard_normal((count, targets), dtype=np.float32)
    y *= noise
    y += x @ weights
    return x, y + np.float32(2)


def operations(fit):
    """What a side answers to.

    Args:
        fit: from x and y to penalties (t,), scores (t,), weights (p, t) and intercepts (t,), or nothing at all.
    """
    state = {}

    def prepare(count, width, targets):
        state["x"], state["y"] = rows(count, width, targets)

    def run(times):
        for _ in range(times):
            state["found"] = fit(state["x"], state["y"])

    def read():
        """Penalties and scores of all targets; weights and intercepts of some, evenly spread."""
        if state["found"] is None:
            return None
        alphas, scores, weights, intercepts = (np.asarray(each, float) for each in state["found"])
        some = np.linspace(0, len(alphas) - 1, min(SHOWN, len(alphas))).astype(int)
        exponents = np.rint(np.log10(alphas)).astype(int)
        return {
            "alphas": exponents.tolist(),
            "scores": scores.tolist(),
            "some": some.tolist(),
            "weights": weights[:, some].tolist(),
            "intercepts": intercepts[some].tolist(),
        }

    return {"prepare": prepare, "fit": run, "read": read}
