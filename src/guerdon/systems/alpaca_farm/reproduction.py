"""The methods at desk size: settings, the reward model, and the two ways in which they are run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from guerdon.core.rng import stream
from guerdon.rlhf.desk import MOST
from guerdon.systems.alpaca_farm.farm import Farm, tokens_of
from guerdon.systems.alpaca_farm.methods import BY_REWARD, METHODS, PUBLISHED, Materials, Settings, learn
from guerdon.train.kl import FixedKL
from guerdon.train.rollouts import Sampling
from guerdon.worlds.tiny_text import FIRST_WORD

if TYPE_CHECKING:
    from guerdon.bench.experiment import Scale
    from guerdon.core.preference import Preference
    from guerdon.prefer.models import RewardModel
    from guerdon.prefer.pairs import Pairs
    from guerdon.rlhf.winrate import Compared
    from guerdon.train.policy import Policy
    from guerdon.train.state import State

    Ints = npt.NDArray[np.int64]

__all__ = ["BY_REWARD", "DESK", "METHODS", "Side", "answered", "base_answers", "learned_reward", "longer_ppo"]

MARKS = (FIRST_WORD, FIRST_WORD + 1)
"""Control tokens: two words, which no prompt has."""
DESK: Settings = replace(
    PUBLISHED,
    sft=replace(PUBLISHED.sft, lr=1e-3, batch=64),
    conditioning=replace(PUBLISHED.conditioning, lr=1e-3, batch=64),
    expert=replace(PUBLISHED.expert, lr=1e-3, batch=64),
    ppo=replace(PUBLISHED.ppo, lr=1e-3, minibatch=128, kl=FixedKL(weight=0.02)),
    quark=replace(PUBLISHED.quark, lr=2e-3),
    dpo=replace(PUBLISHED.dpo, lr=1e-3),
    steps=40,
    quark_steps=40,
    rollout=256,
    every=5,
)
"""The published settings where size does not matter, and step sizes for a policy of 30,000 weights."""


@dataclass(frozen=True)
class Side:
    """Who labels and who evaluates.

    Args:
        name: of the side.
        labels: who labels the pairs to learn from.
        judges: who compares in the end.
    """

    name: str
    labels: Preference
    judges: Preference


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one core: networks are tiny, and jobs run side by side already."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def sized(desk: int, smoke: int, scale: Scale) -> int:
    """A number for a scale; the full one is four times that of the desk."""
    return {"smoke": smoke, "desk": desk, "full": 4 * desk}[scale]


def settings_of(scale: Scale) -> Settings:
    """Settings for a scale."""
    small = replace(DESK, steps=2, quark_steps=2, rollout=32, n=4, every=1)
    return {"smoke": small, "desk": DESK, "full": replace(DESK, steps=80, quark_steps=80, rollout=512)}[scale]


def learned_reward(farm: Farm, pairs: Pairs, scale: Scale = "desk") -> RewardModel:
    """A reward model that starts as the policy, with mean 0 and sd 1 on the pairs it learned from."""
    from guerdon.prefer.training import Fit, fit

    policy = farm.desk.policy
    few = len(pairs) < 1_000  # as many steps as are enough, whatever the number of pairs
    settings = Fit(epochs=1 if scale == "smoke" else 8 if few else 5, lr=3e-3, warmup=10)
    model = fit(policy.net, pairs, settings, seeds=(farm.desk.seed,), start=policy.weights).models[0]
    return model.standardised(pairs.chosen + pairs.rejected)


def materials(farm: Farm, pairs: Pairs, model: RewardModel, scale: Scale = "desk") -> Materials:
    """What the methods need, from labelled pairs and the reward model that learned from them."""
    from guerdon.train.critic import Critic

    policy = farm.desk.learner()
    told = pairs.take(pairs.smoothing == 0)
    return Materials(
        policy=policy,
        start=policy.start(),
        sampling=Sampling(most=MOST),
        chosen=tokens_of(told.chosen),
        rejected=tokens_of(told.rejected),
        unlabelled=farm.desk.prompts(sized(1_000, 40, scale), "unlabelled"),
        score=farm.desk.score_of(model),
        critic=Critic(body=model.body, start=model.weights, scale=1 / model.sd),
        marks=MARKS,
        seed=farm.desk.seed,
    )


def answered(farm: Farm, side: Side, pairs: int, n: int, scale: Scale) -> dict[str, Compared]:
    """All methods and the untouched base on one side, compared with the fixed writer.

    Checkpoints are chosen by the win-rate of the simulated annotators on prompts of their own, on either side.

    Args:
        farm: the world.
        side: who labels and who evaluates.
        pairs: how many are labelled.
        n: prompts of the evaluation.
        scale: of the training.
    """
    labelled = farm.labelled(side.labels, pairs, "train")
    made = materials(farm, labelled, learned_reward(farm, labelled, scale), scale)
    made = replace(made, watch=_validating(farm, sized(200, 30, scale)))
    asked = farm.evaluation(n)
    found = {"base": farm.evaluated(base_answers(farm, asked), side.judges, n)}
    for name in METHODS:
        drawn = learn(name, made, settings_of(scale)).answers(made, asked, made.rng("evaluation"))
        found[name] = farm.evaluated(drawn.ids, side.judges, n)
    return found


def _validating(farm: Farm, n: int) -> Any:
    asked = farm.desk.prompts(n, "validation")

    def watch(policy: Any, state: State) -> dict[str, float]:
        drawn = farm.desk.draw(asked, "validation", policy=policy.language_model())
        return {"val": farm.evaluated(drawn.ids, farm.p_eval, asked=asked).rate.win_rate}

    return watch


def base_answers(farm: Farm, asked: Ints) -> Ints:
    """Answers of the policy before any learning."""
    from guerdon.train.tiny import TinyLM

    fresh = TinyLM.new(farm.desk.policy.net, stream(farm.desk.seed, "alpaca-farm", "base"))
    return farm.desk.draw(asked, "base", policy=fresh).ids


@dataclass
class Curve:
    """PPO as it goes on: steps, the gold win-rate in per cent, the mean score of the reward model."""

    steps: list[int] = field(default_factory=list)
    gold: list[float] = field(default_factory=list)
    proxy: list[float] = field(default_factory=list)


def longer_ppo(farm: Farm, pairs: Pairs, model: RewardModel, n: int, scale: Scale) -> Curve:
    """PPO until it has done three times the steps of its best checkpoint by the gold reward, at least the usual ones.

    Args:
        farm: the world.
        pairs: labelled.
        model: the reward model that learned from them.
        n: prompts on which it is watched.
        scale: of the training.
    """
    from guerdon.train.loop import train

    settings, made, curve = settings_of(scale), materials(farm, pairs, model, scale), Curve()
    asked = farm.evaluation(n)

    def watch(policy: Any, state: State) -> dict[str, float]:
        drawn = farm.desk.draw(asked, "evaluation", policy=policy.language_model())
        if state.iteration not in curve.steps:
            curve.steps.append(state.iteration)
            curve.gold.append(farm.evaluated(drawn.ids, farm.gold, n).rate.win_rate)
            curve.proxy.append(float(np.mean(made.score(asked, drawn))))
        return {"gold": curve.gold[-1]}

    learner = replace(settings.ppo, critic=made.critic)
    state: State | None = None
    wanted, most = settings.steps, 4 * settings.steps
    while state is None or state.iteration < wanted:
        state = _further(train, made, learner, settings, state, wanted, watch)
        wanted = min(max(wanted, 3 * curve.steps[int(np.argmax(curve.gold))]), most)
    return curve


def _further(
    train: Any, made: Materials, learner: Any, settings: Settings, state: State | None, steps: int, watch: Any
) -> State:
    policy: Policy = made.policy
    found: State = train(
        policy, learner, made.unlabelled, made.score, iterations=steps, batch=settings.rollout,
        sampling=made.sampling, seed=made.seed, start=state, watch=watch, every=settings.every,
    ).state  # fmt: skip
    return found
