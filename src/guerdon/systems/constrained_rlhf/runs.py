"""A run of any method on any policy: what is shared by the methods is a `Setting`, what differs is the learner."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.systems.constrained_rlhf.diagnostics import Held, held, tail_mean
from guerdon.systems.constrained_rlhf.learners import CONSTRAINED, MULTIPLIER, Method, learner
from guerdon.train.loop import Trained, train
from guerdon.train.rollouts import Prompts, Sampling, Score
from guerdon.train.state import State

if TYPE_CHECKING:
    from guerdon.systems.constrained_rlhf.tiny import Problem
    from guerdon.train.policy import Policy
    from guerdon.train.trackers import Tracker

Floats: TypeAlias = npt.NDArray[np.float64]
Evaluate: TypeAlias = Callable[["Policy", State], Mapping[str, float]]
"""Measures of a policy, `eval` among them; called with its weights loaded."""

EVAL = "eval"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What all methods share.

    Args:
        policy: makes a fresh policy, with the reference in it.
        prompts: ids of each.
        names: of the N components.
        score: the components (n, N) of answers, nan where unknown.
        evaluate: the true evaluation of a policy: `eval`, and each component under its name.
        sampling: how answers are drawn.
        batch: answers of an iteration.
        seed: of all that is drawn in training.
        every: iterations between two evaluations, and between two savings.
        settings: of PPO, such as `lr`, `epochs` and `critic`.
    """

    policy: Callable[[], Policy]
    prompts: Prompts
    names: tuple[str, ...]
    score: Score
    evaluate: Evaluate
    sampling: Sampling
    batch: int = 128
    seed: int = 0
    every: int = 5
    settings: Mapping[str, Any] = field(default_factory=dict)

    def learner(self, method: Method, thresholds: Sequence[float] = (), weights: Sequence[float] = ()) -> Any:
        """The learner of a method with these settings."""
        return learner(
            method, thresholds=thresholds, weights=weights, components=len(self.names), **dict(self.settings)
        )

    def train(
        self,
        method: Method,
        iterations: int,
        *,
        thresholds: Sequence[float] = (),
        weights: Sequence[float] = (),
        start: State | None = None,
        policy: Policy | None = None,
        folder: Path | None = None,
        trackers: Sequence[Tracker] = (),
        watched: bool = True,
    ) -> Trained:
        """Train by a method.

        Args:
            method: which.
            iterations: in all, those of `start` included.
            thresholds: theta (N,).
            weights: alpha (N,).
            start: a state to go on from.
            policy: one to train; a fresh one by default.
            folder: keeps the run, so that it goes on after a kill.
            trackers: are told each row.
            watched: evaluate on the way.
        """

        def watch(policy: Policy, state: State) -> Mapping[str, float]:
            told = {
                f"multiplier_{name}": state.numbers[MULTIPLIER.format(i)]
                for i, name in enumerate(self.names)
                if MULTIPLIER.format(i) in state.numbers
            }
            return {**{f"held_out_{name}": each for name, each in self.evaluate(policy, state).items()}, **told}

        return train(
            policy or self.policy(), self.learner(method, thresholds, weights), self.prompts, self.score,
            iterations=iterations, batch=self.batch, sampling=self.sampling, seed=self.seed, start=start,
            watch=watch if watched else None, every=self.every, folder=folder, trackers=trackers,
        )  # fmt: skip


