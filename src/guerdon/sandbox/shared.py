"""One sandbox per process and kind of furniture, opened when first needed, and what they have cost so far.

Rewards that run code use these, so that a batch from any challenge finds the same warm workers.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guerdon.sandbox import Job, Outcome, Sandbox

Furniture = tuple[tuple[str, ...], tuple[str, ...]]

_wanted: tuple[str, int | None] = ("auto", None)
_opened: dict[Furniture, tuple[int, Sandbox]] = {}
_seconds = 0.0


def configure(name: str = "auto", workers: int | None = None) -> None:
    """Choose the back end and the number of workers (default: one per core); closes open ones of another kind."""
    global _wanted
    if (name, workers) != _wanted:
        close()
    _wanted = (name, workers)


def backend() -> str:
    """The chosen back end, to be passed on to worker processes."""
    return _wanted[0]


def get(imports: Sequence[str] = (), programs: Sequence[str] = ()) -> Sandbox:
    """This process's sandbox with these imports and programs.

    Args:
        imports: modules that jobs find imported, or may import.
        programs: of the system, that jobs may start.

    Raises:
        SandboxError: no isolation is available; the message names what was tried and what to install.
    """
    from guerdon.sandbox import open_sandbox

    furniture = (tuple(imports), tuple(programs))
    if furniture not in _opened or _opened[furniture][0] != os.getpid():
        name, workers = _wanted
        count = workers or len(os.sched_getaffinity(0))
        sandbox = open_sandbox(name, workers=count, imports=furniture[0], programs=furniture[1])
        _opened[furniture] = (os.getpid(), sandbox)
    return _opened[furniture][1]


def run(jobs: Sequence[Job], *, imports: Sequence[str] = (), programs: Sequence[str] = ()) -> list[list[Outcome]]:
    """Run jobs in this process's sandbox; same length and order. Without jobs, none is opened."""
    global _seconds
    if not jobs:
        return []
    outcomes = get(imports, programs).run(jobs)
    _seconds += sum(outcome.seconds for row in outcomes for outcome in row)
    return outcomes


def seconds_used() -> float:
    """Wall-clock seconds of untrusted code so far, summed over the sandboxes' workers."""
    return _seconds


def identity() -> str:
    """The open sandboxes' identities for the verdicts, or "" when none was needed."""
    here = {sandbox.identity for pid, sandbox in _opened.values() if pid == os.getpid()}
    return ", ".join(sorted(here))


def close() -> None:
    """End the sandboxes that this process opened."""
    for pid, sandbox in list(_opened.values()):
        if pid == os.getpid():
            sandbox.close()
    _opened.clear()
