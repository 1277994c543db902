"""Sampling from transformers models against their own greedy search and their own probabilities."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='needs pip install "guerdon[train]"')
transformers = pytest.importorskip("transformers", reason='needs pip install "guerdon[train]"')

from guerdon.core.errors import ConfigError  # noqa: E402
from guerdon.core.rng import stream  # noqa: E402
from guerdon.train.policy import Policy  # noqa: E402
from guerdon.train.sampling import sample  # noqa: E402


def model_of(kind: str):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if kind == "gpt2":
            config = transformers.GPT2Config(
                vocab_size=30, n_embd=16, n_layer=2, n_head=2, n_positions=64, bos_token_id=1, eos_token_id=1
            )
            return transformers.GPT2LMHeadModel(config).eval()
        config = transformers.LlamaConfig(
            vocab_size=30, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=2, max_position_embeddings=64, eos_token_id=1, pad_token_id=0, bos_token_id=2,
        )  # fmt: skip
        return transformers.LlamaForCausalLM(config).eval()


def ragged(n: int) -> list[list[int]]:
    rng = np.random.default_rng(0)
    return [rng.integers(2, 30, size=rng.integers(1, 7)).tolist() for _ in range(n)]


kinds = pytest.mark.parametrize("kind", ["gpt2", "llama"])


@kinds
def test_at_temperature_0_it_is_greedy_search(kind) -> None:
    model, prompts = model_of(kind), ragged(12)
    drawn = sample(Policy(model), prompts, stream(0, "d"), most=10, end=1, temperature=0)
    for prompt, ids, n in zip(prompts, drawn.ids, drawn.lengths):
        told = model.generate(
            torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            max_new_tokens=10, do_sample=False, pad_token_id=0, eos_token_id=1,
        )  # fmt: skip
        assert ids[:n].tolist() == told[0, len(prompt) :].tolist()


@kinds
def test_its_log_probabilities_are_the_policys(kind) -> None:
    policy, prompts = Policy(model_of(kind)), ragged(40)
    drawn = sample(policy, prompts, stream(0, "d"), most=9, end=1, temperature=1.3, top_p=0.8, rows=16)
    assert (drawn.lengths < 9).any()
    for row, line, n in zip(policy.logprobs(drawn.tokens(prompts)), drawn.logprobs, drawn.lengths):
        assert np.allclose(row, line[:n], atol=1e-4)
    again = sample(policy, prompts, stream(0, "d"), most=9, end=1, temperature=1.3, top_p=0.8, rows=5)
    assert np.array_equal(drawn.ids, again.ids)


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(ConfigError, match="prompt 1"):
        sample(Policy(model_of("gpt2")), [[3], []], stream(0, "d"), most=2, end=1)
