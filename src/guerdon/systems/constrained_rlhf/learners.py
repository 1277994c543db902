"""The methods: what each does with the advantages of the components and of the KL reward.

method     maximises                    with multipliers
ppo-no-kl  sum alpha_i v_i              none
ppo        the same, minus KL           none
ppo-sat    −sum (r_i − theta_i)², − KL  none
mu-ppo     v_KL s.t. v_i >= theta_i     sigmoid
all-ppo    sum alpha_i v_i s.t. v_i <= theta_i   sigmoid
xi-ppo     v_KL s.t. v_i = theta_i      tanh
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError, did_you_mean
from guerdon.core.rng import stream
from guerdon.systems.constrained_rlhf.multipliers import Multipliers, mixed
from guerdon.train import distributed
from guerdon.train.kl import AdaptiveKL, FixedKL
from guerdon.train.learners.base import centred
from guerdon.train.learners.ppo import PPO

if TYPE_CHECKING:
    from guerdon.train.policy import Policy
    from guerdon.train.rollouts import Rollouts
    from guerdon.train.state import State

Floats = npt.NDArray[np.float64]
Method = Literal["ppo-no-kl", "ppo", "ppo-sat", "mu-ppo", "all-ppo", "xi-ppo"]
CONSTRAINED: tuple[Method, ...] = ("mu-ppo", "all-ppo", "xi-ppo")
MULTIPLIER, VELOCITY = "multiplier_{}", "velocity_{}"


@dataclass(frozen=True, kw_only=True)
class Composite(PPO):
    """PPO on a weighted sum of the components (and of the KL reward, with weight 1): the baselines.

    The advantages are those of the sum, since they are linear in rewards and values, and are normalised once.
    """

    whiten: Literal["batch", "minibatch", "no"] = "no"

    def mixed(self, advantages: Floats, rollouts: Rollouts, numbers: Mapping[str, float]) -> tuple[Floats, Any]:
        """The normalised advantage of the sum; see `PPO.mixed`."""
        found, numbers = super().mixed(advantages, rollouts, numbers)
        return centred(found, rollouts.mask), numbers


@dataclass(frozen=True, kw_only=True)
class Satisficing(Composite):
    """PPO-SAT: each component loses by its squared distance from its threshold, answer by answer.

    Args:
        thresholds: (C,).
    """

    thresholds: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        _demand(self.thresholds, self.components)

    def _scores(self, rollouts: Rollouts, numbers: dict[str, float]) -> Floats:
        apart = super()._scores(rollouts, numbers) - np.asarray(self.thresholds)
        return np.where(rollouts.known[:, None], -(apart**2), 0.0)


@dataclass(frozen=True, kw_only=True)
class Constrained(PPO):
    """PPO whose components have learned weights (arXiv 2310.04373, algorithm 1).

    Each minibatch is learned from with the multipliers as they are, which then take a step of their own by what its
    answers reached. The multipliers and their velocity are numbers of the state, so that a run goes on exactly.

    Args:
        thresholds: (C,), each in the unit of its component's mean score.
        multipliers: how they learn.
    """

    thresholds: tuple[float, ...] = ()
    multipliers: Multipliers = field(default_factory=lambda: Multipliers(squash="tanh"))

    def __post_init__(self) -> None:
        super().__post_init__()
        _demand(self.thresholds, self.components)

    def start(self, policy: Policy, seed: int) -> State:
        """The state of `PPO`, and the multipliers' first draw."""
        from dataclasses import replace

        state = super().start(policy, seed)
        drawn = self.multipliers.start(self.components, stream(seed, "multipliers"))
        return replace(state, numbers={**state.numbers, **carried(drawn, np.zeros(self.components))})

    def mixed(self, advantages: Floats, rollouts: Rollouts, numbers: Mapping[str, float]) -> tuple[Floats, Any]:
        """Equation 4.4, then a step of the multipliers; see `PPO.mixed`."""
        count = self.components
        m = np.array([numbers[MULTIPLIER.format(i)] for i in range(count)])
        velocity = np.array([numbers[VELOCITY.format(i)] for i in range(count)])
        task, constraints = self._parts(advantages, rollouts)
        found = mixed(self.multipliers.weights(m), task, constraints, upper=self.multipliers.upper)
        m, velocity = self.multipliers.step(m, velocity, reached=_reached(rollouts), thresholds=self.thresholds)
        return found * rollouts.mask, {**numbers, **carried(m, velocity)}

    def _parts(self, advantages: Floats, rollouts: Rollouts) -> tuple[Floats, Floats]:
        """A_0 (b, A) and A_i (C, b, A), each normalised."""
        mask, count = rollouts.mask, self.components
        lines = [centred(advantages[..., i], mask) for i in range(count)]
        if self.multipliers.upper:
            task = advantages[..., :count] @ np.asarray(self.weights or (1.0,) * count)
        else:
            task = advantages[..., -1]
        return centred(task, mask), np.stack(lines)


