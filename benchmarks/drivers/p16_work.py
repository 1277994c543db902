"""The model, prompts, answers and scores of P16: the same on all sides."""

import numpy as np

VOCABULARY, PROMPT, MOST = 256, 8, 32
PROMPTS, GROUP = 4, 4
ANSWERS = PROMPTS * GROUP
END, PAD = 1, 0
LR, BETA, CLIP_NORM = 1e-3, 0.04, 1.0


def model():
    """A Llama of 2 layers and 64 units: 115,008 weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(20_260)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=4, max_position_embeddings=PROMPT + MOST, pad_token_id=PAD, eos_token_id=END,
        bos_token_id=END, initializer_range=0.1,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def tokenizer():
    """One id for each of as many letters."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = ["<pad>", "<eos>", "<unk>", *(chr(0x4E00 + k) for k in range(VOCABULARY - 3))]
    raw = Tokenizer(models.WordLevel({letter: k for k, letter in enumerate(letters)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    return PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")


def prompts():
    """(4, 8) ids."""
    return np.random.default_rng(1).integers(3, VOCABULARY, (PROMPTS, PROMPT))


def answers(step):
    """Lists of ids: 4 to each prompt, of 8 to 32 tokens, those shorter than 32 with an end."""
    rng = np.random.default_rng([2, step])
    lengths = rng.integers(8, MOST + 1, ANSWERS)
    lines = rng.integers(3, VOCABULARY, (ANSWERS, MOST))
    return [[*line[: n - 1].tolist(), END] if n < MOST else line.tolist() for line, n in zip(lines, lengths)]


def score(ids):
    """The share of ids below the middle of the vocabulary."""
    return sum(k < VOCABULARY // 2 for k in ids) / len(ids)
