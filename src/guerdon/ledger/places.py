"""Where a ledger is: its URL, the folder beside it, and what is checked before a file is opened."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from guerdon.core.errors import LedgerError

MAGIC = b"SQLite format 3\x00"
LONGEST_NAME = 247  # SQLite adds "-journal"
NETWORK = frozenset({"nfs", "nfs3", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "ncpfs", "afs", "ceph", "lustre"})
PERHAPS_NETWORK = ("9p", "fuse")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a ledger is.

    Args:
        url: as SQLAlchemy reads it, password included.
        path: of the SQLite file; `None` for a server or for memory.
        files: of the folder for blobs, checkpoints and locks, as far as it is known.
    """

    url: URL
    path: Path | None
    files: Path | None

    @classmethod
    def of(cls, where: str | Path, files: str | Path | None = None) -> Place:
        """Read a path or a URL.

        Raises:
            LedgerError: it is neither.
        """
        text = str(where)
        if isinstance(where, Path) or text.startswith("/") or "://" not in text:
            return cls._file(Path(where), files)
        if text.startswith("sqlite:///") and text != "sqlite:///:memory:":
            return cls._file(Path(text.removeprefix("sqlite:///")), files)
        try:
            url = make_url(text)
        except (ArgumentError, ValueError) as error:
            raise LedgerError(
                "a ledger is a path or a database URL", str(error), "Write guerdon.db or postgresql://user@host/name"
            ) from None
        kind = url.get_backend_name()
        if kind == "sqlite":
            return cls(url, None, Path(files).absolute() if files else None)
        if kind in ("postgresql", "postgres"):
            url = url.set(drivername="postgresql+psycopg")
            return cls(url, None, Path(files).absolute() if files else None)
        raise LedgerError("a ledger lives in SQLite or PostgreSQL", f"got {kind}://", "Use one of the two")

    @classmethod
    def _file(cls, path: Path, files: str | Path | None) -> Place:
        path = path.expanduser().absolute()
        url = URL.create("sqlite", database=str(path))
        return cls(url, path, Path(files).absolute() if files else path.with_name(f"{path.name}.files"))

    @property
    def name(self) -> str:
        """For messages: the path, or the URL without its password."""
        return str(self.path) if self.path else self.url.render_as_string(hide_password=True)

    @property
    def server(self) -> bool:
        """True for PostgreSQL."""
        return self.url.get_backend_name() == "postgresql"


def data_folder(place: Place, environment: Mapping[str, str] = os.environ) -> Path:
    """The user-data folder that goes with a server's ledger, one per host, port and database.

    Raises:
        LedgerError: there is no home folder.
    """
    home = environment.get("XDG_DATA_HOME") or environment.get("HOME")
    if not home:
        raise LedgerError(
            "a folder for blobs and checkpoints", "HOME is not set", "Pass files=, or set XDG_DATA_HOME to a folder"
        )
    root = Path(home) if environment.get("XDG_DATA_HOME") else Path(home) / ".local" / "share"
    url = place.url
    name = hashlib.sha256(repr((url.host, url.port, url.database, sorted(url.query.items()))).encode()).hexdigest()
    return root / "guerdon" / name[:16]


def check_file(path: Path, create: bool) -> None:
    """Refuse what cannot be a ledger, with the fix, before SQLite is let near it.

    Raises:
        LedgerError: missing, a folder, not a data base, cut off, not writable, or on a network file system.
    """
    if path.is_dir():
        raise LedgerError("a ledger is a file", f"{path} is a folder", f"Name a file in it: {path / 'guerdon.db'}")
    if len(os.fsencode(path.name)) > LONGEST_NAME:
        raise LedgerError(
            f"a name of at most {LONGEST_NAME} bytes", f"{path.name[:40]}... is longer", "Choose a shorter one"
        )
    if not path.parent.is_dir():
        raise LedgerError(
            "a ledger lies in an existing folder", f"there is no {path.parent}", f"Make it: mkdir -p {path.parent}"
        )
    refuse_network(path)
    if not path.exists():
        if not create:
            near = ", ".join(sorted(p.name for p in path.parent.glob("*.db"))[:5])
            raise LedgerError(
                "an existing ledger", f"there is no {path}", f"Ledgers there: {near}" if near else "Solve something"
            )
        if not os.access(path.parent, os.W_OK):
            raise LedgerError("a folder that can be written", f"{path.parent} cannot", "Choose another, or chmod u+w")
        return
    if not path.is_file():
        raise LedgerError("a ledger is a regular file", f"{path} is not", "Choose another path")
    if not os.access(path, os.R_OK | os.W_OK) or not os.access(path.parent, os.W_OK):
        raise LedgerError(
            "a ledger that can be written", f"{path} or its folder is read-only", "chmod u+w both, or copy it elsewhere"
        )
    _check_header(path)
    _check_log(path)


def _check_header(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(100)
    size = path.stat().st_size
    if not head:
        return
    if head[:16] != MAGIC[: len(head)] or len(head) < 100:
        what = "is cut off" if MAGIC.startswith(head[:16]) or head.startswith(MAGIC) else "is not a data base"
        raise LedgerError(
            "a ledger is an SQLite data base", f"{path} {what} ({size} bytes)", "Choose another path, or use a backup"
        )
    page = int.from_bytes(head[16:18], "big")
    pages = int.from_bytes(head[28:32], "big")
    current = head[24:28] == head[92:96]
    log = side(path, "-wal")
    if current and (log is None or log == 0) and size < pages * (65536 if page == 1 else page):
        raise LedgerError(
            "a whole data base", f"{path} is cut off ({size} bytes of {pages * page})", "Restore it from a backup"
        )


def side(path: Path, ending: str) -> int | None:
    """Size of a file beside the data base, or `None` if there is none."""
    try:
        return path.with_name(path.name + ending).stat().st_size
    except FileNotFoundError:
        return None


def _check_log(path: Path) -> None:
    """SQLite removes -shm before -wal, and makes -wal before -shm: the second alone means the first was taken away."""
    if side(path, "-shm") is None or side(path, "-wal") is not None or side(path, "-shm") is None:
        return
    raise LedgerError(
        "a data base together with its write-ahead log",
        f"{path}-shm is there but {path.name}-wal is not, so the newest attempts may be missing",
        f"Put {path.name}-wal back, or delete {path.name}-shm to go on with what is left",
    )


def refuse_network(path: Path, mounts: str | None = None) -> None:
    """SQLite's locks do not hold on network file systems: two writers there destroy the file.

    Raises:
        LedgerError: the path is on one.
    """
    kind = file_system(path, mounts)
    if kind in NETWORK:
        raise LedgerError(
            "a ledger on a disk of this machine",
            f"{path} is on {kind}, where SQLite's locks do not hold",
            "Put it on a local disk, or use a postgresql:// URL for several machines",
        )
    if kind.startswith(PERHAPS_NETWORK):
        print(f"guerdon: {path} is on {kind}; use it from one machine at a time", file=sys.stderr)


def file_system(path: Path, mounts: str | None = None) -> str:
    """Name of the file system a path is on, by the longest mount point above it; "" where that is not told."""
    if mounts is None:
        try:
            mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return ""
    target = os.path.realpath(path)
    best, kind = "", ""
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        if len(fields := left.split(" ")) < 5 or not right:
            continue
        point = fields[4].encode("latin-1", "replace").decode("unicode_escape") if "\\" in fields[4] else fields[4]
        inside = target == point or target.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, right.split(" ")[0]
    return kind
