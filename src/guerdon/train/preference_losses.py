"""Losses of a policy on pairs of answers, from the log-probabilities of whole answers.

margin = (log pi - log pi_ref)(chosen) - (log pi - log pi_ref)(rejected)
"""

from __future__ import annotations

from typing import Any, TypeAlias

Tensor: TypeAlias = Any


def dpo_loss(margin: Tensor, *, beta: float = 0.1, smoothing: float = 0.0) -> Tensor:
    """Direct preference optimisation, `-log sigmoid(beta margin)` (arXiv 2305.18290, equation 7), of each pair.

    With smoothing e, labels are taken to be wrong with probability e (cDPO): `-(1 - e) log sigmoid(beta margin)
    - e log sigmoid(-beta margin)`.

    Args:
        margin: `(n,)`.
        beta: how dear it is to leave the reference.
        smoothing: e, from 0 to 1/2.
    """
    from torch.nn.functional import logsigmoid

    z = beta * margin
    return -(1.0 - smoothing) * logsigmoid(z) - smoothing * logsigmoid(-z)


def robust_dpo_loss(margin: Tensor, *, beta: float = 0.1, smoothing: float = 0.1) -> Tensor:
    """DPO made unbiased under labels that are wrong with probability e (arXiv 2403.00409), of each pair.

    `(-(1 - e) log sigmoid(beta margin) + e log sigmoid(-beta margin)) / (1 - 2 e)`.

    Args:
        margin: `(n,)`.
        beta: how dear it is to leave the reference.
        smoothing: e, below 1/2.
    """
    from torch.nn.functional import logsigmoid

    z = beta * margin
    return (-(1.0 - smoothing) * logsigmoid(z) + smoothing * logsigmoid(-z)) / (1.0 - 2.0 * smoothing)


def ipo_loss(margin: Tensor, *, beta: float = 0.1) -> Tensor:
    """Identity preference optimisation, `(margin - 1 / (2 beta))^2` (arXiv 2310.12036, equation 17), of each pair.

    Args:
        margin: `(n,)`, of log-probabilities per token: means over the answers' tokens.
        beta: the paper's tau.
    """
    return (margin - 1.0 / (2.0 * beta)) ** 2


def slic_loss(margin: Tensor, *, beta: float = 1.0) -> Tensor:
    """The hinge of SLiC, `max(0, 1 - beta margin)` (arXiv 2305.10425, equation 1), of each pair.

    Args:
        margin: `(n,)`; in the paper without a reference, whose log-probabilities are then 0.
        beta: inverse of the paper's delta.
    """
    return (1.0 - beta * margin).clamp(min=0.0)
