"""Desk scale: a stand-in whose hit rate rises with the same-family examples in the prompt, by a known law.

The bootstrapping loop must recover the law's curve of puzzles solved by iteration, beat the arm that never shows an
example, and gain nothing where the law has no slope. Intervals are of 99 %.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from lm_stand_in import Families, StandIn, model_of, steps

from guerdon.core.rng import stream
from guerdon.systems.programming_puzzles.lm_solver import LanguageModel, lend

SEEDS = (11, 12, 13, 14, 15)
FAMILIES, SIZE, ATTEMPTS, ITERATION = 12, 5, 16, 4


def bootstrap(seed: int, slope: float, *, examples: bool) -> tuple[list[int], list[tuple[float, bool]]]:
    """Puzzles solved by the end of each iteration; and, per turn, the law's chance to solve and whether it did."""
    script = StandIn(base=0.03, slope=slope)
    context = 100_000 if examples else 151  # no example fits into one token
    solved_by, turns = [0] * (ATTEMPTS // ITERATION), []
    with lend("stand-in", model_of(script)):
        solver = LanguageModel(
            model="stand-in", prompt="bootstrap", attempts=ATTEMPTS, iteration=ITERATION, batch=ITERATION,
            context=context,
        )  # fmt: skip
        for state, told, after in steps(solver, Families(families=FAMILIES, size=SIZE), seed):
            task = told[0].task.id
            known = sum(name.partition(":")[0] == task.partition(":")[0] for name in state["solved"])
            chance = 1 - (1 - script.rate(known if examples else 0)) ** ITERATION
            turns.append((chance, task in after["solved"]))
            if task in after["solved"]:
                solved_by[state["tried"].get(task, 0) // ITERATION] += 1
    return list(itertools.accumulate(solved_by)), turns


def law(slope: float, runs: int, rng: np.random.Generator) -> np.ndarray:
    """The law played without the solver: puzzles solved by each iteration, (runs, iterations)."""
    script = StandIn(base=0.03, slope=slope)
    curves = np.zeros((runs, ATTEMPTS // ITERATION))
    for each in range(runs):
        family = np.repeat(np.arange(FAMILIES), SIZE)
        solved = np.zeros(FAMILIES * SIZE, bool)
        for iteration in range(ATTEMPTS // ITERATION):
            for puzzle in rng.permutation(FAMILIES * SIZE):
                known = int(solved[family == family[puzzle]].sum())
                if not solved[puzzle] and rng.random() < 1 - (1 - script.rate(known)) ** ITERATION:
                    solved[puzzle] = True
            curves[each, iteration] = solved.sum()
    return curves


@pytest.mark.parametrize("slope", [0.12, 0.0])
def test_the_loop_recovers_the_law(slope: float) -> None:
    found = [bootstrap(seed, slope, examples=True) for seed in SEEDS]
    # Given what was in the prompt, turns are independent: their number of successes is a sum of known chances.
    turns = [turn for _, each in found for turn in each]
    for low, high in itertools.pairwise((0.0, 0.2, 0.6, 1.0)):
        some = [(chance, hit) for chance, hit in turns if low < chance <= high]
        expected, spread = sum(c for c, _ in some), math.sqrt(sum(c * (1 - c) for c, _ in some))
        assert abs(sum(hit for _, hit in some) - expected) <= 2.58 * spread
    # The whole curve, against the law played on its own.
    curves = law(slope, 1000, stream(0, "law"))
    mean, error = curves.mean(axis=0), curves.std(axis=0) / math.sqrt(len(SEEDS))
    assert (np.abs(np.mean([curve for curve, _ in found], axis=0) - mean) <= 2.58 * error).all()


def test_examples_help_exactly_where_the_law_says_so() -> None:
    gains = {}
    for slope in (0.12, 0.0):
        arms = [[bootstrap(seed, slope, examples=examples)[0][-1] for seed in SEEDS] for examples in (True, False)]
        gains[slope] = np.subtract(arms[0], arms[1])
    assert gains[0.12].min() > 0
    assert gains[0.12].mean() > 0.1 * FAMILIES * SIZE
    share = 1 - 0.97**ATTEMPTS
    spread = math.sqrt(2 * FAMILIES * SIZE * share * (1 - share) / len(SEEDS))
    assert abs(gains[0.0].mean()) <= 2.58 * spread
