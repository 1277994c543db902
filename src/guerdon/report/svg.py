"""Small drawings: axes, curves, bars and whiskers as SVG whose text is text and whose colours are the page's.

Everything textual goes through `visible` and is escaped; the only markup is what is written here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from markupsafe import Markup, escape

from guerdon.report.model import Numbers
from guerdon.report.text import number, short, visible

WIDTH = 480
POINTS = 400
"""Most points of one curve."""
SERIES = 8
"""Different colours; with the dashes that change after each round of them, 24 different lines."""


def mark(template: str, *values: object) -> Markup:
    """A template of ours with values escaped and made visible."""
    clean = [value if isinstance(value, Markup) else escape(visible(str(value))) for value in values]
    return Markup(template).format(*clean)  # templates are literals of this package


def joined(parts: Sequence[Markup]) -> Markup:
    """Parts one after the other."""
    return Markup("").join(parts)


def style(index: int) -> str:
    """Classes of the line of a series."""
    return f"c{index % SERIES} d{index // SERIES % 3}"


@dataclass(frozen=True, slots=True)
class Scale:
    """From values to places on the drawing."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of a value, held inside the drawing."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)

    def ticks(self, about: int = 5, whole: bool = False) -> list[float]:
        """Round values inside the range."""
        step = _round_step((self.high - self.low) / about)
        if whole:
            step = max(math.ceil(step), 1.0)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [i * step + 0.0 for i in range(first, last + 1)][: 3 * about]


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next((m * power for m in (1.0, 2.0, 2.5, 5.0) if m * power >= rough * 0.999), 10.0 * power)


def bounds(values: Numbers, floor: float | None = None, ceiling: float | None = None) -> tuple[float, float]:
    """The range of some values that can be drawn, widened when it is a point; limits are included.

    >>> bounds(np.array([3.0, 5.0]), floor=0.0)
    (0.0, 5.0)
    """
    known = np.clip(values[np.isfinite(values)], -1e300, 1e300)
    all_values = [*(known.min(), known.max()), floor, ceiling] if len(known) else [floor, ceiling]
    ends = [float(value) for value in all_values if value is not None]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    if high - low < max(abs(low), abs(high)) * 1e-9 or high - low < 1e-305:
        room = abs(high) * 0.1 if abs(high) > 1e-290 else 1.0
        low, high = (low, high + room) if floor is not None else (low - room, high + room)
    return low, high


def rounded(span: tuple[float, float]) -> tuple[float, float]:
    """The range widened to the next round values.

    >>> rounded((0.0, 0.807))
    (0.0, 1.0)
    """
    step = _round_step((span[1] - span[0]) / 5)
    return math.floor(span[0] / step) * step, math.ceil(span[1] / step) * step


def labels(ticks: Sequence[float]) -> list[str]:
    """Tick labels with as many decimals as tell them apart.

    >>> labels([0.0, 0.5, 1.0]), labels([0.0, 2000.0])
    (['0', '0.5', '1'], ['0', '2,000'])
    """
    biggest = max((abs(tick) for tick in ticks), default=0.0)
    step = min((b - a for a, b in pairwise(ticks)), default=biggest or 1.0)
    if biggest >= 1e6:
        unit, name = next(((u, n) for u, n in ((1e12, "T"), (1e9, "G"), (1e6, "M")) if biggest >= u), (1e6, "M"))
        return [number(tick) if biggest >= 1e15 else number(tick / unit, 3) + (name if tick else "") for tick in ticks]
    if biggest < 1e-3:
        return [number(tick, 3) for tick in ticks]
    places = min(max(-math.floor(math.log10(step) + 1e-9), 0), 6) + (1 if step < 10 and _odd(step) else 0)
    return [_plain(tick, places) for tick in ticks]


def grid(scale: Scale, base: int) -> list[Markup]:
    """Lines down to `base` at about four values of a drawing's whole width, with their labels below."""
    parts = []
    ticks = scale.ticks(about=4)
    for tick, label in zip(ticks, labels(ticks)):
        x = f"{scale(tick):.1f}"
        parts.append(mark('<path class="grid" d="M{} 4V{}"/>', x, base))
        anchor = "end" if scale(tick) > WIDTH - 24 else "mid" if scale(tick) > 24 else "start"
        parts.append(mark('<text class="tick {}" x="{}" y="{}">{}</text>', anchor, x, base + 18, label))
    return parts


def _odd(step: float) -> bool:
    return abs(step / 10.0 ** math.floor(math.log10(step) + 1e-9) - 2.5) < 1e-6


def _plain(value: float, places: int) -> str:
    text = f"{value:,.{places}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text.replace("-", "−")


