from __future__ import annotations

import numpy as np
import pytest

from guerdon.core.errors import ConfigError
from guerdon.core.reward import reward
from guerdon.core.rng import stream
from guerdon.core.task import Answer, Case, Task
from guerdon.rlhf.contrast import WordVectors
from guerdon.systems.rm_consistency.fusion import FusedReward, Fusion, Index, texts_of

ASKED = ["mend a kettle", "mend a pot", "paint a boat", "paint a ship", "mend a kettle"]
SAID = ["solder it", "solder it", "two coats", "two coats", "solder it"]
ENCODE = WordVectors.of(texts_of(ASKED, SAID))


def index():
    return Index.of(ASKED, SAID, ENCODE)


def by_formula(score, texts_index, instructions, responses, most, threshold):
    """R* by its definition, text by text."""
    found = []
    for asked, said in zip(instructions, responses):
        x = texts_of([asked], [said])[0]
        v = np.asarray(ENCODE([x]))[0]
        near = sorted(((float(np.asarray(ENCODE([t]))[0] @ v), k) for k, t in enumerate(texts_index.texts) if t != x))
        near = [(c, k) for c, k in near[::-1] if c >= threshold][:most]
        weights = [1.0] + [c for c, _ in near]
        values = [score([asked], [said])[0]]
        values += [score([texts_index.instructions[k]], [texts_index.responses[k]])[0] for _, k in near]
        found.append(np.dot(weights, values) / sum(weights))
    return np.array(found)


def lengths(instructions, responses):
    return np.array([float(len(a) + 10 * len(b)) for a, b in zip(instructions, responses)])


def test_index_holds_no_text_twice():
    assert len(index()) == 4
    with pytest.raises(ConfigError):
        Index.of([], [], ENCODE)


@pytest.mark.parametrize(("most", "threshold"), [(5, 0.0), (2, 0.3), (1, 0.6), (5, 0.999)])
def test_fused_rewards_follow_the_formula(most, threshold):
    fusion = Fusion(lengths, index(), most=most, threshold=threshold)
    asked, said = ["mend a lamp", "paint a boat", "eat"], ["solder it", "two coats", "soup"]
    want = by_formula(lengths, fusion.index, asked, said, most, max(threshold, 1e-9))
    np.testing.assert_allclose(fusion(asked, said), want, rtol=1e-6)


def test_a_text_is_not_its_own_neighbour():
    places, cosines = index().near(index().texts, 4, 0.0)
    assert all(k not in row[value > 0] for k, (row, value) in enumerate(zip(places, cosines)))


def test_without_neighbours_a_reward_is_as_it_was():
    fusion = Fusion(lengths, index(), threshold=1.01)
    np.testing.assert_array_equal(fusion(["eat"], ["soup"]), lengths(["eat"], ["soup"]))
    assert fusion.used(["eat"], ["soup"]) == 0.0


def test_threshold_is_a_quantile_of_nearest_neighbours():
    found = index()
    vectors = np.asarray(ENCODE(found.texts))
    cosines = vectors @ vectors.T - 2 * np.eye(4)
    assert found.threshold(0.5) == pytest.approx(float(np.quantile(cosines.max(1), 0.5)), abs=1e-6)
    with pytest.raises(ConfigError):
        found.threshold(1.5)


def test_unknown_rewards_of_neighbours_are_left_out_and_own_ones_stay():
    def score(instructions, responses):
        return np.array([np.nan if "ship" in asked or "lamp" in asked else 1.0 for asked in instructions])

    fused = Fusion(score, index(), threshold=0.01)(["paint a boat", "mend a lamp"], ["two coats", "solder it"])
    assert fused[0] == 1.0
    assert np.isnan(fused[1])


def case(prompt, answer):
    task = Task(f"t/{prompt}", {"prompt": prompt})
    return Case(task, Answer(task.id, answer), None)


def test_any_reward_is_wrapped():
    @reward(range=(0, 1000))
    def length(text):
        return None if text == "soup" else float(len(text))

    def score(instructions, responses):
        return np.array([float(len(text)) for text in responses])

    fused = FusedReward(length, index(), threshold=0.05)
    told = fused([case("mend a lamp", "glue"), case("eat", "soup")])
    want = Fusion(score, index(), threshold=0.05)(["mend a lamp"], ["glue"])[0]
    assert told[0].value == pytest.approx(want)
    assert told[0].value != 4.0
    assert told[1].value is None


def test_larger_batches_give_the_same():
    rng = stream(1, "texts")
    words = ["mend", "paint", "a", "kettle", "boat", "pot"]
    asked = [" ".join(rng.choice(words, 4)) for _ in range(30)]
    fusion = Fusion(lengths, index(), threshold=0.2)
    whole = fusion(asked, ["two coats"] * 30)
    np.testing.assert_allclose(whole, [fusion([a], ["two coats"])[0] for a in asked])
