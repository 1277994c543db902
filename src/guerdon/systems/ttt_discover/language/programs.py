"""Runs the programs of attempts in the sandbox: what they return is a construction, which the verifier judges."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from guerdon.core.plain import not_plain
from guerdon.core.score import Fault, FaultKind
from guerdon.sandbox import Job, Limits, Outcome, Sandbox, open_sandbox, shared
from guerdon.systems.ttt_discover.language.forms import Form, as_lists
from guerdon.systems.ttt_discover.language.prompts import OBSERVED

SEED = 42
"""What a program gets as its seed (source)."""

_RUNNER = """
def answer(code, entry, variable, given, seed, budget_s):
    import inspect

    def plain(value, depth=0):
        if hasattr(value, "tolist"):
            value = value.tolist()
        if depth < 8 and type(value) in (list, tuple) and len(value) <= 1_000_000:  # more is refused anyway
            return type(value)(plain(item, depth + 1) for item in value)
        return value

    scope = {"__name__": "program", variable: given}
    exec(compile(code, "<program>", "exec", dont_inherit=True), scope)
    function = scope.get(entry)
    if not callable(function):
        raise LookupError(f"the program does not define {entry}")
    named = {"seed": seed, "budget_s": budget_s}
    try:
        taken = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        taken = ()
    if not any(each.kind is each.VAR_KEYWORD for each in taken):
        named = {each.name: named[each.name] for each in taken if each.name in named}
    return plain(function(**named))
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a program.

    Args:
        returned: what its function returned, as plain data that may hold one tuple at the top.
        output: the end of what it printed.
        fault: why there is nothing to hand in.
        seconds: wall-clock seconds.
    """

    returned: Any = None
    output: str = ""
    fault: Fault | None = None
    seconds: float = 0.0


def run_programs(
    programs: Sequence[tuple[str, Any]], form: Form, limits: Limits, *, budget_s: float, imports: Sequence[str]
) -> list[Ran]:
    """Run each program on the construction that it starts from; same length and order.

    Args:
        programs: source, and the construction that its global variable holds.
        form: the entry and the variable.
        limits: of each program.
        budget_s: seconds that the program is told.
        imports: packages that it may import.

    Raises:
        SandboxError: there is no isolation on this machine, or a package is missing.
    """
    jobs = [
        Job(
            source=_RUNNER,
            entry="answer",
            calls=[(code, form.entry, form.variable, as_lists(given), SEED, float(budget_s))],
            limits=limits,
        )
        for code, given in programs
    ]
    if not jobs:
        return []
    return [_ran(row[0]) for row in _sandbox(shared.backend(), tuple(imports), os.getpid()).run(jobs)]


def _ran(outcome: Outcome) -> Ran:
    output, fault = outcome.output[-OBSERVED:], outcome.fault
    if fault is None:
        problem = not_plain(outcome.value, "what it returned")
        fault = Fault(FaultKind.INVALID, problem[:200]) if problem else None
    return Ran(None if fault else outcome.value, output, fault, outcome.seconds)


@cache
def _sandbox(backend: str, imports: tuple[str, ...], process: int) -> Sandbox:
    """This process's sandbox with these packages; it ends with the process."""
    return open_sandbox(backend, workers=len(os.sched_getaffinity(0)), imports=imports)