def thinned(xs: Numbers, ys: Numbers, limit: int = POINTS) -> tuple[Numbers, Numbers]:
    """The points at which a step curve changes, at most `limit` of them, the first and the last included.

    >>> thinned(np.arange(4.0), np.array([0.0, 0.0, 1.0, 1.0]))[0].tolist()
    [0.0, 2.0, 3.0]
    """
    known = np.isfinite(xs) & np.isfinite(ys)
    xs, ys = xs[known], ys[known]
    if len(xs) > 2:
        kept = np.concatenate(([True], ys[1:] != ys[:-1]))
        kept[-1] = True
        xs, ys = xs[kept], ys[kept]
    if len(xs) > limit:
        chosen = np.unique(np.linspace(0, len(xs) - 1, limit).round().astype(int))
        xs, ys = xs[chosen], ys[chosen]
    return xs, ys


@dataclass
class Plot:
    """A drawing with two axes, filled in the page's colours.

    Args:
        title: what it shows; read out by screen readers.
        across: label of the horizontal axis, with its unit.
        up: label of the vertical axis, with its unit.
        x: range of the horizontal axis.
        y: range of the vertical axis.
        whole: the vertical axis counts things.
        whole_across: the horizontal axis counts things.
        height: of the drawing; its width is WIDTH.
        names: labels of the places 0, 1, ... of the horizontal axis, in the place of numbers.
    """

    title: str
    across: str
    up: str
    x: tuple[float, float]
    y: tuple[float, float]
    whole: bool = False
    whole_across: bool = False
    height: int = 260
    names: Sequence[str] | None = None
    parts: list[Markup] = field(default_factory=list)
    left: float = 0.0

    def __post_init__(self) -> None:
        self._rising = Scale(*self.y, self.height - 44.0, 34.0)
        self._heights = self._rising.ticks(whole=self.whole)
        self.left = 14.0 + 7.0 * max((len(label) for label in labels(self._heights)), default=1)
        inset = 0.0 if self.names is None else 24.0
        self._going = Scale(*self.x, self.left + inset, WIDTH - 14.0 - inset)

    def curve(self, xs: Numbers, ys: Numbers, index: int = 0, steps: bool = True) -> None:
        """A curve; with `steps` it keeps each value until the next."""
        xs, ys = thinned(xs, ys)
        if not len(xs):
            return
        points = [(self._going(x), self._rising(y)) for x, y in zip(xs.tolist(), ys.tolist())]
        path = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
        path += [f"H{x:.1f}V{y:.1f}" if steps else f"L{x:.1f} {y:.1f}" for x, y in points[1:]]
        self.parts.append(mark('<path class="line {}" d="{}"/>', style(index), "".join(path)))
        if len(points) == 1:
            self.dot(float(xs[0]), float(ys[0]), index)

    def dot(self, x: float, y: float, index: int = 0, shift: float = 0.0) -> None:
        """One point."""
        place = (f"{self._going(x) + shift:.1f}", f"{self._rising(y):.1f}")
        self.parts.append(mark('<circle class="dot {}" cx="{}" cy="{}" r="4"/>', style(index), *place))

    def whisker(self, x: float, low: float, high: float, index: int = 0, shift: float = 0.0) -> None:
        """An interval."""
        at = self._going(x) + shift
        place = f"M{at:.1f} {self._rising(low):.1f}V{self._rising(high):.1f}"
        self.parts.append(mark('<path class="whisker {}" d="{}"/>', style(index), place))

    def bar(self, low: float, high: float, value: float, says: str, index: int = 0) -> None:
        """A bar between two places across, with a text that appears when pointed at."""
        left, right, top = self._going(low), self._going(high), self._rising(value)
        size = (
            f"{left + 0.5:.1f}",
            f"{top:.1f}",
            f"{max(right - left - 1, 0.5):.1f}",
            f"{self._rising.start - top:.1f}",
        )
        template = '<rect class="bar {}" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>'
        self.parts.append(mark(template, style(index), *size, says))

    def svg(self, ident: str, description: str) -> Markup:
        """The finished drawing."""
        return framed(ident, self.title, description, self.height, joined([*self._axes(), *self.parts]))

    def _axes(self) -> list[Markup]:
        out = [mark('<text class="axis" x="2" y="16">{}</text>', self.up)]
        for tick, label in zip(self._heights, labels(self._heights)):
            y = self._rising(tick)
            across = f"M{self.left:.1f} {y:.1f}H{WIDTH - 14}"
            out.append(mark('<path class="grid" d="{}"/>', across))
            out.append(
                mark('<text class="tick end" x="{}" y="{}">{}</text>', f"{self.left - 6:.1f}", f"{y + 4:.1f}", label)
            )
        base = self.height - 44
        out.append(mark('<path class="base" d="M{} {}H{}"/>', f"{self.left:.1f}", base, WIDTH - 14))
        for tick, label in self._across():
            x = self._going(tick)
            anchor = "end" if x > WIDTH - 24 and self.names is None else "mid"
            x = WIDTH - 10 if anchor == "end" else x
            out.append(mark('<text class="tick {}" x="{}" y="{}">{}</text>', anchor, f"{x:.1f}", base + 18, label))
        middle = f"{(self.left + WIDTH - 14) / 2:.1f}"
        out.append(mark('<text class="axis mid" x="{}" y="{}">{}</text>', middle, self.height - 6, self.across))
        return out

    def _across(self) -> list[tuple[float, str]]:
        if self.names is not None:
            return list(zip(map(float, range(len(self.names))), self.names))
        ticks = self._going.ticks(about=4, whole=self.whole_across)
        return list(zip(ticks, labels(ticks)))


