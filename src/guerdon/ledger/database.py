"""One connection per process to the data base, its transactions, and what happens when they fail."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from guerdon.core.errors import LedgerError
from guerdon.ledger import troubles
from guerdon.ledger.places import Place, side

Result = TypeVar("Result")

WRITER_KEY = 0x6775657264  # "guerd": PostgreSQL writers queue on this lock, so that seq is the order of commits
_BEGIN = {
    "sqlite": "BEGIN IMMEDIATE",
    "postgresql": f"BEGIN; SELECT pg_advisory_xact_lock({WRITER_KEY})",
}
_SNAPSHOT = {"sqlite": "BEGIN", "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}

_inherited: list[Connection] = []
"""Connections of the parent process, kept so that a forked child never closes them."""


class Database:
    """Transactions on one data base.

    Writes are functions of a connection, since a write that fails for a passing reason is done again: every one
    of them must be idempotent. Threads take turns.
    """

    def __init__(self, place: Place, durable: bool = False, patience: float = 30.0) -> None:
        self.place, self.patience, self._durable = place, patience, durable
        self.dialect = "postgresql" if place.server else "sqlite"
        self.mark = "%s" if place.server else "?"
        self._engine = self._make_engine()
        self._connection: Connection | None = None
        self._files: tuple[int, int] | None = None
        self._closed = False
        self._reset()

    def _reset(self) -> None:
        self._pid, self._turn = os.getpid(), threading.RLock()

    # ── connecting ──────────────────────────────────────────────────────────────────────────────────────────────

    def _make_engine(self) -> Engine:
        if self.place.server:
            troubles.need_psycopg()
            wait = {"connect_timeout": 10, "application_name": "guerdon"}
            engine = create_engine(self.place.url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=wait)
        else:
            engine = create_engine(
                "sqlite://", creator=self._open_file, poolclass=NullPool, isolation_level="AUTOCOMMIT"
            )
        event.listen(engine, "connect", self._prepare)
        return engine

    def _open_file(self) -> sqlite3.Connection:
        name = str(self.place.path) if self.place.path else ":memory:"
        return sqlite3.connect(name, timeout=min(5.0, self.patience), isolation_level=None, check_same_thread=False)

    def _prepare(self, raw: Any, _record: object) -> None:
        if self.place.server:
            raw.execute("SET lock_timeout = '5s'")
            if self._durable:  # else as the server is configured
                raw.execute("SET synchronous_commit = on")
            return
        mode = "FULL" if self._durable else "NORMAL"
        for pragma in ("foreign_keys = ON", "journal_mode = WAL", f"synchronous = {mode}", "cache_size = -32768"):
            raw.execute(f"PRAGMA {pragma}")
        raw.execute("PRAGMA wal_autocheckpoint = 4000")
        raw.execute("PRAGMA journal_size_limit = 67108864")

    @property
    def connection(self) -> Connection:
        """This process's connection; a forked child gets its own."""
        if self._pid != os.getpid():
            _inherited.extend(filter(None, [self._connection]))
            self._connection = None
            self._reset()
            if self.place.path is None and not self.place.server:
                raise LedgerError("a ledger that processes share", "it is in memory", "Open it from a file")
            self._engine = self._make_engine()
        if self._closed:
            raise LedgerError("an open ledger", f"{self.place.name} was closed", "Open it again")
        if self._connection is None:
            self._connection = self._engine.connect()
            self._files = self._identity()
        return self._connection

    def _identity(self) -> tuple[int, int] | None:
        if self.place.path is None:
            return None
        try:
            found = self.place.path.stat()
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _check_place(self) -> None:
        path = self.place.path
        if path is None:
            return
        if self._identity() != self._files:
            what = f"{path} was deleted or replaced while it was open"
        elif side(path, "-wal") is None:
            what = f"{path.name}-wal was deleted while it was open"
        else:
            return
        raise LedgerError("the ledger's own files", what, "Put them back from a backup; nothing more was written")

    def close(self) -> None:
        """Close this process's connection; in a forked child, leave the parent's alone."""
        if self._pid != os.getpid():
            _inherited.extend(filter(None, [self._connection]))
            self._connection, self._closed = None, True
            self._reset()
        with self._turn:
            self._closed = True
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(SQLAlchemyError):
                connection.invalidate()
            connection.close()

    # ── transactions ────────────────────────────────────────────────────────────────────────────────────────────

    def write(self, work: Callable[[Connection], Result]) -> Result:
        """Do `work` in one transaction; again, with jitter, if it failed for a passing reason.

        Raises:
            LedgerError: it failed for good, or for longer than `patience`. Nothing of it was written.
        """
        return self._patiently(lambda: self._transaction(work))

    def _patiently(self, do: Callable[[], Result]) -> Result:
        until = time.monotonic() + self.patience
        pause = 0.01
        while True:
            try:
                return do()
            except DBAPIError as error:
                if error.connection_invalidated or troubles.lost(error):
                    self._drop()
                if not troubles.passing(error) or time.monotonic() > until:
                    raise troubles.sentence(error, self.place, self.patience) from error
            except OSError as error:
                raise troubles.of_system(error, self.place.name) from error
            time.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(2 * pause, 1.0)

    def _transaction(self, work: Callable[[Connection], Result]) -> Result:
        connection = self.connection  # before the lock: a forked child must not wait for its parent's
        with self._turn:
            connection = self.connection
            self._check_place()
            try:
                execute(connection, _BEGIN[self.dialect])
                result = work(connection)
                execute(connection, "COMMIT")
            except BaseException:
                self._roll_back(connection)
                raise
            return result

    def _roll_back(self, connection: Connection) -> None:
        try:
            connection.exec_driver_sql("ROLLBACK")
        except SQLAlchemyError as error:  # a connection that is gone has nothing to roll back
            if "no transaction is active" not in str(error):
                self._drop()

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query; `?` marks its values on either data base.

        Raises:
            LedgerError: it cannot be read.
        """

        def read() -> list[Any]:
            connection = self.connection
            with self._turn:
                return query(self.connection or connection, sql, values)

        return self._patiently(read)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Callable[..., list[Any]]]:
        """Queries that all see the same moment, over a connection of their own (in memory: over the only one)."""
        if self.place.path is None and not self.place.server:
            with self._turn:
                yield self.rows
            return
        _ = self.connection
        connection = self._patiently(self._engine.connect)
        try:
            self._patiently(lambda: connection.exec_driver_sql(_SNAPSHOT[self.dialect]))
            yield lambda sql, values=(): self._patiently(lambda: query(connection, sql, values))
        finally:
            self._roll_back_other(connection)

    def _roll_back_other(self, connection: Connection) -> None:
        with contextlib.suppress(SQLAlchemyError):
            connection.exec_driver_sql("ROLLBACK")
        connection.close()

    def open_connection(self) -> Connection:
        """A second connection, for whoever holds a lock on it."""
        _ = self.connection
        return self._patiently(self._engine.connect)

    def compact(self) -> bool:
        """Rewrite an SQLite file, so that nothing of what was deleted is left in it or its log.

        Returns:
            Whether nothing is left: on PostgreSQL it is, until its own vacuum comes; and in an SQLite file's log, as
            long as somebody reads what was there before.
        """
        if self.place.server:
            return False

        def work() -> bool:
            connection = self.connection
            with self._turn:
                execute(connection, "VACUUM")
                return bool(query(connection, "PRAGMA wal_checkpoint(TRUNCATE)")[0][0] == 0)

        return self._patiently(work)

    def backup(self, target: Path) -> None:
        """Copy an SQLite file while it is in use, by SQLite's own means."""
        raw: Any = self.connection.connection.driver_connection
        with contextlib.closing(sqlite3.connect(target)) as copy:
            raw.backup(copy)


