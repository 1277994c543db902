"""The claims of this system: probes tell what a reward model was trained on, and what best-of-n by it gains.

Architecture, settings of training, sizes and penalties were chosen on seeds 101 and 102; no claim was run on its own
seeds before it was written down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from guerdon.bench.experiment import Experiment, Scale
from guerdon.bench.verdicts import AllOf, Claim
from guerdon.prefer.training import Fit
from guerdon.rlhf.probing import Metric
from guerdon.systems.mrmbench.desk import FIT, Study
from guerdon.systems.mrmbench.dynamic import Dynamic, Rule

PAPER = "arXiv 2511.12464"
ROOMS = (
    "guerdon.systems.mrmbench",
    "guerdon.rlhf.probing",
    "guerdon.rlhf.desk",
    "guerdon.prefer.training",
    "guerdon.prefer.models",
    "guerdon.worlds.tiny_text",
)
STEPS = (("0", "0.25", "+0.02 (seed 101)"), ("0.25", "0.4", "+0.03 (seed 101)"))


def study(seed: int, scale: Scale) -> Study:
    """The world, pairs and tasks of a seed."""
    if scale == "smoke":
        return Study(seed, pairs=400, probes=400, prompts=16, n=8, demonstrations=500)
    return Study(seed)


@dataclass(frozen=True, kw_only=True)
class Correlation(Experiment):
    """Twelve reward models, five probes each, and what the best of 32 answers by each model gains."""

    name: ClassVar[str] = "correlation"
    summary: ClassVar[str] = (
        "Twelve reward models of one architecture (h of 16 numbers): 500, 2,000 and 8,000 pairs; 0, 25 and "
        "40 % wrong labels; one for each of five dimensions; one for three; one untrained. Probes are logistic "
        "regressions on standardised h, labels are cut at the median and balanced. Alignment is the gain of best of 32 "
        "over the mean answer, in standard deviations."
    )
    arms: ClassVar[tuple[str, ...]] = ("twelve models",)
    modules: ClassVar[tuple[str, ...]] = ROOMS
    claims: ClassVar[tuple[Claim | AllOf, ...]] = (
        Claim(
            name="own-dimension",
            statement="In at least 4 of 5 dimensions the model trained on it alone has the best probe of twelve.",
            measure="dimensions won by their own model",
            treatment="twelve models",
            at_least=4.0,
            source="ours, after " + PAPER,
            expected="5 of 5 in the prototype; 5 (seed 101)",
        ),
        Claim(
            name="pooled-correlation",
            statement="Probe accuracy and gain of best of 32 in the same dimension correlate, pooled over dimensions "
            "after centring: r of at least 0.5.",
            measure="pooled correlation",
            treatment="twelve models",
            at_least=0.5,
            source=PAPER + ", Pearson above 0.8 in each dimension",
            expected="0.65 in the prototype; 0.81 (seed 101)",
        ),
        *(
            Claim(
                name=f"noise-{high}",
                statement=f"Mean probe accuracy is lower with {float(high):.0%} wrong labels than {float(low):.0%}.",
                measure=f"mean probe, noise {low} less {high}",
                treatment="twelve models",
                at_least=0.0,
                source="ours",
                expected=expected,
            )
            for low, high, expected in STEPS
        ),
        AllOf(
            name="probes-tell",
            statement="Probes tell what a model was trained on, what best of n by it gains, how noisy its labels were.",
            of=("own-dimension", "pooled-correlation", *(f"noise-{high}" for _, high, _ in STEPS)),
            source=PAPER,
        ),
        Claim(
            name="mean-and-total",
            statement="Mean probe accuracy correlates with the gain in gold reward by at least 0.5: the coarse claim.",
            measure="mean probe with total gain",
            treatment="twelve models",
            at_least=0.5,
            source=PAPER,
            expected="0.07 to 0.27 in the prototype; 0.53 (seed 101)",
        ),
        Claim(
            name="none-best-everywhere",
            statement="No model has the best probe in more than 3 of 5 dimensions.",
            measure="dimensions won by one model",
            treatment="twelve models",
            at_most=3.0,
            source=PAPER,
            expected="1 (seed 101)",
        ),
        Claim(
            name="beats-untrained",
            statement="Training on 8,000 clean pairs raises mean probe accuracy over the frozen random network.",
            measure="mean probe, trained less untrained",
            treatment="twelve models",
            at_least=0.0,
            source="ours: a strong baseline",
            expected="+0.06 (seed 101)",
        ),
    )

    def run(self, arm: str, seed: int, scale: Scale) -> Mapping[str, float | None]:
        """All measures of a world."""
        return study(seed, scale).measures()


@dataclass(frozen=True, kw_only=True)
class Confidence(Experiment):
    """Whether rewards near the centroids are more to be trusted, on answers that are truly shifted."""

    name: ClassVar[str] = "confidence"
    summary: ClassVar[str] = (
        "One reward model (8,000 clean pairs) and pairs with true labels: half of the policy's answers, a quarter at "
        "temperature 2.5, a quarter with words in another order, gaps of gold reward matched. A quarter is dropped: "
        "the pairs farthest from the centroids, or any."
    )
    arms: ClassVar[tuple[str, ...]] = ("euclidean", "mahalanobis", "random")
    modules: ClassVar[tuple[str, ...]] = ROOMS
    claims: ClassVar[tuple[Claim | AllOf, ...]] = (
        *(
            Claim(
                name=f"near-is-right-{arm}",
                statement=f"Accuracy on pairs near the centroids ({arm}) is above that on as many random ones.",
                measure="accuracy kept",
                treatment=arm,
                control="random",
                at_least=0.0,
                source=PAPER + ", inference-time probing",
                expected=expected,
            )
            for arm, expected in (
                ("euclidean", "the wrong sign in the prototype; −0.03 (seed 101)"),
                ("mahalanobis", "−0.01 (seed 101)"),
            )
        ),
        *(
            Claim(
                name=f"shifted-is-far-{arm}",
                statement=f"Shifted answers are farther from the centroids ({arm}): they are told apart above chance.",
                measure="shifted told apart",
                treatment=arm,
                at_least=0.5,
                source="ours",
                expected="0.55 (seed 101)",
            )
            for arm in ("euclidean", "mahalanobis")
        ),
    )

    def run(self, arm: str, seed: int, scale: Scale) -> Mapping[str, float | None]:
        """Accuracies with one rule of dropping."""
        world = study(seed, scale)
        metric: Metric | None = None if arm == "random" else "mahalanobis" if arm == "mahalanobis" else "euclidean"
        settings = Fit(epochs=1, batch=64) if scale == "smoke" else FIT
        return world.trust(world.model("8000 pairs", settings), metric, 400 if scale == "smoke" else 2_000)


RULES: Mapping[str, tuple[Rule, float]] = {
    # arm: which answers teach, weight of the penalty on the divergence
    "all": ("all", 0.1),
    "near": ("near", 0.1),
    "random": ("random", 0.1),
    "all, strong penalty": ("all", 0.3),
}


@dataclass(frozen=True, kw_only=True)
class DynamicRLHF(Experiment):
    """PPO that drops answers far from the centroids, against dropping as many at random."""

    iterations: int = 60
    """Of PPO, of 128 answers each."""

    name: ClassVar[str] = "dynamic-rlhf"
    summary: ClassVar[str] = (
        "PPO against a reward model of 8,000 pairs with 25 % wrong labels. Answers whose d_min exceeds its 95th "
        "percentile on validation samples teach nothing; or as many in each iteration, drawn at random; or all teach, "
        "with the same or a three times stronger penalty on the divergence. The measure is the gold reward of the last "
        "policy, in standard deviations of the first one's answers."
    )
    arms: ClassVar[tuple[str, ...]] = tuple(RULES)
    modules: ClassVar[tuple[str, ...]] = (*ROOMS, "guerdon.train.loop", "guerdon.train.learners.ppo")
    claims: ClassVar[tuple[Claim | AllOf, ...]] = (
        *(
            Claim(
                name=name,
                statement=f"Dropping answers far from the centroids gives more gold reward than {what}.",
                measure="gold",
                treatment="near",
                control=control,
                at_least=0.0,
                source=source,
                expected=expected,
            )
            for name, what, control, source, expected in (
                ("near-beats-all", "dropping none", "all", PAPER, "win rate 62.5 against 57.3; +1.0 (seed 102)"),
                ("near-beats-random", "dropping as many at random", "random", PAPER, "win rate 62.5 against 54.3"),
                (
                    "near-beats-penalty",
                    "a three times stronger penalty",
                    "all, strong penalty",
                    "ours: a stronger baseline",
                    "+0.2 (seed 102)",
                ),
            )
        ),
    )

    def run(self, arm: str, seed: int, scale: Scale) -> Mapping[str, float | None]:
        """The gold reward under one rule."""
        rule, kl = RULES[arm]
        iterations, batch = (2, 16) if scale == "smoke" else (self.iterations, 128)
        return Dynamic(iterations=iterations, batch=batch, kl=kl).measures(study(seed, scale), rule)


EXPERIMENTS: tuple[Experiment, ...] = (Correlation(), Confidence(), DynamicRLHF())
