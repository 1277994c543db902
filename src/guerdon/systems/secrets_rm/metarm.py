"""MetaRM: a reward model that stays able to tell the shifted policy's responses apart, and rounds of it with PPO."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from guerdon.bench.experiment import Experiment, Scale
from guerdon.bench.verdicts import AllOf, Claim
from guerdon.prefer.pairs import Pairs
from guerdon.systems.secrets_rm.desk import ARM, ROOMS, SIZES, Floats, Sizes, body, made, right, validation

if TYPE_CHECKING:
    from guerdon.prefer.models import RewardModel, Rows
    from guerdon.rlhf.desk import Desk
    from guerdon.train.state import State
    from guerdon.train.tiny import TinyLM

PAPER = "arXiv 2405.00438"
RESPONSES = 4
BEST_OF = 16
RATES = (1e-3, 3e-3, 1e-2)
"""eta, from the learning rate to 10 times it; the middle one is the claims'."""
RATE = RATES[1]


@dataclass(frozen=True, eq=False)
class Shifted:
    """Responses of a policy that has moved.

    Args:
        rows: (m * k) rows, those of a prompt together.
        gold: (m, k) their gold rewards, which only measure.
    """

    rows: Rows
    gold: Floats

    def pairs(self) -> Pairs:
        """All pairs of responses to one prompt that differ in gold reward, the better one chosen."""
        m, k = self.gold.shape
        at = np.arange(m * k).reshape(m, k)
        one, two = np.triu_indices(k, 1)
        first, second = at[:, one].ravel(), at[:, two].ravel()
        gap = self.gold.ravel()[first] - self.gold.ravel()[second]
        differ = gap != 0
        made = Pairs.of(self.rows.take(first[differ]), self.rows.take(second[differ]))
        return made.flipped(gap[differ] < 0)


def best_of(desk: Desk, model: RewardModel, prompts: int, name: str, k: int = RESPONSES, n: int = BEST_OF) -> Shifted:
    """The best of n responses by a reward model, k times for each prompt."""
    asked = np.repeat(desk.prompts(prompts, name), k * n, 0)
    drawn = desk.draw(asked, name)
    rows = desk.rows(asked, drawn)
    best = model.scores(rows).reshape(-1, n).argmax(1)
    taken = np.arange(len(best)) * n + best
    return Shifted(rows.take(taken), desk.gold(asked, drawn)[taken].reshape(prompts, k))


def of_policy(desk: Desk, policy: TinyLM, prompts: int, name: str, k: int = RESPONSES) -> Shifted:
    """Some responses, k, of a policy to each prompt."""
    asked = np.repeat(desk.prompts(prompts, name), k, 0)
    drawn = desk.draw(asked, name, policy=policy)
    return Shifted(desk.rows(asked, drawn), desk.gold(asked, drawn).reshape(prompts, k))


def spread(scores: Floats) -> float:
    """The difference loss J of scores (m, k), averaged over prompts."""
    import torch

    from guerdon.prefer.objectives import difference_loss

    return float(difference_loss(torch.tensor(scores)).mean())


def judged(model: RewardModel, shifted: Shifted, watch: Mapping[str, Pairs], reference: Rows) -> dict[str, float]:
    """J, raw and of standardised scores, and accuracy on the original and on the shifted pairs.

    Args:
        model: as trained.
        shifted: responses that it has not seen.
        watch: validation sets of the original pairs.
        reference: rows that standardise scores.
    """
    scores = model.scores(shifted.rows).reshape(shifted.gold.shape)
    scaled = model.standardised(reference).scores(shifted.rows).reshape(shifted.gold.shape)
    pairs, original = shifted.pairs(), watch["gold"]
    return {
        "J": spread(scores),
        "standardised J": spread(scaled),
        "original accuracy": right(model.scores(original.chosen), model.scores(original.rejected)),
        "shifted accuracy": right(model.scores(pairs.chosen), model.scores(pairs.rejected)),
    }


