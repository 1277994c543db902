import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.core.errors import ConfigError
from guerdon.prefer.agreement import (
    Accuracy,
    Labels,
    cohen,
    dawid_skene,
    fleiss,
    krippendorff,
    leave_one_out,
    majority,
    on_gold,
    pool_quality,
    suspicions,
    wilson,
)

HOLES = st.lists(st.lists(st.sampled_from([1, 2, 3, None]), min_size=3, max_size=3), min_size=2, max_size=12)

# Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section C: 12 units, 4 observers, with holes.
PUBLISHED = [
    [1, 1, None, 1], [2, 2, 3, 2], [3, 3, 3, 3], [3, 3, 3, 3], [2, 2, 2, 2], [1, 2, 3, 4],
    [4, 4, 4, 4], [1, 1, 2, 1], [2, 2, 2, 2], [None, 5, 5, 5], [None, None, 1, 1], [None, None, 3, None],
]  # fmt: skip


@pytest.mark.parametrize(
    ("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)]
)
def test_alpha_of_the_published_example(level, alpha):
    assert krippendorff(PUBLISHED, level) == pytest.approx(alpha, abs=5e-4)


@settings(deadline=None, max_examples=60)
@given(HOLES, st.sampled_from(["nominal", "ordinal", "interval"]))
def test_alpha_equals_the_package_s(table, level):
    package = pytest.importorskip("krippendorff")
    ours = krippendorff(table, level)
    data = np.array([[np.nan if x is None else x for x in row] for row in table], float).T
    try:
        with np.errstate(all="ignore"):
            theirs = package.alpha(reliability_data=data, level_of_measurement=level)
    except ValueError:  # fewer than two labels to compare, or one label only
        assert math.isnan(ours)
        return
    assert ours == pytest.approx(theirs, abs=1e-9, nan_ok=True)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=30),
    st.sampled_from([None, "linear", "quadratic"]),
)
def test_kappa_equals_scikit_learn_s(pairs, weights):
    metrics = pytest.importorskip("sklearn.metrics")
    one, two = zip(*pairs)
    ours = cohen(one, two, weights)
    if math.isnan(ours):
        assert len({*one, *two}) == 1
        return
    labels = sorted({*one, *two})
    assert ours == pytest.approx(metrics.cohen_kappa_score(one, two, labels=labels, weights=weights))


def test_fleiss_kappa_of_the_published_example():
    # Fleiss (1971) as tabulated in textbooks: 10 subjects, 14 raters, 5 categories, κ = 0.210.
    counts = [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ]  # fmt: skip
    table = [[k for k, many in enumerate(row) for _ in range(many)] for row in counts]
    assert fleiss(table) == pytest.approx(0.210, abs=5e-4)


@given(HOLES)
@settings(deadline=None, max_examples=60)
def test_coefficients_do_not_depend_on_who_is_first_nor_exceed_one(table):
    turned = [row[::-1] for row in table][::-1]
    for measure in (fleiss, krippendorff, leave_one_out):
        value = measure(table)
        assert measure(turned) == pytest.approx(value, nan_ok=True)
        assert math.isnan(value) or value <= 1 + 1e-12


def test_perfect_agreement_is_one_and_a_single_label_is_undefined():
    assert krippendorff([[1, 1], [2, 2]]) == fleiss([[1, 1], [2, 2]]) == cohen([1, 2], [1, 2]) == 1
    assert math.isnan(krippendorff([[1, 1], [1, 1]]))
    assert math.isnan(fleiss([[1, 1]]))
    assert math.isnan(cohen([], []))
    assert math.isnan(krippendorff([]))
    assert math.isnan(krippendorff([["skip", 1], [None, 2]]))


@pytest.mark.parametrize("table", [[[1], [1, 2]], [["a", 1]], [[{}, 1]], [[math.inf, 1]], [[[1, 2], 3]]])
def test_malformed_tables_are_refused(table):
    with pytest.raises(ConfigError):
        Labels.of(table)


def test_text_has_no_intervals():
    with pytest.raises(ConfigError, match="numbers"):
        krippendorff([["a", "b"]], "interval")
    with pytest.raises(ConfigError):
        krippendorff([[1, 2]], "cardinal")
    with pytest.raises(ConfigError):
        cohen([1], [2], "cubic")
    with pytest.raises(ConfigError):
        cohen([1], [2, 3])


def test_majorities_and_ties():
    assert majority([["a", "a", "b"], ["a", "b", None], [None, None, None]]) == ["a", None, None]
    # one against two: the two are each half right (the others are split), the one is wrong
    assert leave_one_out([["a", "a", "b"]]) == pytest.approx((0.5 + 0.5 + 0) / 3)
    rng = np.random.default_rng(1)
    assert leave_one_out(rng.integers(2, size=(4000, 4))) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("accuracy", [0.65, 0.8])
