"""From the command line: a trained run that is killed and taken up again, and a real small model for one step."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
pytestmark = pytest.mark.slow

from guerdon.core.errors import ProviderError  # noqa: E402
from guerdon.core.plain import canonical  # noqa: E402
from guerdon.ledger import Ledger  # noqa: E402
from guerdon.lm import weights  # noqa: E402

_spec = importlib.util.spec_from_file_location("language_tiny_slow", Path(__file__).with_name("language_tiny.py"))
assert _spec is not None
assert _spec.loader is not None
made = importlib.util.module_from_spec(_spec)
sys.modules["language_tiny_slow"] = made
_spec.loader.exec_module(made)

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


def command(model: str, ledger: Path, *more: str) -> list[str]:
    words = ["solve", "erdos-overlap", "--solver", "ttt-discover-lm", "--model", model, "--device", "cpu"]
    words += ["--seed", "1", "--ledger", str(ledger), "--json", *more]
    return [sys.executable, "-c", f"from guerdon.cli.main import main; main({words!r})"]


def recorded(path: Path) -> list[str]:
    with Ledger.open(path) as ledger:
        [only] = ledger.runs()
        keep = ("action", "start", "step", "figures", "group", "target", "tokens")
        return [
            canonical([row.step, row.answer.content, {key: row.answer.note.get(key) for key in keep}])
            for row in ledger.attempts(only.id)
        ]


def test_a_killed_run_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    model = made.tiny()
    folder = tmp_path / "tiny"
    model.model.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    wanted = {"steps": 4, "groups": 2, "rollouts": 6, "rank": 4, "lr": 1e-3, "context-tokens": 160}
    wanted |= {"thinking-tokens": 140, "budget-s": 1, "kill-s": 20, "budget": 1000}
    settings = [word for name, value in wanted.items() for word in (f"--{name}", str(value))]
    whole, parts = tmp_path / "whole.db", tmp_path / "parts.db"
    done = subprocess.run(
        command(f"torch:{folder}", whole, *settings), env=ENVIRONMENT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    for least in (3, 20, 35):
        again = subprocess.Popen(
            command(f"torch:{folder}", parts, *settings),
            env=ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 240
        while again.poll() is None and time.monotonic() < deadline and _count(parts) < least:
            time.sleep(0.02)
        again.send_signal(signal.SIGKILL)
        again.wait()
    last = subprocess.run(
        command(f"torch:{folder}", parts, *settings), env=ENVIRONMENT, capture_output=True, text=True, timeout=300
    )
    assert last.returncode == 0, last.stderr
    assert recorded(parts) == recorded(whole)
    assert len(recorded(whole)) == 2 + 4 * 12


def _count(path: Path) -> int:
    import sqlite3

    if not path.exists():
        return 0
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as book:
            count: int = book.execute("select count(*) from attempts").fetchone()[0]
            return count
    except sqlite3.Error:
        return 0


def test_a_real_small_model_takes_a_step(tmp_path: Path) -> None:
    try:
        weights.get("smollm2")
    except ProviderError as error:
        pytest.skip(str(error))
    settings = "--steps 1 --groups 2 --rollouts 2 --context-tokens 480 --thinking-tokens 430 --budget-s 1 --kill-s 5"
    done = subprocess.run(
        command("torch:smollm2", tmp_path / "l.db", *settings.split(), "--budget", "10"),
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["spent"]["attempts"] == 2 + 4
    rows = [json.loads(row) for row in recorded(tmp_path / "l.db")]
    attempts = [row for row in rows if row[2]["action"]]
    assert len(attempts) == 4
    for _, content, note in attempts:
        assert note["tokens"] <= 480
        assert "construction" in content or content["failed"]


def test_a_step_of_a_real_small_model_raises_what_it_should() -> None:
    """One optimiser step by hand, since so small a model rarely writes a program that is worth anything."""
    try:
        weights.get("smollm2")
    except ProviderError as error:
        pytest.skip(str(error))
    from guerdon.core.rng import stream
    from guerdon.systems.ttt_discover.language.solver import TttDiscoverLm
    from guerdon.systems.ttt_discover.problems.erdos import ErdosOverlap
    from guerdon.systems.ttt_discover.proposer import Recipe, Sample, Start

    torch.set_num_threads(1)
    [task] = ErdosOverlap().tasks("main")
    some = TttDiscoverLm(device="cpu", context_tokens=450, thinking_tokens=430, budget_s=1, kill_s=5).proposer(task)
    starts = [Start({"construction": [0.5] * size}, -0.5) for size in (40, 50)]
    policy = some.start(task, stream(1))
    groups = some.propose(task, policy, starts, 2, 0.0, stream(2))
    samples = [
        Sample(start, 0.0, draft.action, advantage)
        for start, group in zip(starts, groups, strict=True)
        for draft, advantage in zip(group, (1.0, -1.0), strict=True)
    ]
    rows, sampled = some._rows(task, samples)
    assert some.policy is not None
    before = some.policy.logprobs(rows)
    base = some.policy.logprobs(rows, base=True)
    for ours, theirs, drawn in zip(before, base, sampled, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-4)
        assert ours[: len(drawn)] == pytest.approx(drawn, abs=2e-3)
    following, figures = some.learn(task, policy, samples, Recipe(lr=4e-5, kl=0.1))
    assert following is not None
    assert figures["drift"] < 1e-3
    after = some.policy.logprobs(rows)
    mask = [row.mask() for row in rows]
    gain = sum(
        sample.advantage * float(((new - old) * torch.tensor(own).numpy()).sum())
        for sample, new, old, own in zip(samples, after, before, mask, strict=True)
    )
    assert gain > 0
