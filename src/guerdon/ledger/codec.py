"""Rows to columns and back. Everything stored is ASCII, so hostile text passes through any data base unharmed."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any, TypeVar

from guerdon.core.errors import LedgerError
from guerdon.core.plain import MAX_DEPTH, Blob, canonical, not_plain
from guerdon.core.preference import Choice
from guerdon.core.score import Fault, Score
from guerdon.core.task import Answer, Task
from guerdon.ledger.rows import AttemptRow, ChoiceRow, RunRow, StepRow, VerdictRow

Columns = Sequence[Any]
Row = TypeVar("Row")
loads = json.loads

ATTEMPT = "a.id, r.id, a.step, a.place, a.task, a.content, a.blob, a.parents, a.note, a.seq"
VERDICT = (
    "v.id, a.id, v.judge, v.value, v.fault, v.whose, v.score, v.sandbox, v.seconds, v.reason, v.superseded, "
    "v.created, v.seq"
)
RUN = "id, challenge, split, visibility, solver, judge, seed, budget, recipe, versions, created, status"
STEP = "r.id, s.step, s.seconds, s.tokens, s.sandbox_seconds, s.frames, s.checkpoint, s.note"
CHOICE = "c.id, r.id, c.step, c.place, c.task, c.left_id, c.right_id, c.outcome, c.choice, c.annotator, c.seq"


def pack(text: str) -> str:
    r"""Text as stored: itself if it is plain printable ASCII, else its JSON form, which starts with a quote.

    >>> print(pack("grid/3"), pack("a\x00b"))
    grid/3 "a\u0000b"
    """
    return text if text.isascii() and text.isprintable() and text[:1] != '"' else _quoted(text)


def unpack(stored: str) -> str:
    """What `pack` was given."""
    return str(json.loads(stored)) if stored[:1] == '"' else stored


def plain(value: Any) -> str:
    """Canonical JSON, refused when nested so deep that it might not be read again.

    Raises:
        ValueError: not plain data.
    """
    if type(value) is str:
        return _quoted(value)
    text = canonical(value)
    if text.count("[") + text.count("{") > MAX_DEPTH and (why := not_plain(value)):
        raise ValueError(why)
    return text


def finite(value: float, name: str) -> float:
    """The number, with -0.0 as 0.0 (which SQLite would make of it anyway).

    Raises:
        ValueError: not finite.
    """
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value}")
    return float(value) + 0.0


def whole(value: int, name: str) -> int:
    """A count or a place, as far as a data base can hold it.

    Raises:
        ValueError: it is not.
    """
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{name} is {value!r:.40}")
    return value


def encoded(kind: str, rows: Sequence[Row], encode: Callable[[Row], Columns]) -> list[Columns]:
    """Encode rows, naming the one that cannot be recorded.

    Raises:
        LedgerError: a row holds what is not plain data.
    """
    try:
        return [encode(row) for row in rows]
    except (ValueError, TypeError):
        return [_one(kind, row, encode) for row in rows]


def _one(kind: str, row: Row, encode: Callable[[Row], Columns]) -> Columns:
    try:
        return encode(row)
    except (ValueError, TypeError) as error:
        name = getattr(row, "id", None) or f"step {getattr(row, 'step', '?')}"
        raise LedgerError(
            "what is recorded is plain JSON data with finite numbers",
            f"{kind} {name}: {error}",
            "Convert it to None, bool, int, float, str, list or dict before handing it in",
        ) from None


def run_columns(row: RunRow) -> Columns:
    """Columns of `runs`."""
    names = (row.id, row.challenge, row.split, row.visibility, row.solver, row.judge, str(int(row.seed)))
    documents = (plain(row.budget), plain(row.recipe), plain(row.versions))
    return (*map(pack, names), *documents, finite(row.created, "created"), pack(row.status))


def run_row(columns: Columns) -> RunRow:
    """A run, from the columns named in RUN."""
    key, challenge, split, visibility, solver, judge = map(unpack, columns[:6])
    budget, recipe, versions = map(json.loads, columns[7:10])
    status: Any = unpack(columns[11])
    identity = (key, challenge, split, visibility, solver, judge, int(columns[6]))
    return RunRow(*identity, budget, recipe, versions, columns[10], status)


def task_columns(challenge: str, task: Task, digest: str) -> Columns:
    """Columns of `tasks`."""
    return digest, pack(challenge), pack(task.id), plain(task.data)


def attempt_columns(row: AttemptRow, run: int) -> Columns:
    """Columns of `attempts`."""
    answer = row.answer
    blob = isinstance(answer.content, Blob)
    content = answer.content.plain() if isinstance(answer.content, Blob) else answer.content
    return (
        pack(row.id),
        run,
        whole(row.step, "step"),
        whole(row.index, "index"),
        pack(answer.task),
        plain(content),
        int(blob),
        plain(list(answer.parents)) if answer.parents else "[]",
        plain(answer.note) if answer.note else "{}",
    )


def blob_of(told: Mapping[str, Any]) -> Blob:
    """A blob, from its plain form."""
    return Blob(told["blob"], told["size"], told["media"])


def attempt_row(columns: Columns) -> AttemptRow:
    """An attempt, from the columns named in ATTEMPT."""
    key, run, step, index, task, content, blob, parents, note, seq = columns
    value = json.loads(content)
    answer = Answer(
        unpack(task),
        blob_of(value) if blob else value,
        () if parents == "[]" else tuple(json.loads(parents)),
        {} if note == "{}" else json.loads(note),
    )
    return AttemptRow(unpack(key), unpack(run), step, index, answer, seq)


def score_document(score: Score) -> dict[str, Any]:
    """The parts of a score that have no column of their own."""
    document: dict[str, Any] = {}
    if score.parts:
        document["parts"] = dict(score.parts)
    if score.spread is not None:
        document["spread"] = score.spread
    if score.tokens is not None:
        document["tokens"] = list(score.tokens)
    if score.fault is not None and score.fault.detail:
        document["detail"] = score.fault.detail
    return document


def score_of(value: float | None, fault: str | None, whose: Any, document: Mapping[str, Any]) -> Score:
    """A score, from its columns."""
    tokens = document.get("tokens")
    return Score(
        value,
        document.get("parts", {}),
        document.get("spread"),
        None if tokens is None else tuple(tokens),
        None if fault is None else Fault(fault, document.get("detail", ""), whose),  # type: ignore[arg-type]
    )


def verdict_columns(row: VerdictRow, now: float = 0.0) -> Columns:
    """Columns of `verdicts`, with the attempt's id in the place of its number."""
    score = row.score
    document = score_document(score)
    fault = score.fault
    return (
        pack(row.id),
        pack(row.attempt),
        pack(row.judge),
        None if score.value is None else finite(score.value, "value"),
        None if fault is None else fault.kind.value,
        None if fault is None else fault.whose,
        plain(document) if document else "{}",
        pack(row.sandbox),
        finite(row.seconds, "seconds"),
        pack(row.reason),
        int(row.superseded),
        finite(row.created or now, "created"),
    )


