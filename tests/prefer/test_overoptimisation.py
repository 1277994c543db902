"""Best-of-n without bias: against every subset, against exact integers, and against drawing."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.core.errors import ConfigError
from guerdon.prefer.overoptimisation import Curve, best_of_n, best_of_n_kl, best_of_n_weights


def every_subset(proxy, gold, n: int) -> float:
    found = []
    for some in combinations(range(len(proxy)), n):
        best = max(proxy[k] for k in some)
        tied = [gold[k] for k in some if proxy[k] == best]
        found.append(sum(tied) / len(tied))
    return sum(found) / len(found)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(-9, 9)), min_size=2, max_size=8), st.data())
def test_it_is_the_mean_over_all_subsets_ties_included(rows, data) -> None:
    proxy, gold = [p for p, _ in rows], [g for _, g in rows]
    n = data.draw(st.integers(1, len(rows)))
    curve = best_of_n([proxy], [gold], [n])
    assert curve.gold[0] == pytest.approx(every_subset(proxy, gold, n), abs=1e-9)
    assert curve.proxy[0] == pytest.approx(every_subset(proxy, proxy, n), abs=1e-9)
    assert np.isnan(curve.gold_se[0])


def test_weights_are_those_of_exact_integers() -> None:
    for total, n in ((1, 1), (7, 7), (2048, 1800), (12_600, 12_500), (12_600, 3)):
        found = best_of_n_weights(total, n)
        assert found.sum() == pytest.approx(1, abs=1e-8)
        for i in {n, (n + total) // 2, total}:
            exact = math.comb(i - 1, n - 1) / math.comb(total, n)
            assert found[i - 1] == pytest.approx(exact, rel=1e-7, abs=1e-300)


def test_it_is_what_drawing_gives() -> None:
    rng = np.random.default_rng(0)
    gold = rng.standard_normal((40, 300))
    proxy = gold + rng.standard_normal((40, 300))
    curve = best_of_n(proxy, gold, [16])
    drawn = []
    for _ in range(300):
        some = rng.permuted(np.tile(np.arange(300), (40, 1)), axis=1)[:, :16]
        best = np.take_along_axis(some, np.take_along_axis(proxy, some, 1).argmax(1)[:, None], 1)
        drawn.append(np.take_along_axis(gold, best, 1).mean())
    assert np.mean(drawn) == pytest.approx(curve.gold[0], abs=4 * np.std(drawn) / 300**0.5)
    assert curve.gold_se[0] == pytest.approx(0.05, abs=0.05)


def test_standard_errors_are_over_prompts() -> None:
    curve = best_of_n([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 2.0], [0.0, 6.0]], [2])
    assert curve.gold[0] == pytest.approx(3)
    assert curve.gold_se[0] == pytest.approx(np.std([1, 2, 6], ddof=1) / 3**0.5)


def test_the_divergence_is_that_of_the_best_of_n() -> None:
    # the best of n of a uniform variable has the density n x^(n-1): KL = E[log n + (n-1) log x]
    x = (np.arange(1_000_000) + 0.5) / 1_000_000
    for n in (2, 5, 20):
        density = n * x ** (n - 1)
        assert best_of_n_kl(n) == pytest.approx((density * np.log(density)).mean(), abs=1e-4)
    assert best_of_n_kl(12_500) == pytest.approx(8.43, abs=0.01)


def test_falls_are_from_the_peak_to_the_end() -> None:
    def curve(*gold: float) -> Curve:
        k = len(gold)
        return Curve(np.arange(1, k + 1), np.arange(k, dtype=float), *(np.array(gold),) * 2, *(np.zeros(k),) * 2)

    risen = curve(1.0, 3.0, 5.0, 4.0)
    assert (risen.peak, risen.fall, risen.relative_fall) == (2, 1.0, 0.25)
    assert curve(1.0, 2.0).fall == 0.0
    assert (curve(2.0, 1.0).fall, curve(2.0, 1.0).relative_fall) == (1.0, 0.0)
    assert risen.distance.tolist() == pytest.approx([0, 1, 2**0.5, 3**0.5])


def test_what_cannot_be_measured_is_refused() -> None:
    for proxy, gold, n in (
        ([[1.0, 2.0]], [[1.0]], [1]),
        ([[1.0, 2.0]], [[1.0, 2.0]], [3]),
        ([[1.0, 2.0]], [[1.0, 2.0]], [0]),
        ([[1.0, math.nan]], [[1.0, 2.0]], [1]),
        ([1.0], [1.0], [1]),
    ):
        with pytest.raises(ConfigError):
            best_of_n(proxy, gold, n)
