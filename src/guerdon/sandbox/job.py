"""The nouns of the sandbox: limits, a job, its outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Protocol, TypeAlias

from guerdon.core.errors import SandboxError
from guerdon.core.score import Fault

Plain: TypeAlias = bool | int | float | str | bytes | list[Any] | tuple[Any, ...] | dict[Any, Any] | set[Any] | None
"""Data of exactly these types, recursively: what may cross the wall."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a job may use. Every bound is enforced from outside the job's code.

    >>> Limits(wall_s=2.0).memory_mb
    512
    """

    wall_s: float = 1.0
    """Seconds of wall clock for each call, measured by the parent; the first call includes compiling the source."""
    cpu_s: float | None = None
    """Seconds of CPU for each call; `None` takes `wall_s`. The kernel counts whole seconds per process."""
    memory_mb: int = 512
    """Megabytes of address space that each process of the job may add to the interpreter's own."""
    output_kb: int = 1024
    """Kilobytes of stdout and stderr together, counted by the reader, which keeps a short tail."""
    result_kb: int = 4096
    """Kilobytes of one returned value on the wire."""
    disk_mb: int = 32
    """Megabytes of scratch space."""
    open_files: int = 64
    """Descriptors of one process."""
    processes: int = 16
    """Processes and threads of the job together, its own included."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if name == "cpu_s" and value is None:
                continue
            if not 0 < value < 1e9:
                raise SandboxError(f"Limits.{name} is a positive number", f"got {value!r}", "Give a bound over zero")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Python source, the function to call in it, and the arguments of each call.

    Args:
        source: Python source that defines `entry`.
        entry: name of the function to call.
        calls: positional arguments of each call; the outcomes come back in this order.
        limits: what it may use.
        mode: `candidate` for hostile code: one process runs all calls of this one source; once it dies, this call and
            all later ones carry the fault. `verifier` for trusted code on hostile data: the compiled source is
            executed anew for every call, a call that kills or hangs the process is faulted alone, and the rest is run
            in a fresh process.

    >>> Job(source="def f(x): return x + 1", entry="f", calls=[(1,), (2,)]).mode
    'candidate'
    """

    source: str
    entry: str
    calls: Sequence[Sequence[Plain]] = ((),)
    limits: Limits = Limits()
    mode: Literal["candidate", "verifier"] = "candidate"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one call gave: a value, or why there is none.

    >>> Outcome(3).fault is None
    True
    """

    value: Plain = None
    """Plain data; means nothing when there is a fault."""
    fault: Fault | None = None
    """Why there is no value."""
    seconds: float = 0.0
    """Wall-clock seconds, measured by the parent; the first call of a process bears its start."""
    cpu_s: float = 0.0
    """CPU seconds that the kernel charged to the job's process, shared evenly among the calls it answered."""
    output: str = ""
    """The last 2 kB that the job printed, without control characters."""


class Sandbox(Protocol):
    """Runs jobs behind a wall. Also a context manager; closed at interpreter exit."""

    @property
    def identity(self) -> str:
        """What goes into every verdict, such as `namespaces/1+py3.11.7`."""

    @property
    def trusted(self) -> bool:
        """True when there is no wall at all."""

    def run(self, jobs: Sequence[Job]) -> list[list[Outcome]]:
        """Run jobs; `result[i][k]` belongs to call `k` of job `i`, whatever happened."""

    def close(self) -> None:
        """End every process of this sandbox."""

    def __enter__(self) -> Sandbox: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Rung:
    """One back end on this machine, for `guerdon doctor`."""

    name: str
    """`namespaces`, `landlock` or `trusted`."""
    available: bool
    """True when its self-test passed just now."""
    detail: str
    """The identity, or why it is not available."""
    how: str
    """What to do to get it."""
    seconds: float
    """Wall-clock seconds that starting and testing it took."""
