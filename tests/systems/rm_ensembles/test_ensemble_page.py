"""The block of the page runs, and the page names no option that the command does not have."""

import re
from pathlib import Path
from typing import Any

import pytest

from guerdon.systems.rm_ensembles.draw import main

PAGE = (Path(__file__).parents[3] / "docs" / "systems" / "rm-ensembles.md").read_text(encoding="utf-8")


def test_the_block_runs(capsys) -> None:
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        exec(compile(block, "rm-ensembles.md", "exec"), names)
    said = capsys.readouterr().out.split()
    assert [word for word in said if word in names["curves"](names["scores"], names["gold"], [1])] == [
        "single", "mean", "WCO", "UWO",
    ]  # fmt: skip


@pytest.mark.parametrize("command", ["desk", "draw", "pairs"])
def test_options_of_the_page_exist(command, capsys) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    lines = PAGE.replace("\\\n", " ").splitlines()
    used = {o for line in lines if f"rm-ensembles {command} " in line for o in re.findall(r"--[a-z-]+", line)}
    assert used
    assert used <= known
