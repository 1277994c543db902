"""P6: what it costs to score preference pairs with a learned reward, beside the loop of RewardBench 0.1.4.

All sides build the same classifier (Llama, 4 layers of 192) and the same texts; scores have to agree within `NEAR`
before any time is taken, and after each pass. guerdon sorts rows by length, scores by a budget of tokens, and reads a
prompt that two answers share once; the loop takes 16 rows as they come and pads them to the longest.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks import peers as others
from benchmarks.common import Claim, Pass, Plan, Samples, UnequalError, compare, costs, measure
from benchmarks.meter import Load
from benchmarks.peers import Driver
from benchmarks.record import Session

NEAR = 1e-5
UNIT = "ms CPU per pair"
CALLS = {
    "guerdon": "RewardModel.of_classifier(model).scores(Rows.of(tokenizer(texts)['input_ids']))",
    "rewardbench": "for batch in DataLoader(dataset, batch_size=16): pipeline('text-classification', ...)(batch[side])",
    "floor": "the bare model on as many tokens, in rows of 128 without padding",
}
NEEDS = 'torch is not installed; pip install "guerdon[train]"'


@dataclass(frozen=True, slots=True)
class Work:
    """One pass: so many pairs of a kind, and the goal."""

    kind: str
    pairs: int
    goal: float
    claim: str


FULL = (
    Work("mixed", 96, 3.0, "a pair scored by a learned reward, mixed lengths"),
    Work("shared", 48, 4.0, "a pair scored by a learned reward, long shared prompts"),
)
QUICK = (Work("mixed", 8, 3.0, FULL[0].claim), Work("shared", 4, 4.0, FULL[1].claim))


def run(plan: Plan, load: Load, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure P6; returns the record."""
    session = Session("p6", plan, load)
    if importlib.util.find_spec("torch") is None or importlib.util.find_spec("transformers") is None:
        claims = [_claim({}, work, "", NEEDS) for work in FULL]
        return session.record(claims, [], {}, calls=CALLS, peers={}, missing={"guerdon": NEEDS}, cpu_from="")
    peer, missing = others.peer("trl", "p6_rewardbench", "transformers", plan.peers, say)
    samples: dict[str, Samples] = {}
    with others.sides("p6", {"rewardbench": peer[0]} if peer else {}) as drivers:
        for work in QUICK if plan.quick else FULL:
            samples |= _measure(drivers, work, plan, session, lambda text, work=work: say(f"{work.kind}, {text}"))
        source = drivers["guerdon"].group.source
    versions = {"transformers": peer[1]} if peer else {}
    claims = [_claim(samples, work, versions.get("transformers", ""), missing) for work in FULL]
    return session.record(
        claims,
        costs(samples, 1e5, "100 pairs"),
        samples,
        calls=CALLS,
        peers=versions,
        missing={"rewardbench": missing} if missing else {},
        cpu_from=source,
    )


def _measure(
    drivers: Mapping[str, Driver], work: Work, plan: Plan, session: Session, say: Callable[[str], None]
) -> dict[str, Samples]:
    for driver in drivers.values():
        driver.ask("prepare", kind=work.kind, pairs=work.pairs)
    for driver in drivers.values():
        driver.ask("score")  # warm
    wanted = drivers["rewardbench" if "rewardbench" in drivers else "guerdon"].ask("read")
    contenders = {f"{name}, {work.kind}": _scorer(driver, work, wanted) for name, driver in drivers.items()}
    for once in contenders.values():
        once(-1)  # equal before any time is taken
    return measure(contenders, plan.rounds, lambda _: True, say, session.load)


def _scorer(driver: Driver, work: Work, wanted: list[float]) -> Callable[[int], Pass]:
    def once(_round: int) -> Pass:
        _, spent = driver.timed("score")
        found = driver.ask("read")
        if found is not None:
            check_near(driver.name, wanted, found)
        return Pass(True, spent, work.pairs)

    return once


def check_near(name: str, wanted: list[float], found: list[float]) -> None:
    """Refuse other scores.

    Raises:
        UnequalError: with the largest difference.
    """
    if len(wanted) != len(found):
        raise UnequalError(f"{name} gave {len(found)} scores, expected {len(wanted)}")
    off = next((k for k, (one, two) in enumerate(zip(wanted, found)) if not abs(one - two) <= NEAR), None)
    if off is not None:
        raise UnequalError(
            f"{name}: score {off} is {found[off]}, expected {wanted[off]}. A faster wrong answer is none"
        )


def _claim(samples: dict[str, Samples], work: Work, version: str, missing: str) -> Claim:
    about: dict[str, Any] = {
        "id": "P6",
        "claim": work.claim,
        "peer": f"RewardBench 0.1.4's loop, transformers {version}" if version else "",
        "call": CALLS["rewardbench"],
        "goal": work.goal,
        "unit": UNIT,
        "missing": missing,
    }
    if not samples:
        return Claim(**about)
    named = [samples.get(f"{name}, {work.kind}") for name in ("guerdon", "rewardbench", "floor")]
    if named[0] is None:
        return Claim(**about)
    return compare(named[0], named[1], named[2], **about)
