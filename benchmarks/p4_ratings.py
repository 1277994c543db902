"""P4: what it costs to turn votes into ratings.

Three works: 100 items and 100,000 decided votes against choix (positions in, ratings out; ours also finds the errors);
200 items and 2,000,000 votes with ties against arena-rank (names in, ratings with sandwich intervals out); and 200
items, 200,000 votes, 20 covariates against arena-rank's contextual model. Each side is given the same votes in the
container it is documented with, made before anything is measured. All find the maximum likelihood: ratings may differ
by `NEAR` natural units (a seventieth of what separates odds of 1:1 from 2:1) and half-widths of intervals by `WIDTH`,
since peers stop at a tolerance and add a small ridge to the Hessian.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.common import Claim, Pass, Plan, Samples, compare, costs, measure
from benchmarks.meter import Load
from benchmarks.peers import DRIVERS, Driver, MissingError, environment, version_of
from benchmarks.record import Session

NEAR, WIDTH = 0.01, 0.02
UNIT = "ms CPU per fit"
ONE_THREAD = {"XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"}
CALLS = {
    "choix": "choix.ilsr_pairwise(n, [(winner, loser), ...])",
    "arena": "PairDataset.from_pandas(df); BradleyTerry(n).compute_ratings_and_cis(data)",
    "guerdon": "Votes.of(first, second, outcomes, ...); BradleyTerry(prior=None).fit(votes), errors included",
    "floor": "numpy: bincount, one Cholesky factorisation, X'X",
}


@dataclass(frozen=True, slots=True)
class Work:
    """One kind of fit.

    Args:
        kind: see `drivers/p4_rows.py`.
        items: rated.
        votes: counted.
        peer: who else does it.
        goal: the ratio to reach.
        times: fits in a pass of ours (the peer does one).
    """

    kind: str
    items: int
    votes: int
    peer: str
    goal: float
    times: int


FULL = (
    Work("decided", 100, 100_000, "choix", 50.0, 20),
    Work("ties", 200, 2_000_000, "arena", 50.0, 1),
    Work("features", 200, 200_000, "arena", 20.0, 1),
)
QUICK = (
    Work("decided", 20, 5_000, "choix", 50.0, 2),
    Work("ties", 20, 20_000, "arena", 50.0, 1),
    Work("features", 10, 5_000, "arena", 20.0, 1),
)
SAID = {
    "decided": "ratings of 100 items from 100,000 votes",
    "ties": "ratings and intervals of 200 items from 2,000,000 votes with ties",
    "features": "ratings of 200 items and 20 covariates from 200,000 votes",
}
PACKAGES = {"choix": "choix", "arena": "arena-rank"}


def run(plan: Plan, load: Load, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure P4; returns the record."""
    python, missing = _peers(plan, say)
    versions = {name: version_of(python, package) for name, package in PACKAGES.items()} if python else {}
    session = Session("p4", plan, load)
    samples: dict[str, Samples] = {}
    with _drivers(python) as drivers:
        for work in QUICK if plan.quick else FULL:
            samples |= _measure(
                {name: drivers[name] for name in ("floor", "guerdon", work.peer) if name in drivers},
                work,
                plan,
                session,
                lambda text, work=work: say(f"{work.kind}, {text}"),
            )
        source = drivers["guerdon"].group.source
    claims = [_claim(samples, work, versions.get(work.peer, ""), missing) for work in FULL]
    return session.record(
        claims,
        costs(samples),
        samples,
        calls=CALLS,
        peers={PACKAGES[name]: version for name, version in versions.items()},
        missing=dict.fromkeys(PACKAGES.values(), missing) if missing else {},
        cpu_from=source,
    )


def _peers(plan: Plan, say: Callable[[str], None]) -> tuple[str, str]:
    """The interpreter of the peers, or why they are missing."""
    try:
        return str(environment("p4", plan.peers, say)), ""
    except MissingError as error:
        return "", str(error)


@contextlib.contextmanager
def _drivers(python: str) -> Iterator[dict[str, Driver]]:
    commands = {name: [sys.executable, str(DRIVERS / f"p4_{name}.py")] for name in ("floor", "guerdon")}
    if python:
        commands |= {name: [python, str(DRIVERS / f"p4_{name}.py")] for name in PACKAGES}
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(Driver(name, command, ONE_THREAD)) for name, command in commands.items()}


def _measure(
    drivers: Mapping[str, Driver], work: Work, plan: Plan, session: Session, say: Callable[[str], None]
) -> dict[str, Samples]:
    for driver in drivers.values():
        driver.ask("prepare", kind=work.kind, items=work.items, count=work.votes)
        driver.ask("fit", times=1)  # warm, and for arena-rank compiled
    ours = drivers["guerdon"].ask("read")
    contenders = {
        f"{name}, {work.kind}": _fitter(
            driver, 1 if name == work.peer else work.times, ours if name != "floor" else None
        )
        for name, driver in drivers.items()
    }
    return measure(contenders, plan.rounds, lambda _: "agrees", say, session.load)


def _fitter(driver: Driver, times: int, ours: list[Any] | None) -> Callable[[int], Pass]:
    def once(_round: int) -> Pass:
        _, spent = driver.timed("fit", times=times)
        return Pass("agrees" if ours is None else difference(ours, driver.ask("read")), spent, times)

    return once


def difference(ours: list[Any], theirs: list[Any]) -> str:
    """Whether two fits agree ("agrees"), or they differ by more than they may.

    >>> difference([[0.1], [0.5]], [[0.1001], None]), difference([[0.1], [0.5]], [[0.1], [0.6]])
    ('agrees', 'half-width 0 is 0.6 beside 0.5')
    """
    if len(ours[0]) != len(theirs[0]):
        return f"{len(theirs[0])} ratings beside {len(ours[0])}"
    for k, (one, two) in enumerate(zip(ours[0], theirs[0])):
        if not abs(one - two) <= NEAR:
            return f"rating {k} is {two:g} beside {one:g}"
    for k, (one, two) in enumerate(zip(ours[1], theirs[1] or ours[1])):
        if not abs(one - two) <= WIDTH * one:
            return f"half-width {k} is {two:g} beside {one:g}"
    return "agrees"


def _claim(samples: dict[str, Samples], work: Work, version: str, missing: str) -> Claim:
    return compare(
        samples[f"guerdon, {work.kind}"],
        samples.get(f"{work.peer}, {work.kind}"),
        samples[f"floor, {work.kind}"],
        scale=1e3,
        id="P4",
        claim=SAID[work.kind],
        peer=f"{PACKAGES[work.peer]} {version}".strip(),
        call=CALLS[work.peer],
        goal=work.goal,
        unit=UNIT,
        missing=missing,
    )
