"""Whether the subject reads the instruction, and what its representation knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from guerdon.prefer.models import LearnedReward
from guerdon.prefer.sets import Text
from guerdon.rlhf.audit.estimates import Floats
from guerdon.rlhf.audit.extras import Extras
from guerdon.rlhf.audit.findings import (
    Drawing,
    Example,
    Finding,
    Number,
    Series,
    Table,
    Verdict,
    not_measured,
    percent,
    spread,
)
from guerdon.rlhf.audit.subject import Subject, cases_of, shown
from guerdon.rlhf.contrast import (
    BAND,
    Consistency,
    ContrastSet,
    WordVectors,
    consistency,
    contrast_set,
    overlap,
    quantile_band,
)
from guerdon.rlhf.kept import KeptReward
from guerdon.rlhf.probing import probe

ITEMS = 500
FEWEST_ITEMS = 20
FEWEST_ROWS = 100
"""Answers of each half that a dimension needs."""


# ---- contrast instructions -------------------------------------------------------------------------------------------


def contrast(subject: Subject, extras: Extras) -> Finding:
    """Probe: whether the subject notices that the instruction changed."""
    name, title = "contrast", "Contrast instructions"
    if subject.reward is None:
        return not_measured(name, title, "The subject compares answers to one prompt and gives no scores.")
    items, said = _items(subject, extras)
    if len(items) < FEWEST_ITEMS:
        why = (
            f"The data has {len(items)} pairs of alike but different instructions ({said}); {FEWEST_ITEMS} are needed."
        )
        return not_measured(name, title, why, "Give an encoder, or more data.")
    found = consistency(items, subject.score)
    if found.unknown > len(items) // 2:
        why = f"{found.unknown} of {len(items)} items have an unknown score: the reward needs more than prompt and "
        why += "answer."
        return not_measured(name, title, why)
    plain = consistency(items, overlap)
    ends = (found.res, found.ins)
    chance = [end for end in ends if end.low <= 0.5]
    verdict: Verdict = "warn" if chance or min(end.high for end in ends) < 0.8 else "ok"
    if any(end.value < 0.65 for end in chance):
        verdict = "bad"
    why = f"With the right answer and that to a similar instruction it prefers the right one in {spread(found.res)}; "
    why += "it scores "
    why += f"an answer higher under its own instruction in {spread(found.ins)}. Chance is 50 %."
    return Finding(
        probe=name,
        title=title,
        verdict=verdict,
        why=why,
        rule="bad if an interval reaches 50 % and the share is below 65 %; warn if an interval reaches 50 % or lies "
        "below 80 %",
        do=""
        if verdict == "ok"
        else "Add pairs that set the right answer against the answer to a similar instruction (guerdon.rlhf.contrast).",
        numbers=(
            Number.of("response consistency C_res", found.res, len(items)),
            Number.of("instruction consistency C_ins", found.ins, len(items)),
            Number("C_res of shared words alone", plain.res.value, n=len(items), kind="share"),
            Number("C_ins of shared words alone", plain.ins.value, n=len(items), kind="share"),
            Number("items with an unknown score", float(found.unknown), n=len(items)),
        ),
        tables=(Table("How items were made", ("what", "how"), (("instructions", said), ("items", str(len(items))))),),
        examples=_wrong(items, found),
    )


def _items(subject: Subject, extras: Extras) -> tuple[ContrastSet, str]:
    """Contrast items of the data, and how they were made."""
    places = subject.some(4 * ITEMS, "contrast")
    asked = [shown(subject.rows.prompt[k], 4000) for k in places]
    told = [shown(subject.side(k), 10**6) for k in places]
    if len(asked) < 2:
        return contrast_set([], [], WordVectors.of([])), "no usable prompts"
    if extras.encoder is not None:
        items = contrast_set(asked, told, extras.encoder, limit=ITEMS)
        if len(items) >= FEWEST_ITEMS:
            return items, f"{extras.encoder_name or 'encoder'}, cosine {BAND[0]} to {BAND[1]}"
    encode = extras.encoder or WordVectors.of(asked)
    vectors = np.asarray(encode(asked), float)
    band = quantile_band(vectors)
    items = contrast_set(asked, told, lambda _: vectors, band, limit=ITEMS)
    named = extras.encoder_name or ("encoder" if extras.encoder else "shared words (tf-idf)")
    return items, f"{named}, cosine {band[0]:.2f} to {band[1]:.2f} (the most alike 2 % of pairs)"


def _wrong(items: ContrastSet, found: Consistency, most: int = 3) -> tuple[Example, ...]:
    order = np.argsort(np.nan_to_num(found.res_points + found.ins_points, nan=2.0), kind="stable")
    return tuple(
        Example(
            f"instruction: {shown(items.i1[k], 120)}",
            f"its neighbour: {shown(items.i2[k], 300)}",
            f"own answer: {shown(items.r1[k], 200)}\nthe neighbour's: {shown(items.r2[k], 200)}",
        )
        for k in order[:most].tolist()
        if found.res_points[k] + found.ins_points[k] < 1
    )


# ---- probing ---------------------------------------------------------------------------------------------------------


def dimensions(subject: Subject) -> Finding:
    """Probe: which rated dimensions a linear probe reads off the subject's representation."""
    name, title = "dimensions", "What the representation knows"
    features = _features(subject)
    if features is None:
        return not_measured(name, title, "The reward exposes no features.")
    rated = list(_rated(subject))
    if not rated:
        why = "The data has no ratings of both sides (columns NAME_first and NAME_second)."
        return not_measured(name, title, why, "Data with rated dimensions, such as HelpSteer, measures it.")
    groups = np.concatenate([subject.groups, subject.groups])
    rows: list[tuple[Any, ...]] = []
    for dimension, values in rated:
        known = ~np.isnan(values)
        labels = (values > np.median(values[known])).astype(np.int64)
        train, test = (known & (groups % 2 == half) for half in (0, 1))
        if min(train.sum(), test.sum()) < FEWEST_ROWS or len(set(labels[train].tolist())) < 2:
            continue
        found = probe((features[train], labels[train]), (features[test], labels[test]))
        ends = (found.balanced - found.balanced_half, found.balanced + found.balanced_half)
        rows.append((dimension, found.n, found.accuracy, found.majority, found.balanced, *ends))
    if not rows:
        return not_measured(name, title, f"No dimension has {FEWEST_ROWS} rated answers in each half.")
    blind = [str(row[0]) for row in rows if row[5] <= 0.5]
    why = "Balanced accuracy of linear probes on held-out prompts: "
    why += f"{', '.join(f'{r[0]} {percent(r[4])}' for r in rows[:8])}."
    return Finding(
        probe=name,
        title=title,
        verdict="warn" if blind else "ok",
        why=f"{why} Not told from chance: {', '.join(blind)}." if blind else why,
        rule="warn if the balanced accuracy of a dimension is not above 50 %",
        do="A dimension that cannot be read off is one that the reward cannot weigh: label for it." if blind else "",
        tables=(
            Table(
                "Probes (above the median or not)",
                ("dimension", "answers", "accuracy", "majority", "balanced accuracy", "low", "high"),
                tuple(rows),
            ),
        ),
        drawings=_drawn(rows),
    )


