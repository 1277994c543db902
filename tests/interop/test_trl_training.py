"""An unmodified TRL run uses our reward, and what it logs is what our ledger says."""

from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


def tiny(folder: Path) -> tuple[Any, Any]:
    """A one-layer causal language model over letters, made here."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    letters = ["<pad>", "<eos>", "<unk>", *"abcdefghijklmnopqrstuvwxyz "]
    raw = Tokenizer(models.WordLevel({letter: i for i, letter in enumerate(letters)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")
    shape = LlamaConfig(
        vocab_size=len(letters), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=64, pad_token_id=0, eos_token_id=1, bos_token_id=1,
    )  # fmt: skip
    return LlamaForCausalLM(shape), tokenizer


def test_three_steps_of_grpo_log_the_rewards_of_the_reward(tmp_path: Path) -> None:
    pytest.importorskip("trl", reason='needs pip install "guerdon[trl]"')
    import torch
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    from guerdon import gate, reward
    from guerdon.interop.trl import as_reward_func

    torch.manual_seed(0)

    @reward
    def vowels(text: str) -> float:
        return sum(letter in "aeiou" for letter in text) / max(len(text), 1)

    @reward
    def holds(text: str, letter: str) -> float:
        return float(letter in text)

    seen: list[list[float | None]] = []
    ours = as_reward_func(0.5 * vowels + 0.5 * gate(holds, vowels))

    def watched(**columns: Any) -> list[float | None]:
        seen.append(ours(**columns))
        return seen[-1]

    model, tokenizer = tiny(tmp_path)
    rows = Dataset.from_list([{"prompt": word, "letter": word[0]} for word in ["abc", "hello", "xyz", "day"]])
    settings = GRPOConfig(
        output_dir=str(tmp_path), max_steps=3, per_device_train_batch_size=8, num_generations=4, logging_steps=1,
        max_completion_length=8, use_cpu=True, report_to=[], save_strategy="no", disable_tqdm=True, bf16=False,
    )  # fmt: skip
    trainer = GRPOTrainer(model, reward_funcs=[watched], args=settings, train_dataset=rows, processing_class=tokenizer)
    trainer.train()
    logged = [line["reward"] for line in trainer.state.log_history if "reward" in line]
    means = [sum(value or 0.0 for value in batch) / len(batch) for batch in seen]
    assert len(logged) == 3
    assert logged == pytest.approx(means[: len(logged)], abs=1e-5)
    assert len({round(value, 6) for value in means}) > 1
