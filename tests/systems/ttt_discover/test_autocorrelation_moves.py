"""Moves for the autocorrelation inequalities: search agrees with the verifiers, and steps gain what they model."""

import itertools

import numpy as np
import pytest

from guerdon.core.task import Answer, Case
from guerdon.systems.ttt_discover.autocorrelation_moves import FirstMoves, SecondMoves, first, linear_step, second
from guerdon.systems.ttt_discover.problems.autocorrelation import Autocorrelation1, Autocorrelation2
from guerdon.systems.ttt_discover.proposer import Start

BOTH = [(FirstMoves(), Autocorrelation1(pieces=15)), (SecondMoves(), Autocorrelation2(pieces=15))]


@pytest.mark.parametrize(("moves", "challenge"), BOTH)
def test_search_values_are_the_verifiers(moves: FirstMoves, challenge: Autocorrelation1) -> None:
    (task,) = challenge.tasks("main")
    for content in moves.seeds(task, 5, np.random.default_rng(0)):
        (score,) = challenge.judge([Case(task, Answer(task.id, content))])
        assert len(content) == 15  # type: ignore[arg-type]
        found = moves.goodness(np.array(content))
        assert abs(found) == pytest.approx(score.parts[challenge.judge.part], rel=1e-12)
        assert (found < 0) == (challenge.judge.sense == "min")


@pytest.mark.parametrize(("moves", "challenge"), BOTH)
def test_actions_make_admissible_heights_and_climbs_never_lose(moves: FirstMoves, challenge: Autocorrelation1) -> None:
    (task,) = challenge.tasks("main")
    rng = np.random.default_rng(1)
    (start,) = moves.seeds(task, 1, rng)
    before, gained = moves.goodness(np.array(start)), set()
    for action in itertools.product(range(6), (0, 2, 5), range(5), range(3)):
        content = moves.apply({"construction": start}, action, rng)
        (score,) = challenge.judge([Case(task, Answer(task.id, content))])
        assert score.known
        after = moves.goodness(np.array(content))
        assert after >= before - 1e-12 or action[0] == 5  # heights are scaled to the mean 1
        if after > before + 1e-12:
            gained.add(action[0])
    assert gained == set(range(6))


def test_the_linear_programme_is_the_best_small_step() -> None:
    rng = np.random.default_rng(2)
    a = rng.uniform(0.5, 1.5, 12)
    a /= a.mean()
    size = 1e-4
    for moves, bound, sign in ((FirstMoves(), first, -1), (SecondMoves(), second, 1)):
        found = sign * bound(moves.step(a, size, 1.0))
        for _ in range(300):
            d = rng.choice([-size, size], 12)
            other = a + d - d.mean()
            assert sign * bound(other) <= found + 1e-7  # but for the second order
        assert found > sign * bound(a)


def test_nothing_to_gain_moves_nothing_and_odd_starts_are_taken() -> None:
    flat = linear_step(np.ones(1), 0.1, 1.0, np.zeros(1))
    assert flat.tolist() == [1.0]
    assert np.mean(FirstMoves().apply([0.0] * 6, (1, 5, 0, 0), np.random.default_rng(0))) == pytest.approx(1.0)  # type: ignore[arg-type]
    assert FirstMoves().features(Start(None, -1.50287), 0.2) == (0.0, 0.2)
    assert SecondMoves().features(Start(None, 0.861), 0.2) == (pytest.approx(1.0), 0.2)
