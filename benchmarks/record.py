"""What is written down: machine, versions, commit, load, raw samples; and whether wall seconds may be."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import PINNED, SEED, Claim, Plan, Samples
from benchmarks.meter import CALM, Load, cores

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"


class Session:
    """One benchmark from its first reading of the load to its record.

    Args:
        name: p1, p2, ...
        plan: how much to measure.
        load: of the machine.
    """

    def __init__(self, name: str, plan: Plan, load: Load) -> None:
        self.name, self.plan, self.load = name, plan, load
        load.wait(plan.wait)
        self.before = load.reading()

    def record(
        self, claims: Sequence[Claim], rows: Sequence[Mapping[str, Any]], samples: Mapping[str, Samples], **more: Any
    ) -> dict[str, Any]:
        """The whole record, wall seconds left out when the machine was not calm."""
        after = self.load.reading()
        reason = refusal(self.load, self.before, after)
        return {
            "benchmark": self.name,
            "quick": self.plan.quick,
            "rounds": self.plan.rounds,
            "claims": [claim.plain() for claim in claims],
            "rows": [dict(row) if not reason else without_wall(row) for row in rows],
            "wall": None if reason else "recorded",
            "wall_refused": reason,
            "load": {"before": self.before, "after": after, "limit": CALM * cores()},
            "machine": machine(),
            "commit": commit(),
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "seed": SEED,
            "threads": PINNED,
            "samples": {name: _samples(each, not reason) for name, each in samples.items()},
            **more,
        }


def refusal(load: Load, before: dict[str, float], after: dict[str, float]) -> str:
    """Why wall seconds may not be recorded; empty when they may."""
    for when, reading in (("start", before), ("end", after)):
        if not load.calm(reading):
            return f"others kept {reading['others']:.2f} cores busy at the {when}, over {CALM * cores():.2f}"
    return ""


def without_wall(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row whose wall seconds are unknown."""
    return {name: None if name.startswith("wall") else value for name, value in row.items()}


def _samples(samples: Samples, wall: bool) -> dict[str, Any]:
    raw = samples.raw if wall else [without_wall(one) for one in samples.raw]
    return {"cpu": samples.cpu, "wall": samples.wall if wall else None, "raw": raw}


def machine() -> dict[str, Any]:
    """What it ran on."""
    return {
        "cpu": cpu_model(),
        "cores": cores(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "kernel": platform.release(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def cpu_model() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def commit() -> str:
    """The commit measured, with a plus sign when the package has changed since."""
    try:
        name = _git("rev-parse", "--short=10", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", "src", "benchmarks/*.py")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return name + ("+" if changed else "")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def write(record: Mapping[str, Any], folder: Path = RESULTS) -> Path:
    """Write a record; the file appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{record['benchmark']}.json"
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf-8")
    draft.replace(path)
    return path


def read_all(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """All records, in the order of their names' numbers."""
    paths = sorted(folder.glob("p*.json"), key=lambda path: int("".join(filter(str.isdigit, path.stem)) or 0))
    return [json.loads(path.read_text("utf-8")) for path in paths]
