import numpy as np
import pytest

from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream
from guerdon.systems.constrained_rlhf.multipliers import Multipliers, mixed


@pytest.mark.parametrize("squash", ["sigmoid", "tanh"])
@pytest.mark.parametrize("upper", [False, True])
def test_steps_are_those_of_torchs_sgd_on_the_published_loss(squash, upper):
    torch = pytest.importorskip("torch")
    rule = Multipliers(squash=squash, upper=upper, lr=0.3, momentum=0.4, clip=0.2)
    m, velocity = np.array([0.3, -0.8, 0.1]), np.zeros(3)
    reference = torch.tensor(m, requires_grad=True)
    optimiser = torch.optim.SGD([reference], lr=0.3, momentum=0.4)
    theta = np.array([0.5, 0.2, 0.9])
    for step in range(6):
        reached = np.random.default_rng(step).random(3)
        m, velocity = rule.step(m, velocity, reached=reached, thresholds=theta)
        squashed = torch.sigmoid(reference) if squash == "sigmoid" else torch.tanh(reference)
        sign = -1.0 if upper else 1.0
        loss = sign * (squashed * torch.tensor(reached - theta)).sum()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([reference], 0.2)
        optimiser.step()
        np.testing.assert_allclose(m, reference.detach().numpy(), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(("squash", "upper"), [("sigmoid", False), ("tanh", False)])
def test_a_component_below_its_threshold_gains_weight_and_one_above_loses_it(squash, upper):
    rule = Multipliers(squash=squash, upper=upper)
    m, _ = rule.step(np.zeros(2), np.zeros(2), reached=[0.1, 0.9], thresholds=[0.5, 0.5])
    assert m[0] > 0 > m[1]


def test_upper_bounds_push_the_other_way():
    m, _ = Multipliers(squash="sigmoid", upper=True).step(np.zeros(2), np.zeros(2), reached=[0.1, 0.9], thresholds=0.5)
    assert m[0] < 0 < m[1]


def test_only_equality_can_weigh_a_component_negatively():
    deep = np.array([-5.0, 5.0])
    assert (Multipliers(squash="sigmoid").weights(deep) > 0).all()
    assert Multipliers(squash="tanh").weights(deep)[0] < -0.99


def test_an_unknown_mean_moves_its_multiplier_nowhere():
    m, velocity = Multipliers(squash="tanh").step(
        np.array([0.2, 0.2]), np.array([0.1, 0.1]), reached=[np.nan, 0.1], thresholds=[0.5, 0.5]
    )
    assert m[0] == 0.2
    assert velocity[0] == 0.1
    assert m[1] > 0.2


def test_all_start_with_one_draw():
    m = Multipliers(squash="tanh").start(4, stream(3, "multipliers"))
    assert len(set(m.tolist())) == 1
    assert 0 < abs(m[0]) < 0.05


def test_the_mixture_is_equation_4_4():
    task, constraints = np.array([1.0, 2.0]), np.array([[3.0, 5.0], [7.0, 11.0]])
    found = mixed(np.array([0.5, -0.25]), task, constraints)
    np.testing.assert_allclose(found, (2 - 0.25) * task + 0.5 * constraints[0] - 0.25 * constraints[1])
    np.testing.assert_allclose(mixed(np.zeros(2), task, constraints), 2 * task)
    flipped = mixed(np.array([0.5, 0.25]), task, constraints, upper=True)
    np.testing.assert_allclose(flipped, 1.25 * task - 0.5 * constraints[0] - 0.25 * constraints[1])


def test_settings_are_checked():
    with pytest.raises(ConfigError, match="squash"):
        Multipliers(squash="relu")
