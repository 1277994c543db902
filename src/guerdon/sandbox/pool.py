"""The loop in the host process that drives the zygotes: one poll, one job per zygote at a time, every clock here."""

from __future__ import annotations

import os
import select
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType

from guerdon.core.errors import SandboxError
from guerdon.core.score import Fault, FaultKind
from guerdon.sandbox import wire
from guerdon.sandbox.flight import MAX_REQUEST, Flight
from guerdon.sandbox.job import Job, Outcome
from guerdon.sandbox.zygotes import Zygote

_open_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


def _reopen(kind: str, workers: int, imports: tuple[str, ...], programs: tuple[str, ...] = ()) -> object:
    """Open the same sandbox in another process, self-test included."""
    from guerdon.sandbox.ladder import open_sandbox

    return open_sandbox(kind, workers=workers, imports=imports, programs=programs)


def _end_all(zygotes: list[Zygote]) -> None:
    while zygotes:
        zygotes.pop().end()


def _forget_all() -> None:
    for pool in list(_open_pools):
        pool.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


class Pool:
    """A sandbox of one kind with some workers.

    Args:
        kind: `namespaces`, `landlock` or `trusted`.
        workers: how many jobs run at the same time.
        imports: modules that the zygotes import once.
        programs: of the system, that jobs may start; with any, also those that they write into their scratch space.
    """

    def __init__(self, kind: str, workers: int = 1, imports: Sequence[str] = (), programs: Sequence[str] = ()) -> None:
        self.kind, self.workers, self.imports, self.programs = kind, workers, tuple(imports), tuple(programs)
        self.trusted = kind == "trusted"
        self.identity = kind
        self._zygotes: list[Zygote] = []
        self._lock = threading.Lock()
        self._closed = False
        _open_pools.add(self)
        self._last_will = weakref.finalize(self, _end_all, self._zygotes)  # also at interpreter exit

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, int, tuple[str, ...], tuple[str, ...]]]:
        return _reopen, (self.kind, self.workers, self.imports, self.programs)

    def start(self) -> None:
        """Start the first zygote now.

        Raises:
            SandboxError: it could not isolate itself, or not import what was asked.
        """
        with self._lock:
            if not self._zygotes:
                self._zygotes.append(Zygote(self.kind, self.imports, self.programs))
            python = ".".join(str(number) for number in sys.version_info[:3])
            self.identity = f"{self.kind}/{self._zygotes[0].detail}+py{python}"

    def forget(self) -> None:
        """In a forked child: leave the parent's zygotes alone; new ones are started when needed."""
        for zygote in self._zygotes:
            zygote.forget()
        self._zygotes.clear()
        self._lock = threading.Lock()

    def run(self, jobs: Sequence[Job]) -> list[list[Outcome]]:
        """Run jobs; see `Sandbox.run`.

        Raises:
            SandboxError: it was closed, or an argument is no plain data.
        """
        if self._closed:
            raise SandboxError("the sandbox is open", "it was closed", "Call open_sandbox again")
        results: list[list[Outcome]] = [[] for _ in jobs]
        queue: deque[Flight] = deque(Flight(job, place=place) for place, job in enumerate(jobs) if len(job.calls))
        with self._lock:
            try:
                self._drive(queue, results)
            except BaseException:
                _end_all(self._zygotes)  # Ctrl-C in the middle of a job: leave nothing behind
                raise
        return results

    def _drive(self, queue: deque[Flight], results: list[list[Outcome]]) -> None:
        while queue or any(zygote.flight for zygote in self._zygotes):
            while queue and (zygote := self._idle()) is not None:
                self._launch(zygote, queue, results)
            busy = [zygote for zygote in self._zygotes if zygote.flight is not None]
            if busy:
                self._wait(busy)
            for zygote in busy:
                self._advance(zygote, queue, results)

    def _idle(self) -> Zygote | str | None:
        """A free zygote, or a reason why none can be started, or None when all are at work."""
        for zygote in self._zygotes:
            if zygote.flight is None:
                return zygote
        if len(self._zygotes) >= self.workers:
            return None
        if self._closed:
            return "the sandbox was closed"
        try:
            self._zygotes.append(Zygote(self.kind, self.imports, self.programs))
        except (SandboxError, OSError) as error:
            return str(error)
        return self._zygotes[-1]

    def _launch(self, zygote: Zygote | str, queue: deque[Flight], results: list[list[Outcome]]) -> None:
        flight = queue.popleft()
        if isinstance(zygote, str):
            self._give_up(flight, zygote, queue, results)
            return
        try:
            zygote.take(flight)
        except wire.TooBigError:
            flight.close()
            fault = Fault(FaultKind.LIMIT, f"source and arguments are over {MAX_REQUEST >> 20} MB")
            results[flight.place] += [Outcome(None, fault)] * (len(flight.job.calls) - flight.first)
        except wire.RefusedError as error:
            flight.close()
            raise SandboxError(
                f"the arguments of job {flight.place} are plain data", str(error), "Pass int, str, list, ..."
            ) from None
        except OSError as error:
            flight.close()
            self._drop(zygote)
            self._give_up(flight, str(error), queue, results)

    def _give_up(self, flight: Flight, why: str, queue: deque[Flight], results: list[list[Outcome]]) -> None:
        """Try a broken flight once more, in a fresh zygote; then it is a fault of the host."""
        if flight.tries == 0:
            queue.appendleft(Flight(flight.job, flight.first, flight.place, 1))
            return
        fault = Fault(FaultKind.SANDBOX, why[:500])
        results[flight.place] += [Outcome(None, fault)] * (len(flight.job.calls) - flight.first)

    def _wait(self, busy: list[Zygote]) -> None:
        """Sleep until something happens or a clock runs out; move the bytes."""
        poll = select.poll()
        owners: dict[int, Zygote | Flight] = {}
        for zygote in busy:
            flight = zygote.flight
            assert flight is not None
            poll.register(zygote.control, select.POLLIN)
            for fd, mask in flight.interests():
                poll.register(fd, mask)
                owners[fd] = flight
            owners[zygote.control.fileno()] = zygote
        flights = [zygote.flight for zygote in busy if zygote.flight]
        nearest = min(min(flight.deadline, flight.look) for flight in flights)
        for fd, mask in poll.poll(max(0, (nearest - time.monotonic()) * 1000 + 1)):
            owner = owners[fd]
            if isinstance(owner, Zygote):
                owner.hear()
            else:
                owner.move(fd, mask)

    def _advance(self, zygote: Zygote, queue: deque[Flight], results: list[list[Outcome]]) -> None:
        flight = zygote.flight
        assert flight is not None
        if not flight.done:
            now = time.monotonic()
            flight.tick(now)
            flight.weigh(now, zygote.pid)
            if flight.must_kill(now) and not flight.broken:
                zygote.kill()
        if flight.broken:
            self._drop(zygote)
            self._give_up(flight, flight.broken, queue, results)
        elif flight.done:
            flight.close()
            zygote.flight = None
            results[flight.place] += flight.outcomes
            following = flight.first + len(flight.outcomes)
            if following < len(flight.job.calls):
                queue.appendleft(Flight(flight.job, following, flight.place))

    def _drop(self, zygote: Zygote) -> None:
        self._zygotes.remove(zygote)
        zygote.end()

    def close(self) -> None:
        """End every process of this sandbox; a run in another thread comes back with faults of the host."""
        self._closed = True
        for zygote in list(self._zygotes):
            zygote.strike()
        with self._lock:
            _end_all(self._zygotes)

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
