import dataclasses
import json

import pytest

from guerdon.core.errors import ConfigError
from guerdon.core.plain import canonical
from guerdon.core.rng import stream
from guerdon.core.task import Answer, Case, Task
from guerdon.testing.reward import RewardContract
from guerdon.worlds import AleWorld, ReplayReward, Trajectory, World, WorldError, open_world, perform, replay
from guerdon.worlds.replay import MARK_EVERY

EXTRA = 'needs pip install "guerdon[worlds]"'


def walked(world: World, count: int = 120, seed: int = 3) -> Trajectory:
    rng = stream(seed, "actions")
    return perform(world, seed, [world.encode(world.sample(rng)) for _ in range(count)])


def changed(trajectory: Trajectory, **fields: object) -> Trajectory:
    return dataclasses.replace(trajectory, **fields)  # type: ignore[arg-type]


def test_a_trajectory_holds_and_survives_json(kit) -> None:
    world = World(kit.Walk(end=1000.0))
    trajectory = walked(world)
    again = Trajectory.of(json.loads(canonical(trajectory.plain())))
    assert again == trajectory
    assert again.id == trajectory.id
    verdict = replay(again, world)
    assert verdict.ok
    assert verdict.score == trajectory.score
    assert len(trajectory.marks) == 120 // MARK_EVERY


def test_what_does_not_hold_is_named_with_its_step(kit) -> None:
    world = World(kit.Walk(end=1000.0))
    good = walked(world)
    flipped = [*good.actions[:70], 1 - good.actions[70], *good.actions[71:]]  # type: ignore[operator]
    wrong = {
        "other action": (changed(good, actions=tuple(flipped)), 70),
        "illegal action": (changed(good, actions=(*good.actions[:9], 2, *good.actions[10:])), 9),
        "an action of another type": (changed(good, actions=(True, *good.actions[1:])), 0),
        "too short": (changed(good, actions=good.actions[:-1]), 118),
        "too long": (changed(good, actions=(*good.actions, 0)), 120),
        "empty": (changed(good, actions=()), -1),
        "other seed": (changed(good, seed=4), -1),
        "other score": (changed(good, score=good.score + 1), 119),
        "other reward": (changed(good, rewards=((0, 9.0), *good.rewards[1:])), 0),
        "other end": (changed(good, end="0" * 32), 119),
        "not ended": (changed(good, ended=True), 119),
        "other mark": (changed(good, marks=("0" * 16, good.marks[1])), 49),
        "missing mark": (changed(good, marks=()), 49),
        "other version": (changed(good, world={**good.world, "versions": {"gymnasium": "0.1"}}), -1),
        "other code": (changed(good, world={**good.world, "code": "x"}), -1),
        "unknown entry": (changed(good, world={**good.world, "patch": 1}), -1),
    }
    for name, (trajectory, step) in wrong.items():
        verdict = replay(trajectory, world)
        assert not verdict.ok, name
        assert verdict.fault is not None
        assert (verdict.fault.kind, verdict.fault.whose) == ("invalid", "solver"), name
        assert verdict.step == step, (name, verdict)
    assert not replay(good, world, seed=4).ok
    assert replay(good, world, seed=3).ok


def test_actions_after_the_end_are_found(kit) -> None:
    world = World(kit.Walk(end=2.0))
    world.reset(0)
    count = 0
    while not world.ended:
        world.step(1)
        count += 1
    good = perform(world, 0, [1] * count)
    assert good.ended
    assert replay(good, world).ok
    verdict = replay(changed(good, actions=(*good.actions, 1, 1)), world)
    assert (verdict.ok, verdict.step) == (False, count)
    assert "2 actions after the end" in str(verdict.fault)
    with pytest.raises(WorldError):
        perform(world, 0, [1] * (count + 1))


def test_a_world_is_opened_from_its_identity() -> None:
    pytest.importorskip("gymnasium", reason=EXTRA)
    world = World("guerdon/KeyDoor-v0", max_steps=80, arguments={"sticky": 0.25})
    trajectory = walked(world, 80)
    assert replay(trajectory).ok
    assert open_world(trajectory.world).identity() == world.identity()
    verdict = replay(changed(trajectory, world={**trajectory.world, "id": "NoSuchWorld-v0"}))
    assert verdict.fault is not None
    assert verdict.step == -1


@pytest.mark.parametrize("plain", [{}, {"seed": 0}, {"world": 1, "seed": None}])
def test_what_is_no_trajectory_is_refused(plain) -> None:
    with pytest.raises(ConfigError):
        Trajectory.of(plain)


def test_montezuma_replays_and_other_roms_and_settings_do_not() -> None:
    pytest.importorskip("ale_py", reason=EXTRA)
    world = AleWorld("montezuma_revenge", sticky=0.25)
    trajectory = walked(world, 60, seed=2**32 - 1)  # type: ignore[arg-type]
    assert replay(trajectory).ok
    for name, value in (("rom", "0" * 64), ("frame_skip", 1), ("versions", {"ale_py": "0.1"})):
        verdict = replay(changed(trajectory, world={**trajectory.world, name: value}), world)
        assert (verdict.ok, verdict.step) == (False, -1)
        assert name in str(verdict.fault)
    assert not replay(trajectory, AleWorld("pitfall")).ok
    assert not replay(changed(trajectory, seed=1), world).ok


class TestReplayReward(RewardContract):
    @pytest.fixture
    def judge(self) -> ReplayReward:
        pytest.importorskip("gymnasium", reason=EXTRA)
        return ReplayReward(env_id="guerdon/KeyDoor-v0", max_steps=200, low=0.0, high=1.0)

    @pytest.fixture
    def cases(self) -> list[Case]:
        from guerdon.worlds import KeyDoor

        way = KeyDoor().solution()
        return [Case(Task("t"), Answer("t", actions), {"seed": 0}) for actions in (way, way[:-1], [0] * 200, [])]

    def test_values(self, judge: ReplayReward, cases: list[Case]) -> None:
        assert [score.value for score in judge(cases)] == [1.0, 0.0, 0.0, 0.0]
        assert [score.parts["steps"] for score in judge(cases)] == [66, 65, 200, 0]

    def test_impossible_answers_are_faults_with_a_step(self, judge: ReplayReward, cases: list[Case]) -> None:
        way = cases[0].answer.content
        answers = {"step 66": [*way, 0], "step 3": [1, 1, 1, 9], "step 0": [[0]], "too many": [0] * 201}  # type: ignore[misc]
        for words, actions in answers.items():
            (score,) = judge([Case(Task("t"), Answer("t", actions), 0)])  # type: ignore[arg-type]
            assert score.fault is not None
            assert score.fault.kind == "invalid"
            assert words in score.fault.detail
        lenient = dataclasses.replace(judge, after_end="ignore")
        assert lenient([Case(Task("t"), Answer("t", [*way, 0]), 0)])[0].value == 1.0  # type: ignore[misc]
