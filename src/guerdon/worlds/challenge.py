"""A world as a challenge: one task per seed, an answer is a list of actions, the score is their return."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from guerdon.core.challenge import Challenge, Picture, Probes
from guerdon.core.errors import ConfigError, GuerdonError
from guerdon.core.plain import Blob, Json
from guerdon.core.task import Answer, Key, Task
from guerdon.worlds.record import clip, shots
from guerdon.worlds.replay import ReplayReward, world_of
from guerdon.worlds.world import checked_seed

FILM = 120
"""Most pictures in a film."""


@dataclass(frozen=True, kw_only=True)
class WorldChallenge(Challenge):
    """A Gymnasium world: one task per seed, an answer is a list of actions, the score is the return of playing them.

    The judge plays the answer from a reset with the task's seed. Actions after the end of the episode are not played.
    Actions are plain: a number for `Discrete`, a list for `Box`, and so on.

    Args:
        env_id: Gymnasium id; `module:Id-v0` imports the module that registers it; `ale/GAME` is the raw emulator.
        seeds: one task each.
        max_steps: longest episode.
        arguments: keyword arguments for `gymnasium.make` or `AleWorld`, as a JSON object.
        low: smallest return possible, where there is one.
        high: largest return possible, where there is one.
    """

    env_id: str
    seeds: tuple[int, ...] = (0,)
    max_steps: int = 500
    arguments: str = "{}"
    low: float | None = None
    high: float | None = None

    name = "gymnasium"

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ConfigError("seeds, each once", f"got {list(self.seeds)}", "Give --seeds 0 --seeds 1")
        for seed in self.seeds:
            checked_seed(seed)
        if self.max_steps < 1:
            raise ConfigError("max_steps is at least 1", f"got {self.max_steps}", "Give more")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ConfigError("low < high", f"got {self.low} and {self.high}", "Give the smallest return first")
        try:
            found = json.loads(self.arguments)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ConfigError("arguments as a JSON object", f"got {self.arguments!r}", 'Write {"sticky": 0.25}')

    @property
    def judge(self) -> ReplayReward:
        """Replay on the task's seed."""
        return ReplayReward(
            env_id=self.env_id, arguments=self.arguments, max_steps=self.max_steps, low=self.low, high=self.high,
            after_end="ignore",
        )  # fmt: skip

    def tasks(self, split: str) -> list[Task]:
        """One per seed."""
        data: dict[str, Json] = {"world": self.env_id, "arguments": self.arguments, "max_steps": self.max_steps}
        return [Task(f"seed-{seed}", {**data, "seed": seed}) for seed in self.seeds]

    def keys(self, tasks: Sequence[Task]) -> Sequence[Key]:
        """The seeds that are played, whatever a task says."""
        known = {f"seed-{seed}": seed for seed in self.seeds}
        return [{"seed": known[task.id]} for task in tasks]

    def world(self, task: Task) -> Any:
        """The world itself, for solvers that want to look ahead; reset it with the task's seed."""
        return world_of(self.env_id, self.arguments, self.max_steps)

    def probes(self, tasks: Sequence[Task]) -> Probes:
        """Doing nothing earns nothing; impossible actions and endless lists are no answers."""
        first = tasks[0].id
        return Probes(
            nothing=[Answer(task.id, []) for task in tasks],
            cheats={
                "an action that does not exist": [Answer(first, ["win"])],
                "more actions than steps": [Answer(first, [0] * (self.max_steps + 1))],
            },
            floor=max(self.low or 0.0, 0.0),
        )

    def pictures(self, task: Task, answer: Answer) -> Sequence[Picture]:
        """A short film of the answer, where the world can be drawn."""
        actions = answer.content
        if isinstance(actions, Blob) or not isinstance(actions, (list, tuple)) or len(actions) > self.max_steps:
            return ()
        try:
            drawing = {} if self.env_id.startswith("ale/") else {"render_mode": "rgb_array"}
            world = world_of(self.env_id, json.dumps({**json.loads(self.arguments), **drawing}), self.max_steps)
            every = max(1, -(-len(actions) // FILM))
            shown = list(shots(world, self.keys([task])[0]["seed"], actions, every))
            data = clip(shown)
        except (GuerdonError, ImportError, KeyError):
            return ()
        except Exception:  # noqa: BLE001  # a world that cannot be drawn here (no display, no renderer) has no film
            return ()
        return (Picture(f"{len(actions)} steps in {self.env_id}", "image/gif", data),)
