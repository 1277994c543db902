import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "hosting"))

from guerdon.hosting import Host
from guerdon.web.settings import Settings


@pytest.fixture(autouse=True)
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that take no time; what they take is tested elsewhere."""
    argon2 = pytest.importorskip("argon2")
    quick = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr("guerdon.hosting.passwords._argon2", lambda: quick)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with Host.open(tmp_path / "host.db") as host:
        yield host


@pytest.fixture
def settings() -> Settings:
    return Settings(url="https://contest.example", requests=100_000, changes=100_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real one. Playwright keeps an event loop running as long as it is open: no longer than for one module."""
    pytest.importorskip("playwright")
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture(autouse=True)
def patient_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of runs wait for what they show, however slow the machine is."""
    monkeypatch.setattr("guerdon.web.readings.PATIENCE_S", 60.0)
