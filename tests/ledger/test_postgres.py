"""What a server can do to a ledger: restarts, lost connections, conflicts, time-outs."""

import builtins
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guerdon.core.errors import LedgerError
from guerdon.ledger import Ledger, StepRow
from guerdon.testing import postgres as module
from guerdon.testing.ledger import make_attempts, make_run, make_verdict
from guerdon.testing.postgres import PostgresMissingError, Server, server_or_skip


@pytest.fixture(scope="module")
def own() -> Iterator[Server]:
    with server_or_skip() as running:
        yield running


@pytest.fixture
def ledger(own: Server, tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(own.schema(), files=tmp_path / "files", patience=20.0) as ledger:
        ledger.begin(make_run())
        yield ledger


def step(ledger: Ledger, number: int) -> None:
    rows = make_attempts(step=number)
    ledger.record(rows, [make_verdict(row.id, 1.0) for row in rows], StepRow("r", number, 0.1))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_a_restart_loses_nothing(own: Server, ledger: Ledger, how: signal.Signals) -> None:
    told: list[int] = []

    def work() -> None:
        for number in range(300):
            step(ledger, number)
            told.append(number)

    thread = threading.Thread(target=work)
    thread.start()
    own.restart(how)
    own.restart(how)
    thread.join(60)
    assert told == list(range(300))
    assert ledger.spent("r")["attempts"] == 900
    assert len(ledger.verdicts("r", all=True)) == 900


def test_connections_cut_by_the_server(own: Server, ledger: Ledger) -> None:
    cut = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    for number in range(5):
        own.sql(cut)
        step(ledger, number)
        own.sql(cut)
        assert ledger.spent("r")["attempts"] == 3 * (number + 1)


def test_serialisation_failures_are_tried_again(ledger: Ledger) -> None:
    calls: list[int] = []

    def conflicted(connection: Any) -> str:
        calls.append(1)
        if len(calls) < 4:
            code = ["40001", "40P01", "57014"][len(calls) - 1]
            connection.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END $$")
        return "done"

    assert ledger.transaction(conflicted) == "done"
    assert len(calls) == 4


def test_another_writer_that_does_not_let_go(own: Server, ledger: Ledger, tmp_path: Path) -> None:
    hold, held = threading.Event(), threading.Event()

    def slow(connection: Any) -> None:
        held.set()
        hold.wait(30)

    url = ledger.url
    thread = threading.Thread(target=lambda: ledger.transaction(slow))
    thread.start()
    held.wait(30)
    with Ledger.open(url, files=tmp_path / "files", patience=0.1) as other:
        other._database.connection.exec_driver_sql("SET lock_timeout = '100ms'")
        with pytest.raises(LedgerError, match=r"lock timeout.*Waited 0.1 s"):
            step(other, 1)
        hold.set()
        thread.join()
        step(other, 1)


def test_a_server_that_is_away(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"PostgreSQL said.*Waited"):
        Ledger.open("postgresql://me@127.0.0.1:9/none", files=tmp_path, patience=0.2)


def test_an_unknown_data_base(own: Server, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="does not exist"):
        Ledger.open(own.url("nothere"), files=tmp_path)


def test_a_ledger_that_must_exist(own: Server, tmp_path: Path) -> None:
    url = own.schema()
    with pytest.raises(LedgerError, match="has none"):
        Ledger.open(url, files=tmp_path, create=False)
    Ledger.open(url, files=tmp_path).close()
    Ledger.open(url, files=tmp_path, create=False).close()


def test_too_many_connections(own: Server, tmp_path: Path) -> None:
    url = own.database()
    name = url.split("/")[3].split("?")[0]
    own.sql(f"CREATE ROLE few LOGIN CONNECTION LIMIT 1; ALTER DATABASE {name} OWNER TO few")
    few = url.replace("postgres@", "few@")
    first = Ledger.open(few, files=tmp_path)
    timer = threading.Timer(0.5, first.close)
    timer.start()
    with Ledger.open(few, files=tmp_path, patience=20) as second:
        assert second.runs() == []
    timer.join()


def test_a_driver_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.split(".")[0] == "psycopg":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.delitem(sys.modules, "psycopg", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(LedgerError, match=r'pip install "guerdon\[postgres\]"'):
        Ledger.open("postgresql://me@host/db")


def test_a_server_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Path:
        raise PostgresMissingError("not here")

    monkeypatch.setattr(module, "binaries", missing)
    monkeypatch.setenv("GUERDON_REQUIRE_POSTGRES", "1")
    with pytest.raises(pytest.fail.Exception, match="GUERDON_REQUIRE_POSTGRES=1, but not here"), server_or_skip():
        pass
    monkeypatch.delenv("GUERDON_REQUIRE_POSTGRES")
    with pytest.raises(pytest.skip.Exception, match="NOT TESTED ON POSTGRESQL"), server_or_skip():
        pass


def test_nothing_of_a_server_is_left() -> None:
    with server_or_skip() as running:
        folder = running.folder
        process = running._process
        assert process is not None
        with Ledger.open(running.database(), files=folder / "files") as ledger:
            ledger.begin(make_run())
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
