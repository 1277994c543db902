"""Tiny language models against torch's own GRU, against themselves without a cache, and against counted frequencies."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='needs pip install "guerdon[train]"')

from guerdon.core.errors import ConfigError, SolverError  # noqa: E402
from guerdon.core.rng import stream  # noqa: E402
from guerdon.train.policy import Adam, Tokens  # noqa: E402
from guerdon.train.sampling import _picked, sample  # noqa: E402
from guerdon.train.tiny import Sft, TinyGRU, TinyLM, TinyPolicy, TinyTransformer  # noqa: E402

NETS = (TinyGRU(vocabulary=12, width=16), TinyTransformer(vocabulary=12, width=16, longest=24))
both = pytest.mark.parametrize("net", NETS, ids=["gru", "transformer"])


def made(net, seed: int = 0) -> TinyLM:
    return TinyLM.new(net, stream(seed, "weights"))


def some_ids(n: int, t: int, seed: int = 0):
    return stream(seed, "ids").integers(2, 12, size=(n, t))


def test_the_gru_is_torchs() -> None:
    model = made(NETS[0])
    own = torch.nn.GRU(16, 16, batch_first=True)
    with torch.no_grad():
        own.weight_ih_l0.copy_(model.weights["gru_input"])
        own.weight_hh_l0.copy_(model.weights["gru_memory"])
        own.bias_ih_l0.uniform_(generator=torch.Generator().manual_seed(1))
        own.bias_hh_l0.uniform_(generator=torch.Generator().manual_seed(2))
        weights = model.weights | {"gru_input_bias": own.bias_ih_l0, "gru_memory_bias": own.bias_hh_l0}
        ids = torch.tensor(some_ids(5, 9))
        found = model.net.hidden(weights, ids, torch.ones_like(ids, dtype=torch.bool))
        assert torch.allclose(found, own(weights["embed"][ids])[0], atol=1e-6)


def test_the_transformer_attends_as_torchs() -> None:
    net = TinyTransformer(vocabulary=12, width=16, layers=1, heads=2, longest=24)
    weights = made(net).weights
    own = torch.nn.TransformerEncoderLayer(16, 2, 64, 0.0, "gelu", batch_first=True, norm_first=True)
    names = {
        "self_attn.in_proj_weight": "ask", "self_attn.in_proj_bias": "ask_bias",
        "self_attn.out_proj.weight": "answer", "self_attn.out_proj.bias": "answer_bias",
        "linear1.weight": "up", "linear1.bias": "up_bias", "linear2.weight": "down", "linear2.bias": "down_bias",
        "norm1.weight": "norm1", "norm1.bias": "norm1_bias", "norm2.weight": "norm2", "norm2.bias": "norm2_bias",
    }  # fmt: skip
    own.load_state_dict({theirs: weights[f"block0_{ours}"] for theirs, ours in names.items()})
    ids = torch.tensor(some_ids(5, 9))
    with torch.no_grad():
        x = weights["embed"][ids] + weights["place"][:9]
        theirs = own(x, src_mask=torch.nn.Transformer.generate_square_subsequent_mask(9), is_causal=True)
        theirs = torch.nn.functional.layer_norm(theirs, (16,))
        assert torch.allclose(net.hidden(weights, ids, ids > 0), theirs, atol=1e-5)


@both
def test_reading_on_is_reading_at_once(net) -> None:
    model, ids = made(net), torch.tensor(some_ids(4, 10))
    mask = torch.ones_like(ids, dtype=torch.bool)
    whole, _ = net.run(model.weights, ids, mask)
    first, past = net.run(model.weights, ids[:, :4], mask[:, :4])
    then, past = net.run(model.weights, ids[:, 4:7], mask[:, 4:7], past)
    last, _ = net.run(model.weights, ids[:, 7:], mask[:, 7:], past)
    assert torch.allclose(torch.cat((first, then, last), 1), whole, atol=1e-6)


@both
def test_padding_on_either_side_changes_nothing(net) -> None:
    model, ids = made(net), torch.tensor(some_ids(4, 6))
    pad = torch.zeros(4, 3, dtype=torch.long)
    plain = net.hidden(model.weights, ids, ids > 0)
    for padded, place in ((torch.cat((pad, ids), 1), slice(3, None)), (torch.cat((ids, pad), 1), slice(6))):
        found = net.hidden(model.weights, padded, padded > 0)
        assert torch.allclose(found[:, place], plain, atol=1e-6)
        assert torch.isfinite(found).all()


@both
def test_the_future_is_not_seen(net) -> None:
    model, ids = made(net), some_ids(3, 8)
    other = ids.copy()
    other[:, 5:] = some_ids(3, 3, seed=9)
    mask = torch.ones(3, 8, dtype=torch.bool)
    one, two = (net.hidden(model.weights, torch.tensor(each), mask) for each in (ids, other))
    assert torch.equal(one[:, :5], two[:, :5])
    assert not torch.allclose(one[:, 5:], two[:, 5:])


@both
def test_samples_come_as_often_as_they_should(net) -> None:
    model = made(net)
    n = 20_000
    drawn = model.sample(np.full((n, 2), 3), stream(1, "draw"), most=1, temperature=0.7)
    logits = model.logits(torch.tensor([[3, 3]]), torch.ones(1, 2, dtype=torch.bool))[0, -1]
    wanted = (logits / 0.7).softmax(-1).numpy()
    found = np.bincount(drawn.ids[:, 0], minlength=12) / n
    assert np.abs(found - wanted).max() < 4 * np.sqrt(0.25 / n)
    assert np.allclose(drawn.logprobs[:, 0], logits.log_softmax(-1).numpy()[drawn.ids[:, 0]], atol=1e-5)


def test_top_p_keeps_the_smallest_set_that_reaches_p() -> None:
    log = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log().repeat(1000, 1)
    uniform = torch.tensor(stream(0, "u").random(1000))
    for top_p, kept in ((0.49, {0}), (0.51, {0, 1}), (0.79, {0, 1}), (0.9, {0, 1, 2}), (1.0, {0, 1, 2, 3})):
        assert set(_picked(log, uniform, 1.0, top_p).tolist()) == kept
    assert set(_picked(log, uniform, 0, 1.0).tolist()) == {0}


@both
def test_a_sample_does_not_depend_on_its_neighbours_and_repeats(net, monkeypatch) -> None:
    model, prompts = made(net), some_ids(30, 2)
    one = model.sample(prompts, stream(1, "draw"), most=10)
    monkeypatch.setattr("guerdon.train.sampling.chunks", lambda n, _: [slice(k, k + 7) for k in range(0, n, 7)])
    two = model.sample(prompts, stream(1, "draw"), most=10)
    assert np.array_equal(one.ids, two.ids)
    assert np.allclose(one.logprobs, two.logprobs, atol=1e-5)
    assert not np.array_equal(one.ids, model.sample(prompts, stream(2, "draw"), most=10).ids)


@both
def test_samples_end_once_and_know_their_probabilities(net) -> None:
    model, prompts = made(net), some_ids(200, 2)
    drawn = model.sample(prompts, stream(1, "draw"), most=12)
    at = np.arange(12)
    assert ((drawn.ids == 1).sum(1) <= 1).all()
    assert (drawn.ids[at >= drawn.lengths[:, None]] == 0).all()
    assert (drawn.lengths < 12).any()
    ended = drawn.ids[np.arange(200), drawn.lengths - 1] == 1
    assert (ended | (drawn.lengths == 12)).all()
    rows = [k for k in range(200) if not (drawn.ids[k, : drawn.lengths[k]] == 0).any()]
    assert len(rows) > 50
    assert np.allclose(model.logprobs(prompts[rows], drawn.ids[rows]), drawn.logprobs[rows], atol=1e-5)


@both
def test_a_prefix_is_kept_and_carries_no_loss(net) -> None:
    model, prompts = made(net), some_ids(20, 2)
    prefix = some_ids(20, 3, seed=4)
    drawn = model.sample(prompts, stream(1, "draw"), most=8, prefix=prefix)
    assert np.array_equal(drawn.ids[:, :3], prefix)
    row = drawn.tokens(prompts)[0]
    assert row.mask() == [False] * 3 + [True] * (drawn.lengths[0] - 3)
    assert list(row.prompt) == prompts[0].tolist()


@both
def test_left_padded_prompts_sample_as_bare_ones(net) -> None:
    model, prompts = made(net), some_ids(20, 3)
    padded = np.concatenate([np.zeros((20, 2), int), prompts], 1)
    one, two = (model.sample(each, stream(1, "draw"), most=6) for each in (prompts, padded))
    assert np.array_equal(one.ids, two.ids)


@both
def test_it_learns_what_demonstrations_show(net) -> None:
    rng = stream(3, "data")
    prompts = rng.integers(2, 12, size=(600, 1))
    answers = np.concatenate([prompts, (prompts - 2 + 3) % 10 + 2, np.ones_like(prompts)], 1)
    model, losses = made(net).sft(prompts, answers, stream(3, "order"), Sft(epochs=12, batch=32, lr=1e-2))
    assert losses[-1] < 0.1 < losses[0]
    drawn = model.sample(prompts[:100], stream(4, "draw"), most=3, temperature=0)
    assert (drawn.ids == answers[:100]).all(1).mean() > 0.9
    again, same = made(net).sft(prompts, answers, stream(3, "order"), Sft(epochs=12, batch=32, lr=1e-2))
    assert same == losses
    assert all(torch.equal(each, again.weights[name]) for name, each in model.weights.items())


@both
def test_saved_and_loaded_it_is_the_same(net, tmp_path) -> None:
    model = made(net)
    model.save(tmp_path)
    found = TinyLM.load(tmp_path)
    assert (found.net, found.pad, found.end) == (model.net, 0, 1)
    assert all(torch.equal(each, found.weights[name]) for name, each in model.weights.items())
    (tmp_path / "tiny.json").write_text("{}")
    with pytest.raises(SolverError):
        TinyLM.load(tmp_path)


@both
def test_as_a_policy_it_gives_the_same_log_probabilities_and_learns(net) -> None:
    model, prompts = made(net), some_ids(16, 2)
    policy = TinyPolicy(model)
    drawn = model.sample(prompts, stream(1, "draw"), most=6)
    rows = drawn.tokens(prompts)
    before = policy.logprobs(rows)
    for row, line, kept in zip(before, drawn.logprobs, drawn.lengths):
        assert np.allclose(row, line[:kept], atol=1e-5)
    snapshot = policy.start()
    for _ in range(5):
        snapshot, _ = policy.step(snapshot, rows, lambda logs, mask, _: -(logs * mask).sum(), Adam(lr=1e-2))
    after = policy.logprobs(rows)
    assert sum(map(np.sum, after)) > sum(map(np.sum, before)) + 1
    assert all(np.array_equal(a, b) for a, b in zip(policy.logprobs(rows, base=True), before))
    assert all(np.array_equal(a, b) for a, b in zip(policy.logprobs(rows), after))
    learned = policy.model_of(snapshot).logprobs(prompts, drawn.ids)
    assert np.allclose(learned[0, : len(after[0])], after[0], atol=1e-5)


@both
def test_a_policy_samples_as_its_model(net) -> None:
    model, prompts = made(net), some_ids(30, 2)
    one = model.sample(prompts, stream(1, "draw"), most=8, top_p=0.9)
    two = sample(TinyPolicy(model), prompts.tolist(), stream(1, "draw"), most=8, end=1, top_p=0.9, rows=7)
    assert np.array_equal(one.ids, two.ids)
    assert np.allclose(one.logprobs, two.logprobs, atol=1e-5)


def test_wrong_settings_are_named() -> None:
    model = made(NETS[0])
    for bad in ({"temperature": -1.0}, {"top_p": 0.0}, {"prefix": np.zeros((2, 9), int)}):
        with pytest.raises(ConfigError):
            model.sample(some_ids(2, 2), stream(0, "d"), most=4, **bad)
    with pytest.raises(ConfigError, match="divide"):
        TinyTransformer(vocabulary=4, width=30, heads=4)
    assert Tokens([1], [2]).mask() == [True]


@both
def test_reading_without_a_mask_is_reading_with_one_and_learns_the_same(net) -> None:
    model, ids = made(net), torch.tensor(some_ids(5, 9))
    weights = {name: each.clone().requires_grad_() for name, each in model.weights.items()}
    found = []
    for read in (net.causal, lambda w, i: net.hidden(w, i, torch.ones_like(i, dtype=torch.bool))):
        states = read(weights, ids)
        slopes = torch.autograd.grad(states.pow(3).sum(), list(weights.values()), allow_unused=True)
        found.append([states, *(each for each in slopes if each is not None)])
    for one, two in zip(*found, strict=True):
        assert torch.allclose(one, two, rtol=1e-4, atol=1e-5)
