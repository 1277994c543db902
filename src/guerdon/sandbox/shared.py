"""One sandbox per process, opened when first needed, and what it has cost so far.

Rewards that run code use this one, so that a batch from any challenge finds the same warm workers.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guerdon.sandbox import Job, Outcome, Sandbox

_wanted: tuple[str, int | None] = ("auto", None)
_opened: tuple[int, Sandbox] | None = None
_seconds = 0.0


def configure(name: str = "auto", workers: int | None = None) -> None:
    """Choose the back end and the number of workers (default: one per core); closes an open one of another kind."""
    global _wanted
    if (name, workers) != _wanted:
        close()
    _wanted = (name, workers)


def backend() -> str:
    """The chosen back end, to be passed on to worker processes."""
    return _wanted[0]


def get() -> Sandbox:
    """This process's sandbox.

    Raises:
        SandboxError: no isolation is available; the message names what was tried and what to install.
    """
    global _opened
    from guerdon.sandbox import open_sandbox

    if _opened is None or _opened[0] != os.getpid():
        name, workers = _wanted
        _opened = (os.getpid(), open_sandbox(name, workers=workers or len(os.sched_getaffinity(0))))
    return _opened[1]


def run(jobs: Sequence[Job]) -> list[list[Outcome]]:
    """Run jobs in this process's sandbox; same length and order."""
    global _seconds
    outcomes = get().run(jobs)
    _seconds += sum(outcome.seconds for row in outcomes for outcome in row)
    return outcomes


def seconds_used() -> float:
    """Wall-clock seconds of untrusted code so far, summed over the sandbox's workers."""
    return _seconds


def identity() -> str:
    """The open sandbox's identity for the verdicts, or "" when none was needed."""
    return _opened[1].identity if _opened and _opened[0] == os.getpid() else ""


def close() -> None:
    """End the sandbox, if this process opened one."""
    global _opened
    if _opened and _opened[0] == os.getpid():
        _opened[1].close()
    _opened = None
