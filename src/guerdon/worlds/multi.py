"""Worlds of several agents: PettingZoo's parallel and turn-taking worlds, held to their contract.

Agents may end in the middle of an episode, come in another order, or all be gone; a caller sees the living ones only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from guerdon.core.plain import Json
from guerdon.core.score import FaultKind
from guerdon.worlds.errors import START, WorldError
from guerdon.worlds.spaces import decode, encode, misfit
from guerdon.worlds.world import checked_seed, copied


class Round(NamedTuple):
    """What a parallel step returns, by agent, for those that acted."""

    observations: dict[str, Any]
    rewards: dict[str, float]
    terminations: dict[str, bool]
    truncations: dict[str, bool]
    infos: dict[str, dict[str, Any]]


class _Company:
    """What parallel and turn-taking worlds share."""

    def __init__(self, env: Any, *, max_steps: int | None = None) -> None:
        self.env = env() if callable(env) and not hasattr(env, "possible_agents") else env
        self.name = str((getattr(self.env, "metadata", None) or {}).get("name", type(self.env).__name__))
        self.max_steps = max_steps
        self.seed: int | None = None
        self.steps = 0

    @property
    def agents(self) -> tuple[str, ...]:
        """The living agents, sorted by name: the world's own order may change."""
        return tuple(sorted(self.env.agents)) if self.seed is not None and not self._over else ()

    @property
    def _over(self) -> bool:
        return self.max_steps is not None and self.steps >= self.max_steps

    @property
    def ended(self) -> bool:
        """True when nobody is left, or the time is over."""
        return self.seed is not None and not self.agents

    def encode(self, agent: str, action: Any) -> Json:
        """An agent's action as plain JSON."""
        return self._spaced(encode, agent, action)  # type: ignore[no-any-return]

    def decode(self, agent: str, plain: Json) -> Any:
        """The action of an agent that was written as plain JSON."""
        return self._spaced(decode, agent, plain)

    def _spaced(self, turn: Callable[[Any, Any], Any], agent: str, value: Any) -> Any:
        space = self.env.action_space(agent)
        try:
            return turn(space, value)
        except ValueError as error:
            raise self._misused(f"an action of {agent} in {str(space)[:60]}", str(error), "Give one of it") from None

    def _begin(self, seed: int) -> Any:
        self.seed, self.steps = checked_seed(seed), 0
        returned = self.env.reset(seed=self.seed)
        odd = set(self.env.agents) - set(self.env.possible_agents)
        if odd or len(set(self.env.agents)) != len(self.env.agents):
            raise self._broken("agents out of possible_agents, once each", f"got {list(self.env.agents)}", START)
        return returned

    def _observed(self, agent: str, observation: Any, at: int) -> Any:
        problem = misfit(self.env.observation_space(agent), observation)
        if problem:
            raise self._broken(f"an observation of {agent} in its space", problem, at)
        return copied(observation)

    def _rewarded(self, agent: str, reward: Any, at: int) -> float:
        good = isinstance(reward, (int, float, np.integer, np.floating)) and math.isfinite(reward)
        if not good:
            raise self._broken(f"a finite reward of {agent}", f"got {str(reward)[:40]!r}", at)
        return float(reward)

    def _running(self) -> None:
        if self.seed is None or self.ended:
            what = "there was none" if self.seed is None else f"it ended after {self.steps} steps"
            raise self._misused("a running episode", what, "Call reset(seed)")

    def _broken(self, expected: str, got: str, at: int) -> WorldError:
        return WorldError(expected, got, "Mend the world", world=self.name, step=at, kind=FaultKind.JUDGE)

    def _misused(self, expected: str, got: str, do: str) -> WorldError:
        return WorldError(expected, got, do, world=self.name, step=self.steps)


