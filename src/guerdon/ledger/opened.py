"""Everything that an open ledger holds: its data base, the mark that it is open, its folder."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from guerdon.core.errors import LedgerError
from guerdon.ledger import locks, migrate, troubles
from guerdon.ledger.database import Database
from guerdon.ledger.places import Place, check_file, data_folder, side


class Opened:
    """A data base that has been checked and brought to the current schema."""

    def __init__(self, place: Place, durable: bool, create: bool, patience: float) -> None:
        if place.path is not None:
            try:
                check_file(place.path, create)
            except OSError as error:
                raise troubles.of_system(error, place.name) from error
        self.place, self.database = place, Database(place, durable, patience)
        self._presence: locks.Presence | None = None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._pid = os.getpid()
        try:
            self._start(create)
        except BaseException:
            self.close()
            raise

    def _start(self, create: bool) -> None:
        path = self.place.path
        if path is not None:
            self._presence = locks.Presence(self.folder)
            if self._presence.alone and side(path, "-wal"):
                check_pages(self.database, path)
        migrate.bring_up(self.database, create=create)
        if self._presence is not None:
            self._presence.share()

    @property
    def url(self) -> str:
        """What opens it again: the path of its file, or its URL with the password."""
        return str(self.place.path or self.place.url.render_as_string(hide_password=False))

    @property
    def folder(self) -> Path:
        """The folder beside it; of a ledger in memory, one that goes with it."""
        if self.place.files is not None:
            return self.place.files
        if self.place.server:
            return data_folder(self.place)
        if self._scratch is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="guerdon-")
        return Path(self._scratch.name)

    def blobs(self) -> Path:
        """The folder of blobs."""
        return self.folder / "blobs"

    def close(self) -> None:
        """Let go of everything; of nothing, in a child of the process that opened it."""
        self.database.close()
        if self._presence is not None:
            self._presence.close()
        if self._scratch is not None and self._pid == os.getpid():
            self._scratch.cleanup()


def check_pages(database: Database, path: Path) -> None:
    """After an unclean end: SQLite replays its log by itself; make sure that what results is whole.

    Raises:
        LedgerError: it is not.
    """
    found = database.rows("PRAGMA quick_check(3)")
    if found != [("ok",)]:
        said = "; ".join(str(row[0]) for row in found)[:300]
        raise LedgerError(f"the ledger {path}", f"its pages are damaged ({said})", "Restore a backup")
