"""The page: what was gathered, laid out by templates that escape everything."""

from __future__ import annotations

import base64
import functools
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from guerdon.core.errors import ConfigError
from guerdon.report import commands, text
from guerdon.report.estimates import standings
from guerdon.report.figures import figures, names, ranking, whose_fault
from guerdon.report.gather import gather
from guerdon.report.model import Ancestor, RunReport, TaskLine, View

if TYPE_CHECKING:
    from jinja2 import Environment

    from guerdon.core.challenge import Landmark, Picture
    from guerdon.ledger import Ledger

SHOWN = 200
"""Most tasks listed of one run, or of all runs side by side together."""
FEWEST = 20
"""But so many of each run in any case."""
LETTERS = 6000
"""Most characters shown of one answer."""
PAGE = 500_000
"""Most bytes of answers on one page."""
PICTURED = 8
"""Most tasks of one run whose best answer is drawn."""
PICTURES = 8_000_000
"""Most bytes of pictures on one page."""
RUNS = 24
"""Most runs on one page: as many as there are different lines."""

STATUS = {
    "done": ("done", "good"),
    "interrupted": ("interrupted: the same command goes on", "warn"),
    "failed": ("failed: the same command tries again from there", "bad"),
    "running": ("running; if its process is gone, the same command goes on", "info"),
}


@dataclass(frozen=True, slots=True)
class Card:
    """A key figure: its name, the figure, what goes with it, and a tone (good, warn, bad or nothing)."""

    name: str
    value: str
    note: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class AnswerView:
    """An answer as shown."""

    kind: str
    text: str
    cut: int


