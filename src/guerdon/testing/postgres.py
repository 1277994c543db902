"""A throw-away PostgreSQL server for tests: real, private, gone afterwards."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REQUIRED = "GUERDON_REQUIRE_POSTGRES"
_FAST = {
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "shared_buffers": "32MB",
    "max_connections": "40",
    "autovacuum": "off",
}


class PostgresMissingError(Exception):
    """No PostgreSQL server is installed here, or its driver is not."""


def binaries() -> Path:
    """The newest folder that holds initdb and postgres.

    Raises:
        PostgresMissingError: there is none.
    """
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: float(p.parent.name), reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise PostgresMissingError("initdb and postgres are neither on PATH nor in /usr/lib/postgresql/*/bin")


class Server:
    """A running server. `schema()` or `database()` give the URL of a place without tables."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._programs = binaries()
        self._process: subprocess.Popen[bytes] | None = None
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:  # the server refuses to run as root
            user = _somebody()
            os.chown(folder, user.pw_uid, user.pw_gid)
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self._environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC", "HOME": str(folder)}

    def make(self) -> None:
        """Make the cluster."""
        how = ["--username=postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"]
        done = subprocess.run(
            [str(self._programs / "initdb"), "-D", str(self.folder / "data"), *how],
            env=self._environment,
            cwd=self.folder,
            capture_output=True,
            timeout=120,
            check=False,
            **self._as,
        )
        if done.returncode:
            raise RuntimeError(f"initdb failed: {done.stderr.decode(errors='replace')[-1000:]}")

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = [part for name, value in _FAST.items() for part in ("-c", f"{name}={value}")]
        command = [str(self._programs / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder), *settings]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                env=self._environment, start_new_session=True, **self._as,
            )  # fmt: skip
        until = time.monotonic() + 60
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise RuntimeError(f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-1000:]}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        import psycopg

        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(host=str(self.folder), user="postgres", dbname="postgres", connect_timeout=5).close()
            return True
        return False

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT closes connections and ends cleanly, SIGQUIT is a crash."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop and start."""
        self.stop(how)
        self.start()

    def url(self, database: str = "postgres") -> str:
        """URL of a data base of this server."""
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def database(self) -> str:
        """URL of a new, empty data base."""
        name = f"t{uuid.uuid4().hex}"
        self.sql(f"CREATE DATABASE {name}")
        return self.url(name)

    def schema(self) -> str:
        """URL of a new, empty schema of the first data base: as good as a data base of its own, and much quicker."""
        name = f"t{uuid.uuid4().hex}"
        self.sql(f"CREATE SCHEMA {name}")
        return f"{self.url()}&options=-csearch_path%3D{name}"

    def sql(self, text: str) -> None:
        """Run a statement as the superuser."""
        import psycopg

        with psycopg.connect(host=str(self.folder), user="postgres", dbname="postgres", autocommit=True) as connection:
            connection.execute(text.encode())


def _somebody() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise PostgresMissingError("PostgreSQL refuses to run as root, and there is no user postgres or nobody")


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """A server that lives as long as the `with` block.

    Raises:
        PostgresMissingError: no server or no driver is installed.
    """
    try:
        import psycopg  # noqa: F401
    except ImportError:
        raise PostgresMissingError('psycopg is missing: pip install "guerdon[postgres]"') from None
    binaries()
    short = "/tmp" if Path("/tmp").is_dir() else None  # the path of a socket may have 107 bytes
    folder = Path(tempfile.mkdtemp(prefix="guerdon-pg-", dir=short))
    try:
        running = Server(folder)
        running.make()
        running.start()
        try:
            yield running
        finally:
            running.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def server_or_skip() -> Iterator[Server]:
    """As `server`, but skips the test where PostgreSQL is missing, unless GUERDON_REQUIRE_POSTGRES=1."""
    import pytest

    with contextlib.ExitStack() as stack:
        try:
            running = stack.enter_context(server())
        except PostgresMissingError as reason:
            if os.environ.get(REQUIRED) == "1":
                pytest.fail(f"{REQUIRED}=1, but {reason}")
            pytest.skip(f"NOT TESTED ON POSTGRESQL: {reason}")
        yield running
