import numpy as np
import pytest

from guerdon.core.errors import ConfigError
from guerdon.systems.constrained_rlhf.proxy_points import fit, independent


def cloud(n, seed=0):
    rng = np.random.default_rng(seed)
    points = rng.uniform([0.3, 0.4], [0.9, 0.8], size=(n, 2))
    return points, 1.0 - 4 * (points[:, 0] - 0.6) ** 2 - 6 * (points[:, 1] - 0.55) ** 2


def test_finds_the_joint_top_of_a_known_surface():
    surface = fit(*cloud(400), degree=4)
    theta, value = surface.top(steps=121)
    np.testing.assert_allclose(theta, [0.6, 0.55], atol=0.01)
    assert value == pytest.approx(1.0, abs=1e-3)
    assert surface.error < 1e-9


def test_the_polynomial_is_that_of_powers():
    points, values = cloud(60)
    values = values + np.random.default_rng(1).normal(size=60) * 0.1
    powers = np.stack([points[:, 0] ** i * points[:, 1] ** j for i in range(4) for j in range(4 - i)], 1)
    reference = powers @ np.linalg.lstsq(powers, values, rcond=None)[0]
    np.testing.assert_allclose(fit(points, values, degree=3).values(points), reference, atol=1e-8)


def test_what_explodes_off_the_data_is_hidden():
    rng = np.random.default_rng(5)
    along = rng.uniform(0.3, 0.9, 300)
    points = np.stack([along, 0.4 + 0.5 * along + rng.uniform(-0.08, 0.08, size=300)], 1)  # correlated, as in training
    values = 1.0 - 4 * (along - 0.6) ** 2 + 0.02 * rng.normal(size=300)
    surface = fit(points, values, degree=6, density=500.0)
    places = surface.grid()
    assert surface.values(places).max() > 5
    theta, value = surface.top()
    assert value < 1.5
    assert abs(theta[1] - 0.4 - 0.5 * theta[0]) < 0.12


def test_unknown_evaluations_are_left_out():
    points, values = cloud(100)
    values[::7] = np.nan
    assert len(fit(points, values, degree=2).points) == 85


def test_too_sparse_points_say_so():
    with pytest.raises(ConfigError, match="Log more points"):
        fit(*cloud(10), degree=2, density=1e6).top()
    with pytest.raises(ConfigError, match="K above N"):
        fit([[0.1, 0.2]], [1.0])
    line = np.linspace(0, 1, 30)
    with pytest.raises(ConfigError, match="Pool runs"):
        fit(np.stack([line, line], 1), line, degree=1).top()


def test_independent_thresholds_are_read_run_by_run():
    assert independent([[0.1, 0.5, 0.9], [0.2, 0.3, 0.4]], [[1, 3, 2], [5, 4, 3]]).tolist() == [0.5, 0.2]
