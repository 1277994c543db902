"""How much of a noisy response can be predicted at all: sessions, repeats, signal to noise, and the noise ceiling.

Trials are rows: M of them, each a response at V places (voxels, vertices, channels) to one item (an image).
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError

Floats: TypeAlias = npt.NDArray[np.floating[Any]]
Ints: TypeAlias = npt.NDArray[np.integer[Any]]


def _labels(name: str, labels: npt.ArrayLike, rows: int) -> Ints:
    """Labels as positions among the sorted different ones."""
    found = np.asarray(labels)
    if found.shape != (rows,):
        raise ConfigError(f"{name} for each of {rows} trials", f"got the shape {found.shape}", "Give one per row")
    return np.unique(found, return_inverse=True)[1].reshape(-1)


def zscore_sessions(trials: Floats, sessions: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Responses with mean 0 and standard deviation 1 (over n) at each place within each session.

    Args:
        trials: (M, V).
        sessions: (M,), which session each trial is of.

    Returns:
        (M, V); a place that does not vary in a session is 0 there.
    """
    found = np.empty(trials.shape, np.float32)
    for session in np.unique(groups := _labels("a session", sessions, len(trials))):
        rows = np.flatnonzero(groups == session)
        part = np.asarray(trials[rows], np.float64)
        part -= part.mean(0)
        spread = part.std(0)
        found[rows] = part / np.where(spread > 1e-12, spread, np.inf)
    return found


def average_repeats(trials: Floats, items: npt.ArrayLike) -> tuple[Any, npt.NDArray[np.float32], Ints]:
    """The mean response to each item.

    Args:
        trials: (M, V).
        items: (M,), which item each trial shows.

    Returns:
        The different items (N,), sorted; mean responses (N, V); how often each was shown (N,).
    """
    groups = _labels("an item", items, len(trials))
    names, counts = np.unique(np.asarray(items), return_counts=True)
    order = np.argsort(groups, kind="stable")
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    means = np.empty((len(names), trials.shape[1]), np.float32)
    for at, (start, count) in enumerate(zip(starts, counts)):
        means[at] = np.asarray(trials[order[start : start + count]], np.float64).mean(0)
    return names, means, counts


def signal_to_noise(trials: Floats, items: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Standard deviation of the signal over that of the noise of single trials (ncsnr), at each place.

    The variance of noise is the mean variance within items that were shown twice or more (each with n − 1, weighted by
    n − 1); the variance of the signal is what is left of the variance over all trials, at least 0 (Allen et al. 2022,
    Nature Neuroscience 25, in its simplest form).

    Args:
        trials: (M, V).
        items: (M,), which item each trial shows.

    Returns:
        (V,); 0 where nothing varies.

    Raises:
        ConfigError: no item was shown twice.
    """
    groups = _labels("an item", items, len(trials))
    counts = np.bincount(groups)
    freedom = int((counts - 1).sum())
    if freedom == 0:
        raise ConfigError("items that were shown twice or more", "each was shown once", "Give trials before averaging")
    whole = np.asarray(trials, np.float64)
    sums = np.zeros((len(counts), whole.shape[1]))
    np.add.at(sums, groups, whole)
    noise = ((whole - (sums / counts[:, None])[groups]) ** 2).sum(0) / freedom
    signal = np.maximum(whole.var(0, ddof=1) - noise, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.sqrt(signal / noise)
    return np.where(noise > 1e-12, found, 0.0)


def noise_ceiling(ncsnr: npt.ArrayLike, repeats: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Share of the variance of mean responses that a perfect model explains, at each place, from 0 to 1.

    ncsnr² / (ncsnr² + mean of 1/repeats); with A, B and C items shown 3, 2 and 1 times this mean is
    (A/3 + B/2 + C) / (A + B + C) (Allen et al. 2022; Gifford et al., arXiv 2301.03198).

    Args:
        ncsnr: (V,), as `signal_to_noise` finds it.
        repeats: (N,), how often each item was shown.

    >>> noise_ceiling([0.0, 1.0], [1, 1]).tolist()
    [0.0, 0.5]
    """
    shown = np.asarray(repeats, np.float64)
    if shown.size == 0 or not (shown >= 1).all():
        raise ConfigError("every item was shown once or more", f"got {shown[:5].tolist()}", "Leave out the others")
    power = np.asarray(ncsnr, np.float64) ** 2
    return np.asarray(power / (power + (1.0 / shown).mean()))
