"""What a probe says: figures with intervals, a verdict with its rule, and what to do; all of it plain data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

from guerdon.core.plain import Json
from guerdon.prefer.calibration import Estimate

Verdict: TypeAlias = Literal["ok", "warn", "bad", "not measured"]
Kind: TypeAlias = Literal["share", "number"]
ORDER: tuple[Verdict, ...] = ("bad", "warn", "ok", "not measured")
"""Verdicts, the gravest first."""


@dataclass(frozen=True, slots=True)
class Number:
    """A figure, with its 95 % interval where there is one.

    Args:
        name: what it is.
        value: nan if it is not known.
        low: lower end; nan without.
        high: upper end; nan without.
        n: how many rows it rests on.
        kind: "share" is shown in percent.
    """

    name: str
    value: float
    low: float = math.nan
    high: float = math.nan
    n: int | None = None
    kind: Kind = "number"

    @classmethod
    def of(cls, name: str, found: Estimate, n: int | None = None, kind: Kind = "share") -> Number:
        """A figure from an estimate."""
        return cls(name, found.value, found.low, found.high, n, kind)


@dataclass(frozen=True, slots=True)
class Table:
    """Figures in rows; cells are texts, numbers or None."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class Series:
    """A line of a drawing: points with intervals (empty without)."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Drawing:
    """What to draw.

    Args:
        kind: "curves", or "intervals" (a point and its interval a line, `names` beside it).
        title: what it shows.
        says: what one sees.
        across: label of the horizontal axis.
        up: label of the vertical axis; of curves.
        series: what is drawn; of intervals, one series.
        names: of the points of intervals.
        marks: places across at which a line is drawn.
    """

    kind: Literal["curves", "intervals"]
    title: str
    says: str
    across: str
    up: str
    series: tuple[Series, ...]
    names: tuple[str, ...] = ()
    marks: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """A case to look at: why, the prompt, the answer."""

    why: str
    prompt: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one probe found.

    Args:
        probe: its name, for `--only` and `--skip`.
        title: for people.
        verdict: ok, warn, bad, or not measured.
        why: the reason for the verdict, with its figures.
        rule: when it would be another one.
        do: what to do about it.
        numbers: figures.
        tables: more of them.
        drawings: to be drawn.
        examples: cases to look at, the worst first.
        export: rows for a file, such as pairs to label again.
    """

    probe: str
    title: str
    verdict: Verdict
    why: str
    rule: str = ""
    do: str = ""
    numbers: tuple[Number, ...] = ()
    tables: tuple[Table, ...] = ()
    drawings: tuple[Drawing, ...] = ()
    examples: tuple[Example, ...] = ()
    export: tuple[Any, ...] = ()

    def number(self, name: str) -> float:
        """The value of a figure; nan if it is not there."""
        return next((each.value for each in self.numbers if each.name == name), math.nan)

    def plain(self) -> dict[str, Json]:
        """As JSON; what is not known is `None`."""
        made = _plain(self)
        return dict(made)


def not_measured(probe: str, title: str, why: str, do: str = "") -> Finding:
    """A finding that is none, with the reason."""
    return Finding(probe=probe, title=title, verdict="not measured", why=why, do=do)


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """The gravest verdict.

    >>> worst(["ok", "not measured", "warn"])
    'warn'
    """
    return next((each for each in ORDER if each in verdicts), "not measured")


def percent(value: float) -> str:
    """A share in words.

    >>> percent(0.1234), percent(float("nan"))
    ('12.3 %', 'unknown')
    """
    return "unknown" if math.isnan(value) else f"{100 * value:.1f} %"


def spread(found: Estimate | Number) -> str:
    """A share with its interval in words.

    >>> spread(Estimate(0.5, 0.4, 0.6))
    '50.0 % (40.0 to 60.0)'
    """
    return f"{percent(found.value)} ({100 * found.low:.1f} to {100 * found.high:.1f})"


def _plain(value: Any) -> Any:
    if hasattr(value, "__dataclass_fields__"):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
