import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from guerdon import Ledger
from guerdon.cli.main import COMMANDS, main

MINE = '''
"""A user's own file."""
from dataclasses import dataclass
from guerdon import Answer, Challenge, Learner, Probes, Task, reward

@reward
def near(answer, key):
    """One at the key."""
    return 1 / (1 + abs(answer - key))

@dataclass(frozen=True, kw_only=True)
class Numbers(Challenge):
    """Guess numbers."""
    name = "numbers"
    judge = near
    count: int = 3
    """How many numbers."""
    leak: bool = False
    """Put the key into the task."""
    def tasks(self, split):
        hint = [{"hint": f"key-{i}-00000000"} if self.leak else {} for i in range(self.count)]
        return [Task(f"n{i}", {"prompt": "?", **hint[i]}) for i in range(self.count)]
    def keys(self, tasks):
        return [int(task.id[1:]) * 10 for task in tasks]
    def secrets(self, tasks):
        return [f"key-{task.id[1:]}-00000000" for task in tasks]
    def probes(self, tasks):
        return Probes(oracle=[Answer(t.id, k) for t, k in zip(tasks, self.keys(tasks))],
                      nothing=[Answer(t.id, -1000) for t in tasks], cheats={"huge": [Answer("n0", 10**30)]}, floor=0.01)

@dataclass(frozen=True, kw_only=True)
class Count(Learner):
    """Count up."""
    name = "count"
    stride: int = 1
    """How far to step."""
    slow: float = 0.0
    """Seconds to wait in each ask."""
    weird: bool = False
    """Note strange text."""
    def start(self, problem, rng):
        return 0
    def ask(self, problem, state, rng):
        import time
        time.sleep(self.slow)
        note = {"say": "\\x1b[31mred\\u202e"} if self.weird else {}
        return [Answer(task.id, state, note=note) for task in problem.tasks]
    def tell(self, problem, state, judged, rng):
        return state + self.stride
'''

Guerdon = Callable[..., tuple[int, str, str]]


@pytest.fixture
def guerdon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Guerdon:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "mine.py").write_text(MINE, encoding="utf-8")

    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main(list(words))
        shown = capsys.readouterr()
        code = left.value.code
        return (code if isinstance(code, int) else 0 if code is None else 1), shown.out, shown.err

    return call


def solve(guerdon: Guerdon, *more: str) -> dict[str, Any]:
    code, out, err = guerdon("solve", "mine.py", "--solver", "mine.py", "--budget", "30", "--json", *more)
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def test_overview_names_every_command(guerdon: Guerdon) -> None:
    code, out, _ = guerdon("--help")
    assert code == 0
    assert all(name in out for name in COMMANDS)
    assert guerdon()[1] == out
    assert "0.1.0" in guerdon("--version")[1]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help(guerdon: Guerdon, name: str) -> None:
    code, out, err = guerdon(name, "--help")
    assert (code, err) == (0, "")
    assert f"guerdon {name}" in out


def test_solving_ones_own_file_with_its_fields_as_flags(guerdon: Guerdon) -> None:
    found = solve(guerdon, "--stride", "5", "--count", "2")
    assert (found["tasks"], found["at_top"], found["status"]) == (2, 2, "done")
    assert found["spent"]["attempts"] == 30
    code, out, _ = guerdon("solve", "mine.py", "--solver", "mine.py", "--help")
    assert code == 0
    assert "How far to step" in out
    assert "How many numbers" in out


def test_a_recipe_file_is_the_same_run_and_flags_override_it(guerdon: Guerdon, tmp_path: Path) -> None:
    typed = solve(guerdon, "--stride", "5", "--seed", "7")
    (tmp_path / "r.toml").write_text(
        '[challenge]\nname = "mine.py"\n[solver]\nname = "mine.py"\nstride = 5\n[run]\nbudget = "30"\nseed = 7\n'
    )
    code, out, err = guerdon("solve", "--recipe", "r.toml", "--json")
    assert code == 0, err
    assert json.loads(out)["run"] == typed["run"]
    code, out, _ = guerdon("solve", "--recipe", "r.toml", "--json", "--stride", "2")
    assert json.loads(out)["run"] != typed["run"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[solvr]\nname = 1\n", "Did you mean solver"),
        ('[challenge]\nname = "mine.py"\n[solver]\nname = "mine.py"\nstrid = 5\n', "Did you mean stride"),
        ("[challenge\n", "is TOML"),
    ],
)
def test_broken_recipes_are_refused_with_the_place(guerdon: Guerdon, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "r.toml").write_text(text)
    code, _, err = guerdon("solve", "--recipe", "r.toml")
    assert code == 2
    assert said in " ".join(err.split())


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["sovle"], 2, "Did you mean solve"),
        (["solve", "nothing.py", "-s", "nothing.py"], 2, "nothing.py is not there"),
        (["solve", "programming-puzles", "-s", "lm"], 2, "Did you mean programming-puzzles"),
        (["solve", "programming-puzzles", "-s", "enumerativ"], 2, "Did you mean enumerative"),
        (["solve", "mine.py", "-s", "mine.py", "--stirde", "3"], 2, "stirde"),
        (["solve", "mine.py", "-s", "mine.py", "--stride", "x"], 2, "stride"),
        (["solve", "mine.py", "-s", "mine.py", "--budget", "many"], 2, "Write 2000"),
        (["solve", "mine.py", "-s", "mine.py", "--workers", "threads"], 2, "processes:N"),
        (["solve", "mine.py", "-s"], 2, "a value after -s"),
        (["solve", "programming-puzzles"], 2, "Known: enumerative, lm, human"),
        (["solve", "mine.py"], 2, "FILE.py[:NAME]"),
        (["show", "--ledger", "none.db"], 5, "none.db"),
        (["report", "--ledger", "none.db"], 5, "none.db"),
        (["export", "--to", "xlsx"], 2, "Known: bundle"),
        (["check", "mine.py:Nothing"], 2, "mine.py defines Nothing"),
        (["rejudge", "--which", "some"], 2, "host-faults"),
        (["models", "get", "smolm2"], 2, "Did you mean smollm2"),
        (["systems", "go-explor"], 2, "Known:"),
    ],
)
def test_wrong_usage_says_what_was_expected_and_what_to_do(
    guerdon: Guerdon, words: list[str], code: int, said: str
) -> None:
    got, out, err = guerdon(*words)
    assert got == code, out + err
    assert said in " ".join((out + err).split())
    assert "Traceback" not in err


