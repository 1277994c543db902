"""The blocks of docs/training.md run in order, on a tiny model in place of the named one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

from guerdon.lm.shared import lend  # noqa: E402

PAGE = Path(__file__).parents[2] / "docs" / "training.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def tiny() -> Any:
    """A language model whose tokens are bytes."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from guerdon.lm import Torch

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    plain = Tokenizer(models.BPE(vocab={letter: at for at, letter in enumerate(["<end>", *letters])}, merges=[]))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    torch.manual_seed(0)
    small = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 4}
    config = LlamaConfig(vocab_size=257, max_position_embeddings=512, bos_token_id=None, eos_token_id=0, **small)
    return Torch.wrap(LlamaForCausalLM(config), PreTrainedTokenizerFast(tokenizer_object=plain, eos_token="<end>"))


def test_the_page_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    names: dict[str, Any] = {}
    with lend("torch:smollm2", tiny()):
        for block in BLOCKS:
            exec(compile(block, str(PAGE), "exec", dont_inherit=True), names)
    torch.set_num_threads(before)
    assert names["best"].scores.mean() > 0.3
    assert (tmp_path / "lora" / "state-00000002" / "policy" / "policy.safetensors").exists()
    assert (tmp_path / "lora-figures").exists()
    assert json.dumps(names["trained"].history)
