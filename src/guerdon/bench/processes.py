"""Worker processes: spawned afresh (safe after threads and torch), killed as a whole, gone when the parent goes."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pickle import PicklingError

from guerdon.bench.interrupt import leave_to_parent
from guerdon.bench.loading import load_file, loaded_files
from guerdon.bench.workers import Reply, judge_here
from guerdon.core.errors import ConfigError
from guerdon.core.reward import Reward
from guerdon.core.task import Case
from guerdon.sandbox import shared

_SPAWN = get_context("spawn")
PR_SET_PDEATHSIG = 1
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class ProcessSlot:
    """One child process with a pipe, and its share of the machine's cores for numerical libraries."""

    def __init__(self, reward: Reward, threads: int = 1) -> None:
        self.pipe, child = _SPAWN.Pipe()
        self.process: BaseProcess = _SPAWN.Process(
            target=_work, args=(child, loaded_files(), shared.backend(), os.getpid()), daemon=True
        )
        try:
            with _threads(threads):
                self.process.start()
        except Exception:
            self.pipe.close()
            raise
        finally:
            child.close()
        try:
            with contextlib.suppress(OSError):  # a dead process is noticed by `wait`
                self.pipe.send(reward)  # after its start: a reward out of a file means something once that is loaded
        except Exception as error:
            self.kill()
            if not isinstance(error, (AttributeError, TypeError, ValueError, PicklingError)):
                raise
            raise ConfigError(
                "a judge for worker processes can be sent to them",
                str(error),
                "Define its functions at the top of a module or file, or use --workers inline",
            ) from error

    def send(self, cases: Sequence[Case]) -> None:
        """Start judging a batch; a dead process is noticed by `wait`."""
        with contextlib.suppress(OSError):
            self.pipe.send(list(cases))

    def kill(self) -> None:
        """SIGKILL, reap, close."""
        self.process.kill()
        self.process.join()
        self.process.close()
        self.pipe.close()


class ProcessCrew:
    """A crew of `size` processes."""

    def __init__(self, reward: Reward, size: int) -> None:
        if size < 1:
            raise ConfigError("processes:N has N >= 1", f"got {size}", "Use processes:1 or inline")
        self.size, self.name, self._reward = size, f"processes:{size}", reward

    def start(self) -> ProcessSlot:
        """A fresh process."""
        return ProcessSlot(self._reward, max(1, (os.cpu_count() or 1) // self.size))

    def wait(self, slots: Sequence[ProcessSlot], timeout: float) -> list[tuple[ProcessSlot, Reply | None]]:
        """Processes whose pipe has a reply, or has closed because they died."""
        by_pipe = {slot.pipe: slot for slot in slots}
        return [(by_pipe[pipe], _receive(pipe)) for pipe in wait(list(by_pipe), timeout)]  # type: ignore[index,arg-type]

    def close(self) -> None:
        """Nothing is shared between slots."""


def _receive(pipe: Connection) -> Reply | None:
    try:
        reply: Reply = pipe.recv()
    except (EOFError, OSError):
        return None
    return reply


def _work(pipe: Connection, files: Sequence[str], backend: str, parent: int) -> None:
    """The life of a worker: judge what comes, until the pipe closes."""
    die_with_parent(parent)
    leave_to_parent()
    shared.configure(backend, workers=1)
    for file in files:
        load_file(file)
    with contextlib.suppress(EOFError, OSError):
        reward = pipe.recv()
        while True:
            cases = pipe.recv()
            pipe.send(judge_here(reward, cases))


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    """An environment in which numerical libraries start with so many threads, unless it says otherwise already.

    They read it when they are loaded; N processes with N threads each spend their time waiting for one another.
    """
    names = [name for name in THREADS if name not in os.environ]
    os.environ.update(dict.fromkeys(names, str(count)))
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent dies (Linux); elsewhere the closed pipe ends it."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
