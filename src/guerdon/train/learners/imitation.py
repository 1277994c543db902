"""Learners that imitate some of the answers: demonstrations, the best of many, all of them by how good they were."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.train import distributed
from guerdon.train.learners.base import Figures, Ints, Learner, Objective, averaged, demand_reference, parts
from guerdon.train.learners.ppo import picked
from guerdon.train.policy import Packed, Policy, Snapshot, Tokens
from guerdon.train.rollouts import Prompts, Rollouts, Sampling, Score, collect
from guerdon.train.sampling import Drawn
from guerdon.train.state import State

if TYPE_CHECKING:
    from guerdon.core.rng import Rng


@dataclass(frozen=True, kw_only=True)
class SFT(Learner):
    """Supervised learning: the mean of -log pi over the answers' tokens.

    Args:
        epochs: times through the rows.
        batch: rows of a step.
        schedule: "cosine" lets the step size fall to 0 by half a cosine after the warm-up.
    """

    lr: float = 2e-5
    epochs: int = 3
    batch: int = 64
    schedule: Literal["cosine", "constant"] = "cosine"

    def fit(
        self, policy: Policy, snapshot: Snapshot, rows: Sequence[Tokens] | Packed, rng: Rng
    ) -> tuple[Snapshot, Figures]:
        """Learn from rows.

        Args:
            policy: holds the weights meanwhile.
            snapshot: where to start.
            rows: demonstrations.
            rng: shuffles.

        Returns:
            The new snapshot, and mean figures of the steps.
        """
        packed, done = Packed.of(rows), []
        share = max(self.batch // distributed.place()[1], 1)
        steps = max(self.epochs * math.ceil(distributed.most(len(packed)) / share), 1)
        with policy.learning(snapshot, self.adam()) as actor:
            for k, which in enumerate(parts(len(packed), self.batch, self.epochs, rng)):
                some = packed.take(which)
                done.append(actor.step(some, token_loss(some), lr=self.rate(k) * self._fallen(k, steps)))
            return actor.snapshot(), averaged(done)

    def update(self, policy: Policy, state: State, rollouts: Rollouts, rng: Rng) -> tuple[State, Figures]:
        """Imitate all answers whose score is known, whatever it is; see `Learner.update`."""
        snapshot, figures = self.fit(policy, state.policy, rollouts.packed.take(np.flatnonzero(rollouts.known)), rng)
        return state.with_policy(snapshot), figures

    def _fallen(self, step: int, steps: int) -> float:
        if self.schedule == "constant":
            return 1.0
        return 0.5 * (1.0 + math.cos(math.pi * max(step - self.warmup, 0) / max(steps - self.warmup, 1)))


def token_loss(packed: Packed) -> Objective:
    """The mean of -log pi over the chosen tokens of these rows."""
    count = max(distributed.total(float(packed.chosen.sum())), 1.0)
    return lambda values, mask, which: -(values * mask).sum() / count


@dataclass(frozen=True, kw_only=True)
class BestOfN:
    """The best of n answers to each prompt by the score: no training.

    Args:
        n: answers to choose from.
    """

    n: int = 16

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ConfigError("n is at least 1", f"got {self.n}", "Use 16")

    def answers(self, policy: Policy, prompts: Prompts, score: Score, sampling: Sampling, rng: Rng) -> Rollouts:
        """One answer to each prompt, by the weights that are loaded.

        Args:
            policy: draws them.
            prompts: one for each answer that is wanted.
            score: chooses; answers of unknown score are never chosen where another is known.
            sampling: how to draw; its group does not matter.
            rng: draws.
        """
        asked = repeated(prompts, self.n)
        made = collect(policy, asked, score, replace(sampling, group=self.n), rng, reference=False)
        return made.take(best_of_groups(made.scores.sum(1), self.n))


def best_of_groups(scores: npt.ArrayLike, group: int) -> Ints:
    """Positions of the best known score of each group; of the first where none is known.

    >>> best_of_groups([1.0, 3.0, float("nan"), 2.0], 2).tolist()
    [1, 3]
    """
    table = np.asarray(scores, np.float64).reshape(-1, group)
    best = np.where(np.isfinite(table), table, -np.inf).argmax(1)
    return np.asarray(best + group * np.arange(len(table)), np.int64)


def repeated(prompts: Prompts, times: int) -> Any:
    """Each prompt so many times, side by side."""
    if isinstance(prompts, np.ndarray):
        return prompts.repeat(times, 0)
    return [each for each in prompts for _ in range(times)]


@dataclass(frozen=True, kw_only=True)
class ExpertIteration(SFT):
    """Best-of-n as a teacher: imitate the best answer of each group.

    Args:
        restart: learn from the policy as it was before any training, as AlpacaFarm does, not from the last one.
    """

    restart: bool = False

    def update(self, policy: Policy, state: State, rollouts: Rollouts, rng: Rng) -> tuple[State, Figures]:
        """Imitate the best of each group; see `Learner.update`."""
        best = best_of_groups(rollouts.scores.sum(1), rollouts.group)
        best = best[rollouts.known[best]]
        start = policy.start() if self.restart else Snapshot(state.policy.weights)
        snapshot, figures = self.fit(policy, start, rollouts.packed.take(best), rng)
        kept = float(rollouts.scores[best].sum(1).mean()) if len(best) else float("nan")
        return state.with_policy(snapshot), figures | ({"best": kept} if len(best) else {})


@dataclass(frozen=True, kw_only=True)
class RewardConditioning(SFT):
    """Imitate good and bad answers alike, each behind a token that says which it is; then ask for good ones.

    Args:
        tokens: ids of the good and of the bad token; the policy's vocabulary has room for them.
    """

    tokens: tuple[int, int] = (-1, -1)

    def __post_init__(self) -> None:
        if min(self.tokens) < 0 or len(set(self.tokens)) != 2:
            raise ConfigError("two ids of the vocabulary", f"got {self.tokens}", "Give RewardConditioning(tokens=...)")

    def asked(self, prompts: Any, state: State | None = None) -> Any:
        """Prompts behind the good token."""
        return told(prompts, [self.tokens[0]] * len(prompts))

    def rows(self, prompts: Prompts, drawn: Drawn, good: npt.ArrayLike) -> list[Tokens]:
        """Rows to learn from.

        Args:
            prompts: n of them.
            drawn: n answers.
            good: (n,) which are good.
        """
        marks = [self.tokens[0] if each else self.tokens[1] for each in np.asarray(good, bool).tolist()]
        return drawn.tokens(told(prompts, marks))

    def update(self, policy: Policy, state: State, rollouts: Rollouts, rng: Rng) -> tuple[State, Figures]:
        """Imitate all answers, those above the median as good ones; see `Learner.update`."""
        some = rollouts.take(rollouts.known)
        scores = some.scores.sum(1)
        rows = self.rows(some.prompts, some.drawn, scores > np.median(scores)) if len(some) else []
        snapshot, figures = self.fit(policy, state.policy, rows, rng)
        return state.with_policy(snapshot), figures


def told(prompts: Prompts, tokens: Sequence[int]) -> Any:
    """Prompts, each behind a control token of its own.

    >>> told([[5], [6, 7]], [1, 2])
    [[1, 5], [2, 6, 7]]
    """
    if isinstance(prompts, np.ndarray):
        return np.concatenate([np.asarray(tokens, np.int64)[:, None], prompts], 1)
    return [[int(token), *prompt] for token, prompt in zip(tokens, prompts, strict=True)]


@dataclass(frozen=True, kw_only=True)
class Quark(Learner):
    """Quark (arXiv 2205.13636): sort answers into quantiles by score, and imitate each behind its quantile's token.

        loss per token = -log pi + kl KL(pi ‖ pi_ref) - entropy H

    The divergence is over the whole vocabulary without the control tokens. As in AlpacaFarm the pool is that of the
    last iteration, one step is taken on it, and with `best_only` (its default) only the best quantile is imitated,
    without any token.

    Args:
        quantiles: parts of the pool.
        best_only: imitate the best part alone, without tokens.
        tokens: ids of the quantiles' tokens, best first; needed unless `best_only`.
        kl: weight of the divergence.
        entropy: weight of the entropy.
        minibatch: answers of a step; `None` takes all.
        epochs: times through them.
    """

    lr: float = 3e-6
    quantiles: int = 4
    best_only: bool = True
    tokens: tuple[int, ...] = ()
    kl: float = 0.05
    entropy: float = 0.0
    minibatch: int | None = None
    epochs: int = 1

    def __post_init__(self) -> None:
        if not self.best_only and len(self.tokens) != self.quantiles:
            got = f"got {len(self.tokens)} for {self.quantiles}"
            raise ConfigError("a token for each quantile", got, "Give Quark(tokens=...), or best_only")

    @property
    def needs_reference(self) -> bool:
        """With a weight on the divergence."""
        return self.kl > 0

    def asked(self, prompts: Any, state: State) -> Any:
        """Prompts behind the best token, once there was an iteration."""
        return prompts if self.best_only or not state.iteration else told(prompts, [self.tokens[0]] * len(prompts))

    def quantile(self, scores: npt.ArrayLike) -> Ints:
        """(n,) the quantile of each of n finite scores, 0 for the best; equal parts up to rounding."""
        order = np.argsort(-np.asarray(scores), kind="stable")
        found = np.empty(len(order), np.int64)
        found[order] = np.arange(len(order)) * self.quantiles // max(len(order), 1)
        return found

    def update(self, policy: Policy, state: State, rollouts: Rollouts, rng: Rng) -> tuple[State, Figures]:
        """One iteration on an iteration's answers; see `Learner.update`."""
        if self.kl > 0:
            demand_reference(policy, "Quark's divergence")
        some = rollouts.take(rollouts.known)
        part = self.quantile(some.scores.sum(1))
        if self.best_only:
            some = some.take(part == 0)
        plain = Packed.of(some.drawn.tokens(some.prompts))
        marks = [] if self.best_only else [self.tokens[k] for k in part.tolist()]
        rows = plain if self.best_only else Packed.of(some.drawn.tokens(told(some.prompts, marks)))
        done = []
        with policy.learning(state.policy, self.adam()) as actor:
            for which in parts(len(rows), self.minibatch, self.epochs, rng):
                figures: Figures = {}
                loss = self._loss(policy, rows.take(which), plain.take(which), figures)
                made = actor.step(rows.take(which), loss, lr=self.rate(actor.steps), full=True)
                done.append({**made, **figures})
            return replace(state, policy=actor.snapshot()), averaged(done)

    def _loss(self, policy: Policy, rows: Packed, plain: Packed, figures: Figures) -> Objective:
        import torch

        count = max(distributed.total(float(rows.chosen.sum())), 1.0)
        base = policy.packed_logprobs(plain, base=True, full=True) if self.kl > 0 else None
        actions = rows.actions()
        figures["divergence"] = 0.0

        def loss(values: Any, mask: Any, which: list[int]) -> Any:
            total = -picked(values, actions, which)
            if self.entropy:
                total = total + self.entropy * (values.exp() * values).sum(-1)
            if base is not None:
                there = torch.tensor(base[np.asarray(which)][:, : values.shape[1]], device=values.device)
                far = full_kl(values, there, self.tokens)
                figures["divergence"] += float((far.detach() * mask).sum()) / count
                total = total + self.kl * far
            return (total * mask).sum() / count

        return loss


def full_kl(logs: Any, reference: Any, without: Sequence[int] = ()) -> Any:
    """KL(pi ‖ pi_ref) of each distribution, in nats.

    Args:
        logs: `(..., V)` log-probabilities.
        reference: `(..., V)` of the reference.
        without: ids that are left out of both distributions, which are then normalised again.
    """
    import torch

    if without:
        kept = [k for k in range(logs.shape[-1]) if k not in set(without)]
        at = torch.tensor(kept, device=logs.device)
        logs, reference = (each.index_select(-1, at).log_softmax(-1) for each in (logs, reference))
    return (logs.exp() * (logs - reference)).sum(-1)