def test_list_show_report_export_import(guerdon: Guerdon, tmp_path: Path) -> None:
    name = solve(guerdon, "--stride", "10")["run"]
    code, out, _ = guerdon("list")
    assert (code, name in out, "numbers" in out) == (0, True, True)
    assert json.loads(guerdon("list", "--json")[1])[0]["run"] == name
    code, out, _ = guerdon("show", name[:4])
    assert "3 of 3 tasks at the top" in " ".join(out.split())
    code, out, err = guerdon("report", name, "--output", "page.html")
    assert code == 0, err
    assert name in (tmp_path / "page.html").read_text(encoding="utf-8")
    for form, path in (("trl", "a.jsonl"), ("jsonl", "b.jsonl"), ("bundle", "c.zip"), ("parquet", "d.parquet")):
        code, _, err = guerdon("export", "last", "--to", form, "--output", path)
        assert code == 0, err
        assert (tmp_path / path).stat().st_size > 0
    assert json.loads(guerdon("import", "c.zip", "--ledger", "other.db", "--json")[1])["new_runs"] == [name]
    assert json.loads(guerdon("import", "c.zip", "--ledger", "other.db", "--json")[1])["new_runs"] == []
    mine, theirs = (json.loads(guerdon("show", name, "--ledger", f, "--json")[1]) for f in ("guerdon.db", "other.db"))
    assert mine["best"] == theirs["best"]


def test_rejudging_adds_verdicts(guerdon: Guerdon, tmp_path: Path) -> None:
    name = solve(guerdon)["run"]
    code, out, err = guerdon("rejudge", name, "--which", "all", "--reason", "metric mended", "--json")
    assert code == 0, err
    assert json.loads(out)["judged_again"] == 30
    with Ledger.open(tmp_path / "guerdon.db") as book:
        assert len(book.verdicts(name, all=True)) == 60
        assert {verdict.reason for verdict in book.verdicts(name)} == {"metric mended"}


def test_check_passes_and_finds_a_leak(guerdon: Guerdon) -> None:
    code, out, _ = guerdon("check", "mine.py", "--json")
    assert code == 0, out
    assert {finding["ok"] for finding in json.loads(out)} == {True}
    code, out, _ = guerdon("check", "mine.py", "--leak")
    assert code == 1
    assert "FAILED" in out
    assert "no secret is in a task" in out


def test_hostile_text_never_reaches_the_terminal(guerdon: Guerdon) -> None:
    solve(guerdon, "--weird")
    for words in (["show"], ["list"]):
        out = guerdon(*words)[1]
        assert "\x1b[31m" not in out
        assert "\u202e" not in out


def test_doctor_and_systems_speak_json(guerdon: Guerdon) -> None:
    code, out, _ = guerdon("doctor", "--json")
    assert code in (0, 3)
    assert {sign["what"] for sign in json.loads(out)} >= {"machine", "Python", "GPU"}
    assert json.loads(guerdon("systems", "--json")[1])[0]["slug"]
    assert "arXiv" in guerdon("systems", "programming-puzzles")[1]


def start(tmp_path: Path, *more: str) -> subprocess.Popen[str]:
    words = ["solve", "mine.py", "--solver", "mine.py", "--budget", "600", "--slow", "0.01", "--json", *more]
    code = f"from guerdon.cli.main import main; main({words!r})"
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def attempts(path: Path) -> int:
    try:
        with Ledger.open(path, create=False) as book:
            return sum(int(book.spent(row.id)["attempts"]) for row in book.runs())
    except Exception:
        return 0


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_killed_at_any_moment_the_same_command_ends_with_the_same_ledger(guerdon: Guerdon, tmp_path: Path) -> None:
    process = start(tmp_path)
    wait_for(lambda: attempts(tmp_path / "guerdon.db") > 60)
    process.kill()
    process.communicate()
    assert 0 < attempts(tmp_path / "guerdon.db") < 600
    process = start(tmp_path)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    first = json.loads(out)
    process = start(tmp_path, "--ledger", "whole.db")
    second = json.loads(process.communicate(timeout=120)[0])
    assert first["run"] == second["run"]
    from guerdon.ledger.export import bundle_digest

    with Ledger.open(tmp_path / "guerdon.db") as one, Ledger.open(tmp_path / "whole.db") as two:
        assert bundle_digest(one, first["run"]) == bundle_digest(two, first["run"])


def test_ctrl_c_finishes_the_batch_and_exits_130(guerdon: Guerdon, tmp_path: Path) -> None:
    process = start(tmp_path)
    wait_for(lambda: attempts(tmp_path / "guerdon.db") > 0)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert json.loads(out)["status"] == "interrupted"
    assert "Traceback" not in err
