"""The tiny text world against the same reward written as a plain loop, and what its answers look like."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream
from guerdon.worlds.tiny_text import (
    DIMENSIONS,
    END,
    FIRST_STYLE,
    FIRST_TOPIC,
    FIRST_WORD,
    LENGTHS,
    LONGEST,
    N_WORDS,
    PAD,
    PER_TOPIC,
    VOCABULARY,
    TinyText,
    lengths,
    read,
    say,
)

WORLD = TinyText(seed=101)


def by_hand(world: TinyText, prompt, answer) -> list[float]:
    words = []
    for token in answer:
        if token in (PAD, END):
            break
        words.append(token)
    n = max(len(words), 1)
    real = [w - FIRST_WORD if w >= FIRST_WORD else None for w in words]
    share = sum(w is not None and w // PER_TOPIC == prompt[0] - FIRST_TOPIC for w in real) / n
    relevance = 1 - ((share - world.sweet_spot) / world.tolerance) ** 2
    pairs = [(a, b) for a, b in pairwise(real) if a is not None and b is not None]
    coherence = sum(world.bigrams[a, b] for a, b in pairs) / max(len(words) - 1, 1)
    quality = sum(-3.0 if w is None else world.qualities[w] for w in real) / n
    variety = -(len(words) - len(set(words))) / n
    wanted = LENGTHS[prompt[1] - FIRST_STYLE]
    return [relevance, coherence, quality, variety, -abs(len(words) - wanted) / wanted]


ids = st.lists(st.integers(0, len(VOCABULARY) - 1), min_size=1, max_size=17)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 5), st.integers(0, 3), ids)
def test_the_dimensions_are_those_of_a_plain_loop(topic, style, answer) -> None:
    prompt = (FIRST_TOPIC + topic, FIRST_STYLE + style)
    found = WORLD.dimensions([prompt], [answer])[0]
    assert found == pytest.approx(by_hand(WORLD, prompt, answer))
    gold = WORLD.gold([prompt], [answer])[0]
    assert gold == pytest.approx(np.dot(WORLD.weights, by_hand(WORLD, prompt, answer)))


def test_padding_does_not_count() -> None:
    prompts = WORLD.prompts(50, stream(101, "p"))
    answers = WORLD.demonstrations(prompts, stream(101, "a"))
    wider = np.concatenate([answers, np.zeros((50, 5), int)], 1)
    rubbish = np.where(np.arange(22) > lengths(answers)[:, None], FIRST_WORD + 3, wider)
    assert np.array_equal(WORLD.gold(prompts, answers), WORLD.gold(prompts, wider))
    assert np.array_equal(WORLD.gold(prompts, answers), WORLD.gold(prompts, rubbish))


def test_all_follows_from_the_seed() -> None:
    one, two, other = TinyText(seed=5), TinyText(seed=5), TinyText(seed=6)
    prompts = one.prompts(20, stream(5, "p"))
    answers = one.demonstrations(prompts, stream(5, "a"))
    assert np.array_equal(answers, two.demonstrations(prompts, stream(5, "a")))
    assert np.array_equal(one.gold(prompts, answers), two.gold(prompts, answers))
    assert not np.allclose(one.gold(prompts, answers), other.gold(prompts, answers))


def test_demonstrations_are_answers() -> None:
    prompts = WORLD.prompts(4000, stream(101, "p"))
    answers = WORLD.demonstrations(prompts, stream(101, "a"))
    count = lengths(answers)
    assert answers.shape == (4000, LONGEST + 1)
    assert count.min() >= 1
    assert count.max() <= LONGEST
    assert (answers[np.arange(4000), count] == END).all()
    there = np.arange(LONGEST + 1) < count[:, None]
    assert (answers[there] >= FIRST_WORD).all()
    wanted = np.asarray(LENGTHS)[prompts[:, 1] - FIRST_STYLE]
    assert np.abs(count - wanted).max() <= 2
    on_topic = there & ((answers - FIRST_WORD) // PER_TOPIC == prompts[:, :1] - FIRST_TOPIC)
    assert 0.4 < on_topic.sum() / there.sum() < 0.6


def test_skill_raises_the_gold_reward_and_no_skill_knows_nothing() -> None:
    prompts = WORLD.prompts(3000, stream(101, "p"))
    means = {
        skill: WORLD.dimensions(prompts, WORLD.demonstrations(prompts, stream(101, "a"), skill=skill)).mean(0)
        for skill in (0.0, 0.5, 1.0)
    }
    for name in ("coherence", "quality"):
        k = DIMENSIONS.index(name)
        assert abs(means[0.0][k]) < 0.1
        assert means[1.0][k] > means[0.5][k] + 0.2 > 0.3


def test_calibrated_it_has_mean_0_and_sd_1() -> None:
    prompts = WORLD.prompts(500, stream(101, "p"))
    answers = WORLD.demonstrations(prompts, stream(101, "a"))
    gold = WORLD.calibrated(prompts, answers).gold(prompts, answers)
    assert gold.mean() == pytest.approx(0, abs=1e-9)
    assert gold.std() == pytest.approx(1)
    with pytest.raises(ConfigError, match="differ in reward"):
        WORLD.calibrated(prompts[:1], answers[:1])


@pytest.mark.parametrize(
    ("prompts", "answers"),
    [
        ([[2, 8]], [[60]]),
        ([[2, 8]], [[-1]]),
        ([[8, 2]], [[12]]),
        ([[2, 8]], [[12.5]]),
        ([[2, 8]], [[12], [13]]),
        ([2, 8], [[12]]),
        ([[2, 8]], [[]]),
    ],
)
def test_what_is_no_text_of_this_world_is_refused(prompts, answers) -> None:
    with pytest.raises(ConfigError):
        WORLD.gold(prompts, answers)


def test_text_and_ids_are_the_same() -> None:
    assert len(VOCABULARY) == len(set(VOCABULARY)) == FIRST_WORD + 48 == FIRST_WORD + N_WORDS
    every = list(range(2, len(VOCABULARY)))
    assert read(say(every)) == every
    with pytest.raises(ConfigError, match="zebra"):
        read("wave zebra")
