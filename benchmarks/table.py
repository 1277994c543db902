"""Tables: of one record for the terminal, of all records for the README."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.common import BenchmarkError

START, END = "<!-- benchmarks:start -->", "<!-- benchmarks:end -->"
HEADS = {
    "who": "executor",
    "version": "version",
    "cpu_ms": "CPU ms",
    "whole_cpu_ms": "whole CPU ms",
    "verdicts_per_core_s": "verdicts/core-s",
    "frames_per_core_s": "frames/core-s",
    "wall_ms": "wall ms",
    "wall_p50_ms": "p50 ms",
    "wall_p99_ms": "p99 ms",
    "wall_timeout_over_ms": "time-out +ms",
    "cold_cpu_ms": "cold CPU ms",
    "wall_cold_ms": "cold wall ms",
    "memory_mb": "MB",
    "stops": "stops",
    "modules": "modules",
}


def show(record: Mapping[str, Any], console: Console) -> None:
    """Print what was measured, and what may be claimed of it."""
    rows = record["rows"]
    table = Table(title=f"{record['benchmark'].upper()}: what was measured", title_justify="left")
    names = list(rows[0])
    for name in names:
        table.add_column(HEADS.get(name, name), justify="left" if name in ("who", "version") else "right")
    for row in rows:
        table.add_row(*(_cell(row[name]) for name in names))
    console.print(table)
    claims = Table(title=f"{record['benchmark'].upper()}: what may be claimed", title_justify="left")
    for head in ("claim", "against", "ours", "theirs", "unit", "ratio", "goal", "of the floor", "verdict"):
        claims.add_column(head, justify="left" if head in ("claim", "against", "unit", "verdict") else "right")
    for claim in record["claims"]:
        claims.add_row(*_printed(claim))
    console.print(claims)
    reading = record["load"]
    console.print(
        f"load of others {reading['before']['others']:g} before, {reading['after']['others']:g} after; "
        f"CPU from {record['cpu_from']}; commit {record['commit']}"
    )
    if record["wall_refused"]:
        console.print(f"wall seconds not recorded: {record['wall_refused']}")


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def _printed(claim: Mapping[str, Any]) -> list[str]:
    return [
        claim["claim"],
        claim["peer"],
        _cell(claim["ours"]),
        _cell(claim["theirs"]),
        claim["unit"],
        _ratio(claim),
        _goal(claim),
        _floor(claim),
        _verdict(claim),
    ]


def _ratio(claim: Mapping[str, Any]) -> str:
    if claim["missing"]:
        return f"not measured: {claim['missing']}"
    found = claim["ratio"]
    if found is None:
        return f"{_cell(claim['ours'])} {claim['unit']}"
    return f"{_times(found['median'])} ({_times(found['low'])} to {_times(found['high'])})"


def _times(value: float) -> str:
    return f"{value:.0f}×" if value >= 20 else f"{value:.1f}×" if value >= 1.95 else f"{value:.2f}×"


def _goal(claim: Mapping[str, Any]) -> str:
    if claim["goal"] is None:
        return "–"
    limit = not claim["peer"]
    return f"< {claim['goal']:g} {claim['unit']}" if limit else f"≥ {claim['goal']:g}×"


def _floor(claim: Mapping[str, Any]) -> str:
    return "–" if claim["floor"] is None else f"{claim['floor']:.0%}"


def _verdict(claim: Mapping[str, Any]) -> str:
    return {True: "goal met", False: "below goal", None: "–"}[claim["met"]]


def readme_table(records: Sequence[Mapping[str, Any]]) -> str:
    """The scoreboard in Markdown: the rows that have a goal, met or not.

    The claim is the lower end of the interval, which stands first in the parentheses.
    """
    heads = [
        "",
        "claim",
        "against",
        "goal",
        "measured (95 % interval)",
        "claimed",
        "of the floor",
        "stops, ours / theirs",
    ]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for record in records:
        for claim in record["claims"]:
            if claim["goal"] is None:
                continue
            found = claim["ratio"]
            claimed = _times(found["low"]) if found else "–"
            verdict = "" if claim["met"] is not False else ", below goal"
            stops = f"{claim['stops']} / {claim['peer_stops'] or '–'}" if claim.get("stops") else "–"
            cells = [claim["id"], claim["claim"], claim["peer"] or "a limit", _goal(claim), _ratio(claim)]
            lines.append("| " + " | ".join([*cells, claimed + verdict, _floor(claim), stops]) + " |")
    rest = sum(claim["goal"] is None for record in records for claim in record["claims"])
    more = [f"{rest} more rows, against other peers and through the whole judge, are in `benchmarks/results`.", ""]
    return "\n".join([*lines, "", *(more if rest else []), *(_origin(record) for record in records)])


def _origin(record: Mapping[str, Any]) -> str:
    box, reading = record["machine"], record["load"]
    wall = f" Wall seconds not recorded: {record['wall_refused']}." if record["wall_refused"] else ""
    where = f"{box['cpu']}, {box['cores']} cores, Linux {box['kernel']}, Python {box['python']}"
    loads = f"load of others {reading['before']['others']:g} before and {reading['after']['others']:g} after"
    name, date = record["benchmark"].upper(), record["date"][:10]
    return f"{name}: commit {record['commit']}, {date}, {where}, {record['rounds']} rounds, {loads}.{wall}  "


def write_readme(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Replace what stands between the marks in a file; everything else stays as it is.

    Raises:
        BenchmarkError: there are no records, or the marks are not there once each, in order.
    """
    if not records:
        raise BenchmarkError("there are no recorded results; run `python -m benchmarks all` first")
    text = path.read_text("utf-8")
    if text.count(START) != 1 or text.count(END) != 1 or text.index(START) > text.index(END):
        raise BenchmarkError(f"{path.name} needs the marks {START} and {END}, once each and in this order")
    head, rest = text.split(START)
    _, tail = rest.split(END)
    path.write_text(f"{head}{START}\n{readme_table(records)}\n{END}{tail}", "utf-8")
