"""Curves with axes of their own, and curves that the measures of an experiment hold.

A measure named `UP, LINE @ ACROSS = X` is a point of a curve: "gold, UWO @ √KL = 1.23" is the gold reward of UWO at a
root divergence of 1.23. Such measures are drawn, one figure for each arm and each UP, and need not be listed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from guerdon.report import text
from guerdon.report.figures import Figure
from guerdon.report.page import _environment
from guerdon.report.svg import SERIES, Plot, bounds, rounded

Floats = npt.NDArray[np.float64]
_POINT = re.compile(r"(?P<up>[^,@]+)(?:, (?P<line>[^@]+))? @ (?P<across>.+) = (?P<x>-?[0-9.]+(?:e[-+]?[0-9]+)?)")


@dataclass(frozen=True, eq=False)
class Line:
    """One curve of a figure.

    Args:
        name: in the legend.
        xs: (K,) rising.
        ys: (K,); nan is left out.
        errors: (K,) half lengths of whiskers, or `None`.
        dashed: a broken line, in the colour of the line in the same place of those that are not.
    """

    name: str
    xs: Floats
    ys: Floats
    errors: Floats | None = None
    dashed: bool = False


def figure(ident: str, title: str, across: str, up: str, lines: Sequence[Line], says: str = "") -> Figure:
    """Curves over one axis.

    Args:
        ident: unique in its page.
        title: what it shows.
        across: label of the horizontal axis.
        up: label of the vertical axis.
        lines: at most 8 of each kind have a colour of their own.
        says: what one sees; by default where each curve is highest and where it ends.
    """
    ends = [end for line in lines for end in (line.ys, *_ends(line))]
    span = rounded(bounds(np.concatenate(ends)))
    plot = Plot(title, across, up, bounds(np.concatenate([line.xs for line in lines])), span, height=300)
    places = _places(lines)
    for line, place in zip(lines, places, strict=True):
        plot.curve(line.xs, line.ys, place, steps=False)
        for x, low, high in zip(line.xs, *_ends(line), strict=True) if line.errors is not None else ():
            plot.whisker(float(x), float(low), float(high), place % SERIES)
    says = says or "\n".join(_said(line, across) for line in lines if np.isfinite(line.ys).any())
    rows = tuple(
        (line.name, text.number(float(x)), text.number(float(y))) for line in lines for x, y in zip(line.xs, line.ys)
    )
    legend = tuple((line.name, place) for line, place in zip(lines, places)) if len(lines) > 1 else ()
    return Figure(ident, title, says, plot.svg(ident, says), ("curve", across, up), rows, legend)


def _ends(line: Line) -> tuple[Floats, Floats]:
    wide = np.zeros_like(line.ys) if line.errors is None else np.nan_to_num(line.errors)
    return line.ys - wide, line.ys + wide


def _places(lines: Sequence[Line]) -> list[int]:
    """The colour of each line, and its dashes."""
    count, found = [0, 0], []
    for line in lines:
        found.append(count[line.dashed] % SERIES + SERIES * line.dashed)
        count[line.dashed] += 1
    return found


def _said(line: Line, across: str) -> str:
    at = int(np.nanargmax(line.ys))
    last = int(np.flatnonzero(np.isfinite(line.ys))[-1])
    end = f"{text.number(float(line.ys[last]), 3)} at the end"
    if at == last:
        return f"{line.name}: highest at the end, {text.number(float(line.ys[last]), 3)}."
    peak = f"{text.number(float(line.ys[at]), 3)} at {across} {text.number(float(line.xs[at]), 3)}"
    return f"{line.name}: highest {peak}, {end}."


# ---- what an experiment measured -------------------------------------------------------------------------------------


def is_point(measure: str) -> bool:
    """Whether a measure is a point of a curve.

    >>> is_point("gold, UWO @ √KL = 1.23"), is_point("gold of UWO")
    (True, False)
    """
    return _POINT.fullmatch(measure) is not None


def of_experiment(part: Mapping[str, Any], ident: str = "curve") -> list[Figure]:
    """A figure for each arm and each UP of the points among the means of an experiment.

    Args:
        part: one of `experiments` of the document of `guerdon.bench.reproduce.reproduce`.
        ident: beginning of the figures' names.
    """
    found: dict[tuple[str, str, str], dict[str, list[tuple[float, float]]]] = {}
    for arm, means in part["means"].items():
        for name, value in means.items():
            point = _POINT.fullmatch(name)
            if point and value is not None:
                line = found.setdefault((arm, point["up"], point["across"]), {}).setdefault(point["line"] or arm, [])
                line.append((float(point["x"]), float(value)))
    made = []
    for k, ((arm, up, across), lines) in enumerate(found.items()):
        tables = {name: np.array(sorted(points)) for name, points in lines.items()}
        drawn = [Line(name, table[:, 0], table[:, 1]) for name, table in tables.items()]
        made.append(figure(f"{ident}-{k}", f"{up} over {across}, {arm}", across, up, drawn))
    return made


# ---- a page ----------------------------------------------------------------------------------------------------------


def page(title: str, lead: str, figures: Sequence[Figure]) -> str:
    """A page of figures: HTML text that needs nothing else."""
    template = _environment().get_template("curves.html.jinja")
    return template.render(title=title, lead=lead, figures=figures, several=True, t=text)


def write(path: str | Path, title: str, lead: str, figures: Sequence[Figure]) -> Path:
    """Write the page to a file, whole or not at all, and return its path."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    part.write_text(page(title, lead, figures), encoding="utf-8", newline="\n")
    return part.replace(target)
