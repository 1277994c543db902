"""Judging one submission in a child process that can be killed, with limits, and without a word of the key leaving it.

The child gets the judge and the cases over a pipe. What an entrant is told comes from the challenge's own
`entry_problem(task, content)`, which sees no key; what a judge says is for organisers, with parts of keys cut out.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

from guerdon.bench.processes import ProcessCrew, ProcessSlot
from guerdon.bench.workers import START_S, Reply
from guerdon.core.plain import Blob
from guerdon.core.reward import Reward
from guerdon.core.score import Fault, FaultKind, Score
from guerdon.core.task import Answer, Case, Task
from guerdon.hosting.scores import finite
from guerdon.ledger.blobs import Blobs

FOR_ENTRANT = "for_entrant"
"""A part that marks a fault whose detail was written for the entrant."""
SHORTEST_SECRET = 8
BEGINNING = 12
"""So much of the beginning of a longer secret is as good as the whole."""
MOST_SECRETS = 200_000
Check = Callable[[Task, Any], str | None]


@dataclass(frozen=True, slots=True)
class StoredFile(Blob):
    """A file that was handed in, where a judge can read it.

    Args:
        path: of the stored file; named by its digest, so that nothing an entrant wrote is part of it.
    """

    path: str = ""

    def read(self) -> bytes:
        """Its bytes."""
        return Path(self.path).read_bytes()


def with_files(answers: Sequence[Answer], blobs: Blobs) -> list[Answer]:
    """Answers whose files can be read."""

    def found(content: Any) -> Any:
        if not isinstance(content, Blob):
            return content
        return StoredFile(content.digest, content.size, content.media, str(blobs.path(content)))

    return [replace(answer, content=found(answer.content)) for answer in answers]


@dataclass(frozen=True, kw_only=True)
class Guarded(Reward):
    """A judge with the checks of a contest around it; runs in the child.

    Args:
        inner: the challenge's judge.
        check: the challenge's `entry_problem`, where it has one.
        memory_mb: limit of address space, in MiB.
        frank: on an open split, a judge may speak to entrants itself.
    """

    inner: Reward
    check: Check | None = None
    memory_mb: int | None = None
    frank: bool = False

    def __call__(self, cases: Sequence[Case]) -> list[Score]:
        """Check, then judge what passed."""
        self._limit()
        scores: list[Score | None] = [self._problem(case) for case in cases]
        good = [i for i, score in enumerate(scores) if score is None]
        keys = [case.key for case in cases]
        for i, score in zip(good, self.inner([cases[i] for i in good]), strict=True):
            scores[i] = self._quiet(score, keys)
        return [score for score in scores if score is not None]

    def _limit(self) -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if self.memory_mb is not None:
            limit = self.memory_mb << 20
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        if parent_process() is not None:
            _silence()
            with contextlib.suppress(OSError):  # of all that runs here, what judges strangers' answers goes first
                Path("/proc/self/oom_score_adj").write_text("1000")

    def _problem(self, case: Case) -> Score | None:
        if self.check is None:
            return None
        try:
            said = self.check(case.task, case.answer.content)
        except Exception as error:  # noqa: BLE001  # whatever an author's code raises is a fault, not a crash
            return Score.failed(FaultKind.JUDGE, f"entry_problem raised {type(error).__name__}: {str(error)[:200]}")
        return None if said is None else Score.failed(FaultKind.INVALID, said[:500], "solver", {FOR_ENTRANT: 1.0})

    def _quiet(self, score: Score, keys: Sequence[Any]) -> Score:
        """Without what it says of any key of the batch: a judge that fails as a whole may name another case's.

        And without numbers that cannot be recorded, so that no answer for which a judge has one is judged for ever.
        """
        fault, parts = score.fault, finite(score.parts)
        if fault is None:
            spread = None if score.spread is None else finite({"": score.spread}).get("")
            return replace(score, parts=parts, spread=spread, tokens=_tokens(score.tokens))
        parts = {n: v for n, v in parts.items() if self.frank or n != FOR_ENTRANT}
        detail = redacted(str(fault.detail), keys)
        return Score(None, parts, fault=Fault(fault.kind, detail, fault.whose))


def _tokens(values: tuple[float, ...] | None) -> tuple[float, ...] | None:
    """Values of tokens, if each of them can be recorded."""
    found = tuple(finite(dict(enumerate(values or ()))).values())
    return found if values is not None and len(found) == len(values) else None


def _silence() -> None:
    """What a judge prints would stand in the worker's log, with whatever it holds of a key."""
    null = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(null, number)
    os.close(null)


