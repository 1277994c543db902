"""Proximal policy optimisation of language models, with one value head for each component of the score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from guerdon.core.errors import ConfigError
from guerdon.train import distributed
from guerdon.train.advantages import gae
from guerdon.train.critic import Critic, explained
from guerdon.train.kl import Controller
from guerdon.train.learners.base import (
    Figures,
    Floats,
    Learner,
    Objective,
    averaged,
    centred,
    demand_reference,
    fitted,
    parts,
)
from guerdon.train.losses import clipped_surrogate, squared_errors
from guerdon.train.policy import Policy
from guerdon.train.rollouts import Rollouts
from guerdon.train.state import State

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

WEIGHT = "kl_weight"


@dataclass(frozen=True, kw_only=True)
class PPO(Learner):
    """PPO (arXiv 1707.06347) with a penalty on the divergence from the reference in each token (arXiv 1909.08593).

        r_t = score at the last token - w (log pi - log pi_ref)_t
        A = generalised advantages of r, one for each head; mixed into one for each token
        loss = -mean min(ratio A, clip(ratio) A) + value * mean of 0.5 (V - target)^2 - entropy * H

    Policy and value function are separate networks with an optimiser each. Answers without a score teach nothing.

    Args:
        epochs: times through the answers of an iteration.
        minibatch: answers of a step; `None` takes all.
        clip: how far the ratio of probabilities may go from 1.
        gamma: discount per token.
        lam: of generalised advantages.
        kl: weight of the penalty, fixed or adaptive; `None` for none.
        clamp_kl: count a token's penalty only where it is positive (AlpacaFarm, arXiv 2305.14387).
        kl_head: give the penalty a value head of its own, the last one; by default it is part of the score when
            there is one component, and has its own head when there are several.
        components: C, number of components of the score.
        weights: of the components in the mixed advantage; by default 1 each. The penalty's head has weight 1.
        normalise: "batch" divides each component by its sd over the answers of an iteration after subtracting the
            mean, "running" by mean and sd of all so far; before clipping.
        score_clip: largest size of a score.
        whiten_rewards: divide rewards per token by their sd, keeping the mean (AlpacaFarm).
        whiten: where advantages get mean 0 and sd 1: over the "batch", the "minibatch", or "no". Of several heads,
            it is their mixture, over the minibatch.
        whiten_heads: whiten the advantages of each head instead, before they are mixed: then neither the scale of a
            component nor the weight of the penalty matters, only the weights of the mixture.
        entropy: weight of the bonus; needs the whole distribution of each token.
        value: weights of the squared errors, one or one for each head.
        value_clip: how far a value may go from its old one; `None` for no limit.
        critic: the value function; by default a tiny policy's own net and weights.
        critic_lr: its step size; by default `lr`.
        target_kl: stop the epochs of an iteration once the mean of `ratio - 1 - log ratio` in a step exceeds this.
    """

    epochs: int = 4
    minibatch: int | None = None
    clip: float = 0.2
    gamma: float = 1.0
    lam: float = 0.95
    kl: Controller | None = None
    clamp_kl: bool = False
    kl_head: bool | None = None
    components: int = 1
    weights: tuple[float, ...] | None = None
    normalise: Literal["no", "batch", "running"] = "no"
    score_clip: float | None = None
    whiten_rewards: bool = False
    whiten: Literal["batch", "minibatch", "no"] = "batch"
    whiten_heads: bool = False
    entropy: float = 0.0
    value: float | tuple[float, ...] = 0.5
    value_clip: float | None = 0.2
    critic: Critic | None = field(default=None, metadata={"recipe": False})
    critic_lr: float | None = None
    target_kl: float | None = None

    def __post_init__(self) -> None:
        if self.weights is not None and len(self.weights) != self.components:
            got = f"got {len(self.weights)} for {self.components}"
            raise ConfigError("a weight for each component", got, "Give as many as components")
        if isinstance(self.value, tuple) and len(self.value) != self.heads:
            got = f"got {len(self.value)} for {self.heads} heads"
            raise ConfigError("one weight of the squared errors, or one for each head", got, "Fix value")
        if self.kl_head and self.kl is None:
            raise ConfigError("a head for the penalty needs a penalty", "kl is None", "Give FixedKL or AdaptiveKL")

    @property
    def needs_reference(self) -> bool:
        """With a penalty."""
        return self.kl is not None

    @property
    def separate_kl(self) -> bool:
        """Whether the penalty has a head of its own."""
        return self.kl is not None and (self.components > 1 if self.kl_head is None else self.kl_head)

    @property
    def heads(self) -> int:
        """H, number of value heads: one for each component, and the penalty's."""
        return self.components + self.separate_kl

    def start(self, policy: Policy, seed: int) -> State:
        """The policy, a critic, and the penalty's first weight."""
        return State(policy.start(seed), self._critic(policy).initial(self.heads, seed), self._numbers())

    def _numbers(self) -> dict[str, float]:
        return {} if self.kl is None else {WEIGHT: self.kl.start}

    def mixed(self, advantages: Floats, rollouts: Rollouts, numbers: Mapping[str, float]) -> tuple[Floats, Any]:
        """One advantage for each token of a minibatch, from those of all heads. Override it to weigh them anew.

        Args:
            advantages: (b, A, H), whitened if so set; 0 where nothing counts.
            rollouts: the b answers, all with known scores.
            numbers: what the state carries; see `State.numbers`.

        Returns:
            Advantages (b, A), and the numbers to carry on, such as Lagrange multipliers after a step of theirs.
        """
        weights = np.ones(advantages.shape[-1])
        if self.weights is not None:
            weights[: self.components] = self.weights
        return advantages @ weights, numbers

    def update(self, policy: Policy, state: State, rollouts: Rollouts, rng: Rng) -> tuple[State, Figures]:
        """Some epochs of clipped steps on an iteration's answers; see `Learner.update`."""
        if self.needs_reference:
            demand_reference(policy, "a penalty on the divergence")
        critic, numbers = self._critic(policy), self._numbers() | dict(state.numbers)
        before = state.critic or critic.initial(self.heads, seed=0)
        scores = self._scores(rollouts, numbers)
        values = _wide(critic.values(before, rollouts.packed), rollouts)
        advantages, targets = self._advantages(rollouts, scores, values, numbers.get(WEIGHT, 0.0))
        done: list[Figures] = []
        rate = self.lr if self.critic_lr is None else self.critic_lr
        judge = critic.learning(before, replace(self.adam(), lr=rate))
        with policy.learning(state.policy, self.adam()) as actor:
            for which in parts(len(rollouts), self.minibatch, self.epochs, rng):
                which = which[rollouts.known[which]]
                if not distributed.total(len(which)):
                    continue
                some, old = rollouts.take(which), values[which]
                lead, numbers = self._lead(advantages[which], some, numbers)
                figures: Figures = {}
                loss = self._policy_loss(lead, some, figures)
                figures |= actor.step(some.packed, loss, lr=self.rate(actor.steps), full=self.entropy > 0)
                fit = judge.step(
                    some.packed, self._value_loss(targets[which], old, some), lr=self.rate(judge.steps, rate)
                )
                done.append({**figures, "value_loss": fit["loss"]})
                if self.target_kl is not None and distributed.total(figures["moved"]) > self.target_kl:
                    break
            found = averaged(done) | self._told(values, targets, rollouts)
            self._steer(rollouts, numbers, found)
            return replace(state, policy=actor.snapshot(), critic=judge.snapshot(), numbers=numbers), found

    # ---- rewards and advantages --------------------------------------------------------------------------------------

    def _critic(self, policy: Policy) -> Critic:
        made = self.critic or policy.critic()
        if not isinstance(made, Critic):
            raise ConfigError(
                "PPO needs a value function", f"got {type(made).__name__}", "Give PPO(critic=Critic(...))"
            )
        return made

    def _scores(self, rollouts: Rollouts, numbers: dict[str, float]) -> Floats:
        """Scores (n, C), 0 where unknown, normalised and clipped as set."""
        if rollouts.scores.shape[1] != self.components:
            got = f"got {rollouts.scores.shape[1]}"
            raise ConfigError(f"scores of {self.components} components", got, "Set PPO(components=...)")
        scores = np.where(rollouts.known[:, None], rollouts.scores, 0.0)
        for c in range(self.components) if self.normalise != "no" else ():
            mean, sd = self._moments(scores[rollouts.known, c], numbers, f"score_{c}")
            scores[:, c] = np.where(rollouts.known, (scores[:, c] - mean) / (sd + 1e-8), 0.0)
        return scores if self.score_clip is None else scores.clip(-self.score_clip, self.score_clip)

    def _moments(self, some: Floats, numbers: dict[str, float], name: str) -> tuple[float, float]:
        count, total, squares = distributed.totals([len(some), some.sum(), (some**2).sum()])
        if self.normalise == "running":
            for key, each in (("count", count), ("sum", total), ("squares", squares)):
                numbers[f"{name}_{key}"] = numbers.get(f"{name}_{key}", 0.0) + each
            count, total, squares = (numbers[f"{name}_{key}"] for key in ("count", "sum", "squares"))
        mean = total / max(count, 1.0)
        return mean, float(np.sqrt(max(squares / max(count, 1.0) - mean**2, 0.0)))

    def _advantages(self, rollouts: Rollouts, scores: Floats, values: Floats, weight: float) -> tuple[Floats, Floats]:
        """Advantages and targets of the values, each (n, A, H)."""
        rewards = np.zeros(values.shape)
        last = np.arange(len(rollouts)), rollouts.drawn.lengths - 1
        rewards[(*last, slice(self.components))] = scores
        if self.kl is not None:
            gap = np.where(rollouts.mask > 0, rollouts.logprobs - rollouts.reference, 0.0)
            rewards[..., -1] -= weight * (gap.clip(min=0.0) if self.clamp_kl else gap)
        mask = np.repeat((rollouts.mask * rollouts.known[:, None])[..., None], values.shape[-1], 2)
        if self.whiten_rewards:
            heads = range(values.shape[-1])
            rewards = np.stack([centred(rewards[..., h], mask[..., h], shift=False) for h in heads], -1)
        found, targets = token_gae(rewards, values, rollouts.drawn.lengths, gamma=self.gamma, lam=self.lam)
        if self.whiten == "batch" and (self.whiten_heads or self.heads == 1):
            found = np.stack([centred(found[..., h], mask[..., h]) for h in range(found.shape[-1])], -1)
        return found * mask, targets

    def _lead(self, advantages: Floats, some: Rollouts, numbers: dict[str, float]) -> tuple[Floats, dict[str, float]]:
        """The mixed advantages (b, A) of a minibatch, whitened as set, and the numbers to carry on."""
        if self.whiten == "minibatch" and self.whiten_heads:
            heads = range(advantages.shape[-1])
            advantages = np.stack([centred(advantages[..., h], some.mask) for h in heads], -1)
        mixed, after = self.mixed(advantages, some, numbers)
        late = self.whiten == "minibatch" or (self.whiten == "batch" and self.heads > 1)
        return (centred(mixed, some.mask) if late and not self.whiten_heads else mixed), dict(after)

    # ---- losses ------------------------------------------------------------------------------------------------------

    def _policy_loss(self, advantages: Floats, some: Rollouts, figures: Figures) -> Objective:
        count = distributed.total(float(some.mask.sum()))
        figures |= {"clipped": 0.0, "moved": 0.0}
        actions = some.packed.actions()

        def loss(values: Any, mask: Any, which: list[int]) -> Any:
            logs = values if self.entropy <= 0 else picked(values, actions, which)
            old, lead = fitted(some.logprobs, which, logs), fitted(advantages, which, logs)
            change = (logs.detach() - old) * mask
            outside = ((change.exp() - 1).abs() > self.clip) * mask
            figures["clipped"] += float(outside.sum()) / max(count, 1.0)
            figures["moved"] += float(((change.exp() - 1 - change) * mask).sum()) / max(count, 1.0)
            total = -(clipped_surrogate(logs, old, lead, low=self.clip, high=self.clip) * mask).sum()
            if self.entropy > 0:
                total = total + self.entropy * ((values.exp() * values).sum(-1) * mask).sum()
            return total / max(count, 1.0)

        return loss

    def _value_loss(self, targets: Floats, old: Floats, some: Rollouts) -> Objective:
        import torch

        count = distributed.total(float(some.mask.sum()))
        weights = self.value if isinstance(self.value, tuple) else (self.value,) * self.heads

        def loss(values: Any, mask: Any, which: list[int]) -> Any:
            wanted, before = fitted(targets, which, values), fitted(old, which, values)
            errors = squared_errors(values, wanted, old=before, clip=self.value_clip)
            weighed = (errors * torch.tensor(weights, dtype=errors.dtype, device=errors.device)).sum(-1)
            return 0.5 * (weighed * mask).sum() / max(count, 1.0)

        return loss

    # ---- figures and the penalty's weight ----------------------------------------------------------------------------

    def _told(self, values: Floats, targets: Floats, rollouts: Rollouts) -> Figures:
        mask = rollouts.mask * rollouts.known[:, None]
        found = {}
        for h in range(self.heads):
            share = explained(values[..., h], targets[..., h], mask)
            if share is not None:
                found["explained" if self.heads == 1 else f"explained_{h}"] = share
        return found

    def _steer(self, rollouts: Rollouts, numbers: dict[str, float], figures: Figures) -> None:
        if self.kl is None:
            return
        tokens = float(rollouts.mask.sum())
        total, answers, count = distributed.totals([float(rollouts.kl().sum()), len(rollouts), tokens])
        mean = total / max(answers if self.kl.unit == "answer" else count, 1.0)
        figures[WEIGHT] = numbers[WEIGHT]
        numbers[WEIGHT] = self.kl.following(numbers[WEIGHT], mean, int(answers))


