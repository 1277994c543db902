from __future__ import annotations

import math

import numpy as np
import pytest

from guerdon.core.rng import stream

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from guerdon.prefer.models import RewardModel, Rows  # noqa: E402
from guerdon.systems.mrmbench.desk import KINDS, Study, WordPairs, auroc, balanced, correlation, matched  # noqa: E402
from guerdon.systems.mrmbench.dynamic import Dynamic, Trusted  # noqa: E402
from guerdon.systems.mrmbench.experiment import EXPERIMENTS  # noqa: E402
from guerdon.worlds.tiny_text import DIMENSIONS  # noqa: E402


@pytest.fixture(scope="module")
def study():
    return Study(101, pairs=300, probes=300, prompts=8, n=8, demonstrations=300)


def test_padding_does_not_change_a_representation():
    model = RewardModel.new(WordPairs(), 1)
    short, long = Rows.of([[2, 8, 12, 13, 1]]), Rows.of([[2, 8, 12, 13, 1], [2, 8] + [20] * 15 + [1]])
    np.testing.assert_allclose(model.features(short)[0], model.features(long)[0], rtol=1e-5)


def test_there_are_twelve_models_and_they_differ(study):
    assert len(KINDS) == 12
    labels = [study.labels(kind).digest() for kind in KINDS.values() if kind.pairs == 8_000]
    assert len(set(labels)) == len(labels) == 9
    assert len(study.labels(KINDS["500 pairs"])) == 300


def test_labels_follow_the_dimensions_of_a_model(study):
    pairs = study.labels(KINDS["length only"])
    world, at = study.desk.world, DIMENSIONS.index("length")
    chosen, rejected = (
        world.dimensions(r.values[:, :2], r.values[:, 2:])[:, at] for r in (pairs.chosen, pairs.rejected)
    )
    assert (chosen >= rejected).all()
    np.testing.assert_array_equal(pairs.smoothing == 0.5, chosen == rejected)


def test_probing_tasks_are_balanced(study):
    for _, labels in study.tasks.values():
        assert labels.mean() == 0.5


def test_measures_of_every_arm(study):
    for experiment in EXPERIMENTS:
        for arm in experiment.arms:
            found = experiment.run(arm, 101, "smoke")
            wanted = {claim.measure for claim in experiment.claims if getattr(claim, "treatment", None) == arm}
            assert wanted <= set(found)


def test_pairs_are_matched_in_gap():
    rng = stream(1, "gaps")
    gaps, odd = np.abs(rng.standard_normal(2000)), rng.random(2000) < 0.5
    gaps[odd] *= 2
    kept = matched(gaps, odd)
    assert odd[kept].mean() == 0.5
    assert abs(gaps[kept][odd[kept]].mean() - gaps[kept][~odd[kept]].mean()) < 0.1


def test_auroc_and_correlation_equal_their_peers():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = stream(2, "scores")
    scores, positive = rng.integers(5, size=100).astype(float), rng.random(100) < 0.3
    assert auroc(scores, positive) == pytest.approx(metrics.roc_auc_score(positive, scores))
    assert math.isnan(auroc(scores, np.ones(100, bool)))
    assert math.isnan(correlation(np.ones(3), np.arange(3.0)))


def test_balanced_leaves_out_as_few_as_it_can():
    kept = balanced(np.array([0, 0, 0, 0, 1, 1]), stream(1))
    assert sorted(np.array([0, 0, 0, 0, 1, 1])[kept].tolist()) == [0, 0, 1, 1]


def test_far_rewards_are_unknown_and_as_many_at_random():
    distance = np.array([1.0, 5.0, 2.0, 9.0])

    def score(prompts, drawn):
        return np.arange(4.0)

    def far(prompts, drawn):
        return distance

    near = Trusted(score, far, 3.0)
    assert np.isnan(near(None, None)).tolist() == [False, True, False, True]
    any_ = Trusted(score, far, shares=near.dropped)
    assert np.isnan(any_(None, None)).sum() == 2
    assert near.dropped == any_.dropped == [0.5]
    assert not np.isnan(Trusted(score, far)(None, None)).any()


def test_a_policy_learns_under_each_rule(study):
    found = {rule: Dynamic(iterations=2, batch=16).measures(study, rule) for rule in ("all", "near", "random")}
    assert all(math.isfinite(each["gold"]) for each in found.values())
    assert found["all"]["dropped"] == 0.0
    assert found["near"]["dropped"] == pytest.approx(found["random"]["dropped"], abs=0.05)
