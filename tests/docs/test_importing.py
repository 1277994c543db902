"""The blocks of docs/importing.md are run in order, as a reader would."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from guerdon.cli.main import main
from guerdon.interop import codabench, evalai
from guerdon.sandbox import shared

PAGE = Path(__file__).parents[2] / "docs" / "importing.md"
BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall(PAGE.read_text(encoding="utf-8"))


def test_the_page_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pandas")
    pytest.importorskip("yaml")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    printed, shown = "", ""
    for language, file, text in BLOCKS:
        if file:
            Path(file).parent.mkdir(exist_ok=True)
            Path(file).write_text(text, encoding="utf-8")
        elif language == "console":
            for line, said in re.findall(r"^\$ guerdon (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
                with pytest.raises(SystemExit) as left:
                    main(shlex.split(line))
                out, err = capsys.readouterr()
                assert left.value.code in (0, None), f"{line}: {out} {err}"
                assert not said or out == said
                shown += out
        elif language == "text":
            assert printed == text
        else:
            names: dict[str, Any] = {}
            exec(compile(text, str(PAGE), "exec"), names)
            printed = capsys.readouterr().out
    shared.close()
    assert re.search(r"-0\.25 +public", shown)  # (0 + 0.5) / 2, turned
    assert "1 attempts" in shown


def test_the_page_names_what_is_refused() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in evalai.OTHER_MEANS if f"`{name}`" not in text] == []
    for word in ("ingestion programs", "Docker images", "python FILE.py", "queues", "computed column"):
        assert word in text
    assert codabench.STOCK_IMAGE.startswith("codalab/")