def carried(m: Floats, velocity: Floats) -> dict[str, float]:
    """Multipliers and velocity (N,) as numbers of a state."""
    found = {MULTIPLIER.format(i): float(each) for i, each in enumerate(m)}
    return found | {VELOCITY.format(i): float(each) for i, each in enumerate(velocity)}


def learner(
    method: Method,
    *,
    thresholds: Sequence[float] = (),
    weights: Sequence[float] = (),
    components: int | None = None,
    kl: float = 0.2,
    target: float = 0.5,
    multiplier_lr: float = 0.1,
    momentum: float = 0.1,
    **settings: Any,
) -> PPO:
    """The learner of a method, with the published settings where none are given.

    Args:
        method: its name.
        thresholds: theta (N,); for ppo-sat and the constrained methods.
        weights: alpha (N,); for ppo, ppo-no-kl and all-ppo; 1 each by default.
        components: N, where neither of both says it.
        kl: weight of the KL penalty, or of the KL reward.
        target: divergence that plain PPO's weight adapts to, in nats per token.
        multiplier_lr: step size of the multipliers.
        momentum: of the multipliers.
        settings: of `PPO`, such as `lr`, `epochs`, `minibatch` and `critic`.

    Raises:
        ConfigError: no such method, or thresholds and weights do not fit.
    """
    if method not in get_args(Method):
        raise ConfigError("the name of a method", f"got {method!r}", did_you_mean(method, get_args(Method)))
    theta, alpha = tuple(map(float, thresholds)), tuple(map(float, weights)) or None
    count = components or len(theta) or len(alpha or ())
    how: dict[str, Any] = {**PUBLISHED, "components": count, "weights": alpha, **settings}
    if method == "ppo-no-kl":
        return Composite(**how, value=1.0)
    if method in ("ppo", "ppo-sat"):
        how |= {
            "kl": AdaptiveKL(start=kl, target=target, unit="token"),
            "kl_head": True,
            "value": (1.0,) * count + (0.4,),
        }
        return Composite(**how) if method == "ppo" else Satisficing(**how | {"weights": None}, thresholds=theta)
    rule = Multipliers(
        squash="tanh" if method == "xi-ppo" else "sigmoid", upper=method == "all-ppo", lr=multiplier_lr,
        momentum=momentum,
    )  # fmt: skip
    if method == "all-ppo":
        return Constrained(**how, value=1.0, thresholds=theta, multipliers=rule)
    how |= {"kl": FixedKL(weight=kl), "kl_head": True, "value": (1.0,) * count + (0.4,), "weights": None}
    return Constrained(**how, thresholds=theta, multipliers=rule)


PUBLISHED: Mapping[str, Any] = {
    "lr": 1e-6, "epochs": 5, "minibatch": 64, "clip": 0.2, "gamma": 0.99, "lam": 0.95, "clip_norm": 0.5,
    "value_clip": None, "whiten": "no",
}  # fmt: skip
"""Settings of the publication (table of hyper-parameters); minibatches are of answers here, not of tokens."""


def _reached(rollouts: Rollouts) -> Floats:
    """(C,) mean score of each component over all processes' answers of a minibatch; nan where none is known.

    With the reward at the last token the undiscounted return from any token is the score; the mean is over answers,
    not tokens, so that long answers do not weigh more.
    """
    known = np.isfinite(rollouts.scores)
    sums = distributed.totals([*np.where(known, rollouts.scores, 0.0).sum(0), *known.sum(0)])
    total, count = np.split(np.asarray(sums, np.float64), 2)
    found: Floats = np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
    return found


def _demand(thresholds: Sequence[float], components: int) -> None:
    if len(thresholds) != components or not np.isfinite(thresholds).all():
        got = f"got {tuple(thresholds)} for {components}"
        raise ConfigError("a threshold for each component", got, "Give thresholds, or find them by the search first")
