"""Who judges: this process, killable worker processes, or Ray actors, behind one protocol.

A crew keeps slots busy with batches and guarantees one verdict per case: a batch that kills its slot is split and
tried again in a fresh one, an answer that kills a slot by itself twice is quarantined, and a batch that outlasts the
hang guard is killed. Futures that cannot be killed and alarms that only work in the main thread are not used.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from guerdon.core.errors import ConfigError
from guerdon.core.reward import Reward
from guerdon.core.score import FaultKind, Score
from guerdon.core.task import Case

Indices = list[int]
START_S = 60.0
"""What a fresh slot may take to start, on top of the hang guard, in seconds."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a slot says of a batch: the scores, the seconds it took, and the sandbox it used."""

    scores: list[Score]
    seconds: float = 0.0
    sandbox: str = ""
    sandbox_seconds: float = 0.0


class Slot(Protocol):
    """One worker that judges one batch at a time and can be killed."""

    def send(self, cases: Sequence[Case]) -> None:
        """Start judging a batch."""

    def kill(self) -> None:
        """End it now, with everything it started."""


SlotT = TypeVar("SlotT", bound=Slot)


class Crew(Protocol[SlotT]):
    """A way of making slots and of waiting for the busy ones."""

    size: int
    name: str

    def start(self) -> SlotT:
        """A fresh slot."""

    def wait(self, slots: Sequence[SlotT], timeout: float) -> list[tuple[SlotT, Reply | None]]:
        """Those that finished (with their reply) or died (with `None`) within `timeout` seconds."""

    def close(self) -> None:
        """Release what the crew holds."""


def judge_here(reward: Reward, cases: Sequence[Case]) -> Reply:
    """Judge a batch in this process. Runs in every kind of worker."""
    from guerdon.sandbox import shared

    before, start = shared.seconds_used(), time.monotonic()
    scores = reward(cases)
    return Reply(scores, time.monotonic() - start, shared.identity(), shared.seconds_used() - before)


@dataclass
class _Job:
    indices: Indices
    cases: list[Case]
    deaths: int = 0
    until: float = 0.0


class Workers:
    """Judges batches by a crew (or inline) and yields replies as they come.

    Args:
        reward: the judge.
        crew: makes the slots; `None` judges in this process.
        patience_s: hang guard of one batch, in seconds.
    """

    def __init__(self, reward: Reward, crew: Crew[Any] | None = None, patience_s: float = 600.0) -> None:
        self._reward, self._crew, self._patience = reward, crew, patience_s
        self._idle: list[Slot] = []
        self._busy: dict[Slot, _Job] = {}
        self.name = crew.name if crew else "inline"

    def judge(self, cases: Sequence[Case]) -> Iterator[tuple[Indices, Reply]]:
        """Judge all cases; yields (indices, reply) so that every index comes exactly once.

        Batches never split a group.
        """
        batches = _chunks(self._parts(cases), self._crew.size if self._crew else 1)
        if self._crew is None:
            for indices in batches:
                yield indices, judge_here(self._reward, [cases[i] for i in indices])
            return
        todo = deque(_Job(indices, [cases[i] for i in indices]) for indices in batches)
        try:
            while todo or self._busy:
                self._feed(todo)
                yield from self._collect(todo)
        finally:
            for slot in list(self._busy):
                self._end(slot)

    def close(self) -> None:
        """Stop all slots."""
        for slot in [*self._idle, *self._busy]:
            slot.kill()
        self._idle, self._busy = [], {}
        if self._crew:
            self._crew.close()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _feed(self, todo: deque[_Job]) -> None:
        assert self._crew is not None
        while todo and len(self._busy) < self._crew.size:
            fresh = not self._idle
            slot = self._crew.start() if fresh else self._idle.pop()
            job = todo.popleft()
            job.until = time.monotonic() + self._patience + (START_S if fresh else 0.0)
            self._busy[slot] = job
            slot.send(job.cases)

    def _collect(self, todo: deque[_Job]) -> Iterator[tuple[Indices, Reply]]:
        assert self._crew is not None
        soonest = min(job.until for job in self._busy.values()) - time.monotonic()
        for slot, reply in self._crew.wait(list(self._busy), max(min(soonest, 1.0), 0.0)):
            job = self._busy[slot]
            if reply is not None:
                del self._busy[slot]
                self._idle.append(slot)
                yield job.indices, reply
            else:
                self._end(slot)
                yield from self._again(job, todo, FaultKind.CRASH, "killed its judge twice")
        for slot, job in [(s, j) for s, j in self._busy.items() if j.until < time.monotonic()]:
            self._end(slot)
            job.deaths += 1  # a hang has had its full time; a lone case is not given it again
            yield from self._again(job, todo, FaultKind.TIMEOUT, f"its judge hung for {self._patience:g} s")

    def _parts(self, cases: Sequence[Case]) -> list[Indices]:
        """What must stay together: groups for a reward that judges groups, else single cases."""
        if self._reward.unit == "answer":
            return [[index] for index in range(len(cases))]
        groups: dict[str, Indices] = {}
        for index, case in enumerate(cases):
            groups.setdefault(case.answer.group, []).append(index)
        return list(groups.values())

    def _end(self, slot: Slot) -> None:
        del self._busy[slot]
        slot.kill()

    def _again(self, job: _Job, todo: deque[_Job], kind: FaultKind, why: str) -> Iterator[tuple[Indices, Reply]]:
        groups = self._parts(job.cases)
        if len(groups) > 1:
            todo.extend(_Job([job.indices[i] for i in group], [job.cases[i] for i in group]) for group in groups)
        elif job.deaths == 0:
            todo.append(_Job(job.indices, job.cases, deaths=1))
        else:
            yield job.indices, Reply([Score.failed(kind, why, "judge")] * len(job.cases))


def _chunks(parts: Sequence[Indices], size: int) -> list[Indices]:
    """About four batches per slot, of whole parts, in order."""
    total = sum(map(len, parts))
    target = max(1, -(-total // (4 * size))) if size > 1 else total
    chunks: list[Indices] = []
    for group in parts:
        if chunks and len(chunks[-1]) + len(group) <= target:
            chunks[-1].extend(group)
        else:
            chunks.append(list(group))
    return chunks


def open_workers(spec: str, reward: Reward, patience_s: float = 600.0) -> Workers:
    """Workers by name: `inline`, `processes:N`, `ray` or `ray:ADDRESS`.

    Raises:
        ConfigError: the name is none of these.
    """
    name, _, argument = spec.partition(":")
    if spec == "inline":
        return Workers(reward, None, patience_s)
    with contextlib.suppress(ValueError):
        if name == "processes":
            from guerdon.bench.processes import ProcessCrew

            return Workers(reward, ProcessCrew(reward, int(argument or 2)), patience_s)
    if name == "ray":
        from guerdon.bench.ray_crew import RayCrew

        return Workers(reward, RayCrew(reward, argument or None), patience_s)
    raise ConfigError("workers are inline, processes:N or ray[:ADDRESS]", f"got {spec!r}", "Try --workers processes:2")


def unpack(replies: Iterator[tuple[Indices, Reply]], count: int) -> list[Any]:
    """All scores in the order of the cases, when nobody needs them as they come."""
    scores: list[Any] = [None] * count
    for indices, reply in replies:
        for index, score in zip(indices, reply.scores, strict=True):
            scores[index] = score
    return scores
