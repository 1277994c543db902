"""The floor: the same file parsed line by line and put into one bare SQLite table in one transaction."""

import json
import sqlite3
from pathlib import Path

from p12_rows import items, seal
from speak import serve

STATE = {}


def prepare(folder, count):
    """Make the file that comes in."""
    STATE["body"] = "\n".join(json.dumps(each, ensure_ascii=False) for each in items(count)).encode()
    STATE["folder"] = Path(folder)


def begin():
    """A fresh data base."""
    path = STATE["folder"] / "floor.db"
    for each in STATE["folder"].glob("floor.db*"):
        each.unlink()
    base = sqlite3.connect(path, isolation_level=None)
    base.execute("PRAGMA journal_mode = WAL")
    base.execute("PRAGMA synchronous = NORMAL")
    base.execute("CREATE TABLE items (id TEXT PRIMARY KEY, prompt TEXT, content TEXT, system TEXT)")
    STATE["base"] = base


def load():
    """Take the items in."""
    rows = map(json.loads, STATE["body"].decode().splitlines())
    base = STATE["base"]
    base.execute("BEGIN")
    base.executemany("INSERT INTO items VALUES (:id, :prompt, :content, :system)", rows)
    base.execute("COMMIT")


def read():
    """What is there."""
    found = STATE["base"].execute("SELECT id, prompt, content, system FROM items")
    sealed = seal(dict(zip(("id", "prompt", "content", "system"), row, strict=True)) for row in found)
    STATE.pop("base").close()
    return sealed


if __name__ == "__main__":
    serve({"prepare": prepare, "begin": begin, "load": load, "read": read})
