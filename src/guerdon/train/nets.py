"""Networks as a description and a pure function: weights are a dictionary of tensors, and so are easy to keep.

A net reads observations `(T, N, ...)` step by step and says, for each, the logits of the actions and a value. Where it
has a memory, `first` marks the steps that begin an episode: the memory is empty there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import prod, sqrt
from typing import Any, NamedTuple, Protocol, TypeAlias

Tensor: TypeAlias = Any
Weights: TypeAlias = dict[str, Any]
Shapes: TypeAlias = dict[str, tuple[int, ...]]


class Heads(NamedTuple):
    """What a net says.

    Args:
        logits: `(T, N, A)`.
        values: `(T, N)`.
        memory: `(N, M)`, after the last step.
    """

    logits: Tensor
    values: Tensor
    memory: Tensor


class Net(Protocol):
    """A description of a network."""

    @property
    def actions(self) -> int:
        """Number of actions."""

    @property
    def memory(self) -> int:
        """Size of the memory; 0 for none."""

    def shapes(self) -> Shapes:
        """The shape of each tensor of weights, by name."""

    def apply(self, weights: Mapping[str, Tensor], observations: Tensor, first: Tensor, memory: Tensor) -> Heads:
        """Read `(T, N, ...)` observations, with `first` `(T, N)` and the memory `(N, M)` before them."""


@dataclass(frozen=True, kw_only=True)
class VectorNet:
    """A perceptron for short vectors, by choice with a GRU behind it.

    Args:
        inputs: length of an observation.
        actions: number of actions.
        hidden: units of each hidden layer; ReLU.
        categories: sizes of the entries where they are classes (each becomes one-hot); empty where they are numbers.
        memory: units of a GRU with a skip connection around it; 0 for none.
    """

    inputs: int
    actions: int
    hidden: tuple[int, ...] = (64, 64)
    categories: tuple[int, ...] = ()
    memory: int = 0

    def shapes(self) -> Shapes:
        """`layer<i>.weight` `(out, in)`, `layer<i>.bias`; then the GRU's, then the heads'."""
        sizes = (sum(self.categories) or self.inputs, *self.hidden)
        found: Shapes = {}
        for i, (before, after) in enumerate(pairwise(sizes)):
            found |= {f"layer{i}.weight": (after, before), f"layer{i}.bias": (after,)}
        return found | _tail_shapes(sizes[-1], self.memory, self.actions)

    def apply(self, weights: Mapping[str, Tensor], observations: Tensor, first: Tensor, memory: Tensor) -> Heads:
        """Read observations `(T, N, inputs)`."""
        import torch
        from torch.nn import functional as f

        if self.categories:
            parts = [f.one_hot(observations[..., i].long(), size) for i, size in enumerate(self.categories)]
            x = torch.cat(parts, -1).float()
        else:
            x = observations.float()
        for i in range(len(self.hidden)):
            x = f.linear(x, weights[f"layer{i}.weight"], weights[f"layer{i}.bias"]).relu()
        return _tail(weights, x, first, memory, self.memory)


@dataclass(frozen=True, kw_only=True)
class ScreenNet:
    """The convolutional network of robustification for Atari (arXiv 1901.10995 and 2004.12919, methods).

    Three convolutions without padding, a layer of features with layer norm, a GRU with a skip connection around it.

    Args:
        screen: height, width and channels of an observation of uint8; a stack of frames is in the channels.
        actions: number of actions.
        channels: of the convolutions 8/4, 4/2 and 3/1 (kernel/stride).
        features: units between the convolutions and the GRU.
        memory: units of the GRU, which must equal `features` for the skip; 0 for none.
    """

    screen: tuple[int, int, int] = (105, 80, 12)
    actions: int = 18
    channels: tuple[int, int, int] = (64, 128, 128)
    features: int = 800
    memory: int = 800

    KERNELS = ((8, 4), (4, 2), (3, 1))

    def shapes(self) -> Shapes:
        """`conv<i>.weight` `(out, in, k, k)`, `features.*`, `norm.*`; then the GRU's, then the heads'."""
        height, width, before = self.screen
        found: Shapes = {}
        for i, (after, (kernel, stride)) in enumerate(zip(self.channels, self.KERNELS, strict=True)):
            found |= {f"conv{i}.weight": (after, before, kernel, kernel), f"conv{i}.bias": (after,)}
            height, width, before = (height - kernel) // stride + 1, (width - kernel) // stride + 1, after
        found |= {"features.weight": (self.features, before * height * width), "features.bias": (self.features,)}
        found |= {"norm.weight": (self.features,), "norm.bias": (self.features,)}
        return found | _tail_shapes(self.features, self.memory, self.actions)

    def apply(self, weights: Mapping[str, Tensor], observations: Tensor, first: Tensor, memory: Tensor) -> Heads:
        """Read screens `(T, N, h, w, c)` of uint8."""
        from torch.nn import functional as f

        steps, lanes = observations.shape[:2]
        x = observations.reshape(steps * lanes, *self.screen).permute(0, 3, 1, 2).float() / 255.0
        for i, (_, stride) in enumerate(self.KERNELS):
            x = f.conv2d(x, weights[f"conv{i}.weight"], weights[f"conv{i}.bias"], stride=stride).relu()
        x = f.linear(x.flatten(1), weights["features.weight"], weights["features.bias"])
        x = f.layer_norm(x, (self.features,), weights["norm.weight"], weights["norm.bias"]).relu()
        return _tail(weights, x.reshape(steps, lanes, self.features), first, memory, self.memory)


def initial(net: Net, generator: Any) -> Weights:
    """Fresh weights: orthogonal rows with gain sqrt(2), 0.01 for the policy and 1 for the value and the GRU.

    Args:
        net: the description.
        generator: a `torch.Generator`, from which alone the weights are drawn.
    """
    import torch

    gains = {"policy": 0.01, "value": 1.0, "gru": 1.0}
    weights: Weights = {}
    for name, shape in net.shapes().items():
        if len(shape) == 1:
            made = torch.full(shape, 1.0 if name == "norm.weight" else 0.0)
        else:
            rows, columns = shape[0], prod(shape[1:])
            q, r = torch.linalg.qr(torch.randn(max(rows, columns), min(rows, columns), generator=generator))
            q = q * torch.sign(torch.diagonal(r))
            made = (q if rows >= columns else q.T) * gains.get(name.partition(".")[0], sqrt(2))
        weights[name] = made.reshape(shape).contiguous().requires_grad_()
    return weights


def _tail_shapes(features: int, memory: int, actions: int) -> Shapes:
    found: Shapes = {}
    if memory:
        found |= {"gru.input": (3 * memory, features), "gru.memory": (3 * memory, memory)}
        found |= {"gru.input_bias": (3 * memory,), "gru.memory_bias": (3 * memory,)}
    width = features if memory in (0, features) else features + memory
    found |= {"policy.weight": (actions, width), "policy.bias": (actions,)}
    return found | {"value.weight": (1, width), "value.bias": (1,)}


def _tail(weights: Mapping[str, Tensor], x: Tensor, first: Tensor, memory: Tensor, size: int) -> Heads:
    """The GRU, if any, and the heads. The skip adds where sizes are equal, and lays side by side where not."""
    import torch
    from torch.nn import functional as f

    if size:
        names = ("gru.input", "gru.memory", "gru.input_bias", "gru.memory_bias")
        recurrent = [weights[name] for name in names]
        kept = []
        for t in range(len(x)):
            memory = torch.gru_cell(x[t], memory * (~first[t]).unsqueeze(-1), *recurrent)
            kept.append(memory)
        told = torch.stack(kept)
        x = x + told if size == x.shape[-1] else torch.cat((x, told), -1)
    logits = f.linear(x, weights["policy.weight"], weights["policy.bias"])
    values = f.linear(x, weights["value.weight"], weights["value.bias"]).squeeze(-1)
    return Heads(logits, values, memory)
