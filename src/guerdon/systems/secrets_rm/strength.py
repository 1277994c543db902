"""Strength: does the vote find wrong labels, what do deciles teach, and which use of it holds accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from guerdon.bench.experiment import Experiment, Scale
from guerdon.bench.verdicts import AllOf, Claim
from guerdon.prefer.pairs import Pairs
from guerdon.systems.secrets_rm.desk import (
    ARM,
    ROOMS,
    SIZES,
    Bools,
    Floats,
    Sizes,
    body,
    made,
    mean_by_epoch,
    validation,
)
from guerdon.systems.secrets_rm.methods import DENOISED, METHODS

PAPER = "arXiv 2401.06080"
Measures = dict[str, float | None]


def area(score: Floats, positive: Bools) -> float:
    """Area under the ROC curve: the chance that a positive's score is above a negative's, ties half.

    >>> area(np.array([1.0, 2.0, 3.0]), np.array([False, False, True]))
    1.0
    """
    n = int(positive.sum())
    return float((ranks(score)[positive].sum() - n * (n + 1) / 2) / (n * (len(score) - n)))


def ranks(values: Floats) -> Floats:
    """(n,) ranks from 1, ties share theirs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(count)
    found: Floats = (ends - (count - 1) / 2)[place]
    return found


def spearman(one: Floats, two: Floats) -> float:
    """Correlation of ranks."""
    return float(np.corrcoef(ranks(one), ranks(two))[0, 1])


def voted(told: Any, wrong: Bools) -> Measures:
    """What the vote says of labels that are wrong.

    Args:
        told: `Strength` of the pairs.
        wrong: (n,) which labels are.
    """
    mu, sigma, each = told.mean, told.sd, told.chosen - told.rejected
    parts = told.deciles()
    correct = np.array([1 - wrong[part].mean() for part in parts])
    spread = np.array([sigma[part].mean() for part in parts])
    one = float(np.mean([area(-line, wrong) for line in each]))
    found: Measures = {
        "AUC of the vote": area(-mu, wrong),
        "AUC of one model": one,
        "vote over one model": area(-mu, wrong) - one,
        "share of mu below 0": float((mu < 0).mean()),
        "correlation of decile and correctness": spearman(np.arange(10.0), correct),
        "sigma: ends over middle": float((spread[[0, 9]].mean() - spread[4:6].mean()) / spread[4:6].mean()),
    }
    for k in range(10):
        found[f"share, correct labels @ decile = {k + 1}"] = float(correct[k])
        found[f"share, sigma @ decile = {k + 1}"] = float(spread[k])
    return found


def taught(parts: list[Any], noisy: Pairs, true: Pairs, sizes: Sizes, seed: int) -> Measures:
    """Clean accuracy of models trained on one decile each, and on the lowest two with flipped labels."""
    from guerdon.prefer.training import Fit, fit, metrics

    settings = Fit(epochs=sizes.longer, warmup=10)
    seeds = tuple(range(seed, seed + sizes.runs))

    def accuracy(pairs: Pairs) -> float:
        models = fit(body(), pairs, settings, seeds).models
        return float(np.mean([metrics(model, true)["accuracy"] for model in models]))

    found = np.array([accuracy(noisy.take(part)) for part in parts])
    turned = np.mean([accuracy(noisy.take(part).flipped(np.ones(len(part), bool))) for part in parts[:2]])
    measures: Measures = {f"accuracy, one decile @ decile = {k + 1}": float(each) for k, each in enumerate(found)}
    return measures | {
        "best of the lowest two deciles": float(found[:2].max()),
        "worst of deciles 7 to 10": float(found[6:].min()),
        "top decile over deciles 7 to 9": float(found[9] - found[6:9].mean()),
        "lowest two deciles, flipped": float(turned),
    }


def compared(noisy: Pairs, mu: Floats, watch: Mapping[str, Pairs], sizes: Sizes, seed: int) -> Measures:
    """Each method on the three validation sets, epoch by epoch."""
    from guerdon.prefer.training import Fit, fit

    seeds = tuple(range(seed, seed + sizes.runs))
    found: Measures = {}
    for name, method in METHODS.items():
        history = fit(body(), method.pairs(noisy, mu), Fit(epochs=sizes.longer), seeds, watch=watch).history
        for kind in watch:
            line = mean_by_epoch(history, "accuracy", kind)
            found[f"{kind} accuracy of {name}"] = float(line[-1])
            found[f"{kind} decline of {name}"] = float(line.max() - line[-1])
            found |= {f"{kind} accuracy, {name} @ epoch = {k}": float(y) for k, y in enumerate(line, 1)}
        found[f"separation of {name}"] = float(mean_by_epoch(history, "separation", "gold")[-1])
    baseline = found["gold accuracy of baseline"] or 0.0
    best = max(found[f"gold accuracy of {name}"] or 0.0 for name in DENOISED)
    declines = [found[f"gold decline of {name}"] or 0.0 for name in DENOISED]
    kept = float(np.mean(declines)) - (found["gold decline of baseline"] or 0.0)
    return found | {"best denoised over baseline": best - baseline, "decline, denoised over baseline": kept}


