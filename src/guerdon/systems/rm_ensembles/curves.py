"""Best-of-n under one member, their mean, WCO and UWO: proxy and gold reward for every n, and who wins at the end."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.prefer.ensembles import Mode, combined
from guerdon.prefer.overoptimisation import Curve, Ints, best_of_n, best_of_n_weights, grid

Floats = npt.NDArray[np.float64]
WAYS: Mapping[str, Mode | None] = {"single": None, "mean": "mean", "WCO": "wco", "UWO": "uwo"}
"""Ways to optimise, and the mode of `combined` behind each; "single" is the average over members, one at a time."""


def proxies(scores: npt.ArrayLike, way: str, *, penalty: float = 0.5, ddof: int = 0) -> Floats:
    """The rewards that a way optimises, one or several.

    Args:
        scores: (k, ...) of k standardised members.
        way: of `WAYS`.
        penalty: lambda of UWO.
        ddof: of its variance.

    Returns:
        (m, ...): each member for "single", else one.
    """
    told = np.asarray(scores, float)
    if way not in WAYS:
        raise ConfigError(f"a way to optimise, of {', '.join(WAYS)}", f"got {way!r}", "Pick one")
    mode = WAYS[way]
    return told if mode is None else combined(told, mode, penalty, ddof=ddof)[None]


def curve(
    scores: npt.ArrayLike,
    gold: npt.ArrayLike,
    way: str,
    n: Sequence[int] | Ints | None = None,
    *,
    penalty: float = 0.5,
    ddof: int = 0,
) -> Curve:
    """Best-of-n by one way. That of "single" is the mean of the members' curves, and so are its standard errors.

    Args:
        scores: (k, P, N) of k members for N answers to each of P prompts.
        gold: (P, N) of the same answers in the same order.
        way: of `WAYS`.
        n: where to measure; see `best_of_n`.
        penalty: lambda of UWO.
        ddof: of its variance.
    """
    made = [best_of_n(each, gold, n) for each in proxies(scores, way, penalty=penalty, ddof=ddof)]

    def mean(name: str) -> Floats:
        found: Floats = np.mean([getattr(one, name) for one in made], axis=0)
        return found

    return Curve(made[0].n, made[0].kl, *(mean(name) for name in ("proxy", "gold", "proxy_se", "gold_se")))


def curves(
    scores: npt.ArrayLike,
    gold: npt.ArrayLike,
    n: Sequence[int] | Ints | None = None,
    *,
    penalty: float = 0.5,
    ddof: int = 0,
) -> dict[str, Curve]:
    """The curve of each way; see `curve`."""
    return {way: curve(scores, gold, way, n, penalty=penalty, ddof=ddof) for way in WAYS}


def ends_by_size(
    scores: npt.ArrayLike, gold: npt.ArrayLike, way: str, n: int, *, penalty: float = 0.5, ddof: int = 0
) -> dict[int, float]:
    """The gold reward of best-of-n by ensembles of 1, 2, ... k of the members, averaged over all ensembles of a size.

    Args:
        scores: see `curve`.
        gold: see `curve`.
        way: of `WAYS`.
        n: one number of answers.
        penalty: lambda of UWO.
        ddof: of its variance; sizes up to it are left out.
    """
    told = np.asarray(scores, float)
    found = {}
    for size in range(ddof + 1, len(told) + 1):
        sets = itertools.combinations(range(len(told)), size)
        ends = [curve(told[list(some)], gold, way, [n], penalty=penalty, ddof=ddof).gold[0] for some in sets]
        found[size] = float(np.mean(ends))
    return found


def win_rate(ours: npt.ArrayLike, theirs: npt.ArrayLike, gold: npt.ArrayLike, n: int) -> float:
    """Probability that best-of-n by our proxy has a higher gold reward than best-of-n by theirs, ties half.

    Exact over independent drawings of n of the N answers, averaged over prompts.

    Args:
        ours: (P, N) scores.
        theirs: (P, N) scores of the same answers.
        gold: (P, N).
        n: from 1 to N.
    """
    golds = np.asarray(gold, float)
    sides = [picked(each, n) for each in (ours, theirs)]
    won = []
    for p, line in enumerate(golds):
        _, place = np.unique(line, return_inverse=True)
        we, they = (np.bincount(place, side[p]) for side in sides)
        won.append(we @ (np.cumsum(they) - they / 2))
    return float(np.mean(won))


def picked(proxy: npt.ArrayLike, n: int) -> Floats:
    """(P, N) probability of each answer to be the best of n by the proxy; of equal ones, alike."""
    scores = np.asarray(proxy, float)
    weights = best_of_n_weights(scores.shape[1], n)
    found = np.empty_like(scores)
    for p, line in enumerate(scores):
        _, place, count = np.unique(line, return_inverse=True, return_counts=True)
        ends = np.cumsum(count)
        sums = np.add.reduceat(weights, ends - count)
        found[p] = (sums / count)[place]
    return found


def points(most: int) -> Ints:
    """Where the published grid measures, up to `most`: powers of two to 4,096, then 6,144, 8,192 and 12,500."""
    steps = np.unique(np.r_[grid(min(most, 4096)), [6144, 8192, 12_500]])
    return np.unique(np.r_[steps[steps <= most], most]).astype(np.int64)
