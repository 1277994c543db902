"""Solvers: what they see (the problem), whom they ask (the desk), and the form most of them take (the learner)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from guerdon.core.budget import Budget
from guerdon.core.challenge import Visibility
from guerdon.core.errors import SolverError
from guerdon.core.plain import canonical
from guerdon.core.preference import Choice
from guerdon.core.reward import Reward
from guerdon.core.task import Answer, Judged, Task

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

State = TypeVar("State")


@dataclass(frozen=True, slots=True)
class Problem:
    """Everything a solver may know of a challenge.

    Args:
        name: the challenge's name.
        tasks: what is asked; a tuple, in a fixed order.
        visibility: what will be told about answers.
        proxies: rewards the solver may call freely; never the judge of a sealed split.
        world: makes the world of a task, where there is one.
    """

    name: str
    tasks: tuple[Task, ...]
    visibility: Visibility = Visibility.OPEN
    proxies: Mapping[str, Reward] = field(default_factory=dict)
    world: Callable[[Task], Any] | None = None


class Desk(Protocol):
    """The bench, as a solver sees it."""

    @property
    def left(self) -> Budget:
        """What may still be spent."""

    def score(self, answers: Sequence[Answer]) -> list[Judged]:
        """Hand in answers; each is judged and recorded once, and comes back with what the split lets one know."""

    def compare(self, pairs: Sequence[tuple[Answer, Answer]]) -> list[Choice]:
        """Ask which of two answers is preferred; recorded once, and told on an open split only."""

    def rng(self, *purpose: str | int) -> Rng:
        """The stream of random numbers for a purpose of this run."""


class Solver:
    """Base of every solver. Subclass as a frozen dataclass: its fields are the published hyper-parameters.

    Write `solve` for dialogues, people and outside agents. Almost everything else is a `Learner`.
    """

    name: ClassVar[str] = "solver"
    interactive: ClassVar[bool] = False
    """It talks to a person on this terminal, so nothing else may write there."""

    @property
    def independent(self) -> bool:
        """True when answers to one task are independent draws with equal settings, so that pass@k means something."""
        return False

    def solve(self, problem: Problem, desk: Desk) -> None:
        """Work until done or out of budget. Called again from the start after a crash; the desk answers what is
        already recorded from the ledger, so the same questions cost nothing twice.
        """
        raise SolverError(
            "a solver has a solve method", f"{type(self).__name__} has none", "Write solve(problem, desk)"
        )


class Learner(Solver, Generic[State]):
    """A solver whose whole memory is an explicit state: start → (ask → tell)*.

    The bench writes the loop, so resume, parallel scoring, budgets, early stop, seeds and progress come for free.
    Three rules make resume exact: `ask` does not change the state; `tell` returns the new state and depends on
    nothing but its arguments; randomness comes from the `rng` that is passed in.
    """

    def start(self, problem: Problem, rng: Rng) -> State:
        """The state before the first step."""
        raise SolverError(
            "a learner has a start method", f"{type(self).__name__} has none", "Write start(problem, rng)"
        )

    def ask(self, problem: Problem, state: State, rng: Rng) -> Sequence[Answer]:
        """The next answers to judge; an empty sequence ends the run."""
        raise SolverError("a learner has an ask method", f"{type(self).__name__} has none", "Write ask(...)")

    def tell(self, problem: Problem, state: State, judged: Sequence[Judged], rng: Rng) -> State:
        """The state after the verdicts on what was asked, in the same order (perhaps fewer, at the budget's end)."""
        return state

    def save(self, state: State, folder: Path) -> None:
        """Write the state into an empty folder. By default it must be JSON-plain.

        Raises:
            SolverError: it is not.
        """
        try:
            text = canonical(state)
        except ValueError as error:
            raise SolverError(
                f"the state of {type(self).__name__} is plain data", str(error), "Write save and load for it"
            ) from None
        (folder / "state.json").write_text(text, encoding="utf-8")

    def load(self, folder: Path) -> State:
        """Read what `save` wrote."""
        state: State = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        return state

    def progress(self, state: State) -> Mapping[str, str | int | float]:
        """A few figures to show beside the progress bar."""
        return {}
