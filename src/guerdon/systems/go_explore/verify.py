"""Whether every stored trajectory holds: played from the reset, it gives its score, state and cell. And demos."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from guerdon.core.errors import ConfigError
from guerdon.core.plain import canonical
from guerdon.systems.go_explore.explore import Kept, Place
from guerdon.systems.go_explore.memory import End, Memory
from guerdon.systems.go_explore.simulator import CellOf, Key, Simulator, simulator
from guerdon.worlds import Trajectory, perform, world_of

CLOSE = 1e-9


@dataclass(frozen=True, slots=True)
class Verified:
    """How many stored trajectories hold.

    Args:
        stored: how many there are: one for each cell, and the best that ended.
        held: how many gave their score, length, state and cell.
        wrong: what came out otherwise, in words; the first twenty.
    """

    stored: int
    held: int
    wrong: tuple[str, ...]

    @property
    def share(self) -> float:
        """Of the stored ones, those that hold."""
        return self.held / self.stored

    def insist(self) -> None:
        """Raise unless all hold.

        Raises:
            ConfigError: one does not.
        """
        if self.held != self.stored:
            got = f"{self.stored - self.held} of {self.stored} do not: {self.wrong[0]}"
            raise ConfigError("stored trajectories that replay", got, "Check the world with check_snapshot")


def verify(memory: Memory, place: Place, cell: CellOf) -> Verified:
    """Play every stored trajectory from the reset, without snapshots, and compare what it leads to.

    A trajectory that is the beginning of another is checked on the way, so that nothing is played twice.

    Args:
        memory: what phase 1 has stored.
        place: its world.
        cell: its cells of now (`cell_of(solver.shape, world, memory.shrink)`).
    """
    sim = simulator(*place)
    waiting: dict[int, list[tuple[Key, float, int, bytes]]] = {}
    for key in memory.archive.keys:
        record = memory.archive.record(key)
        mark = Kept.of(record.snapshot).mark
        waiting.setdefault(record.pointer, []).append((key, record.score, record.length, mark))
    stored, wrong = len(memory.archive) + (memory.done is not None), []
    for pointer in sorted(waiting, key=lambda each: (-memory.log.length(each), each)):
        if pointer in waiting:
            wrong += _played(memory, sim, cell, pointer, waiting)
    if memory.done is not None:
        wrong += _ended(memory, sim, memory.done)
    return Verified(stored, stored - len(wrong), tuple(wrong[:20]))


def _played(memory: Memory, sim: Simulator, cell: CellOf, pointer: int, waiting: Any) -> list[str]:
    """Play one trajectory and take out of `waiting` what lies on its way; returns what was wrong."""
    sim.reset()
    score, wrong = 0.0, _compared(sim, cell, 0, 0.0, 0, waiting)
    entries, actions = memory.log.entries(pointer), memory.log.actions(pointer)
    for length, (entry, action) in enumerate(zip(entries, actions, strict=True), 1):
        reward, over = sim.step(action)
        score += reward
        wrong += _compared(sim, cell, entry, score, length, waiting)
        if over and length < len(actions):
            return [*wrong, *_lost(waiting, entries[length:], length)]
    return wrong


def _compared(sim: Simulator, cell: CellOf, entry: int, score: float, length: int, waiting: Any) -> list[str]:
    wrong = []
    for key, stored_score, stored_length, mark in waiting.pop(entry, ()):
        found = {
            "score": (abs(score - stored_score) <= CLOSE * max(1.0, abs(score)), stored_score, score),
            "length": (length == stored_length, stored_length, length),
            "state": (sim.mark() == mark, mark.hex(), sim.mark().hex()),
            "cell": (cell(sim.world) == key, key, cell(sim.world)),
        }
        off = [f"{name} {have} was stored, {came} came" for name, (same, have, came) in found.items() if not same]
        if off:
            wrong.append(f"cell {str(key)[:60]}, step {length}: {'; '.join(off)}")
    return wrong


def _lost(waiting: Any, entries: list[int], length: int) -> list[str]:
    gone = [key for entry in entries for key, *_ in waiting.pop(entry, ())]
    return [f"cell {str(key)[:60]}: the episode was over after {length} steps" for key in gone]


def _ended(memory: Memory, sim: Simulator, done: End) -> list[str]:
    sim.reset()
    lives, score, over = sim.lives(), 0.0, False
    actions = memory.log.actions(done.pointer)
    for action in actions:
        if over:
            return [f"DONE: the episode was over before step {done.length}"]
        reward, over = sim.step(action)
        score += reward
    same = abs(score - done.score) <= CLOSE * max(1.0, abs(score)) and len(actions) == done.length
    if same and (over or sim.lives() < lives):
        return []
    return [f"DONE: score {done.score} in {done.length} steps was stored, {score} in {len(actions)} came"]


# ── demos ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Demo:
    """A trajectory for phase 2, with states to start from where the world can be saved.

    Args:
        trajectory: what was played, with its rewards and the digests that prove it.
        states: step → what restores the state before it; empty for worlds that are played again instead.
    """

    trajectory: Trajectory
    states: Mapping[int, bytes]

    def save(self, folder: str | Path) -> Path:
        """Write `trajectory.json`, and `states.npz` where there are states."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "trajectory.json").write_text(canonical(self.trajectory.plain()), encoding="utf-8")
        if self.states:
            arrays: Any = {str(step): np.frombuffer(state, np.uint8) for step, state in self.states.items()}
            np.savez_compressed(folder / "states.npz", **arrays)
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> Demo:
        """Read what `save` wrote.

        Raises:
            ConfigError: there is no demo.
        """
        folder = Path(folder)
        try:
            trajectory = Trajectory.of(json.loads((folder / "trajectory.json").read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise ConfigError("a folder with a demo", f"{type(error).__name__}: {error}", "Export one") from None
        states: dict[int, bytes] = {}
        if (folder / "states.npz").exists():
            with np.load(folder / "states.npz", allow_pickle=False) as file:
                states = {int(step): file[step].tobytes() for step in file.files}
        return cls(trajectory, states)


def demo(memory: Memory, place: Place, end: End | None = None, *, every: int = 0) -> Demo:
    """A stored trajectory as a demo, played from the reset to take its proof.

    Args:
        memory: what phase 1 has stored.
        place: its world.
        end: which trajectory; the best by default.
        every: keep the state before each so-manieth step, if the world can be written down; 0 keeps none.

    Raises:
        ConfigError: the trajectory does not give its score.
    """
    end = memory.best if end is None else end
    actions = memory.log.actions(end.pointer)
    trajectory = perform(world_of(place.env_id, place.arguments, place.max_steps), place.seed, actions)
    if abs(trajectory.score - end.score) > CLOSE * max(1.0, abs(end.score)):
        raise ConfigError(f"a trajectory of {end.score} points", f"its replay has {trajectory.score}", "Run verify")
    states: dict[int, bytes] = {}
    sim = simulator(*place)
    if every and sim.carries:
        sim.reset()
        for i, action in enumerate(actions):
            if i % every == 0:
                states[i] = sim.save()
            sim.step(action)
    return Demo(trajectory, states)
