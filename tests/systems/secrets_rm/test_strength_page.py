"""The block of the page runs, and the page names no option that the command does not have."""

import re
from pathlib import Path
from typing import Any

import pytest

from guerdon.systems.secrets_rm.command import main

PAGE = (Path(__file__).parents[3] / "docs" / "systems" / "secrets-rm.md").read_text(encoding="utf-8")


def test_the_block_runs(capsys) -> None:
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        exec(compile(block, "secrets-rm.md", "exec"), names)
    assert "[1, 1, 2, 1] [1.5, 0.15" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["annotate", "clean"])
def test_options_of_the_page_exist(command, capsys) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    table = PAGE.split(f"| `{command}` | |")[1].split("\n\n")[0]
    first = [line.split("|")[1] for line in table.splitlines() if line.startswith("|")]
    used = set(re.findall(r"--[a-z][a-z-]*", " ".join(first)))
    assert used <= known
    assert len(used) >= 3
