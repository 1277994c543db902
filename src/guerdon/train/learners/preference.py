"""Learning from pairs of answers without a reward model: DPO and its relatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from guerdon.core.errors import ConfigError
from guerdon.train import distributed, preference_losses
from guerdon.train.learners.base import Figures, Floats, Learner, Objective, averaged, demand_reference, parts
from guerdon.train.learners.imitation import best_of_groups
from guerdon.train.policy import Packed, Policy, Snapshot, Tokens, portions
from guerdon.train.rollouts import Rollouts
from guerdon.train.state import State

if TYPE_CHECKING:
    from guerdon.core.rng import Rng


@dataclass(frozen=True, kw_only=True)
class DPO(Learner):
    """Direct preference optimisation (arXiv 2305.18290) and relatives; see `guerdon.train.preference_losses`.

    Args:
        beta: how dear it is to leave the reference.
        kind: "sigmoid" (DPO; cDPO with smoothing), "robust", "ipo" (log-probabilities per token), or "hinge" (SLiC).
        smoothing: share of labels that is taken to be wrong.
        reference_free: take the reference's log-probabilities as 0.
        epochs: times through the pairs.
        batch: pairs of a step.
    """

    lr: float = 1e-6
    beta: float = 0.1
    kind: Literal["sigmoid", "robust", "ipo", "hinge"] = "sigmoid"
    smoothing: float = 0.0
    reference_free: bool = False
    epochs: int = 2
    batch: int = 64

    @property
    def needs_reference(self) -> bool:
        """Unless it is taken as 0."""
        return not self.reference_free

    def fit(
        self,
        policy: Policy,
        snapshot: Snapshot,
        chosen: Sequence[Tokens] | Packed,
        rejected: Sequence[Tokens] | Packed,
        rng: Rng,
    ) -> tuple[Snapshot, Figures]:
        """Learn from pairs.

        Args:
            policy: holds the weights meanwhile.
            snapshot: where to start.
            chosen: n rows that were preferred.
            rejected: n rows that were not.
            rng: shuffles.

        Returns:
            The new snapshot, and mean figures of the steps: `accuracy` is the share of pairs with a margin above 0.
        """
        if len(chosen) != len(rejected):
            got = f"got {len(chosen)} and {len(rejected)}"
            raise ConfigError("as many chosen rows as rejected ones", got, "Give them in pairs")
        if self.needs_reference:
            demand_reference(policy, "DPO")
        both, n = joined(Packed.of(chosen), Packed.of(rejected)), len(chosen)
        base = np.zeros(2 * n) if self.reference_free else self._sums(policy, both, base=True)
        done: list[Figures] = []
        with policy.learning(snapshot, self.adam()) as actor:
            for which in parts(n, self.batch, self.epochs, rng):
                pair = np.concatenate([which, which + n])
                figures: Figures = {}
                loss = self._loss(policy, both.take(pair), base[pair], figures)
                done.append({**actor.step(both.take(pair), loss, lr=self.rate(actor.steps)), **figures})
            return actor.snapshot(), averaged(done)

    def update(self, policy: Policy, state: State, rollouts: Rollouts, rng: Rng) -> tuple[State, Figures]:
        """Learn from the best and the worst answer of each group, where they differ; see `Learner.update`."""
        scores = rollouts.scores.sum(1)
        best, worst = (best_of_groups(sign * scores, rollouts.group) for sign in (1.0, -1.0))
        some = scores[best] > scores[worst]
        chosen, rejected = (rollouts.packed.take(each[some]) for each in (best, worst))
        snapshot, figures = self.fit(policy, state.policy, chosen, rejected, rng)
        return state.with_policy(snapshot), {**figures, "pairs": float(some.sum())}

    def loss(self, margin: Any) -> Any:
        """The loss of each pair from its margin `(n,)`."""
        if self.kind == "ipo":
            return preference_losses.ipo_loss(margin, beta=self.beta)
        if self.kind == "hinge":
            return preference_losses.slic_loss(margin, beta=self.beta)
        of = preference_losses.robust_dpo_loss if self.kind == "robust" else preference_losses.dpo_loss
        return of(margin, beta=self.beta, smoothing=self.smoothing)

    def _weights(self, packed: Packed) -> Floats:
        """(n, A) by which log-probabilities of tokens are summed: 1, or one over the length for IPO."""
        marks = packed.chosen.astype(np.float64)
        return marks / np.maximum(marks.sum(1, keepdims=True), 1.0) if self.kind == "ipo" else marks

    def _sums(self, policy: Policy, packed: Packed, *, base: bool = False) -> Floats:
        found: Floats = (policy.packed_logprobs(packed, base=base) * self._weights(packed)).sum(1)
        return found

    def _loss(self, policy: Policy, packed: Packed, base: Floats, figures: Figures) -> Objective:
        """The mean over pairs, whose first half of rows was chosen; also where micro-batches part the pairs.

        There the loss is linear in the log-probabilities, with the coefficients that its gradient has now.
        """
        import torch

        n = len(packed) // 2
        pairs = max(distributed.total(n), 1.0)
        weights = self._weights(packed)

        def of(sums: Any) -> Any:
            far = sums - torch.tensor(base, dtype=sums.dtype, device=sums.device)
            margin = far[:n] - far[n:]
            figures["accuracy"] = float((margin > 0).float().mean())
            figures["margin"] = float(margin.detach().mean())
            return self.loss(margin).sum() / pairs

        whole = len(portions(packed.lengths, policy.most_tokens)) == 1
        now = torch.tensor(np.zeros(2 * n) if whole else self._sums(policy, packed)).requires_grad_()
        value = of(now)
        (slope,) = torch.autograd.grad(value, now)

        def loss(values: Any, mask: Any, which: list[int]) -> Any:
            by = torch.tensor(weights[which][:, : values.shape[1]], dtype=values.dtype, device=values.device)
            sums = (values * by).sum(1)
            if whole:
                return of(sums[torch.tensor(np.argsort(which), device=sums.device)])
            here = slope[which].to(sums)
            return (here * (sums - now.detach()[which].to(sums))).sum() + float(value) * len(which) / (2 * n)

        return loss


def joined(one: Packed, two: Packed) -> Packed:
    """The rows of both, one after the other."""

    def wide(name: str) -> Any:
        arrays = [getattr(each, name) for each in (one, two)]
        most = max(each.shape[1] for each in arrays)
        return np.concatenate([np.pad(each, ((0, 0), (0, most - each.shape[1]))) for each in arrays])

    starts, counts = (np.concatenate([getattr(each, name) for each in (one, two)]) for name in ("starts", "counts"))
    return Packed(wide("ids"), starts, counts, wide("chosen"))
