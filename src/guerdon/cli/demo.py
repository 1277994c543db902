"""guerdon demo: the main job in a minute, without a network, a key or a file."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

import typer

from guerdon.cli import out
from guerdon.cli.common import make_app


def app(name: str, _: list[str]) -> typer.Typer:
    """The command."""
    result = make_app()
    result.command(name)(demo)
    return result


def demo(
    budget: Annotated[int, typer.Option(min=1, help="Attempts to make.")] = 20_000,
    ledger: Annotated[str, typer.Option(help="File of the ledger; the same file goes on where it was.")] = "demo.db",
    output: Annotated[str, typer.Option(help="File of the report.")] = "demo-report.html",
) -> None:
    """Solve real puzzles, every attempt judged in the sandbox and recorded, and write a report."""
    for name, arguments in (
        ("solve", ["programming-puzzles", "--solver", "enumerative", "--budget", str(budget), "--ledger", ledger]),
        ("report", ["last", "--ledger", ledger, "--output", output]),
    ):
        out.console(stderr=True).print(f"$ guerdon {name} {' '.join(arguments)}", style="bold", markup=False)
        _run(name, arguments)
    out.console(stderr=True).print(_next(ledger), markup=False)


def _next(ledger: str) -> str:
    needs = "" if find_spec("uvicorn") else ' (needs pip install "guerdon[web]")'
    lines = {
        f"guerdon show last --ledger {ledger}": "the run, in the terminal",
        f"guerdon serve --db {ledger}": f"the run, as pages{needs}",
        "guerdon systems": "what else there is",
    }
    wide = max(map(len, lines))
    return "\nTo go on:\n" + "\n".join(f"  {command:{wide}}   {what}" for command, what in lines.items())


def _run(name: str, arguments: list[str]) -> None:
    from guerdon.cli.main import call

    try:
        call(name, arguments)
    except SystemExit as left:  # Typer ends the process after each command
        if left.code:
            raise
