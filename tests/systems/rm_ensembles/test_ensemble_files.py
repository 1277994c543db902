"""Published formats on small files, members as saved classifiers, and the commands."""

import json

import numpy as np
import pytest

from guerdon.core.errors import ConfigError
from guerdon.prefer.files import read
from guerdon.systems.rm_ensembles.draw import main
from guerdon.systems.rm_ensembles.published import answers_of, member_scores, pairs_of, standardised

WORDS = ["good", "bad", "tea", "rain", "what", "?"]


def gens(n: int = 6) -> list[dict]:
    """Rows in the format of tlc4418/gold_labelled_gens."""
    rng = np.random.default_rng(3)
    answers = [[" ".join(rng.choice(WORDS, 4)) for _ in range(n)] for _ in range(3)]
    golds = [[float(a.split().count("good")) + 0.1 * k for k, a in enumerate(each)] for each in answers]
    return [
        {"instruction": "what ?", "input": "tea" if k else "", "answers": a, "gold_scores": g}
        for k, (a, g) in enumerate(zip(answers, golds, strict=True))
    ]


def written(path, rows):
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def classifier(folder, seed: int, kind: str = "GPTNeoX") -> str:
    """A tiny random sequence classifier with a tokenizer, saved as transformers saves them."""
    torch = pytest.importorskip("torch", reason='needs pip install "guerdon[train]"')
    transformers = pytest.importorskip("transformers", reason='needs pip install "guerdon[train]"')
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    special = ["<pad>", "<unk>", "<|endoftext|>", "<|prompter|>", "<|assistant|>"]
    made = Tokenizer(WordLevel({word: k for k, word in enumerate([*special, *WORDS])}, unk_token="<unk>"))
    made.pre_tokenizer = Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", unk_token="<unk>", eos_token="<|endoftext|>",
        additional_special_tokens=special[3:],
    )  # fmt: skip
    torch.manual_seed(seed)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = getattr(transformers, f"{kind}Config")(vocab_size=len(special) + len(WORDS), num_labels=1, **sizes)
    config.pad_token_id = 0
    getattr(transformers, f"{kind}ForSequenceClassification")(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def test_answers_with_gold_scores_are_read_as_published(tmp_path) -> None:
    found = answers_of(str(written(tmp_path / "g.jsonl", gens())), most=4)
    assert found.prompts == ["what ?", "what ?\ntea", "what ?\ntea"]
    assert found.gold.shape == (3, 4)
    assert found.gold.tolist() == [row["gold_scores"][:4] for row in gens()]
    without = [{name: row[name] for name in ("instruction", "answers")} for row in gens()]
    with pytest.raises(ConfigError, match="gold"):
        answers_of(str(written(tmp_path / "n.jsonl", without)))


def test_pairs_of_both_formats_are_read_and_labels_made_wrong() -> None:
    two = [{"instruction": "q", "input": "x", "answers": ["a", "b"], "preference": k % 2} for k in range(400)]
    found = pairs_of(two)
    assert found.prompt[0] == "q\nx"
    assert found.choice[:2].tolist() == [1, 2]
    wrong = (pairs_of(two, flips=0.25, seed=1).choice != found.choice).mean()
    assert 0.18 < wrong < 0.32
    farm = [{"instruction": "q", "input": "", "output_1": "a", "output_2": "b", "preference": 2}]
    assert pairs_of(farm).choice.tolist() == [2]
    with pytest.raises(ConfigError, match="row 1"):
        pairs_of([{"instruction": "q", "answers": ["a", "b"], "preference": 2}])


@pytest.mark.parametrize("kind", ["GPTNeoX", "Bert"])  # a head called score without bias, and another
def test_any_classifier_of_one_label_is_a_member(tmp_path, kind) -> None:
    torch = pytest.importorskip("torch", reason='needs pip install "guerdon[train]"')
    refs = [classifier(tmp_path / f"m{k}", k, kind) for k in range(2)]
    import transformers

    samples = answers_of(str(written(tmp_path / "g.jsonl", gens())))
    found = member_scores(refs, samples)
    assert found.shape == (2, 3, 6)
    assert found.reshape(2, -1).mean(1) == pytest.approx(0, abs=1e-9)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(refs[1]).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(refs[1])
    own = []
    for row in gens():
        asked = row["instruction"] + (f"\n{row['input']}" if row["input"] else "")
        for answer in row["answers"]:
            text = f"<|prompter|>{asked}<|endoftext|><|assistant|>{answer}<|endoftext|>"
            with torch.no_grad():
                own.append(model(**tokenizer(text, return_tensors="pt")).logits.item())
    assert found[1].ravel() == pytest.approx(standardised(np.array([own]))[0], abs=2e-3)


def test_members_that_say_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match="member 2 has sd 0"):
        standardised(np.array([[1.0, 2.0], [3.0, 3.0]]))


def test_the_picture_is_drawn_from_files(tmp_path, capsys) -> None:
    source = written(tmp_path / "g.jsonl", gens(20))
    refs = [part for k in range(2) for part in ("--member", classifier(tmp_path / f"m{k}", k))]
    main(["draw", str(source), *refs, "--out", str(tmp_path / "one"), "--ddof", "1", "--most", "16"])
    said = capsys.readouterr().out
    assert said.startswith("2 members, 20 answers to each of 3 prompts, n up to 16.")
    results = json.loads((tmp_path / "one" / "results.json").read_text(encoding="utf-8"))
    assert [row["n"] for row in results["UWO"]] == [1, 2, 4, 8, 16]
    assert {"proxy_score", "gold_score"} < set(results["WCO"][0])
    assert "√KL" in (tmp_path / "one" / "curves.html").read_text(encoding="utf-8")
    main(
        ["draw", str(tmp_path / "one" / "scored.jsonl"), "--out", str(tmp_path / "two"), "--ddof", "1", "--most", "16"]
    )
    again = json.loads((tmp_path / "two" / "results.json").read_text(encoding="utf-8"))
    assert again["WCO"][-1] == pytest.approx(results["WCO"][-1])


def test_scores_without_members_are_asked_for(tmp_path, capsys) -> None:
    with pytest.raises(SystemExit) as left:
        main(["draw", str(written(tmp_path / "g.jsonl", gens())), "--out", str(tmp_path)])
    assert left.value.code == 2
    assert "--member" in capsys.readouterr().err


def test_pairs_are_written(tmp_path, capsys) -> None:
    rows = [{"instruction": "q", "input": "", "answers": ["a", "b"], "preference": 1}]
    main(["pairs", str(written(tmp_path / "p.jsonl", rows)), "--out", str(tmp_path / "out.jsonl")])
    assert "1 pairs" in capsys.readouterr().out
    assert read(tmp_path / "out.jsonl").rows.choice.tolist() == [2]