def test_agreement_bias_and_variance_of_a_pool_follow_the_closed_forms(accuracy):
    rng = np.random.default_rng(2)
    truth = rng.integers(2, size=4000)

    def noisy(count, p):
        return np.where(rng.random((4000, count)) < p, truth[:, None], 1 - truth[:, None])

    found = pool_quality(noisy(5, accuracy), noisy(3, 1.0))
    assert found.agreement == pytest.approx(accuracy, abs=0.02)
    assert found.people == 1.0
    three = accuracy**3 * (10 * (1 - accuracy) ** 2 + 5 * (1 - accuracy) * accuracy + accuracy**2)
    assert found.bias == pytest.approx(1 - three, abs=0.02)
    assert 1 - found.variance < 1
    assert found.items == 4000
    with pytest.raises(ConfigError):
        pool_quality([[1]], [[1], [2]])


def test_wilson_equals_scipy_s_and_copes_with_nothing():
    from scipy.stats import binomtest

    for right, count in [(0, 5), (3, 7), (7, 7)]:
        theirs = binomtest(right, count).proportion_ci(method="wilson")
        assert wilson(right, count) == pytest.approx((theirs.low, theirs.high))
    assert wilson(0, 0) == (0.0, 1.0)


def test_accuracy_on_gold_questions_leaves_out_holes_and_other_items():
    table = [["a", "b"], ["a", None], ["b", "b"], ["a", "a"]]
    first, second = on_gold(table, ["a", "a", "b", None])
    assert (first.right, first.count, second.right, second.count) == (3, 3, 1, 2)
    assert second.low < 0.5 < second.high
    with pytest.raises(ConfigError):
        on_gold(table, ["a"])


def crowd(seed=3, items=300):
    rng = np.random.default_rng(seed)
    truth = rng.integers(3, size=items)
    skill = np.array([0.95, 0.9, 0.6, 0.4])
    wrong = (truth[:, None] + rng.integers(1, 3, size=(items, 4))) % 3
    table = np.where(rng.random((items, 4)) < skill, truth[:, None], wrong).astype(float)
    table[rng.random((items, 4)) < 0.2] = np.nan
    return truth, skill, table


def test_dawid_skene_finds_who_is_reliable_and_beats_the_majority():
    truth, skill, table = crowd()
    found = dawid_skene(table)
    assert found.classes == (0.0, 1.0, 2.0)
    np.testing.assert_allclose(found.reliability, skill, atol=0.08)
    ours = np.mean(np.array(found.labels) == truth)
    assert ours > np.mean([a == b for a, b in zip(majority(table), truth)]) + 0.03
    np.testing.assert_allclose(found.chances.sum(axis=1), 1)


@pytest.mark.filterwarnings("ignore")  # of pandas, about how crowd-kit calls it
def test_dawid_skene_equals_crowd_kit():
    aggregation = pytest.importorskip("crowdkit.aggregation.classification.dawid_skene")
    pandas = pytest.importorskip("pandas")
    _, _, table = crowd(seed=4, items=120)
    row, column = np.nonzero(~np.isnan(table))
    answers = pandas.DataFrame({"task": row, "worker": column, "label": table[row, column].astype(int)})
    theirs = aggregation.DawidSkene(n_iter=300, tol=1e-12).fit(answers)
    ours = dawid_skene(table, steps=300, tolerance=0.0, smoothing=0.0)
    labelled = ~np.isnan(table).all(axis=1)
    order = theirs.probas_.sort_index()[[0, 1, 2]].to_numpy()
    np.testing.assert_allclose(ours.chances[labelled], order, atol=1e-4)


def test_dawid_skene_of_nothing():
    found = dawid_skene([[None, None]])
    assert found.labels == []
    assert dawid_skene([["a"]]).labels == ["a"]


def test_bots_are_named_and_honest_annotators_are_not():
    rng = np.random.default_rng(5)
    who = ["left"] * 200 + ["turns"] * 200 + ["ann"] * 200 + ["bob"] * 10
    points = [*np.ones(200), *(np.arange(200) % 2), *rng.integers(2, size=200), *rng.integers(2, size=10)]
    flagged = {(each.annotator, each.reason) for each in suspicions(who, points)}
    assert flagged == {("left", "one side"), ("turns", "alternating")}
    burst = suspicions(["bot"] * 900 + ["ann"] * 50, [0.5] * 950)
    assert [(each.annotator, each.reason) for each in burst] == [("bot", "burst")]
    assert suspicions(["ann"] * 3, [1, math.nan, 0]) == suspicions([], []) == []
    with pytest.raises(ConfigError):
        suspicions(["ann"], [1, 0])
    gold = suspicions(["ann"], [1], gold={"ann": Accuracy(0, 20, *wilson(0, 20))})
    assert [each.reason for each in gold] == ["gold"]
