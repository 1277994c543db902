from typing import get_args

import numpy as np
import pytest

from guerdon.core.errors import ConfigError

torch = pytest.importorskip("torch")

from guerdon.core.rng import stream  # noqa: E402
from guerdon.systems.constrained_rlhf.learners import CONSTRAINED, Method, learner  # noqa: E402
from guerdon.systems.constrained_rlhf.multipliers import Multipliers  # noqa: E402
from guerdon.train.critic import Critic  # noqa: E402
from guerdon.train.rollouts import Sampling, collect  # noqa: E402
from guerdon.train.tiny import TinyLM, TinyPolicy  # noqa: E402
from guerdon.train.tiny_nets import TinyGRU  # noqa: E402

NET = TinyGRU(vocabulary=6, width=8)


@pytest.fixture(scope="module")
def model():
    return TinyLM.new(NET, stream(3, "model"))


def share_of(token):
    def score(prompts, drawn):
        return np.array([np.mean(line[:n] == token) for line, n in zip(drawn.ids, drawn.lengths)])

    return score


def both(prompts, drawn):
    return np.stack([share_of(4)(prompts, drawn), share_of(5)(prompts, drawn)], 1)


def small(model):
    return {"lr": 0.05, "epochs": 2, "minibatch": None, "beta1": 0.5, "critic": Critic(body=NET, start=model.weights)}


def rolled(model, seed=0, n=64, score=both):
    policy = TinyPolicy(model)
    prompts = np.full((n, 1), 2)
    return policy, collect(policy, prompts, score, Sampling(most=4), stream(seed, "draw"))


def trained(model, how, iterations, seed=0, score=both):
    policy = TinyPolicy(model)
    state = how.start(policy, seed)
    means = []
    for k in range(iterations):
        policy.load(state.policy)
        rollouts = collect(policy, np.full((64, 1), 2), score, Sampling(most=4), stream(seed, "draw", k))
        state, _ = how.update(policy, state, rollouts, stream(seed, "update", k))
        means.append(rollouts.scores.mean(0))
    return state, np.array(means)


def multipliers_of(state):
    return [state.numbers[f"multiplier_{i}"] for i in range(2)]


def test_the_mixture_of_a_minibatch_and_the_step_of_its_multipliers(model):
    _, rollouts = rolled(model)
    how = learner("xi-ppo", thresholds=(0.3, 0.1), multiplier_lr=0.5, **small(model))
    advantages = np.random.default_rng(0).normal(size=(*rollouts.mask.shape, 3)) * rollouts.mask[..., None]
    numbers = {"multiplier_0": 0.4, "multiplier_1": -0.2, "velocity_0": 0.0, "velocity_1": 0.0, "kl_weight": 0.2}
    found, after = how.mixed(advantages, rollouts, numbers)

    some = rollouts.mask > 0
    scaled = [(advantages[..., h] - advantages[..., h][some].mean()) / advantages[..., h][some].std() for h in range(3)]
    s = np.tanh([0.4, -0.2])
    wanted = (2 - s.sum()) * scaled[2] + s[0] * scaled[0] + s[1] * scaled[1]
    np.testing.assert_allclose(found[some], wanted[some], atol=1e-6)
    assert (found[~some] == 0).all()
    rule = Multipliers(squash="tanh", lr=0.5)
    m, velocity = rule.step(np.array([0.4, -0.2]), np.zeros(2), reached=rollouts.scores.mean(0), thresholds=(0.3, 0.1))
    assert [after["multiplier_0"], after["multiplier_1"]] == m.tolist()
    assert after["velocity_1"] == velocity[1]
    assert after["kl_weight"] == 0.2


