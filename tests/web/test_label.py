"""guerdon label: from a file to choices that a reward is learned from."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from guerdon.cli.label import label, slug_of
from guerdon.core.errors import ConfigError
from guerdon.hosting import Actor, Host

ROWS = [
    {"prompt": f"p{k}", "system": system, "content": f"answer of {system} to {k}"} for k in range(8) for system in "ab"
]
ME = Actor.local()


def written(folder: Path, rows: list[dict[str, Any]] = ROWS) -> Path:
    file = folder / "My replies.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def run(file: Path, **more: Any) -> None:
    options: dict[str, Any] = {
        "name": "", "title": "", "question": "?", "export": None, "format": "trl", "look": False, "serve": False,
        "port": 0, "json": False,
    }  # fmt: skip
    label(file, **options | {"db": str(file.parent / "g.db")} | more)


def choose(folder: Path, count: int) -> None:
    with Host.open(folder / "g.db") as host:
        for _ in range(count):
            pair = host.comparisons.next_pair(ME, "my-replies")
            assert pair
            outcome = "first" if "answer of a" in str(pair.first.content) else "second"
            host.comparisons.choose(ME, pair.id, outcome, pair.version)


def test_it_goes_on_where_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(written(tmp_path))
    assert "16 items (16 new)" in capsys.readouterr().err
    choose(tmp_path, 3)
    more = [*ROWS, {"prompt": "p0", "system": "c", "content": "answer of c"}]
    run(written(tmp_path, more), json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["items"], told["choices"]) == (17, 3)
    assert told["ratings"][0]["name"] == "a"


def test_what_it_exports_is_what_reward_fit_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from guerdon.prefer.files import read

    file = written(tmp_path)
    run(file)
    choose(tmp_path, 6)
    to = tmp_path / "out.jsonl"
    run(file, export=to)
    said = capsys.readouterr().out
    assert "guerdon reward fit" in said
    assert "out-reward" in said
    rows = read(to).rows
    assert len(rows) == 6
    assert all("answer of a" in json.loads(line)["chosen"] for line in to.read_text().splitlines())


@pytest.mark.parametrize("to", ["out.csv", "nowhere/out.jsonl"])
def test_an_export_that_cannot_be_is_refused_before_the_work(tmp_path: Path, to: str) -> None:
    with pytest.raises(ConfigError, match="--export"):
        run(written(tmp_path), export=tmp_path / to)
    assert not (tmp_path / "g.db").exists()


@pytest.mark.parametrize(("name", "slug"), [("x.jsonl", "x"), ("Ä?.jsonl", "items"), ("a" * 60 + ".zip", "a" * 40)])
def test_a_project_is_called_like_its_file(name: str, slug: str) -> None:
    assert slug_of(name) == slug


def test_ctrl_c_ends_the_pages_and_keeps_the_choices(tmp_path: Path) -> None:
    to = tmp_path / "out.jsonl"
    command = [sys.executable, "-c", "from guerdon.cli.main import main; main()", "label", str(written(tmp_path))]
    command += ["--no-open", "--db", str(tmp_path / "g.db"), "--export", str(to), "--format", "guerdon"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ})
    assert process.stdout
    where = re.search(r"http://\S+", process.stdout.readline())
    assert where
    with urllib.request.urlopen(where[0]) as page:
        text = page.read().decode()
    fields = {name: re.search(f'name="{name}" value="([^"]+)"', text)[1] for name in ("csrf", "pair", "version")}  # type: ignore[index]
    sent = urllib.parse.urlencode({**fields, "outcome": "tie"}).encode()
    asked = urllib.request.Request(where[0], sent, {"origin": where[0].partition("/compare")[0]})
    with urllib.request.urlopen(asked) as page:
        assert page.status == 200
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "1 choice is kept" in said
    assert len(to.read_text().splitlines()) == 1
