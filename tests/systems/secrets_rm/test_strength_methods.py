"""What methods do with strengths, by hand; ranks and areas against scikit-learn and scipy."""

import numpy as np
import pytest

from guerdon.core.errors import ConfigError
from guerdon.prefer.models import Rows
from guerdon.prefer.pairs import Pairs
from guerdon.prefer.sets import PreferenceSet
from guerdon.systems.secrets_rm.methods import METHODS, Method, lowest
from guerdon.systems.secrets_rm.strength import area, ranks, spearman

MU = np.array([0.5, -2.0, 1.5, -0.1, 0.0])


def pairs() -> Pairs:
    return Pairs.of(Rows.of([[k + 10] for k in range(5)]), Rows.of([[k + 20] for k in range(5)]))


def rows() -> PreferenceSet:
    return PreferenceSet.of(list("qqqqq"), list("abcde"), list("vwxyz"), ["first", "first", "second", "first", "first"])


def test_a_flipped_pair_changes_sides_and_its_margin_its_sign() -> None:
    made = Method(flip=0.4, margin=True).pairs(pairs(), MU)
    assert made.chosen.values[:, 0].tolist() == [10, 21, 12, 23, 14]
    assert made.margin.tolist() == [0.5, 2.0, 1.5, 0.1, 0.0]


def test_a_negative_margin_stays_where_nothing_is_flipped() -> None:
    assert METHODS["margin"].pairs(pairs(), MU).margin.tolist() == MU.tolist()
    assert Method(margin=True, scale=0.5, cap=0.6).pairs(pairs(), MU).margin.tolist() == [0.25, -0.6, 0.6, -0.05, 0.0]


def test_only_labels_that_the_vote_contradicts_are_softened() -> None:
    made = METHODS["soft + margin"].pairs(pairs(), MU)
    assert made.smoothing.tolist() == [0.0, 0.3, 0.0, 0.3, 0.0]
    assert METHODS["smoothing"].pairs(pairs(), MU).smoothing.tolist() == [0.1] * 5


def test_the_baseline_changes_nothing() -> None:
    assert METHODS["baseline"].pairs(pairs(), MU).digest() == pairs().digest()


def test_a_set_is_cleaned_as_pairs_are() -> None:
    made = Method(flip=0.4, margin=True, soft=0.2).rows(rows(), MU)
    assert made.choice.tolist() == [1, 2, 2, 2, 1]
    assert made.margin.tolist() == [0.5, 2.0, 1.5, 0.1, 0.0]
    assert made.columns["flipped"] == [False, True, False, True, False]
    assert list(made.columns["smoothing"]) == [0.0, 0.2, 0.0, 0.2, 0.0]
    assert Method(flip=0.2).rows(rows(), MU).choice.tolist() == [1, 2, 2, 1, 1]


def test_settings_and_strengths_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="shares"):
        Method(flip=1.5)
    with pytest.raises(ConfigError, match="both"):
        Method(soft=0.1, smoothing=0.1)
    with pytest.raises(ConfigError, match="5 finite strengths"):
        Method().pairs(pairs(), MU[:4])


def test_of_equal_strengths_the_first_are_lowest() -> None:
    assert lowest([1.0, 1.0, 1.0, 1.0], 0.5).tolist() == [True, True, False, False]


def test_areas_and_ranks_are_those_of_the_libraries() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(5)
    score, label = rng.integers(0, 8, 200).astype(float), rng.random(200) < 0.3
    assert area(score, label) == pytest.approx(metrics.roc_auc_score(label, score))
    assert ranks(score).tolist() == stats.rankdata(score).tolist()
    assert spearman(score, label.astype(float)) == pytest.approx(stats.spearmanr(score, label).statistic)
