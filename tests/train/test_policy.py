"""Policies on a tiny random Llama: log-probabilities, gradients, adapters and steps against direct computations."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("peft")

from guerdon.core.errors import ConfigError, SolverError  # noqa: E402
from guerdon.train import tokens as module  # noqa: E402
from guerdon.train.policy import Adam, Lora, Policy, Snapshot, Tokens, portions, token_logprobs  # noqa: E402

ROWS = [
    Tokens([1, 2, 3], [4, 5, 6, 7]),
    Tokens([9], [8, 7, 6, 5, 4, 3, 2], [True, False, False, True, True, True, True]),
    Tokens([5, 6, 7, 8, 9, 10, 11], [12]),
]


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def llama(seed: int = 0, **options: Any) -> Any:
    torch.manual_seed(seed)
    small = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = transformers.LlamaConfig(
        vocab_size=64, num_key_value_heads=2, max_position_embeddings=64, initializer_range=0.3, **small, **options
    )
    return transformers.LlamaForCausalLM(config).eval()


def directly(model: Any, row: Tokens) -> list[float]:
    """Token by token, each by a forward pass of its own without padding."""
    found = []
    whole = [*row.prompt, *row.action]
    for at in range(len(row.prompt), len(whole)):
        with torch.no_grad():
            logits = model(torch.tensor([whole[:at]])).logits[0, -1].double()
        found.append(float(logits[whole[at]] - torch.logsumexp(logits, -1)))
    return found


def surrogate(weights: list[float]) -> Any:
    """Minus the weighted sum of log-probabilities of chosen tokens."""

    def loss(logprobs: Any, mask: Any, which: list[int]) -> Any:
        return -(torch.tensor([weights[at] for at in which])[:, None] * logprobs * mask).sum()

    return loss


def test_logprobs_are_those_of_one_forward_pass_per_token() -> None:
    model = llama()
    policy = Policy(model, lora=Lora(rank=4))
    for row, found in zip(ROWS, policy.logprobs(ROWS), strict=True):
        assert found == pytest.approx(directly(model, row), abs=1e-4)


@pytest.mark.parametrize("most", [1, 12, 1000])
def test_padding_and_micro_batches_change_neither_values_nor_the_step(most: int) -> None:
    alone, whole = llama(), llama()
    one, all_ = Policy(alone, lora=Lora(rank=4), most_tokens=most), Policy(whole, lora=Lora(rank=4), most_tokens=10_000)
    for a, b in zip(one.logprobs(ROWS), all_.logprobs(ROWS), strict=True):
        assert a == pytest.approx(b, abs=1e-5)
    loss = surrogate([1.0, -0.5, 2.0])
    (first, figures), (second, others) = (each.step(each.start(), ROWS, loss) for each in (one, all_))
    assert figures == pytest.approx(others, rel=1e-4)
    for name in first.first:
        assert torch.allclose(first.first[name], second.first[name], atol=1e-6)


@pytest.mark.parametrize("how", ["portions", "whole", "checkpointing"])
def test_the_gradient_is_that_of_plain_autograd(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if how == "portions":
        monkeypatch.setattr(module, "_HEAD_FLOATS", 128)  # two tokens at a time
    if how == "whole":
        monkeypatch.setattr(module, "_parts", lambda model: (None, None))
    model, plain = llama(), llama()
    policy = Policy(model, checkpointing=how == "checkpointing")
    weights = [1.0, -0.5, 2.0]
    after, figures = policy.step(policy.start(), ROWS, surrogate(weights), Adam(beta1=0.0))
    for row, weight in zip(ROWS, weights, strict=True):
        ids = torch.tensor([[*row.prompt, *row.action]])
        chances = plain(ids).logits[0].log_softmax(-1)
        for at, (token, chosen) in enumerate(zip(row.action, row.mask(), strict=True)):
            if chosen:
                (-weight * chances[len(row.prompt) + at - 1, token]).backward(retain_graph=True)
    squares = 0.0
    for name, parameter in plain.named_parameters():
        squares += float(parameter.grad.double().pow(2).sum())
        assert torch.allclose(after.first[name], parameter.grad, atol=1e-4), name
    assert figures["gradient"] == pytest.approx(math.sqrt(squares), rel=1e-4)


def test_checkpointing_changes_nothing_for_an_adapter_either() -> None:
    loss = surrogate([1.0, -0.5, 2.0])
    plain, saving = (Policy(llama(), lora=Lora(rank=4), checkpointing=each) for each in (False, True))
    (first, _), (second, _) = (each.step(each.start(1), ROWS, loss) for each in (plain, saving))
    for name, each in first.first.items():
        assert torch.allclose(each, second.first[name], atol=1e-6)


def test_an_adapter_is_in_single_precision_whatever_its_model_is() -> None:
    policy = Policy(llama().to(torch.bfloat16), lora=Lora(rank=4))
    state, figures = policy.step(policy.start(1), ROWS, surrogate([1.0, -0.5, 2.0]), Adam(lr=1e-3))
    assert {each.dtype for each in state.weights.values()} == {torch.float32}
    assert figures["gradient"] > 0
    found = [each.tolist() for each in policy.logprobs(ROWS)]
    assert found != [each.tolist() for each in policy.logprobs(ROWS, base=True)]


def test_logits_that_are_more_than_the_output_layer_are_taken_whole() -> None:
    torch.manual_seed(0)
    config = transformers.CohereConfig(
        vocab_size=64, hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=4,
        logit_scale=0.25, pad_token_id=0,
    )  # fmt: skip
    model = transformers.CohereForCausalLM(config).eval()
    policy = Policy(model, lora=Lora(rank=2))
    assert module._parts(model) == (None, None)
    for row, found in zip(ROWS, policy.logprobs(ROWS), strict=True):
        assert found == pytest.approx(directly(model, row), abs=1e-4)


def test_a_step_makes_likelier_what_had_an_advantage_and_leaves_the_frozen_model_alone() -> None:
    model = llama()
    frozen = {name: each.detach().clone() for name, each in model.named_parameters()}
    policy = Policy(model, lora=Lora(rank=4))
    before, snapshot = policy.logprobs(ROWS), policy.start()
    base = policy.logprobs(ROWS, base=True)
    for a, b in zip(before, base, strict=True):
        assert a == pytest.approx(b, abs=1e-6)  # B is zero at the start
    for _ in range(3):
        snapshot, _ = policy.step(snapshot, ROWS, surrogate([1.0, -1.0, 0.0]), Adam(lr=1e-2))
    after = policy.logprobs(ROWS)
    chosen = np.array(ROWS[1].mask())
    assert after[0].sum() > before[0].sum() + 0.01
    assert after[1][chosen].sum() < before[1][chosen].sum() - 0.01
    again = policy.logprobs(ROWS, base=True)
    assert all(np.array_equal(a, b) for a, b in zip(again, base, strict=True))
    now = dict(model.named_parameters())
    for name, each in frozen.items():
        assert torch.equal(each, now[name.replace(".weight", ".base_layer.weight") if name not in now else name]), name
    outside = model(torch.tensor([[1, 2, 3, 4, 5, 6]])).logits
    assert torch.allclose(outside, llama()(torch.tensor([[1, 2, 3, 4, 5, 6]])).logits, atol=1e-5)


def test_a_forced_token_has_no_gradient() -> None:
    seen: dict[str, Any] = {}

    def loss(logprobs: Any, mask: Any, which: list[int]) -> Any:
        seen.update(mask=mask.clone(), which=list(which))
        return (logprobs * mask).sum()

    policy = Policy(llama(), lora=Lora(rank=2))
    policy.step(policy.start(), ROWS[1:2], loss)
    assert seen["mask"].tolist() == [[1, 0, 0, 1, 1, 1, 1]]
    none = Tokens([1], [2, 3], [False, False])
    after, figures = policy.step(policy.start(), [none], loss)
    assert figures == {"loss": 0.0, "gradient": 0.0}
    assert all(torch.equal(each, policy.start().weights[name]) for name, each in after.weights.items())


def test_a_saved_snapshot_goes_on_as_if_never_put_away(tmp_path: Path) -> None:
    loss, adam = surrogate([1.0, -0.5, 2.0]), Adam(lr=1e-3)
    policy = Policy(llama(), lora=Lora(rank=4))
    one, _ = policy.step(policy.start(3), ROWS, loss, adam)
    one.save(tmp_path)
    two, _ = policy.step(one, ROWS, loss, adam)
    fresh = Policy(llama(), lora=Lora(rank=4))
    assert all(torch.equal(each, fresh.start(3).weights[name]) for name, each in policy.start(3).weights.items())
    assert not all(torch.equal(each, fresh.start(4).weights[name]) for name, each in policy.start(3).weights.items())
    again, _ = fresh.step(Snapshot.load(tmp_path), ROWS, loss, adam)
    assert again.steps == two.steps == 2
    for part in ("weights", "first", "second"):
        for name, each in getattr(two, part).items():
            assert torch.equal(each, getattr(again, part)[name])


def test_a_step_does_not_change_what_it_was_given() -> None:
    policy = Policy(llama(), lora=Lora(rank=4))
    one, _ = policy.step(policy.start(), ROWS, surrogate([1.0, 1.0, 1.0]))
    kept = {name: each.clone() for name, each in (one.weights | one.first | one.second).items()}
    policy.step(one, ROWS, surrogate([1.0, -1.0, 1.0]))
    assert all(torch.equal(each, kept[name]) for name, each in (one.weights | one.first | one.second).items())


def test_the_step_is_adams() -> None:
    policy = Policy(llama(), lora=Lora(rank=2))
    adam = Adam(lr=1e-3, beta1=0.9, beta2=0.95, eps=1e-8, decay=0.0)
    state = policy.start()
    weight = {name: each.double() for name, each in state.weights.items()}
    for step in (1, 2):
        old = state
        state, _ = policy.step(state, ROWS, surrogate([1.0, 0.5, -2.0]), adam)
        for name in weight:
            m, v = state.first[name].double(), state.second[name].double()
            if step == 1:
                g = m / 0.1
                assert torch.allclose(v, 0.05 * g * g, rtol=1e-4, atol=1e-12)
            else:
                g = (m - 0.9 * old.first[name].double()) / 0.1
                assert torch.allclose(v, 0.95 * old.second[name].double() + 0.05 * g * g, rtol=1e-3, atol=1e-9)
            weight[name] -= 1e-3 * (m / (1 - 0.9**step)) / ((v / (1 - 0.95**step)).sqrt() + 1e-8)
            assert torch.allclose(state.weights[name].double(), weight[name], atol=1e-6), name


def test_clipping_bounds_the_gradient() -> None:
    policy = Policy(llama(), lora=Lora(rank=2))
    free, figures = policy.step(policy.start(), ROWS, surrogate([5.0, 5.0, 5.0]))
    assert figures["gradient"] > 1.0
    bound, same = policy.step(policy.start(), ROWS, surrogate([5.0, 5.0, 5.0]), Adam(clip=0.5))
    assert same["gradient"] == pytest.approx(figures["gradient"])
    for name, each in bound.first.items():
        assert torch.allclose(each, free.first[name] * (0.5 / figures["gradient"]), atol=1e-7)


def test_two_adapters_in_one_model_do_not_meet() -> None:
    model = llama()
    small, large = Policy(model, lora=Lora(rank=2)), Policy(model, lora=Lora(rank=4))
    moved, _ = small.step(small.start(), ROWS, surrogate([1.0, 1.0, 1.0]), Adam(lr=0.1))
    alone = Policy(llama(), lora=Lora(rank=4))
    for each in (large, alone):
        each.load(each.start(1))
    assert [a.tolist() for a in large.logprobs(ROWS)] == [a.tolist() for a in alone.logprobs(ROWS)]
    assert not np.allclose(small.logprobs(ROWS)[0], large.logprobs(ROWS)[0])
    small.load(small.start())
    with pytest.raises(SolverError, match="this model and adapter"):
        large.load(moved)


def test_a_loss_that_is_no_number_teaches_nothing() -> None:
    policy = Policy(llama(), lora=Lora(rank=2))
    with pytest.raises(SolverError, match="finite"):
        policy.step(policy.start(), ROWS, surrogate([math.nan, 1.0, 1.0]))
    sound, _ = policy.step(policy.start(), ROWS, surrogate([1.0, 1.0, 1.0]))
    assert all(torch.isfinite(each).all() for each in sound.weights.values())


def test_what_cannot_be_is_refused_with_the_fix() -> None:
    with pytest.raises(ConfigError, match="targets"):
        Policy(llama(), lora=Lora(targets=("no_such_layer",)))
    with pytest.raises(ConfigError, match="rank"):
        Lora(rank=0)
    with pytest.raises(ConfigError, match="Train an adapter"):
        Policy(llama()).logprobs(ROWS, base=True)
    with pytest.raises(SolverError, match="prompt"):
        token_logprobs(llama(), [Tokens([], [1])])


def test_portions_hold_every_row_once_and_fit() -> None:
    lengths = [5, 1, 9, 9, 2, 40, 3]
    found = portions(lengths, 20)
    assert sorted(at for some in found for at in some) == list(range(len(lengths)))
    assert all(len(some) == 1 or len(some) * max(lengths[at] for at in some) <= 20 for some in found)
