"""Gymnasium: any world, by its id, as a challenge; and two plain learners over sequences of actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from guerdon.core.errors import SolverError
from guerdon.core.plain import Json
from guerdon.core.solver import Learner, Problem
from guerdon.core.task import Answer, Judged, Task
from guerdon.worlds import WorldChallenge, world_of

if TYPE_CHECKING:
    from guerdon.core.rng import Rng


__all__ = ["HillClimb", "RandomActions", "WorldChallenge"]

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
