"""The organiser's guide: what it shows runs, and what it lists is all there is."""

import re
import shlex
from pathlib import Path

import pytest
from test_commands import OWN

from guerdon.cli.main import main
from guerdon.hosting import Limits

GUIDE = Path(__file__).parents[2] / "docs" / "hosting.md"


def test_the_guide_s_examples_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("numbers.py").write_text(OWN)
    Path("rules.md").write_text("# Rules")
    text = GUIDE.read_text("utf-8")
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(block, {})
    assert capsys.readouterr().out in ("model-a\n", "model-b\n")
    commands = re.findall(r"^    guerdon (contest .*)", text.replace("\\\n", " "), re.MULTILINE)
    Path("guerdon.db").unlink()
    for command in commands:
        with pytest.raises(SystemExit) as done:
            main(shlex.split(command, comments=True))
        assert not done.value.code, command
    assert len(commands) == 9


def test_the_guide_names_every_limit() -> None:
    text = GUIDE.read_text("utf-8")
    assert [name for name in Limits.__dataclass_fields__ if f"`{name}`" not in text] == []
