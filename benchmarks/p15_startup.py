"""P15: what every user pays at every start: imports, the command's first word, and the size on disk.

Each run is a fresh process with a warm disk cache. An import is timed inside its process, so that the interpreter's own
start is in nobody's figure; a command is timed whole.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.common import BenchmarkError, Claim, Pass, Plan, Samples, compare, measure, pinned
from benchmarks.meter import Load, Spent
from benchmarks.peers import MissingError, environment, version_of
from benchmarks.record import ROOT, Session

IMPORT = """
import sys, time
cpu, wall, before = time.process_time(), time.perf_counter(), len(sys.modules)
{statement}
cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
import json
sys.stdout.write(json.dumps([cpu, wall, len(sys.modules) - before]))
sys.stdout.flush()
import os
os._exit(0)
"""
FLOOR = "python -c pass"
IN_USE = "from guerdon import Ledger, run"
PEERS = {
    "import inspect_ai": ("p2", "inspect-ai", 20.0),
    "from trl import GRPOTrainer": ("trl", "trl", 100.0),
    "import optuna": ("p2", "optuna", None),
    "import numpy": ("p2", "numpy", None),
}
LIMITS = {"guerdon --help": 120.0, "import guerdon": 60.0, "wheel": 2.0}


@dataclass
class Start:
    """One thing to start in a fresh process.

    Args:
        command: the process.
        inside: the process reports its own figures.
        whole: CPU seconds of whole processes, start to end.
        modules: modules imported.
    """

    command: list[str]
    inside: bool
    whole: list[float] = field(default_factory=list)
    modules: int = 0

    def once(self, _round: int) -> Pass:
        """Start it once."""
        began = time.perf_counter()
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
            child = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, env=pinned())
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
            wall, cpu = time.perf_counter() - began, usage.ru_utime + usage.ru_stime
            out.seek(0)
            errors.seek(0)
            said, complaint = out.read(), errors.read().decode("utf-8", "replace")
        if child.returncode:
            raise BenchmarkError(f"{' '.join(self.command)[:80]} ended with {child.returncode}: {complaint[-300:]}")
        self.whole.append(cpu)
        if self.inside:
            cpu, wall, self.modules = json.loads(said.splitlines()[-1])
        return Pass("started", Spent(cpu, wall), 1)


def run(plan: Plan, load: Load, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure P15; returns the record."""
    starts, versions, missing = _starts(plan, say)
    session = Session("p15", plan, load)
    for start in starts.values():
        start.once(-1)  # warm the disk cache and write the byte code
        start.whole.clear()
    contenders = {name: start.once for name, start in starts.items()}
    samples = measure(contenders, plan.rounds, lambda _: "started", say, session.load)
    size = None if plan.quick else wheel_mb()
    claims = [*_ratios(samples, versions, missing), *_limits(samples, size)]
    whole = {name: start.whole for name, start in starts.items()}
    about = {"whole_cpu": whole, "peers": versions, "missing": missing, "wheel_mb": size, "cpu_from": "wait4"}
    return session.record(claims, _rows(starts, samples), samples, **about)


def _starts(plan: Plan, say: Callable[[str], None]) -> tuple[dict[str, Start], dict[str, str], dict[str, str]]:
    """Everything to start, versions of the peers, and why others are missing."""
    command = [sys.executable, "-c", "from guerdon.cli.main import main; main()"]
    script = Path(sys.executable).with_name("guerdon")
    command = [str(script)] if script.exists() else command
    starts = {
        FLOOR: Start([sys.executable, "-c", "pass"], inside=False),
        "import guerdon": _import(sys.executable, "import guerdon"),
        IN_USE: _import(sys.executable, IN_USE),
        "guerdon --version": Start([*command, "--version"], inside=False),
        "guerdon --help": Start([*command, "--help"], inside=False),
    }
    versions: dict[str, str] = {}
    missing: dict[str, str] = {}
    for statement, (group, package, _) in PEERS.items():
        try:
            python = environment(group, plan.peers, say)
            versions[statement] = f"{package} {version_of(python, package)}"
            starts[statement] = _import(str(python), statement)
        except MissingError as error:
            missing[statement] = str(error)
    return starts, versions, missing


def _import(python: str, statement: str) -> Start:
    return Start([python, "-c", IMPORT.format(statement=statement)], inside=True)


def _ratios(samples: dict[str, Samples], versions: dict[str, str], missing: dict[str, str]) -> list[Claim]:
    return [
        compare(
            samples[ours],
            samples.get(statement),
            None,
            id="P15",
            claim=f"import time, `{ours}`",
            peer=versions.get(statement, package),
            call=statement,
            goal=goal if ours == "import guerdon" else None,
            unit="ms CPU",
            missing=missing.get(statement, ""),
        )
        for ours in ("import guerdon", IN_USE)
        for statement, (_, package, goal) in PEERS.items()
        if ours == "import guerdon" or goal
    ]


def _limits(samples: dict[str, Samples], size: float | None) -> list[Claim]:
    def limit(name: str, title: str, ours: float | None, unit: str) -> Claim:
        return Claim(id="P15", claim=title, goal=LIMITS[name], unit=unit, ours=ours)

    cpu = {name: statistics.median(samples[name].cpu) * 1000 for name in ("import guerdon", "guerdon --help")}
    claims = [
        limit("import guerdon", "`import guerdon`", cpu["import guerdon"], "ms CPU"),
        limit("guerdon --help", "`guerdon --help`, whole process", cpu["guerdon --help"], "ms CPU"),
    ]
    return claims if size is None else [*claims, limit("wheel", "size of the wheel", size, "MB")]


def _rows(starts: dict[str, Start], samples: dict[str, Samples]) -> list[dict[str, Any]]:
    return [
        {
            "who": name,
            "cpu_ms": statistics.median(samples[name].cpu) * 1000,
            "whole_cpu_ms": statistics.median(start.whole) * 1000,
            "wall_ms": statistics.median(samples[name].wall) * 1000,
            "modules": start.modules or None,
        }
        for name, start in starts.items()
    ]


def wheel_mb() -> float | None:
    """Megabytes of the wheel, built in a folder that is thrown away; `None` when it cannot be built."""
    isolation: Sequence[str] = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", *isolation, "-w", folder, str(ROOT)]
        done = subprocess.run(command, capture_output=True, check=False)
        wheels = list(Path(folder).glob("*.whl"))
        return wheels[0].stat().st_size / 1e6 if done.returncode == 0 and wheels else None
