"""The same code on Atari and on other worlds: a few steps, a few updates, to the bit. That it learns is not shown."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='needs pip install "guerdon[train]"')
pytest.importorskip("ale_py", reason='needs pip install "guerdon[worlds]"')

from guerdon.systems.go_explore.robustify.backward import Backward, Robustifier  # noqa: E402
from guerdon.systems.go_explore.robustify.curriculum import Window  # noqa: E402
from guerdon.systems.go_explore.robustify.noisy import Screens, SnapshotWorlds  # noqa: E402
from guerdon.train.nets import ScreenNet, VectorNet  # noqa: E402
from guerdon.train.ppo import PPO  # noqa: E402
from guerdon.worlds import AleWorld, World, perform  # noqa: E402

FIRST = [0, 3, 3, 3, 3, 3, 5, 5, 5, 5, 2, 2, 1, 1, 3, 3]
ALE = {"no_ops": 30, "rewards": "clip", "warm_up": 3, "boost_steps": 2, "virtual": True, "imitate": 32}


def montezuma(n: int, **options) -> SnapshotWorlds:
    return SnapshotWorlds(lambda: AleWorld("montezuma_revenge", observe="none"), n, **options)


def test_a_demonstration_is_recorded_as_the_emulator_plays_it() -> None:
    worlds = montezuma(1, every=5)
    trajectory = perform(AleWorld("montezuma_revenge"), 0, FIRST)
    demo = worlds.record(trajectory.actions, seed=trajectory.seed)
    assert demo.score == trajectory.score
    assert demo.observations.shape == (17, 105, 80, 12)
    assert len(demo.states) == 4
    world = AleWorld("montezuma_revenge", observe="rgb")
    world.reset(0)
    screens = [world.step(action).observation for action in FIRST]
    newest = demo.observations[-1][..., 9:].astype(int)
    known = screens[-1].reshape(105, 2, 80, 2, 3).mean((1, 3)).astype(int)
    assert (newest >= known - 1).all()  # the larger of the last two frames, of which this is one
    np.testing.assert_array_equal(demo.observations[-1][..., :9], demo.observations[-2][..., 3:])
    assert worlds.worlds[0].frames == world.frames == 64


def test_placed_without_noise_the_emulator_goes_on_as_the_demonstration_did() -> None:
    worlds = montezuma(2, sticky=0.0, every=5)
    demo = worlds.record(FIRST)
    starts = np.array([0, 7])
    worlds.place(np.arange(2), [demo] * 2, starts, np.array([11, 12]), np.zeros(2, np.int64))
    for t in range(9):
        np.testing.assert_array_equal(worlds.look(), demo.observations[starts + t])
        worlds.step(np.array([FIRST[s + t] for s in starts]), np.ones(2, bool))
    assert worlds.worlds[1].frames == 64


def test_sticky_actions_and_no_ops_make_futures_differ() -> None:
    worlds = montezuma(8, sticky=0.25)
    demo = worlds.record(FIRST)
    lanes = np.arange(8)
    waits = np.array([0, 0, 7, 0, 0, 0, 0, 0])
    worlds.place(lanes, [demo] * 8, np.full(8, 4), np.array([1, 1, 1, 2, 3, 4, 5, 6]), waits)
    assert [world.frames for world in worlds.worlds] == [16, 16, 23, 16, 16, 16, 16, 16]
    for t in range(30):  # the first seconds of the game take no orders
        worlds.step(np.full(8, 3 + t % 2), np.ones(8, bool))
    rams = [bytes(world.ram) for world in worlds.worlds]
    assert rams[0] == rams[1] != rams[2]
    assert len(set(rams[3:])) > 1
    assert all(world.frame_skip == 4 for world in worlds.worlds)


def test_screens_are_halved_by_averages() -> None:
    screen = np.zeros((210, 160, 3), np.uint8)
    screen[0, 0], screen[0, 1] = (200, 0, 0), (100, 40, 0)
    small = Screens()._small(screen)
    assert small.shape == (105, 80, 3)
    assert small[0, 0].tolist() == [75, 10, 0]


def atari_run() -> Robustifier:
    worlds = montezuma(2)
    demo = worlds.record(FIRST)
    net = ScreenNet(channels=(4, 4, 4), features=16, memory=16, actions=worlds.actions)
    backward = Backward(window=Window(size=4, check_every=4), **ALE)  # type: ignore[arg-type]
    settings = PPO(steps=5, burn_in=2, epochs=1, minibatches=2)
    return Robustifier.new(worlds, [demo], demo.start(), net, backward=backward, ppo=settings, seed=1)


def test_updates_on_montezuma_and_a_resume_to_the_bit(tmp_path) -> None:
    whole = atari_run()
    before = {name: weight.detach().clone() for name, weight in whole.agent.weights.items()}
    for _ in range(2):
        whole.advance()
    whole.save(tmp_path)
    whole.advance()
    assert any(not torch.equal(before[name], weight) for name, weight in whole.agent.weights.items())
    assert all(torch.isfinite(weight).all() for weight in whole.agent.weights.values())
    again = atari_run()
    again.load(tmp_path)
    again.advance()
    for name, weight in whole.agent.weights.items():
        assert torch.equal(weight, again.agent.weights[name]), name
    assert 0 < whole.lanes.frames == again.lanes.frames


def test_any_gymnasium_world_can_be_made_robust() -> None:
    worlds = SnapshotWorlds(lambda: World("CartPole-v1", max_steps=40), 4)
    demo = worlds.record([0, 1] * 10)
    backward = Backward(window=Window(size=4, check_every=10, raise_by=2), warm_up=0)
    net = VectorNet(inputs=4, actions=2, hidden=(8,))
    settings = PPO(steps=20, epochs=1, minibatches=2, learning_rate=1e-3)
    run = Robustifier.new(worlds, [demo], demo.start(), net, backward=backward, ppo=settings, seed=2)
    for _ in range(3):
        run.advance()
    assert run.frontier < 19
    assert run.lanes.frames == 3 * 20 * 4
