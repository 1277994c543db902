"""Which labels the members of an ensemble doubt, and whether the audit's own data trained the reward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from guerdon.core.reward import Reward
from guerdon.prefer.ensembles import Strength
from guerdon.prefer.files import read
from guerdon.prefer.pairs import Pairs
from guerdon.prefer.sets import PreferenceSet, key_of
from guerdon.rlhf.audit.estimates import share
from guerdon.rlhf.audit.extras import Extras
from guerdon.rlhf.audit.findings import (
    Drawing,
    Example,
    Finding,
    Number,
    Series,
    Verdict,
    not_measured,
    percent,
    spread,
)
from guerdon.rlhf.audit.subject import Subject, cases_of, shown, values
from guerdon.rlhf.fitting import HELD_OUT
from guerdon.rlhf.kept import KeptReward

DOUBTFUL = 20
"""Pairs that are listed to be labelled again."""
RELEASED = ("chosen score list", "rejected score list")
"""Columns of a set that is annotated with strengths (arXiv 2401.06080)."""


@dataclass(frozen=True, eq=False)
class Members:
    """What the members of an ensemble say of the decided pairs at `places`."""

    strength: Strength
    places: list[int]
    source: str


def members(subject: Subject) -> Members | None:
    """The vote of the members, or of those that annotated the data; None where the subject has none."""
    columns = subject.rows.columns
    if all(name in columns for name in RELEASED):
        places = [k for k in np.flatnonzero(subject.rows.decided).tolist() if columns[RELEASED[0]][k] is not None]
        lists = {name: [columns[name][k] for k in places] for name in RELEASED}
        return Members(Strength.of_columns(lists), places, "the scores in the data") if places else None
    rows, places = subject.rows, np.flatnonzero(subject.rows.decided).tolist()
    prompts = [rows.prompt[k] for k in places] * 2
    answers = [subject.side(k, better) for better in (True, False) for k in places]
    keys = [subject.keys[k] for k in places] * 2
    if isinstance(subject.thing, KeptReward) and len(subject.thing.members) > 1:
        told = subject.thing.member_scores(prompts, answers)
    else:
        parts = [each for each in getattr(subject.thing, "rewards", ()) if isinstance(each, Reward)]
        if len(parts) < 2:
            return None
        cases = cases_of(prompts, answers, keys)
        told = np.stack([values(part(cases)) for part in parts])
    chosen, rejected = told[:, : len(places)], told[:, len(places) :]
    fine = np.flatnonzero(np.isfinite(chosen + rejected).all(0)).tolist()
    return Members(Strength(chosen[:, fine], rejected[:, fine]), [places[k] for k in fine], "its own members")


def strength(subject: Subject) -> Finding:
    """Probe: how strongly the members hold with the labels, and which pairs to label again."""
    name, title = "strength", "Strength of the preferences"
    found = members(subject)
    if found is None or not found.places:
        why = "The reward has fewer than two members, and the data no member scores."
        return not_measured(name, title, why, "Fit several members: guerdon reward fit --members 5.")
    mu, sigma = found.strength.mean, found.strength.sd
    groups = subject.groups[found.places]
    unit = float(np.abs(mu).mean()) or 1.0
    against, unsure = mu < -sigma, np.abs(mu) <= sigma
    shares = [share(mask.astype(float), groups) for mask in (against, unsure, ~against & ~unsure)]
    verdict: Verdict = "bad" if shares[0].low > 0.30 else "warn" if shares[0].low > 0.10 else "ok"
    order = np.argsort(mu / unit, kind="stable")[:DOUBTFUL].tolist()
    why = (
        f"By {found.source} ({len(found.strength.chosen)}), {spread(shares[0])} of {len(mu)} labels are contradicted, "
    )
    why += f"{percent(shares[1].value)} are unsure and {percent(shares[2].value)} are held with."
    if found.source == "its own members":
        why += " Members hold with labels that trained them more than they should: on such data wrong labels are "
        why += "undercounted."
    return Finding(
        probe=name,
        title=title,
        verdict=verdict,
        why=why,
        rule="contradicted: the mean difference of the members lies more than their sd below 0; warn if the interval "
        "of its "
        "share lies above 10 %, bad above 30 %",
        do=""
        if verdict == "ok"
        else f"Have the {len(order)} listed pairs labelled again; they are in the file of --doubtful.",
        numbers=(
            Number.of("contradicted", shares[0], len(mu)),
            Number.of("unsure", shares[1], len(mu)),
            Number.of("held with", shares[2], len(mu)),
        ),
        drawings=(_drawn(found.strength),),
        examples=tuple(_example(subject, found, k) for k in order[:5]),
        export=tuple(_row(subject, found, k) for k in order),
    )


def _example(subject: Subject, found: Members, k: int) -> Example:
    place, mu, sigma = found.places[k], float(found.strength.mean[k]), float(found.strength.sd[k])
    both = (
        f"labelled better: {shown(subject.side(place), 250)}\nlabelled worse: {shown(subject.side(place, False), 250)}"
    )
    return Example(
        f"mean difference {mu:.3g}, sd over members {sigma:.3g}", shown(subject.rows.prompt[place], 300), both
    )


def _row(subject: Subject, found: Members, k: int) -> dict[str, Any]:
    names = ("mean preference difference", "std preference difference")
    values_ = (float(found.strength.mean[k]), float(found.strength.sd[k]))
    return subject.rows.row(found.places[k]) | dict(zip(names, values_))


def _drawn(found: Strength) -> Drawing:
    order = np.argsort(found.mean, kind="stable")
    some = order[np.unique(np.linspace(0, len(order) - 1, 60).round().astype(int))]
    x = np.searchsorted(found.mean[order], found.mean[some], side="right") / len(order)
    mu, sigma = found.mean[some], found.sd[some]
    line = Series("mean difference", *(tuple(map(float, each)) for each in (x, mu, mu - sigma, mu + sigma)))
    zero = Series("zero", (0.0, 1.0), (0.0, 0.0))
    says = (
        "Score of the chosen less that of the rejected answer, mean over members with their sd, the lowest pair first. "
    )
    says += "Pairs below zero are those whose label the members contradict."
    return Drawing("curves", "Strength of the preferences", says, "share of pairs", "mean difference", (line, zero))


# ---- lineage ---------------------------------------------------------------------------------------------------------


def lineage(subject: Subject, extras: Extras) -> Finding:
    """Probe: whether the data of the audit trained the reward."""
    name, title = "lineage", "Overlap with the training labels"
    held = _held_out(subject)
    if extras.trained_on is None:
        return _by_digest(subject, held)
    trained = extras.trained_on
    trained = trained.take([pair not in held for pair in _pairs(trained)])
    seen, asked = set(_pairs(trained)), set(map(key_of, trained.prompt))
    again = np.array([pair in seen for pair in _pairs(subject.rows)], float)
    prompts = np.array([key_of(prompt) in asked for prompt in subject.rows.prompt], float)
    verdict: Verdict = "bad" if again.mean() >= 0.01 else "warn" if again.any() or prompts.mean() >= 0.05 else "ok"
    word = "Contaminated: " if verdict == "bad" else ""
    return Finding(
        probe=name,
        title=title,
        verdict=verdict,
        why=f"{word}{percent(float(again.mean()))} of the pairs were trained on, {percent(float(prompts.mean()))} of "
        "their "
        "prompts occur in the training data.",
        rule="bad from 1 % of the pairs; warn if any pair, or 5 % of the prompts",
        do="" if verdict == "ok" else "Audit on held-out prompts; figures on training data flatter the reward.",
        numbers=(
            Number("pairs trained on", float(again.mean()), n=len(subject), kind="share"),
            Number("prompts trained on", float(prompts.mean()), n=len(subject), kind="share"),
        ),
    )


def _held_out(subject: Subject) -> set[tuple[str, ...]]:
    """Keys of the pairs that were held out when the reward was learned, where its folder has them."""
    folder = subject.thing.folder if isinstance(subject.thing, KeptReward) else None
    if folder is None or not (folder / HELD_OUT).is_file():
        return set()
    return set(_pairs(read(folder / HELD_OUT).rows))


def _by_digest(subject: Subject, held: set[tuple[str, ...]]) -> Finding:
    """What the reward itself says: the pairs that it held out, and the digest of the labels that trained it."""
    name, title, do = "lineage", "Overlap with the training labels", "Name the training data with --trained-on FILE."
    reward = subject.thing
    labels = reward.lineage.get("labels") if isinstance(reward, KeptReward) else None
    if not isinstance(reward, KeptReward) or labels is None:
        return not_measured(name, title, "The reward does not say what it was trained on.", do)
    if held.issuperset(_pairs(subject.rows)):
        why = "All pairs are among those that were held out when it was learned."
        return Finding(probe=name, title=title, verdict="ok", why=why)
    if Pairs.of_set(subject.rows, reward.encoding.rows).digest() == labels:
        why = "Contaminated: these are the very labels that trained it."
        return Finding(probe=name, title=title, verdict="bad", why=why, do="Audit on held-out prompts.")
    why = f"It was trained on the labels {str(labels)[:12]}…; these are not all of them, but some may be among them."
    return not_measured(name, title, why, do)


def _pairs(rows: PreferenceSet) -> list[tuple[str, ...]]:
    """A key of each row: its prompt with both answers, in any order of these."""
    keys = zip(map(key_of, rows.prompt), map(key_of, rows.first), map(key_of, rows.second))
    return [(prompt, *sorted(sides)) for prompt, *sides in keys]
