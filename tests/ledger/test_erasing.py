"""What somebody wrote can be erased; the record around it, and the law that it is not changed, stay."""

from pathlib import Path

import pytest

from guerdon.core.errors import LedgerError
from guerdon.core.score import Score
from guerdon.core.task import Answer
from guerdon.ledger import AttemptRow, Ledger, RunRow, VerdictRow, attempt_id, verdict_id
from guerdon.ledger.erasing import erase
from guerdon.ledger.export import export_bundle, import_bundle
from guerdon.testing.postgres import Server

SECRET = "written-by-somebody-7f3a"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "a.db")
    server: Server = request.getfixturevalue("postgres")
    return server.schema()


def filled(ledger: Ledger) -> None:
    ledger.begin(RunRow("run", "c", "s", "open", "x", "j", 0, {}, {}))
    shared = ledger.blobs.put(b"shared " + SECRET.encode())
    own = ledger.blobs.put(b"own " + SECRET.encode())
    contents = [f"a text {SECRET}", shared, shared, own]
    rows = [
        AttemptRow(attempt_id("run", k, 0, answer), "run", k, 0, answer)
        for k, answer in enumerate(Answer("t", content, (), {"by": SECRET}) for content in contents)
    ]
    ledger.attempt(rows)
    ledger.judge(
        [
            VerdictRow(verdict_id(row.id, "j", "first"), row.id, "j", Score.failed("invalid", f"{SECRET} is no number"))
            for row in rows[:1]
        ]
        + [VerdictRow(verdict_id(row.id, "j", "first"), row.id, "j", Score(0.5, {SECRET: 1.0})) for row in rows[1:]]
    )


def test_content_goes_and_the_rest_of_the_record_stays(url: str, tmp_path: Path) -> None:
    with Ledger.open(url, files=tmp_path / "files", durable=False) as ledger:
        filled(ledger)
        rows = ledger.attempts("run")
        gone = ledger.transaction(lambda to: erase(to, [rows[k].seq for k in (0, 1, 3)]))
        assert [blob.digest for blob in gone] == [rows[3].answer.content.digest]  # type: ignore[union-attr]
        after = ledger.attempts("run")
        assert [row.id for row in after] == [row.id for row in rows]
        assert [row.answer.content for row in after] == [None, None, rows[2].answer.content, None]
        assert [verdict.score.value for verdict in ledger.verdicts("run")] == [None, 0.5, 0.5, 0.5]
        assert [SECRET in repr(verdict) for verdict in ledger.verdicts("run")] == [False, False, True, False]
        for table in ("attempts", "verdicts"):
            with pytest.raises(LedgerError, match="append-only"):
                ledger.transaction(lambda to, t=table: to.exec_driver_sql(f"UPDATE {t} SET seq = seq + 100"))  # type: ignore[misc]
        for blob in gone:
            ledger.blobs.remove(blob)
            ledger.blobs.remove(blob)
            assert blob not in ledger.blobs


def test_a_transaction_that_fails_erases_nothing(url: str, tmp_path: Path) -> None:
    def fails(to: object) -> None:
        erase(to, [ledger.attempts("run")[0].seq])  # type: ignore[arg-type]
        raise RuntimeError("the power went out")

    with Ledger.open(url, files=tmp_path / "files", durable=False) as ledger:
        filled(ledger)
        with pytest.raises(RuntimeError):
            ledger.transaction(fails)
        assert SECRET in str(ledger.attempts("run")[0].answer.content)
        with pytest.raises(LedgerError, match="append-only"):
            ledger.transaction(lambda to: to.exec_driver_sql("UPDATE attempts SET note = ''"))


def test_nothing_is_left_in_the_file(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "a.db", durable=False) as ledger:
        filled(ledger)
        for blob in ledger.transaction(lambda to: erase(to, [row.seq for row in ledger.attempts("run")])):
            ledger.blobs.remove(blob)
        assert ledger.compact()
        left = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        assert [name for name, data in left.items() if SECRET.encode() in data] == []
        assert len(ledger.attempts("run")) == 4


def test_a_bundle_holds_nothing_of_it_and_is_taken_elsewhere(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "a.db", durable=False) as ledger:
        filled(ledger)
        ledger.transaction(lambda to: erase(to, [row.seq for row in ledger.attempts("run")]))
        export_bundle(ledger, tmp_path / "bundle")
        made = ledger.attempts("run")
    written = {path.name: path.read_bytes() for path in (tmp_path / "bundle").rglob("*") if path.is_file()}
    assert written
    assert [name for name, data in written.items() if SECRET.encode() in data] == []
    with Ledger.open(tmp_path / "b.db", durable=False) as other:
        import_bundle(other, tmp_path / "bundle")
        assert [(row.id, row.answer.content) for row in other.attempts("run")] == [(row.id, None) for row in made]
