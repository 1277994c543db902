from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "systems" / "mrmbench.md"


def test_the_python_of_the_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for block in re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S):
        exec(compile(block, str(PAGE), "exec"), {})
    accuracies = [float(line.split()[0]) for line in capsys.readouterr().out.splitlines()]
    assert len(accuracies) == 2
    assert accuracies[1] > 0.8
    assert (tmp_path / "mine" / "mrm_easy" / "politeness" / "train.json").exists()


def test_the_commands_of_the_page_are_known():
    from guerdon.systems.mrmbench.command import _parser

    text = PAGE.read_text(encoding="utf-8").replace("\\\n", "")
    lines = re.findall(r"^\$ guerdon mrmbench (.*)$", text, re.M)
    assert len(lines) == 3
    for line in lines:
        _parser().parse_args(line.split())
