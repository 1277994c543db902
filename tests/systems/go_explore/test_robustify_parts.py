"""The window of start points, the lanes and the noisy worlds: by hand and against the publications."""

import numpy as np
import pytest

from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream
from guerdon.systems.go_explore.robustify.backward import Backward, Lanes
from guerdon.systems.go_explore.robustify.curriculum import Curriculum, Window
from guerdon.systems.go_explore.robustify.demos import Demo, reward_scale
from guerdon.systems.go_explore.robustify.noisy import GridWorlds, SnapshotWorlds
from guerdon.worlds import World

QUIET = {"no_ops": 0, "boost_steps": 0, "extra": -1.0, "rewards": "raw"}


# ── the window ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("lanes", "size"), [(160, 160), (640, 160), (10, 160), (7, 16)])
def test_lanes_are_spread_over_the_window_which_ends_at_the_maximum(lanes: int, size: int) -> None:
    slots = Curriculum(1000, Window(size=size)).slots(np.arange(lanes), lanes)
    assert slots.max() == 999
    assert slots.min() >= 999 - size + 1
    assert (np.diff(slots) >= 0).all()
    counts = np.bincount(slots - slots.min())
    if lanes >= size:
        assert set(counts) == {lanes // size}
    else:
        assert len(set(slots)) == lanes


def test_four_in_five_start_in_their_slot_and_the_others_behind_it() -> None:
    curriculum = Curriculum(500, Window(size=10))
    curriculum.maximum = 200
    lanes = np.zeros(20_000, np.int64)  # all in the first slot, 191
    starts = curriculum.draw(lanes, 10, np.random.default_rng(0))
    others = starts[starts != 191]
    assert abs(len(others) / 20_000 - 0.2 * (308 / 309)) < 0.01
    assert others.min() > 191
    assert others.max() == 499
    assert abs(others.mean() - (192 + 499) / 2) < 5


def test_the_maximum_moves_to_the_first_point_with_enough_cumulated_success() -> None:
    curriculum = Curriculum(100, Window(size=20, threshold=0.1))
    starts = np.repeat(np.arange(80, 100), 2)
    won = np.zeros(40, bool)
    won[starts >= 90] = True
    won[20] = False  # point 90 wins one of two: 0.5, then 1.5, then 2.5 >= 0.1 * 20
    curriculum.tell(starts, won)
    assert curriculum.move() == 92
    curriculum.tell(np.array([92]), np.array([False]))  # the last known rates stay where nothing new is known
    assert curriculum.rate[91] == 1.0
    assert curriculum.move() == 93


def test_with_the_original_threshold_it_moves_less_far() -> None:
    ends = []
    for threshold in (0.1, 0.2):
        curriculum = Curriculum(100, Window(size=20, threshold=threshold))
        curriculum.tell(np.arange(80, 100), np.ones(20, bool))
        ends.append(curriculum.move())
    assert ends == [81, 83]


def test_without_success_it_goes_forward_but_not_past_the_end() -> None:
    curriculum = Curriculum(100, Window(size=10, raise_by=30))
    curriculum.maximum = 50
    assert [curriculum.move(), curriculum.move()] == [80, 99]


# ── demonstrations ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_rewards_are_scaled_to_a_mean_return_of_ten() -> None:
    demo = Demo(np.zeros((4, 1)), np.zeros(3, int), np.array([1.0, 0.0, -2.0]), (0,))
    returns = np.array([1 + 0.25 * -2, 0.5 * -2, -2.0])
    assert reward_scale([demo], gamma=0.5) * np.abs(returns).mean() == pytest.approx(10.0)
    with pytest.raises(ConfigError, match="with a reward"):
        reward_scale([Demo(np.zeros((2, 1)), np.zeros(1, int), np.zeros(1), (0,))], gamma=0.5)


def test_a_demonstration_of_the_grid_is_its_quiet_replay() -> None:
    worlds = GridWorlds(2)
    way = worlds.grid.solution()
    demo = worlds.record(way)
    assert (len(demo), demo.score, demo.rewards.sum(), demo.rewards[-1]) == (66, 1.0, 1.0, 1.0)
    assert demo.observations[0].tolist() == [1, 1, 0]
    assert demo.observations[-1].tolist() == [11, 5, 1]
    assert demo.start().virtual
    assert not len(demo.start())


# ── noisy worlds ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_noise_the_rest_of_a_demonstration_reaches_its_end_from_anywhere() -> None:
    worlds = GridWorlds(66, sticky=0.0)
    demo = worlds.record(worlds.grid.solution())
    starts, zeros = np.arange(66), np.zeros(66, np.int64)
    worlds.place(starts, [demo] * 66, starts, zeros, zeros)
    np.testing.assert_array_equal(worlds.look(), demo.observations[:-1])
    reached = np.zeros(66, bool)
    for t in range(66):
        actions = demo.actions[np.minimum(starts + t, 65)]
        reached |= worlds.step(actions, ~reached).terminated
    assert reached.all()


def test_noise_is_fresh_by_seed_and_waits_eat_time_only() -> None:
    worlds = GridWorlds(64, max_steps=40)
    demo = worlds.record([1] * 6)
    lanes, zeros = np.arange(64), np.zeros(64, np.int64)
    worlds.place(lanes, [demo] * 64, zeros, lanes, np.full(64, 30))
    assert {tuple(row) for row in worlds.look()} == {(1, 1, 0)}
    ways = []
    for _ in range(10):
        moved = worlds.step(np.ones(64, np.int64), np.ones(64, bool))
        ways.append(moved.observation[:, 1])
    assert len({tuple(way) for way in np.array(ways).T}) > 1
    assert moved.truncated.all()  # 30 of its 40 steps were waited away


@pytest.fixture
def cartpoles() -> SnapshotWorlds:
    pytest.importorskip("gymnasium", reason='needs pip install "guerdon[worlds]"')
    return SnapshotWorlds(lambda: World("CartPole-v1", max_steps=60), 3, every=4, no_op=None)


def test_any_world_with_a_snapshot_starts_at_any_step(cartpoles: SnapshotWorlds) -> None:
    actions = [0, 1, 1, 0, 1, 0, 0, 1, 1, 0]
    demo = cartpoles.record(actions, seed=3)
    assert len(demo.states) == 3  # before steps 0, 4 and 8
    lanes, starts = np.arange(3), np.array([0, 5, 9])
    cartpoles.place(lanes, [demo] * 3, starts, np.full(3, -1), np.zeros(3, np.int64))
    np.testing.assert_allclose(cartpoles.look(), demo.observations[starts])
    moved = cartpoles.step(np.array([actions[s] for s in starts]), np.array([True, True, False]))
    np.testing.assert_allclose(moved.observation[:2], demo.observations[starts[:2] + 1])
    np.testing.assert_allclose(moved.observation[2], demo.observations[9])  # was not stepped


def test_worlds_that_do_not_stick_by_themselves_are_made_to(cartpoles: SnapshotWorlds) -> None:
    demo = cartpoles.record([0, 1] * 4, seed=0)
    taken = []
    real = cartpoles._act
    cartpoles._act = lambda lane, action, seen: (taken.append(action), real(lane, action, seen))[1]  # type: ignore[method-assign]
    lanes = np.arange(3)
    for seed in range(200):
        cartpoles.place(lanes, [demo] * 3, np.full(3, 4), np.full(3, seed * 7), np.zeros(3, np.int64))
        cartpoles.step(np.zeros(3, np.int64), lanes == 0)
    stuck = np.mean(np.array(taken[-200:]) == 1)  # the demonstration's last action was 1
    assert 0.15 < stuck < 0.35


# ── lanes ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class Line:
    """A noiseless line of states for the episodes' rules: the reward is what the action says, minus one."""

    actions = 5

    def __init__(self, n: int) -> None:
        self.n, self.at, self.placed = n, np.zeros(n, np.int64), list[tuple[int, int, int]]()

    def demo(self, rewards: list[float]) -> Demo:
        length = len(rewards)
        seen = np.arange(length + 1, dtype=np.float32)[:, None]
        return Demo(seen, np.array(rewards, np.int64) + 1, np.array(rewards), tuple(range(length)))

    def place(self, lanes, demos, starts, seeds, waits) -> None:
        self.at[lanes] = starts
        self.placed += [(int(lane), int(start), int(wait)) for lane, start, wait in zip(lanes, starts, waits)]

    def look(self):
        return self.at[:, None].astype(np.float32)

    def step(self, actions, active):
        from guerdon.systems.go_explore.robustify.noisy import Moved

        self.at = self.at + active
        no = np.zeros(self.n, bool)
        return Moved(self.look(), np.where(active, actions - 1.0, 0.0), no, no)

    def save(self):
        return {"at": self.at}

    def restore(self, arrays) -> None:
        self.at = arrays["at"].copy()


def lanes_on(line: Line, demos: list[Demo], memory: bool = False, **settings) -> Lanes:
    chosen = {**QUIET, "virtual": False, "window": Window(size=1, random=0.0), **settings}
    lanes = Lanes(line, demos, line.demo([0.0]).start(), Backward(**chosen), 0.9, memory)
    lanes.begin(stream(0, "lanes"))
    return lanes


def test_an_episode_that_lags_behind_the_demonstration_ends_as_a_failure() -> None:
    line = Line(1)
    demo = line.demo([0.0] * 5 + [1.0] + [0.0] * 14)  # its score is 1 from step 6 on
    lanes = lanes_on(line, [demo], lag=3, window=Window(size=1, random=0.0, raise_by=0))
    lanes.curricula[0].maximum = 2
    lanes._restart(np.array([0]))
    ended = []
    for _ in range(9):
        ended.append(bool(lanes.step(np.ones(1, np.int64)).terminated[0]))
        if ended[-1]:
            break
    # from 2, step k is at demo step 2 + k; the least score within 3 steps is 1 from demo step 9 on: k = 7
    assert ended == [False] * 6 + [True]


def test_a_score_as_good_as_the_demonstrations_is_a_success_with_extra_steps() -> None:
    line = Line(400)
    demo = line.demo([0.0, 2.0, 0.0, 0.0])
    lanes = lanes_on(line, [demo], extra=2.0, window=Window(size=1, random=0.0, check_every=10**6))
    lanes.curricula[0].maximum = 1
    lanes._restart(np.arange(400))
    gone, lasted = np.zeros(400, bool), np.zeros(400, np.int64)
    lanes._restart = lambda ended: gone.__setitem__(ended, True)  # type: ignore[method-assign]
    for _ in range(12):
        lasted += ~gone
        lanes.step(np.where(lanes._lane["taken"] == 0, 3, 1))
    assert gone.all()
    # the score is reached in step 1, then exp(U[0, 2]) rounded down: 1 to 7 more, log-uniformly
    assert (lasted - 1).min() == 1
    assert (lasted - 1).max() in (6, 7)
    assert abs((lasted - 1 == 1).mean() - np.log(2) / 2) < 0.08


def test_starting_late_counts_the_score_that_the_demonstration_had_by_then() -> None:
    line = Line(1)
    demo = line.demo([1.0, 0.0, 0.0, 1.0])
    lanes = lanes_on(line, [demo])
    assert lanes._score[0] == 1.0  # starts at its last step, where it had one point
    outcome = lanes.step(np.array([2]))
    assert outcome.terminated[0]
    lanes.curricula[0].move()
    assert lanes.curricula[0].rate[3] == 1.0


def test_warm_up_shows_the_demonstration_and_learns_nothing_from_it() -> None:
    line = Line(1)
    demo = line.demo([0.0] * 9 + [1.0])
    lanes = lanes_on(line, [demo], memory=True, warm_up=4)
    seen, flags = [], []
    for _ in range(5):
        view = lanes.view()
        seen.append(float(view.observation[0, 0]))
        flags.append((bool(view.first[0]), bool(view.learn[0]), int(view.forced[0])))
        lanes.step(np.where(view.forced >= 0, view.forced, 2))
    assert seen == [5.0, 6.0, 7.0, 8.0, 9.0]
    assert flags == [(True, False, 1), (False, False, 1), (False, False, 1), (False, False, 1), (False, True, -1)]
    assert lanes.frames == 1
    assert line.placed[-2][:2] == (0, 9)  # placed when it was warm, not before


def test_logits_are_halved_right_after_the_start_point() -> None:
    line = Line(1)
    lanes = lanes_on(line, [line.demo([0.0] * 50 + [1.0])], boost_steps=3, lag=100)
    scales = []
    for _ in range(5):
        scales.append(float(lanes.view().scale[0]))
        lanes.step(np.ones(1, np.int64))
    assert scales == [0.5, 0.5, 0.5, 1.0, 1.0]


def test_demonstrations_and_the_true_start_get_the_same_share_of_steps() -> None:
    line = Line(16)
    demos = [line.demo([0.0] * 4 + [1.0]), line.demo([0.0] * 60 + [1.0])]
    lanes = lanes_on(line, demos, virtual=True, lag=10, window=Window(size=61, random=0.2, check_every=10**6))
    rng = np.random.default_rng(0)
    for _ in range(1500):
        lanes.step(np.where(rng.random(16) < 0.05, 2, 1))
    assert len(lanes.demos) == 3
    share = lanes._used / lanes._used.sum()
    assert np.abs(share - 1 / 3).max() < 0.05


def test_no_ops_are_drawn_up_to_thirty() -> None:
    line = Line(500)
    lanes_on(line, [line.demo([1.0])], no_ops=30)
    assert {wait for _, _, wait in line.placed} == set(range(31))


def test_imitation_shows_the_demonstration_with_its_returns() -> None:
    line = Line(64)
    demo = line.demo([0.0, 0.0, 4.0])
    lanes = lanes_on(line, [demo], imitate=2)
    lanes.curricula[0].rate[:] = [0.25, 0.5, 0.75]
    shown = lanes.imitations(5, 0.5, np.random.default_rng(0))
    assert shown["actions"].shape == (5, 4)
    for k in range(4):
        begin = int(shown["observations"][0, k, 0])
        length = 3 - begin
        assert shown["mask"][:, k].tolist() == [True] * length + [False] * (5 - length)
        assert shown["returns"][:length, k].tolist() == [1.0, 2.0, 4.0][begin:]
        assert shown["success"][0, k] == [0.25, 0.5, 0.75][begin]
