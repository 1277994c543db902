"""Small drawings of the application, in the manner of the reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from markupsafe import Markup

from guerdon.report import text
from guerdon.report.svg import Plot, Scale, bounds, joined, labels, mark

WIDTH, HEIGHT = 240, 22


class Measured(Protocol):
    """Something with a value and an interval: a row of a leaderboard, a part of a score."""

    @property
    def value(self) -> float | None:
        """The number."""

    @property
    def low(self) -> float | None:
        """Lower end of its interval."""

    @property
    def high(self) -> float | None:
        """Upper end."""

    @property
    def own(self) -> bool:
        """Whether it is the visitor's."""


@dataclass(frozen=True, slots=True)
class Part:
    """A named component of a score, with the ends of its interval where the judge gives them."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    own: bool = False


def parts_of(parts: Mapping[str, float]) -> list[Part]:
    """The parts of a score, where `AP_low` and `AP_high` are the ends of `AP`'s interval.

    >>> [(part.name, part.low) for part in parts_of({"AP": 0.5, "AP_low": 0.4, "AP_high": 0.6, "low": 0, "high": 1})]
    [('AP', 0.4)]
    """
    ends = {f"{name}_{end}" for name in parts for end in ("low", "high")} | {"low", "high"}
    return [
        Part(name, value, parts.get(f"{name}_low"), parts.get(f"{name}_high"))
        for name, value in parts.items()
        if name not in ends
    ]


class Strip:
    """Intervals of a leaderboard's rows, or of parts of a score, one drawing for each, all on one scale."""

    def __init__(self, rows: Sequence[Measured]) -> None:
        ends = [end for row in rows for end in (row.value, row.low, row.high) if end is not None]
        self.known = bool(ends)
        low, high = bounds(np.array(ends, dtype=float))
        room = (high - low) * 0.04
        self._scale = Scale(low - room, high + room, 6.0, WIDTH - 6.0)
        self.ticks = self._scale.ticks(about=3)

    def row(self, row: Measured) -> Markup:
        """A dot with its interval, on the scale's grid."""
        if row.value is None:
            return Markup("")
        says = text.fixed(row.value)
        if row.low is not None and row.high is not None:
            says += f", 95 % interval {text.interval(row.low, row.high)}"
        parts = [mark('<path class="grid" d="M{} 0V{}"/>', f"{self._scale(tick):.1f}", HEIGHT) for tick in self.ticks]
        if row.low is not None and row.high is not None:
            path = f"M{self._scale(row.low):.1f} 11H{self._scale(row.high):.1f}"
            parts.append(mark('<path class="whisker {}" d="{}"/>', _colour(row), path))
        at = f"{self._scale(row.value):.1f}"
        parts.append(mark('<circle class="dot {}" cx="{}" cy="11" r="5"/>', _colour(row), at))
        head = '<svg role="img" class="strip" viewBox="0 0 {} {}"><title>{}</title>{}</svg>'
        return mark(head, WIDTH, HEIGHT, says, joined(parts))

    def axis(self) -> Markup:
        """The scale's numbers, for the head of the column."""
        parts = []
        for tick, label in zip(self.ticks, labels(self.ticks), strict=True):
            x = self._scale(tick)
            anchor = "end" if x > WIDTH - 20 else "mid" if x > 20 else "start"
            parts.append(mark('<text class="tick {}" x="{}" y="13">{}</text>', anchor, f"{x:.1f}", label))
        return mark('<svg aria-hidden="true" class="strip" viewBox="0 0 {} 16">{}</svg>', WIDTH, joined(parts))


def _colour(row: Measured) -> str:
    return "c1" if row.own else "c0"


def share(taken: int, most: int) -> Markup:
    """How much of a limit is used."""
    width = 0.0 if not most else min(taken / most, 1.0) * 120
    head = (
        '<svg role="img" class="share" viewBox="0 0 120 8"><title>{} of {}</title>'
        '<rect class="track" x="0" y="0" width="120" height="8" rx="3"/>'
        '<rect class="bar c0" x="0" y="0" width="{}" height="8" rx="3"/></svg>'
    )
    return mark(head, taken, most, f"{width:.1f}")


def generations(scores: Sequence[tuple[int, float | None]]) -> Markup | None:
    """Scores of an attempt's ancestors by how far back they are, the oldest left; None where fewer than two are known.

    >>> generations([(0, 1.0)]) is None
    True
    """
    known = [(-depth, value) for depth, value in scores if value is not None]
    if len(known) < 2:
        return None
    across = np.array([depth for depth, _ in known], dtype=float)
    values = np.array([value for _, value in known], dtype=float)
    plot = Plot("Scores along the lineage", "generations", "score", bounds(across, ceiling=0.0), bounds(values))
    for depth, value in known:
        plot.dot(float(depth), float(value), 0)
    return plot.svg("generations", f"From {text.fixed(float(values[0]))} to {text.fixed(float(values[-1]))}.")
