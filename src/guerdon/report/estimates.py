"""Means with intervals, pass@k and ranks, from what was gathered; the same figures as the ledger's views give."""

from __future__ import annotations

from collections.abc import Sequence

from guerdon.ledger.estimates import mean_interval, pass_probability
from guerdon.report.model import Estimate, RunReport, Standing

KS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def mean_of(values: Sequence[float]) -> Estimate:
    """The mean with its 95 % interval, where there are enough values for one.

    >>> mean_of([0.5, 1.5]), mean_of([])
    (Estimate(value=1.0, low=None, high=None), Estimate(value=None, low=None, high=None))
    """
    if not values:
        return Estimate(None)
    biggest = max(map(abs, values))
    scale = biggest if biggest > 1e150 or 0 < biggest < 1e-150 else 1.0  # squares must neither overflow nor vanish
    mean, interval = mean_interval([value / scale for value in values] if scale != 1.0 else values)
    low, high = interval or (None, None)
    return Estimate(mean * scale, None if low is None else low * scale, None if high is None else high * scale)


def pass_at(counts: Sequence[tuple[int, int]]) -> tuple[tuple[int, Estimate], ...]:
    """Chance that one of k answers is right, for every k for which all tasks have enough answers.

    Args:
        counts: (right, known) of each task.
    """
    known = [pair for pair in counts if pair[1] > 0]
    fewest = min((n for _, n in known), default=0)
    return tuple((k, mean_of([pass_probability(n, right, k) for right, n in known])) for k in KS if k <= fewest)


def standings(reports: Sequence[RunReport]) -> list[Standing]:
    """Runs by their mean, those whose intervals overlap on one rank, each with its paired difference to the first."""
    order = sorted(reports, key=lambda report: (report.mean.value is None, -(report.mean.value or 0.0)))
    return [_standing(report, order) for report in order]


def _standing(report: RunReport, order: Sequence[RunReport]) -> Standing:
    mean = report.mean
    rank = None
    if mean.value is not None:
        end = mean.value if mean.high is None else mean.high
        peers = [other.mean.low for other in order if other.row.judge == report.row.judge]
        rank = 1 + sum(low is not None and low > end for low in peers)
    mine, first = _counts(report), _counts(order[0])
    common = [task for task in mine if task in first]
    behind = None if report is order[0] else _difference([mine[task] - first[task] for task in common])
    return Standing(rank, report, mean, len(mine), behind, len(common))


def _difference(values: Sequence[float]) -> Estimate:
    if values and not any(values):
        return Estimate(0.0, 0.0, 0.0)  # zeros here are ties, not failures of something that is right or wrong
    return mean_of(values)


def _counts(report: RunReport) -> dict[str, float]:
    return {line.task: line.counts for line in report.tasks if line.counts is not None}
