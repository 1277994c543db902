"""Whole programs that read standard input and write standard output, in Python or C++, as in programming contests.

A Python program runs in the job's own interpreter. A C++ program is compiled in one job and run in others, one for
each input, so that no run can leave anything for the next. Compiler and program see the walls of every other job.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from guerdon.core.errors import SandboxError
from guerdon.core.score import Fault, FaultKind
from guerdon.sandbox import shared
from guerdon.sandbox.job import Job, Limits, Outcome

Language = Literal["python", "cpp"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
TOOLS = ("g++", "as", "ld")
"""What compiles C++: the GNU compiler driver, its assembler and its linker."""
FLAGS = ("-std=gnu++20", "-O2", "-pipe")
BUILD = Limits(wall_s=60.0, memory_mb=2048, disk_mb=256, processes=32, result_kb=16 * 1024)
"""Limits of compiling one program."""
START_S = 0.3
"""Seconds on top of a program's time limit, for starting its process."""

_PYTHON = """
import io, os, sys

def main(source, text):
    data = text.encode()
    try:
        given = os.open("/tmp", os.O_TMPFILE | os.O_RDWR, 0o600)
        os.write(given, data)
        os.lseek(given, 0, os.SEEK_SET)
        os.dup2(given, 0)
    except OSError:
        pass
    sys.stdin = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8")
    sys.stdout = out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    kept = out.buffer
    try:
        exec(compile(source, "<program>", "exec"), {"__name__": "__main__", "exit": sys.exit, "quit": sys.exit})
    except SystemExit as error:
        if error.code not in (None, 0):
            raise RuntimeError(f"left with status {error.code!r}") from None
    out.flush()
    return kept.getvalue().decode("utf-8", "replace")
"""
_FILES = """
import os, subprocess

class Files:
    # names of this process's own, since without a wall the folder is everybody's
    def __enter__(self):
        self.names = []
        return self.name

    def name(self, end):
        self.names.append(f"/tmp/job-{os.getpid()}-{end}")
        return self.names[-1]

    def __exit__(self, *_):
        for name in self.names:
            if os.path.exists(name):
                os.unlink(name)
"""
_BUILD = """
def build(source, flags):
    with Files() as name:
        text, binary = name("main.cpp"), name("main")
        with open(text, "w", encoding="utf-8", errors="surrogatepass") as file:
            file.write(source)
        done = subprocess.run(["/usr/bin/g++", *flags, "-o", binary, text], env={"PATH": "/usr/bin", "TMPDIR": "/tmp"},
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if done.returncode:
            return done.stderr.decode("utf-8", "replace")[:2000].replace(text, "main.cpp")
        with open(binary, "rb") as file:
            return file.read()
"""
_NATIVE = """
def main(binary, text, cap):
    with Files() as name:
        program, given, said = name("main"), name("input"), name("output")
        with open(program, "wb") as file:
            file.write(binary)
        os.chmod(program, 0o700)
        with open(given, "w", encoding="utf-8") as file:
            file.write(text)
        with open(given, "rb") as source, open(said, "wb") as sink:
            status = subprocess.run([program], stdin=source, stdout=sink, stderr=subprocess.DEVNULL, env={}).returncode
        with open(said, "rb") as file:
            return status, file.read(cap).decode("utf-8", "replace")
"""


@dataclass(frozen=True, slots=True)
class Program:
    """A program's text and language.

    Args:
        language: "python" or "cpp".
        source: its text.
    """

    language: Language
    source: str


