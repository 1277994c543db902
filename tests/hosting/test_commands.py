"""An organiser's commands, as they are typed."""

import json
from pathlib import Path
from typing import Any

import pytest
from hosting_helpers import PASSWORD, guess

from guerdon.cli.contest import phase_of
from guerdon.cli.main import main
from guerdon.core.errors import ConfigError
from guerdon.hosting import Actor, Host, Role

OWN = '''
"""A challenge in a file of one's own."""
from dataclasses import dataclass
from guerdon import Challenge, Task, Visibility, reward

@reward
def near(answer, key):
    """One at the key."""
    return 1 / (1 + abs(answer - key))

@dataclass(frozen=True, kw_only=True)
class Mine(Challenge):
    """Guess numbers."""
    name = "mine"
    judge = near
    count: int = 3
    splits = {"test": Visibility.AGGREGATE, "final": Visibility.SEALED}
    def tasks(self, split):
        return [Task(f"{split}/{i}") for i in range(self.count)]
    def keys(self, tasks):
        return [int(task.id.split("/")[1]) * 10 for task in tasks]
'''


@pytest.fixture
def guerdon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    Path("mine.py").write_text(OWN)

    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as done:
            main([*words])
        said = capsys.readouterr()
        return int(done.value.code or 0), said.out, said.err

    return call


def test_a_contest_from_a_file_to_its_reveal(guerdon: Any) -> None:
    phase = ("--phase", "public,split=test,per_day=none,concurrent=none", "--phase", "private,split=final,finals=1")
    code, out, err = guerdon("contest", "create", "mine", "--challenge", "mine.py", "--set", "count=2", *phase)
    assert code == 0, err
    assert out.splitlines()[1].split()[2:] == ["public", "test", "aggregate", "open"]
    token = json.loads(guerdon("contest", "invite", "--team", "Red", "--json")[1])["invitations"][0]
    with Host.open("guerdon.db") as host:
        host.people.accept(token, "Ann", PASSWORD)
        ann = host.people.actor_of(host.people.sign_in("Ann", PASSWORD))
        assert ann is not None
        host.submissions.submit(ann, "mine", "public", guess("test", 0, 10))
        host.submissions.submit(ann, "mine", "private", guess("final", 0, 9))
    assert "2 waiting" in guerdon("contest", "list")[1]
    code, out, err = guerdon("worker", "--db", "guerdon.db", "--drain", "--json", "--name", "w")
    assert (code, json.loads(out)) == (0, {"worker": "w", "judged": 2})
    assert "mine/private" in err
    assert guerdon("contest", "close", "mine", "--phase", "public")[0] == 0
    code, out, _ = guerdon("contest", "reveal", "mine", "--json")
    assert [row["standing"] for row in json.loads(out)] == ["revealed", "revealed"]
    with Host.open("guerdon.db") as host:
        rows = host.board("mine", "private", Actor.local()).rows
        assert [(row.team_name, row.value) for row in rows] == [("Red", 0.75)]
        assert host.people.list(Actor.local())[0].role is Role.ENTRANT


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["create", "x", "--challenge", "mine.py", "--phase", "a,splat=test"], "Did you mean split"),
        (["create", "x", "--challenge", "mine.py", "--phase", "a,closes=tomorrow"], "2026-12-24T12:00Z"),
        (["create", "x", "--challenge", "mine.py", "--set", "number=2"], "a field of"),
        (["create", "x", "--challenge", "mine.py", "--phase", "a,split=final,visibility=open"], "no more than its"),
        (["create", "x", "--challenge", "mine.py", "--rules", "none.md"], "a file of rules"),
        (["create", "X", "--challenge", "mine.py"], "a slug"),
        (["invite", "--role", "king"], "the role of a person"),
        (["close", "nothing", "--db", "other.db"], "an existing ledger"),
        (["export", "x", "--out", "none/x.json"], "none is not. Make it first"),
    ],
)
def test_mistakes_are_named(guerdon: Any, words: list[str], what: str) -> None:
    code, _, err = guerdon("contest", *words)
    assert code in (1, 2, 5)
    assert what in " ".join(err.split())
    assert "Traceback" not in err


def test_a_phase_in_words() -> None:
    phase = phase_of("a,per_day=3,opens=2026-12-01,reveal=2026-12-24T12:00+00:00,seconds=30,memory_mb=2048,step=0.01")
    assert (phase.limits.per_day, phase.limits.seconds, phase.limits.memory_mb) == (3, 30.0, 2048)
    assert (phase.opens, phase.reveal, phase.step) == (1796083200.0, 1798113600.0, 0.01)
    with pytest.raises(ConfigError, match="per_day is at least 1"):
        phase_of("a,per_day=0")


