"""Figures of a training run reach a file, TensorBoard and trackio."""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from guerdon.core.errors import ConfigError  # noqa: E402
from guerdon.core.rng import stream  # noqa: E402
from guerdon.train.learners import GRPO, PPO  # noqa: E402
from guerdon.train.loop import train  # noqa: E402
from guerdon.train.rollouts import Sampling  # noqa: E402
from guerdon.train.tiny import TinyGRU, TinyLM, TinyPolicy  # noqa: E402
from guerdon.train.trackers import Lines, TensorBoard, Trackio, best_available  # noqa: E402


def run(tracker: Any, learner: Any = None, **more: Any) -> Any:
    policy = TinyPolicy(TinyLM.new(TinyGRU(vocabulary=12, width=8), stream(0, "weights")))
    prompts = stream(0, "prompts").integers(2, 10, (8, 2))
    how: dict[str, Any] = {"iterations": 3, "batch": 8, "sampling": Sampling(most=4, group=4), "seed": 0} | more
    learner = learner or GRPO(lr=1e-2)
    return train(policy, learner, prompts, lambda p, d: (d.ids == 5).mean(1), trackers=[tracker], **how)


def test_a_file_of_lines_has_the_history_and_the_speed(tmp_path: Path) -> None:
    lines = Lines(tmp_path / "run" / "figures.jsonl")
    made = run(lines, PPO(lr=1e-2), watch=lambda policy, state: {"gold": 1.0})
    rows = lines.read()
    assert [row["iteration"] for row in rows] == [0, 1, 2, 3]
    for row, kept in zip(rows, made.history, strict=True):
        assert {name: row[name] for name in kept} == kept
    wanted = {"reward", "kl", "entropy", "length", "clipped", "gradient", "masked", "tokens_per_second", "value_loss"}
    assert wanted <= set(rows[0])


def test_a_run_that_goes_on_appends_and_the_last_word_counts(tmp_path: Path) -> None:
    lines = Lines(tmp_path / "figures.jsonl")
    run(lines, folder=tmp_path / "run", every=2)
    run(lines, folder=tmp_path / "run", every=2, iterations=5)
    assert [row["iteration"] for row in lines.read()] == [0, 1, 2, 3, 4]
    assert all(json.loads(line) for line in (tmp_path / "figures.jsonl").read_text(encoding="utf-8").splitlines())


def test_tensorboard_gets_scalars(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said: list[Any] = []
    writer = types.SimpleNamespace(
        add_scalar=lambda name, value, step: said.append((name, value, step)), close=lambda: said.append("closed")
    )
    module = types.ModuleType("tensorboardX")
    module.SummaryWriter = lambda folder: writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    monkeypatch.setitem(sys.modules, "tensorboardX", module)
    made = run(TensorBoard(tmp_path))
    assert ("train/reward", made.history[1]["reward"], 1) in said
    assert said[-1] == "closed"
    assert isinstance(best_available(tmp_path), TensorBoard)


def test_trackio_gets_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[Any] = []
    module = types.ModuleType("trackio")
    module.init = lambda **how: (
        said.append(how)
        or types.SimpleNamespace(  # type: ignore[attr-defined]
            log=lambda figures, step: said.append((step, figures["reward"]))
        )
    )
    module.finish = lambda: said.append("finished")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "trackio", module)
    made = run(Trackio("toys", name="one", settings={"lr": 1e-2}))
    assert said[0] == {"project": "toys", "name": "one", "config": {"lr": 1e-2}}
    assert said[1:] == [(k, row["reward"]) for k, row in enumerate(made.history)] + ["finished"]


def test_without_them_there_is_a_file_or_an_error_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("torch.utils.tensorboard", "tensorboardX", "trackio"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match="pip install tensorboard"):
        TensorBoard(tmp_path)
    with pytest.raises(ConfigError, match="pip install trackio"):
        Trackio("toys")
    assert isinstance(best_available(tmp_path), Lines)
