"""P2: what it costs to have one attempt on record, the loop around it included.

guerdon runs its whole loop (ask, judge, record attempt, verdict and step, tell) with a trivial learner and reward;
Optuna asks, sets one attribute and tells; Inspect AI evaluates one sample per record with a mock model. Making the
data base, reading it back and imports are not counted. What is read back must be the same on all sides.

Not the same features: Inspect AI keeps whole transcripts, Optuna serves many workers through an ORM. Two rows with
equal features (two processes writing, a note of 1 kB) stand beside the claim.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.common import Claim, Pass, Plan, Samples, compare, measure
from benchmarks.meter import Load
from benchmarks.peers import DRIVERS, Driver, MissingError, environment, version_of
from benchmarks.record import Session

BATCHES = (1, 10, 100)
GOALS = {"optuna": 300.0, "inspect": 100.0}
TITLES = {
    "optuna": "optuna 5.0.0, SQLite",
    "inspect": "inspect-ai 0.3.285",
    "optuna-journal": "optuna 5.0.0, journal file",
}
UNIT = "ms CPU per record"
CALLS = {
    "optuna": "study.ask(); trial.set_user_attr(...); study.tell(...) on RDBStorage, SQLite",
    "optuna-journal": "the same on JournalStorage(JournalFileBackend)",
    "inspect": 'eval(task, model=get_model("mockllm/model", ...), log_realtime=False, display="none")',
    "guerdon": 'run(learner, challenge, ledger="file.db", workers="inline")',
    "floor": "sqlite3, WAL, synchronous=NORMAL, one INSERT per row",
}


@dataclass(frozen=True, slots=True)
class Work:
    """What is recorded in one pass: so many records, notes of so many bytes, by one or two processes."""

    count: int
    note: int = 0
    by_two: bool = False

    def rows(self) -> list[list[Any]]:
        """What must be read back."""
        half = self.count // 2
        answers = [i for i in range(half) for _ in range(2)] if self.by_two else range(self.count)
        return [[i, i * 7919 % 1000 / 1000, self.note] for i in answers]


def recorder(driver: Driver, work: Work, batch: int) -> Callable[[int], Pass]:
    """A contender: records the work into a fresh folder and reads it back."""

    def once(_round: int) -> Pass:
        with tempfile.TemporaryDirectory(prefix="guerdon-p2-") as folder:
            driver.ask("prepare", folder=folder)
            arguments = {"count": work.count, "batch": batch, "note": work.note}
            _, spent = driver.timed("record_by_two" if work.by_two else "record", **arguments)
            return Pass(driver.ask("read"), spent, work.count)

    return once


def run(plan: Plan, load: Load, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure P2; returns the record."""
    peers, missing = _peers(plan, say)
    session = Session("p2", plan, load)
    with _drivers(peers) as drivers:
        plain = _measure(drivers, Work(20 if plan.quick else 300), BATCHES, plan, session, say)
        two = Work(20 if plan.quick else 100, note=1000, by_two=True)
        shared = {name: driver for name, driver in drivers.items() if name != "inspect"}
        equal = _measure(shared, two, (1,), plan, session, lambda text: say(f"two writers, {text}"))
        source = drivers["guerdon"].group.source
    claims = [*_claims(plain, missing), *_equal_claims(equal, missing)]
    samples = plain | {f"{name}, two writers": each for name, each in equal.items()}
    versions = {name: peers[name][1] for name in peers}
    return session.record(
        claims, _rows(samples), samples, calls=CALLS, peers=versions, missing=missing, cpu_from=source
    )


def _measure(
    drivers: dict[str, Driver],
    work: Work,
    batches: Sequence[int],
    plan: Plan,
    session: Session,
    say: Callable[[str], None],
) -> dict[str, Samples]:
    contenders = {}
    for name, driver in drivers.items():
        for batch in batches if name in ("guerdon", "floor") else (1,):
            label = f"{name}, batch {batch}" if name in ("guerdon", "floor") else name
            contenders[label] = recorder(driver, work, batch)
            contenders[label](-1)  # warm
    return measure(contenders, plan.rounds, lambda _: work.rows(), say, session.load)


def _peers(plan: Plan, say: Callable[[str], None]) -> tuple[dict[str, tuple[list[str], str]], dict[str, str]]:
    """Command and version of each peer, and why others are missing."""
    wanted = {
        "optuna": ("p2_optuna.py", "rdb", "optuna"),
        "optuna-journal": ("p2_optuna.py", "journal", "optuna"),
        "inspect": ("p2_inspect.py", "", "inspect-ai"),
    }
    try:
        python = environment("p2", plan.peers, say)
        found = {
            name: ([str(python), str(DRIVERS / script), argument], version_of(python, package))
            for name, (script, argument, package) in wanted.items()
        }
    except MissingError as error:
        return {}, dict.fromkeys(wanted, str(error))
    return found, {}


@contextlib.contextmanager
def _drivers(peers: dict[str, tuple[list[str], str]]) -> Iterator[dict[str, Driver]]:
    own = {name: [sys.executable, str(DRIVERS / f"p2_{name}.py")] for name in ("floor", "guerdon")}
    commands = own | {name: command for name, (command, _) in peers.items()}
    with contextlib.ExitStack() as stack, tempfile.TemporaryDirectory() as home:
        quiet = {"HOME": home, "INSPECT_LOG_LEVEL": "error"}
        yield {name: stack.enter_context(Driver(name, command, quiet)) for name, command in commands.items()}


def _claims(samples: dict[str, Samples], missing: dict[str, str]) -> list[Claim]:
    return [
        compare(
            samples[f"guerdon, batch {batch}"],
            samples.get(name),
            samples[f"floor, batch {batch}"],
            id="P2",
            claim=f"overhead per recorded attempt, batches of {batch}",
            peer=title,
            call=CALLS[name],
            goal=GOALS.get(name),
            unit=UNIT,
            missing=missing.get(name, ""),
        )
        for name, title in TITLES.items()
        for batch in BATCHES
    ]


def _equal_claims(samples: dict[str, Samples], missing: dict[str, str]) -> list[Claim]:
    return [
        compare(
            samples["guerdon, batch 1"],
            samples.get("optuna"),
            samples["floor, batch 1"],
            id="P2",
            claim="the same by two processes, with a note of 1 kB",
            peer=TITLES["optuna"],
            call=CALLS["optuna"],
            unit=UNIT,
            missing=missing.get("optuna", ""),
        )
    ]


def _rows(samples: dict[str, Samples]) -> list[dict[str, Any]]:
    """The printed table: everybody's cost per record."""
    return [
        {"who": name, "cpu_ms": statistics.median(each.cpu) * 1000, "wall_ms": statistics.median(each.wall) * 1000}
        for name, each in samples.items()
    ]