@dataclass(frozen=True, slots=True)
class PictureView:
    """A picture as shown: its caption, and its bytes as a data address."""

    caption: str
    address: str


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task as shown, with its best answer while there is room on the page."""

    line: TaskLine
    answer: AnswerView | None
    lineage: tuple[Ancestor, ...]
    pictures: tuple[PictureView, ...] = ()
    landmarks: tuple[Landmark, ...] = ()


def render(
    ledger: Ledger,
    run_ids: Sequence[str],
    *,
    title: str | None = None,
    reveal: bool = False,
    views: Mapping[str, View] | None = None,
) -> str:
    """A page on one run, or on several runs of one challenge side by side. The same ledger gives the same page.

    Args:
        ledger: where the runs are recorded.
        run_ids: their ids, or unambiguous beginnings of them.
        title: of the page; by default the challenge and the solver.
        reveal: show scores of single answers on splits that are not open.
        views: by run id, what its challenge can show beside the figures: pictures and published values.

    Returns:
        HTML text that needs nothing else: no script, no font, no picture from elsewhere.

    Raises:
        LedgerError: there is no such run.
        ConfigError: no run is named, or too many, or they are of different challenges or splits.
    """
    if not 0 < len(run_ids) <= RUNS:
        raise ConfigError(f"a report is on 1 to {RUNS} runs", f"got {len(run_ids)}", "Name the runs to compare")
    reports = [gather(ledger, name, reveal=reveal) for name in dict.fromkeys(ledger.run(n).id for n in run_ids)]
    _check_same(reports)
    several = len(reports) > 1
    lines = standings(reports) if several and not any(report.hidden for report in reports) else []
    where = commands.place(ledger.url)
    labels = names(reports)
    room = _Room(PAGE // len(reports), PICTURES // len(reports))
    shown = max(SHOWN // len(reports), FEWEST)
    context = {
        "title": title or _title(reports),
        "reports": reports,
        "labels": labels,
        "several": several,
        "status": STATUS,
        "cards": [_cards(report) for report in reports],
        "standings": [(line, labels[i], i) for line in lines for i, r in enumerate(reports) if r is line.report],
        "judges": len({report.row.judge for report in reports}),
        "ranking": ranking(reports, lines) if lines else None,
        "recipes": ["" if commands.from_log(report.row) else commands.toml(report.row) for report in reports],
        "figures": figures(reports),
        "tasks": [_tasks(report, room.again(), shown, (views or {}).get(report.row.id)) for report in reports],
        "matrix": _matrix(reports) if several else [],
        "commands": [commands.commands(report.row, where) for report in reports],
        "compare": commands.compare([report.row for report in reports], where),
        "shown": SHOWN,
        "t": text,
        "whose": whose_fault,
    }
    return _environment().get_template("page.html.jinja").render(context)


def write(
    ledger: Ledger,
    run_ids: Sequence[str],
    path: str | Path,
    *,
    title: str | None = None,
    reveal: bool = False,
    views: Mapping[str, View] | None = None,
) -> Path:
    """Write the page of `render` to a file, whole or not at all.

    Returns:
        The path written.
    """
    page = render(ledger, run_ids, title=title, reveal=reveal, views=views)
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".report-", suffix=".html", dir=target.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(page)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return target


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _check_same(reports: Sequence[RunReport]) -> None:
    kinds = {(report.row.challenge, report.row.split) for report in reports}
    if len(kinds) > 1:
        got = ", ".join(sorted(f"{text.line(challenge, 40)}/{text.line(split, 40)}" for challenge, split in kinds))
        raise ConfigError("runs side by side are of one challenge and split", f"got {got}", "Make a page for each")


def _title(reports: Sequence[RunReport]) -> str:
    row = reports[0].row
    challenge = text.line(row.challenge, 80)
    return f"{challenge}: {len(reports)} runs" if len(reports) > 1 else f"{challenge}, by {text.line(row.solver, 80)}"


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("guerdon.report"),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = files(__package__).joinpath("templates", "style.css").read_text(encoding="utf-8")
    environment.globals["style"] = Markup(style)  # a file of this package
    return environment


def _shown(value: Any) -> Any:
    """What any expression in a template becomes before it is escaped."""
    if value is None:
        return text.UNKNOWN
    return text.visible(value) if type(value) is str else value


# ── key figures ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _cards(report: RunReport) -> list[Card]:
    totals, row = report.totals, report.row
    cards = [*_score_cards(report), Card("Attempts", text.count(totals.attempts), _limit(report, "attempts"))]
    if totals.faults is None:
        cards.append(Card("Faults", "hidden"))
    else:
        seen = totals.attempts - totals.waiting
        note = f"{text.count(totals.faults)} attempts without a score"
        host = sum(group.count for group in report.faults if group.whose == "host")
        note += f", {text.count(host)} by the host" if host else ""
        cards.append(Card("Faults", text.percent(totals.faults, seen), note, "warn" if host else ""))
    if totals.waiting:
        cards.append(Card("Not judged yet", text.count(totals.waiting), "attempts without a verdict", "warn"))
    cards.append(Card("Time", text.duration(totals.seconds), _limit(report, "seconds") or "wall clock"))
    if totals.tokens is None:
        cards.append(Card("Tokens", text.UNKNOWN, "no answer reports any"))
    else:
        cards.append(Card("Tokens", text.count(totals.tokens), _limit(report, "tokens") or "language model"))
    if totals.sandbox_seconds is None:
        note = "no verdict names a sandbox" if totals.steps and not any(report.sandboxes) else ""
        cards.append(Card("Sandbox time", text.UNKNOWN, note))
    else:
        cards.append(Card("Sandbox time", text.duration(totals.sandbox_seconds), "summed over workers"))
    if totals.frames or "frames" in row.budget:
        cards.append(Card("Frames", text.count(totals.frames), _limit(report, "frames") or "steps of the world"))
    return cards


def _score_cards(report: RunReport) -> list[Card]:
    mean = report.mean
    if report.hidden:
        shown = [Card("Best score", "hidden", f"the split is {report.row.visibility}")]
        if mean.value is not None:
            shown.append(Card("Mean best score", text.number(mean.value), "over tasks tried, rounded"))
        return shown
    of = report.totals.tasks or report.totals.tried
    interval = text.interval(mean.low, mean.high)
    cards = []
    if report.at_top is not None:
        note = f"score {text.number(report.top)} or more"
        note += "; the recipe names no range, 1 is taken as the highest" if report.top_from == "range" else ""
        tone = "good" if of and report.at_top == of else ""
        cards.append(Card("Tasks at the top", f"{text.count(report.at_top)} of {text.count(of)}", note, tone))
    cards.append(Card("Best score", text.number(report.best), "of all answers"))
    tried = report.totals.tried
    over = "over all tasks" if tried == report.totals.tasks else f"over {text.count(tried)} tasks tried"
    cards.append(Card("Mean best score", text.number(mean.value), f"{over}; 95 %: {interval}" if interval else over))
    return cards


def _limit(report: RunReport, name: str) -> str:
    limit = report.row.budget.get(name)
    if not isinstance(limit, (int, float)):
        return ""
    return f"of {text.duration(float(limit)) if name == 'seconds' else text.count(limit)} allowed"


# ── tasks and answers ───────────────────────────────────────────────────────────────────────────────────────────────


class _Room:
    """Bytes left on the page for answers, counted as escaped, and for pictures."""

    def __init__(self, size: int, pictures: int) -> None:
        self._size = self._left = size
        self._pictures = self._pictures_left = pictures

    def again(self) -> _Room:
        """As much room again, for the next run."""
        return _Room(self._size, self._pictures)

    def draw(self, pictures: Sequence[Picture]) -> tuple[PictureView, ...]:
        """As many pictures as there is room for."""
        views = []
        for picture in pictures:
            if len(picture.data) <= self._pictures_left:
                self._pictures_left -= len(picture.data)
                address = f"data:{picture.media};base64,{base64.b64encode(picture.data).decode('ascii')}"
                views.append(PictureView(text.line(picture.caption, 300), address))
        return tuple(views)

    def show(self, line: TaskLine) -> AnswerView | None:
        """As much of an answer as there is room for; `None` when there is none left."""
        if line.answer is None:
            return None
        kind, whole = text.content(line.answer.content)
        part = whole[:LETTERS]
        while part and len(escape(text.visible(part)).encode("utf-8")) > self._left:
            part = part[: len(part) // 2]
        if whole and not part:
            return None
        self._left -= len(escape(text.visible(part)).encode("utf-8"))
        return AnswerView(kind, part, len(whole) - len(part))


def _tasks(report: RunReport, room: _Room, most: int, view: View | None) -> list[TaskView]:
    order = sorted(report.tasks, key=lambda line: (line.best is None, -(line.best or 0.0)))
    views = [TaskView(line, room.show(line), line.lineage) for line in order[:most]]
    if view is None:
        return views
    drawn = [
        replace(item, pictures=room.draw(view.pictures(item.line.answer)), landmarks=(*view.landmarks(item.line.task),))
        for item in views[:PICTURED]
        if item.line.answer is not None
    ]
    return drawn + views[len(drawn) :]


def _matrix(reports: Sequence[RunReport]) -> list[tuple[str, list[TaskLine | None]]]:
    """Best scores by task and run, tasks on which the runs differ most first."""
    by_run = [{line.task: line for line in report.tasks} for report in reports]
    tasks = list(dict.fromkeys(line.task for report in reports for line in report.tasks))

    def spread(task: str) -> tuple[int, float]:
        bests = [lines[task].best for lines in by_run if task in lines]
        known = [best for best in bests if best is not None]
        missing = len(reports) - len(known)
        return (-int(0 < missing < len(reports)), -(max(known) - min(known)) if known else 0.0)

    return [(task, [lines.get(task) for lines in by_run]) for task in sorted(tasks, key=spread)]
