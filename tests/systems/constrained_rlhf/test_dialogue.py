import json

import pytest

from guerdon.core.errors import ConfigError
from guerdon.core.task import Answer, Case, Task
from guerdon.systems.constrained_rlhf.dialogue import Intent, Meteor, Turn, daily_dialog, prompt_ids, turns
from guerdon.systems.constrained_rlhf.metric import Metric, diversity, library, meteor, quality, ranges_of

SAID = ["Hi .", "Hello .", "How are you ?", "Fine .", "Good .", "Bye .", "See you ."]
ACTS = [1, 1, 2, 1, 1, 3, 1]


def test_a_turn_has_five_utterances_before_it_at_most():
    found = list(turns(SAID, ACTS))
    assert len(found) == 6
    assert found[0] == Turn("Hi .<EOU>", "Hello .", 1)
    assert found[-1].prompt == "Hello .<EOU>How are you ?<EOU>Fine .<EOU>Good .<EOU>Bye .<EOU>"
    assert [turn.intent for turn in found] == ACTS[1:]


def test_reads_the_released_layout(tmp_path):
    folder = tmp_path / "train"
    folder.mkdir()
    lines = [" __eou__ ".join(some) + " __eou__\n" for some in (SAID, SAID[:2])]
    (folder / "dialogues_text_train.txt").write_text("".join(lines))
    (folder / "dialogues_act_train.txt").write_text("1 1 2 1 1 3 1\n1 1\n")
    found = daily_dialog(str(tmp_path), "train")
    assert len(found) == 7
    assert found[1] == Turn("Hi .<EOU>Hello .<EOU>", "How are you ?", 2)
    with pytest.raises(ConfigError, match="test"):
        daily_dialog(str(tmp_path), "test")


def test_reads_json_lines(tmp_path):
    file = tmp_path / "dialogues.jsonl"
    file.write_text(json.dumps({"dialog": SAID, "act": ACTS}) + "\n")
    assert daily_dialog(str(file)) == list(turns(SAID, ACTS))
    file.write_text(json.dumps({"text": "x"}) + "\n")
    with pytest.raises(ConfigError, match="dialog"):
        daily_dialog(str(file))


def test_reads_what_datasets_loads(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_list([{"dialog": SAID, "act": ACTS, "emotion": [0] * 7}])
    monkeypatch.setattr(datasets, "load_dataset", lambda source, split: rows)
    assert daily_dialog("daily_dialog", "test") == list(turns(SAID, ACTS))


def test_long_prompts_lose_their_beginning():
    class Letters:
        bos_token_id, eos_token_id = None, 0

        def __call__(self, text, add_special_tokens):
            return {"input_ids": [ord(each) for each in text]}

    assert prompt_ids(Letters(), ["abcd", "", "a"], longest=3) == [[98, 99, 100], [0], [97]]


def case(response, key, prompt="Hi .<EOU>How are you ?<EOU>"):
    return Case(Task("t", {"prompt": prompt}), Answer("t", response), key)


def test_the_intent_reward_compares_dialogue_acts(monkeypatch):
    reward = Intent(model="stand-in")
    heard = []
    monkeypatch.setattr(Intent, "acts", lambda self, texts: heard.extend(texts) or [1, 2, 1])
    scores = reward([case("Fine .", {"intent": 1}), case("And you ?", {"intent": 1}), case("Well .", {})])
    assert [score.value for score in scores] == [1.0, 0.0, None]
    assert heard[0] == "How are you ?<EOU>Fine .<EOU>"


def test_without_a_reference_nothing_is_scored():
    assert [score.value for score in Meteor()([case("Fine .", {})])] == [None]


def test_missing_libraries_say_what_to_install(monkeypatch):
    import importlib

    def gone(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", gone)
    with pytest.raises(ConfigError, match="pip install nltk"):
        meteor(["a"], ["a"])
    with pytest.raises(ConfigError, match="pip install sacrebleu"):
        quality(["a"], ["a"])
    with pytest.raises(ConfigError, match="pip install rouge-score"):
        library("rouge_score.rouge_scorer", "rouge-score")


def test_meteor_judges_each_response_by_itself():
    pytest.importorskip("nltk")
    try:
        found = meteor(["the cat sat", "a dog"], ["the cat sat", "the cat sat"])
    except ConfigError as error:
        pytest.skip(str(error))
    assert found[0] > 0.9 > found[1]


def test_quality_of_a_copy_is_one():
    pytest.importorskip("sacrebleu")
    pytest.importorskip("rouge_score")
    text = ["the cat sat on the mat today"] * 2
    assert quality(text, text) == pytest.approx({"sacrebleu": 1.0, "bleu": 1.0, "rouge2": 1.0})


def test_diversity_counts_trigrams():
    assert diversity(["a b c d", "a b c"]) == {"unique-3": 1.0, "vocabulary": 2.0, "longest": 4.0}
    assert diversity([]) == {"unique-3": 0.0, "vocabulary": 0.0, "longest": 0.0}


def test_the_metric_is_the_mean_of_two_normalised_means():
    ranges = dict.fromkeys(("sacrebleu", "rouge2", "bleu"), (0.0, 2.0))
    ranges |= dict.fromkeys(("unique-3", "vocabulary", "longest"), (10.0, 20.0))
    figures = {"sacrebleu": 1.0, "rouge2": 2.0, "bleu": 0.0, "unique-3": 10.0, "vocabulary": 20.0, "longest": 15.0}
    assert Metric(ranges=ranges).combined(figures) == pytest.approx(0.5 * (0.5 + 0.5))
    assert ranges_of([{"x": 2.0}, {"x": 1.0}]) == {"x": (1.0, 2.0)}
    with pytest.raises(ConfigError, match="rouge2"):
        Metric().combined({"sacrebleu": 1.0})
