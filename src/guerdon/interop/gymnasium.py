"""Gymnasium: any world, by its id, as a challenge; and two plain learners over sequences of actions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from guerdon.core.challenge import Challenge, Probes
from guerdon.core.errors import ConfigError, SolverError
from guerdon.core.plain import Json
from guerdon.core.solver import Learner, Problem
from guerdon.core.task import Answer, Judged, Key, Task
from guerdon.worlds import ReplayReward, checked_seed, world_of

if TYPE_CHECKING:
    from guerdon.core.rng import Rng


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
        low: smallest return possible.
        high: largest return possible.
    """

    env_id: str
    seeds: tuple[int, ...] = (0,)
    max_steps: int = 500
    arguments: str = "{}"
    low: float = -1e6
    high: float = 1e6

    name = "gymnasium"

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ConfigError("seeds, each once", f"got {list(self.seeds)}", "Give --seeds 0 --seeds 1")
        for seed in self.seeds:
            checked_seed(seed)
        if self.max_steps < 1:
            raise ConfigError("max_steps is at least 1", f"got {self.max_steps}", "Give more")
        if not self.low < self.high:
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
            floor=max(self.low, 0.0),
        )


_kept = lru_cache(maxsize=4)(world_of)  # for its space of actions; never the judge's


def _world(problem: Problem) -> Any:
    data = problem.tasks[0].data
    if "world" not in data:
        raise SolverError("a challenge with a world", f"{problem.name} has none", "Use it on a WorldChallenge")
    return _kept(str(data["world"]), str(data["arguments"]))


def _drawn(world: Any, count: int, rng: Rng) -> list[Json]:
    return [world.encode(world.sample(rng)) for _ in range(count)]


def _steps(item: Judged) -> int:
    return int(item.score.parts.get("steps", 0)) if item.score.known else 0


@dataclass(frozen=True, kw_only=True)
class RandomActions(Learner[dict[str, Any]]):
    """Draw actions at random, each repeated for a random while.

    Args:
        length: actions in an answer.
        keep: probability that an action is the one before.
    """

    length: int = 500
    keep: float = 0.0

    name = "random-actions"

    @property
    def independent(self) -> bool:
        """Each answer is a fresh draw."""
        return True

    def start(self, problem: Problem, rng: Rng) -> dict[str, Any]:
        """Nothing to remember."""
        return {}

    def ask(self, problem: Problem, state: dict[str, Any], rng: Rng) -> list[Answer]:
        """One sequence for each task."""
        world = _world(problem)
        answers = []
        for task in problem.tasks:
            actions = _drawn(world, _within(task, self.length), rng)
            for i in range(1, len(actions)):
                if rng.random() < self.keep:
                    actions[i] = actions[i - 1]
            answers.append(Answer(task.id, actions))
        return answers


@dataclass(frozen=True, kw_only=True)
class HillClimb(Learner[dict[str, Any]]):
    """Keep the best sequence of each task; draw its actions anew from a random place on, mostly near its end.

    Only the return and the number of steps played are used, so the world is searched by its judge alone. The steps are
    known on open splits only; elsewhere the place is anywhere in the sequence.

    Args:
        length: actions in an answer.
        back: mean distance of the place from the last step played.
        change: share of the actions after the place that are drawn anew.
    """

    length: int = 500
    back: float = 20.0
    change: float = 1.0

    name = "hill-climb"

    def start(self, problem: Problem, rng: Rng) -> dict[str, Any]:
        """A random sequence for each task, not yet judged."""
        world = _world(problem)
        return {task.id: [_drawn(world, _within(task, self.length), rng), None, 0] for task in problem.tasks}

    def ask(self, problem: Problem, state: dict[str, Any], rng: Rng) -> list[Answer]:
        """The best sequence changed from some place on; the first time, the first sequence."""
        world = _world(problem)
        answers = []
        for task in problem.tasks:
            actions, value, steps = state[task.id]
            if value is not None:
                actions = self._changed(world, actions, steps or len(actions), rng)
            answers.append(Answer(task.id, actions))
        return answers

    def tell(self, problem: Problem, state: dict[str, Any], judged: Sequence[Judged], rng: Rng) -> dict[str, Any]:
        """Keep what is at least as good."""
        best = dict(state)
        for item in judged:
            value, before = item.score.value, best[item.task.id][1]
            if value is not None and (before is None or value >= before):
                best[item.task.id] = [list(item.answer.content), value, _steps(item)]  # type: ignore[arg-type]
        return best

    def progress(self, state: dict[str, Any]) -> Mapping[str, float]:
        """The mean of the best returns."""
        known = [value for _, value, _ in state.values() if value is not None]
        return {"mean best": sum(known) / len(known)} if known else {}

    def _changed(self, world: Any, actions: list[Json], steps: int, rng: Rng) -> list[Json]:
        place = max(0, min(steps, len(actions)) - 1 - int(rng.exponential(self.back)))
        fresh = _drawn(world, len(actions) - place, rng)
        tail = [new if rng.random() < self.change else old for new, old in zip(fresh, actions[place:], strict=True)]
        return actions[:place] + tail


def _within(task: Task, length: int) -> int:
    limit = task.data.get("max_steps")
    return min(length, limit) if isinstance(limit, int) else length
