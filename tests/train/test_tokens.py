"""Rows as arrays, and losses on pairs and demonstrations, against definitions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from guerdon.core.errors import ConfigError, SolverError  # noqa: E402
from guerdon.core.rng import stream  # noqa: E402
from guerdon.train.learners import SFT, ExpertIteration  # noqa: E402
from guerdon.train.learners.base import parts  # noqa: E402
from guerdon.train.learners.preference import DPO, joined  # noqa: E402
from guerdon.train.policy import Packed, Tokens, portions  # noqa: E402
from guerdon.train.preference_losses import dpo_loss, ipo_loss, robust_dpo_loss, slic_loss  # noqa: E402
from guerdon.train.rollouts import Sampling, collect  # noqa: E402
from guerdon.train.state import State  # noqa: E402
from guerdon.train.tiny import TinyGRU, TinyLM, TinyPolicy  # noqa: E402

ids = st.integers(2, 11)
rows_of = st.lists(
    st.builds(
        lambda prompt, action, seed: Tokens(
            prompt, action, [bool(seed >> k & 1) for k in range(len(action))] if seed else None
        ),
        st.lists(ids, min_size=1, max_size=4),
        st.lists(ids, max_size=5),
        st.integers(0, 63),
    ),
    min_size=1,
    max_size=6,
)


def policy() -> TinyPolicy:
    return TinyPolicy(TinyLM.new(TinyGRU(vocabulary=12, width=16), stream(0, "weights")))


@given(rows_of)
@settings(max_examples=60, deadline=None)
def test_arrays_hold_what_the_rows_hold(rows: list[Tokens]) -> None:
    packed = Packed.of(rows)
    actions = packed.actions()
    for k, row in enumerate(rows):
        n = len(row.action)
        assert packed.ids[k, : len(row)].tolist() == [*row.prompt, *row.action]
        assert (packed.ids[k, len(row) :] == 0).all()
        assert actions[k, :n].tolist() == list(row.action)
        assert packed.chosen[k].tolist() == row.mask() + [False] * (packed.chosen.shape[1] - n)
        one = packed.take([k])
        assert (one.ids.shape[1], one.chosen.shape[1]) == (len(row), n)
    whole = joined(packed, packed)
    assert len(whole) == 2 * len(rows)
    assert (whole.take(np.arange(len(rows), 2 * len(rows))).ids == packed.ids).all()
    assert Packed.of(packed) is packed


def test_a_row_without_a_prompt_or_with_too_few_marks_is_refused() -> None:
    for wrong in (Tokens([], [3]), Tokens([3], [4, 5], [True])):
        with pytest.raises(SolverError, match="a row has a prompt"):
            Packed.of([wrong])


@given(st.lists(st.integers(1, 30), max_size=12), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_portions_hold_every_row_once_within_the_budget(lengths: list[int], most: int) -> None:
    found = portions(lengths, most)
    assert sorted(at for some in found for at in some) == list(range(len(lengths)))
    assert all(len(some) == 1 or len(some) * max(lengths[at] for at in some) <= most for some in found)


def test_minibatches_hold_every_answer_once_in_each_epoch() -> None:
    found = [some.tolist() for some in parts(10, 4, 2, stream(0, "order"))]
    assert [len(some) for some in found] == [4, 4, 2, 4, 4, 2]
    first, second = ([at for some in epoch for at in some] for epoch in (found[:3], found[3:]))
    assert sorted(first) == sorted(second) == list(range(10))
    assert found[:3] != found[3:]
    assert list(parts(0, 4, 2, stream(0, "order"))) == []


# ---- losses on pairs -------------------------------------------------------------------------------------------------


def test_losses_on_pairs_by_their_formulas() -> None:
    margin = torch.tensor([-3.0, 0.0, 2.0])
    for k, each in enumerate(margin.tolist()):
        right, wrong = (-math.log(1 / (1 + math.exp(-sign * 0.5 * each))) for sign in (1, -1))
        assert float(dpo_loss(margin, beta=0.5)[k]) == pytest.approx(right, rel=1e-5)
        assert float(dpo_loss(margin, beta=0.5, smoothing=0.2)[k]) == pytest.approx(0.8 * right + 0.2 * wrong, rel=1e-5)
        assert float(ipo_loss(margin, beta=0.5)[k]) == pytest.approx((each - 1.0) ** 2)
        assert float(slic_loss(margin, beta=0.5)[k]) == pytest.approx(max(0.0, 1 - 0.5 * each))


def test_the_robust_loss_is_unbiased_under_flips() -> None:
    """The mean over labels that are wrong with probability e is the loss on right labels."""
    margin, e = torch.linspace(-4, 4, 9), 0.3
    right, flipped = (robust_dpo_loss(sign * margin, beta=0.7, smoothing=e) for sign in (1, -1))
    assert torch.allclose((1 - e) * right + e * flipped, dpo_loss(margin, beta=0.7), atol=1e-5)


def test_pairs_are_as_many_on_both_sides() -> None:
    rows = [Tokens([3], [4, 1])]
    with pytest.raises(ConfigError, match="as many chosen"):
        DPO().fit(policy(), policy().start(), rows, rows * 2, stream(0, "order"))


def test_dpo_raises_what_was_chosen_over_what_was_not() -> None:
    ours = policy()
    chosen, rejected = [Tokens([k], [5, 5, 1]) for k in range(2, 10)], [Tokens([k], [7, 1]) for k in range(2, 10)]
    learner = DPO(lr=1e-2, epochs=10)
    after, _ = learner.fit(ours, ours.start(), chosen, rejected, stream(0, "order"))
    ours.load(after)
    for kind, sign in ((chosen, 1), (rejected, -1)):
        now, then = (sum(float(each.sum()) for each in ours.logprobs(kind, base=base)) for base in (False, True))
        assert sign * (now - then) > 0


# ---- demonstrations --------------------------------------------------------------------------------------------------


def test_the_loss_of_demonstrations_is_the_mean_over_their_tokens() -> None:
    ours = policy()
    rows = [Tokens([3], [4, 5, 1]), Tokens([3, 4], [1]), Tokens([5], [6, 7, 8, 1], [False, True, True, True])]
    logs = ours.logprobs(rows)
    chosen = [each[np.array(row.mask())] for each, row in zip(logs, rows, strict=True)]
    _, figures = SFT(epochs=1).fit(ours, ours.start(), rows, stream(0, "order"))
    assert figures["loss"] == pytest.approx(-float(np.concatenate(chosen).mean()), rel=1e-5)


def test_the_step_size_rises_over_the_warm_up_and_falls_by_half_a_cosine() -> None:
    learner = SFT(lr=1.0, warmup=4)
    rates = [learner.rate(k) * learner._fallen(k, 12) for k in range(13)]
    assert rates[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert rates[8] == pytest.approx(0.5)
    assert rates[12] == pytest.approx(0.0, abs=1e-12)
    assert SFT(schedule="constant")._fallen(7, 12) == 1.0


@pytest.mark.parametrize("restart", [False, True])
def test_expert_iteration_starts_again_or_goes_on(restart: bool) -> None:
    ours = policy()
    learner = ExpertIteration(lr=1e-2, epochs=1, restart=restart)
    prompts = np.repeat(stream(1, "prompts").integers(2, 10, (6, 2)), 4, 0)

    def score(_: Any, drawn: Any) -> Any:
        return (drawn.ids == 5).mean(1)

    some = collect(ours, prompts, score, Sampling(most=4, group=4), stream(2, "draw"))
    first, figures = learner.update(ours, State(ours.start()), some, stream(0, "order"))
    second, _ = learner.update(ours, first, some, stream(0, "order"))
    same = all(torch.equal(each, second.policy.weights[name]) for name, each in first.policy.weights.items())
    assert same is restart
    best = some.scores.reshape(6, 4).max(1)
    assert figures["best"] == pytest.approx(best.mean())
