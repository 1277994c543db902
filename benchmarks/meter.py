"""What a run has cost: CPU seconds of a whole process tree, and whether the machine was calm meanwhile."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CALM = 0.3
"""Load of others, per core, above which wall seconds are not recorded."""
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Spent:
    """What some work has cost.

    Args:
        cpu: user and system seconds of the process and of everything it started.
        wall: seconds on the clock.
    """

    cpu: float
    wall: float


class CpuGroup:
    """A control group that counts the CPU of all processes in it, whatever PID namespace hides them.

    Where no group can be made, the process tree below the adopted process is read from `/proc` instead; that loses
    what a killed process had collected from its dead children.
    """

    def __init__(self) -> None:
        self.folder, self._pid = _new_group(), 0
        self.source = "cgroup" if self.folder else "/proc"

    def adopt(self, pid: int = 0) -> None:
        """Count this process (0: the caller) and all that it starts from now on."""
        self._pid = self._pid or pid
        if self.folder:
            (self.folder / "cgroup.procs").write_text(str(pid or os.getpid()))

    def watch(self, pid: int) -> None:
        """Name the root of the tree that `/proc` is read for."""
        self._pid = pid

    def seconds(self) -> float:
        """CPU seconds so far."""
        return _group_seconds(self.folder) if self.folder else tree_seconds(self._pid)

    def close(self) -> None:
        """Kill what is left in the group and remove it."""
        for _ in range(200 if self.folder else 0):
            with contextlib.suppress(OSError):
                for pid in (self.folder / "cgroup.procs").read_text().split():  # type: ignore[operator]
                    os.kill(int(pid), signal.SIGKILL)
                self.folder.rmdir()  # type: ignore[union-attr]
                break
            time.sleep(0.01)


def _new_group() -> Path | None:
    for parent, name in _parents():
        folder = parent / f"guerdon-bench-{os.getpid()}-{next(_numbers)}"
        try:
            folder.mkdir()
        except OSError:
            continue
        if (folder / name).exists() and os.access(folder / "cgroup.procs", os.W_OK) and _can_move(folder):
            return folder
        with contextlib.suppress(OSError):
            folder.rmdir()
    return None


def _can_move(folder: Path) -> bool:
    """Whether a process can be moved there: try it on a child."""
    child = os.fork()
    if child == 0:
        try:
            (folder / "cgroup.procs").write_text(str(os.getpid()))
            os._exit(0)
        except BaseException:  # noqa: BLE001  # a forked child must not come back out of here
            os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def _parents() -> list[tuple[Path, str]]:
    """Folders in which a group may be made, each with the file that must appear in it."""
    try:
        mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
        own = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    except OSError:
        return []
    found = []
    for _, where, kind, options, *_ in mounts:
        for number, controllers, path in own:
            if kind == "cgroup" and "cpuacct" in options.split(",") and "cpuacct" in controllers.split(","):
                found.append((Path(where + path), "cpuacct.usage"))
            elif kind == "cgroup2" and number == "0":
                found.append((Path(where + path), "cpu.stat"))
    return found


def _group_seconds(folder: Path) -> float:
    usage = folder / "cpuacct.usage"
    if usage.exists():
        return int(usage.read_text()) / 1e9
    return int((folder / "cpu.stat").read_text().split("usage_usec", 1)[1].split()[0]) / 1e6


def descendants(pid: int) -> list[int]:
    """Processes below one, through all PID namespaces."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (fields := _stat(int(folder.name))):
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    found, queue = [], [pid]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def tree_seconds(pid: int) -> float:
    """CPU seconds of a process, of its living descendants, and of the dead ones that these have waited for."""
    ticks = 0
    for each in (pid, *descendants(pid)):
        fields = _stat(each)
        ticks += sum(map(int, fields[11:15])) if fields else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return []


def memory_mb(pids: list[int]) -> float | None:
    """Proportional set size of some processes, in megabytes; `None` where the kernel does not say."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except ProcessLookupError:
            continue
        except OSError:
            return None
        total += int(text.split("\nPss:", 1)[1].split()[0]) if "\nPss:" in text else 0
    return total / 1024


class Load:
    """How busy others keep the machine: the load average less what this program has itself added to it.

    The kernel's one-minute average is exponentially damped; so is this account of our own CPU seconds, which starts
    at zero, so that at the start the rule is the plain load average.

    Args:
        average: the load average, for tests.
        own: our CPU seconds so far.
        clock: seconds.
    """

    def __init__(
        self,
        average: Callable[[], float] = lambda: os.getloadavg()[0],
        own: Callable[[], float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._average, self._clock = average, clock
        self._own_seconds = own or own_seconds
        self._own, self._last, self._used = 0.0, clock(), self._own_seconds()

    def note(self) -> None:
        """Bring the account up to now; call it at least every few seconds."""
        now, used = self._clock(), self._own_seconds()
        passed = now - self._last
        if passed <= 0:
            return
        kept = math.exp(-passed / 60)
        self._own = self._own * kept + (used - self._used) / passed * (1 - kept)
        self._last, self._used = now, used

    def reading(self) -> dict[str, float]:
        """Load average, our part of it, and the rest."""
        self.note()
        average = self._average()
        return {
            "load": round(average, 2),
            "own": round(self._own, 2),
            "others": round(max(0.0, average - self._own), 2),
        }

    def calm(self, reading: dict[str, float] | None = None) -> bool:
        """Whether wall seconds mean anything now."""
        return (reading or self.reading())["others"] <= CALM * cores()

    def wait(self, seconds: float, sleep: Callable[[float], None] = time.sleep) -> bool:
        """Wait until it is calm, at most so long; returns whether it is."""
        until = self._clock() + seconds
        while not self.calm() and self._clock() < until:
            sleep(min(2.0, max(0.05, until - self._clock())))
        return self.calm()


_charged = 0.0


def charge(seconds: float) -> None:
    """Add CPU seconds of processes that are not yet, or never, among our waited-for children."""
    global _charged
    _charged += seconds


def own_seconds() -> float:
    """CPU seconds of this process, of the children it has waited for, and of what was charged."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in usage) + _charged


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))
