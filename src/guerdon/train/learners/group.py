"""Learners whose baseline is the other answers to the same prompt: RLOO and GRPO with its variants."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.train import distributed
from guerdon.train.kl import kl_estimates
from guerdon.train.learners.base import Figures, Floats, Learner, Objective, averaged, demand_reference, fitted, parts
from guerdon.train.losses import clipped_surrogate
from guerdon.train.policy import Policy
from guerdon.train.rollouts import Rollouts
from guerdon.train.state import State

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Scale: TypeAlias = Literal["group", "batch", "none"]
Aggregate: TypeAlias = Literal["sequence", "token", "constant"]


def relative_advantages(
    scores: npt.ArrayLike, group: int, *, scale: Scale = "group", eps: float = 1e-4
) -> npt.NDArray[np.float64]:
    """Each score minus the mean of its group, perhaps divided by a standard deviation (arXiv 2402.03300).

    Dr. GRPO (arXiv 2503.20783) divides by nothing. Unknown scores have no part in means and deviations.

    Args:
        scores: (n,), groups side by side; nan where unknown.
        group: scores of a group.
        scale: divide by the sd of the group, of the whole batch, or not; sd with n - 1.
        eps: added to the sd.

    Returns:
        (n,) advantages, 0 where the score is unknown or the group has fewer than two known ones.

    >>> relative_advantages([1.0, 3.0, 5.0, float("nan")], 2, scale="none").tolist()
    [-1.0, 1.0, 0.0, 0.0]
    """
    table, known = _groups(scores, group)
    counts = known.sum(1, keepdims=True)
    means = np.where(known, table, 0.0).sum(1, keepdims=True) / np.maximum(counts, 1)
    gaps = np.where(known & (counts > 1), table - means, 0.0)
    if scale == "group":
        spread = np.sqrt((gaps**2).sum(1, keepdims=True) / np.maximum(counts - 1, 1))
    elif scale == "batch":
        spread = np.full((1, 1), _batch_sd(table[known]))
    else:
        return np.asarray(gaps.reshape(-1))
    return np.asarray((gaps / (spread + eps)).reshape(-1))


def left_out_advantages(scores: npt.ArrayLike, group: int) -> npt.NDArray[np.float64]:
    """Each score minus the mean of the others in its group (arXiv 2402.14740).

    Args:
        scores: (n,), groups side by side; nan where unknown.
        group: scores of a group.

    Returns:
        (n,) advantages, 0 where the score is unknown or no other is known.

    >>> left_out_advantages([1.0, 2.0, 6.0], 3).tolist()
    [-3.0, -1.5, 4.5]
    """
    table, known = _groups(scores, group)
    counts = known.sum(1, keepdims=True)
    totals = np.where(known, table, 0.0).sum(1, keepdims=True)
    others = (totals - np.where(known, table, 0.0)) / np.maximum(counts - 1, 1)
    return np.where(known & (counts > 1), table - others, 0.0).reshape(-1)


def _groups(scores: npt.ArrayLike, group: int) -> tuple[Floats, npt.NDArray[np.bool_]]:
    line = np.asarray(scores, np.float64)
    if line.ndim != 1 or group < 1 or len(line) % group:
        got = f"got shape {line.shape} in groups of {group}"
        raise ConfigError("scores (n,), n a multiple of the group", got, "Draw whole groups")
    table = line.reshape(-1, group)
    return table, np.isfinite(table)


def _batch_sd(some: Floats) -> float:
    count, total = distributed.totals([len(some), some.sum()])
    mean = total / max(count, 1.0)
    return float(np.sqrt(distributed.total(float(((some - mean) ** 2).sum())) / max(count - 1, 1.0)))


@dataclass(frozen=True, kw_only=True)
class GroupLearner(Learner):
    """What RLOO and GRPO share: epochs of clipped steps with one advantage for each answer.

    Args:
        epochs: times through the answers of an iteration.
        minibatch: answers of a step; `None` takes all.
        clip: how far the ratio of probabilities may go below 1.
        clip_high: how far above; by default as far ("clip-higher" of DAPO, arXiv 2503.14476, is 0.28).
        beta: weight of the divergence from the reference.
        weights: of the components of the score, which are summed; by default 1 each.
        mask_truncated: leave out answers that did not come to their end.
    """

    epochs: int = 1
    minibatch: int | None = None
    clip: float = 0.2
    clip_high: float | None = None
    beta: float = 0.0
    weights: tuple[float, ...] | None = None
    mask_truncated: bool = False

    @property
    def needs_reference(self) -> bool:
        """With a weight on the divergence."""
        return self.beta > 0

    def summed(self, rollouts: Rollouts) -> Floats:
        """(n,) the components of each score, weighed and summed; nan where one is unknown."""
        weights = np.ones(rollouts.scores.shape[1]) if self.weights is None else np.asarray(self.weights)
        if len(weights) != rollouts.scores.shape[1]:
            got = f"got {len(weights)} for {rollouts.scores.shape[1]}"
            raise ConfigError("a weight for each component", got, "Give as many as the score has")
        return np.asarray(rollouts.scores @ weights)

    def advantages(self, rollouts: Rollouts) -> Floats:
        """(n,) the advantage of each answer."""
        raise NotImplementedError

    def objective(self, advantages: Floats, some: Rollouts) -> tuple[Objective, Figures]:
        """The loss of a minibatch, and figures that it fills."""
        raise NotImplementedError

    def update(self, policy: Policy, state: State, rollouts: Rollouts, rng: Rng) -> tuple[State, Figures]:
        """Steps on an iteration's answers; see `Learner.update`."""
        if self.needs_reference:
            demand_reference(policy, "a penalty on the divergence")
        advantages = self.advantages(rollouts)
        counted = rollouts.known & (rollouts.ended | (not self.mask_truncated))
        done: list[Figures] = []
        with policy.learning(state.policy, self.adam()) as actor:
            for which in parts(len(rollouts), self.minibatch, self.epochs, rng):
                which = which[counted[which]]
                if not distributed.total(len(which)):
                    continue
                some = rollouts.take(which)
                loss, figures = self.objective(advantages[which], some)
                made = actor.step(some.packed, loss, lr=self.rate(actor.steps))
                done.append({**made, **figures})
            found = averaged(done) | {"flat": _flat(self.summed(rollouts), rollouts.group)}
            return replace(state, policy=actor.snapshot()), found

    @property
    def high(self) -> float:
        """How far the ratio may go above 1."""
        return self.clip if self.clip_high is None else self.clip_high


