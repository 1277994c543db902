"""What an organiser does while a contest runs: changes, the log, exports, and the people who want to be forgotten."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from guerdon.cli import out
from guerdon.cli.common import DEFAULT_LEDGER, DbOption, JsonOption, PhaseOption, SlugArgument
from guerdon.core.errors import ConfigError

PersonArgument = Annotated[str, typer.Argument(help="A person's name or id.")]


def change(
    slug: SlugArgument,
    title: Annotated[str | None, typer.Option(help="For people.")] = None,
    rules: Annotated[str, typer.Option(help="A markdown file.")] = "",
    public: Annotated[bool | None, typer.Option("--public/--private", help="Whether visitors may see it.")] = None,
    phase: Annotated[
        list[str], typer.Option(help="NAME,closes=TIME,per_day=5,…: its times and limits, `none` for no limit; repeat.")
    ] = [],  # noqa: B006  # Typer reads it as "none given"
    version: Annotated[int | None, typer.Option("--if-version", help="Only if nobody changed it since.")] = None,
    db: DbOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """Change what entrants read, extend a phase, or change its limits. It is in the log."""
    from guerdon.cli.contest import read_rules, show
    from guerdon.hosting import Actor, Host

    me, changes = Actor.local(), [_phase_change(text) for text in phase]
    text = read_rules(rules) if rules else None
    read = title is not None or text is not None or public is not None
    if not read and not changes:
        raise ConfigError("something to change", "nothing was named", "Try --phase NAME,closes=TIME or --title")
    with Host.open(db, create=False) as host:
        found = host.contests.get(me, slug)
        if read:
            found = host.contests.change(
                me, slug, title=title, rules_markdown=text, public=public, version=version
            )  # fmt: skip
            version = None if version is None else found.version
        for name, settings in changes:
            found = host.contests.change_phase(me, slug, name, **settings, version=version)
            version = None if version is None else found.version
        show([found], json)


def _phase_change(text: str) -> tuple[str, dict[str, Any]]:
    """The name of a phase and the arguments of `change_phase`.

    >>> _phase_change("final,per_day=none,closes=2026-12-24T12:00Z")
    ('final', {'closes': 1798113600.0, 'limits': {'per_day': None}})
    """
    from guerdon.cli.contest import LIMITS, TIMES, settings_of

    name, found = settings_of(text, (*TIMES, *LIMITS))
    times = {key: value for key, value in found.items() if key in TIMES}
    return name, {**times, "limits": {key: value for key, value in found.items() if key in LIMITS}}


def log(
    slug: Annotated[str, typer.Argument(help="Only of this contest; everything by default.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many lines.")] = 50,
    before: Annotated[int | None, typer.Option(help="Only lines with a smaller number, for older ones.")] = None,
    db: DbOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """What organisers did: who, what, when. Newest first."""
    from guerdon.hosting import Actor, Host

    with Host.open(db, create=False) as host:
        deeds = host.log(Actor.local(), slug, before, limit)
    if json:
        out.say_json([dataclasses.asdict(deed) for deed in deeds])
        return
    rows = [
        (deed.seq, moment(deed.at), deed.name, deed.action, deed.contest, deed.object, deed.words) for deed in deeds
    ]
    out.console().print(out.table("", ("number", "when (UTC)", "who", "did", "contest", "to", "detail"), rows))


def moment(seconds: float | None, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """A time in UTC for people; "–" for none."""
    return "–" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime(form)


def people(db: DbOption = DEFAULT_LEDGER, json: JsonOption = False) -> None:
    """Who takes part: names, ids, roles, teams."""
    from guerdon.hosting import Actor, Host

    with Host.open(db, create=False) as host:
        found = host.people.list(Actor.local())
    if json:
        out.say_json([dataclasses.asdict(each) for each in found])
        return
    rows = [
        (each.name, each.id, each.role.value, each.team_name, moment(each.created), "shut out" if each.disabled else "")
        for each in found
    ]
    out.console().print(out.table("", ("name", "id", "role", "team", "since (UTC)", ""), rows))


def export(
    slug: SlugArgument,
    out_file: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")],
    format: Annotated[str, typer.Option(help="json, csv, or evalai: what its evaluators return.")] = "json",  # noqa: A002
    phase: PhaseOption = "",
    db: DbOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """Write a contest's submissions and boards; sealed phases are left out until they are revealed."""
    from guerdon.hosting import Actor, Host

    if not out_file.parent.is_dir():  # looked at first, so that the log tells of no export that was not written
        raise ConfigError("--out in a folder that is there", f"{out_file.parent} is not", "Make it first")
    with Host.open(db, create=False) as host:
        text = host.exports.text(Actor.local(), slug, format, phase)  # type: ignore[arg-type]  # it checks that itself
    try:
        out_file.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise ConfigError("a file that can be written", str(error), "Name another one with --out") from None
    if json:
        out.say_json({"file": str(out_file), "format": format, "bytes": len(text.encode())})
        return
    out.console().print(f"{out.clean(out_file)} ({format})", markup=False)


def data(
    person: PersonArgument,
    out_file: Annotated[Path, typer.Option("--out", "-o", help="A zip to write; must be new.")],
    db: DbOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """Everything that is kept of a person, in a zip to hand over."""
    from guerdon.hosting import Actor, Host

    with Host.open(db, create=False) as host:
        count = host.forgetting.write(Actor.local(), person, out_file)
    if json:
        out.say_json({"file": str(out_file), "submissions": count})
        return
    out.console().print(f"{out.clean(out_file)}: data.json and {count:,} submissions", markup=False)


def forget(
    person: PersonArgument,
    with_submissions: Annotated[
        bool, typer.Option("--with-submissions", help="Also what they handed in and chose; else it stays, nameless.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    db: DbOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """Forget a person for good: name, password, sessions, tokens, notes. See `guerdon contest data` first."""
    from guerdon.hosting import Actor, Host

    with Host.open(db, create=False) as host:
        found = host.people.named(person)
        what = "and all they handed in and chose" if with_submissions else "but not what they handed in and chose"
        if not yes and not typer.confirm(f"Forget {out.clean(found.name)} for good, {what}?", err=True):
            raise ConfigError("a yes", "it was not given", "Nothing was changed")
        done = host.forgetting.forget(Actor.local(), found.id, with_submissions=with_submissions)
    if json:
        out.say_json(dataclasses.asdict(done))
        return
    kept = "erased" if done.erased else "kept without a name"
    say = out.console().print
    say(f"forgotten; {done.submissions:,} submissions and {done.choices:,} choices {kept}", markup=False)
    if done.team_renamed:
        say("their team has another name now, as the old one told theirs", markup=False)
    if not done.clean:
        what = "traces may be left in the data base's files: PostgreSQL's vacuum clears them, an SQLite file is clean "
        say(what + "when this is run again while nothing else has it open", markup=False)
