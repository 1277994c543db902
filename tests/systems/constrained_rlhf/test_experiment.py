import numpy as np
import pytest

torch = pytest.importorskip("torch")

from guerdon.bench.experiment import measured  # noqa: E402
from guerdon.bench.verdicts import AllOf  # noqa: E402
from guerdon.core.rng import stream  # noqa: E402
from guerdon.systems.constrained_rlhf.experiment import EXPERIMENTS, TinyText  # noqa: E402
from guerdon.systems.constrained_rlhf.tiny import Evaluation, Problem, components  # noqa: E402
from guerdon.worlds.tiny_text import TinyText as World  # noqa: E402
from guerdon.worlds.tiny_text import read  # noqa: E402


def answer(text):
    return [*read(text), 1]


def test_components_of_answers_by_hand():
    world = World(seed=7)
    prompts = [read("sea brief")] * 4
    texts = ["wave tide rose star", "wave wave wave wave", "rose moss", ""]
    ids = np.zeros((4, 6), np.int64)
    for line, text in zip(ids, texts):
        line[: len(answer(text))] = answer(text)
    found = components(world, prompts, ids)
    assert found[:, 0].tolist() == [0.5, 1.0, 0.0, 0.0]
    from scipy.stats import norm

    table = world.bigrams
    wave, tide, rose, star = (read(word)[0] - 12 for word in ("wave", "tide", "rose", "star"))
    pairs = [table[wave, tide], table[tide, rose], table[rose, star]]
    assert found[0, 1] == pytest.approx(norm.cdf(pairs).mean())
    assert found[1, 1] == pytest.approx(norm.cdf(table[wave, wave]))
    assert found[3, 1] == 0.0
    assert ((found >= 0) & (found <= 1)).all()


def test_repetition_raises_components_and_lowers_the_evaluation():
    evaluation = Evaluation()
    some, more = np.array([[0.6, 0.55]]), np.array([[1.0, 0.95]])
    assert evaluation.of(more, np.array([0.6]), np.array([0.1])) < evaluation.of(
        some, np.array([0.15]), np.array([0.1])
    )
    assert evaluation.of(more, np.array([0.15]), np.array([0.1])) > evaluation.of(
        some, np.array([0.15]), np.array([0.1])
    )


def test_the_start_is_the_same_each_time():
    made = [Problem.make(5, demonstrations=64, epochs=1) for _ in range(2)]
    prompts = made[0].prompts(8, "x")
    drawn = [each.policy.sample(prompts, stream(0, "x"), most=17) for each in made]
    assert np.array_equal(drawn[0].ids, drawn[1].ids)
    assert made[0].measured(prompts, drawn[0]).shape == (8, 3)


@pytest.mark.parametrize("arm", TinyText.arms)
def test_every_arm_gives_the_measures_that_the_claims_ask_for(arm):
    (experiment,) = EXPERIMENTS
    found = measured(experiment.run(arm, 101, "smoke"))
    asked = [claim for claim in experiment.claims if not isinstance(claim, AllOf)]
    wanted = {claim.measure for claim in asked if arm in (claim.treatment, claim.control)}
    assert wanted <= set(found)
    if arm == "xi-PPO":
        assert found == measured(experiment.run(arm, 101, "smoke"))


def test_arms_that_claims_name_are_there():
    (experiment,) = EXPERIMENTS
    names = {claim.name for claim in experiment.claims}
    assert len(names) == len(experiment.claims)
    for claim in experiment.claims:
        if isinstance(claim, AllOf):
            assert set(claim.of) < names
        else:
            assert claim.treatment in experiment.arms
            assert claim.control is None or claim.control in experiment.arms
