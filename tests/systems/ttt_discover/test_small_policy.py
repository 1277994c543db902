"""The small policy against torch's own GRU cell and Adam, finite differences, and what it must learn."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from guerdon.core.task import Task
from guerdon.systems.ttt_discover.proposer import Recipe, Sample, Start
from guerdon.systems.ttt_discover.small_policy import SmallPolicy, SmallProposer, adam

TASK = Task("t")


@dataclass(frozen=True, kw_only=True)
class Toy:
    """A construction is the list of its last tokens."""

    choices: ClassVar[tuple[int, ...]] = (3, 5, 2)

    def seeds(self, task: Task, count: int, rng: Any) -> list[Any]:
        return [[0]] * count

    def features(self, start: Start, progress: float) -> tuple[float, ...]:
        return start.value or 0.0, progress

    def apply(self, content: Any, action: Any, rng: Any) -> Any:
        return list(action)


PROPOSER = SmallProposer(moves=Toy(), hidden=6)


def policy(seed: int = 0, noise: float = 0.5) -> SmallPolicy:
    rng = np.random.default_rng(seed)
    found = PROPOSER.start(TASK, rng)
    moved = {name: value + noise * rng.normal(size=value.shape) for name, value in found.weights.items()}
    return SmallPolicy(moved, found.first, found.second)


def drawn(of: SmallPolicy, count: int, seed: int = 1) -> tuple[Any, Any, Any]:
    features = np.random.default_rng(seed).normal(size=(count, 2))
    return features, *PROPOSER.drawn(of, features, np.random.default_rng(seed + 1))


def test_the_first_policy_is_uniform() -> None:
    start = PROPOSER.start(TASK, np.random.default_rng(0))
    _, tokens, logps = drawn(start, 6000)
    assert logps == pytest.approx(-np.log(np.broadcast_to([3, 5, 2], logps.shape)))
    for t, size in enumerate((3, 5, 2)):
        counts = np.bincount(tokens[:, t], minlength=size)
        assert ((counts - 6000 / size) ** 2 / (6000 / size)).sum() < 25  # chi-squared


def test_tokens_are_drawn_at_the_probabilities_that_are_said() -> None:
    of = policy(3)
    features = np.zeros((40_000, 2))
    tokens, logps = PROPOSER.drawn(of, features, np.random.default_rng(0))
    names, first, counts = np.unique(tokens, axis=0, return_index=True, return_counts=True)
    probability = np.exp(logps[first].sum(axis=1))
    assert probability.sum() == pytest.approx(1, abs=0.01)
    assert np.abs(counts / 40_000 - probability).max() < 0.015
    assert len(names) <= 30


def test_the_forward_pass_is_that_of_torchs_gru_cell() -> None:
    torch = pytest.importorskip("torch")
    of = policy(4)
    features, tokens, logps = drawn(of, 9)
    weights = {name: torch.tensor(value) for name, value in of.weights.items()}
    again, entropy = PROPOSER.replayed(weights, torch.tensor(features), torch.tensor(tokens), torch)
    assert again.numpy() == pytest.approx(logps, abs=1e-13)
    cell = torch.nn.GRUCell(18, 6, dtype=torch.float64)  # the identity on its inputs, which are summed beforehand
    with torch.no_grad():
        cell.weight_ih.copy_(torch.eye(18))
        cell.weight_hh.copy_(weights["recurrent"].T)
        cell.bias_ih.copy_(weights["bias"])
        cell.bias_hh.zero_()
    hidden, entropies = torch.zeros(9, 6, dtype=torch.float64), []
    for t in range(3):
        inputs = torch.tensor(features) @ weights["features"]
        if t:
            inputs = inputs + weights[f"token{t - 1}"][torch.tensor(tokens[:, t - 1])]
        hidden = cell(inputs, hidden).detach()
        head = weights[f"head{t}"]
        found = torch.distributions.Categorical(logits=hidden @ head[:-1] + head[-1])
        assert found.log_prob(torch.tensor(tokens[:, t])).numpy() == pytest.approx(logps[:, t], abs=1e-12)
        entropies.append(found.entropy().mean().item())
    assert entropy.item() == pytest.approx(np.mean(entropies))


def test_the_gradient_is_that_of_finite_differences() -> None:
    torch = pytest.importorskip("torch")
    of = policy(5)
    features, tokens, sampled = drawn(of, 7)
    sampled = sampled - 0.1  # drawn under another policy: ratios are not one
    advantage = np.random.default_rng(2).normal(size=7)
    kl = 0.3

    def loss(weights: dict[str, Any]) -> float:
        arrays = {name: torch.tensor(value) for name, value in weights.items()}
        logp, _ = PROPOSER.replayed(arrays, torch.tensor(features), torch.tensor(tokens), torch)
        gap = sampled + np.log([3, 5, 2])
        shaped = advantage[:, None] + kl * (gap.mean() - gap)
        return float(-(np.exp(logp.numpy() - sampled) * shaped).sum())

    found, figures = PROPOSER.gradient(of, features, tokens, sampled, advantage, kl, torch)
    assert figures["kl"] == pytest.approx((sampled + np.log([3, 5, 2])).mean())
    rng = np.random.default_rng(3)
    for name, value in of.weights.items():
        direction = rng.normal(size=value.shape)
        there, back = ({**of.weights, name: value + sign * 1e-6 * direction} for sign in (1, -1))
        slope = (loss(there) - loss(back)) / 2e-6
        assert float((found.get(name, np.zeros_like(value)) * direction).sum()) == pytest.approx(
            slope, rel=1e-5, abs=1e-7
        )


def test_adam_is_torchs() -> None:
    torch = pytest.importorskip("torch")
    of, recipe = policy(6), Recipe(lr=0.03, betas=(0.9, 0.95), eps=1e-8)
    tensors = {name: torch.nn.Parameter(torch.tensor(value)) for name, value in of.weights.items()}
    optimiser = torch.optim.Adam(tensors.values(), lr=0.03, betas=(0.9, 0.95), eps=1e-8)
    rng = np.random.default_rng(7)
    for _ in range(4):
        gradient = {name: rng.normal(size=value.shape) for name, value in of.weights.items()}
        of = adam(of, gradient, recipe)
        for name, tensor in tensors.items():
            tensor.grad = torch.tensor(gradient[name])
        optimiser.step()
    for name, tensor in tensors.items():
        assert of.weights[name] == pytest.approx(tensor.detach().numpy(), abs=1e-12)


def learned(of: SmallPolicy, rounds: int, kl: float = 0.0) -> tuple[SmallPolicy, float]:
    """Pay for one certain action only; return the policy and the chance of that action."""
    rng, start = np.random.default_rng(8), Start([0], 1.0)
    for _ in range(rounds):
        (drafts,) = PROPOSER.propose(TASK, of, [start], 32, 0.0, rng)
        paid = [float(draft.content[0] == 2) + float(draft.content[1] == 4) for draft in drafts]  # type: ignore[index]
        samples = [Sample(start, 0.0, draft.action, r - np.mean(paid)) for draft, r in zip(drafts, paid)]
        of, _ = PROPOSER.learn(TASK, of, samples, Recipe(lr=0.05, kl=kl))
    tokens, _ = PROPOSER.drawn(of, np.tile([1.0, 0.0], (2000, 1)), np.random.default_rng(9))
    return of, float(((tokens[:, 0] == 2) & (tokens[:, 1] == 4)).mean())


def test_it_learns_what_is_paid_and_shaping_holds_it_back() -> None:
    pytest.importorskip("torch")
    start = PROPOSER.start(TASK, np.random.default_rng(0))
    of, chance = learned(start, 40)
    assert chance > 0.8  # 1 in 15 at first
    assert of.steps == 40
    _, held = learned(start, 40, kl=2.0)
    assert held < chance / 2
    assert start.steps == 0  # the old policy is as it was
    assert not any(value.any() for name, value in start.weights.items() if name.startswith("head"))


def test_nothing_to_learn_from_changes_nothing() -> None:
    of = policy(1)
    assert PROPOSER.learn(TASK, of, [], Recipe()) == (of, {})


def test_a_saved_policy_takes_the_same_next_step(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    of, _ = learned(PROPOSER.start(TASK, np.random.default_rng(0)), 3)
    PROPOSER.save(of, tmp_path)
    again = PROPOSER.load(tmp_path)
    one, two = learned(of, 2), learned(again, 2)
    assert one[1] == two[1]
    assert all((one[0].weights[name] == two[0].weights[name]).all() for name in of.weights)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".npz"]
