"""The blocks of docs/worlds.md are run, in order, as a reader would run them."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from guerdon.cli.main import main

PAGE = Path(__file__).parents[2] / "docs" / "worlds.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_page_works(tmp_path, monkeypatch, capsys) -> None:
    for package in ("gymnasium", "imageio"):
        pytest.importorskip(package, reason='needs pip install "guerdon[worlds]"')
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) >= 6
    for language, text in blocks:
        if language == "console":
            for line in re.findall(r"^\$ guerdon (.*)", text, re.MULTILINE):
                with pytest.raises(SystemExit) as left:
                    main(shlex.split(line))
                assert left.value.code in (0, None), f"{line}: {capsys.readouterr()}"
        else:
            exec(compile(text, str(PAGE), "exec"), names)
    assert "<html" in Path("cartpole.html").read_text(encoding="utf-8")
    assert Path("walk.gif").stat().st_size > 0
