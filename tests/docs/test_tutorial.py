"""The tutorial's blocks are run, in order, as a reader would run them."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from guerdon.cli.main import main

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_tutorial_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    blocks = BLOCK.findall(TUTORIAL.read_text(encoding="utf-8"))
    assert len(blocks) >= 5
    for language, file, text in blocks:
        if file:
            Path(file).write_text(text, encoding="utf-8")
        elif language == "console":
            for line in re.findall(r"^\$ guerdon (.*)", text, re.MULTILINE):
                with pytest.raises(SystemExit) as left:
                    main(shlex.split(line))
                assert left.value.code in (0, None), f"{line}: {capsys.readouterr()}"
        else:
            exec(compile(text, str(TUTORIAL), "exec"), names)
    assert "<html" in Path("parabola.html").read_text(encoding="utf-8")
    assert Path("parabola.jsonl").stat().st_size > 0
    shown = capsys.readouterr().out
    assert "parabola" in shown
    assert "climb" in shown


def test_the_challenge_is_about_forty_lines() -> None:
    (text,) = [text for _, file, text in BLOCK.findall(TUTORIAL.read_text(encoding="utf-8")) if file]
    assert sum(bool(line.strip()) for line in text.splitlines()) <= 46
