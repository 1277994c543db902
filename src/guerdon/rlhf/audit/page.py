"""The page of an audit: a view of its document, in the look of every report."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from markupsafe import Markup

from guerdon.report import text
from guerdon.report.figures import Figure
from guerdon.report.page import Card, _environment
from guerdon.report.svg import SERIES, WIDTH, Plot, Scale, bounds, framed, grid, joined, mark, style
from guerdon.rlhf.audit.findings import ORDER

if TYPE_CHECKING:
    from jinja2 import Environment

Plain: TypeAlias = Mapping[str, Any]
TONE = {"ok": "good", "warn": "warn", "bad": "bad", "not measured": "none"}
HEADLINE = {
    "bad": "Do not optimise it as it is",
    "warn": "Usable with care",
    "ok": "Nothing was found",
    "not measured": "Nothing was measured",
}
CARDS = 8
"""Most figures of a finding that are shown as cards."""


def render(document: Plain) -> str:
    """A page on one reward. The same document gives the same page.

    Args:
        document: what `guerdon.rlhf.audit.Audit.document` returns.

    Returns:
        HTML text that needs nothing else: no script, no font, no picture from elsewhere.
    """
    found = sorted(document["findings"], key=lambda each: ORDER.index(each["verdict"]))
    context = {
        "document": document,
        "title": f"Audit of {document['reward']['name']}",
        "headline": HEADLINE[document["verdict"]],
        "findings": found,
        "unmeasured": [each for each in found if each["verdict"] == "not measured"],
        "tone": TONE,
        "several": True,
        "cards": _cards,
        "figures": _figures,
        "numeric": _numeric,
        "cell_text": _cell,
        "first": first_sentence,
        "t": text,
    }
    return _templates().get_template("audit.html.jinja").render(context)


def write(document: Plain, path: str | Path) -> Path:
    """Write the page of `render` to a file, whole or not at all, and return its path."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    part.write_text(render(document), encoding="utf-8", newline="\n")
    return part.replace(target)


@functools.cache
def _templates() -> Environment:
    """The environment of all reports, with the template of this package before theirs."""
    from jinja2 import ChoiceLoader, PackageLoader

    base = _environment()
    loaders = [PackageLoader("guerdon.rlhf.audit"), base.loader]
    return base.overlay(loader=ChoiceLoader([each for each in loaders if each is not None]))


def first_sentence(why: str) -> str:
    """The beginning of a reason.

    >>> first_sentence("It is 0.5 long. And wide.")
    'It is 0.5 long.'
    """
    found = re.match(r".*?[.:](?=\s|$)", why, re.DOTALL)
    return found.group() if found and len(found.group()) < 200 else text.clip(why, 200)


def _cards(finding: Plain) -> list[Card]:
    return [_card(number) for number in finding["numbers"][:CARDS]]


def _card(number: Plain) -> Card:
    told = [f"{told_number(number['low'], number['kind'])} to {told_number(number['high'], number['kind'])}"]
    notes = told if number["low"] is not None and number["high"] is not None else []
    notes += [f"of {text.count(number['n'])}"] if number["n"] is not None else []
    return Card(number["name"], told_number(number["value"], number["kind"]), ", ".join(notes))


def told_number(value: float | None, kind: str) -> str:
    """A figure for people, a share in percent.

    >>> told_number(0.1234, "share"), told_number(None, "share"), told_number(2.0, "number")
    ('12.3 %', 'unknown', '2')
    """
    if value is None or kind != "share":
        return text.number(value)
    return f"{100 * value:.1f} %".replace("-", "−").replace(".0 %", " %")


def _numeric(table: Plain, column: int) -> bool:
    cells = [row[column] for row in table["rows"]]
    return any(isinstance(cell, (int, float)) for cell in cells) and all(not isinstance(cell, str) for cell in cells)


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return text.clip(value, 300)
    return text.UNKNOWN if value is None else text.count(value) if isinstance(value, int) else text.fixed(value)


# ---- figures ---------------------------------------------------------------------------------------------------------


def _figures(finding: Plain) -> list[Figure]:
    draw = {"curves": _curves, "intervals": _intervals}
    return [draw[each["kind"]](each, f"{finding['probe']}-{place}") for place, each in enumerate(finding["drawings"])]


