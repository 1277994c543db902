"""guerdon rejudge: verdicts can be recomputed; the old ones stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

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

if TYPE_CHECKING:
    from guerdon.core.challenge import Challenge
    from guerdon.ledger import Ledger, RunRow


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
    from guerdon.bench.loading import reward_named
    from guerdon.ledger import Ledger

    if which not in ("host-faults", "faults", "all"):
        raise ConfigError("--which is host-faults, faults or all", f"got {which!r}", "Pick one")
    with Ledger.open(ledger, create=False) as book:
        row = book.run(run)
        judge = reward_named(reward) if reward else None
        posed = _posed(book, row, challenge, data, keyless=judge is not None)
        chosen: Literal["host-faults", "faults", "all"] = which  # type: ignore[assignment]
        count = bench.rejudge(book, row.id, posed, judge=judge, which=chosen, reason=reason, workers=workers)
    if json:
        out.say_json({"run": row.id, "judged_again": count})
    else:
        out.console().print(f"{count} attempts of {row.id} judged again", markup=False)


def _posed(book: Ledger, row: RunRow, file: str | None, data: str, *, keyless: bool) -> Challenge:
    """What the run was about: from a file, from its recipe, or, where it came from a log, what was asked."""
    from guerdon.bench.loading import rebuilt
    from guerdon.bench.showing import Recorded, from_file

    if file:
        return from_file(file, row)
    plain: Any = row.recipe["challenge"]
    return Recorded(book, row) if keyless and "kind" not in plain else rebuilt(plain, data)
