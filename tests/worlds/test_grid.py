import time

import numpy as np
import pytest

from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream
from guerdon.worlds import KeyDoor, World, WorldError, check_snapshot


def test_the_shortest_way_is_found_and_only_the_goal_pays() -> None:
    grid = KeyDoor(autoreset=False)
    way = grid.solution()
    assert 60 <= len(way) <= 120
    grid.reset(0)
    steps = [grid.step([action]) for action in way]
    assert [float(step.reward[0]) for step in steps] == [0.0] * (len(way) - 1) + [1.0]
    assert steps[-1].terminated[0]
    with pytest.raises(WorldError, match="a lane has ended"):
        grid.step([0])


def test_the_door_is_shut_without_the_key() -> None:
    layout = "#######\n#S.KDG#\n#######"
    grid = KeyDoor(layout=layout)
    assert grid.solution() == [1, 1, 1, 1]
    shut = KeyDoor(layout="#######\n#KSD.G#\n#######")
    shut.reset(0)
    assert shut.step([1]).observation.tolist() == [[1, 2, 0]]
    assert shut.step([3]).observation.tolist() == [[1, 1, 1]]
    assert shut.step([1]).observation.tolist() == [[1, 2, 1]]
    assert shut.step([1]).observation.tolist() == [[1, 3, 1]]


def test_a_lane_does_the_same_alone_and_among_thousands() -> None:
    many = KeyDoor(4096, sticky=0.25, max_steps=50)
    many.reset(2**32 - 1)
    actions = np.random.default_rng(0).integers(4, size=(120, 4096))
    seen = [many.step(row) for row in actions]
    for lane in (0, 1, 4095):
        one = KeyDoor(1, sticky=0.25, max_steps=50)
        one.reset(2**32 - 1 + lane)
        for row, all_lanes in zip(actions, seen, strict=True):
            step = one.step(row[lane : lane + 1])
            for name in step._fields:
                assert (getattr(step, name)[0] == getattr(all_lanes, name)[lane]).all(), (lane, name)


def test_actions_stick_as_often_as_said() -> None:
    grid = KeyDoor(20000, sticky=0.25, layout="#####\n#S.K#\n#.G.#\n#####")
    grid.reset(0)
    grid.step(np.full(20000, 0))
    moved = grid.step(np.full(20000, 1)).observation[:, 1] == 2
    assert abs(1 - moved.mean() - 0.25) < 0.015


def test_lanes_start_again_in_the_step_in_which_they_end() -> None:
    grid = KeyDoor(3, max_steps=4)
    grid.reset(0)
    steps = [grid.step([1, 1, 3]) for _ in range(5)]
    assert steps[3].truncated.all()
    assert steps[3].final.tolist() == [[1, 5, 0], [1, 5, 0], [1, 1, 0]]
    assert steps[3].observation.tolist() == [[1, 1, 0]] * 3
    assert steps[4].observation.tolist() == [[1, 2, 0], [1, 2, 0], [1, 1, 0]]


def test_states_can_be_put_into_lanes() -> None:
    one = KeyDoor(autoreset=False)
    one.reset(0)
    way = one.solution()
    for action in way[:-3]:
        one.step([action])
    many = KeyDoor(4)
    many.reset(5)
    many.put(one.rows().repeat(2, 0), [1, 3])
    for action in way[-3:]:
        last = many.step(np.full(4, action))
    assert last.reward.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("actions", [[4], [-1], [0, 0], [0.5], [True], [256]])
def test_impossible_actions_are_refused(actions) -> None:
    grid = KeyDoor()
    with pytest.raises(WorldError):
        grid.step([0])
    grid.reset(0)
    with pytest.raises(WorldError):
        grid.step(actions)


@pytest.mark.parametrize("wrong", [{"n": 0}, {"sticky": 1.0}, {"max_steps": 0}, {"layout": "###\n#S#\n###"}])
def test_impossible_grids_are_refused(wrong) -> None:
    with pytest.raises(ConfigError):
        KeyDoor(**wrong)
    with pytest.raises(ConfigError, match="a way to the goal"):
        KeyDoor(layout="######\n#S#KG#\n######").solution()


def test_many_lanes_cost_little_more_than_one() -> None:
    def seconds(n: int) -> float:
        grid = KeyDoor(n, sticky=0.25)
        grid.reset(0)
        actions = np.random.default_rng(0).integers(4, size=(64, n))
        best = float("inf")
        for _ in range(5):
            start = time.perf_counter()
            for row in actions:
                grid.step(row)
            best = min(best, time.perf_counter() - start)
        return best

    assert seconds(1024) < 50 * seconds(1)  # 1024 times the steps


def test_the_single_view_passes_the_checker_of_gymnasium() -> None:
    pytest.importorskip("gymnasium", reason='needs pip install "guerdon[worlds]"')
    from gymnasium.utils.env_checker import check_env

    from guerdon.worlds.grid import single

    check_env(single(sticky=0.25), skip_render_check=True)
    check_env(single(render_mode="rgb_array"), skip_render_check=True)
    world = World("guerdon/KeyDoor-v0", arguments={"sticky": 0.25, "render_mode": "rgb_array"})
    assert check_snapshot(world, stream(0, "grid")).ok
    assert world.render().shape == (13 * 8, 17 * 8, 3)
