"""The floor: one bare INSERT per record and commit, SQLite in WAL mode with synchronous=NORMAL, no loop around it."""

import json
import os
import sqlite3
from pathlib import Path

from speak import serve

STATE = {}
INSERT = "INSERT INTO attempts (task, answer, value, note) VALUES (?, ?, ?, ?)"


def connect():
    """A connection as the ledger sets it up."""
    connection = sqlite3.connect(STATE["path"], isolation_level=None, timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def prepare(folder, **_):
    """Make the table."""
    STATE["path"] = Path(folder) / "floor.db"
    STATE["connection"] = connect()
    STATE["connection"].execute("CREATE TABLE attempts (seq INTEGER PRIMARY KEY, task, answer, value REAL, note)")


def work(connection, count, batch, note):
    """Insert, in transactions of a batch."""
    text = json.dumps({"note": "x" * note} if note else {})
    for first in range(0, count, batch):
        rows = [("any", json.dumps(i), i * 7919 % 1000 / 1000, text) for i in range(first, min(first + batch, count))]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(INSERT, rows)
        connection.execute("COMMIT")


def record(count, batch, note=0, **_):
    """Record so many rows."""
    work(STATE["connection"], count, batch, note)


def record_by_two(count, batch, note=0, **_):
    """Two processes record half each."""
    STATE.pop("connection").close()
    children = []
    for _ in range(2):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                work(connect(), count // 2, batch, note)
                status = 0
            finally:
                os._exit(status)
        children.append(pid)
    if any(os.waitpid(pid, 0)[1] for pid in children):
        raise RuntimeError("a writer failed")
    STATE["connection"] = connect()


def read(**_):
    """What is in the table: answer, value and length of the note, sorted."""
    rows = STATE.pop("connection").execute("SELECT answer, value, note FROM attempts").fetchall()
    return sorted([json.loads(answer), value, len(json.loads(note).get("note", ""))] for answer, value, note in rows)


if __name__ == "__main__":
    serve({"prepare": prepare, "record": record, "record_by_two": record_by_two, "read": read})
