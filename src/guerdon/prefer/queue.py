"""A durable queue of questions for people: one JSONL file, appended to and flushed to the disk, never rewritten.

A question is asked once, whoever asks it again; an answer counts once per annotator. Killing whoever reads or writes
loses at most the line that was being written. Terminals and pages stand on the same file.

    {"kind": "question", "id": …, "round": 3, "mode": "rank", "best": 2, "items": […], …}
    {"kind": "answer", "id": …, "round": 3, "mode": "rank", "shown": [ids], "ranked": [ids], "annotator": …, "at": …}
    {"kind": "undo", "id": …, "annotator": …, "at": …}
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from guerdon.core.errors import ConfigError, RewardError
from guerdon.core.plain import Json, canonical
from guerdon.core.rng import stream

Standing = Literal["open", "answered"]


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is shown.

    Args:
        id: its name in this question; never shown to a person.
        text: what a terminal shows.
        file: a picture or clip, relative to the queue's folder, where there is one.
    """

    id: str
    text: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """Which of these are the best?

    Args:
        id: unique in the queue; the same question has the same id.
        items: what is to be ranked, at least two.
        best: how many are to be named, best first.
        prompt: what to look for.
        round: number of the query in its run.
        mode: what the query is for, e.g. "rank" or "line".
        task: id of the task it belongs to.
    """

    id: str
    items: tuple[Item, ...]
    best: int = 1
    prompt: str = ""
    round: int = 0
    mode: str = "rank"
    task: str = ""

    def __post_init__(self) -> None:
        ids = [item.id for item in self.items]
        if len(ids) < 2 or len(set(ids)) < len(ids):
            raise ConfigError("a question shows at least two items, each once", f"got {ids[:8]}", "Show others")
        if not 1 <= self.best <= len(ids):
            raise ConfigError(f"1 to {len(ids)} items are named the best", f"got {self.best}", "Ask for fewer")

    def shown(self, annotator: str) -> tuple[Item, ...]:
        """The items in the order in which an annotator sees them: a shuffle that is the same each time."""
        order = stream(0, "shown", self.id, annotator).permutation(len(self.items))
        return tuple(self.items[i] for i in order.tolist())


@dataclass(frozen=True, slots=True)
class Ranked:
    """What an annotator said to a question.

    Args:
        id: the question's.
        ranked: ids of the best items, best first; empty when it was skipped.
        annotator: who.
        shown: ids in the order in which they were shown.
        at: seconds since the epoch.
        seconds: how long it took, if known.
    """

    id: str
    ranked: tuple[str, ...]
    annotator: str = ""
    shown: tuple[str, ...] = ()
    at: float = 0.0
    seconds: float | None = None

    @property
    def skipped(self) -> bool:
        """The annotator would not say."""
        return not self.ranked