def test_upper_bounds_take_the_composite_as_their_task(model):
    _, rollouts = rolled(model)
    how = learner("all-ppo", thresholds=(0.3, 0.1), weights=(2.0, 1.0), **small(model))
    assert how.heads == 2
    advantages = np.random.default_rng(0).normal(size=(*rollouts.mask.shape, 2)) * rollouts.mask[..., None]
    numbers = {"multiplier_0": 0.4, "multiplier_1": -0.2, "velocity_0": 0.0, "velocity_1": 0.0}
    found, _ = how.mixed(advantages, rollouts, numbers)

    def scaled(values):
        some = values[rollouts.mask > 0]
        return (values - some.mean()) / some.std()

    s = 1 / (1 + np.exp([-0.4, 0.2]))
    task = scaled(2 * advantages[..., 0] + advantages[..., 1])
    wanted = (2 - s.sum()) * task - s[0] * scaled(advantages[..., 0]) - s[1] * scaled(advantages[..., 1])
    some = rollouts.mask > 0
    np.testing.assert_allclose(found[some], wanted[some], atol=1e-6)


def test_equality_holds_a_threshold_that_maximising_runs_past(model):
    free, plain = trained(model, learner("ppo-no-kl", weights=(1.0, 0.0), **small(model)), 20)
    _, held = trained(model, learner("xi-ppo", thresholds=(0.4, 0.2), multiplier_lr=0.3, **small(model)), 50)
    assert plain[-5:, 0].mean() > 0.8
    np.testing.assert_allclose(held[-20:].mean(0), [0.4, 0.2], atol=0.08)
    assert "multiplier_0" not in free.numbers


def test_lower_bounds_are_reached(model):
    how = learner("mu-ppo", thresholds=(0.3, 0.25), multiplier_lr=3.0, **small(model))
    state, means = trained(model, how, 40)
    assert (means[:3].mean(0) < 0.22).all()
    assert (means[-10:].mean(0) > [0.25, 0.2]).all()
    assert min(multipliers_of(state)) > 0


def test_satisficing_is_drawn_to_its_thresholds_from_both_sides(model):
    _, up = trained(model, learner("ppo-sat", thresholds=(0.5, 0.0), kl=0.0, **small(model)), 30)
    np.testing.assert_allclose(up[-10:].mean(0), [0.5, 0.0], atol=0.12)


@pytest.mark.parametrize("method", get_args(Method))
def test_an_unknown_score_teaches_nothing(model, method):
    def holey(prompts, drawn):
        found = both(prompts, drawn)
        found[::3, 1] = np.nan
        return found

    how = learner(method, thresholds=(0.3, 0.2), weights=(1.0, 1.0), **small(model))
    policy, rollouts = rolled(model, score=holey)
    start = how.start(policy, 0)
    whole, _ = how.update(policy, start, rollouts, stream(0))
    policy, rollouts = rolled(model, score=holey)
    kept, _ = how.update(policy, start, rollouts.take(rollouts.known), stream(0))
    for name, each in whole.policy.weights.items():
        torch.testing.assert_close(each, kept.policy.weights[name], rtol=1e-4, atol=1e-5)
    for name in set(whole.numbers) - {"kl_weight"}:
        assert whole.numbers[name] == pytest.approx(kept.numbers[name])


def test_published_settings_are_the_defaults():
    how = learner("xi-ppo", thresholds=(0.23, 0.48))
    assert (how.lr, how.epochs, how.minibatch, how.clip, how.gamma, how.lam, how.clip_norm) == (
        1e-6, 5, 64, 0.2, 0.99, 0.95, 0.5,
    )  # fmt: skip
    assert (how.kl.start, how.heads, how.value) == (0.2, 3, (1.0, 1.0, 0.4))
    assert (how.multipliers.squash, how.multipliers.lr, how.multipliers.momentum) == ("tanh", 0.1, 0.1)
    assert learner("mu-ppo", thresholds=(0.2,)).multipliers.squash == "sigmoid"
    assert learner("ppo", weights=(0.5, 1.0)).kl.target == 0.5
    assert learner("ppo-no-kl", weights=(0.5, 1.0)).kl is None
    assert set(CONSTRAINED) < set(get_args(Method))


def test_errors_say_what_to_do():
    with pytest.raises(ConfigError, match="Did you mean xi-ppo"):
        learner("xi-pp", thresholds=(0.1,))
    with pytest.raises(ConfigError, match="threshold for each"):
        learner("xi-ppo", components=2)
