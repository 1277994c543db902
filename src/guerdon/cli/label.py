"""guerdon label: compare the items of a file with your own eyes, by keyboard, and keep the choices."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from guerdon.cli import out
from guerdon.cli.common import DEFAULT_LEDGER, DbOption, JsonOption, make_app
from guerdon.cli.pages import run, server_of_pages
from guerdon.core.errors import ConfigError

if TYPE_CHECKING:
    from guerdon.hosting import Host, Project
    from guerdon.web.items import Read

Format = Literal["trl", "trl-implicit", "alpaca-farm", "guerdon"]


def app(name: str, _: list[str]) -> typer.Typer:
    """The command."""
    result = make_app()
    result.command(name)(label)
    return result


def label(
    items: Annotated[
        Path,
        typer.Argument(help="JSON Lines, or a .zip with them and their pictures.", exists=True, dir_okay=False),
    ],
    name: Annotated[str, typer.Option(help="Of the project, in addresses; the file's by default.")] = "",
    title: Annotated[str, typer.Option(help="For people.")] = "",
    question: Annotated[str, typer.Option(help="What to look for.")] = "Which is better?",
    export: Annotated[
        Path | None, typer.Option("--export", "-o", help="File of the choices, .jsonl or .parquet, written at the end.")
    ] = None,
    format: Annotated[Format, typer.Option(help="Of the export; guerdon and alpaca-farm hold ties.")] = "trl",  # noqa: A002
    look: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = True,
    serve: Annotated[bool, typer.Option("--serve/--no-serve", help="Show pages; else only add and export.")] = True,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any that is free.")] = 0,
    db: DbOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """Compare the items of a file two at a time, blind and by keyboard, until you stop it with Ctrl-C.

    Run it again and it goes on: items that are there already stay, new lines of the file are added, and no pair that
    you have answered comes back. Pictures and clips lie beside the file.
    """
    from guerdon.hosting import Actor, Host
    from guerdon.web import items as files

    if serve:
        server_of_pages()
    if export and export.suffix not in (".jsonl", ".parquet"):
        raise ConfigError("--export FILE.jsonl or FILE.parquet", f"got {export.name!r:.60}", "Rename it")
    if export and not export.resolve().parent.is_dir():
        raise ConfigError("--export into a folder that is there", f"{export.parent} is not", "Make it first")
    with Host.open(db) as host:
        found = files.read(host, items, items.resolve().parent)
        project = _project(host, name or slug_of(items.name), title or items.stem, question)
        new = files.add(host, Actor.local(), project.slug, found)
        if not json:
            _begin(host, project, found, new)
        if serve:
            _serve(host, project, port, look and not json, json)
        _end(host, project, export, format, json)


def slug_of(name: str) -> str:
    """A project's name in addresses, from that of its file.

    >>> slug_of("My replies (2).jsonl")
    'my-replies-2'
    """
    words = re.findall("[a-z0-9]+", name.rpartition(".")[0].lower() or name.lower())
    return "-".join(words)[:40].strip("-") or "items"


def _project(host: Host, slug: str, title: str, question: str) -> Project:
    """The project of this name, made if there is none."""
    from guerdon.hosting import Actor, NotFoundError

    try:
        return host.comparisons.find(slug)
    except NotFoundError:
        return host.comparisons.create(Actor.local(), slug, title, question)


def _begin(host: Host, project: Project, found: Read, new: int) -> None:
    from guerdon.hosting import Actor

    standing = host.comparisons.standing(Actor.local(), project.slug)
    gold = f", {len(found.gold):,} gold questions" if found.gold else ""
    line = f"{project.slug}: {standing.items:,} items ({new:,} new){gold}, {standing.answered:,} choices so far"
    out.console(stderr=True).print(out.clean(line), markup=False, soft_wrap=True)


def _serve(host: Host, project: Project, port: int, look: bool, json: bool) -> None:
    from guerdon.web.settings import Settings

    def say(address: str) -> None:
        place = f"{address}/compare/{project.slug}"
        words = f"Compare at {place}  (← → ↓ equal, b both bad, s skip, u undo). Ctrl-C ends it.\n"
        typer.echo(words, err=json, nl=False)
        if look:
            typer.launch(place)

    with contextlib.suppress(KeyboardInterrupt, SystemExit):
        run(host, Settings(), "127.0.0.1", port, say=say)


def _end(host: Host, project: Project, export: Path | None, format: str, json: bool) -> None:  # noqa: A002
    from guerdon.hosting import Actor

    me = Actor.local()
    standing = host.comparisons.standing(me, project.slug)
    told: dict[str, Any] = {
        "project": project.slug, "items": standing.items, "choices": standing.answered,
        "agreement": standing.agreement,
        "ratings": [{"name": each.name, "rating": each.rating, "low": each.low, "high": each.high}
                    for each in standing.ratings] if standing.answered else [],
    }  # fmt: skip
    if export:
        left_out = host.comparisons.export(me, project.slug, export, format)
        told |= {"export": str(export), "format": format, "left_out": left_out}
    if json:
        out.say_json(told)
        return
    show = out.console()
    if standing.answered:
        rows = [(row.name, row.rating, f"{row.low:.2f} to {row.high:.2f}", row.votes) for row in standing.ratings[:12]]
        show.print(out.table("", ("", "rating", "95 % interval", "votes"), rows))
    count = "1 choice is" if standing.answered == 1 else f"{standing.answered:,} choices are"
    show.print(f"{count} kept.", markup=False)
    if export:
        _next(export, format, told["left_out"])


def _next(export: Path, format: str, left_out: int) -> None:  # noqa: A002
    show = out.console()
    ties = f" ({left_out:,} ties are left out; --format guerdon keeps them)" if left_out else ""
    show.print(out.clean(f"They are in {export}{ties}."), markup=False, soft_wrap=True)
    if format != "alpaca-farm":
        line = f"Next: guerdon reward fit {export} --out {export.stem}-reward"
        show.print(out.clean(line), markup=False, soft_wrap=True)
