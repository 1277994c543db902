"""The page's blocks are run as a reader would run them."""

import re
from pathlib import Path
from typing import Any

import pytest

from guerdon.systems.tree_preference.command import main

PAGE = Path(__file__).parents[3] / "docs" / "systems" / "tree-preference.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_python_blocks_run(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    blocks = [text for language, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")) if language == "python"]
    assert len(blocks) == 2
    for text in blocks:
        exec(compile(text, str(PAGE), "exec"), names)
    assert "tokens a comparison" in capsys.readouterr().out


def test_the_regimes_are_as_shown(capsys: pytest.CaptureFixture[str]) -> None:
    main(["regimes", "--seed", "101"])
    shown = capsys.readouterr().out
    assert shown in PAGE.read_text(encoding="utf-8")


def test_the_collection_is_as_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    from guerdon.rlhf.desk import Desk
    from guerdon.train.tiny import Sft

    monkeypatch.chdir(tmp_path)
    quick = Desk.make(1, demonstrations=600, sft=Sft(epochs=1), width=12, calibrate_on=200)
    monkeypatch.setattr(Desk, "make", lambda seed: quick)
    page = PAGE.read_text(encoding="utf-8")
    (line,) = re.findall(r"^\$ guerdon tree-preference (collect .*)$", page, re.MULTILINE)
    main(line.split())
    assert "24 trees" in capsys.readouterr().out