def _flat(scores: Floats, group: int) -> float:
    """Share of groups whose known scores are all equal: they teach nothing."""
    table, known = _groups(scores, group)
    low = np.where(known, table, np.inf).min(1)
    high = np.where(known, table, -np.inf).max(1)
    return float((high <= low).mean())


@dataclass(frozen=True, kw_only=True)
class GRPO(GroupLearner):
    """Group-relative policy optimisation (arXiv 2402.03300), with the options of its successors as fields.

        A = (r - mean of group) / sd of group
        loss = mean of -min(ratio A, clip(ratio) A) + beta (pi_ref/pi - 1 - log pi_ref/pi) over tokens

    Dr. GRPO (arXiv 2503.20783): `scale="none", aggregate="constant"`. DAPO (arXiv 2503.14476): `aggregate="token",
    clip_high=0.28`. GSPO (arXiv 2507.18071): `importance="sequence"`.

    Args:
        scale: what advantages are divided by; see `relative_advantages`.
        aggregate: "sequence" is the mean over answers of the mean over their tokens; "token" the mean over all
            tokens; "constant" the sum over tokens by answers times the longest that an answer may be.
        importance: a ratio for each token, or the geometric mean of those of the answer.
        sd_eps: added to the sd.
        unbiased_kl: multiply the divergence by the ratio, so that its gradient is that of KL(pi ‖ pi_ref)
            (DeepSeek-V3.2, arXiv 2512.02556; and TRL 1.16 unless told otherwise).
        on_policy: take ratios as 1, whatever log-probabilities were noted when the answers were drawn; for a single
            step on answers of the present policy, where those differ by rounding only.
    """

    scale: Scale = "group"
    aggregate: Aggregate = "sequence"
    importance: Literal["token", "sequence"] = "token"
    sd_eps: float = 1e-4
    unbiased_kl: bool = False
    on_policy: bool = False

    def __post_init__(self) -> None:
        if self.on_policy and (self.epochs > 1 or self.minibatch is not None):
            got = f"got {self.epochs} epochs and minibatch {self.minibatch}"
            raise ConfigError("a single step is on policy", got, "Set on_policy=False")

    def advantages(self, rollouts: Rollouts) -> Floats:
        """(n,) scores relative to their groups."""
        return relative_advantages(self.summed(rollouts), rollouts.group, scale=self.scale, eps=self.sd_eps)

    def objective(self, advantages: Floats, some: Rollouts) -> tuple[Objective, Figures]:
        """The loss of a minibatch, and figures that it fills."""
        figures = {"clipped": 0.0}
        weights, tokens = self._token_weights(some)

        def loss(values: Any, mask: Any, which: list[int]) -> Any:
            old = values.detach() if self.on_policy else fitted(some.logprobs, which, values)
            weight = fitted(weights, which, values)
            lead = fitted(advantages[:, None], which, values[:, :1])
            now = self._ratios(values, old, mask)
            ratio = (now - old).detach().exp()
            outside = ((ratio < 1 - self.clip) & (lead < 0)) | ((ratio > 1 + self.high) & (lead > 0))
            figures["clipped"] += float((outside * mask).sum()) / tokens
            each = -clipped_surrogate(now, old, lead, low=self.clip, high=self.high)
            if self.beta:
                far = kl_estimates(values, fitted(some.reference, which, values))["k3"]
                each = each + self.beta * (far * (now - old).exp() if self.unbiased_kl else far)
            return (each * mask * weight).sum()

        return loss, figures

    def _ratios(self, values: Any, old: Any, mask: Any) -> Any:
        """Log-probabilities whose distance from the old ones is the logarithm of the ratio that is clipped."""
        if self.importance == "token":
            return values
        mean = ((values - old) * mask).sum(1, keepdim=True) / mask.sum(1, keepdim=True).clamp(min=1.0)
        return old + mean

    def _token_weights(self, some: Rollouts) -> tuple[Floats, float]:
        """What each token counts, (b, 1); and the number of tokens."""
        lengths = some.mask.sum(1, keepdims=True)
        answers, tokens = distributed.totals([len(some), float(lengths.sum())])
        if self.aggregate == "sequence":
            return 1.0 / (np.maximum(lengths, 1.0) * max(answers, 1.0)), max(tokens, 1.0)
        by = tokens if self.aggregate == "token" else answers * some.mask.shape[1]
        return np.full(lengths.shape, 1.0 / max(by, 1.0)), max(tokens, 1.0)


