"""Desk scale: a stand-in whose hit rate rises with the same-family examples in the prompt, by a known law.

The bootstrapping loop must recover the law's curve of puzzles solved by iteration, beat the arm that never shows an
example, and gain nothing where the law has no slope. Intervals are of 99 %.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from guerdon.core.rng import stream
from guerdon.systems.programming_puzzles.stand_in import Law

SEEDS = (11, 12, 13, 14, 15)


@pytest.mark.parametrize("slope", [0.12, 0.0])
def test_the_loop_recovers_the_law(slope: float) -> None:
    found = [Law(slope=slope).bootstrap(seed) for seed in SEEDS]
    # Given what was in the prompt, turns are independent: their number of successes is a sum of known chances.
    turns = [turn for _, each in found for turn in each]
    for low, high in itertools.pairwise((0.0, 0.2, 0.6, 1.0)):
        some = [(chance, hit) for chance, hit in turns if low < chance <= high]
        expected, spread = sum(c for c, _ in some), math.sqrt(sum(c * (1 - c) for c, _ in some))
        assert abs(sum(hit for _, hit in some) - expected) <= 2.58 * spread
    # The whole curve, against the law played on its own.
    curves = Law(slope=slope).curves(1000, stream(0, "law"))
    mean, error = curves.mean(axis=0), curves.std(axis=0) / math.sqrt(len(SEEDS))
    assert (np.abs(np.mean([curve for curve, _ in found], axis=0) - mean) <= 2.58 * error).all()


def test_examples_help_exactly_where_the_law_says_so() -> None:
    gains = {}
    for slope in (0.12, 0.0):
        law = Law(slope=slope)
        arms = [[law.bootstrap(seed, examples=shown)[0][-1] for seed in SEEDS] for shown in (True, False)]
        gains[slope] = np.subtract(arms[0], arms[1])
    assert gains[0.12].min() > 0
    assert gains[0.12].mean() > 0.1 * law.puzzles
    share = 1 - 0.97**law.attempts
    spread = math.sqrt(2 * law.puzzles * share * (1 - share) / len(SEEDS))
    assert abs(gains[0.0].mean()) <= 2.58 * spread
