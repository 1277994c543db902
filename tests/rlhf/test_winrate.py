"""Win-rates, length control and correlations of rankings, against what is known or computed otherwise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.core.errors import ConfigError
from guerdon.core.preference import Choice, Pair, Preference
from guerdon.core.rng import stream
from guerdon.core.task import Task
from guerdon.rlhf.winrate import compared, correlation, length_controlled, points_by, points_of, win_rate

POINTS = st.lists(st.sampled_from([0.0, 0.5, 1.0, math.nan]), max_size=60)


@given(POINTS)
@settings(max_examples=60, deadline=None)
def test_counts_sum_to_the_total_and_swapped_sides_mirror(points):
    found, other = win_rate(points, draws=20), win_rate([1 - each for each in points], draws=20)
    assert found.n_wins + found.n_wins_base + found.n_draws == found.n_total == len(points) - found.n_unknown
    assert (found.n_wins, found.n_draws) == (other.n_wins_base, other.n_draws)
    if found.n_total:
        assert found.win_rate == pytest.approx(100 * np.nanmean(points))
        assert found.win_rate + other.win_rate == pytest.approx(100)


def test_standard_error_is_that_of_the_mean_and_the_interval_covers_it():
    points = [1.0] * 30 + [0.5] * 4 + [0.0] * 16
    found = win_rate(points)
    assert found.standard_error == pytest.approx(100 * np.std(points, ddof=1) / math.sqrt(50))
    half = 1.96 * found.standard_error
    assert found.low == pytest.approx(found.win_rate - half, abs=2.5)
    assert found.high == pytest.approx(found.win_rate + half, abs=2.5)
    assert win_rate(points) == found


def test_equal_lengths_change_nothing():
    points, lengths = [1.0, 1.0, 0.0, 1.0] * 100, [7.0] * 400
    assert length_controlled(points, lengths, lengths) == pytest.approx(75, abs=0.2)


def test_a_win_rate_that_is_all_length_is_even_when_controlled():
    rng = stream(5, "lengths")
    gap = rng.normal(30, 40, size=4000)  # longer by 30 on average
    chance = 1 / (1 + np.exp(-2 * np.tanh(gap / gap.std())))
    points = (rng.random(4000) < chance).astype(float)
    found = win_rate(points, 200 + gap, np.full(4000, 200.0))
    assert found.win_rate > 65
    assert found.length_controlled == pytest.approx(50, abs=4)
    assert found.avg_length - found.base_length == pytest.approx(30, abs=3)


def test_length_control_agrees_with_logistic_regression():
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = stream(6, "lengths")
    length, base = rng.integers(50, 400, 3000), rng.integers(50, 400, 3000)
    x = np.tanh((length - base) / (length - base).std())
    points = (rng.random(3000) < 1 / (1 + np.exp(-(0.4 + 0.8 * x)))).astype(float)
    fitted = linear_model.LogisticRegression(C=1e6).fit(x[:, None], points)
    expected = 100 / (1 + math.exp(-fitted.intercept_[0]))
    assert length_controlled(points, length, base) == pytest.approx(expected, abs=0.1)


def test_a_clean_sweep_is_finite():
    assert 90 < length_controlled([1.0] * 50, [9.0, 3.0] * 25, [5.0] * 50) < 100


def test_points_of_choices_and_scores():
    told = [Choice("left"), Choice("right"), Choice("tie"), Choice("skip"), Choice(None)]
    assert points_of(told).tolist()[:3] == [1.0, 0.0, 0.5]
    assert np.isnan(points_of(told)[3:]).all()
    assert points_by([2, 1, 0], [1, 1, 1]).tolist() == [1.0, 0.5, 0.0]


class Longer(Preference):
    """Prefers the longer text; must never be asked about two that are the same."""

    def choose(self, pairs: list[Pair]) -> list[Choice]:
        assert all(pair.left.content != pair.right.content for pair in pairs)
        return [Choice("left" if len(p.left.content) > len(p.right.content) else "right") for p in pairs]


def test_identical_outputs_are_a_draw_without_a_question():
    tasks = [Task(str(k), "say") for k in range(3)]
    found = compared(Longer(), tasks, ["long one", "same", "x"], ["short", "same", "yyy"])
    assert found.points.tolist() == [1.0, 0.5, 0.0]
    assert (found.rate.n_wins, found.rate.n_draws, found.rate.n_wins_base) == (1, 1, 1)
    assert found.rate.avg_length == pytest.approx(13 / 3)


def test_correlation_is_that_of_scipy():
    from scipy.stats import pearsonr, spearmanr

    rng = stream(7, "tables")
    one = {str(k): rng.choice([0.0, 0.5, 1.0], 50, p=[0.5 - k / 20, 0.2, 0.3 + k / 20]) for k in range(7)}
    two = {str(k): rng.choice([0.0, 1.0], 80, p=[0.6 - k / 20, 0.4 + k / 20]) for k in range(7)}
    rates = [[np.mean(side[name]) for name in one] for side in (one, two)]
    found = correlation(one, two, draws=100)
    assert found.spearman == pytest.approx(spearmanr(*rates).statistic)
    assert found.pearson == pytest.approx(pearsonr(*rates).statistic)
    assert found.low <= found.spearman <= found.high


@pytest.mark.parametrize(
    "call",
    [
        lambda: win_rate([0.3]),
        lambda: win_rate([1.0, 0.0], [3.0], [3.0]),
        lambda: win_rate([1.0], [3.0]),
        lambda: points_by([1.0], [1.0, 2.0]),
        lambda: compared(Longer(), [Task("a", "b")], [], []),
        lambda: correlation({"a": [1]}, {"a": [1]}),
    ],
)
def test_what_does_not_fit_is_refused(call):
    with pytest.raises(ConfigError):
        call()
