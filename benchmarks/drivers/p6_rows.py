"""The same classifier, tokenizer and texts on all sides; nothing here depends on guerdon."""

import math
import random

VOCABULARY = 2_000
SHAPE = {
    "vocab_size": VOCABULARY, "hidden_size": 192, "intermediate_size": 768, "num_hidden_layers": 4,
    "num_attention_heads": 4, "num_key_value_heads": 4, "max_position_embeddings": 2048, "pad_token_id": 0,
    "bos_token_id": 1, "eos_token_id": 1, "num_labels": 1,
}  # fmt: skip
KINDS = {"chat": (60, 0.7, 120, 0.7), "code": (250, 0.6, 300, 0.6), "short": (40, 0.5, 15, 0.8)}
"""Median and sigma, on a logarithmic scale, of the words of a prompt and of an answer."""
SHARED = (300, 0.5, 120, 0.6)
"""The same where prompts are long, as in conversations and with documents."""
MOST = 1_800


def texts(kind, pairs, seed=20_260):
    """Texts of the chosen and of the rejected answers, each with its prompt before it, in no order of length.

    Args:
        kind: "mixed", one pair in three each of `KINDS`; or "shared".
        pairs: how many.
        seed: of the draws.
    """
    rng = random.Random(seed)
    sides = ([], [])
    for _ in range(pairs):
        prompt, p_sigma, answer, a_sigma = SHARED if kind == "shared" else KINDS[rng.choice(sorted(KINDS))]
        asked = words(rng, prompt, p_sigma)
        for side in sides:
            side.append(" ".join((asked + words(rng, answer, a_sigma))[:MOST]))
    return sides


def words(rng, median, sigma):
    """Words of a text of log-normal length."""
    count = max(4, round(math.exp(rng.gauss(math.log(median), sigma))))
    return [f"w{rng.randrange(3, VOCABULARY)}" for _ in range(count)]


def model_and_tokenizer():
    """A Llama of four layers with fresh weights, the same in each process, and one token for each word."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForSequenceClassification, PreTrainedTokenizerFast

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = LlamaForSequenceClassification(LlamaConfig(**SHAPE)).eval()
    names = ["<pad>", "<end>", "<unk>", *(f"w{k}" for k in range(3, VOCABULARY))]
    raw = Tokenizer(models.WordLevel({name: k for k, name in enumerate(names)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return model, PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="<pad>", eos_token="<end>", unk_token="<unk>")


def operations(score):
    """`prepare` texts, `score` them, `read` the scores of chosen and rejected."""
    state = {}

    def prepare(kind, pairs):
        state["texts"] = texts(kind, pairs)
        return sum(len(text.split()) for side in state["texts"] for text in side)

    def scores():
        state["scores"] = [float(value) for side in score(*state["texts"]) for value in side]
        return len(state["scores"])

    return {"prepare": prepare, "score": scores, "read": lambda: state["scores"]}
