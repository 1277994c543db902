"""The one exception to an append-only record: what somebody wrote is erased when they have a right to it.

The rows stay, with their numbers, their verdicts' values and their places, so that nothing that was counted changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection

from guerdon.core.plain import Blob
from guerdon.ledger.codec import blob_of, loads
from guerdon.ledger.database import execute, query

TABLES = ("attempts", "verdicts")
PAGE = 20_000


def erase(connection: Connection, attempts: Sequence[int]) -> list[Blob]:
    """Empty attempts of their content and note, and their verdicts of all but the value and the kind of fault.

    Args:
        connection: of a transaction that is under way.
        attempts: their `seq`.

    Returns:
        Stored files that no attempt names any more.
    """
    blobs = [_blob(connection, seq) for seq in attempts]
    laws = _lift(connection)
    for seq in attempts:
        number = int(seq)
        execute(
            connection, f"UPDATE attempts SET content = 'null', blob = 0, parents = '[]', note = '{{}}' "
            f"WHERE seq = {number}",
        )  # fmt: skip
        execute(connection, f"UPDATE verdicts SET score = '{{}}' WHERE attempt = {number}")
    _restore(connection, laws)
    gone = {blob.digest: blob for blob in blobs if blob is not None}
    for blob in _named(connection) if gone else ():
        gone.pop(blob.digest, None)
    return list(gone.values())


def _blob(connection: Connection, seq: int) -> Blob | None:
    rows = query(connection, "SELECT content FROM attempts WHERE seq = ? AND blob = 1", [seq])
    return blob_of(loads(rows[0][0])) if rows else None


def _named(connection: Connection) -> Iterator[Blob]:
    """The files that attempts hold, a page at a time."""
    sql = f"SELECT seq, content FROM attempts WHERE seq > ? AND blob = 1 ORDER BY seq LIMIT {PAGE}"
    last = 0
    while rows := query(connection, sql, [last]):
        yield from (blob_of(loads(content)) for _, content in rows)
        last = rows[-1][0]


def _lift(connection: Connection) -> list[str]:
    """Let rows be changed within this transaction; returns what forbids it again."""
    if connection.dialect.name == "postgresql":
        for table in TABLES:
            execute(connection, f"ALTER TABLE {table} DISABLE TRIGGER {table}_keep")
        return [f"ALTER TABLE {table} ENABLE TRIGGER {table}_keep" for table in TABLES]
    laws = []
    for table in TABLES:
        sql = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = ?"
        laws.append(str(query(connection, sql, [f"{table}_keep"])[0][0]))
        execute(connection, f"DROP TRIGGER {table}_keep")
    return laws


def _restore(connection: Connection, laws: Sequence[str]) -> None:
    for law in laws:
        execute(connection, law)
