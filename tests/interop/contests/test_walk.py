"""An imported contest from the command line to a host's board."""

import json
import shlex
from pathlib import Path

import pytest

pytest.importorskip("yaml")

from guerdon.cli.main import main
from guerdon.sandbox import shared

import contest_fixtures as made  # isort: skip


@pytest.fixture(autouse=True)
def _close_sandboxes():
    yield
    shared.close()


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as left:
        main(list(words))
    return int(left.value.code or 0), capsys.readouterr().out


def test_import_check_solve(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "animals.zip").write_bytes(made.evalai())
    (tmp_path / "answer.json").write_text(json.dumps({**made.TRUTH_DEV, "a": "dog"}))
    out, ledger = str(tmp_path / "animals"), str(tmp_path / "g.db")
    code, said = run(capsys, "import-contest", str(tmp_path / "animals.zip"), "--out", out)
    assert code == 0
    assert "dev-train-split  open, ranked by Accuracy (higher is better)" in said
    assert "guerdon check" in said
    assert "note: dev-train-split closed at 2026-10-01T23:59:59Z; give it another end" in said
    code, said = run(capsys, "check", f"{out}/challenge.py", "--json")
    assert code == 0
    assert not [finding for finding in json.loads(said) if finding["ok"] is False]
    code, said = run(
        capsys, "solve", f"{out}/challenge.py", "--solver", "guerdon.interop.foreign:HandIn", "--file",
        str(tmp_path / "answer.json"), "--ledger", ledger, "--json",
    )  # fmt: skip
    assert (code, said) == (0, said)
    assert "75.0" in said
    code, _ = run(capsys, "import-contest", str(tmp_path / "none.zip"), "--out", out)
    assert code == 2


def test_a_host_judges_an_imported_contest_as_it_is_judged_offline(tmp_path: Path) -> None:
    from guerdon.hosting import Actor, Host
    from guerdon.hosting.worker import Worker
    from guerdon.interop.contests import import_contest

    (tmp_path / "animals.zip").write_bytes(made.evalai())
    import_contest(tmp_path / "animals.zip", tmp_path / "animals")
    with Host.open(f"sqlite:///{tmp_path / 'host.db'}") as host:
        actor = Actor.local()
        host.contests.create(actor, str(tmp_path / "animals" / "challenge.py"), "animals", "Animals")
        file = tmp_path / "answer.json"
        file.write_text(json.dumps({**made.TRUTH_DEV, "a": "dog"}))
        good = host.submissions.submit(actor, "animals", "dev-train-split", file)
        bad = host.submissions.submit(actor, "animals", "dev-train-split", b"\x80\x04\x95")
        assert Worker(host).run(drain=True) == 2
        assert host.submissions.get(actor, good.id).score.value == 75.0  # type: ignore[union-attr]
        assert "pickle" in repr(host.submissions.get(actor, bad.id))


def test_the_command_that_it_prints_opens_the_contest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from guerdon.hosting import Actor, Host

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    Path("animals.zip").write_bytes(made.evalai())
    _, said = run(capsys, "import-contest", "animals.zip", "--out", "animals")
    command = next(line.strip() for line in said.splitlines() if "contest create" in line)
    assert run(capsys, *shlex.split(command)[1:])[0] == 0
    with Host.open("guerdon.db") as host:
        dev, _, hidden = host.contests.get(Actor.local(), "animals-which").phases
        assert (dev.limits.per_day, dev.limits.per_month, dev.limits.total, dev.limits.concurrent) == (5, 30, 50, 3)
        assert (dev.closes, dev.closed) == (None, False)
        assert (hidden.opens, hidden.closes) == (4922899200.0, 4946572799.0)
