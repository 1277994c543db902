"""Losses of policies, as pure functions of tensors: nothing is looked up, nothing is changed.

Each takes what it needs per step and a mask of the steps that count, and returns one number: the mean over those.
"""

from __future__ import annotations

from typing import Any, TypeAlias

Tensor: TypeAlias = Any
"""A torch tensor. Torch is not imported here, so that these functions cost nothing to import."""


def masked_mean(values: Tensor, mask: Tensor | None = None) -> Tensor:
    """The mean over the steps that count; 0 if none does."""
    if mask is None:
        return values.mean()
    weight = mask.to(values.dtype)
    return (values * weight).sum() / weight.sum().clamp(min=1.0)


def log_probabilities(logits: Tensor, actions: Tensor) -> Tensor:
    """Logarithm of pi(a) of discrete actions.

    Args:
        logits: `(..., A)`.
        actions: `(...)` of int64.
    """
    return logits.log_softmax(-1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)


def entropy(logits: Tensor) -> Tensor:
    """The entropy of each distribution `(...)`, in nats, from logits `(..., A)`."""
    logs = logits.log_softmax(-1)
    return -(logs.exp() * logs).sum(-1)


def clipped_surrogate(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, *, low: float, high: float
) -> Tensor:
    """`min(r A, clip(r, 1 - low, 1 + high) A)` of each step, with `r = pi / pi_old`: what PPO maximises.

    Both bounds are one in arXiv 1707.06347; "clip-higher" of DAPO (arXiv 2503.14476) sets the upper one apart.

    Args:
        log_probs: log pi(a) now.
        old_log_probs: log pi(a) when the action was taken.
        advantages: of the actions.
        low: how far below 1 the ratio may go.
        high: how far above.
    """
    ratio = (log_probs - old_log_probs).exp()
    return (ratio * advantages).minimum(ratio.clamp(1.0 - low, 1.0 + high) * advantages)


def squared_errors(values: Tensor, targets: Tensor, *, old: Tensor | None = None, clip: float | None = None) -> Tensor:
    """Squared errors of values; with `clip`, the larger of that and of values kept near the old ones.

    Args:
        values: V now.
        targets: what V should be.
        old: V when the step was taken; needed with `clip`.
        clip: how far from the old values.
    """
    errors = (values - targets) ** 2
    if clip is None or old is None:
        return errors
    near = old + (values - old).clamp(-clip, clip)
    return errors.maximum((near - targets) ** 2)


def ppo_policy_loss(
    log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, *, clip: float, mask: Tensor | None = None
) -> Tensor:
    """The clipped surrogate of PPO (arXiv 1707.06347, equation 7).

    `-mean(min(r A, clip(r, 1 - c, 1 + c) A))` with `r = pi / pi_old`.

    Args:
        log_probs: log pi(a) now.
        old_log_probs: log pi(a) when the action was taken.
        advantages: of the actions.
        clip: c; also the ratio's freedom.
        mask: steps that count.
    """
    return -masked_mean(clipped_surrogate(log_probs, old_log_probs, advantages, low=clip, high=clip), mask)


def value_loss(
    values: Tensor,
    targets: Tensor,
    *,
    old_values: Tensor | None = None,
    clip: float | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Half the squared error of the values; with `clip`, the larger of that and of values kept near the old ones.

    Args:
        values: V now.
        targets: what V should be.
        old_values: V when the step was taken; needed with `clip`.
        clip: how far from the old values.
        mask: steps that count.
    """
    return 0.5 * masked_mean(squared_errors(values, targets, old=old_values, clip=clip), mask)


def self_imitation_loss(
    logits: Tensor,
    values: Tensor,
    actions: Tensor,
    returns: Tensor,
    *,
    success: Tensor,
    weight: float = 0.1,
    value: float = 0.01,
    entropy_bonus: float = 1e-5,
    mask: Tensor | None = None,
) -> Tensor:
    """Imitation of demonstrations where they did better than expected (arXiv 1806.05635; arXiv 2004.12919, methods).

    `w * mean(-log pi(a) * max(0, R - V) * (1 - s) + v * 0.5 * max(0, R - V)^2 - e * H)`: no gradient flows into the
    first `R - V`.

    Args:
        logits: `(..., A)`.
        values: V `(...)`.
        actions: of the demonstration.
        returns: R, the discounted return that the demonstration got from there.
        success: s, how often the policy already succeeds from there, 0 to 1.
        weight: w.
        value: v.
        entropy_bonus: e.
        mask: steps that count.
    """
    gap = (returns - values).clamp(min=0.0)
    imitation = -log_probabilities(logits, actions) * gap.detach() * (1.0 - success)
    return weight * masked_mean(imitation + value * 0.5 * gap**2 - entropy_bonus * entropy(logits), mask)
