import json
from pathlib import Path

import pytest

from guerdon import Ledger, run
from guerdon.cli.main import main
from guerdon.core.errors import ConfigError
from guerdon.core.task import Answer, Case, Task
from guerdon.interop.gymnasium import HillClimb, RandomActions, WorldChallenge
from guerdon.testing.challenge import ChallengeContract
from guerdon.testing.solver import SolverContract

COIN = """
import gymnasium, numpy
from gymnasium import spaces

class Coin(gymnasium.Env):
    def __init__(self, pay=1.0):
        self.pay, self.observation_space, self.action_space = pay, spaces.Discrete(2), spaces.Discrete(2)
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 0, {}
    def step(self, action):
        side = int(self.np_random.integers(2))
        return side, self.pay if side == action else -self.pay, False, False, {}

gymnasium.register("Coin-v0", entry_point=Coin)
"""
EXTRA = 'needs pip install "guerdon[worlds]"'


@pytest.fixture(autouse=True)
def _extra() -> None:
    pytest.importorskip("gymnasium", reason=EXTRA)


class TestWorldChallenge(ChallengeContract):
    @pytest.fixture
    def challenge(self) -> WorldChallenge:
        return WorldChallenge(env_id="CartPole-v1", seeds=(0, 1, 2**32 - 1), max_steps=60, low=0.0, high=60.0)

    def test_probes_are_there(self, challenge) -> None:
        probes = challenge.probes(challenge.tasks("main"))
        assert probes.nothing
        assert probes.cheats
        assert not probes.oracle  # nobody knows the best play of an unknown world

    def test_a_solver_may_look_ahead_in_the_world_itself(self, challenge) -> None:
        (task, *_) = challenge.tasks("main")
        world = challenge.world(task)
        world.reset(task.data["seed"])
        assert world.step(1).reward == 1.0

    def test_the_judge_plays_the_keys_seed(self, challenge) -> None:
        assert challenge.keys(challenge.tasks("main")) == [{"seed": 0}, {"seed": 1}, {"seed": 2**32 - 1}]


class TestHillClimb(SolverContract):
    budget = 30

    @pytest.fixture
    def challenge(self) -> WorldChallenge:
        return WorldChallenge(env_id="CartPole-v1", seeds=(0, 1), max_steps=60)

    @pytest.fixture
    def solver(self) -> HillClimb:
        return HillClimb(length=60)


class TestRandomActions(TestHillClimb):
    @pytest.fixture
    def solver(self) -> RandomActions:
        return RandomActions(length=60, keep=0.5)


def best_of(solver, challenge, folder: Path, **options) -> dict[str, float]:
    with Ledger.open(folder / "g.db") as book:
        done = run(solver, challenge, ledger=book, **options)
        assert done.status == "done"
        best: dict[str, float] = {}
        for attempt, verdict in book.judged(done.id):
            value = verdict.score.value
            best[attempt.answer.task] = max(value, best.get(attempt.answer.task, value))
        return best


def test_climbing_beats_chance_on_cartpole(tmp_path) -> None:
    challenge = WorldChallenge(env_id="CartPole-v1", seeds=(0, 1), max_steps=200, high=200.0, low=0.0)
    climbed = best_of(HillClimb(length=200), challenge, tmp_path, budget=300)
    chance = best_of(RandomActions(length=200), challenge, tmp_path, budget=300)
    assert min(climbed.values()) > max(chance.values())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # multiprocessing beside threads
def test_worker_processes_judge_the_same(tmp_path) -> None:
    challenge = WorldChallenge(env_id="guerdon/KeyDoor-v0", arguments='{"sticky": 0.25}', max_steps=50)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    here = best_of(RandomActions(length=50), challenge, tmp_path / "a", budget=4)
    assert best_of(RandomActions(length=50), challenge, tmp_path / "b", budget=4, workers="processes:1") == here


def test_the_command_line_takes_any_id(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    challenge = "guerdon.interop.gymnasium:WorldChallenge"
    words = ["solve", challenge, "--env-id", "CartPole-v1", "--seeds", "0", "--seeds", "1", "--max-steps", "50"]
    words += ["--solver", "guerdon.interop.gymnasium:HillClimb", "--length", "50", "--budget", "20", "--json"]
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code in (0, None)
    assert json.loads(capsys.readouterr().out)["spent"]["attempts"] == 20


@pytest.mark.parametrize(
    "fields",
    [
        {"seeds": ()}, {"seeds": (0, 0)}, {"seeds": (-1,)}, {"seeds": (2**64,)}, {"max_steps": 0}, {"arguments": "["},
        {"arguments": "[]"}, {"low": 1.0, "high": 1.0},
    ],
)  # fmt: skip
def test_impossible_challenges_are_refused(fields) -> None:
    with pytest.raises(ConfigError):
        WorldChallenge(env_id="CartPole-v1", **fields)


def test_an_id_that_a_module_of_ones_own_registers(tmp_path, monkeypatch) -> None:
    (tmp_path / "own_coin_world.py").write_text(COIN, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    challenge = WorldChallenge(env_id="own_coin_world:Coin-v0", max_steps=8, low=-8.0, high=8.0)
    assert best_of(HillClimb(length=8, back=4.0), challenge, tmp_path, budget=1000) == {"seed-0": 8.0}
    broken = WorldChallenge(env_id="own_coin_world:Coin-v0", max_steps=8, arguments='{"pay": NaN}')
    (score,) = broken.judge([Case(Task("seed-0"), Answer("seed-0", [0, 1]), 0)])
    assert score.fault is not None
    assert (score.fault.kind, score.fault.whose) == ("judge", "judge")
    assert "step 0" in score.fault.detail


def test_the_raw_emulator_is_a_world_like_any_other(tmp_path) -> None:
    pytest.importorskip("ale_py", reason=EXTRA)
    challenge = WorldChallenge(env_id="ale/montezuma_revenge", arguments='{"sticky": 0.25}', max_steps=20)
    assert best_of(RandomActions(length=20, keep=0.9), challenge, tmp_path, budget=3) == {"seed-0": 0.0}
    with pytest.raises(ConfigError, match="arguments of AleWorld"):
        run(HillClimb(), WorldChallenge(env_id="ale/pong", arguments='{"no": 1}'), ledger=tmp_path / "g.db", budget=2)


def test_an_unknown_id_is_refused_with_a_sentence(tmp_path) -> None:
    with pytest.raises(ConfigError, match="Gymnasium makes 'NoSuchWorld-v0'"):
        run(HillClimb(), WorldChallenge(env_id="NoSuchWorld-v0"), ledger=tmp_path / "g.db", budget=2)
