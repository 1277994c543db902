import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.core.errors import ConfigError
from guerdon.prefer.calibration import (
    accuracy_by,
    brier,
    expected_error,
    flip_rate,
    floor_error,
    isotonic,
    length_bias,
    log_loss,
    platt,
    position_bias,
    reliability,
    temperature,
)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def drawn(seed, scale=1.0, m=4000):
    """Logits of a judge that is overconfident by `scale`, and outcomes."""
    rng = np.random.default_rng(seed)
    true = rng.normal(size=m) * 1.5
    return scale * true, (rng.random(m) < sigmoid(true)).astype(float)


def test_a_calibrated_judge_lies_on_the_diagonal_and_at_the_floor():
    logit, won = drawn(401)
    p = sigmoid(logit)
    for one in reliability(p, won):
        assert one.low - 0.03 < one.stated < one.high + 0.03
    error, floor = expected_error(p, won), floor_error(p)
    assert error.value < 2 * floor < 0.04
    assert expected_error(sigmoid(3 * logit), won).low > 3 * floor


def test_bins_hold_every_prediction_once_whatever_their_kind():
    logit, won = drawn(402, m=501)
    p = np.r_[sigmoid(logit), 0.0, 1.0, 1.0]
    won = np.r_[won, 0.0, 1.0, 1.0]
    for equal in (False, True):
        found = reliability(p, won, bins=7, equal_counts=equal)
        assert sum(one.count for one in found) == len(p)
        assert sum(one.count * one.seen for one in found) == pytest.approx(won.sum())
        assert sum(one.count * one.stated for one in found) == pytest.approx(p.sum())
    counts = [one.count for one in reliability(p, won, bins=7, equal_counts=True)]
    assert max(counts) - min(counts) <= 4


def test_expected_error_by_hand():
    # two bins: stated 0.2 and seen 0.5 (2 of 4), stated 0.8 and seen 0.75
    p, won = [0.2] * 4 + [0.8] * 4, [1, 1, 0, 0, 1, 1, 1, 0]
    found = expected_error(p, won, bins=2, equal_counts=False)
    assert found.value == pytest.approx((0.3 + 0.05) / 2)
    assert found.low <= found.value <= found.high


def test_brier_and_log_loss_equal_scikit_learn_s():
    metrics = pytest.importorskip("sklearn.metrics")
    logit, won = drawn(403, m=500)
    assert brier(sigmoid(logit), won) == pytest.approx(metrics.brier_score_loss(won, sigmoid(logit)))
    assert log_loss(logit, won) == pytest.approx(metrics.log_loss(won, sigmoid(logit)))
    assert math.isfinite(log_loss([1e6, -1e6], [0, 1]))
    assert brier([0.5, 0.5], [0, 1]) == 0.25


@pytest.mark.parametrize("scale", [0.25, 1.0, 4.0, 1e6])
def test_temperature_undoes_overconfidence(scale):
    logit, won = drawn(404, scale)
    found = temperature(logit, won)
    assert found.slope == pytest.approx(1 / scale, rel=0.1)
    assert found.offset == 0.0
    swapped = temperature(-logit, 1 - won)
    assert swapped.slope == pytest.approx(found.slope)
    assert log_loss(found.slope * logit, won) <= log_loss(logit, won) + 1e-12


def test_platt_equals_unpenalised_logistic_regression():
    linear = pytest.importorskip("sklearn.linear_model")
    logit, won = drawn(405, 2.0)
    other = linear.LogisticRegression(C=1e10, tol=1e-10, max_iter=1000).fit(logit[:, None] + 0.7, won)
    found = platt(logit + 0.7, won)
    assert found.slope == pytest.approx(other.coef_[0, 0], rel=1e-4)
    assert found.offset == pytest.approx(other.intercept_[0], rel=1e-3)
    np.testing.assert_allclose(found([0.0, 1.0]), sigmoid(found.offset + found.slope * np.array([0, 1])))


def test_isotonic_is_monotone_and_helps():
    pytest.importorskip("sklearn")
    logit, won = drawn(406, 3.0)
    found = isotonic(logit[:2000], won[:2000])
    chances = found.predict(np.sort(logit[2000:]))
    assert (np.diff(chances) >= 0).all()
    assert brier(found.predict(logit[2000:]), won[2000:]) < brier(sigmoid(logit[2000:]), won[2000:])


@pytest.mark.parametrize(("x", "y"), [([], []), ([1.0, 2.0], [1, 1]), ([0.0, 0.0], [1, 0])])
def test_a_scaling_that_nothing_bounds_is_refused(x, y):
    with pytest.raises(ConfigError, match="bound"):
        temperature(x, y)


@pytest.mark.parametrize(
    "call",
    [
        lambda: brier([1.2], [1]),
        lambda: brier([math.nan], [1]),
        lambda: brier([0.5], [0.7]),
        lambda: brier([0.5, 0.5], [1]),
        lambda: log_loss([math.inf], [1]),
        lambda: log_loss([[1.0]], [[1]]),
        lambda: reliability([0.5], [1], bins=0),
        lambda: accuracy_by([2]),
        lambda: accuracy_by([1], ["a", "b"]),
        lambda: length_bias([-1], [1], [1]),
        lambda: length_bias([1, 2], [1], [1]),
        lambda: flip_rate([1], [1, 0]),
    ],
)
def test_malformed_arrays_are_refused(call):
    with pytest.raises(ConfigError):
        call()


def test_nothing_gives_nan_or_nothing():
    assert reliability([], []) == []
    assert math.isnan(brier([], []))
    assert math.isnan(log_loss([], []))
    assert math.isnan(expected_error([], []).value)
    assert math.isnan(floor_error([]))
    assert math.isnan(position_bias([0.5, 0.5]).value)
    assert math.isnan(length_bias([], [], []).effect)


def test_accuracy_by_slice():
    found = accuracy_by([1, 0, 1, math.nan, 1], ["m", "m", "c", "c", "c"], ["x", "x", "x", "y", "y"])
    assert {key: (one.right, one.count) for key, one in found.items()} == {
        (): (3, 4), ("m", "x"): (1, 2), ("c", "x"): (1, 1), ("c", "y"): (1, 1)
    }  # fmt: skip
    assert list(found) == [(), ("m", "x"), ("c", "x"), ("c", "y")]


def test_position_and_flips():
    found = position_bias([1, 1, 1, 0, 0.5])
    assert found.value == 0.75
    assert found.low < 0.5 < found.high
    assert flip_rate([1, 0, 0.5, math.nan], [0, 0, 0.5, 1]).value == pytest.approx(1 / 3)
    assert flip_rate([1, 1], [1, 1]).value == 1.0  # always the side shown first


@settings(deadline=None, max_examples=20)
@given(st.floats(-1.5, 1.5), st.integers(0, 1000))
def test_the_length_effect_is_found(effect, seed):
    rng = np.random.default_rng(seed)
    one, two = rng.integers(20, 2000, size=(2, 3000))
    gap = np.log1p(one) - np.log1p(two)
    points = (rng.random(3000) < sigmoid(effect * gap)).astype(float)
    found = length_bias(one, two, points)
    assert abs(found.effect - effect) < 5 * found.error
    assert found.error < 0.1
    swapped = length_bias(two, one, 1 - points)
    assert swapped.effect == pytest.approx(found.effect)
    assert swapped.longer.value == pytest.approx(found.longer.value)
    if abs(effect) > 0.3:
        assert (found.correlation > 0) == (effect > 0) == (found.longer.value > 0.5)
