"""Several reward models of one thing: how strong a preference is by their vote, and one reward made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.algebra import ensemble
from guerdon.core.errors import ConfigError
from guerdon.core.plain import Json
from guerdon.core.reward import Reward
from guerdon.core.rng import stream
from guerdon.prefer.models import Body, RewardModel, Rows
from guerdon.prefer.pairs import Pairs
from guerdon.prefer.training import Fit, fit

Floats: TypeAlias = npt.NDArray[np.float64]
Mode: TypeAlias = Literal["mean", "wco", "uwo"]
KINDS = ("incorrect", "ambiguous", "normal", "strong")


# ---- one reward of many ----------------------------------------------------------------------------------------------


def penalty_of(penalty: float, members: int, ddof: int) -> float:
    """The weight of the population variance that stands for `penalty` times a variance with `ddof`.

    >>> penalty_of(0.5, 5, 1)
    0.625
    """
    if ddof not in (0, 1) or members <= ddof:
        raise ConfigError("ddof is 0 or 1, below the number of members", f"got {ddof} of {members}", "Use 0")
    return penalty * members / (members - ddof)


def ensemble_of(rewards: Sequence[Reward], mode: Mode = "mean", penalty: float = 0.5, *, ddof: int = 0) -> Reward:
    """`guerdon.core.algebra.ensemble` with a choice of the variance.

    Give standardised models (`RewardModel.standardised`): otherwise wco takes the member with the lowest offset.

    Args:
        rewards: members, such as `LearnedReward`.
        mode: mean; wco, the minimum; uwo, mean - penalty * variance (arXiv 2310.02743, section 3).
        penalty: lambda of uwo; 0.5 for best-of-n, 0.1 for PPO in the released settings. 0 is 0.
        ddof: 0 is the population variance of the paper; 1 is what the released PPO code computes.
    """
    return ensemble(rewards, mode, penalty_of(penalty, len(rewards), ddof) if mode == "uwo" else penalty)


def combined(scores: npt.ArrayLike, mode: Mode = "mean", penalty: float = 0.5, *, ddof: int = 0) -> Floats:
    """The same for arrays of scores of k members, (k, ...) to (...).

    >>> combined([[0.0, 1.0], [2.0, 1.0]], "uwo", 0.5).tolist()
    [0.5, 1.0]
    """
    told = np.asarray(scores, float)
    if mode == "wco":
        lowest: Floats = told.min(0)
        return lowest
    mean: Floats = told.mean(0)
    if mode == "mean":
        return mean
    if mode != "uwo":
        raise ConfigError("an ensemble's mode is mean, wco or uwo", f"got {mode!r}", "Pick one of the three")
    penalised: Floats = mean - penalty_of(penalty, len(told), ddof) * told.var(0)
    return penalised


def averaged(models: Sequence[RewardModel]) -> RewardModel:
    """One model whose weights are the mean of the members' (arXiv 2401.12187); standardise it anew.

    It makes sense for members that started from the same weights.

    Raises:
        ConfigError: they are of different bodies.
    """
    import torch

    shapes = [{name: tuple(each.shape) for name, each in model.weights.items()} for model in models]
    if not models or any(each != shapes[0] for each in shapes):
        raise ConfigError("models of one body", f"got {len(models)} with other tensors", "Average those of one fit")
    weights = {name: torch.stack([model.weights[name] for model in models]).mean(0) for name in shapes[0]}
    lineage: dict[str, Json] = {"averaged": [model.digest() for model in models]}
    return replace(models[0], weights=weights, mean=0.0, sd=1.0, lineage=lineage)


# ---- strength of preferences -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Strength:
    """How strongly M reward models hold with the label of each of n pairs (arXiv 2401.06080, section 2).

    Compute it once: after pairs were flipped by it, it would be circular.

    Args:
        chosen: (M, n) scores of the chosen answers.
        rejected: (M, n) scores of the others.

    >>> Strength(np.array([[1.0], [3.0]]), np.array([[0.0], [0.0]])).mean.tolist()
    [2.0]
    """

    chosen: Floats
    rejected: Floats

    @property
    def mean(self) -> Floats:
        """(n,) mu, the mean difference over members; below 0 they contradict the label."""
        found: Floats = (self.chosen - self.rejected).mean(0)
        return found

    @property
    def sd(self) -> Floats:
        """(n,) sigma, the population standard deviation of the difference over members."""
        found: Floats = (self.chosen - self.rejected).std(0)
        return found

    def kinds(self, *, incorrect: float = 0.2, ambiguous: float = 0.4, strong: float = 0.1) -> list[str]:
        """The class of each pair by the rank of mu: the report's shares.

        Args:
            incorrect: share of the lowest.
            ambiguous: share up to which the next are.
            strong: share of the highest.
        """
        n = len(self.mean)
        rank = np.empty(n, np.int64)
        rank[np.argsort(self.mean, kind="stable")] = np.arange(n)
        ends = [round(incorrect * n), round(ambiguous * n), n - round(strong * n)]
        return [KINDS[k] for k in np.searchsorted(ends, rank, side="right")]

    def deciles(self, parts: int = 10) -> list[npt.NDArray[np.int64]]:
        """Positions of pairs in parts of equal size by mu, the lowest first."""
        return [some.astype(np.int64) for some in np.array_split(np.argsort(self.mean, kind="stable"), parts)]

    def columns(self) -> dict[str, list[Any]]:
        """The four columns of the released annotated set (fnlp/hh-rlhf-strength-cleaned), by their names there."""
        return {
            "chosen score list": self.chosen.T.tolist(),
            "rejected score list": self.rejected.T.tolist(),
            "mean preference difference": self.mean.tolist(),
            "std preference difference": self.sd.tolist(),
        }

    @classmethod
    def of_columns(cls, columns: Mapping[str, Sequence[Sequence[float]]]) -> Strength:
        """Strength from the score lists of an annotated set, so that no members need be trained."""
        sides = (columns["chosen score list"], columns["rejected score list"])
        return cls(*(np.asarray(each, float).T for each in sides))


def strength(models: Sequence[RewardModel], pairs: Pairs) -> Strength:
    """The vote of models on pairs, on each model's own scale."""
    rows = pairs.chosen + pairs.rejected
    scores = np.stack([model.scores(rows) for model in models])
    return Strength(scores[:, : len(pairs)], scores[:, len(pairs) :])


