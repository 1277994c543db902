"""The claims of this system: learning from one's own solutions climbs a ladder, and the prompt loop follows its law."""

from __future__ import annotations

import functools
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from guerdon.bench.experiment import Experiment, Scale
from guerdon.bench.verdicts import AllOf, Claim
from guerdon.core.rng import stream
from guerdon.systems.programming_puzzles.ladder import ladder_experiment
from guerdon.systems.programming_puzzles.stand_in import Law

PAPER = "arXiv 2106.05784"


@dataclass(frozen=True, kw_only=True)
class Ladder(Experiment):
    """Bootstrapping on a ladder of 36 puzzles, against Uniform and a control that cannot learn.

    Seeds 0 to 4 chose the design and 11 to 15 confirmed it once before; those here are fresh.
    """

    programs: int = 1500
    """Budget per puzzle."""
    rounds: int = 3
    """Training rounds of the bootstrapped arms."""
    n_estimators: int = 100
    """Trees of a forest."""

    name: ClassVar[str] = "ladder"
    summary: ClassVar[str] = (
        "Each arm gets 1,500 programs for each of 36 puzzles of one, two or three operations; the learning arms "
        "first train a forest on what they solved themselves."
    )
    arms: ClassVar[tuple[str, ...]] = ("uniform", "once", "bootstrapped", "random")
    claims: ClassVar[tuple[Claim | AllOf, ...]] = (
        Claim(
            name="solves-more",
            statement="Bootstrapped solves at least 10 points of puzzles more than Uniform in the same budget.",
            measure="solved",
            treatment="bootstrapped",
            control="uniform",
            at_least=0.10,
            every_seed=True,
            source=PAPER,
            expected="+0.39 to +0.50 (seeds 11 to 15)",
        ),
        Claim(
            name="needs-fewer",
            statement="On puzzles that both solve, Bootstrapped needs at least 3 times fewer programs (median).",
            measure="speed-up",
            treatment="bootstrapped",
            control="uniform",
            compare="ratio",
            at_least=3.0,
            every_seed=True,
            source=PAPER,
            expected="8.3 to 9.6 (seeds 11 to 15)",
        ),
        Claim(
            name="random-gains-nothing",
            statement="A forest with random labels solves no more than Uniform.",
            measure="solved",
            treatment="random",
            control="uniform",
            at_most=0.0,
            every_seed=True,
            source="control of the experiment",
            expected="−0.19 to −0.39 (seeds 11 to 15)",
        ),
        AllOf(
            name="learning-climbs",
            statement="Learning from own solutions climbs the ladder, and only real lessons do.",
            of=("solves-more", "needs-fewer", "random-gains-nothing"),
            source=PAPER,
        ),
    )

    def seeds(self, scale: Scale) -> tuple[int, ...]:
        """16 onwards."""
        return tuple(range(16, {"smoke": 19, "desk": 21, "full": 36}[scale]))

    def run(self, arm: str, seed: int, scale: Scale) -> Mapping[str, float | None]:
        """Shares of puzzles solved, of all and by depth; and how many times fewer programs than Uniform it needs."""
        smoke = scale == "smoke"
        both: list[Any] = list(dict.fromkeys(("uniform", arm)))
        found = ladder_experiment(
            seed,
            200 if smoke else self.programs,
            both,
            rounds=1 if smoke else self.rounds,
            n_estimators=5 if smoke else self.n_estimators,
        )
        mine, uniform = found[arm], found["uniform"]
        pairs = [(uniform["programs"][name], tried) for name, tried in mine["programs"].items()]
        ratios = [theirs / tried for theirs, tried in pairs if theirs and tried]
        return {
            "solved": mine["solved"] / len(mine["programs"]),
            "solved at depth 2": mine["by_depth"][2] / 12,
            "solved at depth 3": mine["by_depth"][3] / 6,
            "speed-up": statistics.median(ratios) if ratios else None,
        }


@dataclass(frozen=True, kw_only=True)
class PromptLoop(Experiment):
    """The bootstrapping loop of the language-model solver, with a stand-in whose law is known.

    The number of seeds follows from the hardest claim: one seed is off the law by 8 points of puzzles (standard
    deviation), so that an equivalence within 5 points needs about 100. Seeds 11 to 15 are those of the tests; a first
    run on 21 to 40 left that claim inconclusive (off by −2.8, interval −6.1 to +0.6) and supported the others.
    """

    slope: float = 0.12
    """What each example of the same family adds to the stand-in's hit rate."""

    name: ClassVar[str] = "prompt-loop"
    summary: ClassVar[str] = (
        "A stand-in for a language model solves a puzzle with a chance that rises with the examples of its family in "
        "the prompt. The loop must follow that law; without examples, or without slope, nothing may be gained."
    )
    arms: ClassVar[tuple[str, ...]] = ("examples", "no examples", "examples, no slope")
    claims: ClassVar[tuple[Claim | AllOf, ...]] = (
        Claim(
            name="follows-the-law",
            statement="The curve of puzzles solved by iteration lies inside the law's 95 % band as often as it should.",
            measure="inside the band",
            treatment="examples",
            at_least=0.85,
            source=PAPER,
            expected="0.95",
        ),
        Claim(
            name="unbiased",
            statement="On average the curve is off the law by no more than 5 points of puzzles.",
            measure="off the law",
            treatment="examples",
            at_least=-0.05,
            at_most=0.05,
            source=PAPER,
            expected="0",
        ),
        Claim(
            name="examples-help",
            statement="Own solutions in the prompt solve at least 10 points of puzzles more than an empty prompt.",
            measure="solved",
            treatment="examples",
            control="no examples",
            at_least=0.10,
            every_seed=True,
            source=PAPER,
            expected="+0.44 to +0.53 (seeds 21 to 40)",
        ),
        Claim(
            name="no-slope-no-gain",
            statement="Where examples do not help the stand-in, showing them gains less than those 10 points.",
            measure="solved",
            treatment="examples, no slope",
            control="no examples",
            at_most=0.10,
            source="control of the experiment",
            expected="0",
        ),
        AllOf(
            name="loop-works",
            statement="The loop follows its law and gains exactly where the law says so.",
            of=("follows-the-law", "unbiased", "examples-help", "no-slope-no-gain"),
            source=PAPER,
        ),
    )

    def seeds(self, scale: Scale) -> tuple[int, ...]:
        """101 onwards."""
        return tuple(range(101, {"smoke": 104, "desk": 201, "full": 501}[scale]))

    def run(self, arm: str, seed: int, scale: Scale) -> Mapping[str, float | None]:
        """The share of puzzles solved at the end, and how the curve stands to the law."""
        shown = arm != "no examples"
        law = Law(slope=0.0 if arm == "examples, no slope" else self.slope)
        curve = np.array(law.bootstrap(seed, examples=shown)[0])
        followed = law.slope if shown else 0.0
        low, mean, high = _band(followed, 100 if scale == "smoke" else 2000)
        return {
            "solved": float(curve[-1]) / law.puzzles,
            "inside the band": float(np.mean((low <= curve) & (curve <= high))),
            "off the law": float(np.mean(curve - mean)) / law.puzzles,
        }


@functools.cache
def _band(slope: float, runs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The law's 95 % band around its mean, by iteration."""
    curves = Law(slope=slope).curves(runs, stream(0, "law"))
    low, high = np.quantile(curves, [0.025, 0.975], axis=0, method="closest_observation")
    return low, curves.mean(axis=0), high


EXPERIMENTS: tuple[Experiment, ...] = (Ladder(), PromptLoop())