def running(guerdon: Any) -> str:
    """A contest with one entrant who has handed in; returns the person's id."""
    phase = ("--phase", "public,split=test,per_day=1", "--phase", "private,split=final")
    assert guerdon("contest", "create", "mine", "--challenge", "mine.py", *phase)[0] == 0
    token = json.loads(guerdon("contest", "invite", "--team", "Red", "--json")[1])["invitations"][0]
    with Host.open("guerdon.db") as host:
        host.people.accept(token, "Ann Onymous", PASSWORD)
        ann = host.people.actor_of(host.people.sign_in("Ann Onymous", PASSWORD))
        assert ann is not None
        host.submissions.submit(ann, "mine", "public", guess("test", 0, 10, 20), "a note")
        return ann.person


def test_a_phase_is_extended_and_its_limits_change(guerdon: Any) -> None:
    running(guerdon)
    change = ("contest", "change", "mine", "--phase", "public,closes=2126-12-24T12:00Z,per_day=none,total=9")
    code, out, err = guerdon(*change, "--title", "Other", "--if-version", "0", "--json")
    assert code == 0, err
    public, private = json.loads(out)
    assert (public["title"], public["version"], private["closes"]) == ("Other", 2, None)
    assert (public["limits"]["per_day"], public["limits"]["total"]) == (None, 9)
    assert public["closes"] == 4953787200.0
    assert "2126-12-24 12:00" in guerdon("contest", "list")[1]
    assert "was changed meanwhile" in " ".join(guerdon(*change, "--if-version", "0")[2].split())
    assert guerdon("contest", "change", "mine", "--phase", "public,closes=none", "--public")[0] == 0
    assert "something to change" in guerdon("contest", "change", "mine")[2]
    assert "a setting of a phase" in guerdon("contest", "change", "mine", "--phase", "public,split=final")[2]
    deeds = json.loads(guerdon("contest", "log", "mine", "--json")[1])
    assert [deed["action"] for deed in deeds] == ["change phase", "change", "change phase", "change", "create"]
    assert "per day 1 → none" in " ".join(guerdon("contest", "log")[1].split())


def test_a_contest_is_exported(guerdon: Any) -> None:
    running(guerdon)
    assert guerdon("worker", "--db", "guerdon.db", "--drain")[0] == 0
    for form in ("json", "csv", "evalai"):
        code, out, err = guerdon("contest", "export", "mine", "--format", form, "--out", f"mine.{form}", "--json")
        assert (code, json.loads(out or "{}").get("format")) == (0, form), err
    assert json.loads(Path("mine.evalai").read_text())[0]["result"] == [{"test": {"score": 1.0}}]
    assert Path("mine.csv").read_bytes().splitlines()[1].startswith(b"public,0,")
    assert guerdon("contest", "export", "mine", "--format", "xml", "--out", "x")[0] == 1
    assert guerdon("contest", "export", "mine", "--out", "no/such/folder")[0] == 2


def test_somebody_is_forgotten(guerdon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    person = running(guerdon)
    assert [(each["name"], each["id"]) for each in json.loads(guerdon("contest", "people", "--json")[1])] == [
        ("Ann Onymous", person)
    ]
    assert "Ann Onymous" in guerdon("contest", "people")[1]
    code, out, err = guerdon("contest", "data", "ann onymous", "--out", "ann.zip")
    assert (code, "1 submissions" in out) == (0, True), err
    monkeypatch.setattr("typer.confirm", lambda *words, **more: False)
    assert "Nothing was changed" in " ".join(guerdon("contest", "forget", "Ann Onymous")[2].split())
    assert "got 'Anna'. See guerdon contest people" in " ".join(guerdon("contest", "forget", "Anna")[2].split())
    code, out, err = guerdon("contest", "forget", person, "--with-submissions", "--yes", "--json")
    assert (code, json.loads(out)["submissions"], json.loads(out)["clean"]) == (0, 1, True), err
    Path("ann.zip").unlink()
    left = b"".join(path.read_bytes() for path in Path().rglob("*") if path.is_file())
    assert b"Onymous" not in left
    assert b"onymous" not in left
    assert guerdon("contest", "forget", "Ann Onymous", "--yes")[0] == 1
