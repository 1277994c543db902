import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from hosting_helpers import Clock

from guerdon.hosting import Host, passwords
from guerdon.testing.postgres import Server, server_or_skip


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    with server_or_skip() as running:
        yield running


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing is slow on purpose; tests have many people."""
    with contextlib.suppress(ImportError):
        from argon2 import PasswordHasher

        monkeypatch.setattr(passwords, "_argon2", lambda: PasswordHasher(1, 8, 1))
    monkeypatch.setattr(passwords, "_N", 16)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def host(tmp_path: Path, clock: Clock) -> Iterator[Host]:
    with Host.open(tmp_path / "host.db", durable=False, clock=clock) as host:
        yield host


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "host.db")
    server: Server = request.getfixturevalue("postgres")
    return server.schema()


@pytest.fixture
def live(url: str, tmp_path: Path) -> Iterator[Host]:
    with Host.open(url, files=tmp_path / "files", durable=False) as host:
        yield host
