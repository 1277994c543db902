"""The claims of this system: rankings are enough for most of the way, more of them are better, noise does little.

Settings were chosen on seeds 101 to 105, one for both functions for ZO-RankSGD, and the best found for each baseline
and function (world); no claim was run on its own seeds before it was written down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from guerdon.bench.experiment import Experiment, Scale
from guerdon.bench.verdicts import AllOf, Claim
from guerdon.systems.zo_ranksgd.baselines import Cma, Gld, Random, ZoSgd
from guerdon.systems.zo_ranksgd.challenge import RankedFunction
from guerdon.systems.zo_ranksgd.policy import RankedPolicy
from guerdon.systems.zo_ranksgd.solver import ZoRankSgd
from guerdon.systems.zo_ranksgd.trial import hidden_value, one_thread, walk

PAPER = "arXiv 2303.03751, section 4"
FUNCTIONS = ("quadratic", "rosenbrock")
FIXED = ZoRankSgd(halve_after=0)
"""The published method: the ladder of steps stays as it is."""
ROOMS = ("guerdon.search.zeroth_order", "guerdon.search.evolution", "guerdon.search.cma_es", "guerdon.prefer.rankings")


def losses_at(
    solver: Any, function: str, seed: int, marks: Mapping[str, int], **fields: Any
) -> dict[str, float | None]:
    """The hidden loss where a solver stands after so many queries, by name of the mark."""
    challenge = RankedFunction(function=function, start_seed=seed, **fields)
    with one_thread():
        stood = walk(solver, challenge, seed=seed, marks=sorted(marks.values()))
    found = hidden_value(challenge, np.stack([stood[mark] for mark in marks.values()]))
    # The smallest that is told apart, so that the logarithm of a perfect result is finite.
    return {
        f"{function} at {name}": None if value is None else max(-value, 1e-15)
        for name, value in zip(marks, found, strict=True)
    }


def below(
    name: str, treatment: str, control: str, factor: float, at: str, source: str, expected: str, last: int = 103
) -> list[Claim]:
    """Claims that a loss is at least `factor` times below another, one for each function."""
    how = "below" if factor == 1 else f"at least {factor:g} times below"
    return [
        Claim(
            name=f"{name}-{function}",
            statement=f"At {at} queries the loss of {treatment} is {how} that of {control} on the {function} function.",
            measure=f"{function} at {at}",
            treatment=control,
            control=treatment,
            compare="ratio",
            at_least=factor,
            every_seed=factor > 1,
            source=source,
            expected=f"{expected.split('; ')[i]} (seeds 101 to {last})",
        )
        for i, function in enumerate(FUNCTIONS)
    ]


ARMS: Mapping[str, tuple[Callable[[str], Any], dict[str, Any], bool]] = {
    # arm: the solver for a function, fields of the challenge, whether it runs to 20,000 queries
    "k = 15": (lambda function: FIXED, {}, True),
    "k = 15, halving": (lambda function: ZoRankSgd(), {}, True),
    "k = 5": (lambda function: FIXED, {"k": 5}, False),
    "k = 1": (lambda function: FIXED, {"k": 1}, False),
    "zo-sgd": (
        lambda function: ZoSgd(eta=0.05 if function == "quadratic" else 0.0002), {"tell": "values"}, False,
    ),
    "gld-fast": (lambda function: Gld(radius=1.0, condition=100.0), {"tell": "values"}, True),
    "gld-fast, tuned": (lambda function: Gld(radius=1.0, condition=1.0), {"tell": "values"}, True),
    "cma-es": (lambda function: Cma(sigma=0.3 if function == "quadratic" else 0.1), {"tell": "values"}, True),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Synthetic(Experiment):
    """Two functions of 100 numbers, equal numbers of queries; every point that the oracle sees is one."""

    dim: int = 100
    """D."""

    name: ClassVar[str] = "synthetic"
    summary: ClassVar[str] = (
        "The quadratic and Rosenbrock's function in 100 dimensions from a random start. m = 15 points a query, k of "
        "them ranked, a line search among 5. GLD-Fast has the condition number 100 that its authors assume where they "
        "do not know it; tuned, it has the best setting for these two functions."
    )
    arms: ClassVar[tuple[str, ...]] = tuple(ARMS)
    modules: ClassVar[tuple[str, ...]] = ("guerdon.systems.zo_ranksgd", *ROOMS)
    claims: ClassVar[tuple[Claim | AllOf, ...]] = (
        *below("below-gld", "k = 15", "gld-fast", 5.0, "1,000", PAPER, "37; 6.3"),
        *below("below-cma", "k = 15", "cma-es", 1.0, "1,000", PAPER, "9; 1.7"),
        *below("k15-below-k5", "k = 15", "k = 5", 1.0, "1,000", PAPER, "3.5; 1.9"),
        *below("k5-below-k1", "k = 5", "k = 1", 1.0, "1,000", PAPER, "12; 7.9"),
        *(
            Claim(
                name=f"near-values-{function}",
                statement=f"At 1,000 queries the loss is within 10 times that of descent that knows the values, on the "
                f"{function} function.",
                measure=f"{function} at 1,000",
                treatment="k = 15",
                control="zo-sgd",
                compare="ratio",
                at_most=10.0,
                source=PAPER,
                expected=expected,
            )
            for function, expected in zip(FUNCTIONS, ("6.1 (seeds 101 to 103)", "1.5 (seeds 101 to 103)"), strict=True)
        ),
        AllOf(
            name="few-queries",
            statement="Rankings are enough for most of the way in few queries, and more ranked points are better.",
            of=tuple(
                f"{name}-{function}"
                for name in ("below-gld", "below-cma", "k15-below-k5", "k5-below-k1", "near-values")
                for function in FUNCTIONS
            ),
            source=PAPER,
        ),
        *below("below-tuned-gld", "k = 15", "gld-fast, tuned", 5.0, "1,000", "ours: a stronger baseline",
               "13; 2.4", 105),
        *(
            Claim(
                name=f"{arm}-wins-late",
                statement=f"With 20,000 queries {arm} is below the fixed ladder of steps on the quadratic: the claim "
                "is about few queries.",
                measure="quadratic at 20,000",
                treatment="k = 15",
                control=arm,
                compare="ratio",
                at_least=1.0,
                every_seed=True,
                source="prototype",
                expected=expected,
            )
            for arm, expected in (("gld-fast", "270 (seed 101)"), ("cma-es", "10^13 and more (seed 101)"))
        ),
        Claim(
            name="halving-goes-on",
            statement="Halving the ladder after two stays is at least 10 times below the fixed ladder on the quadratic "
            "with 20,000 queries.",
            measure="quadratic at 20,000",
            treatment="k = 15",
            control="k = 15, halving",
            compare="ratio",
            at_least=10.0,
            every_seed=True,
            source="ours",
            expected="4,300 (seeds 101 to 103)",
        ),
    )  # fmt: skip

    def seeds(self, scale: Scale) -> tuple[int, ...]:
        """Ten from 11 on."""
        return tuple(range(11, {"smoke": 14, "desk": 21, "full": 31}[scale]))

    def run(self, arm: str, seed: int, scale: Scale) -> Mapping[str, float | None]:
        """The loss on both functions."""
        solver, fields, long = ARMS[arm]
        marks = {"1,000": 1000, "5,000": 5000, "20,000": 20000}
        if scale == "smoke":
            marks, fields = dict.fromkeys(marks, 100), {**fields, "dim": 10}
        elif not long:
            del marks["20,000"]
        else:
            fields = {**fields, "dim": self.dim}
        found: dict[str, float | None] = {}
        for function in FUNCTIONS:
            found |= losses_at(solver(function), function, seed, marks, **fields)
        return found


@dataclass(frozen=True, kw_only=True)
class Noise(Experiment):
    """Rankings in which neighbours are swapped."""

    name: ClassVar[str] = "noise"
    summary: ClassVar[str] = (
        "As the synthetic experiment with 5,000 queries, each two neighbours of a ranking (of the line search too) "
        "swapped with probability p, against clean answers that name the best of 15 only."
    )
    arms: ClassVar[tuple[str, ...]] = ("p = 0", "p = 0.1", "p = 0.2", "p = 0.4", "k = 1, clean")
    modules: ClassVar[tuple[str, ...]] = ("guerdon.systems.zo_ranksgd", *ROOMS)
    claims: ClassVar[tuple[Claim | AllOf, ...]] = (
        *below("noisy-beats-k1", "p = 0.2", "k = 1, clean", 1.0, "5,000", "ours", "15; 12", 105),
        *(
            Claim(
                name=f"p{arm[4:]}-graceful-{function}",
                statement=f"With {arm} the loss is at most {bound:g} times that of clean rankings, on the {function} "
                "function.",
                measure=f"{function} at 5,000",
                treatment=arm,
                control="p = 0",
                compare="ratio",
                at_most=bound,
                source="ours",
                expected=f"{expected} (seeds 101 to 105)",
            )
            for arm, bound, figures in (("p = 0.2", 3.0, ("2.0", "1.4")), ("p = 0.4", 4.0, ("2.4", "1.7")))
            for function, expected in zip(FUNCTIONS, figures, strict=True)
        ),
        AllOf(
            name="noise-does-little",
            statement="Noisy full rankings beat clean answers that name the best only, and lose little.",
            of=(
                *(f"noisy-beats-k1-{function}" for function in FUNCTIONS),
                *(f"p{p}-graceful-{function}" for p in ("0.2", "0.4") for function in FUNCTIONS),
            ),
            source="ours",
        ),
    )

    def seeds(self, scale: Scale) -> tuple[int, ...]:
        """Ten from 11 on."""
        return tuple(range(11, {"smoke": 14, "desk": 21, "full": 31}[scale]))

    def run(self, arm: str, seed: int, scale: Scale) -> Mapping[str, float | None]:
        """The loss on both functions after 5,000 queries."""
        fields: dict[str, Any] = {"k": 1} if arm.startswith("k") else {"noise": float(arm.removeprefix("p = "))}
        if scale == "smoke":
            fields["dim"] = 10
        found: dict[str, float | None] = {}
        for function in FUNCTIONS:
            found |= losses_at(FIXED, function, seed, {"5,000": 100 if scale == "smoke" else 5000}, **fields)
        return found


@dataclass(frozen=True, kw_only=True)
class Policies(Experiment):
    """Linear-tanh policies of two MuJoCo worlds, 300 episodes each."""

    episodes: int = 300
    """Episodes; each is a query."""

    name: ClassVar[str] = "policies"
    summary: ClassVar[str] = (
        "Weights of a linear-tanh policy from 0: Swimmer-v5 (150 steps, d = 16) and Reacher-v5 (50 steps, d = 20), one "
        "reset seed per job. The measure is the best return seen. CMA-ES and random search have their best setting of "
        "the ones tried on seeds 101 to 103 in each world, and so has ZO-RankSGD (m = 5, k = 5)."
    )
    arms: ClassVar[tuple[str, ...]] = ("zo-ranksgd", "cma-es", "random")
    modules: ClassVar[tuple[str, ...]] = ("guerdon.systems.zo_ranksgd", *ROOMS, "guerdon.worlds.world")
    claims: ClassVar[tuple[Claim | AllOf, ...]] = (
        Claim(
            name="swims-with-cma-es",
            statement="On Swimmer the best return of ZO-RankSGD is on average no less than that of CMA-ES.",
            measure="swimmer",
            treatment="zo-ranksgd",
            control="cma-es",
            at_least=0.0,
            source=PAPER,
            expected="+8 in the prototype; −4 with CMA-ES tuned (seeds 101 to 103)",
        ),
    )

    def run(self, arm: str, seed: int, scale: Scale) -> Mapping[str, float | None]:
        """The best return seen in both worlds."""
        swimmer = {
            "zo-ranksgd": (ZoRankSgd(mu=0.5, eta=8.0), 5),
            "cma-es": (Cma(sigma=1.0), 5),
            "random": (Random(sigma=1.0), 15),
        }
        reacher = {
            "zo-ranksgd": (ZoRankSgd(mu=0.1, eta=1.0, halve_after=0), 5),
            "cma-es": (Cma(sigma=0.3), 5),
            "random": (Random(sigma=1.0), 15),
        }
        smoke = scale == "smoke"
        return {
            "swimmer": self._best("Swimmer-v5", 10 if smoke else 150, *swimmer[arm], seed, arm, smoke),
            "reacher": self._best("Reacher-v5", 5 if smoke else 50, *reacher[arm], seed, arm, smoke),
        }

    def _best(self, env: str, steps: int, solver: Any, m: int, seed: int, arm: str, smoke: bool) -> float | None:
        tell: Any = "values" if arm == "cma-es" else "order"
        challenge = RankedPolicy(env=env, steps=steps, world_seed=seed, m=m, k=m, tell=tell)
        seen: list[Any] = []
        with one_thread():
            walk(solver, challenge, seed=seed, marks=[20 if smoke else self.episodes], seen=seen)
        returns = [value for value in hidden_value(challenge, np.array(seen)) if value is not None]
        return max(returns, default=None)


EXPERIMENTS: tuple[Experiment, ...] = (Synthetic(), Noise(), Policies())