@dataclass(frozen=True)
class Course:
    """What happened in a run.

    Args:
        names: of the N components.
        components: (T, N) means of the answers of each iteration.
        kl: (T,) their divergence from the reference in nats per answer; nan where it was not measured.
        at: (K,) iterations of the evaluations.
        evaluations: (K,) the true evaluation.
        held_out: (K, N) components of the evaluations' answers; nan where they were not measured.
        multipliers: (K, N) nan where there are none.
    """

    names: tuple[str, ...]
    components: Floats
    kl: Floats
    at: npt.NDArray[np.int64]
    evaluations: Floats
    held_out: Floats
    multipliers: Floats

    @classmethod
    def of(cls, history: Sequence[Mapping[str, float]], names: Sequence[str]) -> Course:
        """From the history of a run.

        Raises:
            ConfigError: it has no evaluations.
        """
        rewards = ["reward"] if len(names) == 1 else [f"reward_{i}" for i in range(len(names))]
        drawn = [row for row in history if any(name in row for name in rewards)]
        seen = [row for row in history if f"held_out_{EVAL}" in row]
        if not drawn or not seen:
            got = f"got {len(drawn)} iterations and {len(seen)} evaluations"
            raise ConfigError("a history with scores and evaluations", got, "Train longer, or evaluate more often")
        return cls(
            tuple(names),
            _table(drawn, rewards),
            _table(drawn, ["kl"])[:, 0],
            np.array([int(row["iteration"]) for row in seen]),
            _table(seen, [f"held_out_{EVAL}"])[:, 0],
            _table(seen, [f"held_out_{name}" for name in names]),
            _table(seen, [f"multiplier_{name}" for name in names]),
        )

    def until(self, iterations: int) -> Course:
        """The first so many iterations."""
        some = self.at <= iterations
        return Course(
            self.names, self.components[:iterations], self.kl[:iterations], self.at[some], self.evaluations[some],
            self.held_out[some], self.multipliers[some],
        )  # fmt: skip

    def held(self, thresholds: Sequence[float]) -> dict[str, Held]:
        """How each component held its threshold."""
        return {
            name: held(self.components[:, i], theta)
            for i, (name, theta) in enumerate(zip(self.names, thresholds, strict=True))
        }

    @property
    def final(self) -> float:
        """The evaluation at the end: the mean over the last quarter, as that of single policies goes up and down."""
        return tail_mean(self.evaluations)

    @property
    def peak(self) -> float:
        """The highest mean of three evaluations in a row, so that luck in one does not make it."""
        wide = min(3, len(self.evaluations))
        return float(np.convolve(self.evaluations, np.full(wide, 1 / wide), "valid").max())


def tiny_setting(problem: Problem, *, every: int = 5, answers: int = 256, **changes: Any) -> Setting:
    """The desk-sized setting: a policy of the tiny text world, its two components and its true evaluation.

    Args:
        problem: the world and the policy.
        every: iterations between evaluations.
        answers: of an evaluation, to the same prompts each time.
        changes: of `Setting`; `settings` are added to the usual ones.
    """
    from guerdon.core.rng import stream
    from guerdon.systems.constrained_rlhf.tiny import COMPONENTS, MOST
    from guerdon.train.critic import Critic

    asked = problem.prompts(answers, "evaluation")

    def evaluate(policy: Any, state: State) -> dict[str, float]:
        rng = stream(problem.seed, "evaluation", state.iteration)
        drawn = policy.language_model().sample(asked, rng, most=MOST)
        means = problem.measured(asked, drawn).mean(0).tolist()
        return dict(zip((*COMPONENTS, EVAL), means, strict=True))

    critic = Critic(body=problem.policy.net, start=problem.policy.weights)
    how = {**TINY, "critic": critic, **changes.pop("settings", {})}
    return Setting(**{
        "policy": problem.learner, "prompts": problem.prompts(4_000, "training"), "names": COMPONENTS,
        "score": problem.components, "evaluate": evaluate, "sampling": Sampling(most=MOST), "batch": 96,
        "seed": problem.seed, "every": every, "settings": how, **changes,
    })  # fmt: skip


TINY: Mapping[str, Any] = {
    "lr": 1.2e-2, "critic_lr": 3e-3, "epochs": 4, "minibatch": None, "beta1": 0.5, "beta2": 0.95,
}  # fmt: skip
"""A fast policy: with a slower one, or a faster multiplier, components circle around their thresholds for longer."""

TINY_MULTIPLIER_LR: Mapping[Method, float] = {"xi-ppo": 0.2, "mu-ppo": 0.6, "all-ppo": 0.6}
"""Step sizes of the multipliers; the slope of a sigmoid is a quarter of that of the hyperbolic tangent."""
assert set(TINY_MULTIPLIER_LR) == set(CONSTRAINED)


def _table(rows: Sequence[Mapping[str, float]], names: Sequence[str]) -> Floats:
    return np.array([[row.get(name, np.nan) for name in names] for row in rows], np.float64)