@dataclass
class Queue:
    """The questions and answers of one file.

    Args:
        path: the file; it and its folder are made when something is written.
        clock: seconds since the epoch.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     queue = Queue(Path(folder) / "q.jsonl")
    ...     queue.ask(Question("q1", (Item("a"), Item("b"))))
    ...     queue.answer(Ranked("q1", ("b",), "me"))
    ...     [ranked.ranked for ranked in Queue(queue.path).answers("q1")]
    [('b',)]
    """

    path: Path
    clock: Callable[[], float] = time.time
    _questions: dict[str, Question] = field(default_factory=dict, init=False, repr=False)
    _answers: dict[str, dict[str, Ranked]] = field(default_factory=dict, init=False, repr=False)
    _read: int = field(default=0, init=False, repr=False)
    _lines: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        self.path = Path(self.path)
        self.refresh()

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────

    def questions(self) -> list[Question]:
        """All questions, in the order in which they were asked."""
        return list(self._questions.values())

    def question(self, name: str) -> Question | None:
        """A question by its id."""
        return self._questions.get(name)

    def answers(self, name: str) -> list[Ranked]:
        """The answers to a question, one for each annotator, those taken back left out."""
        return list(self._answers.get(name, {}).values())

    def standing(self, name: str, annotators: int = 1) -> Standing:
        """Whether so many annotators have answered a question (a skip is an answer)."""
        return "answered" if len(self.answers(name)) >= annotators else "open"

    def open(self, annotator: str | None = None, annotators: int = 1) -> list[Question]:
        """The questions that still need an answer.

        Args:
            annotator: leave out what this one has answered.
            annotators: how many answers a question needs.
        """
        return [
            question
            for name, question in self._questions.items()
            if self.standing(name, annotators) == "open" and annotator not in self._answers.get(name, {})
        ]

    def refresh(self) -> None:
        """Take in what this and other processes have appended.

        Raises:
            ConfigError: a line is not of this form. A last line without its end was being written and is left out.
        """
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._read)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        for line in whole.splitlines():
            self._lines += 1
            if line.strip():
                self._take(line)
        self._read += len(whole)

    def _take(self, line: bytes) -> None:
        try:
            row = json.loads(line)
            kind = row["kind"]
            if kind == "question":
                items = tuple(Item(**item) for item in row["items"])
                fields = {name: row[name] for name in ("best", "prompt", "round", "mode", "task")}
                self._questions.setdefault(row["id"], Question(row["id"], items, **fields))
            elif kind == "answer":
                name, who = str(row["id"]), str(row["annotator"])
                ranked = Ranked(name, (*row["ranked"],), who, (*row["shown"],), row["at"], row.get("seconds"))
                self._answers.setdefault(name, {})[who] = ranked
            elif kind == "undo":
                self._answers.get(row["id"], {}).pop(row["annotator"], None)
        except (ValueError, KeyError, TypeError, ConfigError) as error:
            what = f"{type(error).__name__}: {str(error)[:80]}"
            raise ConfigError(
                f"line {self._lines} of {self.path.name} is a question or an answer", what, "Mend or remove that line"
            ) from None

    # ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────

    def ask(self, question: Question) -> None:
        """Put a question; the same one again changes nothing.

        Raises:
            ConfigError: another question has its id.
        """
        with self._locked():
            known = self._questions.get(question.id)
            if known is None:
                self._append(_plain(question))
            elif known != question:
                raise ConfigError("a question has its own id", f"{question.id} is another one", "Give it a new id")

    def answer(self, ranked: Ranked) -> None:
        """Record an answer; a later one of the same annotator takes its place.

        Raises:
            RewardError: there is no such question, or it does not show those items, each once.
        """
        with self._locked():
            question = self._questions.get(ranked.id)
            if question is None:
                raise RewardError("an answer to a question of this queue", f"got {ranked.id!r}", "Ask it first")
            ids = {item.id for item in question.items}
            if not set(ranked.ranked) <= ids or len(set(ranked.ranked)) < len(ranked.ranked):
                raise RewardError("an answer ranks items that were shown, each once", f"got {list(ranked.ranked)}")
            if len(ranked.ranked) > question.best:
                got = f"got {len(ranked.ranked)}"
                raise RewardError(f"an answer names at most {question.best} items", got, "Name fewer")
            shown = list(ranked.shown) or [item.id for item in question.shown(ranked.annotator)]
            row: dict[str, Json] = {
                "kind": "answer", "id": ranked.id, "round": question.round, "mode": question.mode, "shown": shown,
                "ranked": list(ranked.ranked), "annotator": ranked.annotator, "at": ranked.at or self.clock(),
            }  # fmt: skip
            self._append(row if ranked.seconds is None else {**row, "seconds": ranked.seconds})

    def undo(self, name: str, annotator: str) -> None:
        """Take an annotator's answer back, so that the question is open again."""
        with self._locked():
            if annotator in self._answers.get(name, {}):
                self._append({"kind": "undo", "id": name, "annotator": annotator, "at": self.clock()})

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time, who has read what is there."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            _lock(file)
            self.refresh()
            yield

    def _append(self, row: Mapping[str, Json]) -> None:
        with self.path.open("r+b") as file:
            file.seek(self._read)
            file.truncate()  # half a line, left by a writer that was killed
            file.write(canonical(row).encode("ascii") + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.refresh()


def _lock(file: Any) -> None:
    try:
        import fcntl
    except ImportError:  # no file locks on this system: one process at a time
        return
    fcntl.flock(file, fcntl.LOCK_EX)


def _plain(question: Question) -> dict[str, Json]:
    items: Sequence[Json] = [
        {"id": item.id, "text": item.text, **({"file": item.file} if item.file else {})} for item in question.items
    ]
    return {
        "kind": "question", "id": question.id, "round": question.round, "mode": question.mode, "best": question.best,
        "prompt": question.prompt, "task": question.task, "items": items,
    }  # fmt: skip
