"""The entropic objective of TTT-Discover: training for the best of a group rather than for its mean.

    J_β = log E[exp(β R)]        its gradient weighs an attempt by exp(β R) / E[exp(β R)]

Small β is the mean, large β the maximum. β adapts to each group of rewards, so that the weights stay at a fixed
Kullback–Leibler divergence from uniform: then neither scale nor offset of the reward matters. Advantages are numpy,
losses are torch. Source: arXiv 2601.16175, section 3 and appendix A.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

Floats = npt.NDArray[np.float64]
Objective = Literal["adaptive", "constant", "mean"]

GAMMA = math.log(2.0)
"""The published divergence from uniform."""
CEILING = 1e6
"""Largest β, in units of one over the range of the group's rewards."""
BISECTIONS = 60
TINY = 1e-12
LARGEST = float(np.finfo(np.float64).max)


def tilted_kl(rewards: npt.ArrayLike, beta: float) -> float:
    """KL(q_β ‖ uniform) of a group, in nats: q_β(n) = exp(β r_n) / Σ exp(β r_m).

    >>> tilted_kl([1.0, 2.0, 3.0], 0.0)
    0.0
    >>> round(tilted_kl([0.0, 1.0], 1e3) / GAMMA, 6)
    1.0
    """
    gap_N = _gaps(rewards)
    with np.errstate(over="ignore"):
        log_N = beta * gap_N
    weight_N = np.exp(log_N)
    total = float(weight_N.sum())
    # Σ q log(N q) with q = w / total; a weight that has vanished adds nothing
    return max(0.0, float((weight_N * np.maximum(log_N, -745.0)).sum()) / total + math.log(len(gap_N) / total))


def adaptive_beta(rewards: npt.ArrayLike, gamma: float = GAMMA) -> float:
    """The β ≥ 0 at which a group's weights are `gamma` nats from uniform.

    An upper end is doubled until it is far enough or reaches `CEILING`, then bisected `BISECTIONS` times. When more
    than exp(−gamma) of the group share the best reward, no β is enough, and the ceiling stands for the maximum.

    Where we differ: rewards are first divided by the group's range, so that the ceiling, too, does not depend on
    their scale.

    Args:
        rewards: (N,) finite rewards of a group.
        gamma: the divergence, in nats.

    Returns:
        β in the unit of the rewards as given; 0 for fewer than two rewards or when all are equal.

    >>> beta = adaptive_beta([0.0, 0.1, 0.4, 0.5])
    >>> round(tilted_kl([0.0, 0.1, 0.4, 0.5], beta) / GAMMA, 9)
    1.0
    """
    gap_N, span = _scaled(rewards)
    return min(_searched(gap_N, gamma) / span, LARGEST)


def _scaled(rewards: npt.ArrayLike) -> tuple[Floats, float]:
    """Gaps to the best in units of the group's range, and that range (1 when all are equal)."""
    gap_N = _gaps(rewards)
    span = -float(gap_N.min(initial=0.0)) or 1.0
    return gap_N / span, span


def _searched(gap_N: Floats, gamma: float) -> float:
    if not gap_N.any():  # fewer than two, or all equal
        return 0.0
    low, high = 0.0, 1.0
    while high < CEILING and tilted_kl(gap_N, high) < gamma:
        high = min(2.0 * high, CEILING)
    if tilted_kl(gap_N, high) < gamma:
        return high
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        if tilted_kl(gap_N, middle) < gamma:
            low = middle
        else:
            high = middle
    return high


def entropic_advantages(rewards: npt.ArrayLike, beta: float) -> Floats:
    """Leave-one-out advantages at a β, (N,): never below −1.

        A_n = exp(β (r_n − r_max)) / (Z_n + 1e-12) − 1,   Z_n = mean over m ≠ n of exp(β (r_m − r_max))

    A unique best far above the rest has an advantage of up to 1e12; there is no clipping, by design. At the adaptive
    β this happens in groups of two only, where ln 2 is the limit of the divergence: draw three or more.

    >>> entropic_advantages([1.0, 1.0, 1.0], 5.0).round(9).tolist()
    [-0.0, -0.0, -0.0]
    """
    with np.errstate(over="ignore"):
        return _left_out(beta * _gaps(rewards))


