"""Answers of a policy with what is known about them: what every learner learns from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError, RewardError
from guerdon.train.policy import Packed, Policy, Tokens
from guerdon.train.sampling import Drawn, sample

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Floats: TypeAlias = npt.NDArray[np.float64]
Prompts: TypeAlias = Sequence[Sequence[int]] | npt.NDArray[np.int64]
Score: TypeAlias = Callable[[Any, Drawn], Any]
"""Scores `(n,)` or `(n, C)` of n prompts with an answer each; nan or `None` where a score is unknown."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How answers are drawn.

    Args:
        most: tokens of an answer at most, the end included.
        end: the id that ends an answer.
        pad: the id that follows it.
        temperature: logits are divided by it.
        top_p: only the likeliest tokens whose probabilities reach this sum are drawn.
        group: answers to each prompt, one after the other.
    """

    most: int
    end: int = 1
    pad: int = 0
    temperature: float = 1.0
    top_p: float = 1.0
    group: int = 1

    def __post_init__(self) -> None:
        if self.group < 1 or self.most < 1:
            got = f"got {self.most} and {self.group}"
            raise ConfigError("at least one token and one answer to a prompt", got, "Raise them")


@dataclass(frozen=True, eq=False)
class Rollouts:
    """n answers, those to one prompt side by side.

    Args:
        prompts: n prompts as they were given; each stands there once for each of its answers.
        drawn: the answers.
        rows: prompts as they were asked (a learner may have put control tokens before them), and answers.
        scores: (n, C) scores of C components; nan where unknown.
        logprobs: (n, A) of each token when it was drawn, in nats at temperature 1; 0 at padding.
        reference: (n, A) by the reference; nan throughout where there is none.
        group: answers to each prompt.
        end: the id that ends an answer.
    """

    prompts: Any
    drawn: Drawn
    rows: Sequence[Tokens]
    scores: Floats
    logprobs: Floats
    reference: Floats
    group: int = 1
    end: int = 1

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def packed(self) -> Packed:
        """The rows as arrays."""
        return Packed.of(self.rows)

    @cached_property
    def mask(self) -> Floats:
        """(n, A) 1 at tokens that the policy chose, 0 at forced ones and at padding."""
        found = np.zeros(self.drawn.ids.shape)
        found[:, : self.packed.chosen.shape[1]] = self.packed.chosen
        return found

    @cached_property
    def known(self) -> npt.NDArray[np.bool_]:
        """(n,) whether all scores of an answer are known; the others teach nothing."""
        return np.asarray(np.isfinite(self.scores).all(1))

    @cached_property
    def ended(self) -> npt.NDArray[np.bool_]:
        """(n,) whether an answer came to its end, rather than to the limit of its length."""
        return np.array(self.drawn.ids[np.arange(len(self)), self.drawn.lengths - 1] == self.end)

    def take(self, which: npt.ArrayLike) -> Rollouts:
        """Some of them, by positions or a mask; the groups do not hold together any more."""
        at = np.asarray(which)
        at = np.flatnonzero(at) if at.dtype == bool else at
        found = replace(
            self,
            prompts=_taken(self.prompts, at),
            drawn=Drawn(self.drawn.ids[at], self.drawn.lengths[at], self.drawn.logprobs[at], self.drawn.forced),
            rows=[self.rows[k] for k in at.tolist()],
            scores=self.scores[at],
            logprobs=self.logprobs[at],
            reference=self.reference[at],
            group=1,
        )
        found.__dict__["packed"] = self.packed.take(at)
        return found

    def kl(self) -> Floats:
        """(n,) log pi - log pi_ref of each answer, an unbiased estimate of the divergence in nats."""
        found: Floats = np.where(self.mask > 0, self.logprobs - self.reference, 0.0).sum(1)
        return found

    def figures(self) -> dict[str, float]:
        """Means over answers: scores (`reward`, or `reward_0`, ...), `kl`, `entropy`, `length` and so on.

        `entropy` is estimated by the mean of -log pi of the tokens drawn, which is right at temperature 1.
        """
        some = self.scores[self.known]
        names = ["reward"] if self.scores.shape[1] == 1 else [f"reward_{k}" for k in range(self.scores.shape[1])]
        found = {name: float(each) for name, each in zip(names, some.mean(0))} if len(some) else {}
        if np.isfinite(self.reference).all():
            found["kl"] = float(self.kl().mean())
        found["entropy"] = float(-(self.logprobs * self.mask).sum() / max(self.mask.sum(), 1.0))
        found["length"] = float(self.drawn.lengths.mean())
        found["ended"] = float(self.ended.mean())
        found["masked"] = float(1.0 - self.known.mean())
        return found


def collect(
    policy: Policy,
    prompts: Prompts,
    score: Score,
    sampling: Sampling,
    rng: Rng,
    *,
    asked: Prompts | None = None,
    reference: bool = True,
) -> Rollouts:
    """Draw answers by the weights that are loaded, and score them.

    Args:
        policy: the policy.
        prompts: n of them, each once for each of its answers.
        score: scores of answers.
        sampling: how to draw.
        rng: draws.
        asked: prompts as the policy sees them, if they differ.
        reference: whether to ask the reference, if there is one.

    Raises:
        RewardError: there are not as many scores as answers, or one is infinite.
    """
    seen = prompts if asked is None else asked
    drawn = answers(policy, seen, sampling, rng)
    rows = drawn.tokens(seen)
    logprobs = drawn.logprobs.astype(np.float64)
    found = np.full(drawn.ids.shape, np.nan)
    if reference and policy.has_reference:
        base = policy.packed_logprobs(Packed.of(rows), base=True)
        found = np.zeros(drawn.ids.shape)
        found[:, : base.shape[1]] = base
    scores = _checked(score(prompts, drawn), len(rows))
    return Rollouts(prompts, drawn, rows, scores, logprobs, found, sampling.group, sampling.end)


def answers(policy: Policy, prompts: Prompts, sampling: Sampling, rng: Rng) -> Drawn:
    """An answer to each prompt, by the weights that are loaded."""
    from guerdon.train.tiny import TinyPolicy

    how: dict[str, Any] = {"most": sampling.most, "temperature": sampling.temperature, "top_p": sampling.top_p}
    if isinstance(policy, TinyPolicy):
        model = replace(policy.language_model(), end=sampling.end, pad=sampling.pad)
        return model.sample(_padded(prompts, sampling.pad), rng, **how)
    return sample(policy, [list(each) for each in prompts], rng, end=sampling.end, pad=sampling.pad, **how)


def _padded(prompts: Prompts, pad: int) -> npt.NDArray[np.int64]:
    if isinstance(prompts, np.ndarray):
        return np.asarray(prompts, np.int64)
    longest = max((len(each) for each in prompts), default=1)
    return np.array([[*[pad] * (longest - len(each)), *each] for each in prompts], np.int64).reshape(-1, longest)


def _taken(prompts: Any, at: npt.NDArray[np.int64]) -> Any:
    return prompts[at] if isinstance(prompts, np.ndarray) else [prompts[k] for k in at.tolist()]


def _checked(scores: Any, n: int) -> Floats:
    """Scores as (n, C)."""
    made = np.asarray(scores, np.float64)
    made = made[:, None] if made.ndim == 1 else made
    if made.ndim != 2 or len(made) != n or not made.shape[1] or np.isinf(made).any():
        got = f"got shape {np.shape(scores)} for {n} answers, or an infinite one"
        raise RewardError("scores (n,) or (n, C), finite or nan", got, "Give nan where a score is unknown")
    return made
