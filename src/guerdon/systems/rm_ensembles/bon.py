"""The best-of-n experiment: a noisy preference set, five members, thousands of answers to each of some prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from guerdon.bench.experiment import Experiment, Scale
from guerdon.bench.verdicts import AllOf, Claim
from guerdon.systems.rm_ensembles.curves import Floats, curve, curves, ends_by_size, points, proxies, win_rate

if TYPE_CHECKING:
    from guerdon.prefer.models import RewardModel, Rows
    from guerdon.prefer.overoptimisation import Curve
    from guerdon.rlhf.desk import Desk

PAPER = "arXiv 2310.02743, section 5"
ROOMS = (
    "guerdon.prefer.ensembles",
    "guerdon.prefer.overoptimisation",
    "guerdon.prefer.training",
    "guerdon.prefer.models",
    "guerdon.rlhf.desk",
    "guerdon.worlds.tiny_text",
    "guerdon.train.tiny",
    "guerdon.train.tiny_nets",
    "guerdon.train.sampling",
)
NOISE: Mapping[str, float] = {"25 % flips": 0.25, "true labels": 0.0}
PENALTIES = (0.1, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How large a run is.

    Args:
        pairs: that members learn from.
        prompts: P.
        answers: N, to each prompt.
        members: k.
        epochs: of the members' training.
        demonstrations: that the policy learns from.
    """

    pairs: int = 3_000
    prompts: int = 48
    answers: int = 2_048
    members: int = 5
    epochs: int = 5
    demonstrations: int = 8_000

    @property
    def most(self) -> int:
        """The largest n: below nine tenths of N, since beyond that a handful of answers decides."""
        return min(int(0.9 * self.answers), 12_500)


SIZES: Mapping[Scale, Sizes] = {
    "smoke": Sizes(pairs=128, prompts=4, answers=64, members=3, epochs=1, demonstrations=400),
    "desk": Sizes(),
    "full": Sizes(pairs=46_000, prompts=1_000, answers=13_889, demonstrations=10_000),
}


def body_of(kind: str) -> Any:
    """A small causal transformer, as published ones are, or a GRU, which is three times as fast."""
    from guerdon.train.tiny_nets import TinyGRU, TinyTransformer
    from guerdon.worlds.tiny_text import VOCABULARY

    many = len(VOCABULARY)
    return TinyTransformer(vocabulary=many) if kind == "transformer" else TinyGRU(vocabulary=many, width=32)


def members_of(desk: Desk, sizes: Sizes, flips: float, body: str = "transformer") -> tuple[RewardModel, ...]:
    """Members on all pairs, on the scale of the policy's answers.

    Args:
        desk: gives the pairs.
        sizes: how many of everything.
        flips: share of wrong labels.
        body: "transformer" or "gru" from nothing, so that a seed draws body, head and order; or "policy", the net of
            the SFT policy with its weights, so that a seed draws head and order only, as published.
    """
    from guerdon.prefer.ensembles import standardised
    from guerdon.prefer.training import Fit, fit

    pairs, _ = desk.pairs(sizes.pairs, "rm", flips=flips)
    net = desk.policy.net if body == "policy" else body_of(body)
    start = desk.policy.weights if body == "policy" else None
    seeds = tuple(desk.seed * 1000 + k for k in range(sizes.members))
    made = fit(net, pairs, Fit(epochs=sizes.epochs), seeds, start=start).models
    held, _ = desk.pairs(min(2_000, sizes.pairs), "rm-eval", flips=flips)
    return standardised(made, held.chosen + held.rejected)


def scores_of(members: tuple[RewardModel, ...], rows: Rows, prompts: int) -> Floats:
    """(k, P, N) scores of rows that are prompt by prompt."""
    return np.stack([member.scores(rows, budget=2_048).reshape(prompts, -1) for member in members])


def answered(desk: Desk, sizes: Sizes) -> tuple[Rows, Floats]:
    """N answers to each of P prompts, prompt by prompt, and their gold rewards (P, N)."""
    asked = np.repeat(desk.prompts(sizes.prompts, "best-of-n"), sizes.answers, 0)
    drawn = desk.draw(asked, "best-of-n")
    return desk.rows(asked, drawn), desk.gold(asked, drawn).reshape(sizes.prompts, -1)


def told_of(found: Curve) -> dict[str, float]:
    """What the claims need of a curve."""
    peak = float(found.gold[found.peak])
    return {
        "gold": float(found.gold[-1]),
        "standard error": float(found.gold_se[-1]),
        "peak": peak,
        "drop": found.fall,
        "fall": found.fall / abs(peak) if peak else 0.0,
    }


