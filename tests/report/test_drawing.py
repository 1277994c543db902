"""Drawings: decimated, finite, escaped, and within their frame."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon.report.svg import Bar, Plot, Scale, bars, bounds, intervals, labels, rounded, style, thinned

FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(FLOATS, max_size=20))
def test_any_values_can_be_drawn(values: list[float]) -> None:
    low, high = bounds(np.array(values))
    assert low < high
    assert np.isfinite(high - low)
    scale = Scale(low, high, 0.0, 100.0)
    ticks = scale.ticks()
    assert 0 < len(ticks) < 20
    assert len(labels(ticks)) == len(ticks)
    for value in values:
        assert 0 <= scale(value) <= 100
    assert rounded((low, high))[0] <= low + (high - low) * 1e-9


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=300), st.integers(3, 50))
def test_thinning_keeps_the_ends_and_the_limit(values: list[float], limit: int) -> None:
    xs, ys = np.arange(float(len(values))), np.maximum.accumulate(np.array(values))
    few, heights = thinned(xs, ys, limit)
    assert len(few) <= limit
    assert (few[0], few[-1]) == (xs[0], xs[-1])
    assert (heights == ys[few.astype(int)]).all()


def test_a_curve_of_a_hundred_thousand_changes_has_400_points() -> None:
    plot = Plot("x", "x", "y", (0.0, 1e5), (0.0, 1e5))
    plot.curve(np.arange(1e5), np.arange(1e5))
    path = re.search(r'class="line[^>]* d="([^"]+)"', plot.svg("x", "x"))
    assert path is not None
    assert path[1].count("H") < 400
    assert len(path[1]) < 8000


def test_curves_of_nothing_and_of_one_point() -> None:
    plot = Plot("x", "x", "y", (0.0, 1.0), (0.0, 1.0))
    plot.curve(np.array([]), np.array([]))
    plot.curve(np.array([1.0, 2.0]), np.array([np.nan, np.nan]))
    assert not plot.parts
    plot.curve(np.array([0.5]), np.array([0.5]))
    assert "circle" in plot.svg("x", "x")


def test_words_in_drawings_are_escaped_and_literal() -> None:
    odd = "<b>$x^2$</b>\u202e{0}"
    plot = Plot(odd, odd, odd, (0.0, 1.0), (0.0, 1.0), names=[odd])
    rows = [Bar(odd, 0.5, odd, 0, 0.4, 0.6)]
    for drawing in (plot.svg("x", odd), bars("x", odd, odd, rows), intervals("x", odd, odd, rows, odd)):
        assert "&lt;b&gt;$x^2$&lt;/b&gt;\\u202e{0}" in drawing
        assert "<b>" not in drawing


def test_charts_without_rows() -> None:
    assert "<svg" in bars("x", "x", "x", [])
    assert "<svg" in intervals("x", "x", "x", [], "x")


@pytest.mark.parametrize(
    ("ticks", "said"),
    [
        ([0.0, 0.25, 0.5], ["0", "0.25", "0.5"]),
        ([0.0, 2.5, 5.0, 7.5], ["0", "2.5", "5", "7.5"]),
        ([0.0, 25.0, 50.0], ["0", "25", "50"]),
        ([0.0, 2e6, 4e6], ["0", "2M", "4M"]),
        ([-1.0, 0.0], ["−1", "0"]),
        ([0.0, 1e-300], ["0", "1e-300"]),
        ([], []),
    ],
)
def test_labels_are_short(ticks: list[float], said: list[str]) -> None:
    assert labels(ticks) == said


def test_twenty_four_lines_look_different() -> None:
    assert len({style(i) for i in range(24)}) == 24
