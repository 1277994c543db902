from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.core.errors import ConfigError, SolverError
from guerdon.search import KnnNovelty, NgramNovelty
from guerdon.search.novelty import words


def brute(memory, vector, k, metric):
    if metric == "cosine":
        vector = vector / np.linalg.norm(vector)
        gaps = [1 - vector @ (other / np.linalg.norm(other)) for other in memory]
    else:
        gaps = [np.linalg.norm(vector - other) for other in memory]
    return np.mean(sorted(gaps)[:k])


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 6), st.sampled_from(["cosine", "euclid"]))
def test_novelty_is_the_mean_distance_to_the_nearest(seed, size, k, metric):
    rng = np.random.default_rng(seed)
    memory, batch = rng.normal(size=(size, 4)), rng.normal(size=(5, 4))
    knn = KnnNovelty(dim=4, k=k, metric=metric)
    for part in np.array_split(memory, 3):
        knn.add(part)
    expected = [brute(memory, vector, k, metric) for vector in batch]
    assert knn.novelty(batch) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("metric", ["cosine", "euclid"])
def test_a_duplicate_is_at_distance_zero_exactly(metric):
    vectors = np.random.default_rng(0).normal(size=(500, 30)) * 1e6
    knn = KnnNovelty(dim=30, k=1, metric=metric)
    knn.add(vectors)
    assert knn.novelty(vectors).tolist() == [0.0] * 500


def test_vectors_that_say_nothing_are_unknown_and_not_remembered():
    odd = [[0.0, 0.0], [float("nan"), 1.0], [float("inf"), 1.0], [1e-200, 0.0]]
    cosine, euclid = KnnNovelty(dim=2, k=1), KnnNovelty(dim=2, k=1, metric="euclid")
    assert cosine.add(odd).tolist() == [False, False, False, True]
    assert euclid.add(odd).tolist() == [True, False, False, True]
    assert np.isnan(cosine.novelty(odd)).tolist() == [True, True, True, False]
    assert cosine.novelty([[3.0, 0.0]]).tolist() == [0.0]
    assert euclid.novelty([[0.0, 2.0], [1e300, 0.0]]).tolist() == pytest.approx([2.0, float("nan")], nan_ok=True)


def test_nothing_remembered_and_nothing_asked():
    knn = KnnNovelty(dim=3, first=0.7)
    assert knn.novelty(np.ones((2, 3))).tolist() == [0.7, 0.7]
    assert knn.novelty(np.zeros((0, 3))).tolist() == []
    assert knn.add(np.zeros((0, 3))).tolist() == []


def test_another_dimension_is_refused():
    knn = KnnNovelty(dim=3)
    for call in (knn.add, knn.novelty):
        with pytest.raises(SolverError, match=r"\(B, 3\)"):
            call(np.ones((2, 4)))
    with pytest.raises(ConfigError):
        KnnNovelty(dim=0)


def test_the_oldest_are_forgotten_and_a_saved_memory_goes_on(tmp_path):
    knn = KnnNovelty(dim=1, k=1, metric="euclid", capacity=3)
    knn.add([[0.0], [10.0]])
    knn.add([[20.0], [30.0]])
    assert knn.novelty([[0.0], [30.0]]).tolist() == [10.0, 0.0]
    knn.save(tmp_path)
    again = KnnNovelty.load(tmp_path)
    for memory in (knn, again):
        memory.add([[float(i)] for i in range(100, 107)])
        assert memory.novelty([[104.0], [103.0]]).tolist() == [0.0, 1.0]
        memory.add([[0.5]])
        assert memory.novelty([[0.0], [104.0]]).tolist() == [0.5, 1.0]
    assert len(again) == 3


def grams(tokens, n):
    return Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))


def bleu(tokens, others, n, smoothing=0.1):
    """By the definition, over the whole pool."""
    product = 1.0
    for k in range(1, n + 1):
        own, most = grams(tokens, k), Counter()
        for other in others:
            most |= grams(other, k)
        met = sum((own & most).values())
        if k == 1 and not met:
            return 0.0
        product *= (met or smoothing) / max(1, sum(own.values()))
    nearest = min((abs(len(other) - len(tokens)), len(other)) for other in others)[1]
    return min(1.0, float(np.exp(1 - nearest / len(tokens)))) * product ** (1 / n)


