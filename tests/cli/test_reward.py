import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from guerdon.cli.main import main
from guerdon.prefer.files import write

sys.path.insert(0, str(Path(__file__).parents[1] / "rlhf"))

import reward_kit

Guerdon = Callable[..., tuple[int, str, str]]
CODE = """
from guerdon import reward

@reward(range=(0, 99))
def length(text):
    return None if text == "?" else len(text)
"""


@pytest.fixture
def guerdon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Guerdon:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")
    (tmp_path / "mine.py").write_text(CODE, encoding="utf-8")
    write(reward_kit.preferences(120), tmp_path / "pairs.jsonl", "trl")

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main(["reward", *words])
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out, said.err

    return run


def needs_torch() -> None:
    pytest.importorskip("torch", reason='needs pip install "guerdon[train]"')


def test_fit_then_score(guerdon: Guerdon, tmp_path: Path) -> None:
    needs_torch()
    code, said, _ = guerdon("fit", "pairs.jsonl", "--out", "mine", "--members", "2", "--epochs", "2", "--lr", "3e-3")
    assert code == 0
    assert "member 1" in said
    assert "combined" in said
    assert "guerdon reward audit mine --data mine/held-out.jsonl" in said
    code, _, error = guerdon("fit", "pairs.jsonl", "--out", "mine")
    assert code == 2
    assert "--fresh" in error
    code, said, _ = guerdon("score", "mine", "pairs.jsonl", "--out", "scores.jsonl")
    assert (code, "240 scores of 120 rows" in said) == (0, True)
    rows = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
    assert list(rows[0]) == [
        "prompt", "chosen", "rejected", "score_chosen", "members_chosen", "variance_chosen", "score_rejected",
        "members_rejected", "variance_rejected",
    ]  # fmt: skip
    right = sum(row["score_chosen"] > row["score_rejected"] for row in rows)
    assert right > 80


def test_fit_as_json_counts_what_was_left_out(guerdon: Guerdon, tmp_path: Path) -> None:
    needs_torch()
    with (tmp_path / "pairs.jsonl").open("a") as stream:
        stream.write('{"prompt": "p", "chosen": "same", "rejected": "same"}\n')
    code, said, error = guerdon("fit", "pairs.jsonl", "-o", "mine", "--members", "1", "--epochs", "1", "--json")
    assert (code, error) == (0, "")
    told = json.loads(said)
    assert told["pairs"] + told["held_out"] == 120
    assert sum(told["dropped"].values()) == 1
    assert [row["who"] for row in told["accuracy"]] == ["combined"]


def test_a_malformed_line_is_named(guerdon: Guerdon, tmp_path: Path) -> None:
    with (tmp_path / "pairs.jsonl").open("a") as stream:
        stream.write('{"prompt": "p", "chosen": 3, "rejected": "b"}\n')
    code, _, error = guerdon("fit", "pairs.jsonl", "--out", "mine")
    assert code == 2
    assert "line 121" in " ".join(error.split())
    code, _, error = guerdon("score", "mine.py", "pairs.jsonl")
    assert code == 2
    assert "line 121" in " ".join(error.split())


def test_score_prints_rows_and_says_what_is_unknown(guerdon: Guerdon, tmp_path: Path) -> None:
    rows = [{"prompt": "p", "response": "abc"}, {"prompt": "p", "completion": "?"}, {"response": "\x1b[31m\ud800"}]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    code, said, _ = guerdon("score", "mine.py:length", "rows.jsonl")
    found = [json.loads(line) for line in said.splitlines()]
    assert code == 0
    assert [row["score"] for row in found] == [3.0, None, 6.0]
    assert "\x1b" not in said
    code, said, _ = guerdon("score", "mine.py", "rows.jsonl", "--out", "to.jsonl", "--json")
    assert json.loads(said) == {"rows": 3, "scores": 2, "unknown": 1, "file": "to.jsonl"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["score", "nothing", "pairs.jsonl"], "a reward's folder"),
        (["score", "mine.py", "gone.jsonl"], "readable file"),
        (["score", "mine.py", "pairs.jsonl", "--out", "gone/to.jsonl"], "Name another"),
        (["fit", "gone.jsonl", "--out", "x"], "readable file"),
        (["fit", "pairs.jsonl", "--out", "x", "--objective", "btt"], "Did you mean bt"),
        (["fit", "pairs.jsonl", "--out", "x", "--backbone", "no/such/thing"], "folder or hub id"),
        (["fit", "pairs.jsonl", "--out", "x", "--format", "trll"], "Did you mean trl"),
        (["serve", "gone.py"], "is not there"),
    ],
)
def test_wrong_words_get_an_error_of_three_clauses(guerdon: Guerdon, words: list[str], said: str) -> None:
    needs_torch()
    code, _, error = guerdon(*words)
    assert code == 2
    assert said in " ".join(error.split())
    assert "Traceback" not in error


def test_what_is_not_installed_is_named(guerdon: Guerdon, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "uvicorn" else found(name, *rest)
    )
    code, _, error = guerdon("serve", "mine.py")
    assert (code, 'pip install "guerdon[web]"' in " ".join(error.split())) == (2, True)


def started(*words: str, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from guerdon.cli.main import main; main()", "reward", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_serve_answers_until_it_is_interrupted(guerdon: Guerdon, tmp_path: Path) -> None:
    pytest.importorskip("uvicorn", reason='needs pip install "guerdon[web]"')
    process = started("serve", "mine.py", "--port", "0", folder=tmp_path)
    try:
        assert process.stderr is not None
        address = next(line for line in process.stderr if line.startswith("http")).split()[0]
        reply: Any = None
        for _ in range(100):
            try:
                reply = httpx.post(address, json={"query": ["abc"], "prompts": [""], "labels": [None]}, trust_env=False)
                break
            except httpx.ConnectError:
                time.sleep(0.1)
        assert reply.json()["rewards"] == [3.0]
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode in (0, 130, -signal.SIGINT)


@pytest.mark.slow
def test_a_killed_fit_goes_on_to_the_same_reward(guerdon: Guerdon, tmp_path: Path) -> None:
    needs_torch()
    words = ("fit", "pairs.jsonl", "--members", "2", "--epochs", "30", "--batch", "8", "--out")
    process = started(*words, "killed", folder=tmp_path)
    kept = tmp_path / "killed" / "training"
    deadline = time.monotonic() + 120
    while not list(kept.glob("*/training.json")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.communicate()
    assert not (tmp_path / "killed" / "reward.json").exists()
    digests = [json.loads(guerdon(*words, name, "--json")[1])["digest"] for name in ("killed", "whole")]
    assert digests[0] == digests[1]
