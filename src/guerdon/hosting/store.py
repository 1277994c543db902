"""The contest's tables, in the same data base as the ledger and in the same transactions."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from guerdon.core.errors import LedgerError
from guerdon.core.plain import canonical
from guerdon.ledger import Ledger, troubles
from guerdon.ledger.codec import pack, unpack
from guerdon.ledger.database import query

HEAD = "0003"
"""The newest version of the tables that this program knows."""
VERSION_TABLE = "hosting_schema"
MIGRATIONS = Path(__file__).parent / "migrations"

Result = TypeVar("Result")
_CLOCK = {
    "sqlite": "SELECT (julianday('now') - 2440587.5) * 86400.0",
    "postgresql": "SELECT EXTRACT(EPOCH FROM clock_timestamp())::double precision",
}


class Store:
    """Reads and writes over a ledger's data base. A write is one transaction; writers take turns.

    Args:
        ledger: an open ledger.
        clock: seconds since the epoch, for tests; the data base's clock otherwise, so that workers on several
            machines agree about leases.
    """

    def __init__(self, ledger: Ledger, clock: Callable[[], float] | None = None) -> None:
        self.ledger, self._clock = ledger, clock
        bring_up(ledger)

    def now(self, connection: Connection | None = None) -> float:
        """Seconds since the epoch, by the data base's clock."""
        if self._clock is not None:
            return self._clock()
        if connection is not None:
            return float(query(connection, _CLOCK[connection.dialect.name])[0][0])
        kind = "postgresql" if self.ledger.url.startswith("postgresql") else "sqlite"
        return float(self.ledger.query(_CLOCK[kind])[0][0])

    def write(self, work: Callable[[Writer], Result]) -> Result:
        """Do something in one transaction; it may be done again, and must then come to the same."""
        mark = new_id()
        return self.ledger.transaction(lambda connection: work(Writer(self, connection, mark)))

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """Rows of a query; `?` marks its values, texts come packed."""
        return self.ledger.query(sql, values)


class Writer:
    """One transaction that is under way.

    Args:
        store: where.
        connection: of the transaction.
        mark: the same when it is done again, because the answer to its commit was lost.
    """

    def __init__(self, store: Store, connection: Connection, mark: str) -> None:
        self.store, self.connection, self._mark = store, connection, mark
        self.now = store.now(connection)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """Rows of a query within the transaction."""
        return query(self.connection, sql, values)

    def change(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run a statement; returns how many rows it changed."""
        if self.connection.dialect.name == "postgresql":
            sql = sql.replace("%", "%%").replace("?", "%s")
        return self.connection.exec_driver_sql(sql, tuple(values)).rowcount

    def insert(self, table: str, **columns: Any) -> None:
        """Insert a row. One that is there already, by a unique column, stays as it is."""
        names = ", ".join(f'"{name}"' for name in columns)
        marks = ", ".join("?" * len(columns))
        sql = f"INSERT INTO hosting_{table} ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING"
        self.change(sql, list(columns.values()))

    def tell(self, kind: str, contest: str, thing: str = "", team: str = "") -> None:
        """Note that something has changed, for those who watch."""
        self.insert("events", kind=kind, contest=pack(contest), object=thing, team=team, at=self.now)

    def record(self, person: str, action: str, contest: str = "", thing: str = "", **detail: Any) -> None:
        """Put into the log what an organiser does; at most once in a transaction.

        Args:
            person: id of who does it.
            action: a verb.
            contest: slug of the contest or comparison project.
            thing: id, or the name of a phase.
            detail: plain data. Nobody's name: the log outlives people's wish to be forgotten.
        """
        self.insert(
            "log", id=self._mark, person=person, action=action, contest=pack(contest), object=pack(thing),
            detail=packed(detail), at=self.now,
        )  # fmt: skip

    @property
    def recorded(self) -> bool:
        """Whether this very transaction was committed before."""
        return bool(self.rows("SELECT 1 FROM hosting_log WHERE id = ?", [self._mark]))


def new_id() -> str:
    """A name that nobody can guess."""
    return secrets.token_hex(8)


def packed(value: Any) -> str:
    """Plain data as ASCII JSON."""
    return canonical(value)


def unpacked(text: str) -> Any:
    """What `packed` was given."""
    return json.loads(text) if text else None


def bring_up(ledger: Ledger) -> None:
    """Make or upgrade the tables, in one transaction.

    Raises:
        LedgerError: a newer program made them, or the migration failed (and changed nothing).
    """
    found = _version(ledger)
    if found == HEAD:
        return
    if found is not None and found > HEAD:
        got = f"it has version {found[:40]}, made by a newer guerdon"
        raise LedgerError(f"contests of version {HEAD} or older", got, "Upgrade: pip install -U guerdon")

    def upgrade(connection: Connection) -> None:
        known = query(connection, f"SELECT version_num FROM {VERSION_TABLE}") if found else []
        if known != [(HEAD,)]:
            _run_alembic(connection)

    try:
        ledger.transaction(upgrade)
    except LedgerError:
        if _version(ledger) != HEAD:  # another process may have been faster
            raise


def _version(ledger: Ledger) -> str | None:
    try:
        rows = ledger.query(f"SELECT version_num FROM {VERSION_TABLE}")
    except LedgerError as error:
        cause = error.__cause__
        if isinstance(cause, DBAPIError) and (troubles.state(cause) == "42P01" or "no such table" in str(cause)):
            return None
        raise
    return str(rows[0][0]) if rows else None


def _run_alembic(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, HEAD)


__all__ = ["HEAD", "MIGRATIONS", "VERSION_TABLE", "Store", "Writer", "bring_up", "new_id", "pack", "packed", "unpack",
           "unpacked"]  # fmt: skip
