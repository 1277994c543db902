"""Best-of-n under ensembles, against drawings and by hand; gold rewards stay with their answers."""

import itertools

import numpy as np
import pytest

from guerdon.core.errors import ConfigError
from guerdon.prefer.overoptimisation import best_of_n
from guerdon.systems.rm_ensembles.curves import curve, curves, ends_by_size, picked, points, proxies, win_rate

RNG = np.random.default_rng(7)
SCORES, GOLD = RNG.standard_normal((4, 3, 40)), RNG.standard_normal((3, 40))


def test_the_gold_reward_is_that_of_the_answers_the_ensemble_takes() -> None:
    """The released code leaves gold rewards in the order of the first member; ours does not."""
    worst = SCORES.min(0)
    best = [GOLD[p, worst[p].argmax()] for p in range(3)]
    assert curve(SCORES, GOLD, "WCO", [40]).gold[0] == pytest.approx(np.mean(best))


def test_shuffled_answers_give_the_same_curves() -> None:
    order = RNG.permutation(40)
    for way, one in curves(SCORES, GOLD, [1, 7, 30]).items():
        assert curve(SCORES[..., order], GOLD[:, order], way, [1, 7, 30]).gold == pytest.approx(one.gold)


def test_single_is_the_mean_of_the_members() -> None:
    each = [best_of_n(member, GOLD, [1, 5, 20]).gold for member in SCORES]
    assert curves(SCORES, GOLD, [1, 5, 20])["single"].gold == pytest.approx(np.mean(each, 0))


def test_the_variance_is_the_published_one_unless_asked() -> None:
    mean, var = SCORES.mean(0), SCORES.var(0)
    assert proxies(SCORES, "UWO", penalty=0.5)[0] == pytest.approx(mean - 0.5 * var)
    assert proxies(SCORES, "UWO", penalty=0.5, ddof=1)[0] == pytest.approx(mean - 0.5 * var * 4 / 3)
    assert proxies(SCORES, "UWO", penalty=0.0)[0] == pytest.approx(mean)  # 0 is 0, not "none given"


def test_offsets_of_members_change_wco_so_members_are_standardised() -> None:
    moved = SCORES + np.array([0.0, 0.0, 0.0, -100.0])[:, None, None]
    assert proxies(moved, "WCO")[0] == pytest.approx(moved[3])


def test_a_way_that_is_not_known_is_refused() -> None:
    with pytest.raises(ConfigError, match="median"):
        proxies(SCORES, "median")


def test_sizes_are_averaged_over_all_ensembles() -> None:
    found = ends_by_size(SCORES, GOLD, "WCO", 20)
    pairs = [curve(SCORES[list(some)], GOLD, "WCO", [20]).gold[0] for some in itertools.combinations(range(4), 2)]
    assert found[2] == pytest.approx(np.mean(pairs))
    assert found[1] == pytest.approx(curves(SCORES, GOLD, [20])["single"].gold[0])
    assert sorted(ends_by_size(SCORES, GOLD, "UWO", 20, ddof=1)) == [2, 3, 4]


def test_the_win_rate_is_that_of_drawings() -> None:
    ours, theirs, gold = RNG.standard_normal((3, 1, 12))
    gold = gold.round(1)
    drawn = np.zeros(2)
    for _ in range(4000):
        one, two = (RNG.choice(12, 4, replace=False) for _ in range(2))
        a, b = gold[0, one[ours[0, one].argmax()]], gold[0, two[theirs[0, two].argmax()]]
        drawn += [(a > b) + 0.5 * (a == b), 1]
    assert win_rate(ours, theirs, gold, 4) == pytest.approx(drawn[0] / drawn[1], abs=0.03)
    assert win_rate(ours, ours, gold, 4) == pytest.approx(0.5)
    assert win_rate(gold, theirs, gold, 12) >= 0.5


def test_equal_scores_share_their_chance() -> None:
    assert picked([[1.0, 1.0, 0.0, 1.0]], 4)[0].tolist() == pytest.approx([1 / 3, 1 / 3, 0.0, 1 / 3])
    assert picked(GOLD, 5).sum(1) == pytest.approx(1.0)


def test_the_grid_is_the_published_one() -> None:
    assert points(12_500).tolist() == [*(2**k for k in range(13)), 6144, 8192, 12_500]
    assert points(1843).tolist()[-2:] == [1024, 1843]
    assert points(1).tolist() == [1]
