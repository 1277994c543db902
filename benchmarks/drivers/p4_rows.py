"""The votes that are counted, and what the sides answer to; the same on all sides."""

import numpy as np


def votes(kind, items, count):
    """First sides, second sides, outcomes (1, 0.5, 0) and features of one kind of work, from Bradley-Terry.

    Args:
        kind: "decided" (no ties), "ties" (one vote in six), or "features" (20 covariates, no ties).
        items: how many.
        count: how many votes.
    """
    rng = np.random.default_rng([20_260, items, count])
    strength = rng.normal(size=items)
    first = rng.integers(items, size=count)
    second = (first + 1 + rng.integers(items - 1, size=count)) % items
    gap = strength[first] - strength[second]
    features = None
    if kind == "features":
        features = rng.normal(size=(count, 20))
        gap = gap + features @ np.linspace(-0.3, 0.3, 20)
    points = (rng.random(count) < 1 / (1 + np.exp(-gap))).astype(float)
    if kind == "ties":
        points[rng.random(count) < 1 / 6] = 0.5
    return first, second, points, features


def names(items):
    """Names of the items, which sort as their numbers do."""
    return [f"model-{k:04d}" for k in range(items)]


def operations(make, fit):
    """What a side answers to.

    Args:
        make: turns votes into what the side wants to be given.
        fit: ratings in natural units, and half-widths of their 95 % intervals or nothing, in the order of the items.
    """
    state = {}

    def prepare(kind, items, count):
        state["given"] = make(kind, items, *votes(kind, items, count))

    def run(times):
        for _ in range(times):
            state["found"] = fit(state["given"])

    def read():
        ratings, half = state["found"]
        centred = np.asarray(ratings, float) - np.mean(ratings)
        return [centred.tolist(), None if half is None else np.asarray(half, float).tolist()]

    return {"prepare": prepare, "fit": run, "read": read}
