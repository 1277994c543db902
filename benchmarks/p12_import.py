"""P12: what it costs to take in 100,000 items that people are to look at and compare.

guerdon takes them as an organiser hands them in: a JSON Lines file in a form, through the whole application. Label
Studio takes the same objects as JSON through its import API. Neither has a socket in between; both write to an SQLite
file that is fresh in each pass, and what is in it afterwards is read back from the data base and has to be the same.
Making the application, its data base and an empty project is left out on both sides.

Not the same features: Label Studio keeps a state for each task and counts what was labelled, guerdon the groups within
which items are compared.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks import peers as others
from benchmarks.common import Claim, Pass, Plan, Samples, check_same, compare, measure
from benchmarks.meter import Load
from benchmarks.peers import Driver
from benchmarks.record import Session

GOAL = 100.0
UNIT = "ms CPU per 1000 items"
FULL, QUICK = 100_000, 400
CALLS = {
    "labelstudio": "POST /api/projects/ID/import with a JSON list, by rest_framework.test.APIClient, SQLite",
    "guerdon": "POST /compare with a .jsonl file in a form, by the ASGI application itself, SQLite",
    "floor": "json.loads line by line, sqlite3 executemany into one table with a text key, one transaction",
}


def run(plan: Plan, load: Load, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure P12; returns the record."""
    peer, missing = others.peer("p12", "p12_labelstudio", "label-studio", plan.peers, say)
    session = Session("p12", plan, load)
    count = QUICK if plan.quick else FULL
    with (
        tempfile.TemporaryDirectory(prefix="guerdon-p12-") as home,
        others.sides("p12", {"labelstudio": peer[0]} if peer else {}, {"HOME": home}) as drivers,
    ):
        samples = take_in(drivers, count, plan.rounds, home, say, load)
        source = drivers["guerdon"].group.source
    version = f"label-studio {peer[1]}" if peer else "label-studio"
    return session.record(
        [_claim(samples, version, missing)],
        _rows(samples),
        samples,
        calls=CALLS,
        peers={"label-studio": peer[1]} if peer else {},
        missing={"label-studio": missing} if missing else {},
        cpu_from=source,
        items=count,
    )


def take_in(
    drivers: Mapping[str, Driver],
    count: int,
    rounds: int,
    home: str,
    say: Callable[[str], None],
    load: Load | None = None,
) -> dict[str, Samples]:
    """Let all sides take the same items in, each pass into a fresh data base.

    Raises:
        UnequalError: what is in a data base afterwards is not what came in.
    """
    for name, driver in drivers.items():
        folder = tempfile.mkdtemp(prefix=f"{name}-", dir=home)
        driver.ask("prepare", folder=folder, count=count)
    contenders = {name: _taker(driver) for name, driver in drivers.items()}
    wanted = contenders["floor"](-1).output
    check_same("floor, number of items", -1, count, wanted[0])
    for name in contenders:
        if name != "floor":
            contenders[name](-1)  # warm
    return measure(contenders, rounds, lambda _: wanted, say, load)


def _taker(driver: Driver) -> Callable[[int], Pass]:
    def once(_round: int) -> Pass:
        driver.ask("begin")
        _, spent = driver.timed("load")
        found = driver.ask("read")
        return Pass(found, spent, found[0])

    return once


def _claim(samples: Mapping[str, Samples], version: str, missing: str) -> Claim:
    return compare(
        samples["guerdon"],
        samples.get("labelstudio"),
        samples["floor"],
        scale=1e6,
        id="P12",
        claim="import of 100,000 items to label",
        peer=version,
        call=CALLS["labelstudio"],
        goal=GOAL,
        unit=UNIT,
        missing=missing,
    )


def _rows(samples: Mapping[str, Samples]) -> list[dict[str, Any]]:
    """The printed table: everybody's cost for a thousand items."""
    return [
        {"who": name, "cpu_ms": statistics.median(each.cpu) * 1e6, "wall_ms": statistics.median(each.wall) * 1e6}
        for name, each in samples.items()
    ]
