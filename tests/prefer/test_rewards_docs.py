"""The blocks of docs/rewards.md are run, in order, as a reader would run them."""

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "rewards.md"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_page_works(tmp_path, monkeypatch, capsys) -> None:
    pytest.importorskip("torch", reason='needs pip install "guerdon[train]"')
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) == 3
    for text in blocks:
        exec(compile(text, str(PAGE), "exec"), names)
    said = capsys.readouterr().out
    assert [line.split()[0] for line in said.splitlines()[1:]] == ["mean", "wco", "uwo"]