def strength_by_folds(
    body: Body, pairs: Pairs, settings: Fit | None = None, seeds: Sequence[int] = (0, 1, 2), *, folds: int = 5
) -> Strength:
    """The vote of members that did not train on the pair: those that did lean to its label.

    Where we differ from the report, in which members are trained on all pairs.

    Args:
        body: of the members.
        pairs: labelled.
        settings: of the training.
        seeds: of the members of each fold; the first also draws the folds.
        folds: at least 2.
    """
    if not 2 <= folds <= len(pairs):
        raise ConfigError(f"folds from 2 to {len(pairs)}", f"got {folds}", "Use 5")
    part = stream(seeds[0], "reward-model", "folds").permutation(len(pairs)) % folds
    scores = np.empty((2, len(seeds), len(pairs)))
    for k in range(folds):
        held, others = pairs.take(part == k), pairs.take(part != k)
        members = fit(body, others, settings, seeds).models
        rows = others.chosen + others.rejected
        found = strength([model.standardised(rows) for model in members], held)
        scores[0][:, part == k], scores[1][:, part == k] = found.chosen, found.rejected
    return Strength(scores[0], scores[1])


def standardised(models: Sequence[RewardModel], rows: Rows) -> tuple[RewardModel, ...]:
    """Each model on the scale where these rows have mean 0 and sd 1."""
    return tuple(model.standardised(rows) for model in models)
