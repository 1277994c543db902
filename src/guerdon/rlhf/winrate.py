"""Win-rates: how often the outputs of a model are preferred to those of a fixed baseline, and what length has to do
with it.

    points     1, 0.5 or 0 for each prompt; nan where nobody could say
    win-rate   100 times their mean over the prompts that are known; a draw is half a win

Longer outputs win more often whatever they say, so a win-rate stands beside both lengths, and beside the win-rate that
would be expected if lengths did not differ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.core.preference import Choice, Pair, Preference
from guerdon.core.rng import stream
from guerdon.core.task import Answer, Task

if TYPE_CHECKING:
    Floats = npt.NDArray[np.float64]

_POINTS: Mapping[str | None, float] = {"left": 1.0, "tie": 0.5, "right": 0.0}
_PULL = 0.5  # wins and losses that the fit of lengths is given besides, so that a clean sweep has a finite answer


@dataclass(frozen=True, slots=True, kw_only=True)
class WinRate:
    """How a model does against a baseline; rates are percentages.

    Args:
        win_rate: 100 times the mean of the points; nan if none is known.
        standard_error: of the win-rate, `100 * sd / sqrt(n)` with ddof 1.
        low: lower end of its bootstrap interval over prompts.
        high: upper end.
        n_wins: prompts on which the model is preferred.
        n_wins_base: on which the baseline is.
        n_draws: on which neither is, or both outputs are the same.
        n_total: `n_wins + n_wins_base + n_draws`.
        n_unknown: prompts besides on which nobody could say.
        avg_length: mean length of the model's outputs; nan if it was not given.
        base_length: of the baseline's.
        length_controlled: the win-rate expected where both lengths are equal; nan if no lengths were given.
    """

    win_rate: float
    standard_error: float
    low: float
    high: float
    n_wins: int
    n_wins_base: int
    n_draws: int
    n_total: int
    n_unknown: int = 0
    avg_length: float = math.nan
    base_length: float = math.nan
    length_controlled: float = math.nan


def points_of(choices: Sequence[Choice]) -> Floats:
    """(n,) points of the left sides: 1, 0.5 for a tie, 0, and nan for a skip or a fault."""
    return np.array([_POINTS.get(choice.outcome, math.nan) for choice in choices], float)


def points_by(ours: npt.ArrayLike, theirs: npt.ArrayLike) -> Floats:
    """(n,) points by scores: 1 where ours is higher, 0.5 where they are equal, nan where one is nan.

    >>> points_by([1.0, 2.0, float("nan")], [0.0, 2.0, 1.0]).tolist()
    [1.0, 0.5, nan]
    """
    one, two = np.asarray(ours, float), np.asarray(theirs, float)
    if one.shape != two.shape or one.ndim != 1:
        raise ConfigError("scores (n,) of both sides", f"got {one.shape} and {two.shape}", "Align them")
    return np.where(np.isnan(one) | np.isnan(two), math.nan, 0.5 * (1 + np.sign(one - two)))


def win_rate(
    points: npt.ArrayLike,
    length: npt.ArrayLike | None = None,
    base_length: npt.ArrayLike | None = None,
    *,
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> WinRate:
    """The win-rate of points, as AlpacaFarm counts it (arXiv 2305.14387, section 3.2).

    Args:
        points: (n,) 1, 0.5, 0 or nan, one for each prompt.
        length: (n,) of the model's outputs, in any unit.
        base_length: (n,) of the baseline's; both or none.
        level: of the interval.
        draws: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        ConfigError: points are others than these, or lengths do not fit.

    >>> found = win_rate([1, 1, 0.5, 0])
    >>> found.win_rate, found.n_wins, found.n_wins_base, found.n_draws, found.n_total
    (62.5, 2, 1, 1, 4)
    """
    every = np.asarray(points, float)
    known = ~np.isnan(every)
    if every.ndim != 1 or not np.isin(every[known], (0.0, 0.5, 1.0)).all():
        raise ConfigError("points (n,) of 1, 0.5, 0 or nan", f"got {every.shape}", "See points_of and points_by")
    lengths = _lengths(every.shape, length, base_length)
    told = every[known]
    n = len(told)
    low, high = _interval(told, level, draws, seed)
    return WinRate(
        win_rate=100 * float(told.mean()) if n else math.nan,
        standard_error=100 * float(told.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan,
        low=low,
        high=high,
        n_wins=int((told == 1).sum()),
        n_wins_base=int((told == 0).sum()),
        n_draws=int((told == 0.5).sum()),
        n_total=n,
        n_unknown=len(every) - n,
        avg_length=math.nan if lengths is None or not len(every) else float(lengths[0].mean()),
        base_length=math.nan if lengths is None or not len(every) else float(lengths[1].mean()),
        length_controlled=math.nan if lengths is None else length_controlled(told, *(x[known] for x in lengths)),
    )


def length_controlled(points: npt.ArrayLike, length: npt.ArrayLike, base_length: npt.ArrayLike) -> float:
    """The win-rate, in per cent, that is expected where both outputs are equally long.

        P(win) = sigmoid(theta + phi * tanh((length - base_length) / sd))      and of interest is 100 * sigmoid(theta)

    This is the length term of AlpacaEval 2 (arXiv 2404.04475, section 3.1) without its term for the difficulty of each
    prompt, which needs the outputs of many models. Half a win and half a loss of equal lengths are added, so that it is
    finite when all points are won.

    Args:
        points: (n,) 1, 0.5 or 0.
        length: (n,) of the model's outputs.
        base_length: (n,) of the baseline's.

    Returns:
        The rate, or nan without points.
    """
    from scipy.optimize import minimize

    won = np.asarray(points, float)
    gap = np.asarray(length, float) - np.asarray(base_length, float)
    if not len(won):
        return math.nan
    sd = float(gap.std())
    x = np.tanh(gap / sd) if sd > 0 else np.zeros(len(gap))

    def loss(found: Floats) -> tuple[float, Floats]:
        theta, phi = found
        logit = theta + phi * x
        chance, middle = 0.5 * (1 + np.tanh(logit / 2)), 0.5 * (1 + math.tanh(theta / 2))
        value = (np.logaddexp(0, logit) - won * logit).sum() + _PULL * (2 * np.logaddexp(0, theta) - theta)
        value += 0.5 * _PULL * phi**2
        off = chance - won
        slope = off.sum() + _PULL * (2 * middle - 1)
        return float(value), np.array([slope, (off * x).sum() + _PULL * phi])

    theta = float(minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B").x[0])
    return 100 * 0.5 * (1 + math.tanh(theta / 2))


@dataclass(frozen=True)
class Compared:
    """Outputs against a baseline, prompt by prompt.

    Args:
        rate: the win-rate.
        points: (n,) of each prompt.
        choices: what the annotators said; left is the model.
    """

    rate: WinRate
    points: Floats
    choices: tuple[Choice, ...]


def compared(
    preference: Preference,
    tasks: Sequence[Task],
    outputs: Sequence[Any],
    baseline: Sequence[Any],
    *,
    lengths: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    seed: int = 0,
) -> Compared:
    """Ask annotators about each prompt once. Identical outputs are a draw that is not asked about.

    Args:
        preference: the annotators, such as a `Pool` without noise.
        tasks: the n prompts.
        outputs: contents of the model's answers: texts, or plain data.
        baseline: of the baseline's.
        lengths: of both; by default those of the texts in characters.
        seed: of the bootstrap.

    Raises:
        ConfigError: there are not n of each.
    """
    if not len(tasks) == len(outputs) == len(baseline):
        got = f"got {len(tasks)}, {len(outputs)} and {len(baseline)}"
        raise ConfigError("one output and one of the baseline for each prompt", got, "Align them")
    pairs = [
        Pair(task, Answer(task.id, one), Answer(task.id, two))
        for task, one, two in zip(tasks, outputs, baseline, strict=True)
    ]
    asked = [k for k, pair in enumerate(pairs) if pair.left.digest != pair.right.digest]
    choices = [Choice("tie", judge=preference.name, note={"calls": 0.0})] * len(pairs)
    for k, choice in zip(asked, preference([pairs[k] for k in asked]), strict=True):
        choices[k] = choice
    points = points_of(choices)
    if lengths is None:
        lengths = [len(text) for text in outputs], [len(text) for text in baseline]
    return Compared(win_rate(points, *lengths, seed=seed), points, tuple(choices))


@dataclass(frozen=True, slots=True)
class Correlation:
    """How alike two evaluations rank the same methods (arXiv 2305.14387, section 4.1).

    Args:
        spearman: correlation of the ranks of win-rates.
        pearson: correlation of the win-rates.
        low: lower end of the bootstrap interval of Spearman's, over prompts.
        high: upper end.
        methods: how many were ranked.
    """

    spearman: float
    pearson: float
    low: float
    high: float
    methods: int

    @property
    def r2(self) -> float:
        """Share of the variance that a line explains."""
        return self.pearson**2


def correlation(
    one: Mapping[str, npt.ArrayLike],
    two: Mapping[str, npt.ArrayLike],
    *,
    level: float = 0.95,
    draws: int = 500,
    seed: int = 0,
) -> Correlation:
    """Spearman's and Pearson's correlation of win-rates under two kinds of annotators.

    Args:
        one: name of the method to points (n,) of its prompts, nan where unknown.
        two: the same methods by the other annotators; n may be another.
        level: of the interval.
        draws: of the bootstrap, which draws prompts, the same for all methods.
        seed: of the bootstrap.

    Raises:
        ConfigError: the methods differ, or are fewer than three.

    >>> found = correlation({"a": [1, 1], "b": [1, 0], "c": [0, 0]}, {"a": [1], "b": [0.5], "c": [0]})
    >>> round(found.spearman, 6), round(found.pearson, 6)
    (1.0, 1.0)
    """
    if set(one) != set(two) or len(one) < 3:
        got = f"got {sorted(one)} and {sorted(two)}"
        raise ConfigError("the same three methods or more on both sides", got, "Evaluate each twice")
    tables = [np.stack([np.asarray(side[name], float) for name in one]) for side in (one, two)]
    rates = [np.nanmean(table, 1) for table in tables]
    rng = stream(seed, "correlation")
    found = []
    for _ in range(draws):
        drawn = [np.nanmean(table[:, rng.integers(table.shape[1], size=table.shape[1])], 1) for table in tables]
        found.append(_spearman(*drawn))
    low, high = _percentiles(np.array(found), level)
    return Correlation(_spearman(*rates), _pearson(*rates), low, high, len(one))


def _spearman(one: Floats, two: Floats) -> float:
    from scipy.stats import rankdata

    return _pearson(rankdata(one), rankdata(two))


def _pearson(one: Floats, two: Floats) -> float:
    if not (np.ptp(one) > 0 and np.ptp(two) > 0):
        return math.nan
    return float(np.corrcoef(one, two)[0, 1])


def _lengths(
    shape: tuple[int, ...], length: npt.ArrayLike | None, base_length: npt.ArrayLike | None
) -> tuple[Floats, Floats] | None:
    if length is None and base_length is None:
        return None
    both = [np.asarray(math.nan if each is None else each, float) for each in (length, base_length)]
    if any(each.shape != shape or not np.isfinite(each).all() for each in both):
        got = f"got {both[0].shape} and {both[1].shape}"
        raise ConfigError(f"finite lengths {shape} of both sides, or none", got, "Count characters or tokens")
    return both[0], both[1]


def _interval(told: Floats, level: float, draws: int, seed: int) -> tuple[float, float]:
    if len(told) < 2:
        return math.nan, math.nan
    counts = [(told == each).sum() for each in (1.0, 0.5, 0.0)]
    drawn = stream(seed, "win-rate").multinomial(len(told), np.array(counts) / len(told), size=draws)
    return _percentiles(100 * (drawn @ np.array([1.0, 0.5, 0.0])) / len(told), level)


def _percentiles(values: Floats, level: float) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    if not len(known):
        return math.nan, math.nan
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
