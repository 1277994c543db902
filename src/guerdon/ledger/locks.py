"""Who is here, and who works on which run. The operating system or the server frees these when a process dies."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from sqlalchemy.exc import SQLAlchemyError

from guerdon.core.errors import LedgerError
from guerdon.ledger import troubles
from guerdon.ledger.database import Database

_held: dict[tuple[int, str], str] = {}
"""(process, lock file) to run: record locks do not exclude within one process, so it keeps its own list."""
_guard = threading.Lock()


class Presence:
    """A shared mark that a ledger file is open. Whoever finds itself alone may see what a crash has left."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = (folder / "open.lock").open("ab")
        except OSError as error:
            raise troubles.of_system(error, str(folder)) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.alone = True
        except OSError:
            self.alone = False

    def share(self) -> None:
        """Let others in. Waits for one that is checking the file."""
        fcntl.flock(self._file, fcntl.LOCK_SH)

    def close(self) -> None:
        """Leave."""
        self._file.close()


def _busy(run: str, who: str) -> LedgerError:
    return LedgerError(
        "one process at a time works on a run",
        f"run {run!r} is being worked on{who}",
        "Wait for it or stop it; to run beside it, choose another seed or name",
    )


@contextlib.contextmanager
def file_lock(folder: Path, run: str) -> Iterator[None]:
    """Hold a run by a record lock on a file: freed by any kind of death, and not inherited by forked workers.

    Raises:
        LedgerError: somebody else holds it.
    """
    name = folder / "locks" / f"{hashlib.sha256(run.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}.lock"
    key = (os.getpid(), os.path.realpath(name))
    with _guard:
        if key in _held:
            raise _busy(run, " by this process already")
        _held[key] = run
    try:
        with _open(name) as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                owner = name.read_text(encoding="ascii", errors="replace").strip()
                raise _busy(run, f" by process {owner}" if owner else "") from None
            file.truncate(0)
            file.write(f"{os.getpid()}\n".encode("ascii"))
            file.flush()
            yield
    finally:
        with _guard:
            _held.pop(key, None)


def _open(name: Path) -> IO[bytes]:
    try:
        name.parent.mkdir(parents=True, exist_ok=True)
        return name.open("ab")
    except OSError as error:
        raise troubles.of_system(error, str(name)) from error


@contextlib.contextmanager
def server_lock(database: Database, run: str) -> Iterator[None]:
    """Hold a run by an advisory lock of a session of its own: freed when the connection ends.

    Raises:
        LedgerError: somebody else holds it.
    """
    number = int.from_bytes(
        hashlib.sha256(b"run" + run.encode("utf-8", "surrogatepass")).digest()[:8], "big", signed=True
    )
    key = f"{number} # 'runs'::regclass::oid::bigint"  # two ledgers may share a data base, in two schemas
    connection = database.open_connection()
    try:
        if not connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({key})").scalar():
            raise _busy(run, " by another session")
        yield
    finally:
        with contextlib.suppress(SQLAlchemyError):
            connection.exec_driver_sql(f"SELECT pg_advisory_unlock({key})")
        connection.close()
