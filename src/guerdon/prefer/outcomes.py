"""How likely each outcome of a comparison is, given the difference of two ratings: three ways to treat ties.

With d = θ_first − θ_second and σ the logistic function:

    half         P(first) = σ(d); a tie is half a win for each side
    davidson     P(first), P(second), P(tie) ∝ e^{d/2}, e^{−d/2}, ν      (Davidson 1970); τ = log ν
    rao-kupper   P(first) = σ(d − δ), P(second) = σ(−d − δ)               (Rao and Kupper 1967); τ = δ ≥ 0

All log-likelihoods are concave in (d, τ).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from guerdon.prefer.votes import Floats

Ties = Literal["half", "davidson", "rao-kupper"]
TIES: tuple[Ties, ...] = ("half", "davidson", "rao-kupper")


@dataclass(frozen=True, slots=True)
class Terms:
    """Log-likelihood of m rows and its derivatives.

    Args:
        value: Σ of the log-likelihood.
        slope: (m,) ∂/∂d.
        bend: (m,) −∂²/∂d², at least 0.
        cross: (m,) −∂²/∂d∂τ.
        tie_slope: Σ ∂/∂τ.
        tie_bend: −Σ ∂²/∂τ².
    """

    value: float
    slope: Floats
    bend: Floats
    cross: Floats
    tie_slope: float
    tie_bend: float


def _log_sigmoid(x: Floats) -> Floats:
    found: Floats = np.minimum(x, 0.0) - np.log1p(np.exp(-np.abs(x)))
    return found


def _sigmoid(x: Floats) -> Floats:
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def chances(ties: Ties, d: Floats, tie: float) -> tuple[Floats, Floats, Floats]:
    """P(first), P(second) and P(tie) for differences d; `tie` is τ, −∞ (davidson) or 0 (rao-kupper) for no ties."""
    d = np.asarray(d, float)
    if ties == "davidson":
        top = np.maximum(np.abs(d) / 2, tie)
        one, two, even = np.exp(d / 2 - top), np.exp(-d / 2 - top), np.exp(tie - top)
        total = one + two + even
        return one / total, two / total, even / total
    shift = tie if ties == "rao-kupper" else 0.0
    one, two = _sigmoid(d - shift), _sigmoid(-d - shift)
    return one, two, np.maximum(1.0 - one - two, 0.0)


def terms(ties: Ties, d: Floats, tie: float, wins: Floats, losses: Floats, even: Floats) -> Terms:
    """The log-likelihood of rows with these (weighted) counts.

    Args:
        ties: the model.
        d: (m,) differences.
        tie: τ.
        wins: (m,) how often the first side won.
        losses: (m,) how often the second side won.
        even: (m,) ties.
    """
    if ties == "davidson":
        return _davidson(d, tie, wins, losses, even)
    if ties == "rao-kupper" and tie > 0:
        return _rao_kupper(d, tie, wins, losses, even)
    p = _sigmoid(d)
    ours, theirs = wins + even / 2, losses + even / 2
    both = ours + theirs
    value = float(both @ _log_sigmoid(d) - theirs @ d)  # log σ(−d) = log σ(d) − d
    return Terms(value, ours - both * p, both * p * (1 - p), np.zeros_like(d), 0.0, 0.0)


def _davidson(d: Floats, tie: float, wins: Floats, losses: Floats, even: Floats) -> Terms:
    top = np.maximum(np.abs(d) / 2, tie)
    log_total = top + np.log(np.exp(d / 2 - top) + np.exp(-d / 2 - top) + np.exp(tie - top))
    one, two, none = chances("davidson", d, tie)
    count, mean = wins + losses + even, (one - two) / 2
    tied = float(even.sum())
    value = float((wins - losses) @ d / 2 + (tied * tie if tied else 0.0) - count @ log_total)
    return Terms(
        value,
        (wins - losses) / 2 - count * mean,
        count * ((one + two) / 4 - mean**2),
        -count * mean * none,
        tied - float(count @ none),
        float(count @ (none * (1 - none))),
    )


def _rao_kupper(d: Floats, tie: float, wins: Floats, losses: Floats, even: Floats) -> Terms:
    one, two = _sigmoid(d - tie), _sigmoid(-d - tie)
    ours, theirs, tied = wins + even, losses + even, float(even.sum())
    left, right = ours * one * (1 - one), theirs * two * (1 - two)
    gap = -math.expm1(-2 * tie)  # 1 − e^{−2δ}
    value = float(ours @ _log_sigmoid(d - tie) + theirs @ _log_sigmoid(-d - tie))
    return Terms(
        value + tied * (2 * tie + math.log(gap)),
        ours * (1 - one) - theirs * (1 - two),
        left + right,
        right - left,
        2 * tied / gap - float(ours @ (1 - one) + theirs @ (1 - two)),
        4 * tied * math.exp(-2 * tie) / gap**2 + float(left.sum() + right.sum()),
    )


def scores(ties: Ties, d: Floats, tie: float) -> tuple[tuple[Floats, Floats, Floats], tuple[Floats, Floats, Floats]]:
    """∂ log P / ∂d and ∂ log P / ∂τ of one first-side win, one second-side win, one tie; each (m,)."""
    zero = np.zeros_like(d)
    if ties == "davidson":
        one, two, none = chances(ties, d, tie)
        mean = (one - two) / 2
        return (0.5 - mean, -0.5 - mean, -mean), (-none, -none, 1 - none)
    if ties == "rao-kupper" and tie > 0:
        left, right = 1 - _sigmoid(d - tie), 1 - _sigmoid(-d - tie)
        both = 2 / -math.expm1(-2 * tie) - left - right
        return (left, -right, left - right), (-left, -right, both)
    p = _sigmoid(d)
    return (1 - p, -p, 0.5 - p), (zero, zero, zero)
