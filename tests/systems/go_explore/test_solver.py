"""The solver on the loop: contract, worlds of all kinds, processes, and killed runs that end as if never killed."""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("gymnasium", reason='needs pip install "guerdon[worlds]"')
pytest.importorskip("ale_py", reason='needs pip install "guerdon[worlds]"')

from guerdon import Ledger, run
from guerdon.cli.main import main
from guerdon.core.challenge import Challenge
from guerdon.core.errors import ConfigError, SolverError
from guerdon.core.rng import stream
from guerdon.core.solver import Problem
from guerdon.core.task import Task
from guerdon.ledger.export import bundle_digest
from guerdon.search.selection import GO_EXPLORE_RUNS
from guerdon.systems.go_explore import explore
from guerdon.systems.go_explore.challenge import Montezuma
from guerdon.systems.go_explore.explore import Kept, Place
from guerdon.systems.go_explore.simulator import simulator
from guerdon.systems.go_explore.solver import Batch, End, GoExplore
from guerdon.systems.go_explore.stored import Stored
from guerdon.systems.go_explore.stored import main as stored_main
from guerdon.systems.go_explore.verify import Demo
from guerdon.testing.solver import SolverContract
from guerdon.worlds import WorldChallenge, replay

MONTEZUMA = Place("ale/montezuma_revenge", "{}", 100_000, 0)


class TestOnTheGrid(SolverContract):
    budget = 14

    @pytest.fixture
    def challenge(self) -> Challenge:
        return WorldChallenge(env_id="guerdon/KeyDoor-v0", seeds=(0, 1), max_steps=400, low=0.0, high=1.0)

    @pytest.fixture
    def solver(self) -> GoExplore:
        return GoExplore(batch=10, explore_steps=30, keep=0.5, audits=2)


class TestOnRealNumbers(TestOnTheGrid):
    @pytest.fixture
    def challenge(self) -> Challenge:
        return WorldChallenge(env_id="MountainCarContinuous-v0", max_steps=300)

    @pytest.fixture
    def solver(self) -> GoExplore:
        return GoExplore(batch=5, explore_steps=20, keep=0.9, resolution=0.05)


def solved(tmp_path: Path, solver: GoExplore, challenge: Challenge, budget: str, **options: Any) -> Stored:
    tmp_path.mkdir(exist_ok=True)
    with Ledger.open(tmp_path / "g.db") as book:
        done = run(solver, challenge, ledger=book, budget=budget, **options)
        assert done.status == "done"
        for _, verdict in book.judged(done.id):
            assert verdict.score.known
        return Stored(book, done.id)


def told(stored: Stored) -> list[Any]:
    """Everything of a state that must not depend on how it came about."""
    found = []
    for memory in stored.state.tasks.values():
        archive = memory.archive
        records = [archive.record(key) for key in archive.keys]
        ways = [(each.score, each.length, memory.log.actions(each.pointer)) for each in records]
        marks = [Kept.of(each.snapshot).mark for each in records]
        counters = archive.seen.tolist(), archive.chosen.tolist(), archive.since_new.tolist()
        found.append((archive.keys, ways, marks, counters, memory.done, memory.rooms, memory.steps, memory.shrink))
    return [found, stored.state.turn, stored.state.audits, stored.state.wrong]


