import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.core.errors import ConfigError, SolverError
from guerdon.search import KnnNovelty


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
