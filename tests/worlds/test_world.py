import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.core.errors import ConfigError
from guerdon.worlds import World, WorldError, checked_seed


def test_importing_the_room_imports_no_extra() -> None:
    heavy = ["gymnasium", "pettingzoo", "ale_py", "mujoco", "imageio"]
    code = f"import sys, guerdon.worlds, guerdon.interop.gymnasium; assert not set({heavy}) & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**64 - 1, np.int64(7)])
def test_seeds_are_honoured_and_zero_is_a_seed(kit, seed) -> None:
    world = World(kit.Walk())
    runs = []
    for _ in range(2):
        first, _ = world.reset(seed)
        runs.append([first.tolist(), *(world.step(1).observation.tolist() for _ in range(3))])
    assert runs[0] == runs[1]
    assert world.seed == seed
    assert runs[0] != [world.reset(5)[0].tolist()]


@pytest.mark.parametrize("seed", [None, -1, 2**64, 1.0, "0", True, float("nan")])
def test_what_is_no_seed_is_refused_with_a_sentence(seed) -> None:
    with pytest.raises(ConfigError, match="whole number from 0"):
        checked_seed(seed)


def test_different_seeds_differ(kit) -> None:
    world = World(kit.Walk())
    assert len({world.reset(seed)[0].tobytes() for seed in (0, 1, 2**32 - 1)}) == 3


@pytest.mark.parametrize("fault", ["reset without info", "reset raises", "reset gives nan"])
def test_a_broken_reset_is_named(kit, fault) -> None:
    with pytest.raises(WorldError, match=r"^Reset of Broken") as caught:
        World(lambda: kit.Broken(fault)).reset(0)
    assert caught.value.fault.kind == "judge"
    assert caught.value.fault.whose == "judge"


def test_every_broken_step_is_named_with_world_and_step(kit) -> None:
    for fault in kit.FAULTS:
        world = World(kit.Broken(fault))
        world.reset(0)
        world.step(1)
        world.step(1)
        with pytest.raises(WorldError, match=r"^Step 2 of Broken") as caught:
            world.step(1)
        assert caught.value.fault.kind == "judge", fault
        assert "step 2" in caught.value.fault.detail


def test_an_array_changed_after_it_was_returned_is_found(kit) -> None:
    world = World(kit.Broken("changes what it returned"))
    world.reset(0)
    world.step(1)
    with pytest.raises(WorldError, match="has changed since"):
        world.step(1)


def test_a_caller_may_change_what_it_was_given(kit) -> None:
    world = World(kit.Walk())
    observation, _ = world.reset(0)
    observation[:] = 99
    world.step(0).observation[:] = 99
    assert world.step(0).observation[0] != 99


def test_shapes_only_takes_careless_bounds_but_not_nan(kit) -> None:
    for fault, good in (("out of bounds", True), ("nan observation", False), ("wrong shape", False)):
        world = World(kit.Broken(fault), check="shapes")
        world.reset(0)
        world.step(1)
        world.step(1)
        if good:
            world.step(1)
        else:
            with pytest.raises(WorldError):
                world.step(1)


@pytest.mark.parametrize("action", [2, -1, 1.0, True, "1", None, [1], np.array([1]), np.float64(1)])
def test_actions_out_of_space_are_the_callers_fault(kit, action) -> None:
    world = World(kit.Walk())
    world.reset(0)
    world.step(1)
    with pytest.raises(WorldError, match="Step 1 of Walk") as caught:
        world.step(action)
    assert caught.value.fault.kind == "invalid"
    assert caught.value.fault.whose == "solver"
    assert world.step(np.int64(1)).reward < 0  # nothing was broken by it


def test_a_step_before_the_reset_or_after_the_end_is_refused(kit) -> None:
    world = World(kit.Walk(end=-1.0))
    with pytest.raises(WorldError, match="a reset before it"):
        world.step(0)
    world.reset(0)
    assert world.step(0).terminated
    with pytest.raises(WorldError, match="ended after 1 steps"):
        world.step(0)
    world.reset(0)
    assert world.step(0).ended


def test_time_limit_truncates_and_both_flags_may_be_set(kit) -> None:
    world = World(kit.Walk(end=1000.0), max_steps=3)
    world.reset(0)
    assert [world.step(0).truncated for _ in range(3)] == [False, False, True]
    both = World(kit.Walk(end=-1.0), max_steps=1)
    both.reset(0)
    step = both.step(0)
    assert (step.terminated, step.truncated, step.ended) == (True, True, True)
    assert len(step) == 5


def test_worlds_that_reset_by_themselves_are_refused(kit) -> None:
    import gymnasium

    with pytest.raises(ConfigError, match="does not reset by itself"):
        World(gymnasium.wrappers.Autoreset(kit.Walk()))
    with pytest.raises(ConfigError):
        World(gymnasium.make_vec("CartPole-v1", num_envs=2))
    assert World("CartPole-v1").autoreset == "none"


def test_what_cannot_be_made_is_refused_with_a_sentence(kit) -> None:
    for wrong in ("NoSuchWorld-v0", "no_such_module:World-v0", 3, lambda: 4):
        with pytest.raises(ConfigError):
            World(wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="Gymnasium makes"):
        World("CartPole-v1", arguments={"no_such": 1})


def test_a_world_error_crosses_processes(kit) -> None:
    error = WorldError("this", "that", "do", world="W", step=4)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.step, again.fault) == (str(error), 4, error.fault)


def test_identity_is_plain_and_tells_code_apart(kit) -> None:
    from guerdon.core.plain import canonical

    one, two = World(kit.Walk()).identity(), World(kit.Hidden()).identity()
    assert canonical(one) != canonical(two)
    assert one["code"] != two["code"]


def _some_spaces():
    from gymnasium import spaces

    return [
        spaces.Discrete(3), spaces.Discrete(3, start=-1), spaces.Box(-1, 1, (2, 3), np.float32),
        spaces.Box(0, 255, (4,), np.uint8), spaces.Box(-np.inf, np.inf, (), np.float64), spaces.MultiDiscrete([2, 3]),
        spaces.MultiBinary(4), spaces.Tuple((spaces.Discrete(2), spaces.Box(0, 1, (1,), np.float32))),
        spaces.Dict({"a": spaces.Discrete(2), "b": spaces.MultiBinary(2)}),
    ]  # fmt: skip


def test_actions_survive_being_written_as_json(kit) -> None:
    import json

    from guerdon.worlds.spaces import decode, encode, fingerprint, misfit

    for space in _some_spaces():
        space.seed(0)
        for _ in range(20):
            action = space.sample()
            plain = json.loads(json.dumps(encode(space, action)))
            again = decode(space, plain)
            assert encode(space, again) == plain
            assert space.contains(again)
            assert misfit(space, again) is None
            assert fingerprint(again) == fingerprint(decode(space, plain))


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("ab"), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(JUNK)
def test_junk_is_an_action_of_the_space_or_refused(plain) -> None:
    pytest.importorskip("gymnasium", reason='needs pip install "guerdon[worlds]"')
    from guerdon.worlds.spaces import decode, encode, fingerprint

    for space in _some_spaces():
        try:
            action = decode(space, plain)
        except ValueError:
            continue
        assert space.contains(action)
        assert fingerprint(decode(space, encode(space, action))) == fingerprint(action)


def test_the_checkers_of_gymnasium_agree_with_a_world(kit) -> None:
    world = World("CartPole-v1")
    observation, info = world.reset(0)
    assert world.observation_space.contains(observation)
    assert info == {}
    assert world.decode(world.encode(1)) == 1
    world.close()
