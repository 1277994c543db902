"""The contracts that every challenge, solver and reward is held to, and what the documentation shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from guerdon.bench.experiment import Experiment
from guerdon.bench.vault import Vault
from guerdon.core.task import Answer
from guerdon.systems.zo_ranksgd import baselines, solver
from guerdon.systems.zo_ranksgd.challenge import RankedFunction
from guerdon.systems.zo_ranksgd.experiment import ARMS, EXPERIMENTS
from guerdon.systems.zo_ranksgd.objective import Objective
from guerdon.testing.challenge import ChallengeContract
from guerdon.testing.reward import RewardContract
from guerdon.testing.solver import SolverContract

PAGE = Path(__file__).parents[3] / "docs" / "systems" / "zo-ranksgd.md"


class TestChallenge(ChallengeContract):
    @pytest.fixture
    def challenge(self) -> RankedFunction:
        return RankedFunction(dim=5)


class Learners(SolverContract):
    @pytest.fixture
    def challenge(self) -> RankedFunction:
        return RankedFunction(dim=4, m=6, k=3)


class TestZoRankSgd(Learners):
    @pytest.fixture
    def solver(self) -> Any:
        return solver.ZoRankSgd(search=4)


class TestHumanLoop(Learners):
    @pytest.fixture
    def solver(self) -> Any:
        return solver.HumanLoop()


class TestGld(Learners):
    @pytest.fixture
    def solver(self) -> Any:
        return baselines.Gld()


class TestCma(Learners):
    @pytest.fixture
    def solver(self) -> Any:
        pytest.importorskip("cma")
        return baselines.Cma()


class TestRandom(Learners):
    @pytest.fixture
    def solver(self) -> Any:
        return baselines.Random()


class TestZoSgd(SolverContract):
    @pytest.fixture
    def challenge(self) -> RankedFunction:
        return RankedFunction(dim=4, m=6, k=3, tell="values")

    @pytest.fixture
    def solver(self) -> Any:
        return baselines.ZoSgd()


class Judges(RewardContract):
    @pytest.fixture
    def cases(self) -> Any:
        points = np.random.default_rng(0).normal(size=(5, 3)).tolist()
        return Vault(RankedFunction(dim=3), "main").cases([Answer("find", point) for point in points])


class TestObjective(Judges):
    @pytest.fixture
    def judge(self) -> Any:
        return Objective()


class TestOracle(Judges):
    @pytest.fixture
    def judge(self) -> Any:
        return RankedFunction(dim=3, k=2, noise=0.3).judge


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_every_claim_is_about_what_is_measured(experiment: Experiment) -> None:
    pytest.importorskip("cma")
    pytest.importorskip("mujoco")
    found = {arm: experiment.run(arm, 101, "smoke") for arm in experiment.arms}
    for claim in experiment.claims:
        if hasattr(claim, "measure"):
            for arm in filter(None, (claim.treatment, claim.control)):
                assert found[arm][claim.measure] is not None, claim.name
    assert experiment.run(experiment.arms[0], 101, "smoke") == found[experiment.arms[0]]


def test_arms_differ_in_one_thing() -> None:
    solvers = {arm: make("quadratic") for arm, (make, _, _) in ARMS.items()}
    assert solvers["k = 15"] == solvers["k = 5"] == solvers["k = 1"]
    assert [ARMS[arm][1] for arm in ("k = 15", "k = 5", "k = 1")] == [{}, {"k": 5}, {"k": 1}]


def test_the_code_on_the_page_runs(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
    mine: dict[str, Any] = {}
    exec(blocks[0], mine)
    assert mine["decode"](np.zeros(4)).shape == (64, 64)
    assert mine["stripes"](mine["decode"](np.array([0.0, 1.0, 0.0, 0.0]))) > 0
    assert mine["bowl"](np.full(3, 2.0)) == 0
    code: dict[str, Any] = {}
    exec(blocks[1], code)
    cases = Vault(RankedFunction(dim=1), "main").cases([Answer("find", "x" * n) for n in (3, 1, 4, 2)])
    assert [score.value for score in code["oracle"](cases)] == [2.0, 0.0, 3.0, 1.0]
    assert [score.value for score in code["pairwise"](cases)] == [2.0, 0.0, 3.0, 1.0]
    assert [score.value for score in code["rewards"](cases)] == pytest.approx([2 / 3, 0.0, 1.0, 1 / 3])
