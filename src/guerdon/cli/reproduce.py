"""guerdon reproduce: run a system's experiments and say what became of its claims."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from guerdon.cli import out
from guerdon.cli.common import DEFAULT_LEDGER, JsonOption, LedgerOption, WorkersOption, make_app

if TYPE_CHECKING:
    from rich.text import Text

COLOURS = {"supported": "bold green", "refuted": "bold red", "inconclusive": "bold yellow"}
MANY = 8
"""More seeds than this are shown by their range."""
ScaleOption = Annotated[
    Literal["smoke", "desk", "full"], typer.Option(help="smoke checks mechanics only; desk takes minutes on 2 cores.")
]


def app(name: str, _: list[str]) -> typer.Typer:
    """The command."""
    result = make_app()
    result.command(name)(reproduce)
    return result


def reproduce(
    slug: Annotated[str, typer.Argument(help="A system's slug, or FILE.py with EXPERIMENTS.")],
    scale: ScaleOption = "desk",
    seeds: Annotated[int | None, typer.Option(help="How many seeds, in place of those of the scale.")] = None,
    workers: WorkersOption = "processes:2",
    patience: Annotated[float, typer.Option(help="Hang guard of one job, in seconds.")] = 1800.0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Do all jobs again.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write an HTML page with figures there.")] = None,
    record: Annotated[bool, typer.Option("--record", help="Keep the verdicts for `guerdon systems`.")] = False,
    ledger: LedgerOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """Run a system's experiments and judge its claims: supported, refuted or inconclusive.

    Kill it at any moment and give the same command again: jobs that are done are not done again, unless the code
    they depend on has changed. A refuted claim is a result and no error; the exit code is 1 when faults kept a claim
    from its verdict.
    """
    from contextlib import ExitStack

    from guerdon.bench import reproduce as engine
    from guerdon.cli.solve import _progress
    from guerdon.ledger import Ledger

    source = engine.find(slug)
    with Ledger.open(ledger) as book, ExitStack() as bars:

        def listen(experiment: Any) -> Any:
            bars.close()
            return bars.enter_context(_progress(f"{source.slug} · {experiment.name}", quiet=json))

        document = engine.reproduce(
            source, book, scale=scale, seeds=seeds, workers=workers, fresh=fresh, patience_s=patience,
            on_progress=listen,
        )  # fmt: skip
    if report is not None:
        from guerdon.report.experiment import write

        write(document, report)
    kept = engine.record(source, document) if record else None
    if json:
        out.say_json(document)
    else:
        tell(document)
        _next(report, kept)
    if engine.blocked(document):
        raise typer.Exit(1)


def _next(report: Path | None, kept: Path | None) -> None:
    console = out.console()
    if kept is not None:
        console.print(f"recorded in {kept}", markup=False, soft_wrap=True)
    words = f"page: {report}" if report is not None else "Add --report PAGE.html for the figures."
    console.print(words, markup=False, soft_wrap=True)


def tell(document: dict[str, Any]) -> None:
    """Print a document: measures by arm and seed, faults, claims with their verdicts."""
    from rich.text import Text

    from guerdon.report.experiment import seeds

    console = out.console()
    for part in document["experiments"]:
        named = seeds(part["seeds"])
        head = Text.assemble((out.clean(f"{document['slug']} · {part['name']}"), "bold"))
        console.print(head.append(f"  {part['scale']} scale, seeds {named}"))
        if part["summary"]:
            console.print(out.clean(part["summary"]), markup=False)
        console.print(out.table("", ["arm", "measure", "mean", "by seed"], _measures(part)))
        for fault in part["faults"]:
            console.print(Text(out.clean(f"fault in {fault['arm']}, seed {fault['seed']}: {fault['detail']}"), "red"))
        tell_claims(part["claims"])
    if document["scale"] == "smoke":
        console.print("Smoke scale checks that everything works; its verdicts say nothing about the claims.")


def _measures(part: dict[str, Any]) -> list[list[str]]:
    from guerdon.report.curves import is_point

    rows = []
    for arm in part["arms"]:
        by_seed = part["measures"][arm]
        for name, mean in part["means"][arm].items():
            if is_point(name):
                continue  # of a curve, which the page draws
            each = [by_seed.get(str(seed), {}).get(name) for seed in part["seeds"]]
            rows.append([arm, name, out.figure(mean), _each(each)])
    return rows


def _each(values: list[float | None]) -> str:
    """A few values one by one, many as their range."""
    if len(values) <= MANY:
        return "  ".join(map(out.figure, values))
    known = [value for value in values if value is not None]
    missing = f", {len(values) - len(known)} unknown" if len(known) < len(values) else ""
    return f"{out.figure(min(known))} to {out.figure(max(known))}{missing}"


def tell_claims(claims: list[dict[str, Any]]) -> None:
    """Print claims with their verdicts, figures and rules."""
    from rich.padding import Padding

    console = out.console()
    for claim in claims:
        console.print(verdict_text(claim["verdict"]).append(f"  {out.clean(claim['statement'])}", "not bold default"))
        for line in claim_lines(claim):
            console.print(Padding(out.clean(line), (0, 0, 0, 4)), markup=False)


def claim_lines(claim: dict[str, Any]) -> list[str]:
    """What there is to say of a claim below its statement."""
    if "of" in claim:
        return [claim["reason"]]
    lines = []
    if claim["estimate"] is not None:
        ends = "" if claim["low"] is None else f", 95 % interval {claim['low']:.3g} to {claim['high']:.3g}"
        lines.append(f"{claim['effect']}: {claim['estimate']:.3g}{ends} ({claim['method']})")
    lines.append(f"{claim['reason']}; supported if {claim['rule']}; refuted if {claim['refuted_if']}")
    told = [f"expected: {claim['expected']}"] if claim["expected"] else []
    told += [f"source: {claim['source']}"] if claim["source"] else []
    return lines + (["; ".join(told)] if told else [])


def verdict_text(word: str) -> Text:
    """A verdict in its colour."""
    from rich.text import Text

    return Text(word, style=COLOURS.get(word, ""))
