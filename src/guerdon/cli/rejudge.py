"""guerdon rejudge: verdicts can be recomputed; the old ones stay."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from guerdon.cli import out
from guerdon.cli.common import DEFAULT_LEDGER, JsonOption, LedgerOption, RunArgument, WorkersOption, make_app
from guerdon.core.errors import ConfigError


def app(name: str, _: list[str]) -> typer.Typer:
    """The command."""
    result = make_app()
    result.command(name)(rejudge)
    return result


def rejudge(
    run: RunArgument = "last",
    which: Annotated[str, typer.Option(help="host-faults, faults, or all.")] = "host-faults",
    data: Annotated[str, typer.Option(help="Where the challenge's data is now, if it has moved.")] = "",
    reason: Annotated[str, typer.Option(help="Recorded with each new verdict.")] = "",
    workers: WorkersOption = "inline",
    ledger: LedgerOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """Judge recorded attempts again, with the same challenge. Views take the newest verdict; none is erased."""
    from guerdon.bench import rejudge as bench
    from guerdon.ledger import Ledger

    if which not in ("host-faults", "faults", "all"):
        raise ConfigError("--which is host-faults, faults or all", f"got {which!r}", "Pick one")
    with Ledger.open(ledger, create=False) as book:
        row = book.run(run)
        challenge = rebuild(dict(row.recipe)["challenge"], data)
        chosen: Literal["host-faults", "faults", "all"] = which  # type: ignore[assignment]
        count = bench.rejudge(book, row.id, challenge, which=chosen, reason=reason, workers=workers)
    if json:
        out.say_json({"run": row.id, "judged_again": count})
    else:
        out.console().print(f"{count} attempts of {row.id} judged again", markup=False)


def rebuild(plain: Any, data: str) -> Any:
    """A challenge from its recorded recipe."""
    from guerdon.bench.loading import resolve

    kind = resolve(plain["kind"])
    fields = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in plain.items()
        if name not in ("kind", "fingerprint")
    }
    if data:
        fields["data"] = data
    challenge = kind(**fields)
    expected = plain.get("fingerprint")
    if expected is not None and challenge.fingerprint() != expected:
        raise ConfigError(
            "the data that the run was made with", "its digest is another one", "Say where it is with --data PATH"
        )
    return challenge
