"""Training of reward models: one step by hand, ensembles as alone, resume to the bit, and labels that are learned."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='needs pip install "guerdon[train]"')

from guerdon.core.errors import ConfigError, RewardError  # noqa: E402
from guerdon.prefer import objectives  # noqa: E402
from guerdon.prefer.models import Backbone, RewardModel, Rows, Vectors  # noqa: E402
from guerdon.prefer.pairs import Pairs  # noqa: E402
from guerdon.prefer.training import Contrast, Fit, Meta, fit, metrics  # noqa: E402
from guerdon.train.tiny import TinyGRU, TinyTransformer  # noqa: E402

GRU = TinyGRU(vocabulary=12, width=12)
FORMER = TinyTransformer(vocabulary=12, width=8, longest=12)
LINEAR = Vectors(inputs=4, layers=())


def token_pairs(n: int, seed: int = 0, *, flip: float = 0.0) -> Pairs:
    """The row with more of token 5 is better."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(2, 12, size=(2, n, 8))
    lengths = rng.integers(5, 9, size=(2, n))
    real = np.arange(8) < lengths[..., None]
    better = ((ids[0] == 5) & real[0]).sum(1) > ((ids[1] == 5) & real[1]).sum(1)
    better ^= rng.random(n) < flip
    sides = [Rows.of_ids(ids[k], lengths[k]) for k in (0, 1)]
    at = np.arange(n)
    both = sides[0] + sides[1]
    return Pairs.of(both.take(np.where(better, at, at + n)), both.take(np.where(better, at + n, at)))


def vector_pairs(n: int, seed: int = 0) -> Pairs:
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, n, 4))
    better = (a[:, 0] > b[:, 0])[:, None]
    return Pairs.of(Rows.of_vectors(np.where(better, a, b)), Rows.of_vectors(np.where(better, b, a)))


def distance(one: RewardModel, two: RewardModel) -> float:
    return max(float((one.weights[name] - two.weights[name]).abs().max()) for name in one.weights)


def test_one_step_is_the_formula() -> None:
    pairs = vector_pairs(6).with_margin(np.linspace(-1, 1, 6)).with_smoothing([0.0, 0.1, 0.2, 0.3, 0.4, 0.6])
    settings = Fit(epochs=1, batch=6, lr=0.01, warmup=0, l2=0.05, centre=0.02, clip=100.0)
    found = fit(LINEAR, pairs, settings, (3,)).models[0].weights["head"]
    head = RewardModel.new(LINEAR, 3).weights["head"].clone().requires_grad_()
    c, r = (torch.tensor(side.values) @ head for side in (pairs.chosen, pairs.rejected))
    a, m = (torch.tensor(each, dtype=torch.float32) for each in (pairs.smoothing, pairs.margin))
    p = torch.sigmoid(c - r - m)
    loss = -(1 - a) * p.log() - a * (1 - p).log() + 0.05 * (c**2 + r**2) / 2 + 0.02 * (c + r) ** 2
    (gradient,) = torch.autograd.grad(loss.mean(), head)
    assert torch.allclose(found, head - 0.01 * gradient.sign(), atol=1e-5)  # Adam's first step


def test_weights_count_and_weight_zero_does_not() -> None:
    pairs = token_pairs(24)
    rubbish = pairs.flipped(np.ones(24, bool))
    both = Pairs.of(pairs.chosen + rubbish.chosen, pairs.rejected + rubbish.rejected, weight=np.repeat([2.0, 0.0], 24))
    one = fit(GRU, pairs, Fit(epochs=1, batch=24, warmup=0), (0,)).models[0]
    two = fit(GRU, both, Fit(epochs=1, batch=48, warmup=0, l2=0.001), (0,)).models[0]
    assert distance(one, two) < 1e-4


@pytest.mark.parametrize("body", [GRU, FORMER, Vectors(inputs=4, layers=(6,))], ids=["gru", "transformer", "vectors"])
def test_an_ensemble_is_its_members_trained_alone(body) -> None:
    pairs = vector_pairs(40) if isinstance(body, Vectors) else token_pairs(40)
    shifted = pairs.chosen + pairs.rejected
    for meta in (None, Meta(rate=0.1, prompts=4, responses=4)):
        settings = Fit(epochs=2, batch=16, eps=1e-6, meta=meta)
        together = fit(body, pairs, settings, (1, 2, 3), shifted=shifted).models
        for seed, member in zip((1, 2, 3), together, strict=True):
            (alone,) = fit(body, pairs, settings, (seed,), shifted=shifted).models
            assert distance(alone, member) < 2e-4
            assert member.lineage["seed"] == seed
    assert distance(together[0], together[1]) > 0.01


