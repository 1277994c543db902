"""P11: what a request for the best of a million costs a server, while forty late scores come in.

guerdon serves the board of a contest (100,000 teams that have handed in ten times, a hundred rows to a request) through
`guerdon serve`; mlflow searches as many runs by a metric, trackio queries as many rows in SQL, each through a server of
its own. All are asked over one connection that is kept, over SQLite files that were written straight into the tables.
The peers' late scores go through their own stores in another process; ours are handed in, leased and judged. Only the
server's CPU is counted. After each pass the hundred rows have to be right on all sides, the late scores among them.

Not the same features: guerdon keeps the board in memory (reading it at the start is a row of its own) and sends
finished bytes until something changes; the peers look through their data bases, and can order by anything.

Two limits stand beside it: the 99th percentile of requests that are due 500 times a second whatever happens, with a
writer, and what the server does while 1,000 attempts a second come into a run whose page people watch.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import peers as others
from benchmarks.common import Claim, Pass, Plan, Samples, compare, measure
from benchmarks.meter import Load, Spent
from benchmarks.peers import DRIVERS, Driver
from benchmarks.record import Session, refusal

sys.path.insert(0, str(DRIVERS))
from p11_rows import board  # the drivers are scripts, not a package

PEERS = {"mlflow": 10.0, "trackio": None}
"""Goals by peer."""
NEW = "guerdon, a new score before each"
LIMIT_MS, LIMIT_CORES = 50.0, 0.5
UNIT = "ms CPU per request"
CALLS = {
    "guerdon": "GET /api/v1/contests/board/board?count=100 of guerdon serve --workers 0",
    NEW: "the same, 40 times, each after a score that changes the board; else one in 50 is",
    "guerdon, the page": "GET /challenges/board of guerdon serve --workers 0",
    "mlflow": "POST /api/2.0/mlflow/runs/search, order_by metrics.score DESC, max_results 100, of mlflow server "
    "--workers 1 over an SQLite file after ANALYZE",
    "trackio": "POST /api/query_project with SELECT run_name, MAX(score) ... GROUP BY run_name ORDER BY 2 LIMIT 100",
    "floor": "bare uvicorn that answers with finished bytes",
}


@dataclass(frozen=True, slots=True)
class Work:
    """How much there is, and how often it is asked for in one pass."""

    teams: int
    each: int
    asked: Mapping[str, int]
    rate: float
    seconds: float
    viewers: Sequence[int]
    attempts: float


FULL = Work(
    100_000, 10, {"guerdon": 2000, NEW: 40, "guerdon, the page": 200, "mlflow": 2, "trackio": 2, "floor": 2000},
    500.0, 20.0, (0, 1, 20), 1000.0,
)  # fmt: skip
QUICK = Work(
    300,
    3,
    {"guerdon": 80, NEW: 40, "guerdon, the page": 10, "mlflow": 10, "trackio": 10, "floor": 80},
    50.0,
    1.0,
    (0, 2),
    200.0,
)


def run(plan: Plan, load: Load, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure P11; returns the record."""
    work = QUICK if plan.quick else FULL
    found = {name: others.peer("p11", f"p11_{name}", name, plan.peers, say) for name in PEERS}
    missing = {name: why for name, (_, why) in found.items() if why}
    commands = {name: peer[0] for name, (peer, _) in found.items() if peer}
    versions = {name: peer[1] for name, (peer, _) in found.items() if peer}
    session = Session("p11", plan, load)
    with _drivers(commands) as (drivers, home):
        first = _prepare(drivers, work, home, say)
        samples = _measure(drivers, work, plan, say, load)
        say(f"{work.rate:g} requests a second for {work.seconds:g} s")
        hurried = _timed(drivers["guerdon"], load, "hurry", **_hurry(work, plan.rounds))
        watched = [_watch(drivers["guerdon"], load, work, viewers, home, say) for viewers in work.viewers]
        for driver in drivers.values():
            driver.ask("end")
        source = drivers["guerdon"].group.source
    reason = refusal(load, session.before, load.reading())
    claims = [*_claims(samples, versions, missing), _quick_enough(hurried, work, reason), _bounded(watched[-1], work)]
    return session.record(
        claims, _rows(samples), samples, calls=CALLS, peers=versions, missing=missing, cpu_from=f"/proc ({source})",
        rows_of=work.teams * work.each, teams=work.teams, first_board_cpu_s=first, hurry=hurried, watch=watched,
    )  # fmt: skip


