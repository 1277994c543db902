"""Attacks on what one team may use of a host: its disk, its workers, and bits of sealed labels by what fails."""

import tracemalloc
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hosting_helpers import ADMIN, Clock, Numbers, OneFile, contest, guess, person

from guerdon import Case, Score
from guerdon.bench.workers import Reply
from guerdon.core.score import FaultKind
from guerdon.hosting import Actor, Host, HostingError, LimitError, Limits, NotAllowedError, Phase, State
from guerdon.hosting.evaluate import Evaluator, Guarded
from guerdon.hosting.may import RETRIES
from guerdon.hosting.quotas import FREE
from guerdon.hosting.worker import Worker

MOST = 1000


def stored(folder: Path) -> int:
    """How many files were kept by their digest."""
    return sum(len(path.name) == 64 for path in folder.rglob("*") if path.is_file())


def taken(host: Host, actor: Actor, after: Callable[[str], Any]) -> int:
    """How many are taken of more than anybody may hand in, where each is dealt with before the next."""
    for number in range(MOST):
        try:
            made = host.submissions.submit(actor, "numbers", "final", f"{number}".encode())
        except LimitError:
            return number
        after(made.id)
    return MOST


def test_what_is_refused_by_a_limit_is_not_stored(host: Host, tmp_path: Path) -> None:
    contest(host, Phase("final", "final", limits=Limits(per_day=1)), challenge=OneFile())
    ann = person(host, "Ann")
    host.submissions.submit(ann, "numbers", "final", b"1")
    for number in range(9):
        with pytest.raises(LimitError, match="at most 1 submissions a day"):
            host.submissions.submit(ann, "numbers", "final", f"1.{number}".encode())
    assert stored(tmp_path) == 1


def test_handing_in_and_cancelling_comes_to_an_end(host: Host, tmp_path: Path, clock: Clock) -> None:
    contest(host, Phase("final", "final", limits=Limits(per_day=2)), challenge=OneFile())
    ann = person(host, "Ann")
    assert taken(host, ann, lambda made: host.submissions.cancel(ann, made)) == FREE + 2
    assert stored(tmp_path) <= FREE + 2
    left = host.submissions.limits_left(ann, "numbers")
    assert left.now == 0
    clock.now = left.next_day
    assert host.submissions.limits_left(ann, "numbers").now == 2


def test_a_judge_that_fails_by_the_key_is_asked_no_more_than_a_few_times(host: Host) -> None:
    """That judging failed is told on a sealed phase too: an oracle, if it could be asked for nothing and at will."""
    contest(host, Phase("final", "final", limits=Limits(per_day=2, total=3)), challenge=OneFile())
    ann = person(host, "Ann")

    def fails(made: str) -> None:
        lease = host.queue.lease("w")
        assert lease is not None
        assert host.queue.fail(lease, "judge", "judge", "log of 0") == "counted"
        assert host.submissions.get(ann, made).state is State.FAULT

    assert taken(host, ann, fails) == FREE + 2