@dataclass(frozen=True, kw_only=True)
class RLOO(GroupLearner):
    """REINFORCE with the mean of the other answers as baseline (arXiv 2402.14740).

        r = score - beta (log pi - log pi_ref) of the whole answer;  A = r - mean of the others in the group
        loss = mean over answers of -min(ratio A, clip(ratio) A), the ratio being that of the whole answer

    With one epoch and one minibatch the ratio is 1 and this is the plain policy gradient.

    Args:
        standardise: divide advantages by their sd over the batch.
    """

    standardise: bool = False

    def advantages(self, rollouts: Rollouts) -> Floats:
        """(n,) scores less the penalty, relative to the others of their groups."""
        scores = self.summed(rollouts)
        if self.beta:
            scores = scores - self.beta * rollouts.kl()
        found = left_out_advantages(scores, rollouts.group)
        if not self.standardise:
            return found
        known = rollouts.known
        mean = distributed.total(float(found[known].sum())) / max(distributed.total(float(known.sum())), 1.0)
        return np.where(known, (found - mean) / (_batch_sd(found[known]) + 1e-4), 0.0)

    def objective(self, advantages: Floats, some: Rollouts) -> tuple[Objective, Figures]:
        """The loss of a minibatch, and figures that it fills."""
        figures = {"clipped": 0.0}
        answers = max(distributed.total(len(some)), 1.0)

        def loss(values: Any, mask: Any, which: list[int]) -> Any:
            old, lead = fitted(some.logprobs, which, values), fitted(advantages[:, None], which, values[:, :1])[:, 0]
            now, then = (values * mask).sum(1), (old * mask).sum(1)
            ratio = (now - then).detach().exp()
            outside = ((ratio < 1 - self.clip) & (lead < 0)) | ((ratio > 1 + self.high) & (lead > 0))
            figures["clipped"] += float(outside.sum()) / answers
            return -clipped_surrogate(now, then, lead, low=self.clip, high=self.high).sum() / answers

        return loss, figures