def _claim(name: str, statement: str, measure: str, source: str, expected: str = "", **bounds: float) -> Claim:
    low, high = bounds.get("at_least"), bounds.get("at_most")
    return Claim(
        name=name, statement=statement, measure=measure, treatment=ARM, at_least=low, at_most=high,
        source=source, expected=expected,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class StrengthOfPreferences(Experiment):
    """The vote of ten models, and what it is good for."""

    name: ClassVar[str] = "strength"
    summary: ClassVar[str] = (
        "Ten models learn from 6,000 pairs, a quarter of them labelled wrong, and vote on them. Then models learn from "
        "one decile of strength each, and from 4,000 pairs by each method, 8 epochs, 2 seeds. Accuracies are on 4,000 "
        "fresh pairs: as labelled, as the gold reward says, and where both agree."
    )
    arms: ClassVar[tuple[str, ...]] = (ARM,)
    modules: ClassVar[tuple[str, ...]] = ROOMS
    claims: ClassVar[tuple[Claim | AllOf, ...]] = (
        _claim("vote-finds-wrong-labels", "The vote tells wrong labels from right ones with an AUC of at least 0.65.",
               "AUC of the vote", PAPER, "0.69 (prototype)", at_least=0.65),
        _claim("vote-beats-one-model", "The vote tells them better than one model does.",
               "vote over one model", PAPER, "+0.02 (prototype)", at_least=0.0),
        _claim("strength-orders-correctness", "Over deciles of strength, the share of right labels rises: rank "
               "correlation at least 0.9.", "correlation of decile and correctness", f"{PAPER}, section 2",
               "1.0 (prototype)", at_least=0.9),
        _claim("lowest-deciles-mislead", "A model trained on either of the two lowest deciles is below chance.",
               "best of the lowest two deciles", f"{PAPER}, section 2", "0.41 (prototype)", at_most=0.5),
        _claim("high-deciles-teach", "A model trained on any of deciles 7 to 10 is right on more than 55 %.",
               "worst of deciles 7 to 10", f"{PAPER}, section 2", "0.59 (prototype)", at_least=0.55),
        _claim("denoising-holds-accuracy", "After 8 epochs the best denoised method is at least 1 point above the "
               "baseline on true labels.", "best denoised over baseline", f"{PAPER}, section 3",
               "+3.5 points (prototype)", at_least=0.01),
        AllOf(name="strength-pays", statement="The vote finds wrong labels, and heeding it holds accuracy.",
              of=("vote-finds-wrong-labels", "vote-beats-one-model", "strength-orders-correctness",
                  "lowest-deciles-mislead", "high-deciles-teach", "denoising-holds-accuracy"), source=PAPER),
        _claim("sigma-is-u-shaped", "Members disagree more on the weakest and strongest tenth than on the middle.",
               "sigma: ends over middle", f"{PAPER}, section 2", "+0.27 (prototype)", at_least=0.0),
        _claim("top-decile-is-not-best", "The strongest tenth alone teaches no more than the three below it, on "
               "average.", "top decile over deciles 7 to 9", f"{PAPER}, section 2", "0 (prototype)", at_most=0.0),
        _claim("flipped-lowest-teach", "With flipped labels, the two lowest deciles teach: above chance.",
               "lowest two deciles, flipped", f"{PAPER}, section 2", at_least=0.5),
        _claim("denoised-decline-less", "From their best epoch to the last, denoised methods lose less accuracy on "
               "true labels than the baseline, on average.", "decline, denoised over baseline", f"{PAPER}, section 3",
               "-0.021 (prototype)", at_most=0.0),
        _claim("margin-alone-declines", "The margin alone still declines, by half a point or more from its best epoch.",
               "gold decline of margin", f"{PAPER}, section 3", "0.015 (prototype)", at_least=0.005),
    )  # fmt: skip

    def seeds(self, scale: Scale) -> tuple[int, ...]:
        """Three from 11 on; five at full scale."""
        return tuple(range(11, 16 if scale == "full" else 14))

    def run(self, arm: str, seed: int, scale: Scale) -> Mapping[str, float | None]:
        """The vote, the deciles and the methods, with one set of pairs."""
        from guerdon.prefer.ensembles import strength, strength_by_folds
        from guerdon.prefer.training import Fit, fit
        from guerdon.rlhf.desk import Desk

        sizes = SIZES[scale]
        desk = Desk.make(seed, demonstrations=sizes.demonstrations)
        noisy, _, wrong = made(desk, sizes.pairs, "strength")
        watch = validation(desk, sizes.held)
        first = seed * 1000
        settings = Fit(epochs=sizes.epochs)
        members = fit(body(), noisy, settings, tuple(range(first, first + sizes.members))).models
        told = strength(members, noisy)
        folds = strength_by_folds(body(), noisy, settings, (first, first + 1), folds=5)
        used = np.arange(sizes.used)
        return {
            **voted(told, wrong),
            "AUC of two models by folds": area(-folds.mean, wrong),
            **taught(told.deciles(), noisy, watch["gold"], sizes, first + 100),
            **compared(noisy.take(used), told.mean[used], watch, sizes, first + 200),
        }
