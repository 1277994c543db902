"""The claim of phase 2: from one demonstration the backward algorithm makes a policy that is sure under noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from guerdon.bench.experiment import Experiment, Scale
from guerdon.bench.verdicts import AllOf, Claim
from guerdon.core.plain import Json
from guerdon.core.rng import stream
from guerdon.core.task import Answer, Case
from guerdon.systems.go_explore.robustify.challenge import KeyDoorChallenge
from guerdon.systems.go_explore.robustify.noisy import GridWorlds
from guerdon.systems.go_explore.robustify.phase_one import STEPS, find_demo
from guerdon.systems.go_explore.robustify.returning import (
    PolicyBased,
    ReturningLanes,
    explore_at_random,
    explore_by_policy,
)
from guerdon.systems.go_explore.robustify.solver import Robustify, one_thread, weights_of
from guerdon.train.ppo import PPO

PACKAGE = "guerdon.systems.go_explore"
PAPERS = "arXiv 1901.10995; arXiv 2004.12919; arXiv 1812.03381"


@dataclass(frozen=True, kw_only=True)
class Phase2(Experiment):
    """Robustification on the grid with a key and a door, against PPO alone and against playing the demonstration.

    Settings were chosen on seeds 101 to 103. Plain PPO has the same network, noise and settings, and as many frames as
    the treatment has for both phases.
    """

    frames: int = 2_500_000
    """Frames of training."""
    episodes: int = 400
    """Noisy episodes of the final judgement."""

    name: ClassVar[str] = "phase-2"
    summary: ClassVar[str] = (
        "A grid with sticky actions (0.25), up to 30 no-ops and a reward at the goal. Phase 1 finds a demonstration "
        "without noise; then PPO trains from the start, or by the backward algorithm, or the demonstration is replayed."
    )
    arms: ClassVar[tuple[str, ...]] = ("backward", "ppo", "open-loop")
    modules: ClassVar[tuple[str, ...]] = (
        f"{PACKAGE}.robustify", f"{PACKAGE}.solver", f"{PACKAGE}.explore", f"{PACKAGE}.memory", "guerdon.train.ppo",
        "guerdon.train.nets", "guerdon.train.losses", "guerdon.train.advantages", "guerdon.worlds.grid",
    )  # fmt: skip
    claims: ClassVar[tuple[Claim | AllOf, ...]] = (
        Claim(
            name="backward-is-sure",
            statement="The backward algorithm reaches the goal from the true start in at least 80 % of noisy episodes.",
            measure="success",
            treatment="backward",
            at_least=0.80,
            source=PAPERS,
            expected="1.00 (seeds 101 to 103)",
        ),
        Claim(
            name="ppo-alone-fails",
            statement="PPO from the true start, with as many frames, reaches the goal in no more than 5 % of episodes.",
            measure="success",
            treatment="ppo",
            at_most=0.05,
            source=PAPERS,
            expected="0.00 (seed 101)",
        ),
        Claim(
            name="open-loop-fails",
            statement="Replaying the demonstration under that noise reaches the goal in no more than 5 % of episodes.",
            measure="success",
            treatment="open-loop",
            at_most=0.05,
            source=PAPERS,
            expected="0.004 (shortest way, 20,000 episodes)",
        ),
        AllOf(
            name="robustification-works",
            statement="A policy that is sure under noise comes of the backward algorithm, and of neither of its parts.",
            of=("backward-is-sure", "ppo-alone-fails", "open-loop-fails"),
            source=PAPERS,
        ),
    )

    def seeds(self, scale: Scale) -> tuple[int, ...]:
        """Five fresh ones, ten at full scale.

        A first run had seeds 11 to 13: 100 % and 0 % for the two trained arms, and 4.5, 2.0 and 1.0 % for open-loop,
        whose interval (−2.0 to 7.0 %) left its claim inconclusive. Bounds were kept and seeds made five and new.
        """
        return tuple(range(11, 14) if scale == "smoke" else range(21, {"desk": 26, "full": 31}[scale]))

    def run(self, arm: str, seed: int, scale: Scale) -> Mapping[str, float | None]:
        """The share of noisy episodes in which the goal is reached from the true start."""
        smoke = scale == "smoke"
        challenge = KeyDoorChallenge(episodes=100 if smoke else self.episodes, seeds=(seed,))
        (task,) = challenge.tasks("main")
        grid = {name: task.data[name] for name in ("layout", "sticky", "max_steps")}
        demo: list[int] = []
        if arm != "ppo":
            demo = GridWorlds(1).grid.solution() if smoke else _demo_of(grid, seed)
        content: Json = {"actions": demo}
        measures: dict[str, float | None] = {"demo steps": len(demo)} if demo else {}
        if arm != "open-loop":
            frames = (20_000 if smoke else self.frames) + (STEPS[0] if arm == "ppo" and not smoke else 0)
            content, trained = _trained(grid, [demo] if demo else [], seed, frames, 32 if smoke else 128)
            measures |= trained
        (score,) = challenge.judge([Case(task, Answer(task.id, content), *challenge.keys([task]))])
        return {"success": score.value, "steps": score.parts.get("steps"), **measures}


def _demo_of(grid: Mapping[str, Any], seed: int) -> list[int]:
    return find_demo(grid["layout"], grid["max_steps"], stream(seed, "demo"))


def _trained(
    grid: Mapping[str, Json], demos: list[list[int]], seed: int, frames: int, lanes: int
) -> tuple[Json, dict[str, float | None]]:
    """Train for so many frames; the policy as an answer, and where the window ended."""
    state = Robustify(lanes=lanes).prepared(grid, demos, seed)
    with one_thread():
        while state.trained.lanes.frames < frames:
            state.trained.advance()
    figures: dict[str, float | None] = {"frames": state.trained.lanes.frames}
    if demos:
        figures["last start point"] = state.trained.frontier
    return weights_of(state.trained), figures


@dataclass(frozen=True, kw_only=True)
class Returning(Experiment):
    """The policy-based variant on the same grid, against random exploration from the start in as many frames.

    Settings were chosen on seeds 101 to 103. Neighbours of a cell are domain knowledge, as in the publication.
    """

    frames: int = 600_000
    """Frames of each arm."""
    learning_rate: float = 2e-3
    """Of Adam."""
    entropy: float = 1e-2
    """Weight of the entropy."""
    gamma: float = 0.99
    """Discount: goals are near."""

    name: ClassVar[str] = "policy-based"
    summary: ClassVar[str] = (
        "On the same grid under the same noise nothing is restored: a policy with goals learns to return along the "
        "archive's sequences of cells and explores from there; or actions are random, always from the start."
    )
    arms: ClassVar[tuple[str, ...]] = ("policy-based", "random")
    modules: ClassVar[tuple[str, ...]] = Phase2.modules
    claims: ClassVar[tuple[Claim | AllOf, ...]] = (
        Claim(
            name="returning-finds-more",
            statement="A policy that returns finds at least 1.2 times the cells of random actions in as many frames.",
            measure="cells",
            treatment="policy-based",
            control="random",
            compare="ratio",
            at_least=1.2,
            every_seed=True,
            source="arXiv 2004.12919",
            expected="1.5 to 1.6 (seeds 101 to 103)",
        ),
    )

    def seeds(self, scale: Scale) -> tuple[int, ...]:
        """11 to 13, and five more at full scale."""
        return tuple(range(11, {"smoke": 14, "desk": 14, "full": 19}[scale]))

    def run(self, arm: str, seed: int, scale: Scale) -> Mapping[str, float | None]:
        """Cells found (of 155), and for the variant the share of returns that came to their cell."""
        frames = 16_000 if scale == "smoke" else self.frames
        worlds = GridWorlds(64)
        if arm == "random":
            return {"cells": len(explore_at_random(worlds, seed, frames)), "frames": frames}
        lanes = ReturningLanes(worlds, PolicyBased())
        settings = PPO(learning_rate=self.learning_rate, entropy=self.entropy, gamma=self.gamma, burn_in=0)
        with one_thread():
            explore_by_policy(lanes, settings, (64, 64), seed, frames)
        best = max(known.score for known in lanes.archive.values())
        return {
            "cells": len(lanes.archive),
            "returned": lanes.returned / max(lanes.ended, 1),
            "goal": best,
            "frames": lanes.frames,
        }


EXPERIMENTS = (Phase2(), Returning())