TEXTS = st.lists(st.lists(st.sampled_from("abcde"), min_size=1, max_size=9), min_size=2, max_size=9)
ORDERS = st.lists(st.integers(1, 5), min_size=1, max_size=3, unique=True)


@settings(max_examples=80, deadline=None)
@given(TEXTS, ORDERS)
def test_ngram_novelty_is_one_less_bleu_over_the_whole_pool(texts, orders):
    *pool, new = texts
    memory = NgramNovelty(orders=orders)
    memory.add(pool[: len(pool) // 2])
    memory.add(pool[len(pool) // 2 :])
    assert memory.novelty([new])[0] == pytest.approx(1 - np.mean([bleu(new, pool, n) for n in orders]), abs=1e-12)
    memory.add([new])
    rest = [texts[:i] + texts[i + 1 :] for i in range(len(texts))]
    expected = [1 - np.mean([bleu(text, others, n) for n in orders]) for text, others in zip(texts, rest)]
    assert memory.among() == pytest.approx(expected, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(TEXTS, ORDERS)
def test_ngram_novelty_equals_nltk(texts, orders):
    score = pytest.importorskip("nltk.translate.bleu_score", reason="needs pip install nltk")
    *pool, new = texts
    memory = NgramNovelty(orders=orders)
    memory.add(pool)
    smooth = score.SmoothingFunction().method1
    values = [score.sentence_bleu(pool, new, weights=[1 / n] * n, smoothing_function=smooth) for n in orders]
    assert memory.novelty([new])[0] == pytest.approx(1 - np.mean(values), abs=1e-12)


def test_ngram_values_worked_by_hand():
    memory = NgramNovelty(orders=(2,))
    memory.add(["the cat sat", "the the"])
    # "the the cat": 3 of 3 words (two "the" in one text), 2 of 2 pairs; as long as the nearest text.
    assert memory.novelty(["the the cat"])[0] == pytest.approx(0.0)
    # "the dog sat down": words 2/4, pairs 0 of 3 smoothed to 0.1/3, longer than any text.
    assert memory.novelty(["the dog sat down"])[0] == pytest.approx(1 - (0.5 * 0.1 / 3) ** 0.5)
    # "cat": words 1/1, no pair at all: 0.1/1; the nearest text has 2 words.
    assert memory.novelty(["cat"])[0] == pytest.approx(1 - np.exp(1 - 2) * 0.1**0.5)


def test_texts_without_words_are_unknown_and_not_remembered():
    memory = NgramNovelty()
    assert memory.add(["", "   ", "...", "a"]).tolist() == [False, False, True, True]
    assert len(memory) == 2
    found = memory.novelty(["", [], "b"])
    assert np.isnan(found[:2]).all()
    assert found[2] == 1.0
    assert NgramNovelty(first=0.5).novelty(["x"]).tolist() == [0.5]
    alone = NgramNovelty(first=0.5)
    alone.add(["only one"])
    assert alone.among().tolist() == [0.5]
    assert words("a-b c") == ["a", "-", "b", "c"]


def test_ngram_memory_is_saved_whole(tmp_path):
    memory = NgramNovelty(orders=(1, 3), smoothing=0.2)
    memory.add(["a b a b", ["x", "y z"], "b b b"])
    memory.save(tmp_path)
    again = NgramNovelty.load(tmp_path)
    assert again.among().tolist() == memory.among().tolist()
    for each in (memory, again):
        each.add(["a b c"])
    assert again.novelty(["c a b"]).tolist() == memory.novelty(["c a b"]).tolist()


def test_ngram_settings_and_tokens_that_mean_nothing():
    for bad in ({"orders": ()}, {"orders": (0,)}, {"orders": (2.0,)}, {"smoothing": 0.0}, {"smoothing": float("nan")}):
        with pytest.raises(ConfigError):
            NgramNovelty(**bad)
    with pytest.raises(SolverError, match="lists of strings"):
        NgramNovelty().add([[1, 2]])
