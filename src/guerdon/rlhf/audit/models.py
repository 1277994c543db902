"""Encoders and policies, as an audit takes them: functions, or models of transformers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream
from guerdon.rlhf.contrast import Encoder
from guerdon.rlhf.overoptimisation import Samples

MOST = 128
"""Tokens of an answer."""


def encoder_of(ref: str) -> Encoder:
    """A sentence encoder by folder or hub id.

    Raises:
        ConfigError: transformers is missing, or cannot open it.
    """
    from guerdon.rlhf.encoding import Encoder as Pretrained

    model = Pretrained.of(ref)

    def encode(texts: Sequence[str]) -> npt.NDArray[Any]:
        return model.rows(list(texts), [""] * len(texts)).values[:, : model.width // 3]

    return encode


def drawn_by(policy: Callable[..., Any], prompts: Sequence[str], n: int, seed: int) -> Samples:
    """Answers of a function of (prompts, n, seed) that returns n texts for each prompt.

    Raises:
        ConfigError: it returned something else.
    """
    answers = [list(each) for each in policy(list(prompts), n, seed)]
    if len(answers) != len(prompts) or any(len(each) != n for each in answers):
        got = f"got {len(answers)} lists of {sorted({len(each) for each in answers})[:3]}"
        raise ConfigError(f"{n} texts for each of {len(prompts)} prompts", got, "Return a list of texts per prompt")
    return _unscored(prompts, [[str(text) for text in each] for each in answers])


def drawn_by_model(ref: str, prompts: Sequence[str], n: int, seed: int, *, most: int = MOST) -> Samples:
    """Answers of a causal language model, by folder or hub id, at temperature 1.

    Args:
        ref: folder or hub id; its chat template is used if it has one.
        prompts: P texts.
        n: answers to each.
        seed: of the drawing.
        most: tokens of an answer.

    Raises:
        ConfigError: transformers is missing, or cannot open it.
    """
    from guerdon.rlhf.encoding import from_pretrained
    from guerdon.train.policy import Policy
    from guerdon.train.sampling import sample

    tokenizer = from_pretrained("AutoTokenizer", ref)
    policy = Policy(from_pretrained("AutoModelForCausalLM", ref, use_safetensors=True).eval())
    end = int(tokenizer.eos_token_id if tokenizer.eos_token_id is not None else 0)
    ids = [_ids(tokenizer, prompt) or [end] for prompt in prompts]
    drawn = sample(
        policy, [each for each in ids for _ in range(n)], stream(seed, "audit", "policy"), most=most, end=end
    )
    texts = [
        tokenizer.decode(row[:length].tolist(), skip_special_tokens=True)
        for row, length in zip(drawn.ids, drawn.lengths.tolist())
    ]
    return _unscored(prompts, [texts[k * n : (k + 1) * n] for k in range(len(prompts))])


def _ids(tokenizer: Any, prompt: str) -> list[int]:
    if getattr(tokenizer, "chat_template", None):
        asked = [{"role": "user", "content": prompt}]
        text = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])
    return list(tokenizer(prompt)["input_ids"])


def _unscored(prompts: Sequence[str], answers: list[list[str]]) -> Samples:
    unknown = np.full((len(answers), len(answers[0]) if answers else 0), np.nan)
    return Samples(list(prompts), answers, unknown, unknown.copy())
