"""The entropic objective against a second implementation, its laws, and finite differences."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from guerdon.core.errors import ConfigError
from guerdon.train.entropic import (
    GAMMA,
    adaptive_beta,
    entropic_advantages,
    group_advantages,
    importance_loss,
    kl_shaped,
    teaches,
    tilted_kl,
)

rewards = st.lists(st.floats(-100, 100, allow_nan=False, width=32), min_size=2, max_size=64)


def spread(values: list[float]) -> bool:
    """No more than half of the group share the best reward, and the rest is not within rounding of it."""
    array = np.array(values)
    gap = array.max() - array
    return 2 * (gap < 1e-4 * max(gap.max(), 1e-3)).sum() < len(values)


def reference(values: list[float], beta: float) -> list[float]:
    """Advantages by the definition, in exact logarithms and plain loops."""
    n, top = len(values), max(values)
    found = []
    for i in range(n):
        others = math.fsum(math.exp(beta * (values[j] - top)) for j in range(n) if j != i) / (n - 1)
        found.append(math.exp(beta * (values[i] - top)) / (others + 1e-12) - 1)
    return found


@given(rewards)
def test_beta_is_where_the_divergence_is_ln_2(values: list[float]) -> None:
    assume(spread(values))
    beta = adaptive_beta(values)
    assert tilted_kl(values, beta) == pytest.approx(math.log(2), abs=1e-9)


@given(rewards)
def test_beta_agrees_with_another_root_finder(values: list[float]) -> None:
    assume(spread(values))
    r = np.array(values) - max(values)

    def gap(beta: float) -> float:
        q = np.exp(beta * r)
        q /= q.sum()
        positive = q[q > 0]
        return float((positive * np.log(len(r) * positive)).sum()) - math.log(2)

    high = 1.0
    while gap(high) < 0:
        high *= 2
    assert adaptive_beta(values) == pytest.approx(brentq(gap, 0, high, rtol=1e-13, xtol=1e-300), rel=1e-6)


@given(rewards, st.floats(0, 50))
def test_advantages_are_those_of_the_definition(values: list[float], beta: float) -> None:
    assert entropic_advantages(values, beta) == pytest.approx(reference(values, beta), rel=1e-9, abs=1e-12)


@given(rewards, st.sampled_from([100.0, 0.01, 3.0, 1e6]), st.floats(-10, 10))
def test_the_adaptive_objective_knows_neither_scale_nor_offset(values: list[float], w: float, c: float) -> None:
    gap = np.diff(np.sort(values))
    assume((gap[gap > 0] > 1e-3).all())  # so that adding an offset rounds no difference away
    moved = [w * value + c for value in values]
    # rewards that differ by 1e-3 of 100 keep 11 digits, and an advantage may be 1e12 times its rounding
    assert group_advantages(moved) + 2 == pytest.approx(group_advantages(values) + 2, rel=1e-4)


@given(rewards, st.integers(-40, 40))
def test_a_power_of_two_changes_not_a_bit(values: list[float], power: int) -> None:
    assert (group_advantages(np.array(values) * 2.0**power) == group_advantages(values)).all()


def test_the_constant_objective_knows_the_scale() -> None:
    r = np.array([1.0, 1.1, 1.3])
    assert not np.allclose(group_advantages(100 * r, "constant"), group_advantages(r, "constant"))
    assert not np.allclose(group_advantages(100 * r, "mean"), group_advantages(r, "mean"))


@given(rewards, st.sampled_from(["adaptive", "constant"]))
def test_no_advantage_is_below_minus_one(values: list[float], objective: str) -> None:
    found = group_advantages(values, objective)  # type: ignore[arg-type]
    assert np.isfinite(found).all()
    assert found.min() >= -1


def test_small_beta_is_the_mean_and_large_beta_the_best() -> None:
    r = np.array([0.0, 1.0, 3.0])
    small = entropic_advantages(r, 1e-6) / 1e-6  # first order: r_n less the mean of the others
    assert small == pytest.approx([r[i] - np.delete(r, i).mean() for i in range(3)], rel=1e-4)
    large = entropic_advantages(r, 1e3)
    assert large[:2].tolist() == [-1.0, -1.0]
    assert large[2] == pytest.approx(1e12)


def test_ties_at_the_top() -> None:
    half = [1.0, 1.0, 0.0, 0.0]  # the divergence only tends to ln 2
    assert tilted_kl(half, adaptive_beta(half)) == pytest.approx(GAMMA, abs=1e-9)
    most = [1.0, 1.0, 1.0, 0.0]  # log(4 / 3) < ln 2 at most
    assert adaptive_beta(most) == 1e6
    assert adaptive_beta([100 * r for r in most]) == 1e4
    assert group_advantages(most) == pytest.approx([0.5, 0.5, 0.5, -1.0])


def test_equal_groups_teach_nothing() -> None:
    for group in ([], [2.0], [2.0, 2.0, 2.0]):
        assert not teaches(group)
        assert adaptive_beta(group) == 0.0
        assert np.abs(group_advantages(group)).max(initial=0.0) < 1e-11
    assert teaches([2.0, np.nextafter(2.0, 3.0)])


@pytest.mark.parametrize("r", [[0.0, 5e-324], [1e-300, 2e-300, 9e-300], [-1e308, 1e308, 0.0], [3e38, -3e38, 1e-45]])
def test_extremes_stay_finite(r: list[float]) -> None:
    for values in (r, np.array(r, dtype=np.float32).astype(float) if max(r) < 1e38 else r):
        for objective in ("adaptive", "constant"):
            assert np.isfinite(group_advantages(values, objective)).all()  # type: ignore[arg-type]
        assert math.isfinite(adaptive_beta(values))


def test_float32_rewards_with_a_gap_of_one_bit() -> None:
    r = np.array([2.6, np.nextafter(np.float32(2.6), np.float32(3)), 2.6, 2.6], dtype=np.float32)
    found = group_advantages(r)
    assert found.argmax() == 1
    assert tilted_kl(r, adaptive_beta(r)) == pytest.approx(GAMMA, abs=1e-9)


def test_unknown_rewards_and_objectives_are_refused() -> None:
    for bad in ([1.0, math.nan], [math.inf, 0.0], [[1.0, 2.0]]):
        with pytest.raises(ConfigError, match="finite rewards"):
            group_advantages(bad)
    with pytest.raises(ConfigError, match="adaptive, constant or mean"):
        group_advantages([1.0, 2.0], "best")  # type: ignore[arg-type]


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_shaping_by_its_formula(seed: int) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    advantage, logp, base = rng.normal(size=3), rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    mask = (rng.random((3, 4)) < 0.7).astype(float)
    padded = np.where(mask > 0, logp, -np.inf)
    shaped, mean = kl_shaped(*map(torch.tensor, (advantage, padded, base, mask)), 0.1)
    gaps = [logp[n, t] - base[n, t] for n in range(3) for t in range(4) if mask[n, t]]
    expected_mean = sum(gaps) / max(len(gaps), 1)
    assert float(mean) == pytest.approx(expected_mean)
    for n in range(3):
        for t in range(4):
            expected = advantage[n] + 0.1 * (expected_mean - (logp[n, t] - base[n, t])) if mask[n, t] else 0.0
            assert float(shaped[n, t]) == pytest.approx(expected)


def test_the_loss_and_its_gradient() -> None:
    torch = pytest.importorskip("torch")
    sampled = torch.tensor([[-1.0, -2.0], [-0.5, -math.inf]], dtype=torch.float64)
    advantage = torch.tensor([[3.0, -1.0], [-1.0, 7.0]], dtype=torch.float64)
    mask = torch.tensor([[1.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    logp = sampled.clone().requires_grad_()
    loss = importance_loss(logp, sampled, advantage, mask)
    assert loss.item() == -(3.0 - 1.0 - 1.0)  # ratios of one: minus the sum of advantages
    loss.backward()
    assert logp.grad.tolist() == [[-3.0, 1.0], [1.0, 0.0]]  # and the gradient is the plain policy gradient
    far = importance_loss(sampled + 3.0, sampled, advantage, mask)
    assert float(far) == pytest.approx(-math.exp(3.0) * 1.0)  # no clipping
