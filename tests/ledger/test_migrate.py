"""The schema: one description, one migration path, and no harm to what is there."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from guerdon.core.errors import LedgerError
from guerdon.ledger import Ledger, schema
from guerdon.ledger.migrate import MIGRATIONS, bring_up
from guerdon.testing.ledger import write_history
from guerdon.testing.postgres import Server

SECOND = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "0002", "0001"


def upgrade():
    op.add_column("meta", sa.Column("more", sa.Text()))
    {then}
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    if request.param == "sqlite":
        url = str(tmp_path / "guerdon.db")
    else:
        url = request.getfixturevalue("postgres").schema()
    with Ledger.open(url, files=tmp_path / "files") as ledger:
        write_history(ledger)
        yield ledger


def migrations(tmp_path: Path, then: str = "pass") -> Path:
    folder = tmp_path / "100% migrations"
    shutil.copytree(MIGRATIONS, folder)
    (folder / "versions" / "v0002_second.py").write_text(SECOND.format(then=then))
    return folder


def _width(ledger: Ledger) -> int:
    try:
        ledger.query("SELECT more FROM meta")
    except LedgerError:
        return 2
    return 3


def test_migrations_make_what_the_program_describes(ledger: Ledger) -> None:
    def differences(connection: object) -> list[object]:
        options = {"version_table": schema.VERSION_TABLE}
        context = MigrationContext.configure(connection, opts=options)  # type: ignore[arg-type]
        return list(compare_metadata(context, schema.metadata))

    assert ledger.transaction(differences) == []


def test_an_older_ledger_is_brought_up_once(ledger: Ledger, tmp_path: Path) -> None:
    database, folder = ledger._database, migrations(tmp_path)
    before = ledger.attempts()
    for _ in range(2):
        bring_up(database, folder, "0002")
        assert ledger.query("SELECT version_num FROM schema") == [("0002",)]
    assert _width(ledger) == 3
    assert ledger.attempts() == before
    if database.place.path:
        backup = tmp_path / "guerdon.db.before-0002"
        with Ledger.open(backup) as old:
            assert old.attempts() == before
            assert _width(old) == 2


def test_a_migration_that_fails_changes_nothing(ledger: Ledger, tmp_path: Path) -> None:
    folder = migrations(tmp_path, 'op.execute("SELECT * FROM nowhere")')
    with pytest.raises(LedgerError, match=r"migration of .* to schema 0002.*Nothing was changed"):
        bring_up(ledger._database, folder, "0002")
    assert ledger.query("SELECT version_num FROM schema") == [("0001",)]
    assert _width(ledger) == 2
    assert len(ledger.attempts()) == 36


def test_a_version_that_is_none(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "guerdon.db") as ledger:
        ledger.transaction(lambda to: to.exec_driver_sql("UPDATE schema SET version_num = 'main'"))
    with pytest.raises(LedgerError, match="newer guerdon"):
        Ledger.open(tmp_path / "guerdon.db")


def test_two_programs_make_one_ledger(postgres: Server, tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    for url in (str(tmp_path / "new.db"), postgres.schema()):

        def one(_: int, url: str = url) -> int:
            with Ledger.open(url, files=tmp_path / "files") as ledger:
                return len(ledger.runs())

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(one, range(8))) == [0] * 8
