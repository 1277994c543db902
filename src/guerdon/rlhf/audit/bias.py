"""Calibration of the score difference, and what sways the subject beside the labels: length and position."""

from __future__ import annotations

import math

import numpy as np

from guerdon.core.errors import ConfigError
from guerdon.prefer.calibration import (
    Estimate,
    Scaling,
    brier,
    expected_error,
    flip_rate,
    floor_error,
    position_bias,
    reliability,
    temperature,
)
from guerdon.prefer.sets import FIRST
from guerdon.rlhf.audit.estimates import Floats, Ints, mean, partial_correlation, share
from guerdon.rlhf.audit.findings import Drawing, Finding, Number, Series, Verdict, not_measured, percent, spread
from guerdon.rlhf.audit.subject import Subject

ENOUGH = 200
"""Labelled pairs that a calibration error needs."""


# ---- calibration -----------------------------------------------------------------------------------------------------


def calibration(subject: Subject) -> Finding:
    """Probe: whether sigma(score difference) is the chance that the label agrees."""
    name, title = "calibration", "Calibration of the score difference"
    if subject.reward is None:
        return not_measured(name, title, "The subject compares pairs and states no probability.")
    usable = subject.rows.decided & ~np.isnan(subject.gap)
    if usable.sum() < ENOUGH:
        return not_measured(name, title, f"{int(usable.sum())} labelled pairs are too few; {ENOUGH} are needed.")
    gap, won = subject.gap[usable], (subject.rows.choice[usable] == FIRST).astype(float)
    try:
        slope = temperature(gap, won).slope
    except ConfigError:
        why = "No label speaks against the order of the scores (or none for it), so nothing bounds a scale for them."
        return not_measured(name, title, why, "Labels with the doubt of people in them measure it.")
    groups = subject.groups[usable]
    found, floor = _error(gap, won, groups, subject.rng("calibration")), floor_error(_chance(gap), seed=subject.seed)
    mended, beyond = _mended(gap, won, groups, subject.seed), found.low - floor
    verdict: Verdict = "ok" if beyond <= 0.03 else "warn" if slope > 0 and (mended <= 0.05 or beyond <= 0.10) else "bad"
    why = f"σ(difference) is off by {100 * found.value:.1f} points on average ({100 * found.low:.1f} to "
    why += f"{100 * found.high:.1f}); perfect calibration would show {100 * floor:.1f}."
    return Finding(
        probe=name,
        title=title,
        verdict=verdict,
        why=why,
        rule="beyond what perfect calibration shows: ok up to 3 points, bad from 10 where one scale does not mend it "
        "to "
        "5, or where the best scale is not above 0",
        do="" if verdict == "ok" else _scaled(slope, mended),
        numbers=(
            Number.of("expected calibration error", found, int(usable.sum())),
            Number("error of perfect calibration", floor, kind="share"),
            Number("error beyond that after one scale, held out", mended, kind="share"),
            Number("temperature", 1 / slope if slope > 0 else math.nan),
            Number("Brier score", brier(_chance(gap), won)),
        ),
        drawings=(_reliability(gap, won, slope),),
    )


def _chance(gap: Floats) -> Floats:
    return Scaling(1.0)(gap)


def _scaled(slope: float, mended: float) -> str:
    """What to do about differences that are no log-odds."""
    if slope <= 0:
        return "No scale makes these differences chances: the labels do not follow the score."
    told = "over-confident" if slope < 1 else "under-confident"
    advice = f"Differences are {told}: divide them by {1 / slope:.3g} before they are read as log-odds"
    return advice + (
        "." if math.isnan(mended) else f"; that leaves {100 * mended:.1f} points beyond perfect calibration."
    )


