"""The loop with every learner on a toy task: say token 5."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from guerdon.core.rng import stream  # noqa: E402
from guerdon.train.kl import AdaptiveKL, FixedKL  # noqa: E402
from guerdon.train.learners import (  # noqa: E402
    DPO,
    GRPO,
    PPO,
    RLOO,
    ExpertIteration,
    Quark,
    RewardConditioning,
)
from guerdon.train.loop import Trained, train  # noqa: E402
from guerdon.train.rollouts import Sampling  # noqa: E402
from guerdon.train.tiny import TinyGRU, TinyLM, TinyPolicy  # noqa: E402

SAMPLING = Sampling(most=5, group=4)
PROMPTS = stream(1, "prompts").integers(2, 10, (40, 2))


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def policy(seed: int = 0, width: int = 16) -> TinyPolicy:
    return TinyPolicy(TinyLM.new(TinyGRU(vocabulary=12, width=width), stream(seed, "weights")))


def share_of_fives(_prompts: Any, drawn: Any) -> Any:
    return (drawn.ids == 5).mean(1)


def trained(learner: Any, iterations: int = 12, score: Any = share_of_fives, **more: Any) -> Trained:
    how: dict[str, Any] = {"batch": 32, "sampling": SAMPLING, "seed": 3} | more
    return train(policy(), learner, PROMPTS, score, iterations=iterations, **how)


LEARNERS = {
    "ppo": PPO(lr=1e-2, kl=FixedKL(weight=0.01)),
    "ppo-with-entropy": PPO(lr=1e-2, entropy=0.001, minibatch=16, target_kl=0.1),
    "rloo": RLOO(lr=3e-2, beta=0.001),
    "grpo": GRPO(lr=3e-2, beta=0.001),
    "dr-grpo": GRPO(lr=3e-2, scale="none", aggregate="constant"),
    "dapo": GRPO(lr=3e-2, aggregate="token", clip_high=0.28, epochs=2),
    "gspo": GRPO(lr=3e-2, importance="sequence", epochs=2),
    "expert-iteration": ExpertIteration(lr=1e-2, epochs=3, batch=8),
    "quark": Quark(lr=3e-2),
    "quark-with-tokens": Quark(lr=1e-2, best_only=False, tokens=(8, 9, 10, 11), epochs=4),
    "reward-conditioning": RewardConditioning(lr=1e-2, tokens=(10, 11), epochs=4, batch=16),
    "dpo-online": DPO(lr=1e-2, beta=0.1, epochs=3),
}


@pytest.mark.parametrize("name", LEARNERS)
def test_every_learner_raises_the_reward(name: str) -> None:
    history = trained(LEARNERS[name], iterations=14).history
    before, after = (float(np.mean([row["reward"] for row in part])) for part in (history[:2], history[-2:]))
    assert after > before + 0.15, (before, after)


def test_a_score_of_several_components_has_a_value_head_for_each_and_one_for_the_penalty() -> None:
    def score(prompts: Any, drawn: Any) -> Any:
        return np.stack([(drawn.ids == 5).mean(1), (drawn.ids == 6).mean(1)], 1)

    learner = PPO(lr=1e-2, components=2, weights=(1.0, 0.0), kl=AdaptiveKL(start=0.01, target=4.0))
    made = trained(learner, score=score)
    assert made.state.critic is not None
    assert made.state.critic.weights["heads"].shape == (3, 16)
    first, last = made.history[0], made.history[-1]
    assert last["reward_0"] > first["reward_0"] + 0.15
    assert last["reward_1"] < 0.3
    assert last["kl_weight"] != first["kl_weight"]