class Hangs(Evaluator):
    """Every attempt takes its full time, by a clock that is moved on."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        super().__init__(Guarded(inner=Numbers().judge), seconds)
        self.clock, self.each = clock, seconds

    def _attempt(self, cases: Sequence[Case], stopped: Callable[[], bool]) -> Reply | FaultKind:
        self.clock.now += self.each
        return FaultKind.TIMEOUT


def test_a_thousand_answers_that_hang_hold_a_worker_for_a_few_times_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(0.0)
    monkeypatch.setattr("guerdon.hosting.evaluate.time", SimpleNamespace(monotonic=clock))
    reply = Hangs(clock, 600.0).evaluate([None] * 1000, lambda: False)  # type: ignore[list-item]
    assert clock.now <= 4 * 600.0 + 60.0
    assert len(reply.scores) == 1000
    assert {(s.fault.kind, s.fault.whose) for s in reply.scores if s.fault} == {(FaultKind.TIMEOUT, "solver")}


def test_limits_that_change_hold_for_a_worker_that_is_at_work(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[float, int | None]] = []

    class Judges:
        def __init__(self, judge: Guarded, seconds: float) -> None:
            made.append((seconds, judge.memory_mb))

        def evaluate(self, cases: Sequence[Case], stopped: Callable[[], bool]) -> Reply:
            return Reply([Score(0.5)] * len(cases))

        def close(self) -> None:
            """Nothing to close."""

    monkeypatch.setattr("guerdon.hosting.worker.Evaluator", Judges)
    contest(host, Phase("open", "open", limits=Limits(per_day=None, seconds=60.0)))
    worker, numbers = Worker(host), count()

    def judge() -> None:
        host.submissions.submit(ADMIN, "numbers", "open", guess("open", next(numbers), 0, 0))
        report = worker._next()
        assert report is not None
        assert report.outcome == "counted"

    for limits in ({}, {"per_day": 9.0}, {"seconds": 1.0}, {"memory_mb": 64.0}):
        host.contests.change_phase(ADMIN, "numbers", "open", limits=limits)
        judge()
    assert made[0] == (60.0, None)
    assert made[-2:] == [(1.0, None), (1.0, 64.0)]


def test_what_comes_in_while_scores_are_shown_is_not_taken(host: Host, clock: Clock) -> None:
    """A phase that is revealed at a time is closed at that time, and the moment of recording counts."""
    contest(host, Phase("open", "open", reveal=clock.now + 60))
    found = host.contests.get(ADMIN, "numbers")
    ann = person(host, "Ann")
    host.submissions.submit(ann, "numbers", "open", guess("open", 1, 2, 3))

    class Late:
        """A contest as it was read before the body came in."""

        def get(self, actor: Actor, slug: str) -> Any:
            clock.now += 61
            return found

        def __getattr__(self, name: str) -> Any:
            return getattr(host.contests, name)

    submissions = type(host.submissions)(host.store, Late(), host.submissions._records)  # type: ignore[arg-type]
    with pytest.raises(HostingError, match="it has just closed"):
        submissions.submit(ann, "numbers", "open", guess("open", 1, 2, 3))
    assert len(host.submissions.list_for(ann)) == 1


def test_json_that_takes_thirty_times_its_size_is_refused_unread(host: Host) -> None:
    contest(host, Phase("open", "open", limits=Limits(per_day=None)))
    ann = person(host, "Ann")
    tracemalloc.start()
    try:
        with pytest.raises(HostingError, match="at most 4,000,000 lists and objects"):
            host.submissions.submit(ann, "numbers", "open", b'{"open/0":[' + b"[]," * 4_000_000 + b"0]}")
        assert tracemalloc.get_traced_memory()[1] < 40e6
    finally:
        tracemalloc.stop()


def test_what_always_fails_is_judged_again_a_few_times(host: Host) -> None:
    """Each time takes a worker's time, and none counts; organisers may go on."""
    contest(host, Phase("open", "open", limits=Limits(per_day=1)))
    ann = person(host, "Ann")
    made = host.submissions.submit(ann, "numbers", "open", guess("open", 1, 2, 3)).id

    def fail() -> None:
        lease = host.queue.lease("w")
        assert lease is not None
        host.queue.fail(lease, "crash", "judge", "killed its judge twice")

    fail()
    for _ in range(RETRIES):
        assert host.submissions.retry(ann, made).state is State.QUEUED
        fail()
    with pytest.raises(NotAllowedError, match="Ask an organiser"):
        host.submissions.retry(ann, made)
    assert not [line for line in host.queue.view(ann).items if line.may_retry]
    assert host.submissions.retry(ADMIN, made).state is State.QUEUED


@pytest.mark.parametrize("step", [float("nan"), -1.0, float("inf")])
def test_a_ladder_s_step_is_one(host: Host, step: float) -> None:
    """By one that is none a phase would show nothing, or everything that its Ladder is there to hide."""
    with pytest.raises(HostingError, match="a step of 0 or more"):
        contest(host, Phase("test", "test", step=step), challenge=OneFile())
    assert host.contests.list(ADMIN) == []
