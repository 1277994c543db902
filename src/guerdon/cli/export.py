"""guerdon export and import: data leaves, and comes back, in open formats."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from guerdon.cli import out
from guerdon.cli.common import DEFAULT_LEDGER, JsonOption, LedgerOption, make_app
from guerdon.core.errors import ConfigError, did_you_mean
from guerdon.ledger import Ledger

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
    bundle: Annotated[Path, typer.Argument(help="A bundle: a folder or a .zip.")],
    ledger: LedgerOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """Take a bundle into a ledger. Importing twice changes nothing."""
    from guerdon.ledger.export import import_bundle

    with Ledger.open(ledger) as book:
        before = {row.id for row in book.runs()}
        import_bundle(book, bundle)
        fresh = [row.id for row in book.runs() if row.id not in before]
    if json:
        out.say_json({"bundle": str(bundle), "new_runs": fresh})
    else:
        out.console().print(f"{len(fresh)} new runs: {', '.join(fresh) or 'none'}", markup=False)
