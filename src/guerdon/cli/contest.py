"""guerdon contest: open a contest, invite people, close and reveal its phases, and what else an organiser does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from guerdon.cli import out
from guerdon.cli.common import DEFAULT_LEDGER, DbOption, JsonOption, PhaseOption, SlugArgument, make_app
from guerdon.cli.contest_admin import change, data, export, forget, log, moment, people
from guerdon.core.errors import ConfigError, did_you_mean

TIMES = ("opens", "closes")
_WHOLE = ("per_day", "per_month", "total", "concurrent", "size", "finals", "memory_mb")
_REAL = ("seconds", "step")
_WORDS = ("split", "visibility", "reveal")
LIMITS = (*_WHOLE, "seconds")


def app(name: str, _: list[str]) -> typer.Typer:
    """The command with its subcommands."""
    result = make_app()
    result.callback()(contest)
    for command in (create, invite, close, reveal, people, change, log, export, data, forget):
        result.command()(command)
    result.command("list")(list_contests)
    return result


def contest() -> None:
    """Host a contest. Whoever can open the data base from this machine is its organiser."""


def create(
    slug: SlugArgument,
    challenge: Annotated[str, typer.Option(help="A slug, module:Class or FILE.py[:NAME].")],
    title: Annotated[str, typer.Option(help="For people; the slug by default.")] = "",
    rules: Annotated[str, typer.Option(help="A markdown file.")] = "",
    phase: Annotated[
        list[str], typer.Option(help="NAME[,split=…][,opens=TIME][,closes=TIME][,per_day=5][,reveal=close]…; repeat.")
    ] = [],  # noqa: B006  # Typer reads it as "none given"
    field: Annotated[list[str], typer.Option("--set", help="NAME=VALUE, a field of the challenge; repeat.")] = [],  # noqa: B006
    public: Annotated[bool, typer.Option("--public", help="Visitors may see it.")] = False,
    db: DbOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """Open a contest on a challenge, with a phase for each split if none are given."""
    from guerdon.hosting import Actor, Host

    fields = dict(_pair(text, "--set NAME=VALUE") for text in field)
    text = read_rules(rules) if rules else ""
    with Host.open(db) as host:
        made = host.contests.create(
            Actor.local(), challenge, slug, title or slug, [phase_of(each) for each in phase], text,
            fields={name: value_of(value) for name, value in fields.items()}, public=public,
        )  # fmt: skip
        show([made], json)


def invite(
    role: Annotated[str, typer.Option(help="entrant, annotator or organiser.")] = "entrant",
    team: Annotated[str, typer.Option(help="The team they join; one of their own by default.")] = "",
    count: Annotated[int, typer.Option(min=1, max=1000, help="How many invitations.")] = 1,
    db: DbOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """Make invitations. Each is shown once, works once, and is good for 14 days."""
    from guerdon.hosting import Actor, Host

    with Host.open(db) as host:
        tokens = [host.people.invite(Actor.local(), role, team) for _ in range(count)]
    if json:
        out.say_json({"role": role, "team": team, "invitations": tokens})
        return
    for token in tokens:
        typer.echo(token)


def close(slug: SlugArgument, phase: PhaseOption = "", db: DbOption = DEFAULT_LEDGER, json: JsonOption = False) -> None:
    """Take no more submissions. What is queued is still judged."""
    from guerdon.hosting import Actor, Host

    with Host.open(db, create=False) as host:
        show([host.contests.close(Actor.local(), slug, phase)], json)


def reveal(
    slug: SlugArgument, phase: PhaseOption = "", db: DbOption = DEFAULT_LEDGER, json: JsonOption = False
) -> None:
    """Close and show the scores. It cannot be undone."""
    from guerdon.hosting import Actor, Host

    with Host.open(db, create=False) as host:
        show([host.contests.reveal(Actor.local(), slug, phase)], json)


def list_contests(db: DbOption = DEFAULT_LEDGER, json: JsonOption = False) -> None:
    """The contests, their phases, and how the queue stands."""
    from guerdon.hosting import Actor, Host

    with Host.open(db, create=False) as host:
        show(host.contests.list(Actor.local()), json)
        queue = host.queue.view(Actor.local())
    if not json:
        waited = "" if queue.oldest is None else f", the oldest for {queue.oldest:,.0f} s"
        out.console().print(f"queue: {queue.queued} waiting{waited}; {queue.leased} being judged", markup=False)


def phase_of(text: str) -> Any:
    """A phase from `NAME,key=value,…`.

    >>> phase_of("final,split=test,per_day=3,closes=2026-12-24T12:00Z").closes
    1798113600.0
    """
    from guerdon.core.challenge import Visibility
    from guerdon.hosting import Limits, Phase

    name, found = settings_of(text, (*TIMES, *_WHOLE, *_REAL, *_WORDS))
    words = ("reveal", "step", "split", "visibility", *TIMES)
    limits = Limits(**{key: value for key, value in found.items() if key not in words})
    rest_of = {key: value for key, value in found.items() if key in words}
    if "visibility" in rest_of:
        rest_of["visibility"] = Visibility(rest_of["visibility"])
    return Phase(name, limits=limits, **rest_of)


def settings_of(text: str, known: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """A phase's name and settings from `NAME,key=value,…`.

    Raises:
        ConfigError: a setting is not among those that are known, or its value does not fit.
    """
    name, *rest = text.split(",")
    found: dict[str, Any] = {}
    for part in rest:
        key, value = _pair(part, "--phase NAME,key=value")
        if key not in known:
            raise ConfigError("a setting of a phase", f"got {key!r}", did_you_mean(key, known))
        found[key] = _setting(key, value)
    return name, found


def _setting(key: str, value: str) -> Any:
    try:
        if key in TIMES and value == "none":
            return None
        if key in TIMES or (key == "reveal" and value not in ("manual", "close")):
            when = datetime.fromisoformat(value)
            return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
        if key in _WHOLE:
            return None if value == "none" else int(value)
        if key == "visibility" and value not in ("open", "aggregate", "sealed"):
            raise ValueError(value)
        return float(value) if key in _REAL else value
    except ValueError:
        what = "a time as 2026-12-24T12:00Z" if key in (*TIMES, "reveal") else "a value that fits"
        raise ConfigError(f"{key} is {what}", f"got {value!r}", "Correct it") from None


def value_of(text: str) -> Any:
    """A field's value: JSON where it is JSON, else the text.

    >>> value_of("3"), value_of("data/labels.json")
    (3, 'data/labels.json')
    """
    import json

    try:
        return json.loads(text)
    except ValueError:
        return text


def _pair(text: str, what: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ConfigError(what, f"got {text!r}", "Write an = between name and value")
    return name.strip(), value.strip()


def read_rules(path: str) -> str:
    """The text of a file of rules."""
    try:
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("a file of rules in UTF-8", str(error), "Check the path") from None


def show(contests: Any, json: bool) -> None:
    """The phases of contests, as a table or as JSON."""
    phases = [(contest, phase) for contest in contests for phase in contest.phases]
    if json:
        out.say_json([_line(*each) for each in phases])
        return
    columns = ["contest", "title", "phase", "split", "told", "standing"]
    rows = [
        [contest.slug, contest.title, phase.name, phase.split, phase.visibility.value, _standing(phase)]
        for contest, phase in phases
    ]
    for name in TIMES:
        if any(getattr(phase, name) is not None for _, phase in phases):
            columns.append(f"{name} (UTC)")
            for row, (_, phase) in zip(rows, phases, strict=True):
                row.append(moment(getattr(phase, name), "%Y-%m-%d %H:%M"))
    out.console().print(out.table("", columns, rows))


def _line(contest: Any, phase: Any) -> dict[str, Any]:
    return {
        "contest": contest.slug,
        "title": contest.title,
        "version": contest.version,
        "phase": phase.name,
        "split": phase.split,
        "visibility": phase.visibility.value,
        "standing": _standing(phase),
        "opens": phase.opens,
        "closes": phase.closes,
        "limits": asdict(phase.limits),
    }


def _standing(phase: Any) -> str:
    return "revealed" if phase.revealed else "closed" if phase.closed else "open"
