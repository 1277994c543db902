"""guerdon rejudge: verdicts can be recomputed; the old ones stay."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from guerdon.cli import out
from guerdon.cli.common import (
    DEFAULT_LEDGER,
    ChallengeOption,
    JsonOption,
    LedgerOption,
    RunArgument,
    WorkersOption,
    make_app,
)
from guerdon.core.errors import ConfigError


def app(name: str, _: list[str]) -> typer.Typer:
    """The command."""
    result = make_app()
    result.command(name)(rejudge)
    return result


def rejudge(
    run: RunArgument = "last",
    which: Annotated[str, typer.Option(help="host-faults, faults, or all.")] = "host-faults",
    reward: Annotated[str, typer.Option(help="Another judge than the challenge's: module:NAME or FILE.py:NAME.")] = "",
    challenge: ChallengeOption = None,
    data: Annotated[str, typer.Option(help="Where the challenge's data is now, if it has moved.")] = "",
    reason: Annotated[str, typer.Option(help="Recorded with each new verdict.")] = "",
    workers: WorkersOption = "inline",
    ledger: LedgerOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """Judge recorded attempts again, with the same challenge. Views take the newest verdict; none is erased.

    With another judge, say --which all; a run that goes on is still told what its own judge said.
    """
    from guerdon.bench import rejudge as bench
    from guerdon.bench.loading import rebuilt, reward_named
    from guerdon.bench.showing import from_file
    from guerdon.ledger import Ledger

    if which not in ("host-faults", "faults", "all"):
        raise ConfigError("--which is host-faults, faults or all", f"got {which!r}", "Pick one")
    with Ledger.open(ledger, create=False) as book:
        row = book.run(run)
        posed = from_file(challenge, row) if challenge else rebuilt(row.recipe["challenge"], data)  # type: ignore[arg-type]
        chosen: Literal["host-faults", "faults", "all"] = which  # type: ignore[assignment]
        judge = reward_named(reward) if reward else None
        count = bench.rejudge(book, row.id, posed, judge=judge, which=chosen, reason=reason, workers=workers)
    if json:
        out.say_json({"run": row.id, "judged_again": count})
    else:
        out.console().print(f"{count} attempts of {row.id} judged again", markup=False)
