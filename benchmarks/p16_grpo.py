"""P16: what a GRPO step costs beside TRL's GRPOTrainer, on the same answers of the same tiny model.

The model is a Llama of 2 layers and 64 units (115,008 weights), a batch is 4 prompts of 8 tokens with 4 answers of 8 to
32 tokens each. Answers are put in where each side would draw them, so that all learn from the same; scoring,
reference, loss, gradients, clipping, AdamW and the figures of each step are measured. Before any time is taken, loss
and norm of the gradient of the first steps are compared; after each pass, those of the first steps again. A second
claim is about whole steps: each side draws its answers, of 32 tokens all, by its own random numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from benchmarks import peers as others
from benchmarks.common import Claim, Pass, Plan, Samples, UnequalError, compare, costs, measure
from benchmarks.meter import Load
from benchmarks.peers import Driver
from benchmarks.record import Session

GOAL, WHOLE = 1.5, 1.0  # goals: on given answers, and with drawing
UNIT = "ms CPU per step of 16 answers"
STEPS, QUICK = 60, 3
MOST = 32
COMPARED, NEAR = 3, 1e-5
"""Steps whose figures must agree, and how nearly; later ones part, as Adam takes the sign of gradients near 0."""
CALLS = {
    "trl": 'GRPOTrainer(model, ..., args=GRPOConfig(loss_type="grpo", beta=0.04, ...)).train()',
    "guerdon": "GRPO(lr=1e-3, beta=0.04, unbiased_kl=True, on_policy=True).update(policy, state, rollouts, rng)",
    "floor": "two forward passes, one backward, torch.optim.AdamW(fused=True)",
}


def run(plan: Plan, load: Load, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure P16; returns the record."""
    peer, missing = others.peer("trl", "p16_trl", "trl", plan.peers, say)
    session = Session("p16", plan, load)
    steps = QUICK if plan.quick else STEPS
    with others.sides("p16", {"trl": peer[0]} if peer else {}) as drivers:
        agreed = agreement(drivers)
        contenders = {name: _stepper(driver, steps, agreed) for name, driver in drivers.items()}
        contenders |= {f"{name}, drawing": _drawer(each, steps) for name, each in drivers.items() if name != "floor"}
        for once in contenders.values():
            once(-1)  # warm
        samples = measure(contenders, plan.rounds, lambda _: steps, say, session.load)
        source = drivers["guerdon"].group.source
    version = peer[1] if peer else ""
    return session.record(
        [_claim(samples, version, missing), _whole(samples, version, missing)],
        costs(samples),
        samples,
        calls=CALLS,
        peers={"trl": version} if peer else {},
        missing={"trl": missing} if missing else {},
        cpu_from=source,
        agreement=agreed,
    )


def agreement(drivers: dict[str, Driver]) -> list[list[float]]:
    """Loss and gradient's norm of the first steps, after all sides were found to agree.

    Raises:
        UnequalError: they do not.
    """
    told = {}
    for name, driver in drivers.items():
        driver.ask("prepare", steps=COMPARED)
        driver.ask("fill")
        told[name] = driver.ask("read")
    for name, rows in told.items():
        check_near(name, told["floor"], rows)
    found: list[list[float]] = told["floor"]
    return found


def check_near(name: str, wanted: Sequence[Sequence[float]], got: Sequence[Sequence[float]]) -> None:
    """Refuse figures of the first steps that are not those that were wanted.

    Raises:
        UnequalError: with the first difference.
    """
    for step, (one, two) in enumerate(zip(wanted, got[: len(wanted)], strict=True)):
        if any(abs(a - b) > NEAR * max(1.0, abs(a)) for a, b in zip(one, two, strict=True)):
            raise UnequalError(f"{name}, step {step}: loss and gradient are {two}, expected {one}")


def _stepper(driver: Driver, steps: int, wanted: Sequence[Sequence[float]]) -> Callable[[int], Pass]:
    def once(_round: int) -> Pass:
        driver.ask("prepare", steps=steps)
        _, spent = driver.timed("fill")
        rows = driver.ask("read")
        check_near(driver.name, wanted, rows)
        return Pass(len(rows), spent, steps)

    return once


def _drawer(driver: Driver, steps: int) -> Callable[[int], Pass]:
    def once(_round: int) -> Pass:
        driver.ask("prepare", steps=steps, draws=True)
        _, spent = driver.timed("fill")
        lengths = driver.ask("lengths")
        if set(lengths) != {float(MOST)}:
            raise UnequalError(f"{driver.name}: answers are {lengths} tokens long, expected {MOST} all")
        return Pass(len(lengths), spent, steps)

    return once


def _claim(samples: dict[str, Samples], version: str, missing: str) -> Claim:
    return compare(
        samples["guerdon"],
        samples.get("trl"),
        samples["floor"],
        id="P16",
        claim="a GRPO step on given answers, Llama of 115 k weights",
        peer=f"TRL {version}".strip(),
        call=CALLS["trl"],
        goal=GOAL,
        unit=UNIT,
        missing=missing,
    )


def _whole(samples: dict[str, Samples], version: str, missing: str) -> Claim:
    return compare(
        samples["guerdon, drawing"],
        samples.get("trl, drawing"),
        None,
        id="P16",
        claim="a GRPO step that draws its answers, 16 of 32 tokens, Llama of 115 k weights",
        peer=f"TRL {version}".strip(),
        call=CALLS["trl"],
        goal=WHOLE,
        unit=UNIT,
        missing=missing,
    )
