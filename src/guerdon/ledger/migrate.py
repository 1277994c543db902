"""Bring a data base to the schema this program knows, or say why not."""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from guerdon.core.errors import LedgerError
from guerdon.ledger import schema, troubles
from guerdon.ledger.database import Database, query

MIGRATIONS = Path(__file__).parent / "migrations"


def bring_up(database: Database, migrations: Path = MIGRATIONS, head: str = schema.HEAD, create: bool = True) -> None:
    """Read the version; migrate in one transaction only if it is older. An SQLite file is backed up before.

    Raises:
        LedgerError: a newer program made it, it is not a ledger, or the migration failed (and changed nothing).
    """
    found = _version(database)
    if found == head:
        return
    _check(database, found, head, create)
    if found is not None and database.place.path is not None:
        path = database.place.path
        database.backup(path.with_name(f"{path.name}.before-{head}"))

    def upgrade(connection: Connection) -> None:
        rows = query(connection, f"SELECT version_num FROM {schema.VERSION_TABLE}") if found else []
        if rows != [(head,)]:
            _run_alembic(connection, migrations, head)

    try:
        database.write(upgrade)
    except LedgerError as error:
        if _version(database) != head:  # another process may have been faster
            raise LedgerError(
                f"a migration of {database.place.name} to schema {head}", error.got or str(error), "Nothing was changed"
            ) from error


def _version(database: Database) -> str | None:
    try:
        with_rows = database.rows(f"SELECT version_num FROM {schema.VERSION_TABLE}")
    except LedgerError as error:
        cause = error.__cause__
        missing = isinstance(cause, DBAPIError) and (troubles.state(cause) == "42P01" or "no such table" in str(cause))
        if missing:
            return None
        raise
    return str(with_rows[0][0]) if with_rows else None


def _check(database: Database, found: str | None, head: str, create: bool) -> None:
    name = database.place.name
    if found is None:
        if database.place.path and database.rows("SELECT name FROM sqlite_master WHERE type = 'table' LIMIT 1"):
            raise LedgerError("a ledger", f"{name} is the data base of another program", "Choose another path")
        if not create:
            raise LedgerError("an existing ledger", f"{name} has none", "Check the URL, or solve something there")
        return
    if not re.fullmatch(r"\d{4}", found, re.ASCII) or found > head:
        raise LedgerError(
            f"a ledger of schema {head} or older",
            f"{name} has schema {found[:40]}, made by a newer guerdon",
            "Upgrade: pip install -U guerdon",
        )


def _run_alembic(connection: Connection, migrations: Path, head: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, head)