def token_gae(
    rewards: Floats, values: Floats, lengths: Sequence[int] | Any, *, gamma: float, lam: float
) -> tuple[Floats, Floats]:
    """Generalised advantages of answers (arXiv 1506.02438): each ends with its last token.

    Args:
        rewards: (n, A, H), of each token.
        values: (n, A, H), before each token.
        lengths: (n,) tokens of each answer.
        gamma: discount per token.
        lam: the trade of bias for variance.

    Returns:
        Advantages and targets of the values, (n, A, H) each; 0 at padding.

    >>> one = np.ones((1, 3, 1))
    >>> token_gae(one, 0 * one, [2], gamma=1.0, lam=1.0)[0].ravel().tolist()
    [2.0, 1.0, 0.0]
    """
    n, most, heads = rewards.shape

    def steps(array: Any) -> Any:
        return array.transpose(1, 0, 2).reshape(most, n * heads)

    at = np.arange(most)
    long = np.asarray(lengths)[:, None]
    there = np.broadcast_to((at < long)[..., None], rewards.shape)
    over = np.broadcast_to((at == long - 1)[..., None], rewards.shape)
    following = np.concatenate([values[:, 1:], np.zeros((n, 1, heads))], 1)
    lines = (steps(each) for each in (rewards, values, following, over, np.zeros(rewards.shape, bool)))
    found = gae(*lines, gamma=gamma, lam=lam, mask=steps(there))
    advantages, targets = (each.reshape(most, n, heads).transpose(1, 0, 2).astype(np.float64) for each in found)
    return advantages, targets


def picked(values: Any, actions: Any, which: Sequence[int]) -> Any:
    """Log-probabilities `(b, A)` of actions (n, A) out of those of all tokens `(b, A, V)`."""
    import torch

    wanted = torch.tensor(actions[np.asarray(which)][:, : values.shape[1]], device=values.device)
    return values.gather(-1, wanted[..., None])[..., 0]


def _wide(values: Floats, rollouts: Rollouts) -> Floats:
    """Values (n, A', H) padded to the tokens of the rollouts' other arrays."""
    return np.pad(values, ((0, 0), (0, rollouts.mask.shape[1] - values.shape[1]), (0, 0)))