@pytest.mark.parametrize(
    ("env_id", "fields"),
    [
        ("CartPole-v1", {"max_steps": 100}),
        ("MountainCar-v0", {"max_steps": 200}),
        ("InvertedPendulum-v5", {"max_steps": 60}),
        ("ALE/Freeway-v5", {"max_steps": 60, "arguments": '{"repeat_action_probability": 0.0}'}),
        pytest.param(
            "ALE/Freeway-v5",
            {"max_steps": 12, "arguments": '{"repeat_action_probability": 0.25}'},
            marks=pytest.mark.slow,
        ),
        ("ale/montezuma_revenge", {"max_steps": 60, "arguments": '{"sticky": 0.25}'}),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_any_world_is_explored_and_everything_stored_replays(tmp_path, env_id, fields) -> None:
    if "Pendulum" in env_id:
        pytest.importorskip("mujoco", reason='needs pip install "guerdon[worlds]"')
    solver = GoExplore(batch=4, explore_steps=10, keep=0.8)
    stored = solved(tmp_path, solver, WorldChallenge(env_id=env_id, **fields), "4")
    (found,) = stored.verify().values()
    assert found.share == 1.0, found.wrong
    assert found.stored > 2
    assert stored.state.wrong == 0


def test_a_world_that_its_seed_does_not_decide_is_refused(tmp_path, monkeypatch) -> None:
    (tmp_path / "own_dice_world.py").write_text(
        "import gymnasium, numpy\n"
        "class Dice(gymnasium.Env):\n"
        "    observation_space = action_space = gymnasium.spaces.Discrete(100)\n"
        "    def reset(self, *, seed=None, options=None):\n"
        "        return 0, {}\n"
        "    def step(self, action):\n"
        "        return int(numpy.random.default_rng().integers(100)), 0.0, False, False, {}\n"
        'gymnasium.register("OwnDice-v0", entry_point=Dice)\n',
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="its seed does not decide"):
        run(GoExplore(), WorldChallenge(env_id="own_dice_world:OwnDice-v0"), ledger=tmp_path / "g.db", budget=2)


def test_a_task_without_a_world_is_refused() -> None:
    with pytest.raises(SolverError, match="names its world"):
        GoExplore().start(Problem("none", (Task("t", {}),)), stream(0))


@pytest.mark.parametrize(
    "fields",
    [
        {"batch": 0}, {"keep": 1.0}, {"resolution": 0.0}, {"audits": -1}, {"selection": "2020"}, {"processes": 0},
        {"frame_share": 2.0},
    ],
)  # fmt: skip
def test_impossible_recipes_are_refused(fields) -> None:
    with pytest.raises(ConfigError):
        GoExplore(**fields)


@pytest.mark.parametrize("cells", ["ram", "dynamic", "nothing", "no_such_module:f", "math:pi"])
def test_cells_that_a_world_does_not_have_are_refused(tmp_path, cells) -> None:
    with pytest.raises(ConfigError):
        run(GoExplore(cells=cells), WorldChallenge(env_id="CartPole-v1"), ledger=tmp_path / "g.db", budget=2)


@pytest.mark.parametrize("key", ["[1]", "world.observation", "(1, world.observation[0])", "None", "{}"])
def test_a_key_that_cannot_be_written_down_is_refused_at_once(tmp_path, key) -> None:
    (tmp_path / "odd.py").write_text(f"def cell(world):\n    return {key}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="a plain key from"):
        GoExplore(cells=f"{tmp_path}/odd.py:cell").begin(Place("CartPole-v1", "{}", 50, 0))


def test_published_weights_can_be_changed_one_by_one() -> None:
    for name, rule in GO_EXPLORE_RUNS.items():
        assert GoExplore(selection=name).rule == rule
    changed = GoExplore(selection="2021 montezuma, domain knowledge", w_seen=0.0, w_vertical=0.5, level_base=0.3).rule
    assert (changed.seen, changed.vertical, changed.more, changed.level_base) == (0.0, 0.5, 1.0, 0.3)


def test_processes_find_the_same_and_a_dead_worker_is_replaced(tmp_path) -> None:
    solver = GoExplore(batch=6, explore_steps=20)
    alone, many = solver.begin(MONTEZUMA), solver.begin(MONTEZUMA)
    crew = replace(solver, processes=2)
    try:
        for turn in range(2):
            for each, memory in ((solver, alone), (crew, many)):
                records = each.sample(MONTEZUMA, memory, turn)
                if each is crew and turn == 1:
                    victim = next(iter(explore._pool(2)._processes))
                    os.kill(victim, signal.SIGKILL)
                found = list(each.explorations(MONTEZUMA, memory, records, turn))
                ends = [End(one.score, one.length, one.pointer) for one in records]
                each.bring(memory, Batch(turn, turn, records, ends, found))
        assert alone.archive.keys == many.archive.keys
        assert alone.archive.scores.tolist() == many.archive.scores.tolist()
        for key in alone.archive.keys:
            one, other = alone.archive.record(key), many.archive.record(key)
            assert alone.log.actions(one.pointer) == many.log.actions(other.pointer)
            assert Kept.of(one.snapshot).mark == Kept.of(other.snapshot).mark
    finally:
        explore._pool(2).shutdown()
        explore._pool.cache_clear()


def test_dynamic_cells_are_fitted_and_the_archive_is_named_anew(tmp_path) -> None:
    solver = GoExplore(
        cells="dynamic", batch=4, explore_steps=30, fit_first=200, fit_every=300, frame_share=0.3, proposals=40,
        end="game over", recent_frames=150,
    )  # fmt: skip
    stored = solved(tmp_path, solver, Montezuma(), "6", checkpoint_s=0.0)
    (memory,) = stored.state.tasks.values()
    assert memory.shrink is not None
    assert len(memory.former) > len(memory.archive) / 2
    assert all(len(key) == memory.shrink.width * memory.shrink.height for key in memory.archive.keys)
    assert 2 <= len(memory.frames) <= 150
    (found,) = stored.verify().values()
    assert found.share == 1.0, found.wrong
    again = solved(tmp_path / "again", solver, Montezuma(), "6", checkpoint_s=1e9)
    assert told(again) == told(stored)


def test_demos_prove_themselves_and_their_states_go_on(tmp_path) -> None:
    stored = solved(tmp_path, GoExplore(batch=20, explore_steps=40), Montezuma(), "2")
    (memory,) = stored.state.tasks.values()
    path = stored.demo(every=10).save(tmp_path / "demo")
    loaded = Demo.load(path)
    assert replay(loaded.trajectory).ok
    assert loaded.trajectory.score == memory.best.score
    deepest = max((memory.archive.record(key) for key in memory.archive.keys), key=lambda each: each.length)
    from guerdon.systems.go_explore.verify import demo

    long = demo(memory, MONTEZUMA, End(deepest.score, deepest.length, deepest.pointer), every=10)
    sim, steps = simulator(*MONTEZUMA), len(long.trajectory.actions)
    assert sorted(long.states) == list(range(0, steps, 10))
    for state in long.states.values():
        sim.restore(state)
        for action in long.trajectory.actions[sim.world.steps :]:
            sim.step(action)
        assert sim.mark() == Kept.of(deepest.snapshot).mark
    with pytest.raises(ConfigError, match="a folder with a demo"):
        Demo.load(tmp_path / "none")


def test_a_wrong_score_in_the_archive_is_found_by_the_check(tmp_path, capsys) -> None:
    stored = solved(tmp_path, GoExplore(batch=5, explore_steps=20), Montezuma(), "2")
    with pytest.raises(SystemExit) as left:
        stored_main([str(tmp_path / "g.db"), "--demos", str(tmp_path / "demos")])
    assert left.value.code == 0
    assert "stored trajectories replay" in capsys.readouterr().out
    (memory,) = stored.state.tasks.values()
    row = len(memory.archive) - 1
    memory.archive._score[row] += 1.0
    (found,) = stored.verify().values()
    assert found.held == found.stored - 1
    assert "score" in found.wrong[0]
    with pytest.raises(ConfigError, match="stored trajectories that replay"):
        found.insist()


# ── killed ──────────────────────────────────────────────────────────────────────────────────────────────────────────

SOLVE = ["solve", "montezuma", "--solver", "go-explore", "--json"]
PATIENT = "import guerdon.bench.run as r; r.run.__kwdefaults__['checkpoint_s'] = {seconds}; "


def start(folder: Path, ledger: str, more: list[str], checkpoint_s: float) -> subprocess.Popen[str]:
    code = f"{PATIENT.format(seconds=checkpoint_s)}from guerdon.cli.main import main; "
    code += f"main({[*SOLVE, *more, '--ledger', ledger]!r})"
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(folder: Path, ledger: str, more: list[str], checkpoint_s: float) -> None:
    out, err = (process := start(folder, ledger, more, checkpoint_s)).communicate(timeout=900)
    assert process.returncode == 0, err
    assert '"run"' in out


def steps_in(path: Path) -> int:
    if not path.exists():
        return 0
    with Ledger.open(path) as book:
        return sum(len(book.steps(row.id)) for row in book.runs())


@pytest.mark.parametrize(
    ("batch", "frames", "kills"), [(5, 10_000, 1), pytest.param(100, 240_000, 3, marks=pytest.mark.slow)]
)
def test_killed_at_random_the_same_command_ends_as_if_it_had_not_been(tmp_path, batch, frames, kills) -> None:
    more = ["--batch", str(batch), "--budget", f"frames={frames}"]
    finish(tmp_path, "whole.db", more, 1e9)
    last = steps_in(tmp_path / "whole.db")
    assert last > kills
    dice = random.Random(5)
    for wanted in sorted(dice.sample(range(1, last), kills)):
        process = start(tmp_path, "killed.db", more, 0.2)
        deadline = time.monotonic() + 900
        while steps_in(tmp_path / "killed.db") < wanted and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(dice.random() * 0.3)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    finish(tmp_path, "killed.db", more, 0.2)
    with Ledger.open(tmp_path / "whole.db") as one, Ledger.open(tmp_path / "killed.db") as two:
        assert one.run("last").id == two.run("last").id
        assert bundle_digest(one, one.run("last").id) == bundle_digest(two, two.run("last").id)
        whole, killed = Stored(one), Stored(two)
    assert told(killed) == told(whole)
    for stored in (whole, killed):
        (found,) = stored.verify().values()
        assert found.share == 1.0, found.wrong
        assert found.stored >= 15


def test_the_command_line_takes_a_cell_function_of_ones_own(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text("def cell(world):\n    return int(world.observation[0] * 10)\n", encoding="utf-8")
    words = ["solve", "guerdon.interop.gymnasium:WorldChallenge", "--env-id", "CartPole-v1", "--max-steps", "60"]
    words += ["--solver", "guerdon.systems.go_explore.solver:GoExplore", "--cells", "mine.py:cell", "--batch", "5"]
    with pytest.raises(SystemExit) as left:
        main([*words, "--explore-steps", "10", "--budget", "8", "--json"])
    assert left.value.code in (0, None), capsys.readouterr().err
    with Ledger.open("guerdon.db") as book:
        (memory,) = Stored(book).state.tasks.values()
    assert all(type(key) is int for key in memory.archive.keys)
    assert np.all(np.array(memory.archive.keys) < 30)
