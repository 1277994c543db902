"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

LedgerOption = Annotated[
    str, typer.Option("--ledger", "-l", envvar="GUERDON_LEDGER", help="Path or database URL of the ledger.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
RunArgument = Annotated[str, typer.Argument(help="A run's id, the start of one, or `last`.")]
WorkersOption = Annotated[str, typer.Option("--workers", "-w", help="inline, processes:N or ray[:ADDRESS].")]
ChallengeOption = Annotated[
    str | None, typer.Option(help="Where the run's challenge is, if in a file of one's own: FILE.py[:NAME].")
]
DbOption = Annotated[str, typer.Option("--db", envvar="GUERDON_LEDGER", help="Path or URL of the data base.")]
SlugArgument = Annotated[str, typer.Argument(help="The contest's name in addresses.")]
PhaseOption = Annotated[str, typer.Option("--phase", help="Only this phase; all by default.")]
DEFAULT_LEDGER = "guerdon.db"


def make_app() -> typer.Typer:
    """A Typer app for one command, with plain tracebacks."""
    return typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich")
