"""The commands of docs/systems/constrained-rlhf.md are given as they stand, with fewer iterations."""

import re
import shlex
from pathlib import Path

import pytest

pytest.importorskip("torch")

from guerdon.systems.constrained_rlhf.command import main

PAGE = Path(__file__).parents[3] / "docs" / "systems" / "constrained-rlhf.md"
START = "guerdon constrained-rlhf "


def commands():
    text = PAGE.read_text(encoding="utf-8").replace("\\\n", " ")
    return [line.removeprefix("$ ") for line in text.splitlines() if line.startswith(f"$ {START}")]


def test_the_commands_of_the_page_work(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    quick = [line for line in commands() if "# slow" not in line]
    assert len(quick) >= 3
    for line in quick:
        main(shlex.split(re.sub(r"--iterations \d+", "--iterations 4", line.removeprefix(START))))
    said = capsys.readouterr().out
    assert "held rel" in said
    assert "theta rel" in said
    for path in ("held/run.html", "held/history.jsonl", "alone/theta.json", "searched/search.html"):
        assert Path(path).stat().st_size > 0


def test_slow_commands_of_the_page_have_known_options(monkeypatch):
    import argparse

    from guerdon.systems.constrained_rlhf.command import _parser

    monkeypatch.setattr(argparse.ArgumentParser, "error", lambda self, message: pytest.fail(message))
    slow = [line for line in commands() if "# slow" in line]
    assert len(slow) == 3
    for line in slow:
        _parser().parse_args(shlex.split(line.removeprefix(START), comments=True))
