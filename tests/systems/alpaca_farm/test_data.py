"""The data of AlpacaFarm: prompts to the letter, splits from files, pairs of samples, outputs."""

import json

import pytest

from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream
from guerdon.systems.alpaca_farm.data import (
    Instruction,
    Outputs,
    load,
    pairs,
    pairs_of_samples,
    rows_of,
    write_outputs,
)

ROW = {"instruction": "Name a colour.", "input": "", "output_1": "Red", "output_2": "A dog", "preference": 1}


def test_prompts_are_those_that_published_models_read() -> None:
    bare = Instruction("Name a colour.").prompt
    assert bare.startswith("Below is an instruction that describes a task. Write a response")
    assert bare.endswith("### Instruction:\nName a colour.\n\n### Response:")
    full = Instruction("Say {input} twice.", "a {instruction}").prompt
    assert "### Instruction:\nSay {input} twice.\n\n### Input:\na {instruction}\n\n### Response:" in full
    assert "paired with an input" in full
    assert "paired" not in bare


def test_the_same_instruction_is_the_same_task() -> None:
    one, two = Instruction("a", "b", "x"), Instruction("a", "b", "y", "other")
    assert one.task == two.task != Instruction("a b").task
    assert one.task.data["prompt"] == "a\n\nb"


def test_splits_are_read_from_a_folder(tmp_path) -> None:
    (tmp_path / "sft.json").write_text(json.dumps([{"instruction": "i", "input": "", "output": "o"}]))
    (tmp_path / "alpaca_noisy_multi_preference.json").write_text(json.dumps([ROW, {**ROW, "preference": 1.5}]))
    assert load(tmp_path, "sft")[0]["output"] == "o"
    found = pairs(tmp_path, "noisy")
    assert [found.row(k)["choice"] for k in range(2)] == ["first", "tie"]
    own = tmp_path / "own.json"
    own.write_text(json.dumps([ROW]))
    assert len(pairs(own)) == 1


@pytest.mark.parametrize("split", ["val", "nonsense"])
def test_a_split_that_is_not_there_is_named(tmp_path, split) -> None:
    with pytest.raises(ConfigError, match=split):
        load(tmp_path, split)


def test_splits_on_the_hub_are_asked_for_by_their_published_names(monkeypatch) -> None:
    datasets = pytest.importorskip("datasets")
    asked = []
    monkeypatch.setattr(datasets, "load_dataset", lambda *a, **k: asked.append((a, k)) or [{"instruction": "i"}])
    assert load("tatsu-lab/alpaca_farm", "unlabeled") == [{"instruction": "i"}]
    assert asked[0][0] == ("tatsu-lab/alpaca_farm", "alpaca_instructions")
    assert asked[0][1]["split"] == "unlabeled"


def test_pairs_are_drawn_of_samples_without_repeating_one() -> None:
    rows = [{"instruction": "i", "input": "", "output": ["a", "b", "c"]}] * 5
    found = pairs_of_samples(rows, stream(1, "x"), each=3)
    assert len(found) == 15
    assert {(row["output_1"], row["output_2"]) for row in found} == {("a", "b"), ("a", "c"), ("b", "c")}
    with pytest.raises(ConfigError, match="row 0"):
        pairs_of_samples([{"instruction": "i", "output": ["only"]}], stream(1, "x"))


def test_outputs_go_to_a_file_and_come_back(tmp_path) -> None:
    asked = [Instruction("a", dataset="vicuna"), Instruction("b", "c")]
    write_outputs(tmp_path / "out.json", asked, ["x", "y"], "ours")
    found = Outputs.read(tmp_path / "out.json")
    assert found.generator == "ours"
    assert [found.answers[each.task.id] for each in asked] == ["x", "y"]
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    "rows",
    [
        [{"instruction": "a", "output": "x"}] * 2,
        [{"instruction": "a"}],
        [{"output": "x"}],
        [{"instruction": 3, "output": "x"}],
        ["a"],
    ],
)
def test_files_that_are_not_outputs_are_refused(tmp_path, rows) -> None:
    (tmp_path / "out.json").write_text(json.dumps(rows))
    with pytest.raises(ConfigError):
        Outputs.read(tmp_path / "out.json")


def test_rows_are_lists_or_lines(tmp_path) -> None:
    (tmp_path / "a.jsonl").write_text('{"x": 1}\n\n{"x": 2}\n')
    assert rows_of(tmp_path / "a.jsonl") == [{"x": 1}, {"x": 2}]
    (tmp_path / "a.json").write_text("{")
    for name in ("a.json", "none.json"):
        with pytest.raises(ConfigError):
            rows_of(tmp_path / name)
