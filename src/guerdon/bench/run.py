"""The one loop: ask → score → tell → checkpoint. Everything it does is in the ledger before it goes on.

Kill the process anywhere and call `run` again with the same arguments: answers that were recorded are not asked
again, verdicts that were recorded are not judged again, and the final ledger is that of an uninterrupted run.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guerdon.bench.bench import Bench, Progress
from guerdon.core.budget import Budget
from guerdon.core.challenge import Challenge
from guerdon.core.preference import Preference
from guerdon.core.reward import Reward
from guerdon.core.solver import Solver
from guerdon.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Run:
    """A finished (or interrupted) run; everything else about it is a view of its ledger.

    Args:
        id: its name in the ledger.
        status: "done", "interrupted" or "failed".
        reason: why it ended, for people.
        spent: what it has spent, over all its sessions.
    """

    id: str
    ledger: Ledger | str | Path
    status: str
    reason: str
    spent: dict[str, float]

    def best(self, k: int = 1) -> list[Any]:
        """The best k attempts with their verdicts."""
        from guerdon.ledger import views

        with opened(self.ledger) as book:
            return list(views.best(book, self.id, k))


def run(
    solver: Solver,
    challenge: Challenge,
    *,
    ledger: Ledger | str | Path = "guerdon.db",
    split: str | None = None,
    seed: int = 0,
    budget: Budget | int | str = 1000,
    workers: str = "inline",
    judge: Reward | Preference | None = None,
    resume: bool = True,
    patience_s: float = 600.0,
    checkpoint_s: float = 5.0,
    halt_after: int = 100,
    on_progress: Callable[[Progress], None] | None = None,
) -> Run:
    """Let a solver work on a challenge within a budget, with every attempt in the ledger.

    The run's name follows from the recipes, the split and the seed, so calling again goes on where it stopped.

    Args:
        solver: a `Learner` or `Solver` instance; its fields are its recipe.
        challenge: what is to be solved; its judge scores answers inside the bench.
        ledger: an open ledger, a path, or a database URL.
        split: which split; the challenge's first by default.
        seed: of all random streams of the run.
        budget: a `Budget`, a number of attempts, or text such as "attempts=2000,seconds=60".
        workers: "inline", "processes:N" or "ray[:ADDRESS]".
        judge: another reward than the challenge's own.
        resume: go on with the run of the same name; otherwise start a new one beside it.
        patience_s: hang guard of one batch of verdicts, in seconds.
        checkpoint_s: shortest time between two checkpoints, in seconds.
        halt_after: stop after so many consecutive faults of the host or of a model provider.
        on_progress: called after each step.

    Raises:
        GuerdonError: a recipe, challenge or solver breaks its contract, or no isolation is available for a judge
            that needs it. The ledger stays consistent.
    """
    if not isinstance(budget, Budget):
        budget = Budget.parse(str(budget))
    split = split or next(iter(challenge.splits))
    with opened(ledger) as book:
        bench = Bench(solver, challenge, judge or challenge.judge, book, split, seed, budget, resume)
        with bench.opened(workers, patience_s, halt_after, checkpoint_s, on_progress):
            status, reason = bench.work()
        return Run(bench.row.id, ledger, status, reason, dict(book.spent(bench.row.id)))


def opened(ledger: Ledger | str | Path) -> AbstractContextManager[Ledger]:
    """An open ledger as it is, or one by path or URL, closed at the end."""
    return nullcontext(ledger) if isinstance(ledger, Ledger) else Ledger.open(ledger)
