"""The claims of this system: returning first is what finds rooms, and what is stored can be played again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from guerdon.bench.experiment import Experiment, Scale
from guerdon.bench.verdicts import AllOf, Claim, Measures
from guerdon.systems.go_explore.explore import Place
from guerdon.systems.go_explore.robustify.experiment import EXPERIMENTS as PHASE_2
from guerdon.systems.go_explore.simulator import cell_of, simulator
from guerdon.systems.go_explore.solver import GoExplore
from guerdon.systems.go_explore.verify import verify

PAPERS = "arXiv 1901.10995 and 2004.12919"
MONTEZUMA = Place("ale/montezuma_revenge", "{}", 100_000, 0)
LIFE = 4500
"""Steps of an exploration that only ends with the life: five minutes of play."""


def matched(measures: Measures) -> bool:
    """Whether exploration from the start got out of the first room in as many seeds as Go-Explore."""
    out = {
        arm: sum((each.get("out with 400") or 0.0) for each in measures.get(arm, {}).values())
        for arm in ("go-explore", "from-start")
    }
    return out["from-start"] >= out["go-explore"]


def unplayable(measures: Measures) -> bool:
    """Whether any stored trajectory of any arm did not replay."""
    return any((each.get("replay ok") or 0.0) < 1.0 for arm in measures.values() for each in arm.values())


@dataclass(frozen=True, kw_only=True)
class Return(Experiment):
    """Phase 1 on Montezuma's Revenge, against the same without an archive, and with one that is not returned to.

    Cells are from RAM, which is domain knowledge. All arms have the same steps, the same repeated random actions and
    the same archive; an exploration of `from-start` is a whole life, one of `no-return` 100 steps. Cells are chosen 10
    at a time; `batch-100` has the published batch, which is about 3,000 steps, a fiftieth of this budget.

    A first design had batches of 100 in all arms and left `gets-out` and `return-more-cells` inconclusive: on seeds 11
    to 13 it found 1, 6 and 1 rooms with 0, 2500 and 100 points. All other claims were supported. Batches of 10 were
    then chosen on seeds 102, 104 and 105. The bounds are those of the first design; the seeds here are fresh.
    """

    steps: int = 150_000
    """Steps of 4 frames for each arm and seed."""

    name: ClassVar[str] = "return"
    summary: ClassVar[str] = (
        "Each arm takes 150,000 random steps (600,000 frames) in Montezuma's Revenge: from remembered cells, always "
        "from the start for a life, or from the start for 100 steps with the archive kept. Then every stored "
        "trajectory is played from the reset."
    )
    arms: ClassVar[tuple[str, ...]] = ("go-explore", "batch-100", "from-start", "no-return")
    modules: ClassVar[tuple[str, ...]] = (
        *(
            f"guerdon.systems.go_explore.{name}"
            for name in ("explore", "log", "memory", "selection", "simulator", "solver", "verify")
        ),
        "guerdon.search.cells",
        "guerdon.search.selection",
        "guerdon.worlds.ale",
        "guerdon.worlds.cells",
    )
    claims: ClassVar[tuple[Claim | AllOf, ...]] = (
        Claim(
            name="gets-out",
            statement="In every seed Go-Explore finds a second room and 400 points.",
            measure="out with 400",
            treatment="go-explore",
            at_least=1.0,
            every_seed=True,
            refutes=matched,
            refuted_if="exploration from the start does so in as many seeds",
            source=PAPERS,
            expected="6, 3 and 2 rooms with 2500, 400 and 400 points in a prototype",
        ),
        Claim(
            name="start-stays",
            statement="From the start, as many steps stay in the first room with 0 or 100 points, in every seed.",
            measure="in, 0 or 100",
            treatment="from-start",
            at_least=1.0,
            every_seed=True,
            source=PAPERS,
            expected="1 room, 0 points in a prototype",
        ),
        Claim(
            name="replays",
            statement="Every stored trajectory gives its score, its RAM and its cell when played from the reset.",
            measure="replay ok",
            treatment="go-explore",
            at_least=1.0,
            every_seed=True,
            refutes=unplayable,
            refuted_if="one trajectory, in any arm, does not",
            source=PAPERS,
            expected="all",
        ),
        Claim(
            name="no-return-no-rooms",
            statement="With the archive kept but never returned to, no more rooms are found than from the start.",
            measure="rooms",
            treatment="no-return",
            control="from-start",
            at_most=0.0,
            every_seed=True,
            source=f"control for derailment, {PAPERS}",
            expected="1 room",
        ),
        Claim(
            name="no-return-few-cells",
            statement="With the archive kept but never returned to, cells are at most a quarter more than from the "
            "start.",
            measure="cells",
            treatment="no-return",
            control="from-start",
            compare="ratio",
            at_most=1.25,
            source=f"control for derailment, {PAPERS}",
            expected="about as many",
        ),
        Claim(
            name="return-more-cells",
            statement="Returning finds at least half as many cells again as exploration from the start.",
            measure="cells",
            treatment="go-explore",
            control="from-start",
            compare="ratio",
            at_least=1.5,
            every_seed=True,
            source=PAPERS,
            expected="2.7 to 4.1 times in a prototype",
        ),
        AllOf(
            name="return-matters",
            statement="First return, then explore: the return is what finds rooms, points and cells.",
            of=(
                "gets-out", "start-stays", "replays", "no-return-no-rooms", "no-return-few-cells", "return-more-cells",
            ),
            source=PAPERS,
        ),
    )  # fmt: skip

    def seeds(self, scale: Scale) -> tuple[int, ...]:
        """21 to 23; at full scale to 30."""
        return tuple(range(21, 31 if scale == "full" else 24))

    def run(self, arm: str, seed: int, scale: Scale) -> Mapping[str, float | None]:
        """Rooms, points and cells after the steps, and the share of stored trajectories that replay."""
        batch = 100 if arm == "batch-100" else 10
        solver = GoExplore(cells="ram", selection="2021 no domain knowledge", batch=batch)
        if arm in ("from-start", "no-return"):
            solver = replace(solver, return_to="start", explore_steps=LIFE if arm == "from-start" else 100)
        memory = solver.search(MONTEZUMA, seed, 1_000 if scale == "smoke" else self.steps)
        cell = cell_of(solver.shape, simulator(*MONTEZUMA).world)
        checked = verify(memory, MONTEZUMA, cell)
        best, rooms = max(memory.best.score, 0.0), len(memory.rooms)
        return {
            "rooms": rooms,
            "best score": best,
            "cells": len(memory.archive),
            "steps": memory.steps,
            "stored": checked.stored,
            "replay ok": checked.share,
            "out with 400": float(rooms >= 2 and best >= 400),
            "in, 0 or 100": float(rooms == 1 and best <= 100),
        }


EXPERIMENTS: tuple[Experiment, ...] = (Return(), *PHASE_2)
