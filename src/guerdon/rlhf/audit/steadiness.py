"""The same answer, the same score: over calls, in any batch, in half the precision."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from guerdon.core.reward import Reward
from guerdon.prefer.models import LearnedReward, RewardModel
from guerdon.prefer.sets import Text
from guerdon.rlhf.audit.estimates import Floats
from guerdon.rlhf.audit.findings import Finding, Number, Table, Verdict, not_measured
from guerdon.rlhf.audit.subject import Subject, shown
from guerdon.rlhf.kept import Classifier, KeptReward

PAIRS = 24
"""Pairs that are scored again."""
CALLS = 3
ROUNDING = 1e-4
"""Differences up to this, in sd of the scores, are rounding."""
LARGE = 1e-2


def batches(subject: Subject) -> Finding:
    """Probe: whether a score depends on what is scored beside it."""
    name, title = "batches", "Batch invariance"
    if subject.reward is None:
        return not_measured(name, title, "The subject compares pairs and gives no scores.")
    if subject.reward.unit == "group":
        return not_measured(name, title, "The reward judges groups as a whole: its scores are meant to depend on them.")
    prompts, answers, places = _answers(subject)
    if not places:
        return not_measured(name, title, "No pair has known scores.")
    base = subject.score(prompts, answers, places)
    order = subject.rng("batches").permutation(len(places)).tolist()
    alone = np.concatenate([subject.score([p], [a], [k]) for p, a, k in zip(prompts, answers, places)])
    mixed = np.empty(len(places))
    mixed[order] = subject.score(*([column[k] for k in order] for column in (prompts, answers, places)))
    long = " ".join([shown(max(answers, key=lambda text: len(shown(text, 10**6))), 10**6)] * 10)[:20_000]
    beside = subject.score([*prompts, prompts[0]], [*answers, long], [*places, places[0]])[:-1]
    rows = [
        _row(name, base, told, subject.sd)
        for name, told in (("alone", alone), ("shuffled", mixed), ("beside a long answer", beside))
    ]
    half = _half(subject, prompts, answers, places, base)
    largest = max(row[1] for row in rows)
    turned = sum(int(row[2]) for row in rows)
    verdict: Verdict = "ok" if largest <= ROUNDING else "warn" if largest <= LARGE and not turned else "bad"
    where = max(rows, key=lambda row: row[1])
    why = f"The largest change of {len(places)} scores is {largest:.2g} sd ({where[0]}); {turned} pairs change their "
    why += "order."
    numbers = [Number("largest change, in sd", largest, n=len(places))]
    if half is not None:
        rows.append(half)
        numbers.append(Number("largest change in bfloat16, in sd", half[1], n=len(places)))
        why += f" In bfloat16 scores move by up to {half[1]:.2g} sd, and {half[2]} pairs change their order."
    return Finding(
        probe=name,
        title=title,
        verdict=verdict,
        why=why,
        rule=f"ok up to {ROUNDING:g} sd; bad above {LARGE:g} sd or if a pair changes its order; bfloat16 is reported "
        "only",
        do=""
        if verdict == "ok"
        else "Check padding side, attention mask, position numbers and the pooled token; until then score one by one.",
        numbers=tuple(numbers),
        tables=(
            Table("Against one batch", ("scored", "largest change in sd", "pairs that change order"), tuple(rows)),
        ),
    )


def _answers(subject: Subject) -> tuple[list[Text], list[Text], list[int]]:
    """Prompts and answers of some pairs, the sides of a pair next to each other, and their rows."""
    places = subject.some(PAIRS, "steadiness")
    rows = subject.rows
    answers = [side[k] for k in places for side in (rows.first, rows.second)]
    return [rows.prompt[k] for k in places for _ in (0, 1)], answers, [k for k in places for _ in (0, 1)]


def _row(name: str, base: Floats, told: Floats, sd: float) -> tuple[str, float, int]:
    """The largest change in sd, an unknown score that was known counting as endless, and pairs in another order."""
    lost = np.isnan(base) != np.isnan(told)
    change = np.abs(told - base)
    largest = math.inf if lost.any() else float(np.nanmax(change, initial=0.0)) / sd
    orders = [np.sign(each[0::2] - each[1::2]) for each in (base, told)]
    return name, largest, int((orders[0] * orders[1] < 0).sum())


def _half(
    subject: Subject, prompts: Sequence[Text], answers: Sequence[Text], places: Sequence[int], base: Floats
) -> tuple[str, float, int] | None:
    """The same for a learned reward that computes in bfloat16; None where it is none, or cannot."""
    try:
        half = in_half(subject.thing)
        if half is None:
            return None
        told = replace(subject, thing=half).score(prompts, answers, places)
    except (RuntimeError, TypeError):  # a body that computes in one precision only
        return None
    return None if np.isnan(told).all() else _row("in bfloat16", base, told, subject.sd)


def in_half(thing: object) -> Reward | None:
    """A learned reward with its weights, and so its sums, in bfloat16; None for any other."""
    if not isinstance(thing, (KeptReward, LearnedReward, Classifier)):
        return None
    import torch

    def cast(model: RewardModel) -> RewardModel:
        return replace(model, weights={name: each.to(torch.bfloat16) for name, each in model.weights.items()})

    if isinstance(thing, KeptReward):
        return replace(thing, members=tuple(map(cast, thing.members)))
    if isinstance(thing, LearnedReward):
        return replace(thing, model=cast(thing.model))
    return replace(thing, model=copy.deepcopy(thing.model).to(torch.bfloat16))


def calls(subject: Subject) -> Finding:
    """Probe: whether the same question gets the same score again."""
    name, title = "calls", "The same over calls"
    if subject.reward is None:
        return not_measured(name, title, "The subject compares pairs and gives no scores.")
    prompts, answers, places = _answers(subject)
    if not places:
        return not_measured(name, title, "No pair has known scores.")
    told = [subject.score(prompts, answers, places) for _ in range(CALLS)]
    rows = [_row(f"call {k}", told[0], each, subject.sd) for k, each in enumerate(told[1:], 2)]
    largest, turned = max(row[1] for row in rows), max(int(row[2]) for row in rows)
    verdict: Verdict = "ok" if largest <= ROUNDING else "warn" if not turned else "bad"
    return Finding(
        probe=name,
        title=title,
        verdict=verdict,
        why=f"Over {CALLS} calls the largest change of {len(places)} scores is {largest:.2g} sd; up to {turned} of "
        f"{len(places) // 2} pairs change their order.",
        rule=f"ok up to {ROUNDING:g} sd; bad if a pair changes its order",
        do="" if verdict == "ok" else "Fix seeds and temperature, or average several calls and keep their spread.",
        numbers=(Number("largest change, in sd", largest, n=len(places)), Number("pairs that change order", turned)),
    )
