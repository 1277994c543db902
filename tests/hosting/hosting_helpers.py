"""A contest small enough to reason about, importable by worker processes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from guerdon import Case, Challenge, Reward, Score, Task, Visibility
from guerdon.hosting import Actor, Contest, Host, Lease, Limits, Phase, Role, Submission, Verdict

CANARY = "canary-7d20b1e4-key"
PASSWORD = "a long enough sentence"


def wait_for(check: Any, seconds: float = 120.0) -> Any:
    """What a check comes to as soon as it holds."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := check():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come to pass")


@dataclass(frozen=True, kw_only=True)
class Close(Reward):
    """1 at the key, falling with the distance; misbehaves on request."""

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        return [self._one(case) for case in cases]

    def _one(self, case: Case) -> Score:
        content: Any = case.answer.content
        if hasattr(content, "read"):
            content = float(content.read().decode())
        if content == "die":
            os._exit(3)
        if content == "hang":
            time.sleep(3600)
        if content == "slow":
            time.sleep(1.5)
            content = 0
        if content == "leak":
            raise ValueError(f"the key is {case.key['secret']}")
        if content == "memory":
            return Score(float(len(bytearray(1 << 33)) > 0))
        if not isinstance(content, (int, float)):
            return Score.failed("invalid", f"{content!r} is no number")
        return Score(1 / (1 + abs(content - case.key["number"])))


@dataclass(frozen=True, kw_only=True)
class Numbers(Challenge):
    """Guess the number of each task."""

    numbers: tuple[int, ...] = (3, -7, 12)
    name: ClassVar[str] = "numbers"
    splits: ClassVar = {"open": Visibility.OPEN, "test": Visibility.AGGREGATE, "final": Visibility.SEALED}

    @property
    def judge(self) -> Close:
        return Close()

    def tasks(self, split: str) -> Iterable[Task]:
        return [Task(f"{split}/{i}", {"prompt": f"number {i}"}) for i in range(len(self.numbers))]

    def keys(self, tasks: Sequence[Task]) -> Sequence[Any]:
        return [{"number": self.numbers[int(task.id.split("/")[1])], "secret": CANARY} for task in tasks]


@dataclass(frozen=True, kw_only=True)
class OneFile(Numbers):
    """One number, in a file."""

    numbers: tuple[int, ...] = (3,)
    name: ClassVar[str] = "onefile"

    def entry_problem(self, task: Task, content: Any) -> str | None:
        """What an entrant can be told without the key."""
        text = content.read().decode("utf-8", "replace")
        try:
            float(text)
        except ValueError:
            return f"line 1: {text[:20]!r} is not a number"
        return None


class Clock:
    """A clock that is set by hand."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


ADMIN = Actor.local()
FREE = Limits(per_day=None, concurrent=None)


def person(host: Host, name: str, role: Role = Role.ENTRANT, team: str = "") -> Actor:
    """Somebody who was invited, accepted and has signed in."""
    host.people.accept(host.people.invite(ADMIN, role, team), name, PASSWORD)
    actor = host.people.actor_of(host.people.sign_in(name, PASSWORD))
    assert actor is not None
    return actor


def contest(host: Host, *phases: Phase, challenge: Challenge | None = None, slug: str = "numbers") -> Contest:
    return host.contests.create(ADMIN, challenge or Numbers(), slug, "Numbers", phases)


def guess(split: str, *values: Any) -> dict[str, Any]:
    return {f"{split}/{i}": value for i, value in enumerate(values)}


def judged(host: Host, item: Submission, *values: float | Score, worker: str = "w") -> Lease:
    """Have a submission judged without a worker; the queue must hold nothing older."""
    lease = host.queue.lease(worker)
    assert lease is not None
    assert lease.submission == item.id
    scores = [value if isinstance(value, Score) else Score(value) for value in values]
    assert host.queue.finish(lease, Verdict(scores, "judge")) == "counted"
    return lease


def entered(host: Host, actor: Actor, phase: str, *values: float, name: str = "numbers") -> Submission:
    """Hand in, and have it judged with these values."""
    item = host.submissions.submit(actor, name, phase, guess(phase, *values))
    judged(host, item, *values)
    return item


def all_text(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
