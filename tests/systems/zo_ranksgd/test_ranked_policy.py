"""Policies ranked by the return of an episode, against an episode played by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from guerdon.bench.check import check
from guerdon.bench.run import run
from guerdon.bench.vault import Vault
from guerdon.core.errors import ConfigError
from guerdon.core.task import Answer
from guerdon.systems.zo_ranksgd.policy import RankedPolicy, sizes
from guerdon.systems.zo_ranksgd.solver import ZoRankSgd
from guerdon.systems.zo_ranksgd.trial import hidden_value, walk

gymnasium = pytest.importorskip("gymnasium")
pytest.importorskip("mujoco")
SWIM = RankedPolicy(steps=20, world_seed=7)


def played(weights: np.ndarray, env: str = "Swimmer-v5", steps: int = 20, seed: int = 7) -> float:
    world = gymnasium.make(env)
    observation, _ = world.reset(seed=seed)
    total = 0.0
    for _ in range(steps):
        action = np.tanh(weights @ observation) * world.action_space.high
        observation, reward, terminated, truncated, _ = world.step(action.astype(np.float32))
        total += float(reward)
        if terminated or truncated:
            break
    world.close()
    return total


def test_the_hidden_value_is_the_return_of_the_policy() -> None:
    points = np.random.default_rng(0).normal(size=(3, 16))
    wanted = [played(point.reshape(2, 8)) for point in points]
    assert hidden_value(SWIM, points) == pytest.approx(wanted, rel=1e-5)
    assert hidden_value(SWIM, points) == pytest.approx(wanted, rel=1e-5)  # from what is kept
    order = np.argsort([-value for value in wanted]).tolist()
    scores = SWIM.judge(Vault(SWIM, "main").cases([Answer("find", point) for point in points.tolist()]))
    assert [score.value for score in scores] == [2.0 - order.index(i) for i in range(3)]


def test_a_policy_gets_better() -> None:
    challenge = RankedPolicy(steps=60)
    point = walk(ZoRankSgd(mu=0.5, eta=4.0), challenge, seed=1, marks=[100])[100]
    before, after = hidden_value(challenge, np.stack([np.zeros(16), point]))
    assert after > before + 1.0  # type: ignore[operator]


@pytest.mark.parametrize("content", [None, [], [0.0] * 15, [float("nan")] * 16, [True] * 16, [[0.0] * 8] * 2])
def test_what_is_no_policy_is_a_fault(content: Any) -> None:
    (score,) = SWIM.judge(Vault(SWIM, "main").cases([Answer("find", content)]))
    assert score.fault is not None
    assert score.fault.whose == "solver"
    assert SWIM.pictures(next(iter(SWIM.tasks("main"))), Answer("find", content)) == ()


def test_the_report_draws_the_episode() -> None:
    from xml.etree import ElementTree

    point = np.random.default_rng(0).normal(size=16)
    (picture,) = SWIM.pictures(next(iter(SWIM.tasks("main"))), Answer("find", point.tolist()))
    assert f"{played(point.reshape(2, 8)):.2f} after 20 steps" in picture.caption
    (line,) = [each for each in ElementTree.fromstring(picture.data) if each.tag.endswith("polyline")]
    assert len(line.attrib["points"].split()) == 20


def test_its_self_check_passes_and_it_runs_in_workers(tmp_path: Any) -> None:
    assert all(finding.ok is not False for finding in check(SWIM, on_step=lambda text: None))
    done = run(ZoRankSgd(mu=0.5), SWIM, ledger=tmp_path / "g.db", budget=30, workers="processes:1")
    assert done.spent["attempts"] == 30
    assert done.best()[0][1].score.value == 4.0


def test_other_worlds_are_refused() -> None:
    assert sizes("Reacher-v5") == (2, 10)
    with pytest.raises(ConfigError, match="lists of numbers"):
        sizes("CartPole-v1")
    with pytest.raises(ConfigError):
        RankedPolicy(steps=0)