def series(name: str, found: Curve) -> dict[str, float]:
    """The curve as measures that a report draws: proxy and gold reward over the root of the divergence."""
    rows = zip(found.distance, found.proxy, found.gold, strict=True)
    return {f"{up}, {name} @ √KL = {x:.3f}": float(y) for x, p, g in rows for up, y in (("gold", g), ("proxy", p))}


def measured(scores: Floats, gold: Floats, most: int) -> dict[str, float | None]:
    """All measures of one set of members.

    Args:
        scores: (k, P, N) standardised.
        gold: (P, N).
        most: the largest n.
    """
    made = curves(scores, gold, points(most))
    found: dict[str, float | None] = {}
    for way, one in made.items():
        found |= {f"{name} of {way}": value for name, value in told_of(one).items()}
    single = made["single"].gold[-1]
    for way in ("mean", "WCO", "UWO"):
        end = made[way].gold[-1]
        found[f"{way} over 1.25 single"] = float(end - single - 0.25 * abs(single))
        found[f"gain of {way}"] = float((end - single) / abs(single))
        ours = proxies(scores, way)[0]
        found[f"win-rate of {way}"] = 100 * float(np.mean([win_rate(ours, one, gold, most) for one in scores]))
    falls = {way: one.fall for way, one in made.items()}
    best = min(falls["WCO"], falls["UWO"])
    found |= {"single falls more than mean": falls["single"] - falls["mean"]}
    found |= {"mean falls more than the better of WCO and UWO": falls["mean"] - best}
    swept = {p: float(curve(scores, gold, "UWO", [most], penalty=p).gold[0]) for p in PENALTIES}
    found |= {f"gold of UWO, lambda {p:g}": end for p, end in swept.items()}
    found["lambda: worst over 1.25 single"] = min(swept.values()) - single - 0.25 * abs(single)
    sizes = {way: ends_by_size(scores, gold, way, most) for way in ("WCO", "UWO")}
    found |= {f"gold of {way}, {k} members": end for way, ends in sizes.items() for k, end in ends.items()}
    return found | {name: y for way, one in made.items() for name, y in series(way, one).items()}


def steps(found: dict[str, float | None]) -> dict[str, float | None]:
    """What a fourth and a fifth member add, on average over WCO and UWO; unknown with fewer members."""

    def added(k: int) -> float | None:
        ends = [found.get(f"gold of {way}, {size} members") for way in ("WCO", "UWO") for size in (k, k - 1)]
        known = [end for end in ends if end is not None]
        return None if len(known) < 4 else (known[0] - known[1] + known[2] - known[3]) / 2

    return {f"member {k} adds": added(k) for k in (4, 5)}


def _ends(way: str, expected: str) -> Claim:
    return Claim(
        name=f"{way.lower()}-ends-higher",
        statement=f"With a quarter of the labels wrong, {way} ends at least 25 % above the average single model.",
        measure=f"{way} over 1.25 single",
        treatment="25 % flips",
        at_least=0.0,
        source=f"{PAPER}: up to 75 %",
        expected=expected,
    )


def _no_fall(way: str, expected: str) -> Claim:
    return Claim(
        name=f"{way.lower()}-does-not-fall",
        statement=f"{way} does not over-optimise: it ends at most 5 % below its own peak.",
        measure=f"fall of {way}",
        treatment="25 % flips",
        at_most=0.05,
        source=f"{PAPER}: no overoptimisation",
        expected=expected,
    )


