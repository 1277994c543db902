"""One job in one process: what has been sent, what came back, and the verdict on the process itself."""

from __future__ import annotations

import math
import os
import select
import signal
import socket
import time

from guerdon.core.score import Fault, FaultKind
from guerdon.sandbox import tree, wire
from guerdon.sandbox.job import Job, Outcome

TAIL = 2048  # characters of output kept
START_S = 30.0  # a job must be ready within this, else its zygote is broken
LOOK_S = 0.05  # how often the memory of a job with children is measured; most jobs are done before the first look
END_S = 15.0  # a killed job must be gone within this
GRACE_S = 1.0  # for a process that has answered everything to leave
TOTAL_RESULTS = 16  # the results of one job together, in units of one result's cap
MIN_TOTAL = 64 << 20
MAX_REQUEST = 64 << 20  # bytes of one job: its source and arguments
_SAID = frozenset({"exception", "memory", "limit", "invalid", "exit", "output"})  # faults that a worker may report
_FRAMES = frozenset({wire.VALUE, wire.FAULT, wire.REST})


class Flight:
    """The host's side of a job at work.

    Args:
        job: what to run.
        first: the first call of this process; earlier ones are answered.
        place: index of the job in the caller's list.
        tries: how many zygotes have failed it.
    """

    def __init__(self, job: Job, first: int = 0, place: int = 0, tries: int = 0) -> None:
        self.job, self.first, self.place, self.tries = job, first, place, tries
        self.outcomes: list[Outcome] = []
        self.fault: Fault | None = None  # of the whole process, once it is condemned
        self.all_faulted = False  # the fault covers the answered calls too
        self.rest_faulted = False  # the fault covers every later call, even of a verifier
        self.survived = False  # a process of the job was still there after its end
        self.broken = ""  # why the sandbox, not the job, failed
        self.ready = self.killed = self.done = False
        self.printed = 0
        self.socket: socket.socket | None = None
        self.output = -1
        self._tail = b""
        self._inbox = bytearray()
        self._outbox = memoryview(b"")
        self._received = 0
        self._socket_ended = self._output_ended = False
        self._since = self.deadline = 0.0
        self.look, self.weighed = math.inf, False  # when to measure its memory, and whether that is needed

    def open(self) -> tuple[int, int]:
        """Make the socket and the output pipe; returns the two ends for the job.

        Raises:
            OSError: out of descriptors.
        """
        job = self.job
        if len(job.source) > MAX_REQUEST:
            raise wire.TooBigError("the source")
        calls = [tuple(call) for call in job.calls[self.first :]]
        fresh = job.mode == "verifier"
        cap = job.limits.result_kb * 1024
        request = wire.encode([job.source, job.entry, fresh, cap, self.first, calls], MAX_REQUEST, MAX_REQUEST)
        self._outbox = memoryview(wire.HEAD.pack(len(request), 0, 0) + request)
        self.socket, theirs = socket.socketpair()
        try:
            self.output, output = os.pipe()
        except OSError:
            theirs.close()
            raise
        self.socket.setblocking(False)
        os.set_blocking(self.output, False)
        self._since = time.monotonic()  # so the first call bears the start, and none looks faster than it was
        self.deadline = self._since + START_S
        return theirs.detach(), output

    def interests(self) -> list[tuple[int, int]]:
        """The descriptors to poll, with the events that matter."""
        found = []
        if self.socket is not None and not self._socket_ended:
            found.append((self.socket.fileno(), select.POLLIN | (select.POLLOUT if self._outbox else 0)))
        if not self._output_ended:
            found.append((self.output, select.POLLIN))
        return found

    def move(self, fd: int, events: int) -> None:
        """Move the bytes that a poll announced."""
        if fd == self.output:
            self._output_ended = not self.listen()
            return
        if events & select.POLLOUT:
            self.send()
        if events & ~select.POLLOUT:
            self._socket_ended = not self.receive()

    def send(self) -> None:
        """Send as much of the request as the socket takes."""
        assert self.socket is not None
        try:
            self._outbox = self._outbox[self.socket.send(self._outbox) :]
        except BlockingIOError:
            pass
        except OSError:  # the process is gone; its end will be told by the zygote
            self._outbox = memoryview(b"")

    def receive(self) -> bool:
        """Read frames; returns False when there is nothing more to read now."""
        assert self.socket is not None
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return False
        except OSError:
            return False
        if not data:
            return False
        if self.fault is None:
            self._inbox += data
            self._frames()
        return True

    def listen(self) -> bool:
        """Count and discard output, keeping the tail; returns False when there is nothing more now."""
        try:
            data = os.read(self.output, 1 << 16)
        except BlockingIOError:
            return False
        if not data:
            return False
        self.printed += len(data)
        self._tail = (self._tail + data)[-2 * TAIL :]
        if self.printed > self.job.limits.output_kb * 1024:
            self.condemn(FaultKind.OUTPUT, f"printed over {self.job.limits.output_kb} kB", everything=True)
        return True

    def condemn(self, kind: FaultKind, detail: str, *, everything: bool = False) -> None:
        """Decide that this process will not answer any more."""
        if self.fault is None:
            self.fault, self.all_faulted = Fault(kind, detail), everything and self.job.mode == "candidate"
            self.deadline = 0.0

    def tick(self, now: float) -> None:
        """Condemn the process, or the zygote, when the clock has run out."""
        if now < self.deadline:
            return
        if self.killed:
            self.broken = f"a killed job was not gone after {END_S} s"
        elif not self.ready and self.fault is None:
            self.broken = f"no answer from the zygote in {START_S} s"
        elif len(self.outcomes) < self._wanted:
            self.condemn(FaultKind.TIMEOUT, f"over {self.job.limits.wall_s:g} s")

    def weigh(self, now: float, launcher: int) -> None:
        """Condemn a job whose processes together take more memory than one may."""
        if now < self.look or self.fault is not None:
            return
        self.look = now + LOOK_S
        if tree.job_bytes(launcher) > (self.job.limits.memory_mb << 20):
            self.condemn(FaultKind.MEMORY, f"its processes took over {self.job.limits.memory_mb} MB", everything=False)

    def must_kill(self, now: float) -> bool:
        """True once, when the process has to be killed; ask after `tick`, with the same clock reading."""
        if self.killed or now < self.deadline:
            return False
        self.killed = True
        self.deadline, self.look = now + END_S, math.inf
        return True

    @property
    def _wanted(self) -> int:
        return len(self.job.calls) - self.first

    def _frames(self) -> None:
        size = wire.HEAD.size
        while self.fault is None and len(self._inbox) >= size:
            length, kind, index = wire.HEAD.unpack_from(self._inbox)
            if not self._plausible(length, kind, index):
                return
            if len(self._inbox) < size + length:
                return
            payload = bytes(self._inbox[size : size + length])
            del self._inbox[: size + length]
            self._take(kind, payload)

    def _plausible(self, length: int, kind: int, index: int) -> bool:
        expected = self.first + len(self.outcomes)
        if not self.ready and (kind == wire.READY or kind == wire.REST):
            return True
        cap = self.job.limits.result_kb * 1024 if kind == wire.VALUE else wire.MAX_DETAIL
        total = self._received + length
        if not self.ready or kind not in _FRAMES:
            problem = f"a frame of unknown kind {kind}"
        elif len(self.outcomes) >= self._wanted:
            problem = "a frame after the last answer"
        elif index != expected:
            problem = f"an answer to call {index} when call {expected} was due"
        elif length > cap:
            problem = f"a frame of {length} bytes"
        elif total > max(MIN_TOTAL, TOTAL_RESULTS * self.job.limits.result_kb * 1024):
            self.condemn(FaultKind.OUTPUT, "all results together are over their cap")
            return False
        else:
            return True
        self.condemn(FaultKind.PROTOCOL, problem, everything=True)
        return False

    def _take(self, kind: int, payload: bytes) -> None:
        now = time.monotonic()
        self.deadline = now + self.job.limits.wall_s
        if kind == wire.READY:
            self.ready = True
            self.look = now + LOOK_S if self.weighed else math.inf
            return
        seconds, self._since = now - self._since, now
        self._received += len(payload)
        if kind == wire.VALUE:
            try:
                self.outcomes.append(Outcome(wire.decode(payload), None, seconds))
            except wire.MalformedError as error:
                self.condemn(FaultKind.PROTOCOL, f"a malformed value: {error}", everything=True)
                return
        else:
            fault = said(payload)
            if kind == wire.REST:
                self.fault, self.rest_faulted = fault, True
            else:
                self.outcomes.append(Outcome(None, fault, seconds))
        if len(self.outcomes) == self._wanted or kind == wire.REST:
            self.deadline = now + GRACE_S

    def finish(self, status: int, cpu_s: float) -> None:
        """Take the kernel's word on how the process ended, and what is left in its descriptors."""
        while self.receive():
            pass
        while self.listen():
            pass
        if not self._closed_for_good():
            self.survived = True
        if self.fault is None and self._inbox:
            self.condemn(FaultKind.PROTOCOL, "left in the middle of a frame", everything=True)
        if self.fault is None and len(self.outcomes) < self._wanted:
            self.fault = ended(status, cpu_s, self._cpu_limit())
        if not self.ready and not self.rest_faulted:
            self.broken = self.broken or f"the worker did not start ({self.fault})"
        self._settle(cpu_s)

    def _closed_for_good(self) -> bool:
        """True when nobody holds the other end of the output pipe: every process of the job is gone."""
        try:
            return not os.read(self.output, 1)
        except BlockingIOError:
            return False

    def _cpu_limit(self) -> int:
        return cpu_limit(self.job, self.first)

    def _settle(self, cpu_s: float) -> None:
        """Turn the process's fault into those of its calls, and complete the outcomes."""
        output = clean(self._tail.decode("utf-8", "replace"))[-TAIL:]
        missing = self._wanted - len(self.outcomes)
        if self.fault is not None and self.all_faulted:
            self.outcomes, missing = [], self._wanted
        if self.fault is not None and missing:
            spread = missing if self.job.mode == "candidate" or self.rest_faulted else 1
            seconds = time.monotonic() - self._since if self._since else 0.0
            self.outcomes += [Outcome(None, self.fault, seconds)] + [Outcome(None, self.fault)] * (spread - 1)
        share = cpu_s / max(1, len(self.outcomes))
        self.outcomes = [Outcome(each.value, each.fault, each.seconds, share, output) for each in self.outcomes]

    def close(self) -> None:
        """Close this side's descriptors."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None
        if self.output >= 0:
            os.close(self.output)
            self.output = -1


def cpu_limit(job: Job, first: int) -> int:
    """Whole CPU seconds for a process that answers the calls from `first` on."""
    each = job.limits.wall_s if job.limits.cpu_s is None else job.limits.cpu_s
    return max(1, int(-(-each * (len(job.calls) - first) // 1)))


def said(payload: bytes) -> Fault:
    """The fault that a worker reports of its own call. Its kind is a courtesy: all are the candidate's own."""
    word, _, detail = payload.decode("utf-8", "replace").partition("\0")
    if word not in _SAID:
        return Fault(FaultKind.PROTOCOL, "a fault of unknown kind")
    return Fault(FaultKind(word), clean(detail)[:500])


def ended(status: int, cpu_s: float, limit: int) -> Fault:
    """The fault of a process that ended before it had answered."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number == signal.SIGXCPU or (number == signal.SIGKILL and cpu_s >= limit):
            return Fault(FaultKind.TIMEOUT, f"over {limit} s of CPU")
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = f"signal {number}"
        return Fault(FaultKind.CRASH, name)
    code = os.waitstatus_to_exitcode(status)
    if code == 70:
        return Fault(FaultKind.PROTOCOL, "closed its result descriptor")
    return Fault(FaultKind.EXIT, f"left with status {code} before it had answered")


def clean(text: str) -> str:
    """Text without control characters, save newline and tab."""
    return "".join(each for each in text if each.isprintable() or each in "\n\t")
