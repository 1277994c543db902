"""Where to stop: known peaks are found, flat curves are not called falls."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from guerdon.core.errors import ConfigError
from guerdon.prefer.overoptimisation import best_of_n, best_of_n_by_prompt
from guerdon.rlhf.overoptimisation import (
    best_of_n_course,
    course_of_history,
    read_history,
    read_samples,
    where_to_stop,
)


def hump(seed: int, prompts: int = 60, n: int = 256, bend: float = 1.6):
    """Gold reward rises with the proxy up to a point and falls beyond it."""
    rng = np.random.default_rng(seed)
    proxy = rng.normal(size=(prompts, n))
    gold = proxy - 0.8 * np.maximum(proxy - bend, 0) * 4 + rng.normal(size=(prompts, n))
    return proxy, gold


def test_the_means_over_prompts_are_best_of_n():
    proxy, gold = hump(1, 7, 32)
    at, found = best_of_n_by_prompt(proxy, gold)
    curve = best_of_n(proxy, gold)
    np.testing.assert_array_equal(at, curve.n)
    np.testing.assert_allclose(found.mean(2), [curve.proxy, curve.gold])
    each = [best_of_n(proxy[[p]], gold[[p]]).gold for p in range(7)]
    np.testing.assert_allclose(found[1].T, each)


def test_a_planted_peak_is_found_and_the_range_holds_it():
    proxy, gold = hump(2)
    stop = where_to_stop(best_of_n_course(proxy, gold))
    many = np.random.default_rng(0).normal(size=(4000, 256))
    truth = best_of_n(many, many - 3.2 * np.maximum(many - 1.6, 0))  # the same without noise
    best = int(truth.n[truth.peak])
    assert stop.over_optimised
    assert stop.low <= best <= stop.high
    assert stop.fall.low > 0
    assert stop.high < 256


def test_a_reward_that_is_its_own_gold_is_never_over_optimised():
    proxy, _ = hump(3)
    stop = where_to_stop(best_of_n_course(proxy, proxy))
    assert not stop.over_optimised
    assert stop.n == stop.high == 230
    assert stop.fall.value == 0


def test_a_flat_curve_rarely_passes_for_a_fall():
    alarms = 0
    for seed in range(100):
        rng = np.random.default_rng([9, seed])
        proxy, gold = rng.normal(size=(30, 64)), rng.normal(size=(30, 64))
        alarms += where_to_stop(best_of_n_course(proxy, gold), seed=seed, resamples=300).over_optimised
    assert alarms <= 10  # nominal 5 % one-sided at most


def test_members_disagree_more_where_the_proxy_is_wrong():
    rng = np.random.default_rng(4)
    truth = rng.normal(size=(40, 128))
    members = truth + 0.7 * rng.normal(size=(5, 40, 128)) * (1 + np.maximum(truth, 0))
    course = best_of_n_course(members.mean(0), truth, members=members)
    assert course.alarm[-1] > 1.5 * course.alarm[0]
    assert course.alarm[0] == pytest.approx(members.var(0).mean())


def rows(seed: int, fall: bool, n: int = 200):
    rng = np.random.default_rng(seed)
    for k in range(n):
        t = k / n
        gold = t - (2 * max(t - 0.5, 0) if fall else 0) + 0.05 * rng.normal()
        yield {"iteration": k, "kl": 10 * t, "proxy": 2 * t, "gold": gold}


def test_a_training_history_says_where_to_stop():
    stop = where_to_stop(course_of_history(rows(1, fall=True)))
    assert stop.over_optimised
    assert 80 <= stop.n <= 120
    assert stop.low <= 100 <= stop.high
    assert not where_to_stop(course_of_history(rows(1, fall=False))).over_optimised


def test_the_rows_of_the_training_loop_fit():
    told = [{**row, "reward": row["proxy"], "entropy": 1.0} for row in rows(1, fall=True)]
    for row in told:
        del row["proxy"]
    stop = where_to_stop(course_of_history([*told, {"iteration": 200, "gold": 0.0}]))
    assert stop.n == where_to_stop(course_of_history(rows(1, fall=True))).n


def test_rows_without_gold_are_left_out_and_too_few_are_refused():
    mixed = [row if k % 2 else {**row, "gold": None} for k, row in enumerate(rows(2, fall=True))]
    assert course_of_history(mixed).curve.n[-1] == 199
    with pytest.raises(ConfigError, match="9 rows"):
        course_of_history(list(rows(1, True))[:8])
    with pytest.raises(ConfigError, match="two prompts"):
        where_to_stop(best_of_n_course([[1.0, 2.0]], [[1.0, 2.0]]))


def test_released_and_plain_samples_are_read(tmp_path):
    released = [
        {"instruction": "Name a sea.", "input": "", "answers": ["a", "b"], "gold_scores": [1.0, 2.0]},
        {"instruction": "Add.", "input": "1, 2", "answers": ["3", "4", "5"], "gold_scores": [3.0, 1.0, 0.0]},
    ]
    (tmp_path / "released.json").write_text(json.dumps(released, indent=4))
    found = read_samples(tmp_path / "released.json")
    assert found.prompts == ["Name a sea.", "Add.\n1, 2"]
    assert found.answers == [["a", "b"], ["3", "4"]]
    assert found.gold.tolist() == [[1.0, 2.0], [3.0, 1.0]]
    assert np.isnan(found.proxy).all()
    plain = {"prompt": "p", "proxy": [1, 2], "gold": [0, 1], "members": [[1, 2], [3, 4], [5, 6]]}
    (tmp_path / "plain.jsonl").write_text(json.dumps(plain) + "\n\n" + json.dumps(plain) + "\n")
    found = read_samples(tmp_path / "plain.jsonl")
    assert found.members.shape == (3, 2, 2)
    assert found.members[1, 0].tolist() == [3, 4]
    assert found.answers == [[], []]


@pytest.mark.parametrize(
    "text",
    ['{"prompt": "p"}', '{"prompt": "p", "answers": ["a"], "gold": [1, 2]}', "[1]", "nonsense", ""],
)
def test_unusable_samples_are_named(tmp_path, text):
    (tmp_path / "x.jsonl").write_text(text)
    with pytest.raises(ConfigError):
        read_samples(tmp_path / "x.jsonl")
    with pytest.raises(ConfigError):
        read_samples(tmp_path / "missing.jsonl")


def test_a_history_is_json_lines_or_a_list(tmp_path):
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows(1, True, 10))))
    (tmp_path / "b.json").write_text(json.dumps(list(rows(1, True, 10))))
    assert read_history(tmp_path / "a.jsonl") == read_history(tmp_path / "b.json")
    kept = {"settings": {}, "history": list(rows(1, True, 10))}
    (tmp_path / "d.json").write_text(json.dumps(kept))
    assert read_history(tmp_path / "d.json") == read_history(tmp_path / "b.json")
    (tmp_path / "c.jsonl").write_text("[1]")
    with pytest.raises(ConfigError):
        read_history(tmp_path / "c.jsonl")
    assert math.isnan(where_to_stop(best_of_n_course(-np.eye(2) * 0, [[1.0, 0.0], [1.0, 0.0]], [1, 2])).relative)
