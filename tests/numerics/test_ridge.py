import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon.core.errors import ConfigError
from guerdon.numerics.folds import split
from guerdon.numerics.ridge import Ridge

ALPHAS = (0.1, 1.0, 30.0, 1e3)


def solved(x, y, alpha):
    """Ridge with an unpenalised intercept, from the normal equations, in double precision."""
    x, y = x.astype(float), y.astype(float)
    moved = x - x.mean(0)
    w = np.linalg.solve(moved.T @ moved + alpha * np.eye(x.shape[1]), moved.T @ (y - y.mean(0)))
    return w, y.mean(0) - x.mean(0) @ w


def chosen(x, y, alphas, folds, groups=None):
    """Penalties and scores by fitting every fold, penalty and target afresh."""
    scores = np.zeros((len(alphas), y.shape[1]))
    for rows in np.array_split(np.arange(len(x)), folds):
        rest = np.setdiff1d(np.arange(len(x)), rows)
        for a, alpha in enumerate(alphas):
            w, b = solved(x[rest], y[rest], alpha)
            scores[a] -= ((x[rows] @ w + b - y[rows]) ** 2).mean(0) / folds
    return scores


def data(rng, n, p, t, dtype=np.float64):
    x = rng.normal(size=(n, p)) @ np.diag(np.geomspace(3, 0.1, p)) + rng.normal(size=p) * 5
    noise = np.geomspace(0.1, 30, t)
    y = x @ rng.normal(size=(p, t)) + noise * rng.normal(size=(n, t)) + 7
    return x.astype(dtype), y.astype(dtype)


@pytest.mark.parametrize(("n", "p"), [(60, 4), (60, 25), (40, 90)])
@pytest.mark.parametrize("grouped", [False, True])
def test_equal_to_the_normal_equations_of_each_fold(n, p, grouped):
    x, y = data(np.random.default_rng(n + p), n, p, 13)
    labels = np.arange(13) // 5 if grouped else None
    fit = Ridge(alphas=ALPHAS, folds=4).fit(x, y, labels)
    scores = chosen(x, y, ALPHAS, 4)
    if grouped:
        best = np.array([scores[:, labels == g].mean(1).argmax() for g in range(3)])[labels]
    else:
        best = scores.argmax(0)
    assert fit.alphas.tolist() == [ALPHAS[a] for a in best]
    assert len(set(fit.alphas.tolist())) > 1
    np.testing.assert_allclose(fit.scores, scores[best, np.arange(13)], rtol=1e-8)
    for k in range(13):
        w, b = solved(x, y[:, [k]], fit.alphas[k])
        np.testing.assert_allclose(fit.weights[:, k], w[:, 0], rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(fit.intercept[k], b[0], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("n", "p"), [(60, 25), (40, 90)])
def test_little_memory_changes_nothing_where_predictions_are_made(n, p):
    """With room for the matrices that predict, and without."""
    x, y = data(np.random.default_rng(n), n, p, 13)
    rich, poor = (Ridge(alphas=ALPHAS, folds=4, memory_mb=mb).fit(x, y) for mb in (512, 0.05))
    np.testing.assert_allclose(rich.scores, chosen(x, y, ALPHAS, 4).max(0), rtol=1e-8)
    np.testing.assert_allclose(poor.scores, rich.scores, rtol=1e-9)
    np.testing.assert_allclose(poor.weights, rich.weights, rtol=1e-7, atol=1e-9)


@given(st.integers(6, 40), st.integers(1, 50), st.integers(1, 6), st.integers(2, 5), st.integers(0, 9))
def test_scores_are_those_of_plain_cross_validation(n, p, t, folds, seed):
    x, y = data(np.random.default_rng(seed), n, p, t)
    fit = Ridge(alphas=ALPHAS, folds=folds).fit(x, y)
    np.testing.assert_allclose(fit.scores, chosen(x, y, ALPHAS, folds).max(0), rtol=1e-6)


def test_single_precision_chooses_alike_and_blocks_change_nothing(tmp_path):
    x, y = data(np.random.default_rng(5), 300, 20, 200, np.float32)
    whole = Ridge(alphas=ALPHAS).fit(x, y)
    np.save(tmp_path / "y.npy", y)
    small = Ridge(alphas=ALPHAS, memory_mb=0.2)
    seen = []
    parts = small.fit(x, tmp_path / "y.npy", on_block=lambda done, of: seen.append((done, of)))
    assert len(seen) > 3
    assert seen[-1] == (200, 200)
    assert whole.weights.dtype == np.float32
    np.testing.assert_allclose(parts.weights, whole.weights, rtol=1e-4, atol=1e-5)
    exact = Ridge(alphas=ALPHAS).fit(x.astype(float), y.astype(float))
    assert (exact.alphas == whole.alphas).mean() > 0.98
    np.testing.assert_allclose(whole.predict(x[:9]), exact.predict(x[:9].astype(float)), rtol=1e-3, atol=5e-2)


def test_correlation_prefers_what_squared_error_prefers_on_clear_data():
    x, y = data(np.random.default_rng(2), 200, 10, 30)
    one, two = (Ridge(alphas=(0.01, 1e7), select=how).fit(x, y) for how in ("mse", "r"))
    assert one.alphas[:10].tolist() == two.alphas[:10].tolist() == [0.01] * 10
    assert (two.scores[:10] > 0.8).all()


def test_one_penalty_needs_no_folds_and_constant_targets_are_their_mean():
    x, y = data(np.random.default_rng(3), 30, 4, 3)
    y[:, 1] = 2.5
    fit = Ridge(alphas=(1.0,)).fit(x, y)
    np.testing.assert_allclose(fit.weights[:, [0]], solved(x, y[:, [0]], 1.0)[0], rtol=1e-8)
    np.testing.assert_allclose(fit.predict(x)[:, 1], 2.5)
    assert np.isfinite(Ridge(alphas=ALPHAS).fit(x, y).weights).all()


def test_what_cannot_be_fitted_is_said():
    x, y = data(np.random.default_rng(4), 30, 4, 3)
    with pytest.raises(ConfigError, match="the same items"):
        Ridge().fit(x[:-1], y)
    y[4, 2] = np.nan
    with pytest.raises(ConfigError, match="column 2"):
        Ridge().fit(x, y)
    with pytest.raises(ConfigError, match="Raise memory_mb"):
        Ridge(memory_mb=1e-6).fit(x, y)
    with pytest.raises(ConfigError, match="folds"):
        split(3, 4)
    with pytest.raises(ConfigError, match="above 0"):
        Ridge(alphas=(0.0,))


def test_memory_stays_within_its_bound(tmp_path):
    """What is held beside X and the result, counted by the allocator; targets lie in a file."""
    import tracemalloc

    rng = np.random.default_rng(6)
    x = rng.normal(size=(400, 500)).astype(np.float32)
    np.save(tmp_path / "y.npy", rng.normal(size=(400, 5000)).astype(np.float32))
    for width, bound in ((30, 1.0), (30, 3.0), (200, 6.0), (200, 20.0), (500, 6.0), (500, 20.0)):
        tracemalloc.start()
        some = np.ascontiguousarray(x[:, :width])
        fit = Ridge(memory_mb=bound).fit(some, tmp_path / "y.npy")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        result = fit.weights.nbytes + fit.intercept.nbytes + 3 * fit.alphas.nbytes
        shared = 2 * some.nbytes + 2 * 8 * min(width, len(x)) ** 2
        assert peak < bound * 2**20 + result + shared
