"""Small preference data and small transformers models in folders; heavy packages are imported inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from guerdon.core.rng import stream
from guerdon.core.task import Answer, Case, Task
from guerdon.prefer.sets import PreferenceSet

WORDS = "the a red blue good bad cat dog sat ran on mat fast slow very and . , ? user assistant :".split()


def preferences(n: int, seed: int = 101, flips: float = 0.0) -> PreferenceSet:
    """Pairs about colours: a response with more `good` is better, one with more `bad` worse; some labels are wrong."""
    rng = stream(seed, "kit")
    prompts, sides, truth = [], [], []
    for k in range(n):
        prompts.append(f"what sat on {WORDS[k % 10]} {k} ?")
        pair, values = [], []
        for _ in range(2):
            words = list(rng.choice(["cat", "dog", "sat", "ran", "mat"], size=int(rng.integers(2, 9))))
            good = int(rng.integers(-3, 4))
            words += ["good" if good > 0 else "bad"] * abs(good)
            pair.append(" ".join(rng.permutation(words)))
            values.append(good + 0.01 * float(rng.random()))
        sides.append(pair)
        truth.append(values[0] > values[1])
    labels = np.array(truth) ^ (rng.random(n) < flips)
    one, two = ([pair[k] for pair in sides] for k in (0, 1))
    return PreferenceSet.of(prompts, one, two, np.where(labels, 1, 2).astype(np.int8))


def case(response: Any, prompt: Any = "what sat ?") -> Case:
    return Case(Task("t", {"prompt": prompt}), Answer("t", response))


def tokenizer(chat: bool = False) -> Any:
    """Words of `WORDS`, made here."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.WordLevel({w: i for i, w in enumerate(["<pad>", "<eos>", "<unk>", *WORDS])}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    made = PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")
    if chat:
        made.chat_template = "{% for m in messages %}{{ m.role }} : {{ m.content }} {% endfor %}"
    return made


def llama(folder: Path, *, classifier: bool, chat: bool = False, labels: int = 1) -> Path:
    """A Llama of one layer in the hub's format."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(WORDS) + 3, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=64, pad_token_id=0, eos_token_id=1, bos_token_id=1,
        num_labels=labels,
    )  # fmt: skip
    model = (LlamaForSequenceClassification if classifier else LlamaForCausalLM)(config)
    model.save_pretrained(str(folder))
    tokenizer(chat).save_pretrained(str(folder))
    return folder


def bert(folder: Path, *, classifier: bool) -> Path:
    """A BERT of one layer in the hub's format: an encoder, or a classifier whose head has a bias."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertModel

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS) + 3, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=64, pad_token_id=0, num_labels=1,
    )  # fmt: skip
    (BertForSequenceClassification if classifier else BertModel)(config).save_pretrained(str(folder))
    tokenizer().save_pretrained(str(folder))
    return folder
