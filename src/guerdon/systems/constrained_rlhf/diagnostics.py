"""How well a run holds its thresholds: overshoot, oscillation, settling, and the averaged iterate.

Only averages over the iterates of such a game are guaranteed to come near the constraint, so the average is reported
beside what the last policy does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError

TAIL = 0.25
"""The share of a run, at its end, over which it is judged."""


@dataclass(frozen=True, slots=True)
class Held:
    """How one component held its threshold. Distances are relative to the threshold.

    Args:
        last: the component at the end.
        average: its mean over the tail: the value of the averaged iterate.
        off: |average − threshold|.
        miss: mean of |component − threshold| over the tail.
        overshoot: how far it went beyond, after it had first been reached from where it started; 0 if it never was.
        swing: half of the range within the tail.
        crossings: how often it crossed the threshold, in the whole run.
        settled: the iteration from which on it stayed within the tolerance; `None` if it did not.
    """

    last: float
    average: float
    off: float
    miss: float
    overshoot: float
    swing: float
    crossings: int
    settled: int | None

    @property
    def word(self) -> str:
        """In a word: "settled", "oscillates", "overshoots" or "does not reach it"."""
        if self.settled is not None:
            return "settled"
        if self.crossings == 0:
            return "does not reach it"
        return "oscillates" if self.crossings > 1 else "overshoots"


def held(series: npt.ArrayLike, threshold: float, *, tolerance: float = 0.1, smooth: int = 5) -> Held:
    """Judge one component of a run.

    Args:
        series: (T,) means of the component, one for each iteration.
        threshold: where it should be; not 0.
        tolerance: relative distance within which it counts as settled.
        smooth: iterations of the running mean with which crossings, overshoot and settling are read, so that the
            noise of a batch is no oscillation.

    Raises:
        ConfigError: nothing to judge, or a threshold of 0.

    >>> held([0.2, 0.5, 0.61, 0.6, 0.6, 0.6], 0.6, smooth=1).word
    'settled'
    """
    values = np.asarray(series, np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all() or threshold == 0:
        got = f"got {values.shape} and {threshold}"
        raise ConfigError("finite means of a component (T,) and a threshold other than 0", got, "Check the history")
    apart = (values - threshold) / abs(threshold)
    tail = apart[-max(1, round(TAIL * len(apart))) :]
    even = running_mean(apart, smooth)
    crossed = np.flatnonzero(np.diff(even > 0))
    side = 1.0 if even[0] <= 0 else -1.0
    beyond = float((side * even[crossed[0] + 1 :]).max()) if len(crossed) else 0.0
    outside = np.flatnonzero(np.abs(even) > tolerance)
    settled = int(outside[-1]) + 1 if len(outside) else 0
    return Held(
        last=float(values[-1]),
        average=float(threshold + abs(threshold) * tail.mean()),
        off=float(abs(tail.mean())),
        miss=float(np.abs(tail).mean()),
        overshoot=max(0.0, beyond),
        swing=float((tail.max() - tail.min()) / 2),
        crossings=len(crossed),
        settled=settled if settled <= (1 - TAIL) * len(even) else None,
    )


def running_mean(values: npt.ArrayLike, width: int) -> npt.NDArray[np.float64]:
    """(T,) the mean over the last `width` values at each place, fewer at the start."""
    sums = np.concatenate([[0.0], np.cumsum(np.asarray(values, np.float64))])
    at = np.arange(1, len(sums))
    low = np.maximum(at - width, 0)
    found: npt.NDArray[np.float64] = (sums[at] - sums[low]) / (at - low)
    return found


def tail_mean(values: npt.ArrayLike) -> float:
    """The mean over the tail of a run: of its evaluation, that of the averaged iterate."""
    array = np.asarray(values, np.float64)
    return float(array[-max(1, round(TAIL * len(array))) :].mean())
