from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from guerdon.core.errors import SandboxError
from guerdon.sandbox import Sandbox, open_sandbox


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how much of the hostile corpus each back end held, whatever process ran it."""
    for backend in ("namespaces", "landlock"):
        counted = {
            word: sum(
                f"test_hostile.py::test_row[{backend}-" in report.nodeid and report.when == "call"
                for report in terminalreporter.stats.get(word, [])
                if hasattr(report, "nodeid")
            )
            for word in ("passed", "failed", "xfailed")
        }
        if total := sum(counted.values()):
            terminalreporter.write_line(f"hostile corpus, {backend}: held {counted['passed']} of {total}")


def opened(backend: str) -> Iterator[Sandbox]:
    try:
        sandbox = open_sandbox(backend)
    except SandboxError as error:
        pytest.skip(str(error))
    with sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def namespaces() -> Iterator[Sandbox]:
    yield from opened("namespaces")


@pytest.fixture(scope="session")
def landlock() -> Iterator[Sandbox]:
    yield from opened("landlock")


@pytest.fixture(scope="session")
def trusted() -> Iterator[Sandbox]:
    yield from opened("trusted")


@pytest.fixture(params=["namespaces", "landlock", "trusted"])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    """Each back end that works here."""
    if not sys.platform.startswith("linux"):
        pytest.skip("no back end works off Linux")
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]
