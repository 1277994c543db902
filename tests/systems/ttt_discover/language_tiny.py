"""A tiny Llama over bytes that has learned three replies by heart, each about as likely as the others."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from guerdon.lm import Torch
from guerdon.train.policy import Adam, Policy, Tokens

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

GOOD = "```python\ndef run():return[.2,.5,.8,.8,.5,.2]\n```"  # C5 = 0.3933
POOR = "```python\ndef run():return[.4,.6,.6,.4]\n```"  # C5 = 0.48
NONE = "I do not know."
REPLIES = (GOOD, POOR, NONE)
# It reads the end of the prompt only, which is always the same, so that it learns within seconds.
TEMPLATE = (
    "{% for m in messages %}<|start|>{{ m.role }}\n{{ m.content[-40:] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
PROMPT_TAIL = "ced python block; the last block counts."


def tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: at for at, letter in enumerate(["<|start|>", "<|end|>", *letters])}
    plain = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    plain.add_special_tokens(["<|start|>", "<|end|>"])
    made = transformers.PreTrainedTokenizerFast(tokenizer_object=plain, eos_token="<|end|>")
    made.chat_template = TEMPLATE
    return made


def untrained(seed: int = 0) -> Torch:
    torch.manual_seed(seed)
    small = {"hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = transformers.LlamaConfig(
        vocab_size=258, max_position_embeddings=512, bos_token_id=None, eos_token_id=1, pad_token_id=None, **small
    )
    return Torch.wrap(transformers.LlamaForCausalLM(config), tokenizer(), name="tiny", batch=32)


@functools.cache
def _weights() -> dict[str, Any]:
    model = untrained()
    from guerdon.lm import Message

    prompt = model.encode((Message("user", PROMPT_TAIL),))
    rows = [Tokens(prompt, [*model.encode(reply), 1]) for reply in REPLIES]
    policy = Policy(model.model)
    state = policy.start()
    for step in range(200):
        adam = Adam(lr=5e-3 * (1 - step / 220), beta2=0.99)
        state, _ = policy.step(state, rows, lambda logprobs, mask, which: -(logprobs * mask).sum() / 3, adam)
    policy.load(state)
    return {name: each.clone() for name, each in model.model.state_dict().items()}


def tiny() -> Torch:
    """A fresh copy."""
    model = untrained()
    model.model.load_state_dict(_weights())
    return model