def _error(gap: Floats, won: Floats, groups: Ints, rng: np.random.Generator, resamples: int = 300) -> Estimate:
    """The expected calibration error with an interval over prompts, moved so that it lies about the value.

    Resampling makes bins noisier, so the plain interval lies above the value.
    """
    chance = _chance(gap)
    found = expected_error(chance, won, resamples=0).value
    _, own = np.unique(groups, return_inverse=True)
    again = np.empty(resamples)
    for k in range(resamples):
        rows = np.repeat(np.arange(len(gap)), rng.poisson(1.0, own.max() + 1)[own])
        again[k] = expected_error(chance[rows], won[rows], resamples=0).value
    low, high = np.quantile(again, [0.025, 0.975]) - again.mean()
    return Estimate(found, max(0.0, found + float(low)), found + float(high))


def _mended(gap: Floats, won: Floats, groups: Ints, seed: int) -> float:
    """The error, less that of perfect calibration, of a scale fitted on other prompts; nan where none is bounded."""
    half = groups % 2 == 0
    left = []
    for fit, test in ((half, ~half), (~half, half)):
        try:
            chance = temperature(gap[fit], won[fit])(gap[test])
        except ConfigError:
            return math.nan
        error = expected_error(chance, won[test], resamples=0).value
        left.append(max(0.0, error - floor_error(chance, draws=50, seed=seed)))
    return float(np.mean(left))


def _reliability(gap: Floats, won: Floats, slope: float) -> Drawing:
    lines = []
    for name, chance in (("as it is", _chance(gap)), ("with the one scale", Scaling(slope)(gap))):
        bins = reliability(chance, won, equal_counts=True)
        columns = (tuple(getattr(b, field) for b in bins) for field in ("stated", "seen", "low", "high"))
        lines.append(Series(name, *columns))
    lines.append(Series("perfect", (0.0, 1.0), (0.0, 1.0)))
    says = "How often the first side was chosen, against the chance that the score difference states for it."
    return Drawing("curves", "Reliability", says, "stated chance", "how often", tuple(lines))


# ---- length ----------------------------------------------------------------------------------------------------------


def length(subject: Subject) -> Finding:
    """Probe: whether the subject leans to longer (or shorter) answers more than the labels do."""
    name, title = "length", "Length bias"
    one, two = subject.lengths
    usable = (one != two) & subject.rows.decided & ~np.isnan(subject.gap)
    if usable.sum() < 50:
        why = f"{int(usable.sum())} decided pairs have sides of different length; 50 are needed."
        return not_measured(name, title, why)
    longer_first = (one > two)[usable]
    points, groups = subject.points[usable], subject.groups[usable]
    own = np.where(longer_first, points, 1 - points)
    labels, whose = _truth(subject, usable, longer_first)
    ahead = mean(own - labels, groups)
    right = subject.right[usable]
    chosen_longer = (subject.rows.choice[usable] == FIRST) == longer_first
    by_length = [share(right[mask], groups[mask]) for mask in (chosen_longer, ~chosen_longer)]
    gap_length = (np.log1p(one) - np.log1p(two))[usable]
    turn = np.where(subject.rows.choice[usable] == FIRST, 1.0, -1.0)  # chosen less rejected: the label is held fixed
    held = partial_correlation(turn * subject.gap[usable], turn * gap_length, np.zeros(len(turn)))
    verdict = _lean_verdict(ahead)
    word = "longer" if ahead.value >= 0 else "shorter"
    why = f"It prefers the longer side in {spread(share(own, groups))}, the {whose} in {percent(float(labels.mean()))}."
    why += f" Where the longer side is labelled better it agrees in {percent(by_length[0].value)}, where the shorter "
    why += "is in "
    why += f"{percent(by_length[1].value)}."
    return Finding(
        probe=name,
        title=title,
        verdict=verdict,
        why=why,
        rule="difference of both shares: bad if its interval lies beyond 15 points, warn beyond 5; compared with "
        f"{whose}",
        do=""
        if verdict == "ok"
        else f"It leans to {word} answers: add length-balanced pairs or a length penalty, and watch length in "
        "training. "
        "Wrong labels make a lean look larger than it is; gold columns (gold_first, gold_second) settle it.",
        numbers=(
            Number.of("prefers the longer side", share(own, groups), int(usable.sum())),
            Number(f"{whose} prefer the longer side", float(labels.mean()), n=int(usable.sum()), kind="share"),
            Number.of("difference", ahead, int(usable.sum())),
            Number.of("agreement, longer is better", by_length[0], int(chosen_longer.sum())),
            Number.of("agreement, shorter is better", by_length[1], int((~chosen_longer).sum())),
            Number.of("correlation with length, label held fixed", held, kind="number"),
        ),
        drawings=(_by_length_gap(gap_length, subject, usable),),
    )


