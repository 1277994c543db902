"""P5: what it costs to offer one solution to a MAP-Elites archive on a grid of 100 × 100 cells.

Both sides get the same batches, in which objectives rise slowly and often tie and a tenth of the rows lie
outside. Before any time is taken, status and value of every row are compared; after each pass, the archives cell by
cell. It matters where evaluation is cheap: at a millisecond per evaluation no archive is ever the bottleneck.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks import peers as others
from benchmarks.common import Claim, Pass, Plan, Samples, check_same, compare, costs, measure
from benchmarks.meter import Load
from benchmarks.peers import Driver
from benchmarks.record import Session

GOALS = {64: 4.0}
GOAL = 3.0
UNIT = "µs CPU per solution"
CALLS = {
    "ribs": "ribs.archives.GridArchive(solution_dim=10, dims=(100, 100), ...).add(solutions, objectives, measures)",
    "guerdon": "GridArchive(dims=(100, 100), ..., solution_dim=10).add(solutions, objectives, measures)",
    "floor": "numpy: place, maximum.at, scatter; nothing checked, no status, no value",
}


@dataclass(frozen=True, slots=True)
class Work:
    """One pass: so many solutions in batches of a size, into so many fresh archives one after another."""

    batch: int
    count: int
    times: int


FULL = (Work(1, 5_000, 2), Work(64, 64_000, 4), Work(1_000, 100_000, 15), Work(10_000, 200_000, 10))
QUICK = (Work(1, 1_000, 1), Work(64, 32_000, 1), Work(1_000, 100_000, 2), Work(10_000, 200_000, 1))


def run(plan: Plan, load: Load, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure P5; returns the record."""
    peer, missing = others.peer("p5", "p5_ribs", "ribs", plan.peers, say)
    session = Session("p5", plan, load)
    samples: dict[str, Samples] = {}
    with others.sides("p5", {"ribs": peer[0]} if peer else {}) as drivers:
        for work in QUICK if plan.quick else FULL:
            samples |= _measure(
                drivers, work, plan, session, lambda text, work=work: say(f"batch {work.batch}, {text}")
            )
        source = drivers["guerdon"].group.source
    version = peer[1] if peer else ""
    claims = [_claim(samples, work, version, missing) for work in FULL]
    return session.record(
        claims,
        costs(samples, 1e6, "1000 solutions"),
        samples,
        calls=CALLS,
        peers={"ribs": version} if peer else {},
        missing={"ribs": missing} if missing else {},
        cpu_from=source,
    )


def _measure(
    drivers: Mapping[str, Driver], work: Work, plan: Plan, session: Session, say: Callable[[str], None]
) -> dict[str, Samples]:
    for driver in drivers.values():
        driver.ask("prepare", batch=work.batch, count=work.count)
    if "ribs" in drivers:
        check_same("guerdon, status and value", 0, drivers["ribs"].ask("verdicts"), drivers["guerdon"].ask("verdicts"))
    contenders = {f"{name}, batch {work.batch}": _filler(driver, work) for name, driver in drivers.items()}
    for once in contenders.values():
        once(-1)  # warm
    wanted = contenders[f"{'ribs' if 'ribs' in drivers else 'floor'}, batch {work.batch}"](-1).output
    return measure(contenders, plan.rounds, lambda _: wanted, say, session.load)


def _filler(driver: Driver, work: Work) -> Callable[[int], Pass]:
    def once(_round: int) -> Pass:
        _, spent = driver.timed("fill", times=work.times)
        return Pass(driver.ask("read"), spent, work.count * work.times)

    return once


def _claim(samples: dict[str, Samples], work: Work, version: str, missing: str) -> Claim:
    return compare(
        samples[f"guerdon, batch {work.batch}"],
        samples.get(f"ribs, batch {work.batch}"),
        samples[f"floor, batch {work.batch}"],
        scale=1e6,
        id="P5",
        claim=f"a solution added to a MAP-Elites archive, batches of {work.batch:,}",
        peer=f"pyribs {version}".strip(),
        call=CALLS["ribs"],
        goal=GOALS.get(work.batch, GOAL),
        unit=UNIT,
        missing=missing,
    )
