"""A worker: leases submissions, judges them, shows life, until it is stopped. Any number may share a data base."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from guerdon.core.challenge import Visibility
from guerdon.core.errors import GuerdonError, LedgerError
from guerdon.core.recipe import identity
from guerdon.core.score import FaultKind
from guerdon.hosting.evaluate import Evaluator, Guarded, StoppedError, sentence_of, with_files
from guerdon.hosting.host import Host
from guerdon.hosting.queue import LEASE_S, Lease, Verdict
from guerdon.hosting.things import Limits
from guerdon.ledger import AttemptRow

AWAY_S, PATIENCE = 5.0, 60
"""A data base that is away is asked again after so many seconds, so often in a row."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker did with a submission.

    Args:
        outcome: "counted", "superseded" or "stopped".
        seconds: of judging.
        whose: fault it was, where no score came of it: "solver", "judge" or another of `Fault.whose`.
    """

    submission: str
    contest: str
    phase: str
    outcome: str
    seconds: float = 0.0
    whose: str = ""

    def __str__(self) -> str:
        where = f"{self.contest}/{self.phase} {self.submission}"
        if self.outcome != "counted":
            return f"{where} {self.outcome}"
        if not self.whose:
            return f"{where} judged in {self.seconds:.1f} s"
        return f"{where} {'refused' if self.whose == 'solver' else 'not judged: a fault of the ' + self.whose}"


class Worker:
    """One worker.

    Args:
        host: an open host.
        name: shown on the queue's page; host name and process by default.
        seconds: how long a lease lasts without a sign of life.
        poll: how often an empty queue is looked at, in seconds.
    """

    def __init__(self, host: Host, name: str = "", seconds: float = LEASE_S, poll: float = 1.0) -> None:
        self._host, self._seconds, self._poll = host, seconds, poll
        self.name = name or f"{socket.gethostname()}:{os.getpid()}"
        self._stop = threading.Event()
        self._evaluator: tuple[object, Evaluator] | None = None

    def stop(self) -> None:
        """Put back what is being judged, and return from `run`. May be called from a signal's handler."""
        self._stop.set()

    def run(
        self,
        drain: bool = False,
        on_report: Callable[[Report], None] = lambda report: None,
        on_start: Callable[[str], None] = lambda name: None,
    ) -> int:
        """Judge what comes, until stopped.

        Args:
            drain: return when nothing waits.
            on_report: told of each submission.
            on_start: told the worker's name.

        Returns:
            How many submissions were judged.

        Raises:
            LedgerError: the data base was away for too long.
        """
        count = missed = 0
        on_start(self.name)
        try:
            while not self._stop.is_set():
                try:
                    report = self._next()
                except LedgerError:
                    missed += 1
                    if missed > PATIENCE:
                        raise
                    self._stop.wait(AWAY_S)
                    continue
                missed = 0
                if report is not None:
                    count += report.outcome == "counted"
                    on_report(report)
                elif drain:
                    break
                else:
                    self._stop.wait(self._poll)
        finally:
            self._close()
        return count

    def _next(self) -> Report | None:
        lease = self._host.queue.lease(self.name, self._seconds)
        return None if lease is None else self._judge(lease)

    def _judge(self, lease: Lease) -> Report:
        with self._alive(lease) as lost:
            try:
                verdict = self._verdict(lease, lambda: lost.is_set() or self._stop.is_set())
            except StoppedError:
                self._host.queue.release(lease)
                return Report(lease.submission, lease.contest, lease.phase, "stopped")
            except LedgerError:
                raise
            except Exception as error:  # noqa: BLE001  # whatever an author's code raises is a fault, not a crash
                text = str(error) if isinstance(error, GuerdonError) else f"{type(error).__name__}: {error}"
                outcome = self._host.queue.fail(lease, FaultKind.JUDGE, "judge", f"the challenge: {text}")
                return Report(lease.submission, lease.contest, lease.phase, outcome, whose="judge")
        outcome = self._host.queue.finish(lease, verdict)
        whose: str = next((score.fault.whose or "host" for score in verdict.scores if score.fault is not None), "")
        return Report(lease.submission, lease.contest, lease.phase, outcome, verdict.seconds, whose)

    @contextlib.contextmanager
    def _alive(self, lease: Lease) -> Iterator[threading.Event]:
        """Heartbeats while a submission is judged; the event is set when the lease is lost."""
        lost, over = threading.Event(), threading.Event()

        def beat() -> None:
            while not over.wait(self._seconds / 4):
                with contextlib.suppress(LedgerError):  # a data base that is away for a while; the lease may outlast it
                    if not self._host.queue.heartbeat(lease):
                        lost.set()
                        return

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield lost
        finally:
            over.set()
            thread.join()

    def _verdict(self, lease: Lease, stopped: Callable[[], bool]) -> Verdict:
        contest = self._host.contests.find(lease.contest)
        phase = contest.phase(lease.phase)
        posed = self._host.contests.posed(contest, phase)
        rows: list[AttemptRow] = self._host.ledger.attempts(lease.run, step=lease.number)
        answers = with_files([row.answer for row in rows], self._host.ledger.blobs)
        judge = Guarded(
            inner=posed.judge,
            check=getattr(posed.challenge, "entry_problem", None),
            memory_mb=phase.limits.memory_mb,
            frank=phase.visibility is Visibility.OPEN,
        )
        key = (contest.id, phase.name, phase.limits)  # which may change while a child is warm
        evaluator = self._evaluator_for(key, judge, phase.limits)
        reply = evaluator.evaluate(posed.vault.cases(answers), stopped)
        sentence = sentence_of(reply.scores)
        return Verdict(reply.scores, identity(posed.judge), reply.sandbox, reply.seconds, sentence)

    def _evaluator_for(self, key: object, judge: Guarded, limits: Limits) -> Evaluator:
        """The evaluator of a phase; its child is kept warm from one submission to the next."""
        if self._evaluator is None or self._evaluator[0] != key:
            self._close()
            self._evaluator = key, Evaluator(judge, limits.seconds)
        return self._evaluator[1]

    def _close(self) -> None:
        if self._evaluator is not None:
            self._evaluator[1].close()
        self._evaluator = None