def run_programs(
    programs: Sequence[Program], inputs: Sequence[Sequence[str]], limits: Limits, imports: Sequence[str] = ()
) -> list[list[Outcome]]:
    """Run programs on texts, in this process's sandbox.

    Args:
        programs: P programs.
        inputs: for each program, the texts that it is to read, one run for each.
        limits: of each run; `wall_s` is the program's own time, `START_S` comes on top.
        imports: modules that Python programs may import beside the standard library.

    Returns:
        P rows of outcomes; a value is what the program wrote (text). What does not compile, or ends with a status
        other than 0, is a fault of the solver; no compiler, and no sandbox that starts programs, one of the host.
    """
    limits = replace(limits, wall_s=limits.wall_s + START_S)
    jobs: list[Job] = []
    places: list[tuple[int, int]] = []
    for i, program in enumerate(programs):
        if program.language == "python":
            for k, text in enumerate(inputs[i]):
                jobs.append(Job(source=_PYTHON, entry="main", calls=[(program.source, text)], limits=limits))
                places.append((i, k))
    found: list[list[Outcome]] = [[Outcome()] * len(row) for row in inputs]
    for (i, k), (outcome,) in zip(places, shared.run(jobs, imports=imports), strict=True):
        found[i][k] = _text(outcome)
    native = [i for i, program in enumerate(programs) if program.language == "cpp"]
    if native:
        rows = _native([programs[i].source for i in native], [inputs[i] for i in native], limits)
        for i, row in zip(native, rows, strict=True):
            found[i] = row
    return found


def _native(sources: Sequence[str], inputs: Sequence[Sequence[str]], limits: Limits) -> list[list[Outcome]]:
    try:
        built = _built(sources)
    except SandboxError as error:
        absent = Outcome(None, Fault(FaultKind.SANDBOX, f"no C++ programs can be run here: {error}"[:500]))
        return [[absent] * len(row) for row in inputs]
    jobs = [
        Job(
            source=_FILES + _NATIVE,
            entry="main",
            calls=[(binary, text, limits.result_kb * 1000)],
            limits=_roomy(limits, binary),
        )
        for source, row in zip(sources, inputs, strict=True)
        if isinstance(binary := built[source], bytes)
        for text in row
    ]
    outcomes = iter(shared.run(jobs, imports=("subprocess",), programs=TOOLS))
    return [
        [Outcome(None, fault) for _ in row]
        if isinstance(fault := built[source], Fault)
        else [_ended(next(outcomes)[0]) for _ in row]
        for source, row in zip(sources, inputs, strict=True)
    ]


def _built(sources: Sequence[str]) -> Mapping[str, bytes | Fault]:
    """The executable of each source, or why there is none; equal sources are compiled once."""
    apart = list(dict.fromkeys(sources))
    jobs = [Job(source=_FILES + _BUILD, entry="build", calls=[(source, list(FLAGS))], limits=BUILD) for source in apart]
    built: dict[str, bytes | Fault] = {}
    for source, (outcome,) in zip(apart, shared.run(jobs, imports=("subprocess",), programs=TOOLS), strict=True):
        if isinstance(outcome.value, bytes):
            built[source] = outcome.value
        else:
            said = outcome.value if isinstance(outcome.value, str) else "the compiler gave no program"
            built[source] = outcome.fault or Fault(FaultKind.INVALID, f"a program that compiles; {said}"[:500])
    return built


def _roomy(limits: Limits, binary: bytes) -> Limits:
    """Scratch space for the program itself, beside what it may write."""
    return replace(limits, disk_mb=limits.disk_mb + (len(binary) >> 20) + 1)


def _ended(outcome: Outcome) -> Outcome:
    """What a native program wrote, if it ended well."""
    if outcome.fault is not None:
        return outcome
    match outcome.value:
        case (0, str(text)):
            return replace(outcome, value=text)
        case (int(status), str()) if status < 0:
            return replace(outcome, value=None, fault=Fault(FaultKind.CRASH, _signal(-status)))
        case (int(status), str()):
            return replace(outcome, value=None, fault=Fault(FaultKind.EXIT, f"left with status {status}"))
    return replace(outcome, value=None, fault=Fault(FaultKind.PROTOCOL, "no status and no text"))


def _text(outcome: Outcome) -> Outcome:
    if outcome.fault is None and not isinstance(outcome.value, str):
        return replace(outcome, value=None, fault=Fault(FaultKind.PROTOCOL, "no text"))
    return outcome


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