def _left_out(log_N: Floats) -> Floats:
    weight_N: Floats = np.exp(log_N)
    if len(weight_N) < 2:
        return np.zeros(len(weight_N))
    others_N = np.array([np.delete(weight_N, n).sum() for n in range(len(weight_N))])  # no cancellation
    found: Floats = weight_N / (others_N / (len(weight_N) - 1) + TINY) - 1.0
    return found


def group_advantages(rewards: npt.ArrayLike, objective: Objective = "adaptive", beta: float = 2.0) -> Floats:
    """Advantages of one group of rewards under an objective, (N,).

    Args:
        rewards: (N,) finite rewards of attempts from one start.
        objective: "adaptive" (β from the group), "constant" (β as given), or "mean" (reward − mean of the group).
        beta: β of the constant objective.

    Raises:
        ConfigError: there is no such objective.
    """
    reward_N = _checked(rewards)
    if objective == "mean":
        found: Floats = reward_N - reward_N.mean() if len(reward_N) else reward_N
        return found
    if objective not in ("adaptive", "constant"):
        got = f"got {objective!r}"
        raise ConfigError("an objective: adaptive, constant or mean", got, "Write objective='adaptive'")
    if objective == "constant":
        return entropic_advantages(reward_N, beta)
    gap_N, _ = _scaled(reward_N)
    return _left_out(_searched(gap_N, GAMMA) * gap_N)


def teaches(rewards: npt.ArrayLike) -> bool:
    """Whether a group has anything to learn from: groups of equal rewards are dropped before training.

    >>> teaches([1.0, 1.0]), teaches([1.0, 2.0]), teaches([1.0])
    (False, True, False)
    """
    return bool(_gaps(rewards).min(initial=0.0) < 0)


def _checked(rewards: npt.ArrayLike) -> Floats:
    reward_N = np.asarray(rewards, dtype=np.float64)
    if reward_N.ndim != 1 or not np.isfinite(reward_N).all():
        got = f"got shape {reward_N.shape}" if reward_N.ndim != 1 else "got nan or infinity"
        raise ConfigError("finite rewards of one group, (N,)", got, "Leave out attempts without a score")
    return reward_N


def _gaps(rewards: npt.ArrayLike) -> Floats:
    """Distances to the best reward, never positive, so that no exponential overflows whatever β is."""
    reward_N = _checked(rewards)
    with np.errstate(over="ignore"):
        gap_N: Floats = np.maximum(reward_N - reward_N.max(initial=-math.inf), -LARGEST)
    return gap_N


def kl_shaped(
    advantage_N: Tensor, logp_NT: Tensor, base_NT: Tensor, mask_NT: Tensor, weight: float
) -> tuple[Tensor, Tensor]:
    """Advantages per token, drawn towards a base policy.

        A_t = A_n + weight · mask_t · (mean over all tokens of (logp − base) − (logp_t − base_t))

    Args:
        advantage_N: (N,) of whole attempts.
        logp_NT: (N, T) log-probabilities of the sampled tokens under the sampling policy.
        base_NT: (N, T) the same under the frozen base policy.
        mask_NT: (N, T) 1 for tokens of the action, 0 for padding.
        weight: λ; 0 shapes nothing.

    Returns:
        (N, T) advantages, zero where the mask is, without gradient; and the mean of logp − base, an estimate of the
        divergence from the base.
    """
    gap_NT = (logp_NT - base_NT).detach().masked_fill(mask_NT == 0, 0.0)  # padding may be −inf
    mean = gap_NT.sum() / mask_NT.sum().clamp(min=1)
    shaped_NT = advantage_N.detach()[:, None] + weight * (mean - gap_NT)
    return shaped_NT * mask_NT, mean


def importance_loss(logp_NT: Tensor, sampled_NT: Tensor, advantage_NT: Tensor, mask_NT: Tensor) -> Tensor:
    """The policy-gradient loss by importance sampling: −Σ (π / π_sampler)_t A_t, a sum over all tokens.

    Neither clipped nor averaged over attempts or lengths.

    Args:
        logp_NT: (N, T) log-probabilities under the policy that is trained.
        sampled_NT: (N, T) those under which the tokens were drawn.
        advantage_NT: (N, T) advantages per token.
        mask_NT: (N, T) 1 for tokens of the action, 0 for padding.
    """
    import torch

    gap_NT = (logp_NT - sampled_NT.detach()).masked_fill(mask_NT == 0, 0.0)
    return -(torch.exp(gap_NT) * advantage_NT.detach() * mask_NT).sum()
