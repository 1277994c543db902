"""The blocks of docs/own-verifier.md are run in order, as a reader would; then a run is killed and goes on."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from guerdon import Ledger, run
from guerdon.bench.loading import load_file
from guerdon.cli.main import main
from guerdon.core.task import Answer, Case
from guerdon.search.solvers import HillClimb

PAGE = Path(__file__).parents[2] / "docs" / "own-verifier.md"
BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall(PAGE.read_text(encoding="utf-8"))

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _, file, text in BLOCKS:
        if file:
            Path(file).write_text(text, encoding="utf-8")


def test_the_page_works(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("cma", reason='needs pip install "guerdon[search]"')
    names: dict[str, Any] = {}
    printed, shown = "", ""
    for language, file, text in BLOCKS:
        if language == "console":
            for line in re.findall(r"^\$ guerdon (.*)", text, re.MULTILINE):
                with pytest.raises(SystemExit) as left:
                    main(shlex.split(line))
                out, err = capsys.readouterr()
                assert left.value.code in (0, None), f"{line}: {out} {err}"
                shown += out
        elif language == "text":
            assert printed == text
        elif not file:
            exec(compile(text, str(PAGE), "exec"), names)
            printed = capsys.readouterr().out
    assert re.search(r"this run, verified\s+energy\s+49\.1652531\b", shown)
    assert re.search(r"Wales and Ulker 2006\s+energy\s+49\.1652531\b", shown)
    assert re.search(r"shortest with 8 marks\s+length\s+34\b", shown)
    report = Path("electrons.html").read_text(encoding="utf-8")
    assert "Wales and Ulker 2006" in report
    assert "cma-es" in report


def test_the_best_energies_are_those_of_known_shapes() -> None:
    mine = load_file("electrons.py")
    up, down = [0.0, 0.0, 1.0], [0.0, 0.0, -1.0]
    ring = [[1.0, 0.0, 0.0], [-0.5, 0.75**0.5, 0.0], [-0.5, -(0.75**0.5), 0.0]]
    assert energy(mine, [up, down, *ring]) == pytest.approx(mine.BEST[5], abs=1e-8)
    golden = (1 + 5**0.5) / 2 / 2  # an icosahedron, scaled into the bounds
    flat = [[0.0, a * 0.5, b * golden] for a in (1, -1) for b in (1, -1)]
    corners = [point[i:] + point[:i] for point in flat for i in range(3)]
    assert energy(mine, corners) == pytest.approx(mine.BEST[12], abs=1e-8)


def energy(mine: Any, points: list[list[float]]) -> float:
    challenge = mine.Electrons(electrons=len(points))
    (task,) = challenge.tasks("main")
    (score,) = challenge.judge([Case(task, Answer(task.id, points))])
    return float(score.parts["energy"])


def test_killed_and_started_again_it_finds_what_it_would_have_found() -> None:
    """SIGKILL in the middle, the same command again, and the attempts are those of an uninterrupted run."""
    line = "solve electrons.py --electrons 5 --solver hill-climb --budget 1500 --seed 3 --ledger killed.db"
    command = guerdon(line)
    first = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while attempts("killed.db") < 50 and first.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    kept = attempts("killed.db")
    assert 0 < kept < 1500
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    mine = load_file("electrons.py")
    run(HillClimb(), mine.Electrons(electrons=5), ledger="whole.db", budget=1500, seed=3)
    assert history("killed.db") == history("whole.db")
    assert attempts("killed.db") == 1500


def test_worker_processes_judge_by_a_reward_out_of_a_file() -> None:
    line = "solve electrons.py --electrons 5 --solver evolution --offspring 20 --budget 40"
    for more in ("--ledger inline.db", "--ledger processes.db --workers processes:2"):
        done = subprocess.run(guerdon(f"{line} {more}"), env=ENVIRONMENT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert history("inline.db") == history("processes.db")
    assert all(value is not None for _, _, value in history("processes.db"))


def guerdon(line: str) -> list[str]:
    return [sys.executable, "-c", "from guerdon.cli.main import main; main()", *shlex.split(line)]


def attempts(path: str) -> int:
    return len(history(path)) if Path(path).exists() else 0


def history(path: str) -> list[Any]:
    try:
        with Ledger.open(path) as book:
            rows = [pair for row in book.runs() for pair in book.judged(row.id)]
    except Exception:  # it is being made at this moment
        return []
    return [(attempt.step, attempt.answer.digest, verdict and verdict.score.value) for attempt, verdict in rows]


def test_a_challenge_without_a_space_is_told_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    text = Path("electrons.py").read_text(encoding="utf-8")
    Path("bare.py").write_text(text.replace(', "space": space(self.electrons).plain()', ""), encoding="utf-8")
    with pytest.raises(SystemExit) as left:
        main(["solve", "bare.py", "--solver", "evolution", "--ledger", "bare.db"])
    assert left.value.code == 1
    assert "Write Space((12, 3), -1, 1).plain()" in " ".join(capsys.readouterr().err.split())
