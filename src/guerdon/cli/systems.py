"""guerdon systems: the published systems in this workbench."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

import typer

from guerdon.cli import out
from guerdon.cli.common import JsonOption, make_app
from guerdon.cli.main import own_command
from guerdon.cli.reproduce import tell_claims

if TYPE_CHECKING:
    from guerdon.core.card import Card


def app(name: str, _: list[str]) -> typer.Typer:
    """The command."""
    result = make_app()
    result.command(name)(systems)
    return result


def systems(
    slug: Annotated[str | None, typer.Argument(help="One system, in full.")] = None, json: JsonOption = False
) -> None:
    """List the systems with the recorded verdicts on their claims, or show one in full."""
    from guerdon.bench.loading import card, cards
    from guerdon.bench.reproduce import recorded

    chosen = [card(slug)] if slug else list(cards().values())
    records = {item.slug: recorded(item.slug) for item in chosen}
    if json:
        out.say_json([{**dataclasses.asdict(item), "reproduction": records[item.slug]} for item in chosen])
        return
    if slug is None:
        columns = ["slug", "year", "title", "claims", "commit", "date"]
        rows = [[c.slug, str(c.year), c.title, *_record(records[c.slug])] for c in chosen]
        out.console().print(out.table("", columns, rows))
        return
    _show(chosen[0], records[chosen[0].slug])


def _record(document: dict[str, Any] | None) -> list[str]:
    """Verdicts, commit and date of a record, for a line of the table."""
    from guerdon.bench.reproduce import tally

    if document is None:
        return ["not yet run", "–", "–"]
    words = ", ".join(f"{count} {word}" for word, count in tally(document).items())
    return [words, document["commit"] or "–", document["date"]]


def _show(item: Card, document: dict[str, Any] | None) -> None:
    console = out.console()
    lines = [f"{item.title} ({item.year})", "", f"Claims: {item.claim}", "", f"Here: {item.differs}", ""]
    if item.poses and item.solvers:
        lines += [f"Solve: guerdon solve {'|'.join(item.poses)} --solver {'|'.join(name for name, _ in item.solvers)}"]
    if own_command(item.slug):
        lines += [f"On your own data: guerdon {item.slug} --help"]
    lines += ["", *(f"Source: {source}" for source in item.sources), ""]
    console.print("\n".join(lines), markup=False)
    if document is None:
        console.print(f"No verdicts are recorded. Try: guerdon reproduce {item.slug}", markup=False)
        return
    _, commit, date = _record(document)
    console.print(f"Verdicts of {date}, commit {commit}, {document['scale']} scale:", markup=False)
    for part in document["experiments"]:
        tell_claims(part["claims"])