def framed(ident: str, title: str, description: str, height: float, inside: Markup) -> Markup:
    """An SVG element with its title and description."""
    head = '<svg role="img" viewBox="0 0 {} {}" aria-labelledby="{}-t {}-d">'
    head += '<title id="{}-t">{}</title><desc id="{}-d">{}</desc>'
    size = (WIDTH, f"{height:g}")
    return mark(head + "{}</svg>", *size, *[ident] * 3, title, ident, description, inside)


@dataclass(frozen=True, slots=True)
class Bar:
    """A line of a chart of horizontal bars; `low` and `high` are an interval around the value."""

    label: str
    value: float
    says: str
    index: int = 0
    low: float | None = None
    high: float | None = None


def bars(ident: str, title: str, description: str, rows: Sequence[Bar], high: float | None = None) -> Markup:
    """Horizontal bars from zero, each with its label above and its value in words at the right."""
    scale = Scale(0.0, high or max((row.value for row in rows), default=0.0) or 1.0, 0.0, WIDTH - 2.0)
    parts: list[Markup] = []
    for place, row in enumerate(rows):
        y = 38 * place
        parts.append(mark('<text class="axis" x="0" y="{}">{}</text>', y + 14, short(row.label, 42)))
        parts.append(mark('<text class="tick end" x="{}" y="{}">{}</text>', WIDTH - 1, y + 14, row.says))
        if high is not None:
            parts.append(mark('<rect class="track" x="0" y="{}" width="{}" height="10" rx="3"/>', y + 20, WIDTH - 2))
        width = f"{max(scale(row.value), 2.0 if row.value else 0.0):.1f}"
        shape = '<rect class="bar c{}" x="0" y="{}" width="{}" height="10" rx="3"/>'
        parts.append(mark(shape, row.index % SERIES, y + 20, width))
    return framed(ident, title, description, max(38 * len(rows), 38), joined(parts))


def intervals(ident: str, title: str, description: str, rows: Sequence[Bar], across: str) -> Markup:
    """A point and its interval per line, over one common axis."""
    ends = [end for row in rows for end in (row.value, row.low, row.high) if end is not None]
    low, high = bounds(np.array(ends, dtype=float))
    room = (high - low) * 0.05
    scale = Scale(low - room, high + room, 8.0, WIDTH - 8.0)
    ticks = scale.ticks(about=4)
    base = 40 * len(rows) + 6
    parts: list[Markup] = []
    for tick, label in zip(ticks, labels(ticks)):
        x = f"{scale(tick):.1f}"
        beside = " ".join(f"M{x} {40 * place + 20}v18" for place in range(len(rows)))  # not through the words above
        parts.append(mark('<path class="grid" d="{}"/>', beside))
        anchor = "end" if scale(tick) > WIDTH - 24 else "mid" if scale(tick) > 24 else "start"
        parts.append(mark('<text class="tick {}" x="{}" y="{}">{}</text>', anchor, x, base + 18, label))
    for place, row in enumerate(rows):
        y = 40 * place
        parts.append(mark('<text class="axis" x="8" y="{}">{}</text>', y + 16, short(row.label, 40)))
        parts.append(mark('<text class="tick end" x="{}" y="{}">{}</text>', WIDTH - 8, y + 16, row.says))
        if row.low is not None and row.high is not None:
            path = f"M{scale(row.low):.1f} {y + 30}H{scale(row.high):.1f}"
            parts.append(mark('<path class="whisker {}" d="{}"/>', style(row.index), path))
        parts.append(
            mark('<circle class="dot {}" cx="{}" cy="{}" r="5"/>', style(row.index), f"{scale(row.value):.1f}", y + 30)
        )
    parts.append(mark('<text class="axis mid" x="{}" y="{}">{}</text>', WIDTH // 2, base + 38, across))
    return framed(ident, title, description, base + 44, joined(parts))
