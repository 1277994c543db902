"""`guerdon demo`: what a newcomer gives first."""

from pathlib import Path

import pytest

from guerdon import Ledger
from guerdon.cli.main import main


def demo(*more: str) -> object:
    with pytest.raises(SystemExit) as left:
        main(["demo", "--budget", "300", *more])
    return left.value.code


def test_it_solves_reports_and_says_what_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert demo() in (0, None)
    assert demo() in (0, None)  # again, it is all done
    with Ledger.open("demo.db") as book:
        (run,) = book.runs()
        assert len(book.attempts(run.id)) == 300
    assert "enumerative" in Path("demo-report.html").read_text(encoding="utf-8")
    assert "guerdon serve --db demo.db" in capsys.readouterr().err


def test_it_ends_with_the_code_of_what_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.db").write_bytes(b"not a ledger" * 100)
    assert demo("--ledger", "mine.db") == 5
    assert not Path("demo-report.html").exists()
