"""The page of an experiment: a view of its document, in the look of every report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from guerdon.report import curves, text
from guerdon.report.figures import Figure
from guerdon.report.page import Card, _environment
from guerdon.report.svg import SERIES, WIDTH, Scale, bounds, framed, grid, joined, mark, style

TONE = {"supported": "good", "refuted": "bad", "inconclusive": "warn"}
SEEDS = 8
"""More seeds than this are named by their range, and their values are drawn but not written out."""
MEASURES = 6
"""Most measures drawn of one experiment, those of its claims first."""


def render(document: Mapping[str, Any]) -> str:
    """A page on the experiments of one system. The same document gives the same page.

    Args:
        document: what `guerdon.bench.reproduce.reproduce` returns.

    Returns:
        HTML text that needs nothing else: no script, no font, no picture from elsewhere.
    """
    parts = document["experiments"]
    context = {
        "document": document,
        "title": f"{document['slug']}: what became of its claims",
        "cards": [_cards(part) for part in parts],
        "figures": [_figures(part, place) for place, part in enumerate(parts)],
        "tone": TONE,
        "several": True,
        "effect": effect,
        "seeds": seeds,
        "t": text,
    }
    return _environment().get_template("experiment.html.jinja").render(context)


def write(document: Mapping[str, Any], path: str | Path) -> Path:
    """Write the page of `render` to a file, whole or not at all, and return its path."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    part.write_text(render(document), encoding="utf-8", newline="\n")
    return part.replace(target)


def seeds(found: Sequence[int]) -> str:
    """Seeds in words.

    >>> seeds([11, 12, 15]), seeds(list(range(101, 201)))
    ('11, 12, 15', '101 to 200')
    """
    whole = len(found) > SEEDS and list(found) == list(range(found[0], found[-1] + 1))
    return f"{found[0]} to {found[-1]}" if whole else ", ".join(map(str, found))


def effect(claim: Mapping[str, Any]) -> str:
    """The effect of a claim with its interval, in words."""
    if claim.get("estimate") is None:
        return text.UNKNOWN
    ends = text.interval(claim["low"], claim["high"])
    return text.number(claim["estimate"]) + (f" ({ends})" if ends else "")


def _cards(part: Mapping[str, Any]) -> list[Card]:
    cards = []
    for claim in part["claims"]:
        note = claim["reason"] if "of" in claim else f"{claim['effect']}: {effect(claim)}"
        cards.append(Card(claim["name"], claim["verdict"], note, TONE.get(claim["verdict"], "")))
    return cards


def _figures(part: Mapping[str, Any], place: int) -> list[Figure]:
    drawn = [_strip(claim, f"claim-{place}-{i}") for i, claim in enumerate(part["claims"]) if claim.get("effects")]
    claimed = [claim["measure"] for claim in part["claims"] if "of" not in claim]
    measured = [name for means in part["means"].values() for name in means]
    several = (name for name in dict.fromkeys([*claimed, *measured]) if name in measured and not curves.is_point(name))
    names = list(several)[:MEASURES]
    arms = [_arms(part, name, f"measure-{place}-{i}") for i, name in enumerate(names)]
    return drawn + arms + curves.of_experiment(part, f"curve-{place}")


def _strip(claim: Mapping[str, Any], ident: str) -> Figure:
    """The effect in each seed, their interval, and the bound."""
    effects = {str(seed): float(value) for seed, value in claim["effects"].items()}
    limits = [claim[name] for name in ("at_least", "at_most", "neutral") if claim[name] is not None]
    ends = [end for end in (claim["low"], claim["high"]) if end is not None]
    scale = _scale([*effects.values(), *limits, *ends])
    height = 120
    parts = grid(scale, height - 44)
    for name in ("at_least", "at_most"):
        if claim[name] is not None:
            x = f"{scale(claim[name]):.1f}"
            parts.append(mark('<path class="line c1" d="M{} 6V{}"/>', x, height - 44))
    for row, value in enumerate(effects.values()):
        y = f"{18 + 6 * (row % 3)}"
        parts.append(mark('<circle class="dot c0" cx="{}" cy="{}" r="4"/>', f"{scale(value):.1f}", y))
    if len(ends) == 2:
        path = f"M{scale(ends[0]):.1f} 56H{scale(ends[1]):.1f}"
        parts.append(mark('<path class="whisker c2" d="{}"/>', path))
        parts.append(mark('<circle class="dot c2" cx="{}" cy="56" r="5"/>', f"{scale(claim['estimate']):.1f}"))
    parts.append(mark('<text class="axis mid" x="{}" y="{}">{}</text>', WIDTH // 2, height - 6, claim["effect"]))
    says = f"{claim['verdict'].capitalize()}: {claim['reason']}. Dots above are the effect in each seed, below are "
    says += "their mean and its 95 % interval; the broken line is the claim's bound."
    title = f"{claim['name']}: effect by seed"
    svg = framed(ident, title, says, height, joined(parts))
    rows = tuple((f"seed {seed}", text.number(value)) for seed, value in effects.items())
    return Figure(ident, title, says, svg, ("seed", "effect"), rows)


def _arms(part: Mapping[str, Any], name: str, ident: str) -> Figure:
    """One measure, arm by arm: a dot per seed and a stroke at the mean."""
    by_arm = {
        arm: {seed: measures[name] for seed, measures in part["measures"][arm].items() if name in measures}
        for arm in part["arms"]
    }
    scale = _scale([value for values in by_arm.values() for value in values.values()])
    base = 40 * len(by_arm) + 6
    parts = grid(scale, base)
    for row, (arm, values) in enumerate(by_arm.items()):
        y, mean = 40 * row, part["means"][arm].get(name)
        parts.append(mark('<text class="axis" x="8" y="{}">{}</text>', y + 16, text.short(arm, 40)))
        parts.append(mark('<text class="tick end" x="{}" y="{}">{}</text>', WIDTH - 8, y + 16, text.number(mean)))
        for value in values.values():
            shape = '<circle class="dot c{}" cx="{}" cy="{}" r="4"/>'
            parts.append(mark(shape, row % SERIES, f"{scale(value):.1f}", y + 30))
        if mean is not None:
            path = f"M{scale(mean):.1f} {y + 22}V{y + 38}"
            parts.append(mark('<path class="whisker {}" d="{}"/>', style(row), path))
    parts.append(mark('<text class="axis mid" x="{}" y="{}">{}</text>', WIDTH // 2, base + 38, name))
    title, says = f"{name}, arm by arm", "A dot for each seed, a stroke at the mean."
    rows = tuple(
        (arm, text.number(part["means"][arm].get(name)), _each(list(values.values()))) for arm, values in by_arm.items()
    )
    svg = framed(ident, title, says, base + 44, joined(parts))
    return Figure(ident, title, says, svg, ("arm", "mean", "by seed"), rows)


def _each(values: Sequence[float]) -> str:
    if len(values) <= SEEDS:
        return "  ".join(map(text.number, values))
    return f"{text.number(min(values))} to {text.number(max(values))}"


def _scale(values: Sequence[float]) -> Scale:
    low, high = bounds(np.array([value for value in values if math.isfinite(value)], dtype=float))
    room = (high - low) * 0.05
    return Scale(low - room, high + room, 8.0, WIDTH - 8.0)
