"""The archive of a recorded run, for verification and demos: `guerdon go-explore LEDGER [RUN]`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from guerdon.bench import checkpoint
from guerdon.bench.loading import rebuilt, resolve
from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream
from guerdon.core.solver import Problem
from guerdon.core.task import Judged, Task
from guerdon.systems.go_explore.simulator import cell_of, simulator
from guerdon.systems.go_explore.solver import GoExplore, State, place_of
from guerdon.systems.go_explore.verify import Demo, Verified, demo, verify

if TYPE_CHECKING:
    from guerdon.ledger import Ledger


class Stored:
    """The state at the end of a recorded run: from its newest checkpoint, and then told again what came after.

    Args:
        book: an open ledger.
        run: the run's id, the start of one, or `last`.
        processes: emulators at work at once, where explorations are done again.

    Raises:
        ConfigError: the run is none of Go-Explore.
    """

    def __init__(self, book: Ledger, run: str = "last", processes: int = 1) -> None:
        row = book.run(run)
        recipe: Any = row.recipe
        kind = resolve(recipe["solver"]["kind"]) if row.solver == GoExplore.name else None
        if kind is None or not issubclass(kind, GoExplore):
            raise ConfigError("a run of go-explore", f"{row.id} is of {row.solver}", "Name another run")
        fields = {name: value for name, value in recipe["solver"].items() if name not in ("kind", "fingerprint")}
        self.run, self.solver = row.id, kind(**fields, processes=processes)
        self.challenge = rebuilt(recipe["challenge"])
        self.tasks = {task.id: task for task in self.challenge.tasks(row.split)}
        self.state = self._told(book, row.seed, row.split)

    def _told(self, book: Ledger, seed: int, split: str) -> State:
        problem = Problem(self.challenge.name, tuple(self.tasks.values()), self.challenge.visibility(split), world=None)
        steps = {step.step: step for step in book.steps(self.run)}
        committed = {step.checkpoint: step.step + 1 for step in steps.values() if step.checkpoint}
        state: State
        found = checkpoint.newest(self.solver, book.folder / "checkpoints" / self.run, committed)
        first, state = found or (0, self.solver.start(problem, stream(seed, "start")))
        told: dict[int, list[Judged]] = {}
        for attempt, verdict in book.judged(self.run, first=True):
            if attempt.step >= first and attempt.step in steps and verdict is not None:
                item = Judged(self.tasks[attempt.answer.task], attempt.answer, verdict.score, attempt.id)
                told.setdefault(attempt.step, []).append(item)
        for step in sorted(told):
            state = self.solver.tell(problem, state, told[step], stream(seed, "tell", step))
        return state

    def verify(self) -> dict[str, Verified]:
        """Play every stored trajectory of every task from the reset."""
        found = {}
        for name, memory in self.state.tasks.items():
            place = place_of(self.tasks[name])
            cell = cell_of(self.solver.shape, simulator(*place).world, memory.shrink)
            found[name] = verify(memory, place, cell)
        return found

    def demo(self, task: Task | None = None, *, every: int = 0) -> Demo:
        """The best trajectory of a task (the first by default), with states every so-manieth step."""
        chosen = task or next(iter(self.tasks.values()))
        return demo(self.state.tasks[chosen.id], place_of(chosen), every=every)


def main(arguments: list[str] | None = None) -> None:
    """Verify the archive of a run, and write its best trajectories as demos."""
    import argparse
    import sys

    from guerdon.ledger import Ledger

    parser = argparse.ArgumentParser(prog="guerdon go-explore", description=main.__doc__)
    parser.add_argument("ledger", help="path or URL")
    parser.add_argument("run", nargs="?", default="last", help="the run's id, or last")
    parser.add_argument("--demos", type=Path, help="folder for a demo of each task")
    parser.add_argument("--every", type=int, default=50, help="steps between the states of a demo")
    parser.add_argument("--processes", type=int, default=1, help="emulators at work at once")
    options = parser.parse_args(arguments)
    with Ledger.open(options.ledger, create=False) as book:
        stored = Stored(book, options.run, options.processes)
    bad = 0
    for name, found in stored.verify().items():
        best = stored.state.tasks[name].best
        sys.stdout.write(f"{name}: {found.held} of {found.stored} stored trajectories replay; best {best.score:g}\n")
        sys.stdout.writelines(f"  {each}\n" for each in found.wrong)
        bad += found.stored - found.held
        if options.demos:
            path = stored.demo(stored.tasks[name], every=options.every).save(options.demos / name)
            sys.stdout.write(f"  demo in {path}\n")
    raise SystemExit(1 if bad else 0)
