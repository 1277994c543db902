"""guerdon import-contest: a contest from elsewhere, as a folder that every other command takes."""

from __future__ import annotations

import dataclasses
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from guerdon.cli import out
from guerdon.cli.common import JsonOption, make_app

if TYPE_CHECKING:
    from guerdon.interop.contest_folder import Contest, Split


def app(name: str, arguments: list[str]) -> typer.Typer:
    """The command."""
    result = make_app()
    result.command(name)(import_contest)
    return result


def import_contest(
    file: Annotated[Path, typer.Argument(help="An EvalAI zip, a Codabench bundle, or a folder with Kaggle's tables.")],
    out_folder: Annotated[Path, typer.Option("--out", "-o", help="Folder to write; new or empty.")],
    metric: Annotated[str, typer.Option(help="For Kaggle's tables: a metric of scikit-learn by name.")] = "",
    title: Annotated[str, typer.Option(help="For Kaggle's tables: its title.")] = "",
    lower: Annotated[bool, typer.Option("--lower-is-better", help="For Kaggle's tables with a metric.py.")] = False,
    results: Annotated[bool, typer.Option("--results-only", help="Codabench: leave ingestion programs out.")] = False,
    json: JsonOption = False,
) -> None:
    """Import a contest: its evaluator will run in the sandbox, its keys stay in the folder.

    What goes beyond the common subset is refused by name.
    """
    from guerdon.interop.contests import import_contest as take

    contest = take(file, out_folder, metric=metric, title=title, higher=False if lower else None, results_only=results)
    if json:
        out.say_json(dataclasses.asdict(contest))
        return
    console = out.console()
    console.print(f"{out.clean(contest.title)} ({contest.source}), as {contest.slug}", markup=False)
    for split in contest.splits:
        main = split.measures[0]
        better = "higher" if main.higher else "lower"
        line = f"  {split.name}  {split.visibility.value}, ranked by {main.key} ({better} is better)"
        console.print(out.clean(line), markup=False)
    over = [
        f"{split.name} closed at {split.closes}; give it another end"
        for split in contest.splits
        if _over(split, datetime.now(UTC))
    ]
    for note in (*contest.notes, *over):
        console.print(f"  note: {out.clean(note)}", markup=False)
    console.print("Next:")
    for line in _next(contest, out_folder / "challenge.py"):
        console.print(f"  {line}", markup=False, soft_wrap=True)


def _next(contest: Contest, challenge: Path, now: datetime | None = None) -> list[str]:
    """The commands that check it and open it, with the limits and times of the original."""
    create = ["guerdon", "contest", "create", contest.slug, "--challenge", str(challenge), "--title", contest.title]
    create += [word for split in contest.splits for word in ("--phase", _phase(split, now or datetime.now(UTC)))]
    return [f"guerdon check {shlex.quote(str(challenge))}", out.clean(shlex.join(create))]


def _phase(split: Split, now: datetime) -> str:
    """A split as `--phase` takes it. An end that has passed is left out: nobody could hand in."""
    times = {"opens": split.opens, "closes": "" if _over(split, now) else split.closes}
    settings = {**split.limits, **{name: time for name, time in times.items() if time}}
    return ",".join([split.name, *(f"{name}={value}" for name, value in settings.items())])


def _over(split: Split, now: datetime) -> bool:
    return bool(split.closes) and datetime.fromisoformat(split.closes) <= now
