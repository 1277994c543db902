"""Moves on packings: radii against another solver, steps that help, and packings that never overlap."""

import itertools

import numpy as np
import pytest
from scipy.optimize import linprog

from guerdon.core.task import Answer, Case
from guerdon.systems.ttt_discover.packing_moves import PackingMoves, linear_step, with_best_radii
from guerdon.systems.ttt_discover.problems.circle_packing import CirclePacking, grid
from guerdon.systems.ttt_discover.proposer import Start

CHALLENGE = CirclePacking(n=9, tolerance=0.0)
TASK = next(iter(CHALLENGE.tasks("main")))
MOVES = PackingMoves()


def seed(number: int) -> list[list[float]]:
    return MOVES.seeds(TASK, 1, np.random.default_rng(number))[0]  # type: ignore[return-value]


def test_radii_are_the_best_by_a_dense_programme() -> None:
    for number in range(5):
        centres = np.array(seed(number))[:, :2]
        rows, limits = [], []
        for i, j in itertools.combinations(range(9), 2):
            rows.append(np.eye(9)[i] + np.eye(9)[j])
            limits.append(np.linalg.norm(centres[i] - centres[j]))
        wall = np.minimum(centres, 1 - centres).min(axis=1)
        dense = linprog(-np.ones(9), A_ub=np.array(rows), b_ub=limits, bounds=[(0, w) for w in wall])
        assert with_best_radii(centres)[:, 2].sum() == pytest.approx(-dense.fun, abs=1e-9)


def test_every_action_makes_a_packing_that_holds_exactly() -> None:
    rng = np.random.default_rng(0)
    for number, action in enumerate(itertools.product(range(4), (0, 5), range(3), range(4))):
        content = MOVES.apply(seed(number % 3), action, rng)
        (score,) = CHALLENGE.judge([Case(TASK, Answer(TASK.id, content))])
        assert score.known, (action, score.fault)  # with no tolerance at all


def test_steps_settle_in_a_packing_that_is_as_good_as_the_grid() -> None:
    packed = with_best_radii(np.array(seed(4))[:, :2])
    sums = []
    for size in np.geomspace(0.1, 1e-4, 40):
        packed = linear_step(packed, size)
        sums.append(packed[:, 2].sum())
    assert sums[-1] > 1.2 * with_best_radii(np.array(seed(4))[:, :2])[:, 2].sum()
    assert sums[-1] == pytest.approx(max(sums), rel=1e-3)
    best = sum(r for _, _, r in grid(9))
    found = max(sums[-1], with_best_radii(np.array([[x, y] for x, y, _ in grid(9)]))[:, 2].sum())
    assert found >= best - 1e-9


def test_kicks_move_what_they_say() -> None:
    rng = np.random.default_rng(1)
    before = np.array(seed(2))
    moved = [
        (np.abs(np.array(MOVES.apply(before.tolist(), (kick, 2, 0, 0), rng))[:, :2] - before[:, :2]).sum(1) > 0).sum()
        for kick in range(4)
    ]
    assert moved == [0, 1, 1, 9]


def test_centres_on_one_place_and_other_forms_of_an_answer() -> None:
    rng = np.random.default_rng(1)
    packed = MOVES.apply({"construction": [[0.5, 0.5, 0.0]] * 9}, (0, 0, 2, 0), rng)
    (score,) = CHALLENGE.judge([Case(TASK, Answer(TASK.id, packed))])
    assert score.known
    content = {"centers": [[x, y] for x, y, _ in grid(9)], "radii": [r for *_, r in grid(9)]}
    assert np.sum(MOVES.apply(content, (0, 0, 0, 0), rng), axis=0)[2] == pytest.approx(1.5, abs=1e-9)  # type: ignore[arg-type]
    assert MOVES.features(Start(None, 2.6), 0.5) == (pytest.approx(0.1), 0.5)
