"""The host's handle on a zygote: start it, give it a job, kill a job, end it."""

from __future__ import annotations

import array
import contextlib
import os
import signal
import socket
from collections.abc import Sequence

from guerdon.core.errors import SandboxError
from guerdon.sandbox import layout, wire
from guerdon.sandbox.flight import Flight, cpu_limit

BOOT_S = 30.0
ENVIRONMENT = {
    "PYTHONHASHSEED": "0",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
INODES = 4096


class Zygote:
    """A started zygote.

    Args:
        kind: `namespaces`, `landlock` or `trusted`.
        imports: modules that it imports once, before any job.
        programs: of the system, that its jobs may start.

    Raises:
        SandboxError: it could not isolate itself; the message says at which step.
    """

    def __init__(self, kind: str, imports: Sequence[str], programs: Sequence[str] = ()) -> None:
        self.kind = kind
        self.flight: Flight | None = None
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self.pid = _spawn(theirs.fileno())
        except OSError as error:
            self.control.close()
            raise SandboxError("the sandbox starts a Python process", str(error), "Check its limits") from error
        finally:
            theirs.close()
        try:
            self.detail = self._greet(layout.bundle(kind, imports, programs))
        except BaseException:
            self.end()
            raise
        self.control.setblocking(False)

    def _greet(self, bundle: bytes) -> str:
        self.control.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * len(bundle))
        self.control.settimeout(BOOT_S)
        try:
            self.control.send(bundle)
            word = self.control.recv(8192)
        except OSError as error:
            word = b"E" + str(error).encode()
        if word[:1] != b"R":
            said = word[1:].decode("utf-8", "replace") or "it ended without a word"
            raise SandboxError(f"the {self.kind} sandbox isolates itself", said, "See docs/sandbox.md")
        return word[1:].decode()

    def take(self, flight: Flight) -> None:
        """Send a job off.

        Raises:
            OSError: out of descriptors, or the zygote is gone.
        """
        limits = flight.job.limits
        numbers = wire.LIMITS.pack(
            cpu_limit(flight.job, flight.first),
            limits.memory_mb << 20,
            limits.disk_mb << 20,
            limits.open_files,
            limits.processes,
            limits.disk_mb << 20,
            INODES,
        )
        flight.weighed = self.kind == "namespaces"  # elsewhere a job has one process, or none of our care
        ours = flight.open()
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", ours))]
        try:
            self.control.sendmsg([b"J" + numbers], rights)
        finally:
            for fd in ours:
                os.close(fd)
        self.flight = flight
        flight.send()

    def kill(self) -> None:
        """Ask for the job at work to be killed, with everything it started."""
        with contextlib.suppress(OSError):  # a dead zygote will be seen to be gone
            self.control.send(b"K")

    def hear(self) -> None:
        """Read the account of a finished job."""
        assert self.flight is not None
        try:
            word = self.control.recv(8192)
        except BlockingIOError:
            return
        except OSError:
            word = b""
        if word[:1] == b"D":
            status, user, system = wire.STATUS.unpack(word[1:])
            self.flight.finish(status, user + system)
            self.flight.done = True
            if self.flight.survived and self.kind != "trusted":
                self.flight.broken = "a process outlived its job"
        else:
            self.flight.broken = word[1:].decode("utf-8", "replace") or "the zygote died"

    def end(self) -> None:
        """Kill it and all its jobs, and wait until they are gone."""
        if self.flight is not None:
            self.flight.close()
            self.flight = None
        self.control.close()
        self.strike()
        pid, self.pid = self.pid, 0
        with contextlib.suppress(ChildProcessError):  # another part of the program reaped it
            if pid:
                os.waitpid(pid, 0)

    def strike(self) -> None:
        """Kill it; whoever drives it will notice."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def forget(self) -> None:
        """Drop the descriptors without ending it: for a forked child, whose parent owns it."""
        if self.flight is not None:
            self.flight.close()
        self.control.close()


def _spawn(control: int) -> int:
    null = "/dev/null"
    return os.posix_spawn(
        layout.interpreter(),
        layout.arguments(),
        ENVIRONMENT,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, control, 3),
            (os.POSIX_SPAWN_OPEN, 0, null, os.O_RDWR, 0),
            (os.POSIX_SPAWN_OPEN, 1, null, os.O_RDWR, 0),
            (os.POSIX_SPAWN_OPEN, 2, null, os.O_RDWR, 0),
        ],
        setsigmask=(),
        setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGCHLD, signal.SIGHUP),
    )