def verdict_row(columns: Columns) -> VerdictRow:
    """A verdict, from the columns named in VERDICT."""
    key, attempt, judge, value, fault, whose, score, sandbox, seconds, reason, superseded, created, seq = columns
    return VerdictRow(
        unpack(key),
        unpack(attempt),
        unpack(judge),
        score_of(value, fault, whose, {} if score == "{}" else json.loads(score)),
        unpack(sandbox),
        seconds,
        unpack(reason),
        bool(superseded),
        created,
        seq,
    )


def step_columns(row: StepRow, run: int) -> Columns:
    """Columns of `steps`."""
    seconds, sandbox = finite(row.seconds, "seconds"), finite(row.sandbox_seconds, "sandbox_seconds")
    spent = (seconds, whole(row.tokens, "tokens"), sandbox, whole(row.frames, "frames"))
    checkpoint = None if row.checkpoint is None else pack(row.checkpoint)
    return (run, whole(row.step, "step"), *spent, checkpoint, plain(row.note))


def step_row(columns: Columns) -> StepRow:
    """A step, from the columns named in STEP."""
    run, step, seconds, tokens, sandbox_seconds, frames, checkpoint, note = columns
    name = None if checkpoint is None else unpack(checkpoint)
    return StepRow(unpack(run), step, seconds, tokens, sandbox_seconds, frames, name, json.loads(note))


def choice_document(choice: Choice) -> dict[str, Any]:
    """The parts of a choice that have no column of their own."""
    document: dict[str, Any] = {"strength": finite(choice.strength, "strength"), "judge": choice.judge}
    if choice.note:
        document["note"] = dict(choice.note)
    if choice.fault is not None:
        document["fault"] = [choice.fault.kind.value, choice.fault.detail, choice.fault.whose]
    return document


def choice_of(outcome: Any, document: Mapping[str, Any]) -> Choice:
    """A choice, from its columns."""
    fault = Fault(*document["fault"]) if "fault" in document else None
    return Choice(outcome, document["strength"], document["judge"], fault, document.get("note", {}))


def choice_columns(row: ChoiceRow, run: int) -> Columns:
    """Columns of `choices`."""
    names = (pack(row.task), pack(row.left), pack(row.right))
    outcome = None if row.choice.outcome is None else pack(row.choice.outcome)
    document = plain(choice_document(row.choice))
    place = (whole(row.step, "step"), whole(row.index, "index"))
    return (pack(row.id), run, *place, *names, outcome, document, pack(row.annotator))


def choice_row(columns: Columns) -> ChoiceRow:
    """A choice, from the columns named in CHOICE."""
    key, run, step, index, task, left, right, outcome, document, annotator, seq = columns
    choice = choice_of(None if outcome is None else unpack(outcome), json.loads(document))
    names = (unpack(task), unpack(left), unpack(right))
    return ChoiceRow(unpack(key), unpack(run), step, index, *names, choice, unpack(annotator), seq)