@contextlib.contextmanager
def _drivers(commands: Mapping[str, Sequence[str]]) -> Iterator[tuple[dict[str, Driver], str]]:
    with (
        tempfile.TemporaryDirectory(prefix="guerdon-p11-") as home,
        others.sides("p11", commands, {"HOME": home}) as drivers,
    ):
        yield drivers, home


def _prepare(drivers: Mapping[str, Driver], work: Work, home: str, say: Callable[[str], None]) -> float:
    """Let all sides write what there is and start their servers; returns what guerdon's first board has cost."""
    first = 0.0
    for name, driver in drivers.items():
        say(f"writing {work.teams * work.each:,} scores for {name}")
        folder = tempfile.mkdtemp(prefix=f"{name}-", dir=home)
        driver.send("prepare", folder=folder, teams=work.teams, each=work.each)
        made = driver.receive(3600.0)
        first = made["first_cpu"] if name == "guerdon" else first
    return first


def _measure(
    drivers: Mapping[str, Driver], work: Work, plan: Plan, say: Callable[[str], None], load: Load
) -> dict[str, Samples]:
    contenders = {name: _asker(driver, "ask", work.asked[name]) for name, driver in drivers.items()}
    contenders[NEW] = _asker(drivers["guerdon"], "ask", work.asked[NEW])
    contenders["guerdon, the page"] = _asker(drivers["guerdon"], "ask_page", work.asked["guerdon, the page"])
    for once in contenders.values():
        once(-1)  # warm
    return measure(contenders, plan.rounds, lambda turn: board(work.teams, work.each, turn), say, load)


def _asker(driver: Driver, operation: str, count: int) -> Callable[[int], Pass]:
    """Asks so often in a turn; counts the server alone, as the driver reads it."""

    def once(turn: int) -> Pass:
        (rows, used), _ = driver.timed(operation, count=count, turn=turn)
        return Pass(rows, Spent(used["cpu"], used["wall"]), count)

    return once


def _timed(driver: Driver, load: Load, operation: str, **given: Any) -> Any:
    load.note()
    found, _ = driver.timed(operation, **given)
    load.note()
    return found


def _hurry(work: Work, turn: int) -> dict[str, Any]:
    return {"rate": work.rate, "seconds": work.seconds, "writes": 10.0, "turn": turn}


def _watch(
    driver: Driver, load: Load, work: Work, viewers: int, home: str, say: Callable[[str], None]
) -> dict[str, Any]:
    say(f"a run into which {work.attempts:g} attempts a second come, watched by {viewers}")
    folder = tempfile.mkdtemp(prefix="watch-", dir=home)
    found = _timed(driver, load, "watch", folder=folder, viewers=viewers, seconds=work.seconds, rate=work.attempts)
    return {"viewers": viewers, **found}


def _claims(samples: Mapping[str, Samples], versions: Mapping[str, str], missing: Mapping[str, str]) -> list[Claim]:
    said = "a request for the best 100 of 1,000,000"
    return [
        compare(
            samples[ours],
            samples.get(name),
            samples["floor"],
            id="P11",
            claim=said if ours == "guerdon" else f"{said}, each after a change",
            peer=f"{name} {versions.get(name, '')}".strip(),
            call=CALLS[name],
            goal=goal,
            unit=UNIT,
            missing=missing.get(name, ""),
        )
        for name, goal in PEERS.items()
        for ours in ("guerdon", NEW)
    ]


def _quick_enough(hurried: Mapping[str, Any], work: Work, reason: str) -> Claim:
    """A limit on the clock, which only a calm machine can show."""
    return Claim(
        id="P11",
        claim=f"99th percentile at {work.rate:g} requests a second with a writer, client on the same machine",
        goal=LIMIT_MS,
        unit="ms",
        ours=None if reason else hurried["p99"],
        missing=reason,
    )


def _bounded(watched: Mapping[str, Any], work: Work) -> Claim:
    return Claim(
        id="P11",
        claim=f"a server while {watched['viewers']} watch a run into which {work.attempts:,g} attempts a second come",
        goal=LIMIT_CORES,
        unit="cores",
        ours=watched["server_cores"],
    )


def _rows(samples: Mapping[str, Samples]) -> list[dict[str, Any]]:
    """The printed table: everybody's cost for one request."""
    return [
        {"who": name, "cpu_ms": statistics.median(each.cpu) * 1e3, "wall_ms": statistics.median(each.wall) * 1e3}
        for name, each in samples.items()
    ]
