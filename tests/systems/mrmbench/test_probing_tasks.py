from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream
from guerdon.systems.mrmbench.tasks import (
    DIMENSIONS,
    Sample,
    build,
    cuts,
    found_in,
    from_helpsteer,
    from_safe_rlhf,
    labelled,
    load,
    place,
    write,
)


@given(st.lists(st.integers(0, 4), min_size=5, max_size=60), st.sampled_from([2, 3]))
def test_cuts_are_as_even_as_can_be(ratings, classes):
    if len(set(ratings)) < classes:
        with pytest.raises(ConfigError):
            cuts(ratings, classes)
        return
    values = sorted(set(ratings))
    sizes = np.bincount(labelled(ratings, cuts(ratings, classes)), minlength=classes)
    best = max(
        min(np.histogram(ratings, [-1, *(values[k] - 0.5 for k in ends), 9])[0])
        for ends in combinations(range(1, len(values)), classes - 1)
    )
    assert sizes.min() == best


def test_hard_cuts_merge_neighbouring_ratings():
    assert cuts([0] * 5 + [1] * 10 + [2] * 30 + [3] * 30 + [4] * 25, 3) == (2.5, 3.5)
    assert labelled([0, 2, 3, 4], (2.5, 3.5)).tolist() == [0, 0, 1, 2]


def helpsteer(n=400, seed=1):
    rng = stream(seed, "helpsteer")
    rows = []
    for k in range(n):
        ratings = {name: int(rng.choice(5, p=[0.05, 0.05, 0.2, 0.4, 0.3])) for name in DIMENSIONS[1:]}
        rows.append({"prompt": f"p{k // 4}", "response": f"r{k}", **ratings})
    return rows


def safe(n=200, seed=2):
    rng = stream(seed, "safe")

    def row(k, side):
        return {f"response_{side}": f"s{k}-{side}", f"response_{side}_severity_level": int(rng.integers(4))}

    return [{"prompt": f"q{k // 2}", **row(k, 0), **row(k, 1)} for k in range(n)]


def test_tasks_are_built_in_the_published_format(tmp_path):
    rated = from_helpsteer(helpsteer()) + from_safe_rlhf(safe())
    card = build(rated, tmp_path, test=80, seed=3)
    assert found_in(tmp_path) == [(level, name) for level in ("easy", "hard") for name in DIMENSIONS]
    assert json.loads((tmp_path / "cuts.json").read_text()) == card
    for level, classes in (("easy", 2), ("hard", 3)):
        for name in DIMENSIONS:
            train, test = (load(tmp_path, level, name, part) for part in ("train", "test"))
            assert {each.label for each in test} == set(range(classes))
            assert not {each.input for each in train} & {each.input for each in test}
            assert len(test) == pytest.approx(80, abs=4)
            sizes = card["levels"][level][name]["classes"]
            assert sizes["test"] == np.bincount([each.label for each in test], minlength=classes).tolist()
    rows = json.loads(place(tmp_path, "easy", "verbosity", "test").read_text())
    assert set(rows[0]) == {"input", "output", "label"}


def test_severities_become_the_published_classes(tmp_path):
    rows = [
        {"prompt": f"p{k}", "response_0": "a", "response_0_severity_level": k % 4, "response_1": "b"}
        | {"response_1_severity_level": 0}
        for k in range(40)
    ]
    build(from_safe_rlhf(rows), tmp_path, test=10)
    for level, want in (("easy", {0: 1, 1: 0, 2: 0, 3: 0}), ("hard", {0: 2, 1: 1, 2: 0, 3: 0})):
        samples = load(tmp_path, level, "harmlessness", "train") + load(tmp_path, level, "harmlessness", "test")
        for each in samples:
            severity = int(each.input[1:]) % 4 if each.output == "a" else 0
            assert each.label == want[severity]


def test_a_response_in_several_pairs_is_taken_once():
    row = {"prompt": "p", "response_0": "a", "response_0_severity_level": 1}
    row |= {"response_1": "b", "response_1_severity_level": 0}
    assert len(from_safe_rlhf([row, row])) == 2


@pytest.mark.parametrize("label", [2, -1, "1", None, True, 0.5])
def test_labels_out_of_range_are_refused(tmp_path, label):
    path = place(tmp_path, "easy", "coherence", "train")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps([{"input": "a", "output": "b", "label": label}]))
    with pytest.raises(ConfigError):
        load(tmp_path, "easy", "coherence", "train")


@pytest.mark.parametrize("text", ["", "{}", "[]", "[1]", '[{"input": 1, "output": "b", "label": 0}]'])
def test_files_in_another_format_are_refused(tmp_path, text):
    path = place(tmp_path, "easy", "coherence", "train")
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(ConfigError):
        load(tmp_path, "easy", "coherence", "train")


def test_what_is_written_is_read(tmp_path):
    samples = [Sample("ein 'Text'\n", "été", 1), Sample("", "b", 0)]
    write(tmp_path, "hard", "coherence", "test", samples)
    assert load(tmp_path, "hard", "coherence", "test") == samples


@pytest.mark.parametrize("rows", [[{"prompt": "p"}], [{"prompt": "p", "response": "r", "coherence": "good"}]])
def test_rows_of_another_shape_are_refused(rows):
    with pytest.raises(ConfigError):
        from_helpsteer(rows)
    with pytest.raises(ConfigError):
        from_safe_rlhf(rows)
