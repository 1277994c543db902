from typing import Any

import numpy as np
import pytest

from guerdon.worlds import Parallel, Turns, WorldError

EXTRA = 'needs pip install "guerdon[worlds]"'


def mayflies(fault: str = "", lives: tuple[int, ...] = (2, 4, 4)) -> Any:
    """A parallel world whose agents end at different steps and change their order."""
    pytest.importorskip("pettingzoo", reason=EXTRA)
    from gymnasium import spaces
    from pettingzoo import ParallelEnv

    class Mayflies(ParallelEnv):
        metadata = {"name": "mayflies_v0", "render_modes": []}  # noqa: RUF012
        render_mode = None

        def __init__(self) -> None:
            self.possible_agents = [f"fly_{i}" for i in range(len(lives))]
            self.observation_spaces = dict.fromkeys(self.possible_agents, spaces.Box(0, 1, (2,), np.float32))
            self.action_spaces = {a: spaces.Discrete(3) for a in self.possible_agents}

        def observation_space(self, agent):
            return self.observation_spaces[agent]

        def action_space(self, agent):
            return self.action_spaces[agent]

        def reset(self, seed=None, options=None):
            self.rng, self.t = np.random.default_rng(seed), 0
            self.agents = [] if fault == "nobody" else list(self.possible_agents)
            return {a: self.look() for a in self.agents}, {a: {} for a in self.agents}

        def look(self):
            return self.rng.random(2, dtype=np.float32)

        def step(self, actions):
            if not actions:
                self.agents = []
                return {}, {}, {}, {}, {}
            self.t += 1
            ends = {a: self.t >= lives[self.possible_agents.index(a)] for a in self.agents}
            observations = {a: self.look() for a in self.agents}
            rewards = {a: float(actions[a]) for a in self.agents}
            result = (observations, rewards, ends, dict.fromkeys(self.agents, False), {a: {} for a in self.agents})
            if fault == "nan":
                rewards[self.agents[0]] = float("nan")
            if fault == "forgets":
                del observations[self.agents[0]]
            if fault == "four":
                return result[:4]
            if fault != "stays":
                self.agents = [a for a in reversed(self.agents) if not ends[a]]
            return result

    return Mayflies()


def test_agents_that_end_in_the_middle_and_change_their_order() -> None:
    world = Parallel(mayflies())
    observations, infos = world.reset(0)
    assert sorted(observations) == sorted(infos) == ["fly_0", "fly_1", "fly_2"]
    lived = []
    while not world.ended:
        lived.append(world.agents)
        result = world.step(dict.fromkeys(reversed(world.agents), 1))
        assert tuple(result.rewards) == lived[-1]
    assert lived == [("fly_0", "fly_1", "fly_2")] * 2 + [("fly_1", "fly_2")] * 2
    with pytest.raises(WorldError, match="ended after 4 steps"):
        world.step({})


def test_the_dead_and_the_missing_are_named() -> None:
    world = Parallel(mayflies())
    with pytest.raises(WorldError, match="there was none"):
        world.step({})
    world.reset(0)
    with pytest.raises(WorldError, match="no action of fly_2"):
        world.step({"fly_0": 0, "fly_1": 0})
    world.step(dict.fromkeys(world.agents, 0))
    world.step(dict.fromkeys(world.agents, 0))
    with pytest.raises(WorldError, match="an action of fly_0, who is not there"):
        world.step({"fly_0": 0, "fly_1": 0, "fly_2": 0})
    with pytest.raises(WorldError, match="an action of fly_1 in Discrete"):
        world.step({"fly_1": 3, "fly_2": 0})
    assert world.decode("fly_1", world.encode("fly_1", np.int64(2))) == 2


@pytest.mark.parametrize("fault", ["nan", "forgets", "four", "stays"])
def test_broken_company_is_the_worlds_fault(fault) -> None:
    world = Parallel(mayflies(fault, lives=(1, 2)))
    world.reset(0)
    with pytest.raises(WorldError, match="Step 0 of mayflies_v0") as caught:
        world.step(dict.fromkeys(world.agents, 0))
    assert caught.value.fault.kind == "judge"


def test_nobody_at_all_is_an_episode_that_has_ended() -> None:
    world = Parallel(mayflies("nobody"))
    assert world.reset(0) == ({}, {})
    assert world.ended


def test_seeds_and_time_limits_hold_in_company() -> None:
    world = Parallel(mayflies, max_steps=2)
    seen = [world.reset(seed)[0]["fly_1"].tolist() for seed in (0, 0, 1, 2**32 - 1)]
    assert seen[0] == seen[1]
    assert len({tuple(one) for one in seen}) == 3
    world.step(dict.fromkeys(world.agents, 0))
    assert all(world.step(dict.fromkeys(world.agents, 0)).truncations.values())
    assert world.ended


def test_pettingzoo_agrees_that_it_is_a_parallel_world() -> None:
    env = mayflies()
    from pettingzoo.test import parallel_api_test, parallel_seed_test

    parallel_api_test(env, num_cycles=50)
    parallel_seed_test(mayflies, num_cycles=5)


def test_pettingzoo_agrees_that_turns_are_taken() -> None:
    env = taking_turns().env
    from pettingzoo.test import api_test

    api_test(env, num_cycles=30)


def taking_turns(**arguments: Any) -> Turns:
    env = mayflies(**arguments)
    from pettingzoo.utils.conversions import parallel_to_aec

    return Turns(parallel_to_aec(env))


def test_turns_pass_over_the_dead() -> None:
    world = taking_turns()
    turn = world.reset(0)
    agents = []
    while turn is not None:
        agents.append(turn.agent)
        turn = world.act(1)
    assert agents[:3] == ["fly_0", "fly_1", "fly_2"]
    assert sorted(agents) == ["fly_0"] * 2 + ["fly_1"] * 4 + ["fly_2"] * 4
    assert world.ended
    assert world.returns == {"fly_0": 2.0, "fly_1": 4.0, "fly_2": 4.0}
    with pytest.raises(WorldError):
        world.act(1)


def test_turns_refuse_what_is_no_action_and_end_with_nobody() -> None:
    world = taking_turns()
    world.reset(0)
    with pytest.raises(WorldError, match="an action of fly_0"):
        world.act(None)
    limited = Turns(taking_turns().env, max_steps=2)
    limited.reset(0)
    limited.act(0)
    assert limited.act(0) is None
    assert limited.ended
