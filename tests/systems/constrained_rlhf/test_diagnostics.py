import numpy as np
import pytest

from guerdon.core.errors import ConfigError
from guerdon.systems.constrained_rlhf.diagnostics import held, running_mean, tail_mean

T = np.arange(200)


def test_a_damped_approach_settles():
    found = held(0.6 - 0.3 * np.exp(-T / 15), 0.6)
    assert found.word == "settled"
    assert 0 < found.settled < 100
    assert found.overshoot == 0
    assert found.off < 0.01


def test_a_limit_cycle_oscillates_with_its_average_on_target():
    found = held(0.6 + 0.15 * np.sin(T / 4), 0.6)
    assert found.word == "oscillates"
    assert found.crossings > 10
    assert found.off < 0.03 < 0.1 < found.miss
    assert found.swing == pytest.approx(0.25, abs=0.02)


def test_a_slow_multiplier_overshoots():
    found = held(np.minimum(0.4 + 0.01 * T, 0.86), 0.6)
    assert found.word == "overshoots"
    assert found.crossings == 1
    assert found.overshoot == pytest.approx((0.86 - 0.6) / 0.6, abs=1e-6)


def test_from_above_the_other_side_is_beyond():
    found = held(0.9 - 0.5 * (1 - np.exp(-T / 5)), 0.6)
    assert found.overshoot == pytest.approx((0.6 - 0.4) / 0.6, abs=1e-3)


def test_far_off_is_not_reached():
    found = held(np.full(50, 0.3), 0.6)
    assert found.word == "does not reach it"
    assert found.off == found.miss == pytest.approx(0.5)


def test_noise_of_batches_is_no_oscillation():
    noise = np.random.default_rng(0).normal(size=200) * 0.02
    assert held(0.6 - 0.3 * np.exp(-T / 15) + noise, 0.6).word == "settled"


def test_running_means():
    assert running_mean([1.0, 3.0, 5.0], 2).tolist() == [1.0, 2.0, 4.0]
    assert tail_mean([0.0] * 6 + [1.0, 3.0]) == 2.0


def test_nothing_to_judge_is_an_error():
    with pytest.raises(ConfigError, match="threshold"):
        held([0.1], 0.0)
    with pytest.raises(ConfigError):
        held([np.nan], 0.5)
