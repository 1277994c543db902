import sys
from pathlib import Path

import pytest

from guerdon.core.errors import ConfigError, RewardError

sys.path.insert(0, str(Path(__file__).parent))


def test_a_row_is_prompt_between_response_end() -> None:
    from guerdon.rlhf.encoding import BETWEEN, END, Words

    words = Words.of(["red cat", "red dog"], at_least=1)
    assert words.words == ("red", "cat", "dog")
    rows = words.rows(["red", "dog"], ["cat", ""])
    assert rows.values[0].tolist() == [259, BETWEEN, 260, END]
    assert rows.lengths.tolist() == [4, 3]


def test_unknown_words_are_spelt_so_that_no_two_are_the_same() -> None:
    from guerdon.rlhf.encoding import FIRST_BYTE, Words

    words = Words.of(["red red"])
    assert words.ids("né") == [FIRST_BYTE + byte for byte in "né".encode()]
    assert words.ids("\ud800\n")[-1] == FIRST_BYTE + 10  # a lone surrogate is spelt, too


def test_what_is_too_long_loses_the_beginning_of_the_prompt_then_the_end_of_the_response() -> None:
    from guerdon.rlhf.encoding import Words

    words = Words(words=("a", "b", "c", "d"), longest=10)
    first = words.rows(["a b c d a b c d"], ["d c"]).values[0].tolist()
    assert len(first) == 10
    assert first[-3:] == [262, 261, 2]
    assert first[5] == 262  # the last word of the prompt is there
    second = words.rows(["a b c d"], ["d " * 50]).values[0].tolist()
    assert second == [261, 262, 1, *[262] * 6, 2]
    assert words.rows(["x" * 10_000], ["y" * 10_000]).values.shape == (1, 10)


def test_conversations_are_lines() -> None:
    from guerdon.rlhf.encoding import Words, flat

    talk = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    assert flat(talk) == "user: a\nassistant: b"
    words = Words.of(["user assistant a b : \n"], at_least=1)
    assert words.rows([talk], ["b"]).lengths.tolist() == [10]


def test_a_tokenizers_chat_template_is_used_and_kept(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason='needs pip install "guerdon[train]"')
    import reward_kit

    from guerdon.rlhf.encoding import Pretrained, opened

    reward_kit.tokenizer(chat=True).save_pretrained(str(tmp_path / "from"))
    made = Pretrained.of(tmp_path / "from")
    assert made.template == "chat"
    expected = made.tokenizer("user : red assistant : cat", add_special_tokens=False)["input_ids"]
    assert made.rows(["red"], ["cat"]).values[0].tolist() == expected
    made.save(tmp_path / "to")
    again = opened(made.plain(), tmp_path / "to")
    assert again.rows(["red"], ["cat"]).values[0].tolist() == expected


def test_without_a_template_prompt_and_response_follow_each_other_and_end(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason='needs pip install "guerdon[train]"')
    import reward_kit

    from guerdon.rlhf.encoding import Pretrained

    made = Pretrained(tokenizer=reward_kit.tokenizer(), longest=3)
    ids = made.tokenizer("red cat")["input_ids"]
    assert made.rows(["red"], ["cat"]).values[0].tolist() == [*ids, 1]
    assert made.rows(["dog red"], ["cat"]).values[0].tolist() == [*ids, 1]  # the beginning is cut
    assert made.rows([""], ["\ud800"]).values[0].tolist()[-1] == 1


def test_a_text_s_vector_is_the_mean_of_its_own_states(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason='needs pip install "guerdon[train]"')
    import reward_kit
    import torch

    from guerdon.rlhf.encoding import Encoder

    made = Encoder.of(reward_kit.bert(tmp_path, classifier=False))
    found = made.rows(["red", "a"], ["the cat sat on the mat", "dog"]).values
    ids = made.tokenizer("dog", return_tensors="pt")["input_ids"]
    alone = made.model(input_ids=ids).last_hidden_state[0].mean(0).detach()
    assert found.shape == (2, 48)
    assert found[1, 16:32] == pytest.approx((alone / torch.linalg.norm(alone)).numpy(), abs=1e-6)
    assert found[1, 32:] == pytest.approx(found[1, :16] * found[1, 16:32])


def test_what_is_not_known_is_refused(tmp_path: Path) -> None:
    from guerdon.rlhf.encoding import opened

    with pytest.raises(RewardError, match="got 'magic'"):
        opened({"kind": "magic"}, tmp_path)
    pytest.importorskip("transformers", reason='needs pip install "guerdon[train]"')
    with pytest.raises(ConfigError, match="folder or hub id"):
        opened({"kind": "pretrained", "template": "chat"}, tmp_path)
