import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream
from guerdon.worlds import CopySnapshot, KeyDoor, ReplaySnapshot, World, check_snapshot, snapshot_of


@pytest.mark.parametrize("way", [CopySnapshot, ReplaySnapshot])
def test_python_worlds_are_faithful_by_copy_and_by_replay(kit, way) -> None:
    world = World(kit.Walk(), max_steps=40)
    found = check_snapshot(world, stream(0, "check"), way(world))
    assert found.ok, found
    found.insist()
    assert found.cost.restore_s > 0


def test_a_hidden_generator_is_found(kit) -> None:
    found = check_snapshot(World(kit.Hidden()), stream(0, "check"))
    assert not found.ok
    assert found.what == "world"
    with pytest.raises(ConfigError, match="its seed does not decide"):
        found.insist()


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 15), st.integers(0, 2**32 - 1))
def test_a_rarely_used_hidden_generator_is_found_too(rarely, seed) -> None:
    pytest.importorskip("gymnasium", reason='needs pip install "guerdon[worlds]"')
    import worlds_kit

    world = World(lambda: worlds_kit.Hidden(rarely))
    world.env.end = 1000.0
    assert not check_snapshot(world, stream(seed, "check")).ok


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 2.0))
def test_a_seeded_world_is_never_accused(seed, noise) -> None:
    pytest.importorskip("gymnasium", reason='needs pip install "guerdon[worlds]"')
    import worlds_kit

    assert check_snapshot(World(worlds_kit.Walk(noise=noise)), stream(seed, "check"), seed=seed).ok


def test_a_generator_that_a_copy_does_not_reach_is_found_and_replay_helps(kit) -> None:
    world = World(kit.HalfHidden())
    found = check_snapshot(world, stream(0, "check"))
    assert (found.ok, found.what, found.way) == (False, "observation", "copy")
    assert found.step == 0
    with pytest.raises(ConfigError, match="observation differs"):
        found.insist()
    assert check_snapshot(world, stream(0, "check"), ReplaySnapshot(world)).ok


def test_worlds_that_cannot_be_copied_are_replayed(kit) -> None:
    world = World(kit.Walk())
    world.env.handle = (i for i in range(3))  # a generator cannot be copied
    assert snapshot_of(world).way == "replay"


def test_a_time_limit_in_a_wrapper_is_restored(kit) -> None:
    world = World("CartPole-v1")  # 500 steps by Gymnasium's wrapper
    world.reset(3)
    kept = snapshot_of(world)
    token = kept.save()
    for _ in range(2):
        kept.restore(token)
        assert world.steps == 0
        while not world.ended:
            world.step(world.steps % 2)
    assert check_snapshot(world, stream(1, "c")).ok


def test_a_snapshot_at_the_end_brings_the_end_back(kit) -> None:
    world = World(kit.Walk(), max_steps=2)
    world.reset(0)
    kept = CopySnapshot(world)
    world.step(0)
    world.step(0)
    token = kept.save()
    world.reset(1)
    kept.restore(token)
    assert world.ended
    assert (world.seed, world.steps, world.actions) == (0, 2, [0, 0])


@pytest.mark.parametrize("name", ["HalfCheetah-v5", "Ant-v5", "Humanoid-v5"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_mujoco_is_faithful_with_what_it_derives(name, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)  # MuJoCo writes its log there
    pytest.importorskip("gymnasium", reason='needs pip install "guerdon[worlds]"')
    pytest.importorskip("mujoco", reason='needs pip install "guerdon[worlds]"')
    world = World(name, max_steps=30)
    found = check_snapshot(world, stream(0, name), trials=3)
    assert (found.ok, found.way) == (True, "mujoco"), found


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_the_integration_state_alone_would_not_be_faithful(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)  # MuJoCo writes its log there
    pytest.importorskip("gymnasium", reason='needs pip install "guerdon[worlds]"')
    mujoco = pytest.importorskip("mujoco", reason='needs pip install "guerdon[worlds]"')
    world = World("Ant-v5")

    class Bare:
        way = "integration state"

        def __init__(self) -> None:
            self.world, self.inner = world, world.env.unwrapped
            self.kind = mujoco.mjtState.mjSTATE_INTEGRATION

        def save(self):
            state = np.empty(mujoco.mj_stateSize(self.inner.model, self.kind))
            mujoco.mj_getState(self.inner.model, self.inner.data, state, self.kind)
            return state, world.steps, world.ended

        def restore(self, token):
            mujoco.mj_setState(self.inner.model, self.inner.data, token[0], self.kind)
            mujoco.mj_forward(self.inner.model, self.inner.data)
            mujoco.mj_setState(self.inner.model, self.inner.data, token[0], self.kind)
            world.steps, world.ended, world._last = token[1], token[2], None

    assert not check_snapshot(world, stream(0, "bare"), Bare(), trials=3).ok  # type: ignore[arg-type]


def test_grid_lanes_restore_themselves() -> None:
    grid = KeyDoor(5, sticky=0.5)
    grid.reset(9)
    rng = np.random.default_rng(0)
    for _ in range(7):
        grid.step(rng.integers(4, size=5))
    token, actions = grid.save(), rng.integers(4, size=(20, 5))
    once = [grid.step(a).observation.tolist() for a in actions]
    grid.restore(token)
    assert [grid.step(a).observation.tolist() for a in actions] == once
