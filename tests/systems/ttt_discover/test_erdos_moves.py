"""Moves on step functions: derivatives, projection, the linear programme, and what an action may do."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from guerdon.core.task import Task
from guerdon.systems.ttt_discover.erdos_moves import ErdosMoves, gradients, linear_step, projected
from guerdon.systems.ttt_discover.problems.erdos import ErdosOverlap, c5, overlaps, seeds
from guerdon.systems.ttt_discover.proposer import Start

MOVES = ErdosMoves()


def some(seed: int, pieces: int = 40) -> np.ndarray:
    return np.array(seeds(np.random.default_rng(seed), 1, pieces, pieces)[0])


@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_gradients_are_those_of_finite_differences(n: int) -> None:
    h, eps = np.random.default_rng(n).uniform(0.2, 0.8, n), 1e-6
    found = gradients(h, np.arange(2 * n - 1))
    for j, e in enumerate(np.eye(n)):
        assert found[:, j] == pytest.approx((overlaps(h + eps * e) - overlaps(h - eps * e)) / (2 * eps), abs=1e-8)


@settings(deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30))
def test_projection_is_a_shift_that_is_clipped(values: list[float]) -> None:
    h = np.array(values)
    found = projected(h)
    assert found.sum() == pytest.approx(len(h) / 2, abs=1e-9)
    shift = brentq(lambda x: np.clip(h + x, 0, 1).sum() - len(h) / 2, -h.max() - 1, 2 - h.min(), xtol=1e-13)
    assert found == pytest.approx(np.clip(h + shift, 0, 1), abs=1e-9)


def test_no_admissible_function_is_closer_than_the_projection() -> None:
    rng = np.random.default_rng(0)
    h = rng.normal(0.5, 1.0, 12)
    found = projected(h)
    others = [projected(rng.normal(0.5, 0.5, 12)) for _ in range(300)]
    assert min(np.linalg.norm(h - other) for other in others) >= np.linalg.norm(h - found)


def test_the_linear_programme_lowers_what_it_models() -> None:
    for seed, size in itertools.product(range(4), (0.1, 0.004)):
        h = some(seed)
        moved = linear_step(h, size, 79)
        rows = np.arange(79)
        model = overlaps(h) + gradients(h, rows) @ (moved - h)
        assert model.max() < c5(h)
        assert np.abs(moved - h).max() <= size + 1e-9
        assert moved.sum() == pytest.approx(20, abs=1e-9)
        rng = np.random.default_rng(seed)
        for _ in range(50):  # no other step of that size does better in the model
            other = projected(h + rng.uniform(-size, size, 40)) - h
            other *= min(1.0, size / np.abs(other).max())
            assert (overlaps(h) + gradients(h, rows) @ other).max() >= model.max() - 1e-9


def test_hill_climbs_never_lose_and_everything_stays_admissible() -> None:
    rng = np.random.default_rng(1)
    h = some(5)
    for action in itertools.product(range(6), (0, 2, 5), range(5), range(3)):
        content = MOVES.apply({"construction": h.tolist()}, action, rng)
        assert isinstance(content, list)
        made = np.array(content)
        assert made.min() >= 0
        assert made.max() <= 1
        assert made.sum() == pytest.approx(20, abs=1e-9)
        if action[0] < 5:
            assert c5(made) <= c5(h)


def test_each_operator_improves_some_seed() -> None:
    rng = np.random.default_rng(2)
    for operator in range(6):
        gains = [c5(some(s)) - c5(MOVES.apply(some(s).tolist(), (operator, 1, 2, 2), rng)) for s in range(20)]  # type: ignore[arg-type]
        assert max(gains) > 0


def test_seeds_follow_the_task_and_features_are_small() -> None:
    task = next(iter(ErdosOverlap(pieces=17).tasks("main")))
    assert {len(h) for h in MOVES.seeds(task, 5, np.random.default_rng(0))} == {17}  # type: ignore[arg-type]
    assert isinstance(task, Task)
    assert MOVES.features(Start(None, -0.38), 0.5) == (0.0, 0.5)
    assert MOVES.features(Start(None), 0.0) == (pytest.approx(1.2), 0.0)
