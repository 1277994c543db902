"""guerdon list, show, report: what a ledger says of its runs."""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from guerdon.cli import out
from guerdon.cli.common import DEFAULT_LEDGER, ChallengeOption, JsonOption, LedgerOption, RunArgument, make_app
from guerdon.core.plain import Blob
from guerdon.ledger import Ledger, RunRow, views

if TYPE_CHECKING:
    from guerdon.bench.showing import Showing
COLOURS = {"done": "green", "running": "cyan", "interrupted": "yellow", "failed": "red"}


def app(name: str, _: list[str]) -> typer.Typer:
    """The command of this name."""
    commands: dict[str, Callable[..., None]] = {"list": list_runs, "show": show, "report": report}
    result = make_app()
    result.command(name)(commands[name])
    return result


def list_runs(
    challenge: Annotated[str | None, typer.Argument(help="Only runs on this challenge.")] = None,
    ledger: LedgerOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """The runs in a ledger, newest first."""
    with Ledger.open(ledger, create=False) as book:
        runs = sorted(book.runs(challenge), key=lambda row: row.created, reverse=True)
        found: list[dict[str, Any]] = [
            {
                "run": row.id, "challenge": row.challenge, "split": row.split, "solver": row.solver, "seed": row.seed,
                "status": row.status, "created": row.created, "attempts": int(book.spent(row.id).get("attempts", 0)),
            }
            for row in runs
        ]  # fmt: skip
    if json:
        out.say_json(found)
        return
    if not found:
        out.console().print(f"No runs in {ledger}. Begin with: guerdon solve CHALLENGE --solver SOLVER", markup=False)
        return
    columns = ["run", "challenge", "solver", "seed", "status", "attempts", "begun"]
    rows = [
        [r["run"], _place(r), r["solver"], str(r["seed"]), _status(r["status"]), r["attempts"], _when(r["created"])]
        for r in found
    ]
    out.console().print(out.table("", columns, rows))


def _place(row: dict[str, Any]) -> str:
    return str(row["challenge"]) if row["split"] == "main" else f"{row['challenge']}/{row['split']}"


def _when(created: float) -> str:
    return time.strftime("%d %b %H:%M", time.localtime(created))


def show(
    run: RunArgument = "last",
    top: Annotated[int, typer.Option(help="How many of the best answers to show.")] = 5,
    challenge: ChallengeOption = None,
    ledger: LedgerOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """One run: figures, best answers, faults."""
    with Ledger.open(ledger, create=False) as book:
        row = book.run(run)
        found = summary(book, row.id, top, _showing(book, row, challenge))
    if json:
        out.say_json(found)
    else:
        tell_summary(found)


def report(
    runs: Annotated[
        list[str] | None, typer.Argument(help="One run, or several to compare; the last by default.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to write the page.")] = None,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show scores of aggregate and sealed splits.")] = False,
    challenge: ChallengeOption = None,
    ledger: LedgerOption = DEFAULT_LEDGER,
    json: JsonOption = False,
) -> None:
    """One self-contained HTML page about one or several runs."""
    from guerdon.report import write

    with Ledger.open(ledger, create=False) as book:
        names = [book.run(name).id for name in runs or ["last"]]
        target = output or Path(f"guerdon-{'-'.join(names[:3])}.html")
        views = {name: _showing(book, book.run(name), challenge) for name in names}
        path = write(book, names, target, reveal=reveal, views=views)
        why_not = [view.why_not for view in views.values() if view.why_not and challenge]
    if json:
        out.say_json({"runs": names, "path": str(path.resolve())})
    else:
        out.console().print(f"Wrote {path}. Open it: file://{path.resolve()}", markup=False, soft_wrap=True)
        for reason in why_not:
            out.console().print(f"Without pictures: {out.clean(reason)}", markup=False, soft_wrap=True)


def _showing(book: Ledger, row: RunRow, challenge: str | None) -> Showing:
    from guerdon.bench.showing import Showing, from_file

    return Showing(book, row, from_file(challenge, row) if challenge else None)


def summary(book: Ledger, run: str, top: int = 5, view: Showing | None = None) -> dict[str, Any]:
    """Everything `show` says of a run, as plain data."""
    row = book.run(run)
    found: dict[str, Any] = {
        "run": run,
        "challenge": row.challenge,
        "split": row.split,
        "visibility": row.visibility,
        "solver": row.solver,
        "seed": row.seed,
        "status": row.status,
        "tasks": row.recipe.get("tasks"),
        "spent": dict(book.spent(run)),
        "faults": [_fault(fault) for fault in views.faults(book, run)],
    }
    if row.visibility != "open":
        return found
    entry = next((e for e in views.leaderboard(book, row.challenge, row.split) if e.run == run), None)
    if entry is not None and entry.mean is not None:
        found["mean_best"] = {"value": entry.mean, "low": entry.low, "high": entry.high, "tasks": entry.tasks}
    top_score = row.recipe.get("top")
    found["at_top"] = None if top_score is None else len(_at_top(book, run, top_score))
    found["pass_at_k"] = _pass_at_k(book, run) if row.recipe.get("independent") and row.recipe.get("top") == 1.0 else []
    found["best"] = [
        {
            "task": a.answer.task, "score": v.score.value, "parts": dict(v.score.parts), "attempt": a.id,
            "answer": plain(a.answer.content),
            "landmarks": [dataclasses.asdict(mark) for mark in view.landmarks(a.answer.task)] if view else [],
        }
        for a, v in views.best(book, run, top)
    ]  # fmt: skip
    return found


def _fault(fault: views.FaultCount) -> dict[str, Any]:
    example = fault.examples[0] if fault.examples else ("", "", "")
    return {"kind": fault.kind, "whose": fault.whose, "count": fault.count, "task": example[1], "example": example[2]}


def _at_top(book: Ledger, run: str, top: Any) -> set[str]:
    values = ((a.answer.task, v.score.value) for a, v in book.judged(run) if v is not None)
    return {task for task, value in values if value is not None and value >= top}


def _pass_at_k(book: Ledger, run: str) -> list[dict[str, Any]]:
    """pass@k for 1, the powers of ten, and the most answers that every task has."""
    answers = Counter(attempt.answer.task for attempt, _ in book.judged(run))
    most = min(answers.values(), default=0)
    ks = sorted({1, most, *(k for k in (10, 100, 1000) if k < most)} - {0}) if most else []
    rows = views.pass_at_k(book, run, ks) if ks else []
    return [{"k": r.k, "value": r.value, "low": r.low, "high": r.high, "tasks": r.tasks} for r in rows if r.tasks]


def plain(content: Any) -> Any:
    """An answer's content as JSON."""
    return content.plain() if isinstance(content, Blob) else content


def tell_summary(found: dict[str, Any]) -> None:
    """Print what `summary` found."""
    from rich.text import Text

    console = out.console()
    head = Text.assemble((out.clean(f"{found['challenge']}/{found['split']} · {found['solver']}"), "bold"), "  run ")
    head.append_text(Text(found["run"], style="cyan")).append("  ").append_text(_status(found["status"]))
    console.print(head)
    console.print(out.spent_line(found["spent"]), markup=False)
    if found.get("mean_best"):
        mean = found["mean_best"]
        tried = f"mean best score {mean['value']:.3f}{interval(mean)} over the {mean['tasks']} tried"
        reached = f"{found['at_top']} of {found['tasks']} tasks at the top; " if found["at_top"] is not None else ""
        console.print(reached + tried, markup=False)
    for item in found.get("pass_at_k", []):
        whom = f"over the {item['tasks']} tasks with {item['k']} answers or more"
        console.print(f"pass@{item['k']} {item['value']:.3f}{interval(item)} {whom}", markup=False)
    for item in found.get("best", []):
        score = (f"{out.figure(item['score']):>6} ", "green")
        console.print(Text.assemble(score, (out.clean(item["task"]), "bold"), f"  {short(item['answer'])}"))
    firsts = {item["task"]: item for item in reversed(found.get("best", []))}
    for item in firsts.values():
        if item["landmarks"]:
            _tell_landmarks(console, item)
    if found["faults"]:
        rows = [[f["kind"], f["whose"], f["count"], short(f["example"])] for f in found["faults"]]
        console.print(
            out.table("Faults (no score; not counted as zero)", ["kind", "whose", "count", "for example"], rows)
        )


def _tell_landmarks(console: Any, item: dict[str, Any]) -> None:
    """The best of this run beside published values."""
    measures = list(dict.fromkeys(mark["measure"] for mark in item["landmarks"]))
    rows = [["this run, verified", name or "score", precise(_measured(item, name)), ""] for name in measures]
    marks = item["landmarks"]
    rows += [[m["name"], m["measure"] or "score", precise(m["value"]), m["source"]] for m in marks]
    console.print(out.table(f"{item['task']}, beside published values", ["whose", "measure", "value", "source"], rows))


def _measured(item: dict[str, Any], name: str) -> float | None:
    value: float | None = item["parts"].get(name) if name else item["score"]
    return value


def precise(value: float | None) -> str:
    """A number with nine digits, for values whose last digits are what matters."""
    return "–" if value is None else f"{value:,.9g}"


def interval(row: dict[str, Any]) -> str:
    """The interval of a figure, if it has one."""
    return "" if row["low"] is None else f" (95 % interval {row['low']:.3f} to {row['high']:.3f})"


def short(content: Any, width: int = 90) -> str:
    """An answer on one line."""
    text = content.get("code", content.get("value", content)) if isinstance(content, dict) else content
    line = " ".join(out.clean(text if isinstance(text, str) else repr(text)).split())
    return line if len(line) <= width else line[: width - 1] + "…"


def _status(status: str) -> Any:
    from rich.text import Text

    return Text(status, style=COLOURS.get(status, ""))
