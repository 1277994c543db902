"""Where demonstrations come from: phase 1 on the quiet grid, or files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guerdon.core.errors import ConfigError, SolverError
from guerdon.core.plain import canonical
from guerdon.systems.go_explore.explore import Place
from guerdon.systems.go_explore.solver import GoExplore

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

STEPS = (40_000, 160_000, 640_000)
"""Budgets that are tried one after the other."""


def find_demo(layout: str, max_steps: int, rng: Rng) -> list[int]:
    """Explore the grid without noise by phase 1, until the goal is reached.

    Args:
        layout: of the grid.
        max_steps: longest episode.
        rng: draws everything.

    Returns:
        The actions of the best trajectory.

    Raises:
        SolverError: the goal was not found in the largest budget.
    """
    explorer = GoExplore(cells="observation", resolution=1.0, batch=10, explore_steps=30, keep=0.8)
    place = Place("guerdon/KeyDoor-v0", canonical({"layout": layout, "max_steps": max_steps}), max_steps, 0)
    seed = int(rng.integers(2**53))
    for steps in STEPS:
        memory = explorer.search(place, seed, steps)
        if memory.best.score > 0:
            return [int(action) for action in memory.log.actions(memory.best.pointer)]  # type: ignore[arg-type]
    raise SolverError("phase 1 finds the goal", f"not in {STEPS[-1]:,} steps", "Give demonstrations in files")


def read_demos(paths: Sequence[str]) -> list[list[int]]:
    """Demonstrations from JSON files: what `Trajectory.plain` returned, or a list of actions.

    Raises:
        ConfigError: a file cannot be read, or holds something else.
    """
    found = []
    for path in paths:
        try:
            plain: Any = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError("a JSON file with a demonstration", f"{path}: {error}", "Check the path") from None
        actions = plain.get("actions") if isinstance(plain, dict) else plain
        if not isinstance(actions, list) or not actions or not all(type(action) is int for action in actions):
            raise ConfigError(f"{path} holds a trajectory or a list of actions", "it does not", "Export it again")
        found.append(actions)
    return found
