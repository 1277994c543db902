"""Pictures and published values: from a challenge to the terminal and the report; another judge for recorded runs."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from guerdon import Ledger
from guerdon.cli.main import main
from guerdon.core.errors import ConfigError
from guerdon.ledger import RunRow

Guerdon = Callable[..., tuple[int, str, str]]

MINE = '''
"""A challenge with something to look at."""
from dataclasses import dataclass
from guerdon import Answer, Challenge, Learner, Task, reward
from guerdon.core.challenge import Landmark, Picture

@reward(range=(-1000.0, 0.0))
def low(answer):
    """Closer to zero is better."""
    from guerdon import Score
    return Score(-float(abs(answer)), {"size": abs(answer)})

@reward(range=(0.0, 1000.0))
def high(answer):
    """The opposite."""
    return abs(answer)

@dataclass(frozen=True, kw_only=True)
class Small(Challenge):
    """Small numbers."""
    name = "small"
    judge = low
    broken: bool = False
    """Fail when drawing."""
    def tasks(self, split):
        return [Task("only")]
    def landmarks(self, task):
        return [Landmark("everybody <b>", 0.123456789, "size", "a book"), Landmark("nobody", -7.5, source="hearsay")]
    def pictures(self, task, answer):
        if self.broken:
            raise RuntimeError("no ink")
        text = f'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><title>{answer.content}</title></svg>'
        return [Picture(f"the number {answer.content}", "image/svg+xml", text.encode())]

@dataclass(frozen=True, kw_only=True)
class Down(Learner):
    """Count down."""
    name = "down"
    def start(self, problem, rng):
        return 9
    def ask(self, problem, state, rng):
        return [Answer("only", state, note={"frames": 4})] if state > 2 else []
    def tell(self, problem, state, judged, rng):
        return state - 1
'''


@pytest.fixture
def guerdon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Guerdon:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")
    (tmp_path / "mine.py").write_text(MINE, encoding="utf-8")

    def call(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main(list(words))
        seen = capsys.readouterr()
        return int(end.value.code or 0), seen.out, seen.err

    return call


def test_the_best_is_shown_beside_published_values(guerdon: Guerdon) -> None:
    code, out, err = guerdon("solve", "mine.py", "--solver", "mine.py", "--budget", "30")
    assert code == 0, err
    assert "this run, verified" in out
    assert "0.123456789" in out
    assert out.count("everybody") == 1  # not once for each of the best answers to a task
    best = json.loads(guerdon("show", "last", "--challenge", "mine.py", "--json")[1])["best"][0]
    assert best["parts"] == {"size": 3.0}
    assert best["landmarks"][0]["source"] == "a book"
    assert json.loads(guerdon("show", "last", "--json")[1])["best"][0]["landmarks"] == []


def test_the_report_draws_the_best_answer(guerdon: Guerdon, tmp_path: Path) -> None:
    guerdon("solve", "mine.py", "--solver", "mine.py", "--budget", "30")
    code, _, err = guerdon("report", "last", "--challenge", "mine.py", "--output", "page.html")
    assert code == 0, err
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    picture = page.partition('src="data:image/svg+xml;base64,')[2].partition('"')[0]
    assert "<title>3</title>" in base64.b64decode(picture).decode()
    assert 'alt="the number 3"' in page
    assert "everybody &lt;b&gt;" in page
    assert "0.123456789" in page
    assert "(empty)" not in page
    assert "−7.5" in page
    assert ">28<" in page  # frames: seven answers of four
    guerdon("report", "last", "--output", "bare.html")
    assert "data:image/svg" not in (tmp_path / "bare.html").read_text(encoding="utf-8")


def test_a_picture_that_fails_does_not_cost_the_report(guerdon: Guerdon, tmp_path: Path) -> None:
    guerdon("solve", "mine.py", "--solver", "mine.py", "--broken", "--budget", "30")
    code, out, _ = guerdon("report", "last", "--challenge", "mine.py", "--output", "page.html")
    assert code == 0
    assert "RuntimeError: no ink" in out
    assert "Best answers" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_another_judge_for_a_recorded_run(guerdon: Guerdon) -> None:
    guerdon("solve", "mine.py", "--solver", "mine.py", "--budget", "30")
    code, out, err = guerdon("rejudge", "last", "--which", "all", "--reward", "mine.py:high", "--challenge", "mine.py")
    assert code == 0, err
    assert "7 attempts" in out
    assert json.loads(guerdon("show", "last", "--json")[1])["best"][0]["score"] == 9.0


def test_a_recipe_from_a_stranger_runs_nothing(tmp_path: Path) -> None:
    from guerdon.bench.loading import rebuilt
    from guerdon.bench.showing import Showing

    with pytest.raises(ConfigError, match="is none"):
        rebuilt({"kind": "os:system", "command": f"touch {tmp_path / 'made'}"})
    with Ledger.open("sqlite://") as book:
        row = book.begin(
            RunRow(
                "r1", "x", "main", "open", "s", "j", 0, {}, {"challenge": {"kind": "os:system", "command": "true"}}, {},
                1.0,
            )
        )  # fmt: skip
        assert "not a part of guerdon" in Showing(book, row).why_not
    assert not (tmp_path / "made").exists()
