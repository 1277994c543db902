from pathlib import Path

import pytest

from guerdon.testing.ledger import LedgerContract
from guerdon.testing.postgres import Server


class TestSQLite(LedgerContract):
    @pytest.fixture
    def ledger_url(self, tmp_path: Path) -> str:
        return str(tmp_path / "guerdon.db")


class TestPostgreSQL(LedgerContract):
    @pytest.fixture
    def ledger_url(self, postgres: Server) -> str:
        return postgres.schema()


@pytest.mark.slow
class TestSQLiteKilledOften(TestSQLite):
    kills = 40


@pytest.mark.slow
class TestPostgreSQLKilledOften(TestPostgreSQL):
    kills = 40
