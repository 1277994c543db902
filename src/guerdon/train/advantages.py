"""Advantages and returns, as pure functions of arrays `(T, N)`: T steps of N worlds side by side."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import SolverError

Floats: TypeAlias = npt.NDArray[np.float32]
Array: TypeAlias = npt.NDArray[Any]


def gae(
    rewards: Array,
    values: Array,
    next_values: Array,
    terminated: Array,
    truncated: Array,
    *,
    gamma: float,
    lam: float,
    mask: Array | None = None,
) -> tuple[Floats, Floats]:
    """Generalised advantage estimation (arXiv 1506.02438, equation 16).

    `delta_t = r_t + gamma * V(next) - V(s_t)` and `A_t = delta_t + gamma * lam * A_{t+1}`, where a terminated step has
    no next value and both kinds of end cut the sum. A step that is only truncated keeps the value of what it saw last.

    Args:
        rewards: `(T, N)`, of the step taken at t.
        values: `(T, N)`, V of what was seen at t.
        next_values: `(T, N)`, V of what came of step t: of the next step, or of the last observation of an episode.
        terminated: `(T, N)`, the world is over after step t.
        truncated: `(T, N)`, somebody stopped watching after step t.
        gamma: discount per step.
        lam: the trade of bias for variance.
        mask: `(T, N)`, true where a step counts; the others get zeros. They must follow an end, or nothing.

    Returns:
        Advantages and targets for the values, each `(T, N)` of float32.

    Raises:
        SolverError: shapes differ.

    >>> one = np.ones((2, 1))
    >>> advantages, targets = gae(one, 0 * one, 0 * one, 0 * one, 0 * one, gamma=0.5, lam=1.0)
    >>> advantages.ravel().tolist()
    [1.5, 1.0]
    """
    shapes = {np.shape(array) for array in (rewards, values, next_values, terminated, truncated)}
    if len(shapes) != 1 or len(np.shape(rewards)) != 2:
        raise SolverError("arrays of one shape (T, N)", f"got {sorted(map(str, shapes))}", "Stack steps, then worlds")
    over = np.asarray(terminated, bool)
    go_on = gamma * lam * ~(over | np.asarray(truncated, bool))
    deltas = rewards + gamma * np.where(over, 0.0, next_values) - values
    advantages = np.empty(deltas.shape, np.float64)
    after = np.zeros(deltas.shape[1])
    for t in reversed(range(len(deltas))):
        after = deltas[t] + go_on[t] * after
        advantages[t] = after
    if mask is not None:
        advantages = np.where(mask, advantages, 0.0)
    targets = advantages + np.where(True if mask is None else mask, values, 0.0)
    return advantages.astype(np.float32), targets.astype(np.float32)


def discounted(rewards: Array, gamma: float) -> npt.NDArray[np.float64]:
    """The discounted sum of what is still to come, `G_t = r_t + gamma * G_{t+1}`, of one episode `(T,)`.

    >>> discounted(np.array([0.0, 0.0, 4.0]), 0.5).tolist()
    [1.0, 2.0, 4.0]
    """
    found = np.zeros(len(rewards), np.float64)
    after = 0.0
    for t in reversed(range(len(rewards))):
        found[t] = after = float(rewards[t]) + gamma * after
    return found


def standardised(advantages: Array, mask: Array | None = None) -> Floats:
    """Advantages with mean 0 and standard deviation 1 over the steps that count; all equal, they become 0.

    >>> standardised(np.array([[1.0, 3.0]])).tolist()
    [[-1.0, 1.0]]
    """
    counted = np.ones(np.shape(advantages), bool) if mask is None else np.asarray(mask, bool)
    if not counted.any():
        return np.zeros(np.shape(advantages), np.float32)
    some = np.asarray(advantages, np.float64)[counted]
    scaled = (advantages - some.mean()) / (some.std() + 1e-8)
    return np.where(counted, scaled, 0.0).astype(np.float32)