def redacted(text: str, key: Any) -> str:
    """A text without the longer texts of a key.

    >>> redacted("expected swordfish!", {"answer": "swordfish!"})
    'expected [key]'
    """
    if text:
        for count, secret in enumerate(_texts(key)):
            if count > MOST_SECRETS:
                return "[a message that could not be checked for parts of the key]"
            for form in _forms(secret):
                text = _without(text, form)
    return text


def _forms(secret: str) -> set[str]:
    """A text as it stands in messages: as it is, and as Python and JSON quote it."""
    if secret.isascii() and secret.isprintable() and not set(secret) & set("'\"\\"):
        return {secret}
    return {secret, repr(secret)[1:-1], json.dumps(secret)[1:-1]}


def _without(text: str, secret: str) -> str:
    """A text without a secret, or as much of its beginning as a message that was cut short holds."""
    head = secret[:BEGINNING]
    at = text.find(head)
    while at >= 0:
        length = next((k for k, (one, other) in enumerate(zip(text[at:], secret)) if one != other), len(secret))
        text = f"{text[:at]}[key]{text[at + length :]}"
        at = text.find(head, at + len("[key]"))
    return text


def _texts(key: Any) -> Iterator[str]:
    if isinstance(key, str):
        if len(key) >= SHORTEST_SECRET:
            yield key
    elif isinstance(key, Mapping):
        for value in key.values():
            yield from _texts(value)
    elif isinstance(key, (list, tuple, set, frozenset)):
        for value in key:
            yield from _texts(value)


def sentence_of(scores: Sequence[Score]) -> str:
    """What the entrant is told of the first fault that was found for them."""
    for score in scores:
        if score.fault is not None and FOR_ENTRANT in score.parts:
            return score.fault.detail
    return ""


class StoppedError(Exception):
    """The judging was broken off."""


class Evaluator:
    """Judges batches in a child process of its own, which is started when it is needed and replaced when it dies.

    Args:
        judge: what to judge with.
        seconds: what a submission may take.
    """

    def __init__(self, judge: Guarded, seconds: float) -> None:
        self.judge, self._seconds = judge, seconds
        self._crew = ProcessCrew(judge, 1)
        self._slot: ProcessSlot | None = None

    def evaluate(self, cases: Sequence[Case], stopped: Callable[[], bool]) -> Reply:
        """The scores of a submission.

        An answer that kills the child twice by itself is a fault of the judge; one that outlasts the time is the
        entrant's, and so are those that are left when three times that time has passed: one submission of many
        answers that hang or kill would else keep its worker for days.

        Raises:
            StoppedError: `stopped()` said so; the child is dead.
        """
        begun = time.monotonic()
        whole = self._attempt(cases, stopped)
        if isinstance(whole, Reply):
            return whole
        if len(cases) == 1 or self.judge.inner.unit == "group":
            return self._second(cases, whole, stopped)
        until = begun + 3 * self._seconds + START_S
        replies = [self._alone([case], stopped) if time.monotonic() < until else self._late(1) for case in cases]
        sandbox = next((reply.sandbox for reply in replies if reply.sandbox), "")
        flat = [score for reply in replies for score in reply.scores]
        return Reply(flat, time.monotonic() - begun, sandbox)

    def _alone(self, cases: Sequence[Case], stopped: Callable[[], bool]) -> Reply:
        reply = self._attempt(cases, stopped)
        return reply if isinstance(reply, Reply) else self._second(cases, reply, stopped)

    def _second(self, cases: Sequence[Case], first: FaultKind, stopped: Callable[[], bool]) -> Reply:
        """After a death, once more; after the full time, no more."""
        reply: Reply | FaultKind = first
        if first is FaultKind.CRASH:
            reply = self._attempt(cases, stopped)
        if isinstance(reply, Reply):
            return reply
        if reply is FaultKind.TIMEOUT:
            return self._late(len(cases))
        return Reply([Score.failed(reply, "killed its judge twice", "judge")] * len(cases))

    def _late(self, count: int) -> Reply:
        fault = Score.failed(FaultKind.TIMEOUT, f"judging took more than {self._seconds:g} s", "solver")
        return Reply([fault] * count)

    def _attempt(self, cases: Sequence[Case], stopped: Callable[[], bool]) -> Reply | FaultKind:
        patience = self._seconds
        if self._slot is None:
            self._slot, patience = self._crew.start(), patience + START_S
        self._slot.send(cases)
        until = time.monotonic() + patience
        while time.monotonic() < until:
            found = self._crew.wait([self._slot], 0.2)
            if found and found[0][1] is not None:
                return found[0][1]
            if found:
                self.close()
                return FaultKind.CRASH
            if stopped():
                self.close()
                raise StoppedError
        self.close()
        return FaultKind.TIMEOUT

    def close(self) -> None:
        """Kill the child."""
        slot, self._slot = self._slot, None
        if slot is not None:
            with contextlib.suppress(ProcessLookupError, ValueError):
                slot.kill()