def test_members_that_share_a_body_differ_in_their_heads_alone() -> None:
    pairs = token_pairs(200)
    one, two = fit(GRU, pairs, Fit(epochs=2), (1, 2), shared=True).models
    assert all(torch.equal(one.weights[name], two.weights[name]) for name in one.weights if name != "head")
    assert not torch.allclose(one.weights["head"], two.weights["head"])
    (single,) = fit(GRU, pairs, Fit(epochs=2), (1,), shared=True).models
    (plain,) = fit(GRU, pairs, Fit(epochs=2), (1,)).models
    assert distance(single, plain) == 0


def test_the_seed_decides_and_the_start_is_taken() -> None:
    pairs = token_pairs(60)
    one, again = (fit(GRU, pairs, Fit(epochs=1), (4,)).models[0] for _ in range(2))
    assert one.digest() == again.digest()
    start = GRU.initial(torch.Generator().manual_seed(9))
    slow = fit(GRU, pairs, Fit(epochs=1, lr=1e-9), (1, 2), start=start).models
    assert torch.allclose(slow[0].weights["embed"], start["embed"], atol=1e-6)
    assert torch.allclose(slow[1].weights["embed"], start["embed"], atol=1e-6)
    assert not torch.allclose(slow[0].weights["head"], slow[1].weights["head"], atol=1e-3)


@pytest.mark.parametrize(
    ("seeds", "settings"),
    [
        ((1, 2), Fit(epochs=4, batch=16)),
        ((1,), Fit(epochs=3, batch=16, schedule="cosine", contrast=Contrast())),
        ((1,), Fit(epochs=3, batch=16, contrast=Contrast(kind="swav", diff=True, prototypes=5, tau=0.1))),
        ((1, 2), Fit(epochs=3, batch=16, schedule="inverse_sqrt", meta=Meta(prompts=3))),
    ],
    ids=["plain", "simcse", "swav", "meta"],
)
def test_stopped_and_taken_up_it_ends_as_if_it_had_not(seeds, settings, tmp_path, monkeypatch) -> None:
    pairs, watch = token_pairs(50), {"held": token_pairs(30, 1)}
    how = {"shifted": pairs.chosen, "watch": watch}
    whole = fit(GRU, pairs, settings, seeds, **how)
    calls = []
    from guerdon.prefer.training import _Training

    real = _Training._keep

    def dies(self) -> None:
        real(self)
        calls.append(self.epoch)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(_Training, "_keep", dies)
    with pytest.raises(KeyboardInterrupt):
        fit(GRU, pairs, settings, seeds, folder=tmp_path, **how)
    monkeypatch.setattr(_Training, "_keep", real)
    again = fit(GRU, pairs, settings, seeds, folder=tmp_path, **how)
    assert [one.digest() for one in whole.models] == [two.digest() for two in again.models]
    assert whole.history == again.history
    with pytest.raises(RewardError, match="other labels"):
        fit(GRU, token_pairs(50, 7), settings, seeds, folder=tmp_path, **how)


@pytest.mark.parametrize("body", [GRU, FORMER], ids=["gru", "transformer"])
def test_it_learns_what_the_labels_say_and_says_how_well(body) -> None:
    held = token_pairs(400, 1)
    odd = np.arange(400) % 2 == 1
    held = Pairs.of(held.chosen, held.rejected, slices={"odd": odd, "none": np.zeros(400, bool)})
    fitted = fit(body, token_pairs(800), Fit(epochs=6, lr=1e-2), (0,), watch={"held": held})
    last = [row for row in fitted.history if row["epoch"] == 6]
    assert [row["slice"] for row in last] == ["", "odd", "none"]
    assert last[0]["accuracy"] > 0.7
    assert (last[0]["n"], last[1]["n"], last[2]["n"]) == (400, 200, 0)
    assert np.isnan(last[2]["accuracy"])
    gap = fitted.models[0].raw(held.chosen) - fitted.models[0].raw(held.rejected)
    assert last[0]["accuracy"] == pytest.approx(np.mean(gap > 0) + 0.5 * np.mean(gap == 0))
    assert last[1]["accuracy"] == pytest.approx(np.mean(gap[odd] > 0) + 0.5 * np.mean(gap[odd] == 0))


