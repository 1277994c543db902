"""One run without a ledger: for experiments, which record what comes out and not twenty thousand points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import Any

import numpy as np

from guerdon.core.challenge import Challenge
from guerdon.core.reward import Reward
from guerdon.core.rng import stream
from guerdon.core.solver import Problem
from guerdon.core.task import Answer, Case, Judged
from guerdon.search.arrays import Floats
from guerdon.systems.zo_ranksgd.objective import Objective


def one_thread() -> AbstractContextManager[Any]:
    """Linear algebra on one core, where `threadpoolctl` is there to see to it: jobs run side by side already."""
    try:
        limits: AbstractContextManager[Any] = import_module("threadpoolctl").threadpool_limits(1)
    except ImportError:
        return nullcontext()
    return limits


def hidden_value(challenge: Challenge, points: Floats) -> list[float | None]:
    """The values that rankings never tell, one for each point (B, D)."""
    (task,) = challenge.tasks("main")
    (key,) = challenge.keys([task])
    scores = Objective()([Case(task, Answer(task.id, point), key) for point in points.tolist()])
    return [score.value for score in scores]


def walk(
    solver: Any, challenge: Challenge, *, seed: int, marks: Sequence[int], seen: list[Any] | None = None
) -> Mapping[int, Floats]:
    """The points where a solver stands after so many queries; every point that the oracle sees is one.

    The loop is the bench's, without its records: the same streams of random numbers, whole queries only.

    Args:
        solver: one of this system's, with a method `point(state)`.
        challenge: a challenge with one task.
        seed: of the solver's streams.
        marks: numbers of queries, ascending.
        seen: takes every point that the oracle sees.
    """
    tasks = tuple(challenge.tasks("main"))
    (key,) = challenge.keys(tasks)
    judge = challenge.judge
    assert isinstance(judge, Reward)
    problem = Problem(challenge.name, tasks)
    state, asked, step = solver.start(problem, stream(seed, "start")), 0, 0
    found: dict[int, Floats] = {}
    for mark in marks:
        while answers := solver.ask(problem, state, stream(seed, "ask", step)):
            if asked + len(answers) > mark:
                break
            scores = judge([Case(tasks[0], answer, key) for answer in answers])
            judged = [Judged(tasks[0], a, s, f"{step}/{i}") for i, (a, s) in enumerate(zip(answers, scores))]
            state = solver.tell(problem, state, judged, stream(seed, "tell", step))
            asked, step = asked + len(answers), step + 1
            if seen is not None:
                seen += [answer.content for answer in answers]
        found[mark] = np.array(solver.point(state))
    return found
