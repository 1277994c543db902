"""What people chose on the pages trains a reward model and a policy in TRL, as it is."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("markdown_it")
pytest.importorskip("nh3")
pytest.importorskip("trl", reason='needs pip install "guerdon[trl]"')
from walk_helpers import Server, walk_as_annotator
from web_helpers import Browser

from guerdon.hosting import Host

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]
PAIRS = 20


def exported(host: Host, folder: Path) -> Path:
    """Twenty choices on the page, of which the longer answer wins, and what the page gives away."""
    rows = [
        {"prompt": f"prompt {chr(97 + k)}", "system": system, "content": f"{system} " * (2 + (system == "b"))}
        for k in range(PAIRS)
        for system in "ab"
    ]
    browser = Browser(host)
    browser.post("/compare", {"slug": "chat"}, files={"items": ("x.jsonl", "\n".join(map(json.dumps, rows)).encode())})
    for _ in range(PAIRS):
        pair = browser.get("/compare/chat/pairs").json()["pairs"][0]
        longer = max(("first", "second"), key=lambda side: len(pair[side]["text"]))
        browser.post("/compare/chat", {"pair": pair["id"], "version": str(pair["version"]), "outcome": longer})
    file = folder / "chosen.jsonl"
    file.write_bytes(browser.get("/compare/chat/export?format=trl").content)
    return file


def loaded(file: Path, folder: Path) -> Any:
    from datasets import load_dataset

    return load_dataset("json", data_files=str(file), split="train", cache_dir=str(folder / "cache"))


def tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = ["<pad>", "<eos>", "<unk>", *"abcdefghijklmnopqrstuvwxyz "]
    raw = Tokenizer(models.WordLevel({letter: i for i, letter in enumerate(letters)}, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    return PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")


def shape() -> Any:
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=30, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=64, pad_token_id=0, eos_token_id=1, bos_token_id=1, num_labels=1,
    )  # fmt: skip


def settings(folder: Path) -> dict[str, Any]:
    return {
        "output_dir": str(folder), "max_steps": 1, "per_device_train_batch_size": 4, "use_cpu": True, "report_to": [],
        "save_strategy": "no", "disable_tqdm": True, "bf16": False, "logging_steps": 1,
    }  # fmt: skip


def reward_model_steps(file: Path, folder: Path) -> Any:
    """One step of TRL's trainer of reward models over a file; returns the rows as it has them."""
    from transformers import LlamaForSequenceClassification
    from trl import RewardConfig, RewardTrainer

    data = loaded(file, folder)
    assert set(data.column_names) == {"prompt", "chosen", "rejected"}
    trainer = RewardTrainer(
        LlamaForSequenceClassification(shape()), args=RewardConfig(max_length=64, **settings(folder)),
        train_dataset=data, processing_class=tokenizer(),
    )  # fmt: skip
    done = trainer.train()
    assert done.global_step == 1
    assert done.training_loss > 0
    return data


def policy_steps(file: Path, folder: Path) -> None:
    """One step of TRL's trainer by direct preferences over a file."""
    from transformers import LlamaForCausalLM
    from trl import DPOConfig, DPOTrainer

    trainer = DPOTrainer(
        LlamaForCausalLM(shape()), ref_model=LlamaForCausalLM(shape()), args=DPOConfig(**settings(folder)),
        train_dataset=loaded(file, folder), processing_class=tokenizer(),
    )  # fmt: skip
    done = trainer.train()
    assert done.global_step == 1
    assert done.training_loss > 0


def test_a_reward_model_takes_a_step(host: Host, tmp_path: Path) -> None:
    data = reward_model_steps(exported(host, tmp_path), tmp_path)
    assert all(len(row["chosen"]) > len(row["rejected"]) for row in data)


def test_a_policy_takes_a_step(host: Host, tmp_path: Path) -> None:
    policy_steps(exported(host, tmp_path), tmp_path)


def test_what_was_chosen_by_keyboard_and_downloaded_trains_both(browser: Any, tmp_path: Path) -> None:
    """The very file that a browser was given after twenty comparisons."""
    server = Server(tmp_path, "--workers", "0")
    try:
        content = walk_as_annotator(browser, server)
    finally:
        server.stop()
    file = tmp_path / "downloaded.jsonl"
    file.write_bytes(content)
    data = reward_model_steps(file, tmp_path)
    assert len(data) == len(content.splitlines()) >= 14
    policy_steps(file, tmp_path)
