"""A person's session, typed from a script."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from guerdon.core.errors import ConfigError, RewardError
from guerdon.core.reward import Need
from guerdon.core.score import Score
from guerdon.core.task import Answer, Case, Task
from guerdon.prefer.people import HumanRanking, Screen, paint, png, read_ranking, side_by_side
from guerdon.prefer.queue import Queue


def show(case: Case) -> Any:
    if case.answer.content is None:
        raise RewardError("text is expected; got none")
    if case.answer.content == "boom":
        raise ZeroDivisionError
    return f"<{case.answer.content}>"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    def session(typed: str, contents: Any, **more: Any) -> tuple[str, list[Score]]:
        sink = io.StringIO()
        monkeypatch.setattr(HumanRanking, "screen", Screen(io.StringIO(typed), sink))
        oracle = HumanRanking(show=more.pop("show", show), queue=str(tmp_path / "q.jsonl"), best=more.pop("best", 2))
        group = [Case(Task("t"), Answer("t", content, note={"group": "0", **more})) for content in contents]
        scores = oracle(group)
        return sink.getvalue(), scores

    return session


def label_of(text: str, shown: str) -> str:
    """The label under which an item was shown."""
    lines = shown.splitlines()
    at = next(i for i, line in enumerate(lines) if f"<{text}>" in line)
    column = lines[at].index(f"<{text}>")
    return next(lines[i] for i in range(at - 1, -1, -1) if lines[i].strip())[column]


def test_labels_are_blind_and_the_ranking_is_the_person_s(asked: Any, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        asked("quit\n", ["one", "two", "three", "four"], turn=6)
    queue = Queue(tmp_path / "q.jsonl")
    (question,) = queue.questions()
    order = [item.text for item in question.shown("me")]
    assert [item.text for item in question.items] == ["<one>", "<two>", "<three>", "<four>"]
    letters = {text: "ABCD"[i] for i, text in enumerate(order)}
    typed = f"{letters['<three>']}{letters['<one>']}\n\n"
    shown, scores = asked(typed, ["one", "two", "three", "four"], turn=6)
    assert [score.value for score in scores] == [2.0, 0.0, 3.0, 0.0]
    assert "Round 7: Which do you like best?" in shown
    assert {text: label_of(text, shown) for text in ("one", "two", "three", "four")} == {
        text.strip("<>"): letter for text, letter in letters.items()
    }
    again, scores = asked("", ["one", "two", "three", "four"], turn=6)
    assert again == ""  # nothing is asked twice
    assert [score.value for score in scores] == [2.0, 0.0, 3.0, 0.0]


def test_one_is_asked_for_where_one_is_wanted(asked: Any) -> None:
    shown, scores = asked("AB\nA\n\n", ["one", "two", "three"], best=1)
    assert "1 at most is expected: got 2." in shown
    assert sorted(score.value for score in scores) == [0.0, 0.0, 2.0]


def test_skipping_ranks_nothing(asked: Any) -> None:
    _, scores = asked("skip\n", ["one", "two"])
    assert [str(score.fault) for score in scores] == ["not-applicable (skipped)"] * 2


def test_what_cannot_be_shown_is_left_out(asked: Any) -> None:
    shown, scores = asked("A\n\n", ["one", None, "boom", "two"])
    assert [score.value is None for score in scores] == [False, True, True, False]
    assert scores[1].fault.kind == "invalid"
    assert scores[1].fault.whose == "solver"
    assert "the renderer: ZeroDivisionError" in str(scores[2].fault)
    assert "C" not in shown.split("Type the labels")[0].split("best?")[1]
    silent, scores = asked("", [None, "one"])
    assert silent == ""
    assert scores[1].value == 0.0


@pytest.mark.parametrize(
    ("typed", "chosen", "said"),
    [
        ("ab\n\n", "AB", ""),
        ("b , a\n\n", "BA", ""),
        ("a\nb\n\n", "AB", ""),
        ("B>C\n\n", "BC", ""),
        ("x\na\n\n", "A", "Labels from A to D are expected: got 'X'"),
        ("\x1b[A\na\n\n", "A", "got '?'"),
        ("aa\na\n\n", "A", "Each label once is expected: got AA"),
        ("abc\nab\n\n", "AB", "2 at most are expected: got 3"),
        ("\na\n\n", "A", "At least one label is expected: got none"),
        ("ab\nundo\nc\n\n", "AC", ""),
        ("undo\na\n\n", "A", ""),
        ("help\n?\na\n\n", "A", "several lines add up"),
        ("skip\n", "", ""),
        ("Quit\n", None, ""),
        ("ab\n", None, ""),  # the terminal closed
        ("é" * 10_000 + "\na\n\n", "A", "Labels from A to D"),
    ],
)
def test_typing(typed: str, chosen: str | None, said: str) -> None:
    sink = io.StringIO()
    assert read_ranking(Screen(io.StringIO(typed), sink), "ABCD", 2) == chosen
    assert said in sink.getvalue()
    assert "\x1b" not in sink.getvalue()


def test_the_terminal_is_read_by_default(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lines = iter(["a"])
    monkeypatch.setattr("builtins.input", lambda prompt: next(lines))
    screen = Screen()
    assert screen.line("> ") == "a"

    def closed(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", closed)
    assert screen.line("> ") is None
    screen.say("hello")
    assert capsys.readouterr().out == "hello\n"
    assert not screen.colours


def test_texts_stand_beside_each_other_as_far_as_they_fit() -> None:
    text = side_by_side([("A", "1\n22"), ("B", "333"), ("C", "4")], width=12)
    assert text.splitlines() == ["A    B", "1    333", "22", "", "C", "4"]
    assert side_by_side([("A", "#ff0000")], painted=True).splitlines()[1] == "\x1b[38;2;255;0;0m#ff0000\x1b[0m"
    assert paint("no colour") == "no colour"


def test_pictures_become_files_and_one_sheet(asked: Any, tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    from PIL import Image

    @dataclass(frozen=True)
    class Square:
        side: int = 16

        def __call__(self, case: Case) -> Any:
            return np.full((self.side, self.side, 3), case.answer.content, np.uint8)

    shown, _ = asked("A\n\n", [10, 200, 250], show=Square())
    sheet = Path(next(line for line in shown.splitlines() if line.startswith("Look at ")).removeprefix("Look at "))
    with Image.open(sheet) as picture:
        assert picture.size == (3 * 24, 40)
    (question,) = Queue(tmp_path / "q.jsonl").questions()
    assert [item.text for item in question.items] == [""] * 3
    for item, grey in zip(question.items, (10, 200, 250), strict=True):
        with Image.open(tmp_path / item.file) as picture:
            assert picture.getpixel((0, 0)) == (grey,) * 3


def test_what_renderers_may_give() -> None:
    pytest.importorskip("PIL")
    from PIL import Image

    data = png(Image.new("RGB", (2, 2)))
    assert png(data) == data
    assert png(np.zeros((2, 2), np.uint8)).startswith(b"\x89PNG")
    for odd in (b"GIF", np.zeros((2, 2)), 3, None):
        with pytest.raises(ConfigError, match="renderer gives"):
            png(odd)


def test_it_says_that_it_needs_a_person() -> None:
    assert HumanRanking(show=show).needs == {Need.HUMAN}