def learned(noisy: Pairs, seeds: tuple[int, ...], sizes: Sizes, rate: float, shifted: Rows | None) -> Any:
    """Models of plain training, or by MetaRM where there are shifted responses; equal steps."""
    from guerdon.prefer.training import Fit, Meta, fit

    settings = Fit(epochs=sizes.epochs)
    if shifted is not None:
        settings = replace(settings, meta=Meta(rate=rate, prompts=16, responses=RESPONSES))
    return fit(body(), noisy, settings, seeds, shifted=shifted).models


def ppo(desk: Desk, model: RewardModel, iterations: int, start: State | None) -> tuple[State, TinyLM]:
    """Go on with a policy by PPO up to so many iterations in all; weight 0.05 of the divergence per token."""
    from guerdon.train.kl import FixedKL
    from guerdon.train.learners import PPO
    from guerdon.train.loop import train
    from guerdon.train.rollouts import Sampling
    from guerdon.worlds.tiny_text import END, LONGEST, PAD

    policy = desk.learner()
    done = train(
        policy,
        PPO(lr=5e-4, kl=FixedKL(weight=0.05)),
        desk.prompts(2_000, "ppo"),
        desk.score_of(model),
        iterations=iterations,
        batch=64,
        sampling=Sampling(most=LONGEST + 1, end=END, pad=PAD),
        seed=desk.seed,
        start=start,
    )
    return done.state, policy.model_of(done.state.policy)


def rounds(desk: Desk, noisy: Pairs, vanilla: RewardModel, sizes: Sizes, seed: int) -> dict[str, float]:
    """PPO, new responses, MetaRM, PPO again; beside it, as many steps of PPO with the first reward model throughout."""
    held = desk.rows(asked := desk.prompts(sizes.held, "scale"), desk.draw(asked, "scale"))
    model = plain = vanilla.standardised(held)
    now: State | None = None
    still: State | None = None
    found: dict[str, float] = {}
    for k in range(sizes.rounds + 1):
        many = (k + 1) * sizes.steps
        now, policy = ppo(desk, model, many, now)
        still, other = (now, policy) if k == 0 else ppo(desk, plain, many, still)
        ours, theirs, first = (of_policy(desk, each, sizes.prompts, "judged") for each in (policy, other, desk.policy))
        found |= {
            f"gold, MetaRM @ round = {k}": float(ours.gold.mean()),
            f"gold, vanilla @ round = {k}": float(theirs.gold.mean()),
            f"win-rate over vanilla, round {k}": _wins(ours.gold, theirs.gold),
            f"win-rate over SFT, round {k}": _wins(ours.gold, first.gold),
        }
        new = of_policy(desk, policy, sizes.prompts, f"round-{k}")
        model = learned(noisy, (seed,), sizes, RATE, new.rows)[0].standardised(held)
    return found


def _wins(ours: Floats, theirs: Floats) -> float:
    from guerdon.rlhf.winrate import points_by

    return 100 * float(points_by(ours.ravel(), theirs.ravel()).mean())


