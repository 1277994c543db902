"""Policies of a Gymnasium world, ranked by the return of an episode that nobody is told."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar

import numpy as np

from guerdon.core.challenge import Picture, Probes
from guerdon.core.errors import ConfigError
from guerdon.core.plain import Json
from guerdon.core.reward import Reward
from guerdon.core.task import Answer, Key, Task
from guerdon.prefer.rankings import Ties
from guerdon.search.arrays import Floats
from guerdon.systems.zo_ranksgd.challenge import TASK, Ranked, Tell
from guerdon.systems.zo_ranksgd.objective import Objective, points_of
from guerdon.worlds import World, WorldError


@cache
def sizes(env: str) -> tuple[int, int]:
    """How many numbers a world takes as an action and gives as an observation.

    Raises:
        ConfigError: they are not lists of numbers.
    """
    world = World(env)
    shapes: list[Any] = [getattr(space, "shape", None) or () for space in (world.action_space, world.observation_space)]
    bounded = hasattr(world.action_space, "low") and np.isfinite(world.action_space.low).all()
    world.close()
    if not bounded or any(len(shape) != 1 for shape in shapes):
        raise ConfigError("a world with lists of numbers as actions and observations", f"got {env}", "Try Swimmer-v5")
    return int(shapes[0][0]), int(shapes[1][0])


@dataclass
class Returns:
    """Minus the return of an episode for each row of weights: action = tanh(W observation), scaled to its bounds.

    Args:
        env: Gymnasium id.
        steps: longest episode.
        seed: of the reset.
        kept: returns already known, so that a point that comes again costs no episode.
    """

    env: str
    steps: int
    seed: int
    kept: OrderedDict[bytes, float] = field(default_factory=OrderedDict, repr=False)

    def __post_init__(self) -> None:
        self._world = World(self.env, max_steps=self.steps, check="none")
        self._shape = sizes(self.env)

    def __call__(self, points: Floats) -> Floats:
        """Losses (B,), nan where the world broke."""
        return np.array([self._one(point) for point in points], dtype=np.float64)

    def _one(self, point: Floats) -> float:
        name = point.tobytes()
        if name not in self.kept:
            self.kept[name] = self._episode(point)
            while len(self.kept) > 4096:
                self.kept.popitem(last=False)
        return self.kept[name]

    def _episode(self, point: Floats) -> float:
        try:
            return -sum(self.rewards(point))
        except WorldError:
            return float("nan")

    def rewards(self, point: Floats) -> list[float]:
        """The rewards of an episode, step by step.

        Raises:
            WorldError: the world broke.
        """
        weights = point.reshape(self._shape)
        low, high = self._world.action_space.low, self._world.action_space.high
        centre, half, kind = (high + low) / 2, (high - low) / 2, self._world.action_space.dtype
        found: list[float] = []
        observation, _ = self._world.reset(self.seed)
        while not self._world.ended:
            action = (centre + half * np.tanh(weights @ observation)).astype(kind)
            step = self._world.step(np.clip(action, low, high))
            observation = step.observation
            found.append(step.reward)
        return found


@dataclass(frozen=True, kw_only=True)
class RankedPolicy(Ranked):
    """A linear-tanh policy of a Gymnasium world, found by rankings of episodes (arXiv 2303.03751, section 4).

    A point is the weights of the policy, row by row, without a bias; it starts at 0.
    """

    env: str = "Swimmer-v5"
    """Gymnasium id of a world with lists of numbers as actions and observations (source: MuJoCo's, among them Reacher
    and Swimmer)."""
    steps: int = 150
    """Longest episode (ours)."""
    world_seed: int = 0
    """Seed of the reset of every episode, and of the oracle's ties and noise."""
    m: int = 5
    """Episodes in one query."""
    k: int = 5
    """How many of them are ranked."""
    noise: float = 0.0
    """Probability that two neighbours in a ranking are swapped."""
    ties: Ties = "shuffle"
    """Episodes of equal return: "shuffle" or "missing"."""
    tell: Tell = "order"
    """"order", or "values" for baselines; the solver is then told the return."""

    name: ClassVar[str] = "ranked-policy"

    def __post_init__(self) -> None:
        self.check_oracle()
        if self.steps < 1:
            raise ConfigError("an episode has a step", f"got steps = {self.steps}", "Raise --steps")

    @property
    def judge(self) -> Reward:
        """Ranks by the return."""
        return self.oracle(self.world_seed)

    def tasks(self, split: str) -> Iterable[Task]:
        """One task: weights at 0."""
        actions, observations = sizes(self.env)
        more: dict[str, Json] = {"world": self.env, "shape": [actions, observations]}
        return self.posed([0.0] * (actions * observations), **more)

    def keys(self, tasks: Sequence[Task]) -> Sequence[Key]:
        """The world and the seed that is played."""
        actions, observations = sizes(self.env)
        played = {"env": self.env, "steps": self.steps, "seed": self.world_seed}
        return [{"policy": played, "dim": actions * observations} for _ in tasks]

    def probes(self, tasks: Sequence[Task]) -> Probes:
        """What is no policy beats nobody."""
        wrong: list[Json] = [None, [], [0.0], "policy", [True], {"weights": []}]
        return Probes(cheats={"what is no policy": [Answer(TASK, each) for each in wrong]}, oracle_judge=Objective())

    def pictures(self, task: Task, answer: Answer) -> Sequence[Picture]:
        """The return of the episode as it grows: a drawing that needs no graphics card."""
        rows, points, _ = points_of([answer.content], int(np.prod(sizes(self.env))))
        if not rows:
            return ()
        try:
            rewards = Returns(self.env, self.steps, self.world_seed).rewards(points[0])
        except WorldError:
            return ()
        caption = f"Return of one episode of {self.env}: {sum(rewards):.2f} after {len(rewards)} steps"
        return [Picture(caption, "image/svg+xml", line_chart(np.cumsum(rewards)).encode())]


def line_chart(values: Floats, width: int = 360, height: int = 120) -> str:
    """Numbers as a line from left to right, with 0 as a thin one."""
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    at = 8 + (height - 16) * (high - np.append(values, 0.0)) / max(high - low, 1e-12)
    across = np.linspace(8, width - 8, len(values))
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, at, strict=False))
    zero = f'<path d="M8 {at[-1]:.1f}H{width - 8}" stroke="#999999"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" fill="none">{zero}'
        f'<polyline points="{line}" stroke="#2a6fb0" stroke-width="2"/></svg>'
    )
