"""The report of an entry as a page: regions, subjects and hemispheres with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from guerdon.report import curves
from guerdon.report.figures import Figure
from guerdon.report.svg import Bar, intervals
from guerdon.systems.algonauts.judge import ALL, Report, Row

ACROSS = "mean share of the explainable variance, per cent"
INTERVAL = "Points are means over vertices, lines their 95 % intervals over test images."


def write_page(report: Report, path: Path, title: str) -> Path:
    """Write the page, which needs nothing else.

    Args:
        report: of an entry.
        path: the file.
        title: of the page.
    """
    whole, (chance, signal) = report.whole, report.bounds()
    told = "unknown" if whole.mean is None else f"{whole.mean:.2f}"
    lead = f"Mean score {told} over {whole.vertices:,} vertices. With these ceilings and so few images no knowledge "
    lead += f"scores {chance:.1f}, and the signal itself {signal:.1f}."
    regions = [(ALL.replace("_", " "), whole), *((name, report.row(name)) for name in report.regions())]
    own = [(part.truth.subject, part.truth.hemisphere) for part in report.parts]
    sides = [(" ".join(each), report.row(ALL, *each)) for each in own]
    figures = [
        _figure("regions", "Score by region", regions),
        _figure("sides", "Score by subject and hemisphere", sides),
    ]
    return curves.write(path, title, lead, figures)


def _figure(ident: str, title: str, rows: Sequence[tuple[str, Row]]) -> Figure:
    drawn = [
        Bar(name, row.mean, f"{row.mean:.1f}", 0, *(row.interval or (None, None)))
        for name, row in rows
        if row.mean is not None
    ]
    empty = [name for name, row in rows if row.mean is None]
    says = INTERVAL + (f" Without a vertex, and so unknown: {', '.join(empty)}." if empty else "")
    table = tuple((name, f"{row.vertices:,}", *_cells(row)) for name, row in rows)
    headers = ("", "vertices", "mean", "median", "95 % interval")
    return Figure(ident, title, says, intervals(ident, title, says, drawn, ACROSS), headers, table)


def _cells(row: Row) -> tuple[str, str, str]:
    if row.mean is None or row.median is None:
        return "unknown", "unknown", ""
    low, high = row.interval or (None, None)
    return f"{row.mean:.2f}", f"{row.median:.2f}", "" if low is None else f"{low:.2f} to {high:.2f}"
