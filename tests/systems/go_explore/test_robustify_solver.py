"""The challenge refuses what is no policy, the solver resumes to the bit, and both hold the bench's contracts."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from guerdon.core.rng import stream
from guerdon.core.score import FaultKind
from guerdon.core.task import Answer, Case
from guerdon.systems.go_explore.robustify.challenge import KeyDoorChallenge
from guerdon.systems.go_explore.robustify.noisy import GridWorlds
from guerdon.systems.go_explore.robustify.policy import best_actions, play, read, table_policy, written
from guerdon.testing.challenge import ChallengeContract

CHALLENGE = KeyDoorChallenge(episodes=100)
(TASK,) = CHALLENGE.tasks("main")
SMALL = written([(np.zeros((4, 32)), np.zeros(4))])


def judged(content, challenge=CHALLENGE):
    (score,) = challenge.judge([Case(TASK, Answer(TASK.id, content), {"seed": 0})])
    return score


class TestKeyDoor(ChallengeContract):
    @pytest.fixture
    def challenge(self) -> KeyDoorChallenge:
        return CHALLENGE


# ── the judge ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_planners_policy_is_sure_and_the_shortest_way_is_not() -> None:
    worlds = GridWorlds(1)
    best = best_actions(worlds)
    quiet = GridWorlds(1, sticky=0.0)
    played = play(read(table_policy(best), worlds.grid.shape, 400), quiet, 0, stream(0, "x"))
    assert played.steps.tolist() == [66]  # what a breadth-first search of the grid's own says
    assert len(worlds.grid.solution()) == 66
    assert judged(table_policy(best)).value == 1.0
    assert judged({"actions": worlds.grid.solution()}).value < 0.05


def test_without_noise_the_shortest_way_is_sure() -> None:
    challenge = KeyDoorChallenge(sticky=0.0, no_ops=0, episodes=5)
    (task,) = challenge.tasks("main")
    way = GridWorlds(1).grid.solution()
    scores = challenge.judge([Case(task, Answer(task.id, {"actions": w}), {"seed": 0}) for w in (way, way[:-1])])
    assert [score.value for score in scores] == [1.0, 0.0]


def test_a_policy_is_what_torch_says_it_is() -> None:
    torch = pytest.importorskip("torch")
    from guerdon.systems.go_explore.robustify.solver import Robustify, weights_of

    trained = Robustify(lanes=4).prepared(TASK.data, [], 3).trained
    shape = GridWorlds(1).grid.shape
    logits = read(weights_of(trained), shape, 400)
    every = torch.tensor([[[r, c, k] for r in range(shape[0]) for c in range(shape[1]) for k in (0, 1)]])
    heads = trained.agent.net.apply(
        trained.agent.weights, every, torch.zeros(every.shape[:2], dtype=torch.bool), torch.zeros(every.shape[1], 0)
    )
    np.testing.assert_allclose(heads.logits[0].detach().numpy(), logits.reshape(-1, 4), atol=1e-6)


def test_every_answer_meets_its_own_noise_and_the_same_answer_the_same() -> None:
    even = judged(SMALL)
    assert judged(SMALL) == even
    half = written([(np.zeros((4, 32)), np.array([0.0, 3.0, 3.0, 0.0]))])
    assert judged(half).parts != even.parts


def tensor(**changes):
    return {"layers": [{"weight": SMALL["layers"][0]["weight"], "bias": {**SMALL["layers"][0]["bias"], **changes}}]}


@pytest.mark.parametrize(
    "content",
    [
        None, True, 7, 10**400, "up", [], [1, 2], {}, {"actions": None}, {"actions": "123"}, {"actions": [4]},
        {"actions": [-1]}, {"actions": [True]}, {"actions": [1.0]}, {"actions": [[1]]}, {"actions": [10**400]},
        {"actions": [None]}, {"actions": {"0": 1}}, {"actions": [0] * 401}, {"actions": [1], "layers": []},
        {"layers": []}, {"layers": [SMALL["layers"][0]] * 9}, {"layers": [SMALL["layers"][0]] * 2}, {"layers": [None]},
        {"layers": {"0": 1}}, {"layers": [{"weight": 1, "bias": 2}]}, tensor(shape=[5]), tensor(shape=[10**12]),
        tensor(shape=[-4]), tensor(shape=[4, 1]), tensor(shape=[True]), tensor(shape=4), tensor(shape=[4.0]),
        tensor(float32="AAAA"), tensor(float32=17), tensor(float32="!" * 24), tensor(float32="é" * 24),
        tensor(float32=base64.b64encode(np.array([0, np.nan, 0, 0], "<f4").tobytes()).decode()),
        tensor(float32=base64.b64encode(np.array([0, np.inf, 0, 0], "<f4").tobytes()).decode()), tensor(more=1),
    ],
    ids=range(40),
)  # fmt: skip
def test_what_is_no_policy_is_a_fault(content) -> None:
    score = judged(content)
    assert score.value is None
    assert score.fault.kind is FaultKind.INVALID
    assert score.fault.whose == "solver"


def test_large_and_overflowing_answers_are_refused_soon() -> None:
    start = time.process_time()
    assert judged({"actions": [0] * 10**7}).value is None
    text = "A" * 10**7
    assert judged({"layers": [{"weight": {"shape": [4, 32], "float32": text}, "bias": {}}]}).value is None
    huge = written([(np.full((8, 32), 3e38), np.zeros(8))] + [(np.full((8, 8), 3e38), np.zeros(8))] * 6
                   + [(np.full((4, 8), 3e38), np.zeros(4))])  # fmt: skip
    score = judged(huge)
    assert score.value is None
    assert "finite" in score.fault.detail
    assert time.process_time() - start < 20


def test_pictures_are_drawn_and_nothing_of_what_is_no_policy() -> None:
    pytest.importorskip("imageio")
    film, places = CHALLENGE.pictures(TASK, Answer(TASK.id, table_policy(best_actions(GridWorlds(1)))))
    assert film.data[:4] == b"GIF8"
    assert places.data[:4] == b"\x89PNG"
    assert len(film.data) + len(places.data) < 1_500_000
    assert CHALLENGE.pictures(TASK, Answer(TASK.id, {"actions": ["x"]})) == ()
    assert len(CHALLENGE.pictures(TASK, Answer(TASK.id, {"actions": [1, 1]}))) == 2


# ── the solver ──────────────────────────────────────────────────────────────────────────────────────────────────────

torch = pytest.importorskip("torch", reason='needs pip install "guerdon[train]"')

from guerdon.bench.run import run  # noqa: E402
from guerdon.systems.go_explore.robustify.solver import Robustify  # noqa: E402
from guerdon.testing.solver import SolverContract  # noqa: E402

TINY = {"lanes": 8, "steps": 16, "chunks": 2, "hidden": 8, "window": 4, "check_every": 20, "raise_by": 2}


@pytest.fixture
def way(tmp_path) -> str:
    path = tmp_path / "demo.json"
    path.write_text(json.dumps(GridWorlds(1).grid.solution()))
    return str(path)


class TestRobustify(SolverContract):
    budget = 6

    @pytest.fixture
    def challenge(self) -> KeyDoorChallenge:
        return KeyDoorChallenge(episodes=20)

    @pytest.fixture
    def solver(self, tmp_path_factory) -> Robustify:
        path = tmp_path_factory.mktemp("demo") / "way.json"
        path.write_text(json.dumps(GridWorlds(1).grid.solution()))
        return Robustify(demos=(str(path),), imitate=8, **TINY)  # type: ignore[arg-type]


EASY = """
#######
#S.K#.#
###.#.#
#G..D.#
#######
"""


def test_on_a_small_grid_it_becomes_sure(tmp_path) -> None:
    layout = EASY.strip()
    way = GridWorlds(1, layout=layout).grid.solution()
    path = tmp_path / "demo.json"
    path.write_text(json.dumps(way))
    challenge = KeyDoorChallenge(layout=layout, no_ops=3, max_steps=60, episodes=100)
    solver = Robustify(demos=(str(path),), lanes=32, steps=32, chunks=5, window=4, raise_by=2, check_every=30)
    done = run(solver, challenge, ledger=tmp_path / "l.db", budget=12)
    ((_, verdict),) = done.best()
    assert verdict.score.value >= 0.9


def test_other_demonstrations_are_another_recipe_and_bad_files_are_named(tmp_path, way) -> None:
    from guerdon.core.errors import ConfigError
    from guerdon.core.recipe import identity

    other = tmp_path / "other.json"
    other.write_text(json.dumps([1, 1, 2]))
    same = tmp_path / "copy.json"
    same.write_text(Path(way).read_text())
    assert identity(Robustify(demos=(way,))) != identity(Robustify(demos=(str(other),)))
    for text in ("[1, true]", "[]", "{}", '{"actions": "x"}', "nonsense"):
        other.write_text(text)
        with pytest.raises(ConfigError, match=re.escape(str(other))):
            identity(Robustify(demos=(str(other),)))


def test_phase_one_finds_a_demonstration() -> None:
    pytest.importorskip("gymnasium")
    from guerdon.systems.go_explore.robustify.phase_one import find_demo

    actions = find_demo(EASY.strip(), 100, stream(0, "demo"))
    demo = GridWorlds(1, layout=EASY.strip()).record(actions)
    assert demo.score == 1.0


def test_frames_are_charged(tmp_path, way) -> None:
    done = run(Robustify(demos=(way,), **TINY), CHALLENGE, ledger=tmp_path / "l.db", budget="frames=1000")
    assert 1000 <= done.spent["frames"] < 1000 + 2 * 8 * 16 + 1


@pytest.mark.slow
def test_killed_it_goes_on_to_the_same_answers(tmp_path, way) -> None:
    script = (
        "import sys\nfrom guerdon import run\n"
        "from guerdon.systems.go_explore.robustify.challenge import KeyDoorChallenge\n"
        "from guerdon.systems.go_explore.robustify.solver import Robustify\n"
        f"run(Robustify(demos=({way!r},), **{TINY!r}), KeyDoorChallenge(episodes=20), ledger=sys.argv[1], budget=25, "
        "checkpoint_s=0.2)\n"
    )
    path = tmp_path / "go.py"
    path.write_text(script)
    command = [sys.executable, str(path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*command, str(tmp_path / "whole.db")], check=True, env=environment)
    broken = tmp_path / "broken.db"
    with subprocess.Popen([*command, str(broken)], env=environment) as process:
        while not list(tmp_path.rglob("checkpoints/*/step-*")) or not broken.exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    subprocess.run([*command, str(broken)], check=True, env=environment)
    assert answers_of(broken) == answers_of(tmp_path / "whole.db")


def answers_of(path: Path) -> list[str]:
    from guerdon.ledger import Ledger

    with Ledger.open(path) as book:
        (row,) = book.runs()
        return [f"{attempt.answer.digest} {verdict and verdict.score}" for attempt, verdict in book.judged(row.id)]


def test_a_memory_and_self_imitation_resume_to_the_bit(tmp_path) -> None:
    from guerdon.systems.go_explore.robustify.backward import Backward, Robustifier
    from guerdon.systems.go_explore.robustify.curriculum import Window
    from guerdon.train.nets import VectorNet
    from guerdon.train.ppo import PPO

    def fresh() -> Robustifier:
        worlds = GridWorlds(8)
        demo = worlds.record(worlds.grid.solution())
        net = VectorNet(inputs=3, actions=4, categories=worlds.categories, hidden=(8,), memory=8)
        backward = Backward(window=Window(size=4, check_every=10), warm_up=6, imitate=8)
        ppo = PPO(steps=12, burn_in=5, epochs=1, minibatches=2, learning_rate=1e-3)
        return Robustifier.new(worlds, [demo], demo.start(), net, backward=backward, ppo=ppo, seed=5)

    whole, half = fresh(), fresh()
    for _ in range(6):
        whole.advance()
    for _ in range(3):
        half.advance()
    half.save(tmp_path)
    again = fresh()
    again.load(tmp_path)
    for _ in range(3):
        again.advance()
    assert whole.lanes.frames == again.lanes.frames < 6 * 12 * 8  # warm-up steps are none of the world's
    for name, weight in whole.agent.weights.items():
        assert torch.equal(weight, again.agent.weights[name]), name
    for name, array in whole.lanes.arrays().items():
        np.testing.assert_array_equal(array, again.lanes.arrays()[name], err_msg=name)
    assert replace(again.settings, steps=1) != again.settings
