from collections.abc import Iterator

import pytest

from guerdon.testing.postgres import Server, server_or_skip


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    with server_or_skip() as running:
        yield running
