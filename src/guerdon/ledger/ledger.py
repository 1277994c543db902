"""The ledger: the one record of runs, attempts and verdicts. Rows are added and never changed."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from sqlalchemy import Connection

from guerdon.core.errors import LedgerError, did_you_mean
from guerdon.core.task import Task
from guerdon.ledger import codec, locks
from guerdon.ledger.adding import Adding, check_status
from guerdon.ledger.blobs import Blobs
from guerdon.ledger.codec import pack, unpack
from guerdon.ledger.opened import Opened
from guerdon.ledger.places import Place
from guerdon.ledger.rows import AttemptRow, ChoiceRow, RunRow, StepRow, VerdictRow

Result = TypeVar("Result")

NEWEST = (
    "v.superseded = 0 AND NOT EXISTS (SELECT 1 FROM verdicts w "
    "WHERE w.attempt = v.attempt AND w.superseded = 0 AND w.seq {} v.seq)"
)
"""Picks one verdict per attempt: `>` leaves the newest that counts, `<` the oldest."""


class Ledger:
    """One record, in an SQLite file or a PostgreSQL data base. Recording a row twice is recording it once.

    >>> with Ledger.open("sqlite://") as ledger:
    ...     ledger.revision(), ledger.runs()
    (0, [])
    """

    def __init__(self, opened: Opened, options: tuple[Any, ...] = ()) -> None:
        self._opened, self._options, self._database = opened, options, opened.database
        self._let_go = weakref.finalize(self, opened.close)
        self.adding = Adding(opened.database.mark)
        self.blobs = Blobs(opened.blobs)

    # ── opening and closing ─────────────────────────────────────────────────────────────────────────────────────

    @classmethod
    def open(
        cls,
        url: str | Path = "guerdon.db",
        *,
        durable: bool = False,
        create: bool = True,
        files: str | Path | None = None,
        patience: float = 30.0,
    ) -> Ledger:
        """Open or make a ledger.

        Args:
            url: a path, "sqlite:///path", "sqlite://" (in memory) or "postgresql://user@host/name".
            durable: wait for the disk at each commit, so that a power cut loses nothing either.
            create: make the file if there is none.
            files: folder for blobs, checkpoints and locks; beside an SQLite file, or in the user's data folder.
            patience: seconds to wait for another writer, or for a server that is away.

        Raises:
            LedgerError: it cannot be opened, with the reason and the fix.
        """
        place = Place.of(url, files)
        return cls(Opened(place, durable, create, patience), (durable, create, place.files, patience))

    @property
    def url(self) -> str:
        """What opens it again in another process: the path of its file, or its URL with the password."""
        return self._opened.url

    @property
    def folder(self) -> Path:
        """The folder beside it, for blobs, checkpoints and locks."""
        return self._opened.folder

    def close(self) -> None:
        """Close it. Closing twice is closing once; one that is forgotten is closed with its last reference."""
        self._let_go()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Ledger({self._database.place.name!r})"

    def __reduce__(self) -> tuple[Callable[..., Ledger], tuple[Any, ...]]:
        return _reopen, (self.url, *self._options)

    # ── runs ────────────────────────────────────────────────────────────────────────────────────────────────────

    def begin(self, run: RunRow) -> RunRow:
        """Record a run, or return the one of that id.

        Raises:
            LedgerError: the stored run of that id differs in recipe, seed, challenge, split, solver or judge.
        """
        return self.transaction(lambda connection: self.adding.run(connection, run))

    def finish(self, run: str, status: str) -> None:
        """Record how a run stands: running, done, interrupted or failed."""
        check_status(status)
        mark = self._database.mark
        sql = f"UPDATE runs SET status = {mark} WHERE seq = {mark}"
        self.transaction(lambda to: to.exec_driver_sql(sql, (status, self.adding.number(to, run))))

    def run(self, name: str) -> RunRow:
        """A run by its id, by an unambiguous beginning of it, or the newest as "last" or "latest".

        Raises:
            LedgerError: there is none, or more than one.
        """
        sql = f"SELECT {codec.RUN} FROM runs"
        if found := self._database.rows(f"{sql} WHERE id = ?", [pack(name)]):
            return codec.run_row(found[0])
        if name in ("last", "latest") and (found := self._database.rows(f"{sql} ORDER BY seq DESC LIMIT 1")):
            return codec.run_row(found[0])
        known = [unpack(row[0]) for row in self._database.rows("SELECT id FROM runs ORDER BY seq DESC")]
        matching = [run for run in known if name and run.startswith(name)]
        if len(matching) == 1:
            return self.run(matching[0])
        if matching:
            raise LedgerError(
                "the beginning of one run's id", f"{name!r} fits {len(matching)}", ", ".join(matching[:5])
            )
        raise LedgerError("a run of this ledger", f"got {name!r}", did_you_mean(name, known[:50]))

    def runs(self, challenge: str | None = None) -> list[RunRow]:
        """All runs, of one challenge if given, oldest first."""
        where, values = ("", []) if challenge is None else (" WHERE challenge = ?", [pack(challenge)])
        found = self._database.rows(f"SELECT {codec.RUN} FROM runs{where} ORDER BY seq", values)
        return [codec.run_row(columns) for columns in found]

    def lock(self, run: str) -> AbstractContextManager[None]:
        """Hold a run while working on it; a dead process lets go by itself.

        Raises:
            LedgerError: somebody else holds it (on entering).
        """
        if self._database.place.server:
            return locks.server_lock(self._database, run)
        return locks.file_lock(self.folder, run)

    def tasks_seen(self, challenge: str, tasks: Sequence[Task]) -> None:
        """Record what was asked. A task whose data has changed is kept beside its older self."""
        self.transaction(lambda connection: self.adding.tasks(connection, [(challenge, task) for task in tasks]))

    def tasks(self, challenge: str) -> dict[str, Task]:
        """The tasks of a challenge by id, as last seen."""
        sql = "SELECT id, data FROM tasks WHERE challenge = ? ORDER BY seq"
        found = self._database.rows(sql, [pack(challenge)])
        return {unpack(name): Task(unpack(name), codec.loads(data)) for name, data in found}

    # ── adding ──────────────────────────────────────────────────────────────────────────────────────────────────

    def attempt(self, rows: Sequence[AttemptRow]) -> None:
        """Record attempts, all or none."""
        self.record(rows, (), None)

    def judge(self, rows: Sequence[VerdictRow]) -> None:
        """Record verdicts, all or none.

        Raises:
            LedgerError: the attempt of one is not recorded.
        """
        self.record((), rows, None)

    def commit_step(self, row: StepRow) -> None:
        """Record that a step is finished."""
        self.record((), (), row)

    def record(self, attempts: Sequence[AttemptRow], verdicts: Sequence[VerdictRow], step: StepRow | None) -> None:
        """Record attempts, their verdicts and the end of the step in one transaction.

        Raises:
            LedgerError: something in it cannot be recorded; then none of it is.
        """

        def work(connection: Connection) -> None:
            self.adding.attempts(connection, attempts)
            self.adding.verdicts(connection, verdicts)
            self.adding.steps(connection, [] if step is None else [step])

        if attempts or verdicts or step is not None:
            self.transaction(work)

    def choose(self, rows: Sequence[ChoiceRow]) -> None:
        """Record choices, all or none."""
        if rows:
            self.transaction(lambda connection: self.adding.choices(connection, rows))

    def transaction(self, work: Callable[[Connection], Result]) -> Result:
        """Do several things of `adding` as one. They may be done again, so they must come to the same each time.

        Raises:
            LedgerError: it cannot be done; then nothing of it is.
        """
        try:
            return self._database.write(work)
        except BaseException:
            self.adding.forget()
            raise

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────

    def attempts(self, run: str | None = None, *, step: int | None = None, since: int = 0) -> list[AttemptRow]:
        """Attempts in the order of recording, of one run or step, or after a given `seq`."""
        where, values = _where(("r.id", run and pack(run)), ("a.step", step))
        sql = (
            f"SELECT {codec.ATTEMPT} FROM attempts a JOIN runs r ON r.seq = a.run WHERE a.seq > ?{where} ORDER BY a.seq"
        )
        return [codec.attempt_row(columns) for columns in self._database.rows(sql, [since, *values])]

    def verdicts(self, run: str | None = None, *, step: int | None = None, all: bool = False) -> list[VerdictRow]:  # noqa: A002
        """Verdicts in the order of recording: the newest that counts per attempt, or all of them."""
        where, values = _where(("r.id", run and pack(run)), ("a.step", step))
        sql = (
            f"SELECT {codec.VERDICT} FROM verdicts v JOIN attempts a ON a.seq = v.attempt JOIN runs r ON r.seq = a.run "
            f"WHERE {'1 = 1' if all else NEWEST.format('>')}{where} ORDER BY v.seq"
        )
        return [codec.verdict_row(columns) for columns in self._database.rows(sql, values)]

    def judged(
        self, run: str, *, step: int | None = None, first: bool = False
    ) -> list[tuple[AttemptRow, VerdictRow | None]]:
        """Attempts with the newest verdict that counts (or the first), in the order of step and index."""
        return list(self.each_judged(run, step=step, first=first))

    def each_judged(
        self, run: str, *, step: int | None = None, first: bool = False, page: int = 2000
    ) -> Iterator[tuple[AttemptRow, VerdictRow | None]]:
        """As `judged`, one page in memory at a time."""
        where, values = _where(("a.step", step))
        sql = (
            f"SELECT {codec.ATTEMPT}, {codec.VERDICT} FROM attempts a JOIN runs r ON r.seq = a.run "
            f"LEFT JOIN verdicts v ON v.attempt = a.seq AND {NEWEST.format('<' if first else '>')} "
            f"WHERE r.id = ? AND (a.step, a.place, a.seq) > (?, ?, ?){where} "
            "ORDER BY a.step, a.place, a.seq LIMIT ?"
        )
        after = (-1, 0, 0)
        while True:
            found = self._database.rows(sql, [pack(run), *after, *values, page])
            for columns in found:
                attempt = codec.attempt_row(columns[:10])
                yield attempt, None if columns[10] is None else codec.verdict_row(columns[10:])
            if len(found) < page:
                return
            after = (attempt.step, attempt.index, attempt.seq)

    def steps(self, run: str) -> list[StepRow]:
        """Finished steps of a run, in order."""
        sql = f"SELECT {codec.STEP} FROM steps s JOIN runs r ON r.seq = s.run WHERE r.id = ? ORDER BY s.step"
        return [codec.step_row(columns) for columns in self._database.rows(sql, [pack(run)])]

    def choices(self, run: str | None = None) -> list[ChoiceRow]:
        """Choices in the order of recording."""
        where, values = _where(("r.id", run and pack(run)))
        sql = f"SELECT {codec.CHOICE} FROM choices c JOIN runs r ON r.seq = c.run WHERE 1 = 1{where} ORDER BY c.seq"
        return [codec.choice_row(columns) for columns in self._database.rows(sql, values)]

    def spent(self, run: str) -> dict[str, float]:
        """What a run has spent: attempts counted, the rest summed over its finished steps."""
        number, values = "(SELECT seq FROM runs WHERE id = ?)", [pack(run)]
        attempts = self._database.rows(f"SELECT COUNT(*) FROM attempts WHERE run = {number}", values)
        names = ("seconds", "tokens", "sandbox_seconds", "frames")
        steps = self._database.rows(f"SELECT {', '.join(names)} FROM steps WHERE run = {number}", values)
        seconds, tokens, sandbox, frames = zip(*steps, strict=True) if steps else ((), (), (), ())
        return {
            "attempts": int(attempts[0][0]),
            "seconds": math.fsum(seconds),  # exact, so that both data bases say the same
            "tokens": sum(tokens),
            "sandbox_seconds": math.fsum(sandbox),
            "frames": sum(frames),
        }

    def revision(self) -> int:
        """A number that grows whenever a row is added; cheap to ask for."""
        tables = ("runs", "tasks", "attempts", "verdicts", "steps", "choices")
        newest = " + ".join(f"COALESCE((SELECT MAX(seq) FROM {table}), 0)" for table in tables)
        return int(self._database.rows(f"SELECT {newest}")[0][0])

    def query(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """Rows of a read-only SQL query, for views; `?` marks values on either data base, texts come packed."""
        return self._database.rows(sql, values)

    def compact(self) -> bool:
        """Leave nothing in an SQLite file of what was deleted, by writing it anew; says whether that was done."""
        return self._database.compact()

    def snapshot(self) -> AbstractContextManager[Callable[..., list[Any]]]:
        """A `query` function whose calls all see the same moment."""
        return self._database.snapshot()


def _reopen(url: str, durable: bool, create: bool, files: Path | None, patience: float) -> Ledger:
    return Ledger.open(url, durable=durable, create=create, files=files, patience=patience)


def _where(*terms: tuple[str, Any]) -> tuple[str, list[Any]]:
    given = [(column, value) for column, value in terms if value is not None]
    return "".join(f" AND {column} = ?" for column, _ in given), [value for _, value in given]
