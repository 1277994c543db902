from __future__ import annotations

import numpy as np
import pytest

from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream
from guerdon.rlhf.probing import Centroids, Converged, Published, probe, score


def blobs(classes: int, n: int = 600, d: int = 6, seed: int = 1, gap: float = 2.0):
    rng = stream(seed, "blobs")
    centres = gap * rng.standard_normal((classes, d))
    y = rng.integers(classes, size=n)
    return centres[y] + rng.standard_normal((n, d)), y


# ---- the converged probe ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 3])
def test_converged_probe_equals_scikit_learn(classes):
    linear = pytest.importorskip("sklearn.linear_model")
    x, y = blobs(classes, gap=0.5)
    x = x * np.array([1, 10, 0.1, 1, 1, 5])
    peer = linear.LogisticRegression(C=1.0, tol=1e-10, max_iter=5000).fit((x - x.mean(0)) / x.std(0), y)
    ours = Converged()(x, y, classes=classes)
    new, _ = blobs(classes, n=200, seed=2, gap=0.5)
    logits = ours.logits(new)
    ours_p = np.exp(logits - logits.max(1, keepdims=True))
    ours_p /= ours_p.sum(1, keepdims=True)
    np.testing.assert_allclose(ours_p, peer.predict_proba((new - x.mean(0)) / x.std(0)), atol=2e-4)


def test_converged_probe_does_not_depend_on_the_scale_of_features():
    x, y = blobs(2, gap=0.5)
    factor = np.array([1, 1e-4, 1e4, 1, 1, 1])
    one, other = Converged()(x, y).predict(x), Converged()(x * factor, y).predict(x * factor)
    np.testing.assert_array_equal(one, other)


def test_constant_feature_is_harmless():
    x, y = blobs(2)
    x[:, 0] = 7.0
    assert probe((x, y), (x, y)).accuracy > 0.8


# ---- the published probe ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 3])
def test_published_probe_equals_torch(classes):
    torch = pytest.importorskip("torch")
    x, y = blobs(classes, n=300)
    settings = Published(lrs=(1e-2,), batch=64)
    start = Published(lrs=(0.0,), batch=64)(x, y, classes=classes, seed=3).weights
    ours = settings(x, y, classes=classes, seed=3).weights
    theirs = torch.nn.Parameter(torch.tensor(start))
    adam = torch.optim.AdamW([theirs], lr=1e-2, betas=(0.9, 0.95), weight_decay=0.1)
    order = stream(3, "probe", "order", 0).permutation(len(y))
    plan = torch.optim.lr_scheduler.CosineAnnealingLR(adam, T_max=5)
    for at in range(0, 300, 64):
        some = order[at : at + 64]
        logits = torch.tensor(x[some]) @ theirs.T
        if classes == 2:
            target = torch.tensor(y[some]).double()
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits[:, 0], target)
        else:
            loss = torch.nn.functional.cross_entropy(logits, torch.tensor(y[some]))
        adam.zero_grad()
        loss.backward()
        adam.step()
        plan.step()
    np.testing.assert_allclose(ours, theirs.detach().numpy(), atol=1e-10)


def test_published_probe_misses_what_is_encoded_at_a_small_scale():
    x, y = blobs(2, n=2000, d=64)
    x[:, :32] *= 1e-3  # what tells
    x[:, 32:] = 10 * stream(9, "noise").standard_normal((2000, 32))
    assert probe((x, y), (x, y), Published()).accuracy < 0.7
    assert probe((x, y), (x, y)).accuracy > 0.95


def test_the_rate_is_chosen_on_held_out_samples():
    x, y = blobs(2, n=2000)
    assert Published(lrs=(1e-9, 0.1), epochs=5)(x - x.mean(0), y).lr == 0.1


# ---- scores ----------------------------------------------------------------------------------------------------------


def test_saying_always_the_same_is_degenerate_and_half_when_balanced():
    y = np.array([0] * 900 + [1] * 100)
    found = score(np.zeros(1000, int), y)
    assert (found.accuracy, found.majority, found.balanced) == (0.9, 0.9, 0.5)
    assert found.degenerate
    assert not score(y, y).degenerate


def test_balanced_accuracy_equals_scikit_learn():
    peer = pytest.importorskip("sklearn.metrics").balanced_accuracy_score
    rng = stream(5, "labels")
    y, said = rng.integers(3, size=200), rng.integers(3, size=200)
    assert score(said, y, 3).balanced == pytest.approx(peer(y, said))


def test_interval_of_balanced_accuracy_covers():
    rng = stream(6, "coverage")
    y = np.array([0] * 300 + [1] * 60)
    inside = 0
    for _ in range(400):
        said = np.where(rng.random(360) < np.where(y == 0, 0.9, 0.6), y, 1 - y)
        found = score(said, y)
        inside += abs(found.balanced - 0.75) <= found.balanced_half
    assert 0.92 <= inside / 400 <= 0.98


@pytest.mark.parametrize(
    ("features", "labels"),
    [(np.zeros((3, 2)), [0, 1]), (np.zeros((2, 2)), [0, 2]), (np.full((2, 2), np.nan), [0, 1]), (np.zeros((0, 2)), [])],
)
def test_what_does_not_fit_is_refused(features, labels):
    with pytest.raises(ConfigError):
        Converged()(features, np.asarray(labels, np.int64))


# ---- centroids -------------------------------------------------------------------------------------------------------


def test_distances_are_to_the_means_of_labels():
    x, y = blobs(2)
    found = Centroids.of({"a": (x, y)})
    np.testing.assert_allclose(found.distances(x)[:, 1], np.linalg.norm(x - x[y == 1].mean(0), axis=1))
    assert found.labels == (0, 1)
    assert found.threshold(x, 0.95) == pytest.approx(np.quantile(found.nearest(x), 0.95))


def test_mahalanobis_distance_equals_scipys_and_ignores_scale():
    spatial = pytest.importorskip("scipy.spatial.distance")
    x, y = blobs(2)
    found = Centroids.of({"a": (x, y)}, metric="mahalanobis", shrink=0.0)
    inverse = np.linalg.inv(np.cov(x[y == 0], rowvar=False))
    want = [spatial.mahalanobis(each, x[y == 0].mean(0), inverse) for each in x[:5]]
    np.testing.assert_allclose(found.distances(x[:5])[:, 0], want, rtol=1e-4)
    scaled = Centroids.of({"a": (x * 100, y)}, metric="mahalanobis", shrink=0.0)
    np.testing.assert_allclose(scaled.nearest(x * 100), found.nearest(x), rtol=1e-6)


def test_clusters_of_a_label_are_found():
    rng = stream(1, "clusters")
    at = np.array([[0.0, 0], [10, 0], [0, 10]])
    x = at[rng.integers(3, size=300)] + 0.1 * rng.standard_normal((300, 2))
    found = Centroids.of({"a": (x, np.zeros(300, int))}, clusters=3)
    assert found.nearest(at).max() < 0.1


def test_the_nearest_dimension_is_named():
    x, y = blobs(2)
    found = Centroids.of({"near": (x, y), "far": (x + 100, y)})
    assert set(found.relied_on(x)) == {"near"}
    assert set(found.relied_on(x + 100)) == {"far"}
    with pytest.raises(ConfigError):
        found.distances(x[:, :2])
