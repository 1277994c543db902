from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "systems" / "rm-consistency.md"


def test_the_python_of_the_page_runs():
    from guerdon.core.task import Answer, Case, Task

    names = {}
    for block in re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S):
        exec(compile(block, str(PAGE), "exec"), names)
    case = Case(Task("t", {"prompt": "How do I mend a kettle?"}), Answer("t", "Solder the crack."), None)
    assert -1000 <= names["fused"]([case])[0].value <= 0


def test_the_commands_of_the_page_are_known():
    from guerdon.systems.rm_consistency.command import _parser

    lines = re.findall(r"^\$ guerdon rm-consistency (.*)$", PAGE.read_text(encoding="utf-8"), re.M)
    assert len(lines) == 3
    for line in lines:
        _parser().parse_args(line.split())
