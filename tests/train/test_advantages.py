"""Advantages against hand-computed numbers, a plain transcription of the definition, and another library's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.core.errors import SolverError
from guerdon.train.advantages import discounted, gae, standardised


def by_definition(r, v, v_next, terminated, truncated, gamma, lam):
    """A_t as the sum over k of (gamma lam)^k delta_{t+k}, up to the end of the episode."""
    out = np.zeros(r.shape)
    for n in range(r.shape[1]):
        for t in range(len(r)):
            weight = 1.0
            for k in range(t, len(r)):
                out[t, n] += weight * (r[k, n] + gamma * (0 if terminated[k, n] else v_next[k, n]) - v[k, n])
                weight *= gamma * lam
                if terminated[k, n] or truncated[k, n]:
                    break
    return out


def test_numbers_computed_by_hand() -> None:
    rewards, values = np.array([[1.0], [0.0], [2.0]]), np.array([[0.5], [1.0], [0.0]])
    following = np.array([[1.0], [0.0], [4.0]])
    none = np.zeros((3, 1), bool)
    advantages, targets = gae(rewards, values, following, none, none, gamma=0.5, lam=0.5)
    # deltas 1, -1, 4; A_2 = 4, A_1 = -1 + 0.25 * 4 = 0, A_0 = 1 + 0.25 * 0 = 1
    assert advantages.ravel().tolist() == [1.0, 0.0, 4.0]
    assert targets.ravel().tolist() == [1.5, 1.0, 4.0]


def test_a_cut_keeps_the_next_value_and_an_end_does_not() -> None:
    one, no, yes = np.ones((1, 1)), np.zeros((1, 1), bool), np.ones((1, 1), bool)
    assert gae(one, 0 * one, 8 * one, yes, no, gamma=0.5, lam=1.0)[0].item() == 1.0
    assert gae(one, 0 * one, 8 * one, no, yes, gamma=0.5, lam=1.0)[0].item() == 5.0
    assert gae(one, 0 * one, 8 * one, yes, yes, gamma=0.5, lam=1.0)[0].item() == 1.0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 4), st.floats(0, 1), st.floats(0, 1))
def test_as_the_definition_says(seed: int, steps: int, lanes: int, gamma: float, lam: float) -> None:
    rng = np.random.default_rng(seed)
    r, v, v_next = rng.normal(size=(3, steps, lanes))
    terminated, truncated = rng.random((2, steps, lanes)) < 0.2
    found, targets = gae(r, v, v_next, terminated, truncated, gamma=gamma, lam=lam)
    np.testing.assert_allclose(found, by_definition(r, v, v_next, terminated, truncated, gamma, lam), atol=1e-4)
    np.testing.assert_allclose(targets - found, v, atol=1e-5)


def test_masked_steps_get_zeros_and_do_not_reach_others() -> None:
    rng = np.random.default_rng(0)
    r, v, v_next = rng.normal(size=(3, 6, 1))
    ends = np.array([[0], [0], [1], [0], [0], [0]], bool)
    mask = np.array([[1], [1], [1], [0], [0], [1]], bool)  # steps 3 and 4 warm up a new episode
    found, targets = gae(r, v, v_next, ends, ~ends & False, gamma=0.9, lam=0.8, mask=mask)
    alone, _ = gae(r[:3], v[:3], v_next[:3], ends[:3], ends[:3] & False, gamma=0.9, lam=0.8)
    np.testing.assert_array_equal(found[:3], alone)
    assert not found[3:5].any()
    assert not targets[3:5].any()


def test_with_lambda_one_it_is_the_discounted_sum() -> None:
    rewards = np.random.default_rng(1).normal(size=(20, 1))
    no = np.zeros((20, 1), bool)
    last = no.copy()
    last[-1] = True
    found, _ = gae(rewards, 0 * rewards, 0 * rewards, last, no, gamma=0.97, lam=1.0)
    np.testing.assert_allclose(found[:, 0], discounted(rewards[:, 0], 0.97), rtol=1e-5)
    assert discounted(rewards[:, 0], 0.97)[0] == pytest.approx(sum(0.97**t * r for t, (r,) in enumerate(rewards)))


def test_standardised_counts_the_mask_only() -> None:
    values = np.array([[1.0, 100.0], [3.0, 100.0]])
    assert standardised(values, np.array([[True, False], [True, False]])).tolist() == [[-1.0, 0.0], [1.0, 0.0]]
    assert not standardised(values, np.zeros((2, 2), bool)).any()
    assert not standardised(np.full((3, 3), 7.0)).any()


def test_shapes_are_checked() -> None:
    with pytest.raises(SolverError, match="one shape"):
        gae(*[np.zeros((2, 1))] * 4, np.zeros((3, 1)), gamma=1, lam=1)
