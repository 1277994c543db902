"""How much memory a process and all below it hold, read from /proc."""

from __future__ import annotations

import os
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


def private_bytes(pid: int) -> int:
    """Bytes of a process that are not backed by a file; 0 when it is gone or not to be seen."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_bytes().split()
    except (OSError, ValueError):
        return 0
    return max(0, int(resident) - int(shared)) * _PAGE


def children(pid: int) -> list[int]:
    """The living children of a process (of its first thread)."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_bytes().split()]
    except OSError:
        return []


def job_bytes(launcher: int) -> int:
    """Bytes that a job has taken: all below the zygote, less what each process shares with it since its fork.

    Args:
        launcher: the process that the host started, whose only child is the zygote.
    """
    zygote = next(iter(children(launcher)), 0)
    base = private_bytes(zygote)
    total, queue = 0, children(zygote)
    while queue:
        pid = queue.pop()
        total += max(0, private_bytes(pid) - base)
        queue += children(pid)
    return total
