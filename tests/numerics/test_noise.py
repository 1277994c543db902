import numpy as np
import pytest
from scipy.stats import pearsonr

from guerdon.core.errors import ConfigError
from guerdon.numerics.noise import average_repeats, noise_ceiling, signal_to_noise, zscore_sessions
from guerdon.numerics.reduce import Components
from guerdon.numerics.scores import correlations, jackknife_error, normalised, without_each


def test_signal_to_noise_is_found_again_and_the_ceiling_is_what_a_perfect_model_explains():
    rng = np.random.default_rng(0)
    true = np.array([0.0, 0.3, 0.6, 1.2])
    items = np.repeat(np.arange(3000), 3)
    signal = rng.normal(size=(3000, 4)) * true
    trials = signal[items] + rng.normal(size=(9000, 4))
    found = signal_to_noise(trials, items)
    np.testing.assert_allclose(found[1:], true[1:], atol=0.03)
    names, means, counts = average_repeats(trials, items)
    assert names.tolist() == list(range(3000))
    assert set(counts) == {3}
    explained = [np.corrcoef(signal[:, k], means[:, k])[0, 1] ** 2 for k in (1, 2, 3)]
    np.testing.assert_allclose(noise_ceiling(true, counts)[1:], explained, atol=0.03)


def test_the_ceiling_is_the_published_formula():
    repeats = [3] * 5 + [2] * 7 + [1] * 4
    ncsnr = np.array([0.2, 0.9])
    mixed = (5 / 3 + 7 / 2 + 4) / 16
    np.testing.assert_allclose(noise_ceiling(ncsnr, repeats), ncsnr**2 / (ncsnr**2 + mixed))


def test_sessions_are_scored_apart():
    rng = np.random.default_rng(1)
    trials = rng.normal(size=(20, 3)) * 4 + 100
    trials[:10, 2] = 6.0
    found = zscore_sessions(trials, [0] * 10 + [1] * 10)
    np.testing.assert_allclose(found[:10].mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(found[10:].std(0), 1, atol=1e-6)
    assert (found[:10, 2] == 0).all()
    with pytest.raises(ConfigError, match="one per row"):
        zscore_sessions(trials, [0] * 19)


def test_repeats_are_needed():
    with pytest.raises(ConfigError, match="shown once"):
        signal_to_noise(np.zeros((3, 2)), [1, 2, 3])
    with pytest.raises(ConfigError, match="once or more"):
        noise_ceiling([1.0], [0, 1])


def test_correlations_are_those_of_scipy_and_flat_places_have_none():
    rng = np.random.default_rng(2)
    one, two = rng.normal(size=(30, 5)).astype(np.float32), rng.normal(size=(30, 5)).astype(np.float32)
    two[:, 1] += 1e4 + one[:, 1]
    one[:, 4] = 0.1
    found = correlations(one, two)
    np.testing.assert_allclose(found[:4], [pearsonr(one[:, k], two[:, k]).statistic for k in range(4)], atol=1e-6)
    assert np.isnan(found[4])
    assert normalised(found, np.ones(5))[4] == 0


def test_leaving_items_out_is_leaving_rows_out():
    rng = np.random.default_rng(3)
    one, two = rng.normal(size=(12, 6)), rng.normal(size=(12, 6))
    two += one
    ceiling = rng.uniform(0.2, 1, 6)
    members = np.array([[1, 1, 1, 1, 1, 1], [0, 1, 0, 0, 1, 0]], bool)
    found = without_each(one, two, ceiling, members)
    for i in range(12):
        rest = np.arange(12) != i
        scores = normalised(correlations(one[rest], two[rest]), ceiling)
        np.testing.assert_allclose(found[i], [scores.sum(), scores[[1, 4]].sum()])


def test_a_place_that_varies_in_one_item_only_is_flat_without_it():
    rng = np.random.default_rng(0)
    count, places = 20, 60
    one, two = np.zeros((count, places), np.float32), rng.normal(size=(count, places)).astype(np.float32)
    one[rng.integers(0, count, places), np.arange(places)] = rng.uniform(0.1, 9, places)
    one[:, :20] += np.float32(0.37)
    one[:, 50:] = rng.normal(size=(count, 10))
    one[3, 50:] = 1e5
    found = without_each(one, two, np.full(places, 0.3), np.eye(places, dtype=bool))
    for i in range(count):
        left = normalised(correlations(np.delete(one, i, 0), np.delete(two, i, 0)), np.full(places, 0.3))
        np.testing.assert_allclose(found[i], left, rtol=1e-5, atol=1e-9)


def test_the_error_is_that_of_fresh_images():
    """Standard errors from one sample of images beside the spread over many samples."""
    rng = np.random.default_rng(4)
    estimates, errors = [], []
    mixing = rng.normal(size=(5, 40)) / 2
    for _ in range(60):
        truth = rng.normal(size=(80, 5)) @ mixing + rng.normal(size=(80, 40))
        guess = truth + 1.5 * rng.normal(size=(80, 40))
        score = normalised(correlations(guess, truth), np.full(40, 0.9))
        estimates.append(score.mean())
        errors.append(jackknife_error(without_each(guess, truth, np.full(40, 0.9), np.ones((1, 40), bool)) / 40)[0])
    assert 0.7 < np.mean(errors) / np.std(estimates) < 1.4


@pytest.mark.parametrize("shape", [(40, 8), (20, 50)])
def test_components_are_those_of_the_singular_value_decomposition(shape):
    rng = np.random.default_rng(5)
    x = (rng.normal(size=shape) * rng.uniform(0.5, 3, shape[1]) + 4).astype(np.float32)
    x[:, 3] = 1.0
    made = Components.fit(x, 5)
    z = (x - x.mean(0)) / np.where(x.std(0) > 1e-6, x.std(0), 1)
    _, s, vt = np.linalg.svd(z.astype(float), full_matrices=False)
    np.testing.assert_allclose(made.variances, s[:5] ** 2 / (shape[0] - 1), rtol=1e-4)
    np.testing.assert_allclose(np.abs(made.transform(x)), np.abs(z @ vt[:5].T), atol=2e-3)
    assert made.axes.shape == (shape[1], 5)
