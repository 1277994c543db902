"""The first block of docs/reward-command.md is run as a reader would, and so is its Python."""

import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from guerdon.cli.main import main
from guerdon.prefer.files import write

sys.path.insert(0, str(Path(__file__).parents[1] / "rlhf"))

import reward_kit

PAGE = Path(__file__).parents[2] / "docs" / "reward-command.md"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_page_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch", reason='needs pip install "guerdon[train]"')
    monkeypatch.chdir(tmp_path)
    write(reward_kit.preferences(80), tmp_path / "pairs.jsonl", "trl")
    (tmp_path / "answers.jsonl").write_text('{"prompt": "what sat ?", "response": "cat good"}\n')
    lines = blocks("sh")[0].splitlines()
    assert [line.split()[2] for line in lines] == ["fit", "audit", "score", "serve"]
    for line in lines[:3]:
        with pytest.raises(SystemExit) as end:
            main(shlex.split(line)[1:])
        assert end.value.code == 0, line
    assert (tmp_path / "audit.html").stat().st_size > 1000
    scored = json.loads((tmp_path / "scores.jsonl").read_text())
    assert len(scored["members"]) == 5
    capsys.readouterr()
    names: dict[str, Any] = {}
    for text in blocks("python"):
        exec(compile(text, str(PAGE), "exec"), names)
    assert capsys.readouterr().out.startswith("[")


def test_every_option_on_the_page_is_one_of_a_command() -> None:
    folder = PAGE.parents[1] / "src" / "guerdon" / "cli"
    source = (folder / "reward.py").read_text() + (folder / "reward_audit.py").read_text()
    said = set(re.findall(r"(?<![\w-])--([a-z][a-z-]+)", PAGE.read_text(encoding="utf-8")))
    for option in said - {"reward"}:  # OpenRLHF's own
        known = (f'"--{option}', f"/--{option}", f"    {option.replace('-', '_')}: Annotated")
        assert any(each in source for each in known), option