def _truth(subject: Subject, usable: np.ndarray, longer_first: np.ndarray) -> tuple[Floats, str]:
    """(n,) points of the longer side by the gold columns where the data has them, else by the labels."""
    columns = subject.rows.columns
    if "gold_first" in columns and "gold_second" in columns:
        sides = [
            np.array([np.nan if v is None else v for v in columns[f"gold_{s}"]], float) for s in ("first", "second")
        ]
        gold = (np.sign(sides[0] - sides[1]) / 2 + 0.5)[usable]
        if not np.isnan(gold).any():
            return np.where(longer_first, gold, 1 - gold), "gold scores"
    points = subject.rows.points[usable]
    return np.where(longer_first, points, 1 - points), "labels"


def _lean_verdict(ahead: Estimate) -> Verdict:
    least = max(ahead.low, -ahead.high)
    return "bad" if least > 0.15 else "warn" if least > 0.05 else "ok"


def _by_length_gap(gap_length: Floats, subject: Subject, usable: np.ndarray) -> Drawing:
    """How often the first side wins by the subject and by the labels, against how much longer it is."""
    order = np.argsort(gap_length, kind="stable")
    lines = []
    for name, points in (("the subject", subject.points[usable]), ("the labels", subject.rows.points[usable])):
        parts = [part for part in np.array_split(order, 8) if len(part)]
        found = [share(points[part]) for part in parts]
        x = tuple(float(gap_length[part].mean() / math.log(2)) for part in parts)
        lines.append(Series(name, x, *(tuple(getattr(f, end) for f in found) for end in ("value", "low", "high"))))
    says = (
        "How often the first side wins, against how much longer it is. A lean to length shows as a line of the subject "
    )
    says += "that is steeper than that of the labels."
    across = "how much longer, in doublings"
    return Drawing("curves", "Winning and length", says, across, "first side wins", tuple(lines))


# ---- position --------------------------------------------------------------------------------------------------------


def position(subject: Subject) -> Finding:
    """Probe: whether a judge of pairs changes its mind when the sides are exchanged."""
    name, title = "position", "Position bias"
    if subject.reward is not None:
        why = "The subject scores answers one by one and sees no position; see batch invariance."
        return not_measured(name, title, why)
    one, two = subject.choices
    flips, first = flip_rate(one.tolist(), (1 - two).tolist()), _first_chosen(one, two)
    verdict: Verdict = "ok" if flips.low < 0.05 else "warn" if flips.low < 0.15 else "bad"
    if max(first.low - 0.5, 0.5 - first.high) > 0.05:
        verdict = "bad"
    return Finding(
        probe=name,
        title=title,
        verdict=verdict,
        why=f"It changes its mind in {spread(flips)} of pairs when the sides are exchanged, and takes the side shown "
        "first "
        f"in {spread(first)}.",
        rule="changes of mind: warn if the interval lies above 5 %, bad above 15 %; bad if the side shown first is "
        "taken "
        "more than 5 points away from one half",
        do=""
        if verdict == "ok"
        else "Ask in both orders and keep what survives (guerdon.core.preference.both_orders).",
        numbers=(
            Number.of("changes of mind", flips, len(one)),
            Number.of("takes the side shown first", first, len(one)),
        ),
    )


def _first_chosen(one: Floats, two: Floats) -> Estimate:
    told = np.concatenate([one, 1 - two])
    return position_bias(told[~np.isnan(told)])
