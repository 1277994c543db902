"""A contest on its way elsewhere: its submissions and boards as JSON or CSV, or its results as EvalAI writes them.

A sealed phase is left out until it is revealed, for organisers too. A team is named, a person is not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from guerdon.core.challenge import Visibility
from guerdon.core.errors import did_you_mean
from guerdon.hosting.board import Boards
from guerdon.hosting.contests import Contests
from guerdon.hosting.errors import HostingError
from guerdon.hosting.files.tables import write_table
from guerdon.hosting.may import Action, ensure, may
from guerdon.hosting.records import Records, phase_key
from guerdon.hosting.store import Store
from guerdon.hosting.things import Actor, Contest, Phase, State, Submission

Format = Literal["json", "csv", "evalai"]
EVALAI: Mapping[State, str] = {
    State.QUEUED: "submitted", State.LEASED: "running", State.DONE: "finished", State.FAULT: "failed",
    State.CANCELLED: "cancelled",
}  # fmt: skip
"""What EvalAI calls a state."""
_COLUMNS = ("phase", "number", "submission", "team", "created", "state", "final", "score", "low", "high", "fault")
Row = dict[str, Any]


class Exports:
    """Writes contests down."""

    def __init__(self, store: Store, contests: Contests, records: Records, boards: Boards) -> None:
        self._store, self._contests, self._records, self._boards = store, contests, records, boards

    def text(self, actor: Actor, contest: str, format: Format = "json", phase: str = "") -> str:  # noqa: A002
        """A contest as a text; it is in the log that it was taken.

        Args:
            actor: an organiser.
            contest: slug.
            format: "json" (phases with their boards and submissions), "csv" (a line for each submission, which no
                spreadsheet takes for a formula), or "evalai" (for each submission what an EvalAI evaluator returns:
                `result`, `submission_result`, `submission_metadata`).
            phase: only this one.

        Returns:
            JSON in ASCII, or CSV. Of an aggregate phase that is not revealed it holds the exact scores: keep it.

        Raises:
            HostingError: there is no such format.
        """
        found = self._contests.get(actor, contest)
        ensure(actor, Action.RUN_CONTEST, found)
        if format not in get_args(Format):
            do = did_you_mean(str(format)[:40], get_args(Format))
            raise HostingError("a format for contests", f"got {str(format)!r:.40}", do)
        wanted = [found.phase(phase)] if phase else list(found.phases)
        told = [each for each in wanted if each.revealed or each.visibility is not Visibility.SEALED]
        rows = {each.name: self._rows(actor, found, each) for each in told}
        self._store.write(lambda to: to.record(actor.person, "export", found.slug, phase, format=format))
        if format == "csv":
            return _csv([row for each in told for row in rows[each.name]])
        if format == "evalai":
            return _dumped([_evalai(row, each) for each in told for row in rows[each.name]])
        left_out = [each.name for each in wanted if each not in told]
        return _dumped(self._document(actor, found, told, rows, left_out))

    def _rows(self, actor: Actor, contest: Contest, phase: Phase) -> list[Row]:
        where = "c.id = ? AND s.phase = ? ORDER BY s.number"
        return [
            self._row(actor, item, contest, phase)
            for item, _, _ in self._records.bare(where, phase_key(contest, phase))
        ]

    def _row(self, actor: Actor, item: Submission, contest: Contest, phase: Phase) -> Row:
        told = item.state is State.DONE and may(actor, Action.SEE_SCORE, item)
        score = self._records.score(contest, phase, item.number) if told else None
        return {
            "phase": phase.name,
            "number": item.number,
            "submission": item.id,
            "team": item.team_name,
            "created": _moment(item.created),
            "state": item.state.value,
            "final": item.final,
            "score": None if score is None else score.value,
            "low": None if score is None else score.low,
            "high": None if score is None else score.high,
            "fault": None if item.fault is None else item.fault.sentence,
            "parts": {} if score is None else dict(score.parts),
        }

    def _document(
        self, actor: Actor, contest: Contest, phases: list[Phase], rows: Mapping[str, list[Row]], left_out: list[str]
    ) -> dict[str, Any]:
        return {
            "contest": contest.slug,
            "title": contest.title,
            "rules": contest.rules,
            "created": _moment(contest.created),
            "left_out_until_revealed": left_out,
            "phases": [
                {
                    "name": phase.name,
                    "split": phase.split,
                    "visibility": None if phase.visibility is None else phase.visibility.value,
                    "revealed": phase.revealed,
                    "opens": _moment(phase.opens),
                    "closes": _moment(phase.closes),
                    "limits": asdict(phase.limits),
                    "board": [_line(row) for row in self._boards.board(contest.slug, phase.name, actor).rows],
                    "submissions": rows[phase.name],
                }
                for phase in phases
            ],
        }


def _line(row: Any) -> Row:
    names = ("rank", "group", "team_name", "value", "low", "high", "entries", "submission")
    return {**{name: getattr(row, name) for name in names}, "parts": dict(row.parts)}


def _csv(rows: list[Row]) -> str:
    parts = sorted({name for row in rows for name in row["parts"]} - {"low", "high"})
    lines = [[*(_cell(row[name]) for name in _COLUMNS), *(_cell(row["parts"].get(name)) for name in parts)]
             for row in rows]  # fmt: skip
    return write_table([*_COLUMNS, *parts], lines)


def _cell(value: object) -> object:
    return "" if value is None else ("yes" if value else "no") if isinstance(value, bool) else value


def _evalai(row: Row, phase: Phase) -> Row:
    """A submission as EvalAI's evaluators return it: the phase's split, and its metrics by name."""
    metrics = {name: value for name, value in row["parts"].items() if name not in ("low", "high")}
    if row["score"] is not None and not {row["score"], -row["score"]} & set(metrics.values()):
        metrics = {"score": row["score"], **metrics}
    kept = ("submission", "number", "created", "state", "final", "fault")
    return {
        "phase": phase.name,
        "participant_team": row["team"],
        "status": EVALAI[State(row["state"])],
        "result": [{phase.split: metrics}] if metrics else [],
        "submission_result": metrics,
        "submission_metadata": {name: row[name] for name in kept},
    }


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _dumped(value: object) -> str:
    return json.dumps(value, indent=2, allow_nan=False) + "\n"