class Parallel(_Company):
    """A PettingZoo world in which all living agents act at once.

    Args:
        env: a `ParallelEnv`, or a function that makes one.
        max_steps: truncate everybody after so many steps.
    """

    def reset(self, seed: int) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Start an episode. Returns observations and infos by agent; both are empty when nobody is there."""
        returned = self._begin(seed)
        if not isinstance(returned, tuple) or len(returned) != 2:
            raise self._broken("observations and infos", f"got a {type(returned).__name__}", START)
        observations, infos = returned
        self._everybody(observations, "observation", set(self.env.agents), START)
        return {a: self._observed(a, observations[a], START) for a in self.agents}, {
            a: dict(infos.get(a, {})) for a in self.agents
        }

    def step(self, actions: Mapping[str, Any]) -> Round:
        """One action of each living agent, in any order.

        Raises:
            WorldError: nobody is left, an action is missing, too many or not possible, or the world broke its
                contract.
        """
        self._running()
        acting = set(self.agents)
        if set(actions) != acting:
            lacking, odd = sorted(acting - set(actions)), sorted(set(actions) - acting)
            got = "; ".join(
                ([f"no action of {', '.join(lacking)}"] if lacking else [])
                + ([f"an action of {', '.join(odd)}, who is not there"] if odd else [])
            )
            raise self._misused("one action of each living agent", got, f"Act for {', '.join(sorted(acting))}")
        for agent in acting:
            self.encode(agent, actions[agent])
        at = self.steps
        returned = self.env.step({agent: actions[agent] for agent in self.env.agents})
        if not isinstance(returned, tuple) or len(returned) != 5:
            raise self._broken("five dictionaries", f"got a {type(returned).__name__}", at)
        for name, part in zip(("observation", "reward", "termination", "truncation"), returned):
            self._everybody(part, name, acting, at)
        observations, rewards, terminations, truncations, infos = returned
        self.steps = at + 1
        names = sorted(acting)
        gone = {agent for agent in names if terminations[agent] or truncations[agent]} & set(self.env.agents)
        if gone:
            raise self._broken("ended agents that leave `agents`", f"{', '.join(sorted(gone))} stayed", at)
        return Round(
            {a: self._observed(a, observations[a], at) for a in names},
            {a: self._rewarded(a, rewards[a], at) for a in names},
            {a: bool(terminations[a]) for a in names},
            {a: bool(truncations[a]) or self._over for a in names},
            {a: dict(infos.get(a, {})) for a in names},
        )

    def _everybody(self, part: Any, name: str, agents: set[str], at: int) -> None:
        lacking = sorted(agents - set(part)) if isinstance(part, Mapping) else sorted(agents) or ["anybody"]
        if lacking and (agents or not isinstance(part, Mapping)):
            raise self._broken(f"one {name} of each agent", f"none of {', '.join(lacking)}", at)


class Turn(NamedTuple):
    """Whose turn it is, what it sees, what it earned since its last turn, and the info (perhaps an action mask)."""

    agent: str
    observation: Any
    reward: float
    info: dict[str, Any]


class Turns(_Company):
    """A PettingZoo world in which agents take turns. Agents that have ended are passed over.

    Args:
        env: an `AECEnv`, or a function that makes one.
        max_steps: stop after so many turns.
    """

    def __init__(self, env: Any, *, max_steps: int | None = None) -> None:
        super().__init__(env, max_steps=max_steps)
        self.returns: dict[str, float] = {}

    def reset(self, seed: int) -> Turn | None:
        """Start an episode. Returns the first turn; `None` when nobody is there."""
        self._begin(seed)
        self.returns = dict.fromkeys(self.env.agents, 0.0)
        return self._next()

    def act(self, action: Any) -> Turn | None:
        """Act for the agent whose turn it is. Returns the next turn of a living agent; `None` at the end."""
        self._running()
        self.encode(self.env.agent_selection, action)
        self.env.step(action)
        self.steps += 1
        return self._next()

    def _next(self) -> Turn | None:
        """Step the dead over, as PettingZoo asks for, and count what they earned."""
        for _ in range(2 * len(self.env.possible_agents) + 2):
            if not self.env.agents or self._over:
                return None
            agent = self.env.agent_selection
            observation, reward, terminated, truncated, info = self.env.last()
            earned = self._rewarded(agent, reward, self.steps)
            self.returns[agent] = self.returns.get(agent, 0.0) + earned
            if not (terminated or truncated):
                return Turn(agent, self._observed(agent, observation, self.steps), earned, dict(info))
            self.env.step(None)
        raise self._broken("dead agents that leave `agents`", f"{list(self.env.agents)} stayed", self.steps)
