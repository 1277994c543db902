"""Lagrange multipliers that learn: the weight of each component follows from how far it is from its threshold."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Floats: TypeAlias = npt.NDArray[np.float64]
Squash = Literal["sigmoid", "tanh"]

_SQUASH: Mapping[str, tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]] = {
    "sigmoid": (lambda m: 0.5 * (1.0 + np.tanh(0.5 * m)), lambda s: s * (1.0 - s)),
    "tanh": (np.tanh, lambda s: 1.0 - s * s),
}
"""The function, and its slope as a function of its value."""


@dataclass(frozen=True, kw_only=True)
class Multipliers:
    """Gradient steps on the multipliers m of N constraints (arXiv 2310.04373, section 4 and appendix).

    The loss is `sum_i s(m_i) (v_i − theta_i)`, where v_i is what component i reaches. Descending it, a component below
    its threshold gains weight. With "tanh" (`v = theta`) one above it gets a negative weight; with "sigmoid"
    (`v >= theta`) none. `upper=True` is for `v <= theta`: the sign of the violation flips.

    Args:
        squash: s.
        upper: thresholds are upper bounds.
        lr: step size.
        momentum: of the steps.
        clip: largest norm of the gradient over all multipliers.
        spread: standard deviation of the one draw with which all start.

    >>> each = Multipliers(squash="tanh")
    >>> m, velocity = each.step(np.zeros(2), np.zeros(2), reached=[0.4, 0.8], thresholds=[0.6, 0.6])
    >>> m.round(3).tolist()
    [0.02, -0.02]
    """

    squash: Squash
    upper: bool = False
    lr: float = 0.1
    momentum: float = 0.1
    clip: float = 0.5
    spread: float = 0.01

    def __post_init__(self) -> None:
        if self.squash not in _SQUASH or not (self.lr > 0 and 0 <= self.momentum < 1 and self.clip > 0):
            got = f"got {self.squash!r}, {self.lr}, {self.momentum} and {self.clip}"
            raise ConfigError("a squash (sigmoid, tanh), lr and clip above 0, momentum within 0 and 1", got, "Fix it")

    def start(self, count: int, rng: Rng) -> Floats:
        """(N,) multipliers before any step: one draw, shared by all constraints."""
        return np.full(count, self.spread * rng.standard_normal())

    def weights(self, m: npt.ArrayLike) -> Floats:
        """(N,) s(m)."""
        return _SQUASH[self.squash][0](np.asarray(m, np.float64))

    def step(
        self, m: Floats, velocity: Floats, *, reached: npt.ArrayLike, thresholds: npt.ArrayLike
    ) -> tuple[Floats, Floats]:
        """One step.

        Args:
            m: (N,).
            velocity: (N,), of the momentum; zeros at first.
            reached: (N,) mean undiscounted return of each component in the batch, not what a critic believes; nan
                where it is not known, which moves nothing.
            thresholds: (N,), each in the unit of its reward.

        Returns:
            The new multipliers and velocity.
        """
        violation = np.asarray(reached, np.float64) - np.asarray(thresholds, np.float64)
        known = np.isfinite(violation)
        slope = _SQUASH[self.squash][1](self.weights(m))
        gradient = np.where(known, violation, 0.0) * slope * (-1.0 if self.upper else 1.0)
        norm = math.sqrt(float(gradient @ gradient))
        if norm > self.clip:
            gradient = gradient * (self.clip / norm)
        moved = np.where(known, self.momentum * velocity + gradient, velocity)
        return m - self.lr * np.where(known, moved, 0.0), moved


def mixed(weights: Floats, task: Floats, constraints: Floats, *, upper: bool = False) -> Floats:
    """The advantage that a constrained policy follows (equation 4.4).

    `A = (N − sum_i s_i) A_0 + sum_i s_i A_i`; for upper bounds the second sum is subtracted.

    Args:
        weights: (N,) s.
        task: (...) A_0, normalised: of the KL reward, or of the composite reward for upper bounds.
        constraints: (N, ...) A_i, each normalised.
        upper: thresholds are upper bounds.
    """
    pulled = np.tensordot(weights, constraints, axes=1)
    found: Floats = (len(weights) - weights.sum()) * task + (-pulled if upper else pulled)
    return found
