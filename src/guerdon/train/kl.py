"""How far a policy has gone from its reference: estimates per token, and penalties whose weight may adapt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np

from guerdon.core.errors import ConfigError

Array: TypeAlias = Any
"""A numpy array or a torch tensor."""
Unit: TypeAlias = Literal["answer", "token"]


def kl_estimates(logprobs: Array, reference: Array) -> dict[str, Array]:
    """Three estimates of KL(pi ‖ pi_ref) from samples of pi, each of the arguments' shape.

    With `r = pi_ref(x) / pi(x)`: `k1 = -log r` is unbiased and may be negative; `k2 = (log r)^2 / 2` is biased, of
    low variance; `k3 = r - 1 - log r` is unbiased and never negative (Schulman, "Approximating KL divergence", 2020).

    Args:
        logprobs: log pi of sampled tokens; a numpy array or a tensor.
        reference: log pi_ref of the same.

    >>> found = kl_estimates(np.log([0.5, 0.25]), np.log([0.25, 0.5]))
    >>> {name: each.round(4).tolist() for name, each in found.items()}
    {'k1': [0.6931, -0.6931], 'k2': [0.2402, 0.2402], 'k3': [0.1931, 0.3069]}
    """
    k1 = logprobs - reference
    ratio = np.exp(-k1) if isinstance(k1, np.ndarray) else (-k1).exp()
    return {"k1": k1, "k2": 0.5 * k1**2, "k3": ratio - 1 + k1}


class Controller(Protocol):
    """The weight of a KL penalty, and what it becomes."""

    @property
    def start(self) -> float:
        """Weight before training."""

    @property
    def unit(self) -> Unit:
        """Whether `following` wants the divergence per answer or per token."""

    def following(self, weight: float, kl: float, answers: int) -> float:
        """The weight after a batch of so many answers, with this mean divergence in nats."""


@dataclass(frozen=True, kw_only=True)
class FixedKL:
    """The same weight throughout.

    >>> FixedKL(weight=0.02).following(0.02, 9.0, 512)
    0.02
    """

    weight: float = 0.1
    unit: Unit = "answer"

    @property
    def start(self) -> float:
        """The weight."""
        return self.weight

    def following(self, weight: float, kl: float, answers: int) -> float:
        """The same."""
        return weight


@dataclass(frozen=True, kw_only=True)
class AdaptiveKL:
    """A weight that holds the divergence near a target: `w <- w (1 + k e)`, `e = clip(KL / target - 1, -0.2, 0.2)`.

    arXiv 1909.08593, section 2.2, with k = 0.1 in each batch; with a horizon, k = answers / horizon as in the code
    that was published with it. Lagrangian RLHF (arXiv 2310.04373) uses the first form with start 0.2 and target 0.5.

    Args:
        start: weight before training.
        target: divergence to hold, in nats per `unit`.
        rate: k.
        limit: how large e may be.
        horizon: answers, in place of the rate.
        unit: what the target counts: a whole answer or one token.

    >>> round(AdaptiveKL(start=0.2, target=6.0).following(0.2, 60.0, 64), 6)
    0.204
    >>> round(AdaptiveKL(start=0.2, target=6.0, horizon=640).following(0.2, 60.0, 64), 6)
    0.204
    """

    start: float = 0.2
    target: float = 6.0
    rate: float = 0.1
    limit: float = 0.2
    horizon: float | None = None
    unit: Unit = "answer"

    def __post_init__(self) -> None:
        if self.target <= 0 or self.start < 0 or self.limit <= 0:
            got = f"got {self.target}, {self.start} and {self.limit}"
            raise ConfigError("a target and a limit above 0, a start of at least 0", got, "Change them")

    def following(self, weight: float, kl: float, answers: int) -> float:
        """The weight after a batch."""
        error = min(max(kl / self.target - 1.0, -self.limit), self.limit)
        return weight * (1.0 + (self.rate if self.horizon is None else answers / self.horizon) * error)
