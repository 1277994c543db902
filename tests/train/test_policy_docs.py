"""The training example of docs/models.md runs, on a tiny model in place of the named one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

from guerdon.lm.shared import lend  # noqa: E402
from guerdon.train.policy import Snapshot  # noqa: E402

PAGE = Path(__file__).parents[2] / "docs" / "models.md"


def test_the_example_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = PAGE.read_text(encoding="utf-8").partition("## Training one")[2].partition("\n## ")[0]
    [block] = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    with lend("torch:smollm2", tiny()):
        exec(compile(block, str(PAGE), "exec"), names)
    assert Snapshot.load(tmp_path / "learned").steps == 1
    assert names["figures"]["gradient"] > 0
    [far] = names["far"]
    assert far.shape == (len(" Paris"),)
    assert far.sum() > 0
    assert names["texts"][0][0].fault is None


def tiny() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from guerdon.lm import Torch

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    plain = Tokenizer(models.BPE(vocab={letter: at for at, letter in enumerate(["<end>", *letters])}, merges=[]))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    torch.manual_seed(0)
    small = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = LlamaConfig(vocab_size=257, max_position_embeddings=512, bos_token_id=None, eos_token_id=0, **small)
    return Torch.wrap(LlamaForCausalLM(config), PreTrainedTokenizerFast(tokenizer_object=plain, eos_token="<end>"))
