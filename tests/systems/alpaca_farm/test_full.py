"""The methods on a small transformers model made here, from files to answers, by the command."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

from guerdon.core.errors import ConfigError  # noqa: E402
from guerdon.core.reward import reward  # noqa: E402
from guerdon.prefer.files import read_rows  # noqa: E402
from guerdon.systems.alpaca_farm.commands import main  # noqa: E402
from guerdon.systems.alpaca_farm.data import Instruction  # noqa: E402
from guerdon.systems.alpaca_farm.full import BAD, GOOD, Full, adjusted, answer, critic_of, run, sides  # noqa: E402
from guerdon.systems.alpaca_farm.methods import METHODS, PUBLISHED  # noqa: E402

WORDS = (*("name", "a", "colour", "say", "it", "red", "blue", "green", "dog", "cat"), "good", "bad", ":", "###")
ASKED = [Instruction("name a colour"), Instruction("say it", "red dog"), Instruction("say a cat")]
ROWS = [
    {"instruction": "name a colour", "input": "", "output_1": "red", "output_2": "dog", "preference": 1},
    {"instruction": "say it", "input": "red dog", "output_1": "bad", "output_2": "red dog", "preference": 2},
    {"instruction": "name a colour", "input": "", "output_1": "red", "output_2": "blue", "preference": 1.5},
]
SMALL = adjusted(PUBLISHED, lr=1e-2, steps=2, rollout=8, n=3, epochs=2)


def small(**sizes: int) -> Full:
    """A tokenizer of words, and a Llama of one layer."""
    vocabulary = {word: k for k, word in enumerate(["<pad>", "</s>", "<unk>", *WORDS])}
    raw = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="<unk>"))
    raw.normalizer = tokenizers.normalizers.Lowercase()
    raw.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    torch.manual_seed(3)
    shape = transformers.LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=128, pad_token_id=0, eos_token_id=1, bos_token_id=1,
    )  # fmt: skip
    return Full(transformers.LlamaForCausalLM(shape), tokenizer, **{"query": 40, "response": 6, **sizes})


@reward(range=(0.0, 10.0))
def reds(answer: str) -> float:
    return float(answer.split().count("red"))


def test_rows_end_with_the_end_and_prompts_lose_their_beginning() -> None:
    full = small(query=5)
    row = full.row(ASKED[0], "red dog")
    assert len(row.prompt) == 5
    assert full.tokenizer.convert_ids_to_tokens(list(row.action)) == ["red", "dog", "</s>"]
    assert len(full.row(ASKED[0], "red " * 50).action) == 6


def test_sides_leave_ties_out_and_put_the_preferred_first() -> None:
    full = small()
    chosen, rejected = sides(full, read_rows(ROWS, "alpaca-farm").rows)
    told = [[full.tokenizer.decode(row.action[:-1]) for row in side] for side in (chosen, rejected)]
    assert told == [["red", "red dog"], ["dog", "bad"]]
    assert list(chosen[1].prompt) == full.prompt(ASKED[1]) == list(rejected[1].prompt)


@pytest.mark.parametrize("method", [*METHODS])
def test_every_method_learns_and_answers(method) -> None:
    full = small()
    learned, made = run(
        method,
        full,
        pairs=read_rows(ROWS, "alpaca-farm").rows,
        demonstrations=[Instruction("say it", "red", "red red")],
        unlabelled=ASKED,
        reward=reds,
        settings=SMALL,
    )
    texts = answer(full, learned, made, [*ASKED, Instruction("say a dog")])
    assert len(texts) == 4
    assert texts == answer(full, learned, made, [*ASKED, Instruction("say a dog")])
    assert (GOOD in full.tokenizer.get_vocab()) == (method == "reward-conditioning")
    assert not any(GOOD in text or BAD in text for text in texts)


def test_sft_learns_its_demonstrations() -> None:
    full = small()
    shown = [Instruction("say it", "", "blue cat")] * 8
    learned, made = run("sft", full, demonstrations=shown, settings=adjusted(SMALL, lr=5e-2, epochs=12))
    assert answer(full, learned, made, [Instruction("say it")]) == ["blue cat"]


def test_ppo_finds_what_the_reward_likes() -> None:
    settings = adjusted(SMALL, lr=1e-2, steps=10, rollout=64)
    learned, _ = run("ppo", small(), unlabelled=ASKED, reward=reds, settings=settings)
    scores = [row["reward"] for row in learned.history if "reward" in row]
    assert np.mean(scores[-2:]) > np.mean(scores[:2]) + 1.0


def test_an_adapter_learns_beside_the_model() -> None:
    pytest.importorskip("peft")
    from guerdon.train.policy import Lora

    full = small()
    before = full.model.get_input_embeddings().weight.clone()
    learned, made = run("ppo", full, unlabelled=ASKED, reward=reds, settings=SMALL, lora=Lora(rank=4, alpha=8.0))
    assert torch.equal(full.model.get_input_embeddings().weight, before)
    assert any(bool(learned.snapshot.weights[name].ne(made.start.weights[name]).any()) for name in made.start.weights)


@pytest.mark.parametrize("method", ["sft", "dpo", "ppo", "best-of-n", "quark", "feedme"])
def test_a_method_without_its_data_is_refused(method) -> None:
    with pytest.raises(ConfigError, match=method):
        run(method, small(), reward=reds if method == "quark" else None)


def test_the_command_goes_from_files_to_answers(tmp_path, capsys) -> None:
    full = small()
    full.model.save_pretrained(tmp_path / "base")
    full.tokenizer.save_pretrained(tmp_path / "base")
    (tmp_path / "pairs.json").write_text(json.dumps(ROWS))
    (tmp_path / "eval.json").write_text(json.dumps([{"instruction": "say a cat", "dataset": "x"}]))
    places = ["--pairs", str(tmp_path / "pairs.json"), "--answer", str(tmp_path / "eval.json")]
    sizes = ["--query", "40", "--response", "6", "--lr", "1e-2"]
    to = ["--outputs", str(tmp_path / "out.json"), "--folder", str(tmp_path / "dpo")]
    main(["learn", "dpo", "--policy", str(tmp_path / "base"), *places, *to, *sizes])
    (row,) = json.loads((tmp_path / "out.json").read_text())
    assert (row["generator"], row["instruction"]) == ("dpo", "say a cat")
    again = Full.open(str(tmp_path / "dpo"))
    now, before = (each.model.get_input_embeddings().weight for each in (again, full))
    assert not torch.equal(now, before)
    with pytest.raises(SystemExit):
        main(["learn", "dpo", "--policy", str(tmp_path / "base"), "--answer", "x"])
    assert "--outputs" in capsys.readouterr().err


def test_numbers_of_settings_can_be_changed() -> None:
    found = adjusted(PUBLISHED, lr=0.5, steps=7, epochs=9)
    assert (found.ppo.lr, found.dpo.lr, found.steps, found.quark_steps) == (0.5, 0.5, 7, 7)
    assert (found.sft.epochs, found.ppo.epochs) == (9, 2)
    assert adjusted(PUBLISHED) == PUBLISHED


def test_the_value_function_starts_as_the_reward_model_where_it_reads_the_same_tokens() -> None:
    from guerdon.prefer.models import Backbone, RewardModel
    from guerdon.rlhf.encoding import Pretrained
    from guerdon.rlhf.kept import KeptReward

    full = small()
    member = RewardModel.new(Backbone(small().model), 3)
    kept = KeptReward((member,), Pretrained(tokenizer=full.tokenizer))
    found = critic_of(full, kept)
    assert found.body is member.body
    assert found.start is member.weights
    assert critic_of(full, reds).start is None
    learned, _ = run("ppo", full, unlabelled=ASKED, reward=kept, settings=SMALL)
    assert learned.history[0]["masked"] == 0.0
