"""Workers of a contest's queue as actors of a Ray cluster: on one machine or on many."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from guerdon.bench.ray_crew import join
from guerdon.core.errors import ConfigError, LedgerError
from guerdon.hosting.host import Host
from guerdon.hosting.queue import LEASE_S
from guerdon.hosting.worker import Report, Worker

LOOK_S = 0.5
"""Seconds between two looks at what the actors have done."""


class _Remote:
    """Runs in an actor's process: one thread judges, the other answers."""

    def __init__(self, db: str, files: str | None, lease: float, poll: float) -> None:
        self._worker = Worker(Host.open(db, create=False, files=files), "", lease, poll)
        self._reports: deque[Report] = deque()

    def name(self) -> str:
        return self._worker.name

    def run(self, drain: bool) -> int:
        return self._worker.run(drain, self._reports.append)

    def told(self) -> list[Report]:
        return [self._reports.popleft() for _ in range(len(self._reports))]

    def stop(self) -> None:
        self._worker.stop()


class RayWorkers:
    """As many workers as the cluster has CPUs, or so many; one that dies is replaced, what it had is judged by another.

    Args:
        db: path or URL of the data base, as every node reaches it.
        files: folder of submitted files, the same on every node; that beside the data base by default.
        address: of a running cluster; one on this machine is started, and ended, by default.
        count: how many workers.
        seconds: how long a lease lasts without a sign of life.
        poll: how often an empty queue is looked at, in seconds.

    Raises:
        ConfigError: Ray is not installed; a cluster is to share an SQLite file.
    """

    def __init__(
        self, db: str, files: str | None = None, address: str | None = None, count: int | None = None,
        seconds: float = LEASE_S, poll: float = 1.0,
    ) -> None:  # fmt: skip
        if address and "://" not in db:
            raise ConfigError("a data base that every node reaches", f"got the file {db}", "Use PostgreSQL")
        place = db if "://" in db else str(Path(db).resolve())
        self._given = (place, str(Path(files).resolve()) if files else None, seconds, poll)
        self._address, self._count = address, count
        self._stop = threading.Event()

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
            on_start: told of each worker by its name.

        Returns:
            How many submissions were judged, not counting the last ones of a worker that died.

        Raises:
            LedgerError: an actor cannot open the data base.
        """
        with _cluster(self._address) as ray:
            count = self._count or max(1, int(ray.cluster_resources().get("CPU", 1)))
            kind = ray.remote(num_cpus=1, max_restarts=0, max_concurrency=2)(_Remote)
            return self._watch(ray, kind, count, drain, on_report, on_start)

    def _watch(
        self, ray: Any, kind: Any, count: int, drain: bool,
        on_report: Callable[[Report], None], on_start: Callable[[str], None],
    ) -> int:  # fmt: skip
        def begin() -> None:
            actor = self._begun(ray, kind, on_start)
            actors[actor.run.remote(drain)] = actor

        actors: dict[Any, Any] = {}
        judged, asked = 0, False
        for _ in range(count):
            begin()
        while actors:
            ended, _ = ray.wait(list(actors), num_returns=1, timeout=LOOK_S)
            for report in self._told(ray, list(actors.values())):
                judged += report.outcome == "counted"
                on_report(report)
            for ref in ended:
                actors.pop(ref)
                if not _survived(ray, ref) and not self._stop.is_set():
                    begin()
            if self._stop.is_set() and not asked:
                asked = True
                for actor in actors.values():
                    actor.stop.remote()
        return judged

    def _begun(self, ray: Any, kind: Any, on_start: Callable[[str], None]) -> Any:
        actor = kind.remote(*self._given)
        try:
            on_start(ray.get(actor.name.remote()))
        except ray.exceptions.RayError as error:
            raise LedgerError("a data base that every node can open", str(error)[-500:], "Check --db there") from None
        return actor

    def _told(self, ray: Any, actors: list[Any]) -> Iterator[Report]:
        for actor in actors:
            try:
                yield from ray.get(actor.told.remote())
            except ray.exceptions.RayActorError:
                continue


def _survived(ray: Any, ref: Any) -> bool:
    """Whether an actor came to its end; what it raised is raised here, unless it died."""
    try:
        ray.get(ref)
    except ray.exceptions.RayActorError:
        return False
    return True


@contextmanager
def _cluster(address: str | None) -> Iterator[Any]:
    ray, mine = join(address)
    try:
        yield ray
    finally:
        if mine:
            ray.shutdown()