def _features(subject: Subject) -> Floats | None:
    """(2n, d) of first and second sides; of an ensemble, those of its first member; None where there are none."""
    rows, reward = subject.rows, subject.thing
    reward = next((each for each in getattr(reward, "rewards", ()) if isinstance(each, LearnedReward)), reward)
    prompts: Sequence[Text] = [*rows.prompt, *rows.prompt]
    answers: Sequence[Text] = [*rows.first, *rows.second]
    if isinstance(reward, KeptReward):
        return np.asarray(reward.members[0].features(reward.encoding.rows(prompts, answers)), float)
    if isinstance(reward, LearnedReward):
        return np.asarray(reward.model.features(reward.encode(cases_of(prompts, answers))), float)
    made = getattr(reward, "features", None)
    return np.asarray(made(prompts, answers), float) if callable(made) else None


def _rated(subject: Subject) -> Iterator[tuple[str, Floats]]:
    """Names and (2n,) numbers of what is rated on both sides."""
    columns = subject.rows.columns
    for name in columns:
        stem = name.removesuffix("_first")
        if name == stem or f"{stem}_second" not in columns:
            continue
        values = [*columns[name], *columns[f"{stem}_second"]]
        if all(v is None or isinstance(v, (int, float, np.number)) for v in values):
            yield stem, np.array([np.nan if v is None else v for v in values], float)


def _drawn(rows: Sequence[tuple[Any, ...]]) -> tuple[Drawing, ...]:
    points = Series(
        "balanced accuracy",
        tuple(row[4] for row in rows),
        tuple(range(len(rows))),
        tuple(row[5] for row in rows),
        tuple(row[6] for row in rows),
    )
    says = "Balanced accuracy of a linear probe with its 95 % interval; the line is chance."
    names = tuple(str(row[0]) for row in rows)
    return (Drawing("intervals", "Probes", says, "balanced accuracy", "", (points,), names, (0.5,)),)
