"""SmolLM2-135M with an adapter, trained by the loop: a few steps with short answers on a processor."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def opened() -> Any:
    torch = pytest.importorskip("torch")
    pytest.importorskip("peft")
    from guerdon.lm import open_model, weights

    if "smollm2" not in weights.installed():
        pytest.skip("needs its weights: guerdon models get smollm2")
    torch.set_num_threads(1)
    model: Any = open_model("torch:smollm2")
    yield model
    model.close()


def trained(opened: Any, learner: Any, iterations: int, **more: Any) -> Any:
    from guerdon.train.loop import train
    from guerdon.train.policy import Lora, Policy
    from guerdon.train.rollouts import Sampling

    tokenizer = opened.tokenizer
    policy = Policy(opened.model, lora=Lora(rank=4, alpha=8.0))
    asked = ["The capital of France is", "Water boils at", "My favourite colour"]
    prompts = [tokenizer(text)["input_ids"] for text in asked]
    sampling = Sampling(most=6, end=tokenizer.eos_token_id, pad=tokenizer.eos_token_id, group=4)

    def score(_: Any, drawn: Any) -> Any:
        texts = [tokenizer.decode(line[:n]) for line, n in zip(drawn.ids, drawn.lengths)]
        return np.array([text.count("e") / 6 for text in texts])

    made = train(policy, learner, prompts, score, iterations=iterations, batch=8, sampling=sampling, seed=0, **more)
    return policy, made


def test_three_steps_of_grpo_learn_and_leave_the_reference(opened: Any, tmp_path: Path) -> None:
    import torch

    from guerdon.train.learners import GRPO
    from guerdon.train.policy import Tokens

    learner = GRPO(lr=1e-3, beta=0.01)
    rows = [Tokens([504, 3575, 282], [4649, 314])]
    plain = {name: each.clone() for name, each in opened.model.named_parameters() if "lora" not in name}
    whole_policy, whole = trained(opened, learner, 3)
    before, after = (whole_policy.logprobs(rows, base=base)[0] for base in (True, False))
    assert np.isfinite(before).all()
    assert not np.allclose(before, after, atol=1e-3)
    for row in whole.history:
        assert all(np.isfinite(each) for each in row.values())
        assert row["gradient"] > 0 or row["flat"] == 1.0
    assert whole.history[0]["kl"] == pytest.approx(0.0, abs=1e-2)
    assert whole.state.policy.steps == 3
    for name, each in opened.model.named_parameters():
        if "lora" not in name:
            assert torch.equal(each, plain[name.replace(".base_layer", "")]), name
    trained(opened, learner, 2, folder=tmp_path, every=1)
    _, again = trained(opened, learner, 3, folder=tmp_path, every=1)
    assert again.history == whole.history
    for name, each in again.state.policy.weights.items():
        assert torch.equal(each, whole.state.policy.weights[name]), name


def test_two_steps_of_ppo_with_a_small_critic(opened: Any) -> None:
    from guerdon.train.critic import Critic
    from guerdon.train.kl import FixedKL
    from guerdon.train.learners import PPO
    from guerdon.train.tiny_nets import TinyGRU

    critic = Critic(body=TinyGRU(vocabulary=len(opened.tokenizer), width=16))
    learner = PPO(lr=1e-3, epochs=2, kl=FixedKL(weight=0.01), critic=critic)
    policy, made = trained(opened, learner, 2)
    assert all(np.isfinite(each) for row in made.history for each in row.values())
    first = policy.start().weights
    assert any(not np.array_equal(each, first[name]) for name, each in made.state.policy.weights.items())
    assert dataclasses.asdict(made.state)["iteration"] == 2