@dataclass(frozen=True, kw_only=True)
class MetaRewardModel(Experiment):
    """MetaRM against a reward model of equal steps, and rounds of it."""

    name: ClassVar[str] = "metarm"
    summary: ClassVar[str] = (
        "A reward model learns from 4,000 pairs, a quarter of them labelled wrong. The shifted responses are the best "
        "of 16 by it, 4 for each prompt. MetaRM learns from the same pairs in as many steps, going up the difference "
        "loss on them. In rounds, PPO moves the policy, and MetaRM learns on its new responses."
    )
    arms: ClassVar[tuple[str, ...]] = (ARM,)
    modules: ClassVar[tuple[str, ...]] = (*ROOMS, "guerdon.train.loop", "guerdon.train.learners")
    claims: ClassVar[tuple[Claim | AllOf, ...]] = (
        Claim(
            name="tells-shifted-responses-apart",
            statement="On shifted responses that it has not seen, MetaRM's difference loss is higher.",
            measure="J, MetaRM over vanilla",
            treatment=ARM,
            at_least=0.0,
            source=PAPER,
            expected="trivially so, by larger scores",
        ),
        Claim(
            name="tells-them-apart-in-scale",
            statement="So it is after scores are standardised.",
            measure="standardised J, MetaRM over vanilla",
            treatment=ARM,
            at_least=0.0,
            source="ours: J rises when scores are merely scaled",
        ),
        Claim(
            name="keeps-the-original",
            statement="On pairs of the original policy, accuracy drops by 1 point at most.",
            measure="original accuracy, MetaRM over vanilla",
            treatment=ARM,
            at_least=-0.01,
            source=PAPER,
        ),
        Claim(
            name="is-right-about-the-shifted",
            statement="On pairs of shifted responses with true labels, accuracy does not fall.",
            measure="shifted accuracy, MetaRM over vanilla",
            treatment=ARM,
            at_least=0.0,
            source=PAPER,
        ),
        AllOf(
            name="metarm-keeps-discriminating",
            statement="MetaRM tells shifted responses apart, rightly, at no cost on the original pairs.",
            of=(
                "tells-shifted-responses-apart",
                "tells-them-apart-in-scale",
                "keeps-the-original",
                "is-right-about-the-shifted",
            ),
            source=PAPER,
        ),
        Claim(
            name="rounds-beat-sft",
            statement="After three rounds the policy beats the first one more often than not, by gold reward.",
            measure="win-rate over SFT, round 3",
            treatment=ARM,
            at_least=50.0,
            source=f"{PAPER}: 69 win, 3 lose (Harmless)",
        ),
        Claim(
            name="rounds-beat-vanilla-ppo",
            statement="After three rounds the policy beats as many steps of PPO with the first reward model.",
            measure="win-rate over vanilla, round 3",
            treatment=ARM,
            at_least=50.0,
            source=f"{PAPER}: 54 win, 31 lose (Harmless)",
        ),
        Claim(
            name="a-fourth-round-is-worse",
            statement="The gold reward after a fourth round is lower than after the third.",
            measure="gold, round 4 over round 3",
            treatment=ARM,
            at_most=0.0,
            source=f"{PAPER}: best after 3 rounds of dialogue",
        ),
    )

    def seeds(self, scale: Scale) -> tuple[int, ...]:
        """Three from 11 on; five at full scale."""
        return tuple(range(11, 16 if scale == "full" else 14))

    def run(self, arm: str, seed: int, scale: Scale) -> Mapping[str, float | None]:
        """The comparison for each rate, and the rounds."""
        from guerdon.rlhf.desk import Desk

        sizes = SIZES[scale]
        desk = Desk.make(seed, demonstrations=sizes.demonstrations)
        noisy, _, _ = made(desk, sizes.used, "metarm")
        watch = validation(desk, sizes.held)
        seeds = tuple(range(seed * 1000, seed * 1000 + sizes.runs))
        vanilla = learned(noisy, seeds, sizes, 0.0, None)
        seen, unseen = (best_of(desk, vanilla[0], sizes.prompts, name) for name in ("seen", "unseen"))
        reference = watch["gold"].chosen + watch["gold"].rejected
        base = _mean([judged(model, unseen, watch, reference) for model in vanilla])
        found: dict[str, float | None] = {f"{name} of vanilla": each for name, each in base.items()}
        for rate in RATES:
            told = _mean([judged(m, unseen, watch, reference) for m in learned(noisy, seeds, sizes, rate, seen.rows)])
            found |= {f"{name}, eta {rate:g}": each for name, each in told.items()}
            if rate == RATE:
                found |= {f"{name}, MetaRM over vanilla": each - base[name] for name, each in told.items()}
        found |= rounds(desk, noisy, vanilla[0], sizes, seeds[0])
        after = [found.get(f"gold, MetaRM @ round = {k}") for k in (3, 4)]
        known = [each for each in after if each is not None]
        return found | {"gold, round 4 over round 3": known[1] - known[0] if len(known) == 2 else None}


def _mean(told: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([each[name] for each in told])) for name in told[0]}
