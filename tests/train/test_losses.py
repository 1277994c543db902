"""Losses against numbers computed by hand, finite differences, and torch's own distributions."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='needs pip install "guerdon[train]"')

from guerdon.train import losses  # noqa: E402


def draws(*shape: int, seed: int = 0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_clipped_policy_loss_by_hand() -> None:
    old = torch.zeros(4)
    new = torch.log(torch.tensor([1.5, 1.5, 0.5, 0.5]))
    advantages = torch.tensor([1.0, -1.0, 1.0, -1.0])
    # min(1.5, 1.2) = 1.2; min(-1.5, -1.2) = -1.5; min(0.5, 0.8) = 0.5; min(-0.5, -0.8) = -0.8
    assert losses.ppo_policy_loss(new, old, advantages, clip=0.2).item() == pytest.approx(0.6 / 4)
    mask = torch.tensor([True, False, False, False])
    assert losses.ppo_policy_loss(new, old, advantages, clip=0.2, mask=mask).item() == pytest.approx(-1.2)


def test_gradient_is_zero_where_the_ratio_is_clipped() -> None:
    new = torch.log(torch.tensor([1.5, 1.05])).requires_grad_()
    losses.ppo_policy_loss(new, torch.zeros(2), torch.ones(2), clip=0.1).backward()
    assert new.grad.tolist() == [0.0, pytest.approx(-1.05 / 2)]


def test_value_loss_by_hand() -> None:
    values, targets = torch.tensor([3.0, 0.0]), torch.tensor([1.0, 1.0])
    assert losses.value_loss(values, targets).item() == pytest.approx((4 + 1) / 4)
    old = torch.tensor([0.0, 0.0])
    # kept near: 0.5 and 0.0, errors 0.25 and 1; the larger are 4 and 1
    assert losses.value_loss(values, targets, old_values=old, clip=0.5).item() == pytest.approx((4 + 1) / 4)
    near = torch.tensor([1.0, 0.0])
    assert losses.value_loss(near, targets, old_values=old, clip=0.5).item() == pytest.approx((0.25 + 1) / 4)


def test_entropy_and_log_probabilities_are_those_of_torch() -> None:
    logits = draws(5, 7)
    known = torch.distributions.Categorical(logits=logits)
    actions = torch.arange(5)
    torch.testing.assert_close(losses.entropy(logits), known.entropy())
    torch.testing.assert_close(losses.log_probabilities(logits, actions), known.log_prob(actions))
    assert losses.entropy(torch.zeros(3, 4)).tolist() == pytest.approx([math.log(4)] * 3)


def test_self_imitation_by_hand() -> None:
    logits = torch.zeros(3, 2)
    values, returns = torch.tensor([1.0, 5.0, 0.0]), torch.tensor([3.0, 3.0, 4.0])
    success = torch.tensor([0.0, 0.0, 0.5])
    found = losses.self_imitation_loss(logits, values, torch.zeros(3, dtype=torch.int64), returns, success=success)
    log2 = math.log(2)
    imitation = (log2 * 2 * 1.0 + 0.0 + log2 * 4 * 0.5) / 3
    value = 0.01 * 0.5 * (4 + 0 + 16) / 3
    assert found.item() == pytest.approx(0.1 * (imitation + value - 1e-5 * log2), rel=1e-5)


def test_self_imitation_gives_the_policy_no_gradient_through_the_value() -> None:
    logits, values = torch.zeros(1, 2, requires_grad=True), torch.zeros(1, requires_grad=True)
    action, success = torch.zeros(1, dtype=torch.int64), torch.zeros(1)
    losses.self_imitation_loss(
        logits, values, action, torch.full((1,), 2.0), success=success, weight=1.0, entropy_bonus=0.0
    ).backward()
    assert values.grad.item() == pytest.approx(-0.01 * 2.0)  # of the squared gap alone
    assert logits.grad[0, 0].item() == pytest.approx(-0.5 * 2.0)


@pytest.mark.parametrize("which", ["policy", "value", "entropy", "imitation"])
def test_gradients_are_those_of_finite_differences(which: str) -> None:
    x, other = draws(3, 4, 5), draws(3, 4, seed=1)
    actions = torch.randint(5, (3, 4), generator=torch.Generator().manual_seed(2))
    mask = draws(3, 4, seed=3) > -0.5

    def loss(logits, values):
        logs = losses.log_probabilities(logits, actions)
        match which:
            case "policy":
                return losses.ppo_policy_loss(logs, logs.detach() - 0.03, other, clip=0.1, mask=mask)
            case "value":
                return losses.value_loss(values, other, old_values=other + 0.2, clip=0.3, mask=mask)
            case "entropy":
                return losses.masked_mean(losses.entropy(logits), mask)
            case _:
                return losses.self_imitation_loss(
                    logits, values.detach(), actions, other, success=torch.full((3, 4), 0.25), mask=mask
                )

    logits, values = x.clone().requires_grad_(), draws(3, 4, seed=4).requires_grad_()
    loss(logits, values).backward()
    moved = values if which == "value" else logits
    if which == "policy":  # the old log-probabilities move with the logits in `loss`, so pin them
        old = losses.log_probabilities(x, actions) - 0.03

        def pinned(z):
            return losses.ppo_policy_loss(losses.log_probabilities(z, actions), old, other, clip=0.1, mask=mask)
    else:

        def pinned(z):
            return loss(x, z) if which == "value" else loss(z, values)

    direction = draws(*moved.shape, seed=5)
    step = 1e-6
    with torch.no_grad():
        slope = (pinned(moved + step * direction) - pinned(moved - step * direction)) / (2 * step)
    assert slope.item() == pytest.approx((moved.grad * direction).sum().item(), rel=1e-4, abs=1e-9)


def test_a_mask_of_nothing_is_no_loss() -> None:
    assert losses.masked_mean(torch.ones(3), torch.zeros(3, dtype=torch.bool)).item() == 0.0
    assert np.isfinite(losses.masked_mean(torch.ones(3)).item())
