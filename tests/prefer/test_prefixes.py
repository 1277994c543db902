from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.prefer.models import Backbone, RewardModel, Rows
from guerdon.prefer.prefixes import Group, groups_of, portions_of, saved

SIZES = {
    "vocab_size": 50, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
    "max_position_embeddings": 128,
}  # fmt: skip


def models() -> dict[str, Any]:
    """Models whose rows may share a beginning, and some whose may not."""
    transformers = pytest.importorskip("transformers", reason='needs pip install "guerdon[train]"')
    import torch

    torch.manual_seed(0)
    llama = transformers.LlamaConfig(**SIZES, num_key_value_heads=2, pad_token_id=0)
    windows = transformers.MistralConfig(**SIZES, num_key_value_heads=2, pad_token_id=0, sliding_window=4)
    gpt2 = transformers.GPT2Config(vocab_size=50, n_embd=16, n_layer=2, n_head=2, n_positions=128)
    bert = transformers.BertConfig(**SIZES)
    return {
        "llama": transformers.LlamaModel(llama),
        "gpt2": transformers.GPT2Model(gpt2),
        "bert": transformers.BertModel(bert),
        "windows": transformers.MistralModel(windows),
    }


def answers(rng: Any) -> Rows:
    """Prompts with two to four answers, one with an answer twice, and rows that are alone."""
    rows = []
    for count, size in ((2, 30), (3, 40), (4, 25)):
        prompt = rng.integers(1, 50, size).tolist()
        rows += [prompt + rng.integers(1, 50, int(k)).tolist() for k in rng.integers(1, 20, count)]
    rows += [rows[0], rng.integers(1, 50, 7).tolist(), [3]]
    order = rng.permutation(len(rows))
    return Rows.of([rows[k] for k in order])


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_scores_are_the_same_whether_beginnings_are_shared_or_not(name: str) -> None:
    model = RewardModel.new(Backbone(models()[name], name), 1)
    rows = answers(np.random.default_rng(0))
    alone, shared = (model.features(rows, share=share) for share in (False, True))
    assert shared == pytest.approx(alone, abs=1e-5)
    assert model.body.causal(model.weights)  # type: ignore[attr-defined]
    assert model.features(rows) == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize("name", ["bert", "windows"])
def test_models_that_look_ahead_or_through_windows_do_not_share(name: str) -> None:
    model = RewardModel.new(Backbone(models()[name], name), 1)
    rows = answers(np.random.default_rng(0))
    assert not model.body.causal(model.weights)  # type: ignore[attr-defined]
    assert model.features(rows, share=True).tolist() == model.features(rows, share=False).tolist()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=12), min_size=1, max_size=12), st.integers(1, 5))
def test_groups_hold_every_row_once_and_begin_alike(rows: list[list[int]], least: int) -> None:
    made = Rows.of(rows)
    groups = groups_of(made.values, made.lengths, least)
    assert sorted(k for group in groups for k in group.rows.tolist()) == list(range(len(rows)))
    for group in groups:
        some = [rows[k] for k in group.rows]
        assert all(each[: group.shared] == some[0][: group.shared] for each in some)
        assert all(len(each) > group.shared for each in some)
        assert group.shared == 0 if len(some) == 1 else group.shared >= least
    assert 0 <= saved(groups, made.lengths) < 1


def test_portions_keep_to_their_length_unless_a_group_is_longer() -> None:
    groups = [Group(np.array([2 * k, 2 * k + 1]), 10) for k in range(5)]
    lengths = np.array([20, 20, 20, 20, 60, 60, 15, 15, 15, 15])
    told = [[int(group.rows[0]) // 2 for group in some] for some in portions_of(groups, lengths, 60)]
    assert told == [[0, 1], [2], [3, 4]]
