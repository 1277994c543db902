"""One hostile input and what may come of it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from guerdon.core.score import FaultKind
from guerdon.sandbox import Limits, Outcome

Check = Callable[[Sequence[Outcome]], str]
"""Says what is wrong with the outcomes; empty when the input was held."""

QUICK = Limits(wall_s=0.5, memory_mb=256, disk_mb=8)
SLOW = Limits(wall_s=3.0, memory_mb=256, disk_mb=8)
NO_GAPS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Bait:
    """What the host lays out for a job to find."""

    folder: str
    """A folder that every user may read and write."""
    canary: str
    """A file in it."""
    port: int
    """A listening TCP port on 127.0.0.1."""
    unix: str
    """A listening Unix socket in the folder."""
    abstract: str
    """The name of a listening abstract socket."""
    pid: int
    """The host process."""
    host: str
    """The host's name."""
    digest: str
    """SHA-256 of a key that only the host's memory holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A hostile input.

    Args:
        id: row of the hostile list and a letter, such as `A12c`.
        title: what it tries.
        source: the code; its entry is `f`.
        check: what must come of it.
        calls: arguments, or a function from the bait to them.
        limits: of the job.
        after: a second source, run on the same sandbox; its `f()` must find nothing and return `[]`.
        gaps: back ends that are known not to hold it, each with the reason.
    """

    id: str
    title: str
    source: str
    check: Check
    calls: Sequence[tuple[Any, ...]] | Callable[[Bait], Sequence[tuple[Any, ...]]] = ((),)
    limits: Limits = QUICK
    after: str = ""
    gaps: Mapping[str, str] = field(default_factory=lambda: NO_GAPS)

    def arguments(self, bait: Bait) -> Sequence[tuple[Any, ...]]:
        """The arguments of each call."""
        return self.calls(bait) if callable(self.calls) else self.calls


def code(text: str) -> str:
    """Source without its indentation."""
    return textwrap.dedent(text).strip() + "\n"


def body(text: str, *parameters: str) -> str:
    """A function `f` with this body."""
    return f"def f({', '.join(parameters)}):\n" + textwrap.indent(code(text), "    ")


def faults(*kinds: str, named: str = "") -> Check:
    """Every call ends in one of these faults; `named` must be in the detail."""
    wanted = {FaultKind(kind) for kind in kinds}

    def check(outcomes: Sequence[Outcome]) -> str:
        for outcome in outcomes:
            if outcome.fault is None:
                return f"gave the value {str(outcome.value)[:80]!r}"
            if outcome.fault.kind not in wanted:
                return f"{outcome.fault}, not {' or '.join(sorted(wanted))}"
            if named not in outcome.fault.detail:
                return f"{outcome.fault} does not name {named}"
        return "" if outcomes else "no outcome"

    return check


def solver_fault(outcomes: Sequence[Outcome]) -> str:
    """Every call ends in a fault of the solver's own."""
    wrong = [str(each.fault or each.value)[:80] for each in outcomes if not each.fault or each.fault.whose != "solver"]
    return "; ".join(wrong)


def value(*allowed: Any, faults_too: bool = True) -> Check:
    """Every call gives one of these values, or (with `faults_too`) a fault of the solver's own."""

    def check(outcomes: Sequence[Outcome]) -> str:
        for outcome in outcomes:
            if outcome.fault is not None:
                if not faults_too or outcome.fault.whose != "solver":
                    return str(outcome.fault)
            elif not any(type(outcome.value) is type(each) and outcome.value == each for each in allowed):
                return f"gave the value {str(outcome.value)[:300]!r}"
        return "" if outcomes else "no outcome"

    return check


NOTHING = value([], "", None, False)
"""Nothing was found or reached."""


def at_most(number: int) -> Check:
    """A number not over this, or a fault of the solver's own."""

    def check(outcomes: Sequence[Outcome]) -> str:
        for outcome in outcomes:
            if outcome.fault is None and not (type(outcome.value) is int and outcome.value <= number):
                return f"gave the value {str(outcome.value)[:80]!r}, over {number}"
            if outcome.fault is not None and outcome.fault.whose != "solver":
                return str(outcome.fault)
        return ""

    return check


def letters(number: str, rows: Sequence[tuple[str, str, Check] | tuple[str, str, Check, dict[str, Any]]]) -> list[Row]:
    """Rows `A1a`, `A1b`, ... from (title, source, check) and more fields."""
    made = []
    for letter, (title, source, check, *more) in zip("abcdefghijklmnopqrstuvwxyz", rows):
        made.append(Row(id=number + letter, title=title, source=source, check=check, **(more[0] if more else {})))
    return made
