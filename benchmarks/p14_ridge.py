"""P14: what it costs to fit ridge regressions with cross-validated penalties to 20,000 targets.

Both sides get the same float32 features and targets, seven penalties, five folds of neighbouring rows and an
intercept; each target has its own penalty, by the mean squared error over folds. Two works: 100 features, as encoding
models have components, and 500, more than a fold has rows. Before any time is printed scores, penalties, weights and
intercepts are compared; a few penalties may differ where two of them score alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks import peers as others
from benchmarks.common import Claim, Pass, Plan, Samples, compare, costs, measure
from benchmarks.meter import Load
from benchmarks.peers import DRIVERS, Driver, MissingError, environment, version_of
from benchmarks.record import Session

NEAR = 1e-4
"""Relative difference of scores."""
CLOSE = 1e-3
"""Difference of weights and intercepts, relative to the largest."""
OTHERS = 0.01
"""Share of targets whose penalty may be another one of equal score."""
GOAL = 1.5
UNIT = "s CPU per fit"
CALLS = {
    "himalaya": "RidgeCV(alphas, fit_intercept=True, cv=5, solver_params={n_targets_batch: 2000, ...}).fit(x, y)",
    "guerdon": "Ridge(alphas=alphas, folds=5).fit(x, y)",
    "floor": "numpy: one penalty, normal equations, nothing chosen",
}


@dataclass(frozen=True, slots=True)
class Work:
    """One regression.

    Args:
        width: features.
        count: rows.
        targets: columns.
        times: fits in a pass of ours (the peer does one).
    """

    width: int
    count: int
    targets: int
    times: int


FULL = (Work(100, 2_000, 20_000, 4), Work(500, 1_000, 20_000, 1))
QUICK = (Work(10, 300, 500, 1), Work(80, 200, 300, 1))


def run(plan: Plan, load: Load, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure P14; returns the record."""
    python, missing = _peer(plan, say)
    version = version_of(python, "himalaya") if python else ""
    session = Session("p14", plan, load)
    samples: dict[str, Samples] = {}
    peer = {"himalaya": [python, str(DRIVERS / "p14_himalaya.py")]} if python else {}
    with others.sides("p14", peer) as drivers:
        for work in QUICK if plan.quick else FULL:
            samples |= _measure(
                drivers, work, plan, session, lambda text, work=work: say(f"{work.width} features, {text}")
            )
        source = drivers["guerdon"].group.source
    works = QUICK if plan.quick else FULL
    claims = [_claim(samples, work, version, missing) for work in works]
    return session.record(
        claims,
        costs(samples),
        samples,
        calls=CALLS,
        peers={"himalaya": version} if python else {},
        missing={"himalaya": missing} if missing else {},
        cpu_from=source,
    )


def _peer(plan: Plan, say: Callable[[str], None]) -> tuple[str, str]:
    """The interpreter of himalaya, or why it is missing."""
    try:
        return str(environment("p14", plan.peers, say)), ""
    except MissingError as error:
        return "", str(error)


def _measure(
    drivers: Mapping[str, Driver], work: Work, plan: Plan, session: Session, say: Callable[[str], None]
) -> dict[str, Samples]:
    for driver in drivers.values():
        driver.ask("prepare", count=work.count, width=work.width, targets=work.targets)
        driver.ask("fit", times=1)  # warm
    ours = drivers["guerdon"].ask("read")
    contenders = {
        f"{name}, {work.width} features": _fitter(
            driver, 1 if name == "himalaya" else work.times, ours if name != "floor" else None
        )
        for name, driver in drivers.items()
    }
    return measure(contenders, plan.rounds, lambda _: "agrees", say, session.load)


def _fitter(driver: Driver, times: int, ours: Mapping[str, Any] | None) -> Callable[[int], Pass]:
    def once(_round: int) -> Pass:
        _, spent = driver.timed("fit", times=times)
        return Pass("agrees" if ours is None else difference(ours, driver.ask("read")), spent, times)

    return once


def difference(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    """Whether two fits agree ("agrees"), or how they differ.

    >>> one = {"alphas": [0], "scores": [-1.0], "some": [0], "weights": [[2.0]], "intercepts": [1.0]}
    >>> difference(one, one), difference(one, {**one, "weights": [[2.1]]})
    ('agrees', 'a weight differs by 0.1 beside 2')
    """
    for k, (one, two) in enumerate(zip(ours["scores"], theirs["scores"], strict=True)):
        if not abs(one - two) <= NEAR * abs(one):
            return f"score {k} is {two:g} beside {one:g}"
    others = [k for k, (one, two) in enumerate(zip(ours["alphas"], theirs["alphas"], strict=True)) if one != two]
    if len(others) > OTHERS * len(ours["alphas"]):
        return f"{len(others)} of {len(ours['alphas'])} penalties differ"
    same = [at for at, k in enumerate(ours["some"]) if k not in set(others)]
    for name, tables in (
        ("weight", (ours["weights"], theirs["weights"])),
        ("intercept", ([ours["intercepts"]], [theirs["intercepts"]])),
    ):
        largest = max(abs(row[at]) for row in tables[0] for at in same)
        worst = max(abs(one[at] - two[at]) for one, two in zip(*tables, strict=True) for at in same)
        if not worst <= CLOSE * largest:
            return f"a{'n' if name[0] == 'i' else ''} {name} differs by {worst:.3g} beside {largest:.3g}"
    return "agrees"


def _claim(samples: dict[str, Samples], work: Work, version: str, missing: str) -> Claim:
    return compare(
        samples[f"guerdon, {work.width} features"],
        samples.get(f"himalaya, {work.width} features"),
        samples[f"floor, {work.width} features"],
        scale=1.0,
        id="P14",
        claim=f"ridge with cross-validation, {work.targets:,} targets, {work.width} features, {work.count:,} rows",
        peer=f"himalaya {version}".strip(),
        call=CALLS["himalaya"],
        goal=GOAL,
        unit=UNIT,
        missing=missing,
    )