@dataclass(frozen=True, kw_only=True)
class BestOfN(Experiment):
    """Best-of-n under one reward model and under ensembles."""

    body: str = "transformer"
    """Of the members: transformer or gru."""

    name: ClassVar[str] = "best-of-n"
    summary: ClassVar[str] = (
        "Five members learn from 3,000 pairs, a quarter of them with the wrong label or none, and choose among 2,048 "
        "answers to each of 48 prompts. Gold rewards have mean 0 and sd 1 on the policy's answers; n goes to 1,843. "
        "UWO has the published lambda of 0.5."
    )
    arms: ClassVar[tuple[str, ...]] = tuple(NOISE)
    modules: ClassVar[tuple[str, ...]] = ("guerdon.systems.rm_ensembles.curves", *ROOMS)
    claims: ClassVar[tuple[Claim | AllOf, ...]] = (
        Claim(
            name="single-over-optimises",
            statement="With a quarter of the labels wrong, the average single model falls by at least 15 % from its "
            "peak. Where it does not, the world does not over-optimise and the rest is not testable.",
            measure="fall of single",
            treatment="25 % flips",
            at_least=0.15,
            source="prototype",
            expected="49 % and 29 % (2 seeds of the prototype)",
        ),
        _ends("mean", "+98 to +124 % (prototype)"),
        _ends("WCO", "+85 to +258 % (prototype)"),
        _ends("UWO", "+90 to +250 % with lambda 1 (prototype)"),
        Claim(
            name="mean-falls-less-than-single",
            statement="From peak to end, the mean falls less than the average single model.",
            measure="single falls more than mean",
            treatment="25 % flips",
            at_least=0.0,
            source="prototype",
            expected="0.06 and 0.03 (prototype)",
        ),
        Claim(
            name="pessimism-falls-less-than-mean",
            statement="From peak to end, the better of WCO and UWO falls less than the mean.",
            measure="mean falls more than the better of WCO and UWO",
            treatment="25 % flips",
            at_least=0.0,
            source="prototype",
        ),
        AllOf(
            name="ensembles-mitigate",
            statement="One reward model over-optimises; ensembles end higher and fall less.",
            of=(
                "single-over-optimises",
                "mean-ends-higher",
                "wco-ends-higher",
                "uwo-ends-higher",
                "mean-falls-less-than-single",
                "pessimism-falls-less-than-mean",
            ),
            source=PAPER,
        ),
        _no_fall("WCO", "0 and 23 % (prototype)"),
        _no_fall("UWO", "0 with lambda 2 (prototype)"),
        Claim(
            name="mean-still-falls",
            statement="The mean still over-optimises: it ends at least 5 % below its peak.",
            measure="fall of mean",
            treatment="25 % flips",
            at_least=0.05,
            source=f"{PAPER}: with 25 % noise",
            expected="23 % and 13 % (prototype)",
        ),
        *(
            Claim(
                name=f"noise-widens-{way.lower()}",
                statement=f"The relative gain of {way} over the average single model is larger with wrong labels.",
                measure=f"gain of {way}",
                treatment="25 % flips",
                control="true labels",
                at_least=0.0,
                source=f"{PAPER}: about 75 % against 30 %",
            )
            for way in ("WCO", "UWO")
        ),
        *(
            Claim(
                name=f"{way.lower()}-wins",
                statement=f"The best answer by {way} has a higher gold reward than that by a single model more often "
                "than not.",
                measure=f"win-rate of {way}",
                treatment="25 % flips",
                at_least=50.0,
                source=f"{PAPER}, win-rates",
                expected=expected,
            )
            for way, expected in (("mean", "57.8 %"), ("WCO", "58.3 %"), ("UWO", "58.2 %"))
        ),
        Claim(
            name="lambda-hardly-matters",
            statement="UWO ends at least 25 % above the average single model for every lambda from 0.1 to 5.",
            measure="lambda: worst over 1.25 single",
            treatment="25 % flips",
            at_least=0.0,
            source=f"{PAPER}: robust",
        ),
        Claim(
            name="fourth-member-adds",
            statement="A fourth member adds at least 0.02 sd to the gold reward at the end, over WCO and UWO.",
            measure="member 4 adds",
            treatment="25 % flips",
            at_least=0.02,
            source=f"{PAPER}: a clear step",
        ),
        Claim(
            name="fifth-adds-little",
            statement="A fifth member changes the gold reward at the end by 0.1 sd at most.",
            measure="member 5 adds",
            treatment="25 % flips",
            at_least=-0.1,
            at_most=0.1,
            source=f"{PAPER}: four and five alike",
        ),
    )

    def seeds(self, scale: Scale) -> tuple[int, ...]:
        """Three from 11 on; five at full scale."""
        return tuple(range(11, 16 if scale == "full" else 14))

    def run(self, arm: str, seed: int, scale: Scale) -> Mapping[str, float | None]:
        """Every way with one set of members."""
        from guerdon.rlhf.desk import Desk

        sizes = SIZES[scale]
        desk = Desk.make(seed, demonstrations=sizes.demonstrations)
        members = members_of(desk, sizes, NOISE[arm], self.body)
        rows, gold = answered(desk, sizes)
        found = measured(scores_of(members, rows, sizes.prompts), gold, sizes.most)
        _, true = desk.pairs(min(2_000, sizes.pairs), "rm-eval", flips=0.0)
        right = [np.mean(each.scores(true.chosen) > each.scores(true.rejected)) for each in members]
        return {"accuracy of a member": float(np.mean(right)), **found, **steps(found)}
