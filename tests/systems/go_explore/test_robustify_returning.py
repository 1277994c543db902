"""The policy-based variant: its archive holds walkable ways, a soft window, and goals in the published shares."""

import numpy as np
import pytest

from guerdon.core.rng import stream
from guerdon.systems.go_explore.robustify.noisy import GridWorlds
from guerdon.systems.go_explore.robustify.returning import (
    Known,
    PolicyBased,
    ReturningLanes,
    Traveller,
    explore_at_random,
    explore_by_policy,
)

START = (1, 1, 0)


def wandering(steps: int, n: int = 16, **settings) -> ReturningLanes:
    lanes = ReturningLanes(GridWorlds(n), PolicyBased(**settings))
    rng = np.random.default_rng(0)
    lanes.begin(stream(0, "lanes"))
    for _ in range(steps):
        lanes.view()
        lanes.step(rng.integers(4, size=n))
    return lanes


def test_every_route_can_be_walked_from_the_start_to_its_cell_without_loops() -> None:
    lanes = wandering(800)
    assert len(lanes.archive) > 30
    for cell, known in lanes.archive.items():
        assert known.route[0] == START
        assert known.route[-1] == cell
        assert len(set(known.route)) == len(known.route) <= known.length + 1
        for (r, c, _), (r2, c2, _) in zip(known.route, known.route[1:], strict=False):
            assert abs(r - r2) + abs(c - c2) == 1


def test_a_cell_keeps_its_highest_score_and_then_its_shortest_way() -> None:
    lanes = wandering(0)
    lane = Traveller((START,), START, 9)
    cell = (1, 2, 0)
    ways = [(0.0, 9, 9), (0.0, 12, 9), (0.0, 4, 4), (1.0, 30, 30), (0.0, 1, 30), (1.0, 20, 20)]
    for score, steps, kept in ways:
        lane.score, lane.steps = score, steps
        lanes._note(lane, cell)
        assert lanes.archive[cell].length == kept
    assert lanes._seen[cell] == 5


def test_coming_back_forgets_the_loop() -> None:
    lane = Traveller((), START, 9)
    for cell in "abcdbe":
        lane.go((ord(cell),))
    assert [chr(cell[0]) for cell in lane.path] == ["a", "b", "e"]
    assert set(lane.place) == set(lane.path)


def test_any_of_the_next_cells_counts_and_those_behind_or_too_far_do_not() -> None:
    lanes = wandering(0, window=3, patience=50)
    route = tuple((1, c, 0) for c in range(1, 9))
    lane = Traveller(route, route[1], 100, at=1)
    assert lanes._judge(lane, route[5])[0] == 0.0  # the fifth ahead, of three
    assert lanes._judge(lane, route[0])[0] == 0.0
    assert lanes._judge(lane, route[3])[0] == 1.0
    assert lane.goal == route[4]
    assert lanes._judge(lane, route[2])[0] == 0.0
    assert lanes._judge(lane, route[6])[0] == 1.0
    assert not lane.exploring
    assert lanes._judge(lane, route[7])[0] == 1.0
    assert lane.exploring


def test_a_return_fails_when_it_takes_too_long_and_exploration_ends_in_time() -> None:
    lanes = wandering(0, patience=4, explore_steps=6)
    lane = Traveller(((1, 2, 0), (1, 3, 0)), (1, 2, 0), 6)
    assert [lanes._judge(lane, START)[1] for _ in range(5)] == [False] * 4 + [True]
    explorer = Traveller((START,), (9, 9, 9), 6, exploring=True)
    assert [lanes._judge(explorer, START)[2] for _ in range(6)] == [False] * 5 + [True]


def test_goals_of_exploration_have_the_published_shares() -> None:
    lanes = wandering(0)
    here, far = (1, 4, 0), [(r, 15, 0) for r in range(1, 8)]
    for cell in (here, (1, 3, 0), *far):
        lanes.archive[cell], lanes._seen[cell] = Known(0.0, 1, (START, cell)), 0
    near = {(0, 4, 0), (2, 4, 0), (1, 5, 0)}
    drawn = [lanes._goal(here) for _ in range(20_000)]
    outside = np.mean([goal in near for goal in drawn])
    assert outside == pytest.approx(0.10 + 0.225 * 3 / 4, abs=0.01)
    assert np.mean([goal in far for goal in drawn]) == pytest.approx(0.675 * 7 / 10, abs=0.015)


def test_it_is_the_same_by_seed() -> None:
    pytest.importorskip("torch", reason='needs pip install "guerdon[train]"')
    from guerdon.train.ppo import PPO

    settings = PPO(learning_rate=2e-3, entropy=1e-2, gamma=0.99, burn_in=0, steps=64)
    runs = []
    for _ in range(2):
        lanes = ReturningLanes(GridWorlds(32), PolicyBased())
        explore_by_policy(lanes, settings, (32,), 7, 6_000)
        runs.append(lanes)
    assert runs[0].archive == runs[1].archive
    assert runs[0].frames == runs[1].frames >= 6_000
    assert explore_at_random(GridWorlds(32), 7, 6_000) == explore_at_random(GridWorlds(32), 7, 6_000)
