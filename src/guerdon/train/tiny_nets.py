"""Networks for small vocabularies: a GRU and a causal transformer, as descriptions and pure functions.

As in `guerdon.train.nets`, weights are a dictionary of tensors. `run` reads ids and gives hidden states and what the
next token needs of the past, so one function serves training, sampling with a cache, reward models with a scalar head
on the last token, and ensembles that are mapped over stacked weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from guerdon.core.errors import ConfigError

Tensor: TypeAlias = Any
Weights: TypeAlias = dict[str, Any]
Shapes: TypeAlias = dict[str, tuple[int, ...]]
Past: TypeAlias = Any
Drop: TypeAlias = Callable[[Any], Any]
"""A function that drops some entries of a tensor; `None` drops nothing."""


class TinyNet(Protocol):
    """A description of a small causal network."""

    @property
    def vocabulary(self) -> int:
        """Number of ids."""

    @property
    def width(self) -> int:
        """Size of a hidden state."""

    def shapes(self) -> Shapes:
        """The shape of each tensor of weights, by name."""

    def initial(self, generator: Any) -> Weights:
        """Fresh weights, drawn from a `torch.Generator` alone."""

    def run(
        self, weights: Mapping[str, Tensor], ids: Tensor, mask: Tensor, past: Past = None, drop: Drop | None = None
    ) -> tuple[Tensor, Past]:
        """Hidden states `(B, T, width)` of ids `(B, T)`, and what is needed to read on.

        A state depends on the tokens before it for which `mask` `(B, T)` is true, wherever padding is.
        """

    def hidden(self, weights: Mapping[str, Tensor], ids: Tensor, mask: Tensor, drop: Drop | None = None) -> Tensor:
        """The first of what `run` gives."""

    def causal(self, weights: Mapping[str, Tensor], ids: Tensor) -> Tensor:
        """The same where no token is masked: padding on the right is not seen by the tokens before it."""


@dataclass(frozen=True, kw_only=True)
class TinyGRU:
    """Embedding and one layer of gated recurrent units (arXiv 1406.1078, with the reset gate after the product).

    Args:
        vocabulary: number of ids.
        width: units, and size of the embedding.
    """

    vocabulary: int
    width: int = 64
    batched = True

    def shapes(self) -> Shapes:
        """`embed` (V, D), `gru_*` as torch orders them (reset, update, new), and the output layer."""
        three = 3 * self.width
        gru: Shapes = {"gru_input": (three, self.width), "gru_memory": (three, self.width)}
        gru |= {"gru_input_bias": (three,), "gru_memory_bias": (three,)}
        return {"embed": (self.vocabulary, self.width), **gru, **_out_shapes(self)}

    def initial(self, generator: Any) -> Weights:
        """Fresh weights; see `TinyNet`."""
        return _initial(self.shapes(), generator)

    def run(
        self, weights: Mapping[str, Tensor], ids: Tensor, mask: Tensor, past: Past = None, drop: Drop | None = None
    ) -> tuple[Tensor, Past]:
        """Read ids; the past is the memory `(B, D)`, which masked steps leave as it is."""
        import torch
        from torch.nn import functional as f

        x = _dropped(f.embedding(ids, weights["embed"]), drop)
        sent = f.linear(x, weights["gru_input"], weights["gru_input_bias"])
        memory = torch.zeros_like(x[:, 0]) if past is None else past
        kept = []
        for t in range(ids.shape[1]):
            reset, update, new = sent[:, t].chunk(3, -1)
            of = f.linear(memory, weights["gru_memory"], weights["gru_memory_bias"]).chunk(3, -1)
            gate = (update + of[1]).sigmoid()
            made = (new + (reset + of[0]).sigmoid() * of[2]).tanh()
            memory = torch.where(mask[:, t, None], made + gate * (memory - made), memory)
            kept.append(memory)
        return _dropped(torch.stack(kept, 1), drop), memory

    def hidden(self, weights: Mapping[str, Tensor], ids: Tensor, mask: Tensor, drop: Drop | None = None) -> Tensor:
        """Hidden states `(B, T, D)`; see `TinyNet`."""
        return self.run(weights, ids, mask, None, drop)[0]

    def causal(self, weights: Mapping[str, Tensor], ids: Tensor) -> Tensor:
        """Hidden states `(B, T, D)` by torch's own recurrence, which cannot be mapped over stacked weights."""
        import torch
        from torch.nn import functional as f

        layers = [weights[name] for name in ("gru_input", "gru_memory", "gru_input_bias", "gru_memory_bias")]
        x = f.embedding(ids, weights["embed"])
        start = torch.zeros(1, len(ids), self.width, dtype=x.dtype, device=x.device)
        return torch._VF.gru(x, start, layers, True, 1, 0.0, False, False, True)[0]


