"""What data bases and disks complain of, as sentences; and which complaints pass if one waits."""

from __future__ import annotations

import errno
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from guerdon.core.errors import LedgerError
from guerdon.ledger.places import Place

_PASSING_STATES = frozenset(
    {
        "40001",  # serialisation failure
        "40P01",  # deadlock
        "55P03",  # lock not available in time
        "57014",  # statement timeout
        "57P01",  # server is shutting down
        "57P02",  # crash elsewhere
        "57P03",  # server is starting
        "53300",  # too many connections
        "08000",
        "08003",
        "08006",
        "08001",
    }
)
_FINAL = ("does not exist", "password", "authentication", "pg_hba.conf", "permission", "translate host name")
"""A failure to connect comes without a code; these are not cured by waiting."""
_SQLITE = (
    ("locked", "", ""),
    ("disk is full", "the disk is full", "Free some space and go on; nothing was written in part"),
    ("readonly", "it is read-only", "chmod u+w the file and its folder, or copy it elsewhere"),
    ("read-only", "it is read-only", "chmod u+w the file and its folder, or copy it elsewhere"),
    ("malformed", "its pages are damaged", "Restore a backup, or run: sqlite3 FILE .recover"),
    ("not a database", "it is not an SQLite data base", "Choose another path, or restore a backup"),
    ("unable to open", "SQLite cannot open it", "Check that the folder exists and can be written, and the open files"),
    ("disk i/o", "the disk reported an error", "Check the disk and its free space; nothing was written in part"),
    ("append-only", "a recorded row was about to be changed", "Add a new row instead"),
)


def need_psycopg() -> None:
    """Refuse a PostgreSQL URL where the driver is missing.

    Raises:
        LedgerError: psycopg is not installed.
    """
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise LedgerError(
            "a driver for PostgreSQL", "psycopg is not installed", 'Run: pip install "guerdon[postgres]"'
        ) from None


def state(error: DBAPIError) -> str:
    """The SQLSTATE of a PostgreSQL error, "" otherwise."""
    return str(getattr(error.orig, "sqlstate", "") or "")


def lost(error: DBAPIError) -> bool:
    """True when the connection is gone."""
    text = str(error.orig).lower()
    phrases = ("connection", "server closed", "terminating", "ssl syscall", "consuming input failed")
    return not _of_sqlite(error) and (state(error)[:2] in ("08", "57") or any(phrase in text for phrase in phrases))


def _of_sqlite(error: DBAPIError) -> bool:
    return type(error.orig).__module__ == "sqlite3"


def passing(error: DBAPIError) -> bool:
    """True when the same write may succeed later."""
    if _of_sqlite(error):
        text = str(error.orig).lower()
        return "locked" in text or "busy" in text
    code, text = state(error), str(error.orig)
    return code in _PASSING_STATES or (not code and lost(error) and not any(word in text for word in _FINAL))


def sentence(error: DBAPIError, place: Place, patience: float) -> LedgerError:
    """The error a person is shown."""
    text = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
    if not _of_sqlite(error):
        what = f"PostgreSQL said: {text}" + (f" [{code}]" if (code := state(error)) else "")
        hint = f"Waited {patience:g} s; try again when it is back" if passing(error) else "See the server's log"
        return LedgerError(f"the ledger {place.name}", what, hint)
    if passing(error):
        who = holders(place.path) if place.path else []
        by = f" (process {', '.join(map(str, who))})" if who else ""
        return LedgerError(
            f"writing to {place.name}",
            f"another program{by} has kept it locked for {patience:g} s",
            "Close that program, or stop its transaction; nothing was written",
        )
    for phrase, what, do in _SQLITE:
        if phrase in text.lower():
            return LedgerError(f"the ledger {place.name}", f"{what} ({text})", do)
    return LedgerError(f"the ledger {place.name}", f"SQLite said: {text}", "Nothing was written; check the file")


def of_system(error: OSError, name: str) -> LedgerError:
    """An error of the operating system, as a person is shown it."""
    do = {
        errno.ENOSPC: "Free some space and go on",
        errno.EDQUOT: "Free some of your quota and go on",
        errno.EMFILE: "Raise the limit of open files: ulimit -n 4096",
        errno.EACCES: "Check who may write there",
        errno.EROFS: "Choose a place that can be written",
    }.get(error.errno or 0, "Check the disk")
    return LedgerError(f"writing to {name}", error.strerror or str(error), f"{do}; nothing was written in part")


def holders(path: Path) -> list[int]:
    """Processes that hold a lock on the data base, as far as Linux tells."""
    inodes = set()
    for ending in ("", "-shm"):
        try:
            inodes.add(str(path.with_name(path.name + ending).stat().st_ino))
        except OSError:
            continue
    try:
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return []
    found = {
        int(fields[4])
        for fields in (line.split() for line in lines)
        if len(fields) > 5 and fields[5].rpartition(":")[2] in inodes and fields[3] == "WRITE" and int(fields[4]) > 0
    }
    return sorted(found)
