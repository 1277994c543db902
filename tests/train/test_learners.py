"""Parts of the learners against known answers: advantages, divergences, value heads, token rows, best-of-n."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from guerdon.core.errors import ConfigError  # noqa: E402
from guerdon.core.rng import stream  # noqa: E402
from guerdon.train.critic import Critic, explained  # noqa: E402
from guerdon.train.kl import AdaptiveKL, FixedKL, kl_estimates  # noqa: E402
from guerdon.train.learners import (  # noqa: E402
    GRPO,
    PPO,
    Quark,
    RewardConditioning,
    left_out_advantages,
    relative_advantages,
    token_gae,
)
from guerdon.train.learners.base import centred  # noqa: E402
from guerdon.train.learners.imitation import full_kl, told  # noqa: E402
from guerdon.train.policy import Adam, Packed, Policy, Tokens, token_logprobs  # noqa: E402
from guerdon.train.rollouts import Rollouts, Sampling, collect  # noqa: E402
from guerdon.train.sampling import Drawn  # noqa: E402
from guerdon.train.state import State  # noqa: E402
from guerdon.train.tiny import TinyGRU, TinyLM, TinyPolicy, TinyTransformer  # noqa: E402

NETS = [TinyGRU(vocabulary=12, width=16), TinyTransformer(vocabulary=12, width=16, longest=16)]
nets = pytest.mark.parametrize("net", NETS, ids=["gru", "transformer"])
ROWS = [Tokens([3, 4], [5, 6, 7, 1]), Tokens([8], [9, 2, 1], [False, True, True]), Tokens([3, 4, 5, 6], [1])]
PROMPTS = stream(1, "prompts").integers(2, 10, (12, 2))


def tiny(net: Any = NETS[0]) -> TinyLM:
    return TinyLM.new(net, stream(0, "weights"))


def drawn_by(policy: Policy, scores: Any = None, group: int = 1) -> Rollouts:
    def score(_: Any, drawn: Drawn) -> Any:
        return (drawn.ids == 5).mean(1) if scores is None else scores

    return collect(policy, PROMPTS, score, Sampling(most=6, group=group), stream(2, "draw"))


# ---- a tiny policy reads arrays as the general policy reads rows -----------------------------------------------------


@nets
@pytest.mark.parametrize("full", [False, True])
def test_a_tiny_policy_gives_what_the_general_one_gives(net: Any, full: bool) -> None:
    ours, general = TinyPolicy(tiny(net)), Policy(tiny(net).module())
    packed = Packed.of(ROWS)
    values, mask = token_logprobs(general._model, ROWS, full=full)
    found = ours.packed_logprobs(packed, full=full)
    there = packed.there[..., None] if full else packed.there
    assert np.allclose(found * there, values.detach().numpy() * there, atol=1e-5)
    assert mask.tolist() == packed.chosen.astype(float).tolist()


@nets
def test_a_tiny_policy_takes_the_step_that_the_general_one_takes(net: Any) -> None:
    def loss(values: Any, mask: Any, which: list[int]) -> Any:
        return -(torch.tensor([1.0, -2.0, 3.0])[which][:, None] * values * mask).sum()

    adam = Adam(lr=1e-2, clip=1.0)
    for most in (65_536, 8):
        ours, general = TinyPolicy(tiny(net), most_tokens=most), Policy(tiny(net).module())
        (one, told_one), (two, told_two) = (each.step(each.start(), ROWS, loss, adam) for each in (ours, general))
        assert told_one == pytest.approx(told_two, rel=1e-4)
        for name, each in one.first.items():
            assert torch.allclose(each, two.first[name], atol=1e-6), name


def test_several_steps_at_once_are_the_steps_one_by_one() -> None:
    def loss(values: Any, mask: Any, _: list[int]) -> Any:
        return (values * mask).sum()

    one, two = TinyPolicy(tiny()), TinyPolicy(tiny())
    state = one.start()
    for _ in range(3):
        state, _ = one.step(state, ROWS, loss, Adam(lr=1e-2))
    with two.learning(two.start(), Adam(lr=1e-2)) as learning:
        for _ in range(3):
            learning.step(ROWS, loss)
        after = learning.snapshot()
    assert (state.steps, after.steps) == (3, 3)
    for part in ("weights", "first", "second"):
        for name, each in getattr(state, part).items():
            assert torch.equal(each, getattr(after, part)[name])


# ---- advantages ------------------------------------------------------------------------------------------------------


def test_advantages_by_hand() -> None:
    """Two tokens and an end: deltas (0 + V1 - V0), (0 + V2 - V1), (r - V2), discounted by 0.5 * 0.9."""
    rewards, values = np.array([[[0.0], [0.0], [2.0], [9.0]]]), np.array([[[0.5], [1.0], [-1.0], [7.0]]])
    found, targets = token_gae(rewards, values, [3], gamma=0.9, lam=0.5)
    last = 2.0 - -1.0
    middle = 0.9 * -1.0 - 1.0 + 0.45 * last
    first = 0.9 * 1.0 - 0.5 + 0.45 * middle
    assert found.ravel() == pytest.approx([first, middle, last, 0.0], abs=1e-6)
    assert targets.ravel() == pytest.approx([first + 0.5, middle + 1.0, last - 1.0, 0.0], abs=1e-6)


def test_heads_do_not_mix() -> None:
    rng = stream(4, "heads")
    rewards, values = rng.standard_normal((3, 5, 2)), rng.standard_normal((3, 5, 2))
    both = token_gae(rewards, values, [5, 2, 4], gamma=0.9, lam=0.8)[0]
    for h in range(2):
        one = token_gae(rewards[..., h : h + 1], values[..., h : h + 1], [5, 2, 4], gamma=0.9, lam=0.8)[0]
        assert np.allclose(both[..., h : h + 1], one)


numbers = st.lists(st.integers(-20, 20).map(float), min_size=8, max_size=8)


@given(numbers, st.floats(-50, 50), st.floats(0.1, 20))
@settings(max_examples=50, deadline=None)
def test_advantages_of_groups_do_not_change_with_offset_or_scale(scores: list[float], by: float, times: float) -> None:
    line = np.array(scores)
    plain = relative_advantages(line, 4, eps=1e-12)
    moved = relative_advantages(line * times + by, 4, eps=1e-12)
    assert np.allclose(plain, moved, atol=1e-6)
    assert np.allclose(plain.reshape(2, 4).sum(1), 0.0, atol=1e-9)
    left = left_out_advantages(line * times + by, 4)
    assert np.allclose(left, times * left_out_advantages(line, 4), atol=1e-6)
    assert np.allclose(left, times * 4 / 3 * relative_advantages(line, 4, scale="none"), atol=1e-6)


@given(numbers, st.lists(st.booleans(), min_size=8, max_size=8))
@settings(max_examples=50, deadline=None)
def test_unknown_scores_have_no_part_in_groups(scores: list[float], unknown: list[bool]) -> None:
    line, known = np.where(unknown, np.nan, scores), ~np.array(unknown)
    some = np.array(scores)[known]
    taught = len(some) > 1
    relative, left = relative_advantages(line, 8, scale="none"), left_out_advantages(line, 8)
    assert (relative[~known] == 0).all()
    assert (left[~known] == 0).all()
    assert np.allclose(relative[known], some - some.mean() if taught else 0.0)
    assert np.allclose(left[known], (some - some.mean()) * len(some) / (len(some) - 1) if taught else 0.0)


def test_a_step_of_grpo_does_not_change_with_the_scale_of_the_score() -> None:
    scores = stream(3, "scores").standard_normal(12)
    after = []
    for times, by in ((1.0, 0.0), (100.0, -7.0)):
        ours = TinyPolicy(tiny())
        some = drawn_by(ours, times * scores + by, group=4)
        after.append(GRPO(lr=1e-2, sd_eps=1e-9).update(ours, State(ours.start()), some, stream(0, "order"))[0])
    for one, two in zip(after[0].policy.first.values(), after[1].policy.first.values(), strict=True):
        assert torch.allclose(one, two, atol=1e-6)


def test_whitening() -> None:
    values, mask = np.array([[1.0, 3.0, 100.0], [5.0, 7.0, 0.0]]), np.array([[1, 1, 0], [1, 1, 0]])
    white, kept = centred(values, mask), centred(values, mask, shift=False)
    some = mask > 0
    assert white[some].mean() == pytest.approx(0.0)
    assert white[some].std() == pytest.approx(1.0)
    assert kept[some].mean() == pytest.approx(4.0)
    assert kept[some].std() == pytest.approx(1.0)
    assert (white[~some] == 0).all()


# ---- divergences -----------------------------------------------------------------------------------------------------


def test_estimates_of_the_divergence_have_its_mean() -> None:
    """k1 and k3 are unbiased, k2 is not; k3 is never negative: by exact sums over a small distribution."""
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.5, 0.3])
    exact = float((p * np.log(p / q)).sum())
    found = kl_estimates(np.log(p), np.log(q))
    assert float((p * found["k1"]).sum()) == pytest.approx(exact)
    assert float((p * found["k3"]).sum()) == pytest.approx(exact)
    assert float((p * found["k2"]).sum()) != pytest.approx(exact, abs=1e-3)
    assert (found["k3"] >= 0).all()
    tensors = kl_estimates(torch.tensor(np.log(p)), torch.tensor(np.log(q)))
    assert all(np.allclose(tensors[name].numpy(), each) for name, each in found.items())


def test_the_whole_divergence_with_and_without_control_tokens() -> None:
    p, q = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.2, 0.5, 0.3])
    assert float(full_kl(p.log(), q.log())) == pytest.approx(float((p * (p / q).log()).sum()))
    a, b = torch.tensor([5 / 7, 2 / 7]), torch.tensor([0.4, 0.6])
    assert float(full_kl(p.log(), q.log(), without=[1])) == pytest.approx(float((a * (a / b).log()).sum()), rel=1e-5)


@pytest.mark.parametrize(("kl", "factor"), [(6.0, 1.0), (60.0, 1.02), (0.0, 0.98), (6.6, 1.01)])
def test_the_weight_of_the_penalty_steers_towards_the_target(kl: float, factor: float) -> None:
    assert AdaptiveKL(target=6.0).following(0.2, kl, 64) == pytest.approx(0.2 * factor)
    assert AdaptiveKL(target=6.0, horizon=640).following(0.2, kl, 64) == pytest.approx(0.2 * factor)


def test_an_adaptive_weight_reads_the_divergence_in_its_unit() -> None:
    ours = TinyPolicy(tiny())
    some = drawn_by(ours)
    some.reference[:] = np.where(some.mask > 0, some.logprobs - 1.0, 0.0)  # one nat per token
    for unit, kl in (("token", 1.0), ("answer", float(some.mask.sum() / len(some)))):
        learner = PPO(kl=AdaptiveKL(start=1.0, target=kl, unit=unit))  # type: ignore[arg-type]
        state, _ = learner.update(ours, learner.start(ours, 0), some, stream(0, "order"))
        assert state.numbers["kl_weight"] == pytest.approx(1.0)


# ---- rewards and value heads of PPO ----------------------------------------------------------------------------------


def ppo_parts(learner: PPO, scores: Any = None, gap: float = 1.0) -> tuple[Any, Any, Rollouts]:
    """Advantages with lambda = gamma = 1 and values of 0: the sums of what is still to come."""
    some = drawn_by(TinyPolicy(tiny()), scores)
    signs = np.where(np.arange(6) % 2, -1.0, 1.0)
    some.reference[:] = np.where(some.mask > 0, some.logprobs - gap * signs, 0.0)
    values = np.zeros((len(some), 6, learner.heads))
    made = learner._advantages(some, learner._scores(some, {}), values, 0.5)
    return (*made, some)


PLAIN: dict[str, Any] = {"whiten": "no", "lam": 1.0, "kl": FixedKL(weight=0.5)}


def test_the_score_comes_at_the_last_token_and_the_penalty_at_each() -> None:
    advantages, targets, some = ppo_parts(PPO(**PLAIN), np.arange(12.0))
    signs = np.where(np.arange(6) % 2, -1.0, 1.0)
    for k, n in enumerate(some.drawn.lengths.tolist()):
        to_come = [k - 0.5 * signs[t:n].sum() for t in range(n)]
        assert advantages[k, :n, 0] == pytest.approx(to_come, abs=1e-5)
        assert (advantages[k, n:] == 0).all()
    assert np.allclose(targets, advantages)


def test_a_penalty_clamped_at_zero_counts_only_where_it_is_positive() -> None:
    advantages, _, some = ppo_parts(PPO(**PLAIN, clamp_kl=True), np.zeros(12))
    for k, n in enumerate(some.drawn.lengths.tolist()):
        assert advantages[k, 0, 0] == pytest.approx(-0.5 * math.ceil(n / 2), abs=1e-5)


def test_the_penalty_may_have_a_head_of_its_own() -> None:
    advantages, _, some = ppo_parts(PPO(**PLAIN, kl_head=True), np.arange(12.0))
    assert advantages.shape[-1] == 2
    assert advantages[:, 0, 0] == pytest.approx(np.arange(12.0))
    assert advantages[:, 0, 1] == pytest.approx(-0.5 * (some.drawn.lengths % 2), abs=1e-5)


def test_scores_are_normalised_and_clipped_as_set() -> None:
    scores = np.where(np.arange(12) == 3, np.nan, np.arange(12.0))
    some = drawn_by(TinyPolicy(tiny()), scores)
    known = scores[np.isfinite(scores)]
    found = PPO(normalise="batch", score_clip=1.0)._scores(some, {})[:, 0]
    wanted = np.where(np.isfinite(scores), (scores - known.mean()) / known.std(), 0.0).clip(-1, 1)
    assert found == pytest.approx(np.nan_to_num(wanted), abs=1e-6)
    numbers: dict[str, float] = {}
    running = PPO(normalise="running")
    running._scores(some, numbers)
    again = running._scores(drawn_by(TinyPolicy(tiny()), np.full(12, 100.0)), numbers)[:, 0]
    every = np.concatenate([known, np.full(12, 100.0)])
    assert again == pytest.approx((100.0 - every.mean()) / every.std())


def test_components_are_as_many_as_was_said() -> None:
    ours = TinyPolicy(tiny())
    with pytest.raises(ConfigError, match="scores of 2 components"):
        PPO(components=2).update(ours, PPO(components=2).start(ours, 0), drawn_by(ours), stream(0, "order"))
    for wrong in ({"weights": (1.0, 2.0)}, {"value": (1.0, 2.0)}, {"kl_head": True}):
        with pytest.raises(ConfigError):
            PPO(**wrong)  # type: ignore[arg-type]


def test_a_subclass_mixes_advantages_and_carries_numbers_on() -> None:
    class Constrained(PPO):
        def mixed(self, advantages: Any, rollouts: Rollouts, numbers: Any) -> Any:
            seen.append((advantages.shape, len(rollouts), rollouts.scores.shape))
            return advantages[..., 0], {**numbers, "multiplier": numbers.get("multiplier", 0.0) + 1.0}

    seen: list[Any] = []
    ours = TinyPolicy(tiny())
    scores = np.stack([np.arange(12.0), np.where(np.arange(12) == 0, np.nan, 1.0)], 1)
    learner = Constrained(components=2, kl=FixedKL(), minibatch=6, epochs=2, whiten="minibatch", whiten_heads=True)
    state, _ = learner.update(ours, learner.start(ours, 0), drawn_by(ours, scores), stream(0, "order"))
    assert state.numbers["multiplier"] == 4.0
    assert sorted(each[1] for each in seen) == [5, 5, 6, 6]
    assert {each[0][1:] for each in seen} == {(6, 3)}


@nets
def test_values_are_heads_on_the_state_before_each_token(net: Any) -> None:
    model = tiny(net)
    head = torch.arange(16.0) / 16
    critic = Critic(body=net, start={**model.weights, "head": head}, scale=0.5)
    snapshot = critic.initial(2, seed=0)
    found = critic.values(snapshot, Packed.of(ROWS))
    for k, row in enumerate(ROWS):
        for t in range(len(row.action)):
            ids = torch.tensor([[*row.prompt, *row.action[:t]]])
            hidden = net.hidden(model.weights, ids, torch.ones_like(ids, dtype=torch.bool))[0, -1]
            assert found[k, t] == pytest.approx([float(hidden @ head) / 2] * 2, abs=1e-5)
        assert (found[k, len(row.action) :] == 0).all()
    assert "heads" in critic.initial(1, seed=0).weights
    assert Critic(body=net).initial(3, seed=0).weights["heads"].abs().max() == 0


def test_a_critic_learns_what_is_to_come() -> None:
    ours = TinyPolicy(tiny())
    learner = PPO(lr=3e-2, epochs=60, whiten="no", value_clip=None, lam=1.0)
    _, figures = learner.update(ours, learner.start(ours, 0), drawn_by(ours), stream(0, "order"))
    state, after = learner.start(ours, 0), {}
    some = drawn_by(ours)
    for _ in range(2):
        state, after = learner.update(ours, state, some, stream(0, "order"))
    assert after["explained"] > 0.8
    assert figures["explained"] < 0.2


def test_the_share_that_is_explained() -> None:
    targets, mask = np.array([[1.0, 2.0, 3.0]]), np.ones((1, 3))
    assert explained(targets, targets, mask) == 1.0
    assert explained(0 * targets, targets, mask) == 0.0
    assert explained(targets, 0 * targets, mask) is None


def test_a_transformers_policy_needs_to_be_given_a_critic_and_a_reference() -> None:
    general = Policy(tiny().module())
    with pytest.raises(ConfigError, match="value function"):
        PPO().start(general, 0)
    some = drawn_by(TinyPolicy(tiny()), group=4)
    with pytest.raises(ConfigError, match="reference"):
        GRPO(beta=0.1).update(general, State(general.start()), some, stream(0, "order"))


# ---- rows behind control tokens --------------------------------------------------------------------------------------


def test_conditioning_learns_good_and_bad_and_asks_for_good() -> None:
    learner = RewardConditioning(tokens=(10, 11))
    some = drawn_by(TinyPolicy(tiny()))
    rows = learner.rows(some.prompts, some.drawn, np.arange(12) % 2 == 0)
    assert [row.prompt[0] for row in rows] == [10, 11] * 6
    assert [list(row.prompt)[1:] for row in rows] == some.prompts.tolist()
    assert learner.asked(some.prompts).tolist() == [[10, *each] for each in some.prompts.tolist()]
    assert told([[5]], [3]) == [[3, 5]]
    with pytest.raises(ConfigError, match="two ids"):
        RewardConditioning(tokens=(10, 10))


def test_quark_cuts_a_pool_into_equal_parts_best_first() -> None:
    learner = Quark(quantiles=4, best_only=False, tokens=(8, 9, 10, 11))
    found = learner.quantile([5.0, 1.0, 7.0, 3.0, 2.0, 8.0, 6.0, 4.0])
    assert found.tolist() == [1, 3, 0, 2, 3, 0, 1, 2]
    state = State(TinyPolicy(tiny()).start())
    assert learner.asked(PROMPTS, state) is PROMPTS
    later = State(state.policy, iteration=1)
    assert (learner.asked(PROMPTS, later)[:, 0] == 8).all()
    with pytest.raises(ConfigError, match="each quantile"):
        Quark(best_only=False)
