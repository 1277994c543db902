"""What became of a row, and how results are told."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RowResult:
    """What became of one hostile input."""

    id: str
    """Row and input, such as `A12c`."""
    title: str
    """What it tries."""
    held: bool
    """True when nothing was wrong."""
    got: str
    """The fault or value of its calls."""
    problem: str
    """What was wrong; empty when it was held."""
    seconds: float
    """Wall-clock seconds, with the checks after it."""
    gap: str = ""
    """Why this back end is known not to hold it."""
    skipped: str = ""
    """The extra that it needs and that is not installed; it was not tried."""

    @property
    def outcome(self) -> str:
        """In a word."""
        return "held" if self.held else "skipped" if self.skipped else "gap" if self.gap else "FAIL"


def line(result: RowResult) -> str:
    """One result as a line of text."""
    told = f"needs guerdon[{result.skipped}]" if result.skipped else result.got if result.held else result.problem
    text = told.encode("ascii", "backslashreplace").decode()
    return f"{result.id:7} {result.outcome:7} {result.seconds:6.2f} s  {result.title[:48]:48}  {text[:110]}"


def table(results: Sequence[RowResult]) -> list[str]:
    """How many inputs of each row of the list were held, failed, are a known gap, or were not tried."""
    rows: dict[str, Counter[str]] = {}
    for each in results:
        found = re.match(r"[A-Z]\d*", each.id)
        rows.setdefault(found[0] if found else each.id, Counter())[each.outcome] += 1
    words = ("held", "FAIL", "gap", "skipped")
    lines = ["", f"{'row':5} inputs " + " ".join(f"{word:>7}" for word in words)]
    for name, counts in sorted(rows.items(), key=lambda row: (row[0][0], int(row[0][1:] or 0))):
        lines.append(f"{name:5} {counts.total():6} " + " ".join(f"{counts[word] or '':>7}" for word in words))
    lines.append(summary(results))
    return lines


def summary(results: Sequence[RowResult]) -> str:
    """`held N of M`, and what was not tried and why."""
    left = [each for each in results if each.skipped]
    told = f"held {sum(each.held for each in results)} of {len(results) - len(left)}"
    extras = Counter(each.skipped for each in left)
    return told + "".join(f"; {count} not tried, they need guerdon[{name}]" for name, count in extras.items())