def _curves(drawing: Plain, ident: str) -> Figure:
    series = drawing["series"]
    x = _ends([value for line in series for value in line["x"]])
    y = _ends([value for line in series for part in ("y", "low", "high") for value in line[part]])
    plot = Plot(drawing["title"], drawing["across"], drawing["up"], x, y)
    for place in drawing["marks"]:
        plot.curve(np.array([place, place]), np.array(y), 5, steps=False)
    for index, line in enumerate(series):
        _line(plot, line, index)
    legend = tuple((line["name"], index) for index, line in enumerate(series)) if len(series) > 1 else ()
    svg = plot.svg(ident, drawing["says"])
    return Figure(ident, drawing["title"], drawing["says"], svg, *_numbers(drawing), legend)


def _line(plot: Plot, line: Plain, index: int) -> None:
    xs, ys = np.array(line["x"], float), np.array(line["y"], float)
    plot.curve(xs, ys, index, steps=False)
    for x, low, high in zip(line["x"], line["low"], line["high"]):
        if None not in (x, low, high):
            plot.whisker(x, low, high, index)
    if len(xs) <= 24 and line["low"]:
        for x, y in zip(xs.tolist(), ys.tolist()):
            plot.dot(x, y, index)


def _ends(values: Sequence[float | None]) -> tuple[float, float]:
    low, high = bounds(np.array([value for value in values if value is not None], float))
    room = 0.04 * (high - low)
    return low - room, high + room


def _intervals(drawing: Plain, ident: str) -> Figure:
    """A point and its interval per line, over one axis, with a line at each mark."""
    line = drawing["series"][0]
    scale = _across([*line["x"], *line["low"], *line["high"], *drawing["marks"]])
    base = 40 * len(drawing["names"]) + 6
    parts = grid(scale, base)
    for row, name in enumerate(drawing["names"]):
        for place in drawing["marks"]:
            parts.append(mark('<path class="line c1" d="M{} {}v18"/>', f"{scale(place):.1f}", 40 * row + 21))
        parts += _interval(scale, row, name, *(line[part][row] for part in ("x", "low", "high")))
    parts.append(mark('<text class="axis mid" x="{}" y="{}">{}</text>', WIDTH // 2, base + 38, drawing["across"]))
    svg = framed(ident, drawing["title"], drawing["says"], base + 44, joined(parts))
    rows = tuple(
        (name, *(text.number(line[part][row]) for part in ("x", "low", "high")))
        for row, name in enumerate(drawing["names"])
    )
    return Figure(ident, drawing["title"], drawing["says"], svg, ("", drawing["across"], "low", "high"), rows)


def _interval(scale: Scale, row: int, name: str, value: float, low: float | None, high: float | None) -> list[Markup]:
    y = 40 * row
    parts = [
        mark('<text class="axis" x="8" y="{}">{}</text>', y + 16, text.short(name, 46)),
        mark('<text class="tick end" x="{}" y="{}">{}</text>', WIDTH - 8, y + 16, text.number(value, 3)),
    ]
    if low is not None and high is not None:
        path = f"M{scale(low):.1f} {y + 30}H{scale(high):.1f}"
        parts.append(mark('<path class="whisker {}" d="{}"/>', style(0), path))
    place = f"{scale(value):.1f}"
    parts.append(mark('<circle class="dot c{}" cx="{}" cy="{}" r="5"/>', 0 % SERIES, place, y + 30))
    return parts


def _across(values: Sequence[float | None]) -> Scale:
    low, high = bounds(np.array([value for value in values if value is not None], float))
    room = 0.05 * (high - low)
    return Scale(low - room, high + room, 8.0, WIDTH - 8.0)


def _numbers(drawing: Plain) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """The points of all lines as a table."""
    headers = ("line", drawing["across"], drawing["up"], "low", "high")
    rows = []
    for line in drawing["series"]:
        ends = [line[part] or [None] * len(line["x"]) for part in ("low", "high")]
        rows += [(line["name"], *map(text.number, point)) for point in zip(line["x"], line["y"], *ends)]
    return headers, tuple(rows)
