"""The main job as a user does it: real puzzles, killed, resumed, looked at, by any solver."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from guerdon import Ledger, run
from guerdon.ledger.export import bundle_digest
from guerdon.report import render
from guerdon.systems.programming_puzzles.challenge import ProgrammingPuzzles
from guerdon.systems.programming_puzzles.enumerative import Enumerative
from guerdon.systems.programming_puzzles.lm_solver import LanguageModel

SOLVE = ["solve", "programming-puzzles", "--solver", "enumerative", "--modules", "basic", "--budget", "1500", "--json"]


def start(folder: Path, ledger: str) -> subprocess.Popen[str]:
    code = f"from guerdon.cli.main import main; main({[*SOLVE, '--ledger', ledger]!r})"
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", code], cwd=folder, **pipes)


def finish(folder: Path, ledger: str) -> dict[str, Any]:
    out, err = (process := start(folder, ledger)).communicate(timeout=240)
    assert process.returncode == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def judged(path: Path) -> int:
    if not path.exists():
        return 0
    with Ledger.open(path) as book:
        return sum(int(book.spent(row.id)["attempts"]) for row in book.runs())


def test_killed_and_resumed_the_puzzles_end_in_the_same_ledger(tmp_path: Path) -> None:
    whole = finish(tmp_path, "whole.db")
    assert whole["at_top"] > 20
    dice = random.Random(11)
    for wanted in sorted(dice.sample(range(100, 1300), 2)):
        process = start(tmp_path, "killed.db")
        deadline = time.monotonic() + 120
        while judged(tmp_path / "killed.db") < wanted and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    resumed = finish(tmp_path, "killed.db")
    assert resumed["run"] == whole["run"]
    with Ledger.open(tmp_path / "whole.db") as one, Ledger.open(tmp_path / "killed.db") as two:
        assert bundle_digest(one, whole["run"]) == bundle_digest(two, whole["run"])
        assert "basic" not in render(two, [whole["run"]])[:100]
        assert whole["run"] in render(two, [whole["run"]])


@pytest.mark.parametrize("workers", ["processes:2", pytest.param("ray", marks=pytest.mark.ray)])
def test_workers_judge_puzzles_to_the_same_ledger(tmp_path: Path, workers: str) -> None:
    challenge = ProgrammingPuzzles(modules=("basic",), limit=20)
    digests = []
    for name in ("inline", workers):
        with Ledger.open(tmp_path / f"{name.partition(':')[0]}.db") as book:
            done = run(Enumerative(batch=64), challenge, ledger=book, budget=256, workers=name)
            digests.append(bundle_digest(book, done.id))
    assert digests[0] == digests[1]


@pytest.mark.slow
def test_the_small_real_model_records_honest_attempts(tmp_path: Path) -> None:
    from guerdon.lm import weights

    if "smollm2" not in weights.installed():
        pytest.skip("needs its weights: guerdon models get smollm2")
    challenge = ProgrammingPuzzles(modules=("basic",), one_per_problem=True, limit=6)
    solver = LanguageModel(model="smollm2", prompt="short", attempts=2, max_tokens=24)
    with Ledger.open(tmp_path / "a.db") as book:
        done = run(solver, challenge, ledger=book, budget=12)
        assert done.spent["attempts"] == 12
        assert done.spent["tokens"] > 12
        rows = [verdict for _, verdict in book.judged(done.id) if verdict is not None]
        assert len(rows) == 12
        assert all(row.sandbox.startswith(("namespaces", "landlock")) for row in rows)
