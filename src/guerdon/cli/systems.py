"""guerdon systems: the published systems in this workbench."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from guerdon.cli import out
from guerdon.cli.common import JsonOption, make_app


def app(name: str, _: list[str]) -> typer.Typer:
    """The command."""
    result = make_app()
    result.command(name)(systems)
    return result


def systems(
    slug: Annotated[str | None, typer.Argument(help="One system, in full.")] = None, json: JsonOption = False
) -> None:
    """List the systems, or show the card of one."""
    from guerdon.bench.loading import card, cards

    chosen = [card(slug)] if slug else list(cards().values())
    if json:
        out.say_json([dataclasses.asdict(item) for item in chosen])
        return
    console = out.console()
    if slug is None:
        rows = [[c.slug, str(c.year), c.title, ", ".join(name for name, _ in c.solvers)] for c in chosen]
        console.print(out.table("", ["slug", "year", "title", "solvers"], rows))
        return
    item = chosen[0]
    lines = [f"{item.title} ({item.year})", "", f"Claims: {item.claim}", "", f"Here: {item.differs}", ""]
    lines += [f"Solve: guerdon solve {item.slug} --solver {name}" for name, _ in item.solvers]
    lines += ["", *(f"Source: {source}" for source in item.sources)]
    console.print("\n".join(lines), markup=False)
