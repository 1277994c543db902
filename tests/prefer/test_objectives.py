"""Losses of reward models against numbers worked out by hand, plain loops and finite differences."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='needs pip install "guerdon[train]"')

from guerdon.core.errors import ConfigError  # noqa: E402
from guerdon.prefer import objectives as o  # noqa: E402


def t(*values: float):
    return torch.tensor(values, dtype=torch.float64)


def drawn(*shape: int, seed: int = 0):
    return torch.tensor(np.random.default_rng(seed).standard_normal(shape))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_bradley_terry_by_hand() -> None:
    assert o.bradley_terry(t(2.0), t(1.0)).item() == pytest.approx(0.31326168751822286)
    assert o.bradley_terry(t(2.0), t(1.0), t(1.0)).item() == pytest.approx(math.log(2))
    assert o.bradley_terry(t(-1000.0), t(0.0)).item() == pytest.approx(1000)
    assert o.bradley_terry(t(0.0), t(0.0), t(-3.0)).item() == pytest.approx(-math.log(sigmoid(3)))


def test_smoothing_is_a_mixture_of_both_labels() -> None:
    for a in (0.0, 0.1, 0.5, 1.0):
        p = sigmoid(0.7 - 0.2)
        wanted = -(1 - a) * math.log(p) - a * math.log(1 - p)
        assert o.smoothed(t(1.0), t(0.3), a, 0.2).item() == pytest.approx(wanted)
    assert o.smoothed(t(1.0), t(0.3), 1.0).item() == pytest.approx(o.bradley_terry(t(0.3), t(1.0)).item())


def test_choices_are_binary_cross_entropy() -> None:
    first, second, target = drawn(20), drawn(20, seed=1), t(*[0.0, 0.5, 1.0, 0.3] * 5)
    theirs = torch.nn.functional.binary_cross_entropy_with_logits(first - second, target, reduction="none")
    assert torch.allclose(o.choice_loss(first, second, target), theirs)
    tie = o.choice_loss(t(1.0).requires_grad_(), t(1.0), t(0.5))
    assert tie.item() == pytest.approx(math.log(2))


def test_small_and_centred_scores_by_hand() -> None:
    assert o.score_l2(t(3.0), t(-1.0)).item() == 5.0
    assert o.centring(t(3.0), t(-1.0)).item() == 4.0
    assert o.centring(t(2.0), t(-2.0)).item() == 0.0


def test_margins_smoothing_and_flips_from_strength() -> None:
    mu = t(-2.0, -0.5, 0.0, 3.0)
    assert o.margin_of(mu).tolist() == mu.tolist()
    assert o.margin_of(mu, scale=0.5).tolist() == [-1.0, -0.25, 0.0, 1.5]
    assert o.margin_of(mu, cap=1.0).tolist() == [-1.0, -0.5, 0.0, 1.0]
    assert o.smoothing_of(mu, 0.3).tolist() == [0.3, 0.3, 0.0, 0.0]
    assert o.flipped(t(3.0, -1.0, 2.0, -4.0), 0.5).tolist() == [False, True, False, True]
    assert o.flipped(t(1.0, 1.0, 1.0, 1.0), 0.25).tolist() == [True, False, False, False]
    assert not o.flipped(mu, 0.0).any()
    with pytest.raises(ConfigError):
        o.flipped(mu, 1.5)


def test_simcse_by_a_plain_loop() -> None:
    s, h = drawn(5, 3), drawn(5, 3, seed=1)

    def cos(a, b) -> float:
        return float(a @ b / (a.norm() * b.norm()))

    found = o.simcse(s, h, 0.2)
    for i in range(5):
        below = sum(math.exp(cos(s[i], h[j]) / 0.2) for j in range(5))
        assert found[i].item() == pytest.approx(-math.log(math.exp(cos(s[i], h[i]) / 0.2) / below))
    assert o.simcse(s, s, 0.01).max() < o.simcse(s, h, 0.01).max()


def test_codes_use_prototypes_alike() -> None:
    codes = o.sinkhorn(drawn(40, 5), eps=0.5, rounds=200)
    assert torch.allclose(codes.sum(1), torch.ones(40, dtype=torch.float64))
    assert torch.allclose(codes.sum(0), torch.full((5,), 8.0, dtype=torch.float64), atol=1e-6)
    # two rows, two prototypes: the fixed point has q = a / (a + b) with a/b the root of the cross ratio
    scores = torch.tensor([[1.0, 0.0], [0.0, 0.5]], dtype=torch.float64)
    root = math.exp(1.5 / 2)
    assert o.sinkhorn(scores, eps=1.0, rounds=500)[0, 0].item() == pytest.approx(root / (1 + root))


def test_swav_swaps_codes_and_only_predictions_learn() -> None:
    s, h, c = drawn(6, 4), drawn(6, 4, seed=1), drawn(3, 4, seed=2)
    unit = [each / each.norm(dim=1, keepdim=True) for each in (s, h, c)]
    scores = [unit[0] @ unit[2].T, unit[1] @ unit[2].T]
    q = [o.sinkhorn(each, eps=0.05) for each in scores]
    p = [(each / 0.1).softmax(-1) for each in scores]
    wanted = [
        -sum(float(q[0][i, k] * p[1][i, k].log() + q[1][i, k] * p[0][i, k].log()) for k in range(3)) for i in range(6)
    ]
    assert o.swav(s, h, c).tolist() == pytest.approx(wanted)
    assert torch.allclose(o.swav(s, h, c), o.swav(h, s, c))


def test_differences_come_both_ways() -> None:
    found = o.differences(t(1.0, 2.0)[None], t(0.0, 5.0)[None])
    assert found.tolist() == [[1.0, -3.0], [-1.0, 3.0]]


def test_the_difference_loss_by_a_plain_loop() -> None:
    scores = drawn(3, 4)
    for row, found in zip(scores, o.difference_loss(scores), strict=True):
        total = sum(sigmoid(abs(float(row[i] - row[j]))) for i in range(4) for j in range(i + 1, 4))
        assert found.item() == pytest.approx(2 / 16 * total)
    assert o.difference_loss(2 * scores).sum() > o.difference_loss(scores).sum()
    flat = torch.zeros(1, 4, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(o.difference_loss(flat).sum(), flat)
    assert gradient.abs().max() == 0


@pytest.mark.parametrize(
    "loss",
    [
        lambda x: o.bradley_terry(x[0], x[1], 0.3).sum(),
        lambda x: o.smoothed(x[0], x[1], 0.2, 0.3).sum(),
        lambda x: o.choice_loss(x[0], x[1], torch.full_like(x[0], 0.5)).sum(),
        lambda x: o.score_l2(x[0], x[1]).sum() + o.centring(x[0], x[1]).sum(),
        lambda x: o.simcse(x, x.flip(0) + x[0]).sum(),
        lambda x: o.simcse(o.differences(x, x.flip(0) * 2), o.differences(x * x, x)).sum(),
        lambda x: o.difference_loss(x).sum(),
    ],
    ids=["bt", "smoothed", "choice", "l2", "simcse", "simcse-diff", "difference"],
)
def test_gradients_are_those_of_finite_differences(loss) -> None:
    assert torch.autograd.gradcheck(loss, (drawn(4, 5).requires_grad_(),))