def execute(connection: Connection, sql: str, rows: Sequence[Any] | None = None) -> None:
    """Run a statement once, or once per row, over the driver's own cursor.

    SQLAlchemy's bookkeeping of a statement costs more than writing a row; its errors are kept.
    """

    def run(cursor: Any) -> None:
        if rows is None:
            cursor.execute(sql)
        elif len(rows) == 1:
            cursor.execute(sql, rows[0])
        else:
            cursor.executemany(sql, rows)

    _with_cursor(connection, sql, run)


def query(connection: Connection, sql: str, values: Sequence[Any] = ()) -> list[Any]:
    """All rows of a query, as plain tuples; `?` marks its values on either data base."""
    if connection.dialect.name == "postgresql" and values:
        sql = sql.replace("%", "%%").replace("?", "%s")

    def run(cursor: Any) -> list[Any]:
        cursor.execute(*((sql, tuple(values)) if values else (sql,)))
        return cursor.fetchall() if cursor.description else []

    return _with_cursor(connection, sql, run)


def _with_cursor(connection: Connection, sql: str, run: Callable[[Any], Result]) -> Result:
    raw: Any = connection.connection.driver_connection
    dialect = connection.dialect
    cursor = raw.cursor()
    try:
        return run(cursor)
    except dialect.dbapi.Error as error:  # type: ignore[union-attr]
        gone = dialect.is_disconnect(error, raw, cursor)
        base: Any = dialect.dbapi.Error  # type: ignore[union-attr]
        raise DBAPIError.instance(sql, None, error, base, connection_invalidated=gone, dialect=dialect) from error
    finally:
        cursor.close()