def test_metrics_leave_ties_out_and_do_not_grow_with_the_scale() -> None:
    pairs = vector_pairs(100)
    model = RewardModel(LINEAR, {"head": torch.tensor([1.0, 0.0, 0.0, 0.0])})
    larger = RewardModel(LINEAR, {"head": torch.tensor([9.0, 0.0, 0.0, 0.0])})
    assert metrics(model, pairs)["accuracy"] == 1.0
    assert metrics(model, pairs)["separation"] == pytest.approx(metrics(larger, pairs)["separation"])
    tied = pairs.flipped(np.ones(100, bool)).with_smoothing(np.where(np.arange(100) < 50, 0.5, 0.0))
    assert metrics(model, tied)["accuracy"] == 0.0


def test_meta_is_a_step_up_then_the_gradient_there() -> None:
    pairs = vector_pairs(6)
    shifted = Rows.of_vectors(np.random.default_rng(5).standard_normal((8, 4)))
    how = {"epochs": 1, "batch": 6, "lr": 0.01, "warmup": 0, "l2": 0.0, "clip": 100.0}
    settings = Fit(**how, meta=Meta(rate=3.0, prompts=2, responses=4))
    seen = {}

    def looks(chosen, rejected, smoothing, margin=0.0):
        seen.setdefault("gap", (chosen - rejected).detach().squeeze(-1).clone())
        return objectives_smoothed(chosen, rejected, smoothing, margin)

    objectives_smoothed = objectives.smoothed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(objectives, "smoothed", looks)
        fit(LINEAR, pairs, settings, (3,), shifted=shifted)
    head = RewardModel.new(LINEAR, 3).weights["head"].clone().requires_grad_()
    scores = (torch.tensor(shifted.values) @ head).reshape(2, 4)
    gaps = (scores[:, :, None] - scores[:, None, :]).abs().sigmoid().triu(1).sum((1, 2)) * 2 / 16
    (up,) = torch.autograd.grad(gaps.mean(), head)
    wanted = torch.tensor(pairs.chosen.values - pairs.rejected.values) @ (head + 3.0 * up)
    assert torch.allclose(seen["gap"].sort().values, wanted.detach().sort().values, atol=1e-5)


def test_contrast_tells_samples_apart() -> None:
    pairs = token_pairs(120)
    rows = pairs.chosen

    def apart(contrast) -> float:
        model = fit(GRU, pairs, Fit(epochs=6, lr=1e-2, contrast=contrast), (0,)).models[0]
        h = model.features(rows)
        h = h / np.linalg.norm(h, axis=1, keepdims=True)
        return float((h @ h.T)[~np.eye(len(h), dtype=bool)].mean())

    assert apart(Contrast(weight=1.0)) < apart(Contrast(weight=0.0)) - 0.1


@pytest.mark.parametrize("contrast", [None, Contrast()], ids=["plain", "simcse"])
def test_a_transformers_model_learns_and_is_left_as_it_was(contrast) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(
        vocab_size=12, n_embd=16, n_layer=1, n_head=2, n_positions=16, bos_token_id=1, eos_token_id=1
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        body = Backbone(transformers.GPT2LMHeadModel(config))
    before = body.initial(None)
    held = token_pairs(200, 1)
    settings = Fit(epochs=3, lr=1e-2, warmup=0, contrast=contrast)
    fitted = fit(body, token_pairs(300), settings, (0, 1), watch={"held": held})
    assert [row["accuracy"] > 0.65 for row in fitted.history if row["epoch"] == 3] == [True, True]
    assert all(torch.equal(before[name], each) for name, each in body.initial(None).items())
    assert not torch.equal(fitted.models[0].weights["wte.weight"], before["wte.weight"])


def test_wrong_settings_are_named() -> None:
    pairs = token_pairs(5)
    with pytest.raises(ConfigError, match="seeds that differ"):
        fit(GRU, pairs, seeds=(1, 1))
    with pytest.raises(ConfigError, match="MetaRM"):
        fit(GRU, pairs, Fit(meta=Meta()))
    with pytest.raises(ConfigError):
        Fit(lr=0.0)
    with pytest.raises(RewardError, match="finite loss"):
        fit(LINEAR, vector_pairs(5).with_margin(np.full(5, 1e39)), Fit(epochs=1))
