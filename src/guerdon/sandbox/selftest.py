"""The self-test: a job tries what no job may do, and the host looks whether it could."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from guerdon.core.errors import ConfigError
from guerdon.sandbox.flight import clean
from guerdon.sandbox.job import Job, Limits, Outcome, Plain
from guerdon.sandbox.layout import standard_library

CANARY = "canary-7f3e"
DISK_MB = 8
PROBE = """
import os

def attempt(action, *arguments):
    try:
        return globals()[action](*arguments)
    except BaseException as error:
        return ""

def read(path):
    with open(path) as file:
        return "read " + file.read()

def look(path):
    return "listed " + " ".join(os.listdir(path))

def connect(port):
    import _socket
    _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM).connect(("127.0.0.1", port))
    return "connected"

def signal(pid):
    os.kill(pid, 0)
    return "the parent can be signalled"

def write(path):
    there = os.path.exists(path)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT))
    if not there:
        os.unlink(path)
    return "wrote " + path

def privileges():
    import ctypes
    libc = ctypes.CDLL(None)
    if libc.unshare(0x10000000) == 0 or libc.mount(b"x", b"/tmp", b"tmpfs", 0, None) == 0:
        return "made a namespace or a mount"
    return ""

def fill(most):
    filled, block, made = 0, b"x" * (1 << 20), []
    for place, folder in enumerate((".", "/tmp", "/dev/shm", "/dev", "/", "/var/tmp")):
        for number in range(most + 8):
            path = "%s/probe-%d-%d-%d" % (folder, os.getpid(), place, number)
            try:
                with open(path, "xb", buffering=0) as file:
                    made.append(path)
                    filled += file.write(block)
            except OSError:
                break
    for path in made:
        os.unlink(path)
    return "filled %d MB" % (filled >> 20) if filled > (most + 1) << 20 else ""

def breed(most):
    import time
    made = 0
    try:
        for _ in range(most):
            if os.fork() == 0:
                time.sleep(60)
                os._exit(0)
            made += 1
    except OSError:
        pass
    return "forked %d children" % made if made == most else ""

def outlive():
    import time
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(60)
        os._exit(0)
    return ""
"""


def probe(run: Callable[[list[Job]], list[list[Outcome]]]) -> str:
    """What a job could do that it must not; empty when it could do nothing.

    Args:
        run: a sandbox's `run`, over a fresh zygote.
    """
    with _bait() as (folder, port):
        actions: list[tuple[Plain, ...]] = [
            ("read", f"{folder}/canary"),
            ("look", folder),
            ("connect", port),
            ("look", f"/proc/{os.getpid()}"),
            ("write", os.__file__),
            ("write", f"{standard_library()}/sitecustomize_probe.py"),
            ("write", f"{folder}/left"),
            ("privileges",),
            ("fill", DISK_MB),
            ("breed", 200),
        ]
        if os.getpid() > 2:  # as process 1 of a container, the number means another process inside
            actions.append(("signal", os.getpid()))
        limits = Limits(wall_s=5.0, disk_mb=DISK_MB)
        stay = Job(source=PROBE, entry="attempt", calls=[("outlive",)], limits=limits)
        outcomes = run([Job(source=PROBE, entry="attempt", calls=actions, limits=limits), stay])
    found = [problem for outcome in outcomes[0] + outcomes[1] if (problem := _problem(outcome))]
    return "; ".join(dict.fromkeys(found))


def _problem(outcome: Outcome) -> str:
    if outcome.fault is not None:
        return f"the self-test did not run: {outcome.fault}"
    return clean(str(outcome.value))[:200]


@contextmanager
def _bait() -> Iterator[tuple[str, int]]:
    """A folder that anybody may read, with a canary in it, and a port that listens."""
    try:
        stack = ExitStack()
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        listener = stack.enter_context(socket.socket())
    except OSError as error:
        raise ConfigError("the self-test lays out a canary", str(error), "Make a temporary folder writable") from None
    with stack:
        Path(folder).chmod(0o777)
        path = Path(folder, "canary")
        path.write_text(CANARY, "utf-8")
        path.chmod(0o644)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield folder, listener.getsockname()[1]
