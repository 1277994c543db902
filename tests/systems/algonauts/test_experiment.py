import pytest

from guerdon.systems.algonauts.experiment import EXPERIMENTS, Layers


def test_claims_speak_of_arms_that_are_there():
    (experiment,) = EXPERIMENTS
    for claim in experiment.claims:
        arms = {getattr(claim, "treatment", None), getattr(claim, "control", None)} - {None}
        assert arms <= set(experiment.arms)


def test_arms_give_scores_of_both_regions():
    pytest.importorskip("skimage")
    pytest.importorskip("PIL")
    small = Layers(vertices=20, components=20)
    found = {arm: small.run(arm, 101, "smoke") for arm in ("oracle", "shuffled")}
    for region in ("early", "late"):
        assert 100 > found["oracle"][region] > 60 > 40 > found["shuffled"][region] >= 0
