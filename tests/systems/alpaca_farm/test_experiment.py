"""The farm, its methods and its experiments, at the scale that checks mechanics."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from guerdon.bench.verdicts import Claim  # noqa: E402
from guerdon.core.errors import ConfigError  # noqa: E402
from guerdon.core.rng import stream  # noqa: E402
from guerdon.prefer.training import metrics  # noqa: E402
from guerdon.systems.alpaca_farm.experiment import EXPERIMENTS  # noqa: E402
from guerdon.systems.alpaca_farm.farm import Farm, tokens_of  # noqa: E402
from guerdon.systems.alpaca_farm.methods import METHODS, PUBLISHED, learn  # noqa: E402
from guerdon.systems.alpaca_farm.reproduction import (  # noqa: E402
    learned_reward,
    materials,
    settings_of,
)
from guerdon.train.tiny import Sft  # noqa: E402


@pytest.fixture(scope="module")
def farm() -> Farm:
    return Farm.make(101, demonstrations=1_500, sft=Sft(epochs=2), width=24)


@pytest.fixture(scope="module")
def made(farm):
    pairs = farm.labelled(farm.gold, 300, "train")
    return materials(farm, pairs, learned_reward(farm, pairs, "smoke"), "smoke")


def test_a_flip_in_four_takes_agreement_a_to_a_quarter_and_half_of_it(farm) -> None:
    plain, noisy = farm.agreement(farm.p_eval, 1_500), farm.agreement(farm.p_ann, 1_500)
    assert 0.7 < plain < 0.9
    assert noisy == pytest.approx(0.25 + 0.5 * plain, abs=0.04)
    assert farm.agreement(farm.gold) == 1.0


def test_people_agree_with_each_other_as_people_do(farm) -> None:
    found = farm.quality(300)
    assert 0.58 < found.people < 0.76
    assert found.agreement > 0.65
    assert found.variance > 0.1


def test_labels_follow_the_annotators(farm) -> None:
    gold, again = farm.labelled(farm.gold, 400, "x"), farm.labelled(farm.gold, 400, "x")
    assert gold.digest() == again.digest()
    width = gold.chosen.values.shape[1]
    scores = [
        farm.desk.world.gold(side.values[:, :2], np.pad(side.values[:, 2:], ((0, 0), (0, 20 - width))))
        for side in (gold.chosen, gold.rejected)
    ]
    assert (scores[0] >= scores[1]).all()


def test_the_baseline_against_itself_is_all_draws(farm) -> None:
    found = farm.evaluated(farm.baseline(50), farm.p_eval, 50)
    assert (found.rate.n_draws, found.rate.win_rate) == (50, 50.0)


def test_a_reward_model_learns_from_the_labels(farm) -> None:
    model = learned_reward(farm, farm.labelled(farm.gold, 800, "train"))
    assert metrics(model, farm.labelled(farm.gold, 400, "held out"))["accuracy"] > 0.6


@pytest.mark.parametrize("name", [*METHODS])
def test_every_method_answers(farm, made, name) -> None:
    learned = learn(name, made, settings_of("smoke"))
    asked = farm.evaluation(20)
    drawn, again = (learned.answers(made, asked, stream(1, "x")) for _ in range(2))
    assert drawn.ids.tolist() == again.ids.tolist()
    assert farm.evaluated(drawn.ids, farm.gold, 20).rate.n_total == 20
    changed = any(not torch.equal(learned.snapshot.weights[k], made.start.weights[k]) for k in made.start.weights)
    assert changed == (name not in ("sft", "best-of-n"))


def test_best_of_n_has_a_higher_score_than_one(farm, made) -> None:
    asked = farm.evaluation(60)
    scores = [
        made.score(asked, learn(name, made, settings_of("smoke")).answers(made, asked, stream(2, "x"))).mean()
        for name in ("sft", "best-of-n")
    ]
    assert scores[1] > scores[0] + 0.5


def test_conditioning_asks_behind_the_good_token(farm, made) -> None:
    learned = learn("reward-conditioning", made, settings_of("smoke"))
    assert learned.mark == made.marks[0]
    with pytest.raises(ConfigError):
        learn("reward-conditioning", replace(made, marks=(-1, -1)), settings_of("smoke"))


def test_the_checkpoint_that_is_best_on_validation_is_kept(made) -> None:
    values = iter([1.0, 3.0, 2.0])
    seen = []

    def watch(policy, state) -> dict[str, float]:
        seen.append(state.policy)
        return {"val": next(values)}

    learned = learn("ppo", replace(made, watch=watch), settings_of("smoke"))
    assert learned.snapshot is seen[1]


def test_published_settings_are_those_of_the_publication() -> None:
    ppo = PUBLISHED.ppo
    assert (ppo.lr, ppo.warmup, ppo.epochs, ppo.minibatch, ppo.lam, ppo.gamma) == (1e-5, 5, 2, 256, 1.0, 1.0)
    assert (ppo.clip, ppo.value_clip, ppo.value, ppo.entropy, ppo.kl.start) == (0.2, 0.2, 0.1, 0.0, 0.0067)
    assert ppo.clamp_kl
    assert ppo.whiten_rewards
    assert (PUBLISHED.quark.lr, PUBLISHED.quark.kl, PUBLISHED.quark.quantiles) == (3e-6, 0.05, 4)
    assert PUBLISHED.quark.best_only
    assert (PUBLISHED.dpo.lr, PUBLISHED.dpo.beta, PUBLISHED.dpo.epochs, PUBLISHED.dpo.batch) == (1e-6, 0.1, 2, 64)
    assert (PUBLISHED.n, PUBLISHED.rollout, PUBLISHED.expert.restart) == (16, 512, True)
    with pytest.raises(ConfigError, match="best-of-n"):
        learn("best-of-m", None)


def test_rows_come_apart_into_prompts_and_answers(farm) -> None:
    pairs = farm.labelled(farm.gold, 5, "apart")
    for row, n, ids in zip(tokens_of(pairs.chosen), pairs.chosen.lengths, pairs.chosen.values):
        assert [*row.prompt, *row.action] == ids[:n].tolist()
        assert len(row.prompt) == 2


@pytest.mark.parametrize(("experiment", "arm"), [(each, arm) for each in EXPERIMENTS for arm in each.arms])
def test_each_arm_gives_what_the_claims_ask_for(experiment, arm) -> None:
    found = experiment.run(arm, 102, "smoke")
    wanted = {
        claim.measure
        for claim in experiment.claims
        if isinstance(claim, Claim) and arm in (claim.treatment, claim.control)
    }
    assert wanted <= set(found)
    assert all(np.isfinite(value) for name, value in found.items() if name in wanted)
