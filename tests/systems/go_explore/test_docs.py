"""The blocks of docs/systems/go-explore.md are run, in order, as a reader would run them."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gymnasium", reason='needs pip install "guerdon[worlds]"')
pytest.importorskip("ale_py", reason='needs pip install "guerdon[worlds]"')
pytest.importorskip("imageio", reason='needs pip install "guerdon[worlds]"')

from guerdon.cli.main import main

PAGE = Path(__file__).parents[3] / "docs" / "systems" / "go-explore.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
START = "guerdon "


def test_the_page_works(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    blocks = [(kind, text) for kind, text in BLOCK.findall(PAGE.read_text(encoding="utf-8")) if "# slow" not in text]
    assert len(blocks) >= 3
    for kind, text in blocks:
        if kind == "python":
            exec(compile(text, str(PAGE), "exec"), names)
            continue
        for line in re.findall(r"^\$ (.*)", text, re.MULTILINE):
            assert line.startswith(START), line
            with pytest.raises(SystemExit) as left:
                main(shlex.split(line.removeprefix(START)))
            assert left.value.code in (0, None), f"{line}: {capsys.readouterr()}"
    assert "data:image/gif" in Path("montezuma.html").read_text(encoding="utf-8")
    assert Path("demos/seed-0/trajectory.json").exists()
    assert Path("key-door/states.npz").exists() is False  # a grid is kept by live copies
