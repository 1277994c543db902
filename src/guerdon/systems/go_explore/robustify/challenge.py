"""The challenge `key-door`: be sure to get through a grid with a key and a door although actions stick."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from guerdon.core.challenge import Challenge, Picture, Probes
from guerdon.core.errors import ConfigError
from guerdon.core.reward import Reward
from guerdon.core.rng import stream
from guerdon.core.score import FaultKind, Score
from guerdon.core.task import Answer, Case, Key, Task
from guerdon.systems.go_explore.robustify.noisy import GridWorlds
from guerdon.systems.go_explore.robustify.policy import (
    AnswerError,
    best_actions,
    play,
    read,
    table_policy,
)
from guerdon.worlds.grid import LAYOUT, KeyDoor
from guerdon.worlds.record import clip, page_of

BLIND_LUCK = 0.05
"""No list of actions that is played blindly gets this far: a shortest way reaches the goal in 0.4 % of episodes."""


@dataclass(frozen=True, kw_only=True)
class Reliability(Reward):
    """Share of noisy episodes from the true start in which the goal is reached.

    Every answer meets noise of its own, drawn from the key and from what was handed in: nobody can prepare for it.
    """

    label: ClassVar[str] = "reliability"

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        """Play each answer."""
        return [self._one(case) for case in cases]

    def _one(self, case: Case) -> Score:
        data = case.task.data
        episodes, no_ops = int(data["episodes"]), int(data["no_ops"])  # type: ignore[arg-type]
        worlds = _worlds(episodes, data["sticky"], data["max_steps"], data["layout"])
        try:
            does = read(case.answer.content, worlds.grid.shape, worlds.max_steps)
        except AnswerError as error:
            return Score.failed(FaultKind.INVALID, str(error), "solver")
        played = play(does, worlds, no_ops, stream(case.key["seed"], "noise", case.answer.digest))
        share = float(played.won.mean())
        spread = float(np.sqrt(share * (1.0 - share) / episodes))
        steps = float(played.steps[played.won].mean()) if played.won.any() else float(played.steps.mean())
        return Score(share, {"steps": steps}, spread=spread)


@dataclass(frozen=True, kw_only=True)
class KeyDoorChallenge(Challenge):
    """A grid with a key and a door (66 steps at best), sticky actions, and a reward at the goal only.

    An answer is a policy as plain weights, or a list of actions that is played blindly. Its score is the share of
    noisy episodes in which it reaches the goal.

    Args:
        sticky: probability that a step repeats the action before (arXiv 1709.06009: 0.25).
        no_ops: most steps of waiting before an episode (30 in the publications).
        max_steps: longest episode.
        episodes: episodes of one judgement.
        seeds: a task for each: the same grid under other noise.
        layout: rows of `#` wall, `.` floor, `S` start, `K` key, `D` door, `G` goal; the package's own by default.
    """

    sticky: float = 0.25
    no_ops: int = 30
    max_steps: int = 400
    episodes: int = 200
    seeds: tuple[int, ...] = (0,)
    layout: str = ""

    name: ClassVar[str] = "key-door"

    @property
    def judge(self) -> Reliability:
        """The share of episodes."""
        return Reliability()

    def tasks(self, split: str) -> Iterable[Task]:
        """One task per seed: the grid and the noise's size, but not the noise."""
        fields = ("sticky", "no_ops", "max_steps", "episodes")
        data = {**{name: getattr(self, name) for name in fields}, "layout": self.layout or LAYOUT.strip()}
        return [Task(f"key-door/{seed}", data) for seed in self.seeds]

    def keys(self, tasks: Sequence[Task]) -> Sequence[Key]:
        """The seed of the noise."""
        return [{"seed": int(task.id.rpartition("/")[2])} for task in tasks]

    def world(self, task: Task) -> Any:
        """One lane of the grid, as a Gymnasium world."""
        from guerdon.worlds.world import World

        arguments = {name: task.data[name] for name in ("sticky", "max_steps", "layout")}
        return World("guerdon/KeyDoor-v0", arguments=arguments)

    def probes(self, tasks: Sequence[Task]) -> Probes:
        """A planner's policy is sure; to do nothing, to wait, and to play the shortest way blindly are not."""
        worlds = _worlds(1, self.sticky, self.max_steps, self.layout or LAYOUT.strip())
        sure, way = table_policy(best_actions(worlds)), worlds.grid.solution()
        blind = {"shortest way": way, "each step twice": [a for a in way for _ in range(2)][: self.max_steps]}
        return Probes(
            oracle=[Answer(task.id, sure) for task in tasks],
            nothing=[answer for task in tasks for answer in (Answer(task.id, None), Answer(task.id, {"actions": []}))],
            cheats={name: [Answer(task.id, {"actions": a}) for task in tasks] for name, a in blind.items()},
            floor=BLIND_LUCK,
        )

    def pictures(self, task: Task, answer: Answer) -> Sequence[Picture]:
        """One noisy episode as a film, and where 200 episodes went."""
        data: Mapping[str, Any] = task.data
        try:
            film, places = _drawn(answer, data)
        except (AnswerError, ConfigError):
            return ()
        return (
            Picture("One episode of the policy, with sticky actions", "image/gif", film),
            Picture("Where 200 episodes went: the darker, the more often", "image/png", places),
        )


@lru_cache(maxsize=8)
def _worlds(n: int, sticky: Any, max_steps: Any, layout: Any) -> GridWorlds:
    return GridWorlds(n, sticky=sticky, max_steps=max_steps, layout=layout)


def _drawn(answer: Answer, data: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """A GIF of one episode and a PNG of the places that all of them visited."""
    worlds = GridWorlds(200, sticky=data["sticky"], max_steps=data["max_steps"], layout=data["layout"])
    does = read(answer.content, worlds.grid.shape, worlds.max_steps)
    visits, frames = np.zeros(worlds.grid.shape), []

    def watch(done: npt.NDArray[np.bool_]) -> None:
        np.add.at(visits, tuple(worlds.look()[~done, :2].T), 1.0)
        if not done[0]:
            frames.append(worlds.grid.picture(0))

    play(does, worlds, 0, stream(0, "picture", answer.digest), watch)
    plain = KeyDoor(layout=data["layout"]).picture(scale=16)
    heat = 0.8 * np.sqrt(visits / visits.max()).repeat(16, 0).repeat(16, 1)[..., None]
    shaded = (plain * (1.0 - heat) + np.array([200, 60, 60]) * heat).astype(np.uint8)
    return clip(frames, fps=12), page_of({"all": shaded})