@dataclass(frozen=True, kw_only=True)
class TinyTransformer:
    """A causal transformer with layer norm before each part and learned positions.

    Positions count the tokens for which the mask is true, so padding on either side changes nothing.

    Args:
        vocabulary: number of ids.
        width: of the residual stream.
        layers: blocks of attention and a perceptron of four times the width.
        heads: of attention; a divisor of the width.
        longest: most tokens of a row.
    """

    vocabulary: int
    width: int = 32
    layers: int = 2
    heads: int = 2
    longest: int = 32
    batched = True

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ConfigError("heads divide the width", f"got {self.heads} and {self.width}", "Change one of them")

    def shapes(self) -> Shapes:
        """`embed`, `place`, then `block<i>_*`, the last norm and the output layer."""
        d = self.width
        found: Shapes = {"embed": (self.vocabulary, d), "place": (self.longest, d)}
        for i in range(self.layers):
            parts = {"ask": (3 * d, d), "answer": (d, d), "up": (4 * d, d), "down": (d, 4 * d)}
            for name, shape in parts.items():
                found |= {f"block{i}_{name}": shape, f"block{i}_{name}_bias": shape[:1]}
            for name in ("norm1", "norm2"):
                found |= {f"block{i}_{name}": (d,), f"block{i}_{name}_bias": (d,)}
        return {**found, "norm": (d,), "norm_bias": (d,), **_out_shapes(self)}

    def initial(self, generator: Any) -> Weights:
        """Fresh weights; see `TinyNet`."""
        return _initial(self.shapes(), generator)

    def run(
        self, weights: Mapping[str, Tensor], ids: Tensor, mask: Tensor, past: Past = None, drop: Drop | None = None
    ) -> tuple[Tensor, Past]:
        """Read ids; the past is the mask so far and, for each block, keys and values `(B, H, T, D/H)`."""
        import torch
        from torch.nn import functional as f

        seen, cache = (mask[:, :0], [None] * self.layers) if past is None else past
        told = torch.cat((seen, mask), 1)
        places = (told.long().cumsum(1) - 1).clamp(0, self.longest - 1)[:, seen.shape[1] :]
        order = torch.arange(told.shape[1], device=ids.device)
        open_ = told[:, None, :] & (order[None, :] <= order[seen.shape[1] :, None])
        x = _dropped(f.embedding(ids, weights["embed"]) + f.embedding(places, weights["place"]), drop)
        kept = []
        for i, before in enumerate(cache):
            x, now = self._block(weights, f"block{i}_", x, open_, before, drop)
            kept.append(now)
        return f.layer_norm(x, (self.width,), weights["norm"], weights["norm_bias"]), (told, kept)

    def hidden(self, weights: Mapping[str, Tensor], ids: Tensor, mask: Tensor, drop: Drop | None = None) -> Tensor:
        """Hidden states `(B, T, D)`; see `TinyNet`."""
        return self.run(weights, ids, mask, None, drop)[0]

    def causal(self, weights: Mapping[str, Tensor], ids: Tensor) -> Tensor:
        """Hidden states `(B, T, D)`; see `TinyNet`."""
        import torch

        return self.hidden(weights, ids, torch.ones_like(ids, dtype=torch.bool))

    def _block(
        self, weights: Mapping[str, Tensor], name: str, x: Tensor, open_: Tensor, before: Past, drop: Drop | None
    ) -> tuple[Tensor, Past]:
        import torch
        from torch.nn import functional as f

        def layer(part: str, value: Tensor) -> Tensor:
            return f.linear(value, weights[name + part], weights[f"{name}{part}_bias"])

        def norm(part: str) -> Tensor:
            return f.layer_norm(x, (self.width,), weights[name + part], weights[f"{name}{part}_bias"])

        sizes = (*x.shape[:2], self.heads, self.width // self.heads)
        query, key, value = (each.reshape(sizes).transpose(1, 2) for each in layer("ask", norm("norm1")).chunk(3, -1))
        if before is not None:
            key, value = torch.cat((before[0], key), 2), torch.cat((before[1], value), 2)
        scores = query @ key.transpose(-1, -2) / math.sqrt(sizes[-1])
        # the smallest number rather than -inf: a row that sees only padding stays finite
        looks = scores.masked_fill(~open_[:, None], torch.finfo(scores.dtype).min).softmax(-1)
        x = x + _dropped(layer("answer", (looks @ value).transpose(1, 2).reshape(x.shape)), drop)
        x = x + _dropped(layer("down", f.gelu(layer("up", norm("norm2")))), drop)
        return x, (key, value)


def _out_shapes(net: Any) -> Shapes:
    return {"out": (net.vocabulary, net.width), "out_bias": (net.vocabulary,)}


def _initial(shapes: Shapes, generator: Any) -> Weights:
    """Uniform in ±1/sqrt(inputs) for layers, normal for embeddings, ones for norms, zeros for biases."""
    import torch

    weights: Weights = {}
    for name, shape in shapes.items():
        if len(shape) == 1:
            made = torch.full(shape, 1.0 if "norm" in name and not name.endswith("_bias") else 0.0)
        elif name in ("embed", "place"):
            made = torch.randn(shape, generator=generator) * (0.5 if name == "embed" else 0.1)
        else:
            made = (torch.rand(shape, generator=generator) * 2 - 1) / math.sqrt(shape[1])
        weights[name] = made
    return weights


def _dropped(x: Tensor, drop: Drop | None) -> Tensor:
    return x if drop is None else drop(x)


def logits_of(weights: Mapping[str, Tensor], hidden: Tensor) -> Tensor:
    """Logits `(..., V)` of the next token from hidden states `(..., D)`."""
    from torch.nn import functional as f

    return f.linear(hidden, weights["out"], weights["out_bias"])
