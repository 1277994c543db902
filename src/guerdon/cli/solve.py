"""guerdon solve: the main job."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from guerdon.cli import out
from guerdon.cli.common import DEFAULT_LEDGER, JsonOption, LedgerOption, WorkersOption, make_app
from guerdon.cli.flags import Flag, as_arguments, build, flags_of, read_recipe, with_flags
from guerdon.core.errors import ConfigError

if TYPE_CHECKING:
    from guerdon.bench.bench import Progress as Standing
    from guerdon.bench.run import Run
    from guerdon.core.challenge import Challenge
    from guerdon.ledger import Ledger

RUN_FIELDS = ("budget", "seed", "split", "workers", "ledger", "sandbox", "patience")


def app(name: str, arguments: list[str]) -> typer.Typer:
    """The command, with the flags of the challenge and solver that the arguments name.

    Arguments from a TOML recipe are put in front of the typed ones, in place.
    """
    recipe = _recipe(arguments)
    challenge = _positional(arguments) or recipe["challenge"].pop("name", None)
    recipe["challenge"].pop("name", None)
    solver = _option(arguments, "--solver", "-s") or recipe["solver"].get("name")
    recipe["solver"].pop("name", None)
    if challenge and not solver and "--help" not in arguments:
        raise ConfigError("a solver after --solver", "got none", _solvers(challenge))
    flags, command = _command(challenge, solver)
    if challenge and not _positional(arguments):
        arguments.insert(0, str(challenge))
    if solver and not _option(arguments, "--solver", "-s"):
        arguments.append(f"--solver={solver}")
    run_flags = [Flag("run", field, f"--{field}", field, str, None, "") for field in RUN_FIELDS]
    for owner, known in (("challenge", flags), ("solver", flags), ("run", run_flags)):
        arguments[1:1] = as_arguments(recipe[owner], known, owner)
    result = make_app()
    result.command(name)(command)
    return result


def _solvers(challenge: str) -> str:
    from guerdon.bench.loading import GENERIC, challenge_places

    if challenge not in challenge_places():
        return f"Give module:Class or FILE.py[:NAME], or, where tasks name a space, one of {', '.join(GENERIC)}"
    return f"Known: {', '.join(name for name, _ in challenge_places()[challenge][0].solvers)}"


def _command(challenge: str | None, solver: str | None) -> tuple[list[Flag], Callable[..., Any]]:
    from guerdon.bench.loading import challenge_class, solver_class

    if challenge is None:
        return [], with_flags(_solve(None, None), [])
    posed = challenge_class(challenge)
    taken = [*RUN_FIELDS, "challenge", "solver", "recipe", "fresh", "json", "help", "quiet"]
    flags = flags_of(posed, "challenge", taken)
    found = solver_class(solver, challenge) if solver else None
    if found is not None:
        flags += flags_of(found, "solver", [*taken, *(flag.parameter for flag in flags)])
    return flags, with_flags(_solve(posed, found), flags)


def _solve(posed: Any, found: Any) -> Callable[..., None]:
    def solve(
        challenge: Annotated[str, typer.Argument(help="Its name, module:Class, or FILE.py[:NAME].")],
        solver: Annotated[
            str, typer.Option("--solver", "-s", help="A solver's name, module:Class, or FILE.py[:NAME].")
        ],
        budget: Annotated[str, typer.Option("--budget", "-b", help="2000, 20k, or attempts=2000,seconds=60.")] = "1000",
        seed: Annotated[int, typer.Option(help="Seed of all random streams.")] = 0,
        split: Annotated[str | None, typer.Option(help="Split of the challenge; its first by default.")] = None,
        workers: WorkersOption = "inline",
        sandbox: Annotated[str, typer.Option(help="auto, namespaces, landlock, or trusted (your own code).")] = "auto",
        patience: Annotated[float, typer.Option(help="Hang guard of one batch of verdicts, in seconds.")] = 600.0,
        recipe: Annotated[Path | None, typer.Option(help="A TOML recipe; flags override it.")] = None,
        fresh: Annotated[bool, typer.Option("--fresh", help="Start a new run instead of going on.")] = False,
        ledger: LedgerOption = DEFAULT_LEDGER,
        json: JsonOption = False,
        *,
        fields: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """Let a solver work on a challenge, within a budget, with every attempt in the ledger.

        Kill it at any moment and give the same command again: it goes on, and judges nothing twice.
        Name a challenge and a solver to see their fields as flags.
        """
        from guerdon.bench.run import run
        from guerdon.ledger import Ledger
        from guerdon.sandbox import shared

        shared.configure(sandbox)
        problem = build(posed, fields.get("challenge", {}), "challenge")
        worker = build(found, fields.get("solver", {}), "solver")
        start = time.monotonic()
        with Ledger.open(ledger) as book:
            with _progress(f"{problem.name} · {worker.name}", quiet=json or worker.interactive) as on_progress:
                result = run(
                    worker, problem, ledger=book, split=split, seed=seed, budget=budget, workers=workers,
                    resume=not fresh, patience_s=patience, on_progress=on_progress,
                )  # fmt: skip
            _tell(result, book, ledger, time.monotonic() - start, json, problem)
        if result.status == "interrupted":
            raise typer.Exit(130)

    return solve


# ── what the arguments name, before they are parsed ─────────────────────────────────────────────────────────────────


def _recipe(arguments: Sequence[str]) -> dict[str, dict[str, Any]]:
    path = _option(arguments, "--recipe")
    return read_recipe(Path(path)) if path else {"challenge": {}, "solver": {}, "run": {}}


def _positional(arguments: Sequence[str]) -> str | None:
    """The first word, which is the challenge: `guerdon solve CHALLENGE ...`."""
    return arguments[0] if arguments and not arguments[0].startswith("-") else None


def _option(arguments: Sequence[str], *names: str) -> str | None:
    for i, word in enumerate(arguments):
        for name in names:
            if word == name:
                if i + 1 == len(arguments):
                    raise ConfigError(f"a value after {name}", "got nothing", "Give one")
                return arguments[i + 1]
            if word.startswith(f"{name}="):
                return word.partition("=")[2]
    return None


# ── progress and result ─────────────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def _progress(title: str, quiet: bool) -> Iterator[Callable[[Standing], None] | None]:
    """A live bar on a terminal, a line every ten seconds elsewhere, nothing when quiet."""
    if quiet:
        yield None
        return
    if not sys.stderr.isatty():
        yield _Lines(title)
        return
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
    from rich.table import Column

    count = Column(no_wrap=True, min_width=15, justify="right")
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", table_column=Column(no_wrap=True)),
        BarColumn(bar_width=16),
        TextColumn("{task.fields[count]}", table_column=count),
        TextColumn("{task.fields[figures]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
    )
    with Progress(*columns, console=out.console(stderr=True)) as bar:
        task = bar.add_task(out.clean(title), total=None, count="", figures="")

        def show(at: Standing) -> None:
            shares = [at.spent[name] / limit for name, limit in at.budget.limits().items() if limit]
            clock = f"{int(at.spent['seconds']) // 60}:{int(at.spent['seconds']) % 60:02d}"
            count = f"{int(at.spent['attempts']):,} in {clock}"
            bar.update(task, total=1.0, completed=min(max(shares, default=0.0), 1.0), count=count, figures=figures(at))

        yield show


class _Lines:
    """Progress where nobody watches: one line at once, then every ten seconds."""

    def __init__(self, title: str) -> None:
        self._title, self._next = title, 0.0

    def __call__(self, at: Standing) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + 10.0
            sys.stderr.write(f"{out.clean(self._title)}: {out.spent_line(at.spent)}; {figures(at)}\n")


def figures(at: Standing) -> str:
    """The figures beside the bar: tasks at the top (or the best score), faults, and what the solver says."""
    parts = [f"{at.at_top}/{at.tasks} solved" if at.tasks > 1 else f"best {out.figure(at.best)}"]
    if at.faults:
        parts.append(f"{at.faults:,} faults")
    parts += [f"{name} {out.figure(value)}" for name, value in at.figures.items() if name != "solved"]
    if at.spent.get("frames") and at.spent.get("seconds"):
        parts.append(f"{at.spent['frames'] / at.spent['seconds']:,.0f} frames/s")
    return out.clean(" · ".join(parts))


def _tell(result: Run, book: Ledger, ledger: str, seconds: float, json: bool, challenge: Challenge) -> None:
    from guerdon.bench.showing import Showing
    from guerdon.cli.show import summary, tell_summary

    found = summary(book, result.id, view=Showing(book, book.run(result.id), challenge))
    if json:
        out.say_json({**found, "reason": result.reason, "wall_seconds": round(seconds, 3)})
        return
    tell_summary(found)
    where = "" if ledger == DEFAULT_LEDGER else f" --ledger {'URL' if '://' in ledger else ledger}"
    out.console().print(f"\n{result.reason}. Next: guerdon report {result.id}{where}", markup=False, soft_wrap=True)
