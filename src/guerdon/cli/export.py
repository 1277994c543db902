"""guerdon export and import: data leaves in open formats, and comes in from them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from guerdon.cli import out
from guerdon.cli.common import DEFAULT_LEDGER, JsonOption, LedgerOption, make_app
from guerdon.core.errors import ConfigError, did_you_mean
from guerdon.ledger import Ledger

if TYPE_CHECKING:
    from guerdon.interop.logs import Compared, Imported

Format = Literal["bundle", "trl", "jsonl", "parquet"]
ENDINGS = {"bundle": "", "trl": ".jsonl", "jsonl": ".jsonl", "parquet": ".parquet"}


def app(name: str, _: list[str]) -> typer.Typer:
    """The command of this name."""
    commands: dict[str, Callable[..., None]] = {"export": export, "import": import_}
    result = make_app()
    result.command(name)(commands[name])
    return result


def export(
    run: Annotated[str, typer.Argument(help="A run's id, the start of one, `last`, or `all`.")] = "last",
    to: Annotated[
        str, typer.Option("--to", "-t", help="bundle, trl (prompt, completion, reward), jsonl, parquet.")
    ] = "bundle",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File or, for a bundle, folder or .zip.")
    ] = None,
    ledger: LedgerOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """Write a run (or all) as a bundle, as JSONL, as parquet, or as training data for TRL."""
    from guerdon.ledger import export as writers

    if to not in ENDINGS:
        raise ConfigError("a format", f"got {to!r}", did_you_mean(to, ENDINGS))
    with Ledger.open(ledger, create=False) as book:
        name = None if run == "all" else book.run(run).id
        path = output or Path(f"guerdon-{name or 'all'}{ENDINGS[to]}")
        if to == "bundle":
            writers.export_bundle(book, path, name)
        elif to == "parquet":
            writers.to_parquet(book, path, name)
        else:
            writers.to_jsonl(book, path, name, format="trl" if to == "trl" else "attempts")
    if json:
        out.say_json({"run": name, "format": to, "path": str(path.resolve())})
    else:
        out.console().print(f"Wrote {path}", markup=False)


def import_(
    path: Annotated[
        Path,
        typer.Argument(help="A bundle (folder, .zip), an Inspect log (.eval, .json), lm-eval's samples_*.jsonl, or a "
                            "folder of such logs."),
    ],
    ledger: LedgerOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:  # fmt: skip
    """Take a bundle, or logs of other evaluators, into a ledger. Importing twice changes nothing."""
    from guerdon.interop.logs import import_logs, is_log
    from guerdon.ledger.export import import_bundle

    if is_log(path):
        with Ledger.open(ledger) as book:
            logs = import_logs(path, book)
        if json:
            out.say_json({"path": str(path), "logs": [dataclasses.asdict(log) for log in logs]})
        else:
            _say_logs(logs, ledger)
        return
    with Ledger.open(ledger) as book:
        before = {row.id for row in book.runs()}
        import_bundle(book, path)
        fresh = [row.id for row in book.runs() if row.id not in before]
    if json:
        out.say_json({"bundle": str(path), "new_runs": fresh})
    else:
        out.console().print(f"{len(fresh)} new runs: {', '.join(fresh) or 'none'}", markup=False)


SHOWN = 10
"""What was skipped is listed to so many; all of it with --json."""


def _say_logs(logs: Sequence[Imported], ledger: str) -> None:
    console = out.console()
    for log in logs:
        old = "" if log.new else ", which was there already"
        console.print(out.clean(f"{log.run}{old}: {log.task}, answered by {log.model} ({log.tool})"), markup=False)
        console.print(f"  {log.samples:,} answers, {log.scored:,} with a score ({out.clean(log.main)})", markup=False)
        for mean in log.compared:
            console.print(f"  {_mean(mean)}", markup=False)
        for note in log.notes:
            console.print(f"  note: {out.clean(note)}", markup=False)
        for each in log.skipped[:SHOWN]:
            console.print(f"  skipped {out.clean(each.where)}: {out.clean(each.why)}", markup=False)
        if (rest := len(log.skipped) - SHOWN) > 0:
            console.print(f"  and {rest:,} more; --json lists them", markup=False)
    place = "" if ledger == DEFAULT_LEDGER else f" --ledger {ledger}"
    console.print(f"Next: guerdon report {logs[-1].run}{place}", markup=False, soft_wrap=True)


def _mean(mean: Compared) -> str:
    """What the log says beside what was recorded."""
    name = out.clean(mean.name)
    said = "no number" if mean.said is None else f"{mean.said:.6g}"
    if mean.found is None:
        return f"mean {name}: the log says {said}; not compared: {mean.why_not or 'no sample has it'}"
    word = {True: "the same", False: "IT DIFFERS", None: "nothing to compare with"}[mean.agrees]
    return f"mean {name}: the log says {said}, its samples {mean.found:.6g}: {word}"
