# ruff: noqa: N803, N806  # axis suffixes, as in logp_BT
"""A small trainable proposer: an autoregressive policy over the choices that make up a move.

Its forward pass is written once for numpy, in which actions are drawn, and for torch, in which it learns; without
training, nothing but numpy is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.core.plain import Json
from guerdon.search.saving import read, write
from guerdon.systems.ttt_discover.proposer import Draft, Recipe, Sample, Start

if TYPE_CHECKING:
    from guerdon.core.rng import Rng
    from guerdon.core.task import Task

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Arrays = dict[str, Floats]


class Moves(Protocol):
    """What a problem gives to a small policy: a few choices that together make one small change of a construction."""

    @property
    def choices(self) -> tuple[int, ...]:
        """How many values each token of an action has."""

    def seeds(self, task: Task, count: int, rng: Rng) -> list[Json]:
        """Contents of start states."""

    def features(self, start: Start, progress: float) -> tuple[float, ...]:
        """What the policy sees, each of the order of 1."""

    def apply(self, content: Json, action: Sequence[int], rng: Rng) -> Json:
        """What an action makes of a construction."""


@dataclass(frozen=True)
class SmallPolicy:
    """Weights, and the two moments of Adam, by name.

    Args:
        weights: of the GRU cell, the embeddings and the heads.
        first: running mean of the gradient.
        second: running mean of its square.
        steps: optimiser steps made.
    """

    weights: Arrays
    first: Arrays
    second: Arrays
    steps: int = 0


@dataclass(frozen=True, kw_only=True)
class SmallProposer:
    """A `Proposer` whose policy is a GRU cell over the tokens of an action.

    The heads start at zero, so that the first policy is uniform; this is also the base that KL shaping draws to.

    Args:
        moves: the problem's moves.
        hidden: width of the cell.
    """

    moves: Moves
    hidden: int = 32

    def start(self, task: Task, rng: Rng) -> SmallPolicy:
        """Random cell and embeddings, heads of zero."""
        inputs = len(self.moves.features(Start(content=None), 0.0))
        width, scale = self.hidden, self.hidden**-0.5
        shapes = {"features": (inputs, 3 * width), "recurrent": (width, 3 * width), "bias": (3 * width,)}
        shapes |= {f"token{t}": (size, 3 * width) for t, size in enumerate(self.moves.choices[:-1])}
        weights = {name: rng.uniform(-scale, scale, size=shape) for name, shape in shapes.items()}
        weights |= {f"head{t}": np.zeros((width + 1, size)) for t, size in enumerate(self.moves.choices)}
        zeros = {name: np.zeros_like(value) for name, value in weights.items()}
        return SmallPolicy(weights, zeros, zeros)

    def seeds(self, task: Task, count: int, rng: Rng) -> list[Json]:
        """The problem's."""
        return self.moves.seeds(task, count, rng)

    def propose(
        self, task: Task, policy: SmallPolicy, starts: Sequence[Start], rollouts: int, progress: float, rng: Rng
    ) -> list[list[Draft]]:
        """Draw actions, and do them."""
        features = np.array([self.moves.features(start, progress) for start in starts for _ in range(rollouts)])
        token_BT, logp_BT = self.drawn(policy, features, rng)
        drafts: list[list[Draft]] = []
        for row, (tokens, logp) in enumerate(zip(token_BT.tolist(), logp_BT.tolist())):
            if row % rollouts == 0:
                drafts.append([])
            content = self.moves.apply(starts[row // rollouts].content, tokens, rng)
            drafts[-1].append(Draft(content, {"tokens": tokens, "logp": logp}))
        return drafts

    def drawn(self, policy: SmallPolicy, feature_BF: Floats, rng: Rng) -> tuple[Ints, Floats]:
        """Tokens (B, T) and their log-probabilities (B, T)."""
        net = _Net(np, policy.weights, self.hidden, self.moves.choices)
        uniform_TB = rng.random((len(self.moves.choices), len(feature_BF)))
        state, inputs = net.opened(feature_BF)
        tokens, logps = [], []
        for t, uniform_B in enumerate(uniform_TB):
            state = net.stepped(state, inputs)
            logp_BA = net.head(t, state)
            below_BA = np.exp(logp_BA).cumsum(axis=1)[:, :-1] <= uniform_B[:, None]
            token_B = below_BA.sum(axis=1)
            tokens.append(token_B)
            logps.append(logp_BA[np.arange(len(token_B)), token_B])
            inputs = net.told(t, token_B, feature_BF)
        return np.stack(tokens, axis=1), np.stack(logps, axis=1)

    def learn(
        self, task: Task, policy: SmallPolicy, samples: Sequence[Sample], recipe: Recipe
    ) -> tuple[SmallPolicy, Mapping[str, float]]:
        """One step of Adam."""
        if not samples:
            return policy, {}
        torch = _torch()
        feature_BF = np.array([self.moves.features(each.start, each.progress) for each in samples])
        token_BT = np.array([each.action["tokens"] for each in samples], dtype=np.int64)
        sampled_BT = np.array([each.action["logp"] for each in samples], dtype=np.float64)
        advantage_B = np.array([each.advantage for each in samples])
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # arrays are tiny; and sums have one order on every machine
        try:
            gradient, figures = self.gradient(policy, feature_BF, token_BT, sampled_BT, advantage_B, recipe.kl, torch)
        finally:
            torch.set_num_threads(threads)
        return adam(policy, gradient, recipe), figures

    def gradient(
        self,
        policy: SmallPolicy,
        feature_BF: Floats,
        token_BT: Ints,
        sampled_BT: Floats,
        advantage_B: Floats,
        kl: float,
        torch: Any,
    ) -> tuple[Arrays, Mapping[str, float]]:
        """The gradient of the loss by each weight; and the entropy of a token and the divergence from uniform."""
        from guerdon.train.entropic import importance_loss, kl_shaped

        weights = {name: torch.tensor(value, requires_grad=True) for name, value in policy.weights.items()}
        logp_BT, entropy = self.replayed(weights, torch.tensor(feature_BF), torch.tensor(token_BT), torch)
        base_BT = -torch.tensor(self.moves.choices, dtype=torch.float64).log().expand_as(logp_BT)
        mask_BT, sampled = torch.ones_like(logp_BT), torch.tensor(sampled_BT)
        shaped_BT, divergence = kl_shaped(torch.tensor(advantage_B), sampled, base_BT, mask_BT, kl)
        importance_loss(logp_BT, sampled, shaped_BT, mask_BT).backward()
        found = {name: value.grad.numpy() for name, value in weights.items() if value.grad is not None}
        return found, {"entropy": entropy.item(), "kl": divergence.item()}

    def replayed(self, weights: Mapping[str, Any], feature_BF: Any, token_BT: Any, torch: Any) -> tuple[Any, Any]:
        """Log-probabilities of given tokens (B, T), and the mean entropy of a token, in torch."""
        net = _Net(torch, weights, self.hidden, self.moves.choices)
        state, inputs = net.opened(feature_BF)
        logps, entropies = [], []
        for t in range(len(self.moves.choices)):
            state = net.stepped(state, inputs)
            logp_BA = net.head(t, state)
            logps.append(logp_BA.gather(1, token_BT[:, t : t + 1])[:, 0])
            entropies.append(-(logp_BA.exp() * logp_BA).sum(1).detach())
            inputs = net.told(t, token_BT[:, t], feature_BF)
        return torch.stack(logps, 1), torch.stack(entropies, 1).mean()

    def save(self, policy: SmallPolicy, folder: Path) -> None:
        """One file of arrays."""
        groups = {"weights": policy.weights, "first": policy.first, "second": policy.second}
        arrays = {f"{group}.{name}": value for group, named in groups.items() for name, value in named.items()}
        write(folder, "SmallPolicy", arrays, {"steps": policy.steps})

    def load(self, folder: Path) -> SmallPolicy:
        """What `save` wrote."""
        arrays, plain = read(folder, "SmallPolicy")
        groups: dict[str, Arrays] = {"weights": {}, "first": {}, "second": {}}
        for name, value in arrays.items():
            group, _, rest = name.partition(".")
            groups[group][rest] = value
        return SmallPolicy(**groups, steps=plain["steps"])


def adam(policy: SmallPolicy, gradient: Mapping[str, Floats], recipe: Recipe) -> SmallPolicy:
    """The policy after one step of Adam (arXiv 1412.6980), without decay or clipping."""
    one, two = recipe.betas
    steps = policy.steps + 1
    first = {name: one * value + (1 - one) * gradient.get(name, 0.0) for name, value in policy.first.items()}
    second = {name: two * value + (1 - two) * gradient.get(name, 0.0) ** 2 for name, value in policy.second.items()}
    weights = {
        name: value
        - recipe.lr * (first[name] / (1 - one**steps)) / (np.sqrt(second[name] / (1 - two**steps)) + recipe.eps)
        for name, value in policy.weights.items()
    }
    return SmallPolicy(weights, first, second, steps)


class _Net:
    """The forward pass, on numpy arrays or torch tensors."""

    def __init__(self, xp: Any, weights: Mapping[str, Any], hidden: int, choices: tuple[int, ...]) -> None:
        self._xp, self._weights, self._hidden, self._choices = xp, weights, hidden, choices

    def opened(self, feature_BF: Any) -> tuple[Any, Any]:
        """The state before the first token, and the first inputs."""
        inputs = feature_BF @ self._weights["features"] + self._weights["bias"]
        return self._xp.zeros_like(inputs[:, : self._hidden]), inputs

    def told(self, t: int, token_B: Any, feature_BF: Any) -> Any:
        """Inputs after a token: its embedding, and the features once more."""
        if t + 1 == len(self._choices):
            return None
        return feature_BF @ self._weights["features"] + self._weights["bias"] + self._weights[f"token{t}"][token_B]

    def stepped(self, state: Any, inputs: Any) -> Any:
        """The GRU cell: reset and update gates, candidate."""
        width = self._hidden
        recurrent = state @ self._weights["recurrent"]
        gates = self._sigmoid(inputs[:, : 2 * width] + recurrent[:, : 2 * width])
        reset, update = gates[:, :width], gates[:, width:]
        candidate = self._xp.tanh(inputs[:, 2 * width :] + reset * recurrent[:, 2 * width :])
        return (1.0 - update) * candidate + update * state

    def head(self, t: int, state: Any) -> Any:
        """Log-probabilities of a token's values."""
        weights = self._weights[f"head{t}"]
        logits = state @ weights[:-1] + weights[-1]
        logits = logits - logits.max(1)[0][:, None] if self._xp is not np else logits - logits.max(1, keepdims=True)
        return logits - self._xp.log(self._xp.exp(logits).sum(1))[:, None]

    def _sigmoid(self, x: Any) -> Any:
        return 0.5 * (1.0 + self._xp.tanh(0.5 * x))


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        raise ConfigError(
            "training needs torch", "it is not installed", "pip install guerdon[train], or set objective to none"
        ) from None
    return torch
