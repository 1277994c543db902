"""The blocks of docs/auditing.md are run, in order, as a reader would run them."""

import re
from pathlib import Path
from typing import Any

from guerdon.rlhf.audit import PROBES

PAGE = Path(__file__).parents[3] / "docs" / "auditing.md"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_page_works(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) == 3
    for text in blocks:
        exec(compile(text, str(PAGE), "exec"), names)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "bad"
    assert [line.split()[0] for line in said[1:3]] == ["bad", "bad"]
    assert "<!doctype html>" in Path("audit.html").read_text(encoding="utf-8")
    n, low, high, over, _ = said[3].split()
    assert int(low) <= int(n) <= int(high)
    assert over == "True"
    assert said[4:] == ["1.0", "0.5"]


def test_the_page_names_every_probe() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE) == list(PROBES)
