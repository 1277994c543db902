"""Prompts of published sets and exact answers."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from guerdon.core.errors import ConfigError
from guerdon.core.preference import Pair, from_reward
from guerdon.core.task import Answer, Case, Task
from guerdon.systems.tree_preference.answers import ExactAnswer, final_number
from guerdon.systems.tree_preference.prompts import load


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("She sold 48/2 = <<48/2=24>>24 clips.\n#### 72", "72"),
        ("#### -1,234.50", "-1234.50"),
        ("The answer is $1,000.", "1000"),
        ("x = 3. So it is 4", "4"),
        ("from -3 to .5", ".5"),
        ("#### 5 apples, not 6", "5"),
        ("no number", None),
        ("#### none, but 3 before", "3"),
    ],
)
def test_the_final_number_of_a_text(text: str, expected: str | None) -> None:
    assert final_number(text) == (None if expected is None else Decimal(expected))


def test_exact_answers_are_compared_as_numbers_and_two_right_ones_are_a_tie() -> None:
    task = Task("t", {"prompt": "?"})
    reward = ExactAnswer()
    values = [reward([Case(task, Answer("t", text), "so\n#### 7.50")])[0].value for text in ("it is 7.5", "8", "")]
    assert values == [1.0, 0.0, 0.0]
    pairs = [Pair(task, Answer("t", a), Answer("t", b), "#### 2") for a, b in (("2", "3"), ("2", "2.0"), ("1", "3"))]
    assert [each.outcome for each in from_reward(reward)(pairs)] == ["left", "tie", "tie"]
    assert reward([Case(task, Answer("t", "3"), None)])[0].value == 0.0


ROWS: dict[str, list[dict[str, Any]]] = {
    "gsm8k": [{"question": "2 + 2?", "answer": "#### 4"}],
    "dialogsum": [{"id": "1", "dialogue": "#A#: Hi", "summary": "A greets.", "topic": "x"}],
    "hh": [{"chosen": "\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant: d", "rejected": "..."}],
    "plain": [{"prompt": "say"}, {"prompt": "say"}, {"prompt": "more", "answer": 3}],
}
EXPECTED: dict[str, list[tuple[str, Any]]] = {
    "gsm8k": [("2 + 2?", "#### 4")],
    "dialogsum": [("Summarise the dialogue in one or two sentences.\n\n#A#: Hi", "A greets.")],
    "hh": [("\n\nHuman: a\n\nAssistant: b\n\nHuman: c\n\nAssistant:", None)],
    "plain": [("say", None), ("more", 3)],
}


@pytest.mark.parametrize("name", ROWS)
def test_published_sets_are_read(name: str, tmp_path: Path) -> None:
    lines = tmp_path / "p.jsonl"
    lines.write_text("\n".join(map(json.dumps, ROWS[name])))
    whole = tmp_path / "p.json"
    whole.write_text(json.dumps(ROWS[name]))
    assert load(str(lines)) == load(str(whole)) == EXPECTED[name]
    assert load(str(lines), 1) == EXPECTED[name][:1]


def test_parquet_and_csv_are_read(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text('id,dialogue,summary,topic\n1,"#A#: Hi",A greets.,x\n')
    assert load(str(tmp_path / "d.csv")) == EXPECTED["dialogsum"]
    arrow = pytest.importorskip("pyarrow")
    arrow.parquet = pytest.importorskip("pyarrow.parquet")
    arrow.parquet.write_table(arrow.Table.from_pylist(ROWS["gsm8k"]), tmp_path / "g.parquet")
    assert load(str(tmp_path / "g.parquet")) == EXPECTED["gsm8k"]


@pytest.mark.parametrize("text", ['{"text": "x"}', "not json", "", "[1]"])
def test_files_without_prompts_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text(text)
    with pytest.raises(ConfigError):
        load(str(tmp_path / "bad.jsonl"))


def test_a_hub_name_without_its_split_is_refused() -> None:
    pytest.importorskip("datasets")
    with pytest.raises(ConfigError, match="SPLIT"):
        load("hub:openai/gsm8k")
