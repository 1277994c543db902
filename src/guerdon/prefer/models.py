"""Reward models: a body, a scalar head without bias on the last token, and the scale that scores are put on.

    body.hidden(weights, rows, mask) -> (B, T, D)      a transformers model, a tiny net, a perceptron
    score = hidden[last token] . head                  then (score - mean) / sd

Weights are a dictionary beside the body, never changed in place, so members of an ensemble share one body.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError, RewardError
from guerdon.core.plain import Json, canonical
from guerdon.core.recipe import recipe
from guerdon.core.reward import ANY, Range, Reward
from guerdon.core.rng import stream
from guerdon.core.task import Case
from guerdon.prefer import prefixes

Tensor: TypeAlias = Any
Weights: TypeAlias = dict[str, Any]
Drop: TypeAlias = Callable[[Any], Any]
Floats: TypeAlias = npt.NDArray[np.float64]
FORMAT = "guerdon-reward-model-1"
HEAD = "head"
BUDGETS = {"cpu": 2_048}
"""Tokens that are scored at once on a kind of device, padding included: on a processor, what stays in its cache."""
BUDGET = 65_536
"""The same on any other device."""
WORTH = 0.2
"""Beginnings that rows have in common are read once where that spares such a share of all tokens."""


class Body(Protocol):
    """What reads rows. `batched = True` says that it may be mapped over stacked weights by `torch.vmap`."""

    @property
    def width(self) -> int:
        """D, the size of a hidden state."""

    def initial(self, generator: Any) -> Weights:
        """Weights to start from: fresh ones drawn from a `torch.Generator`, or pre-trained ones."""

    def hidden(self, weights: Mapping[str, Tensor], rows: Tensor, mask: Tensor, drop: Drop | None = None) -> Tensor:
        """`(B, T, D)` of ids `(B, T)` or vectors `(B, E)`, from the tokens for which mask `(B, T)` is true."""


@dataclass(frozen=True, eq=False)
class Rows:
    """What is scored: prompts with answers as token ids, or as vectors that an encoder made.

    Args:
        values: (n, T) int64 ids, padded on the right; or (n, E) float32 vectors.
        lengths: (n,) tokens of each row; 1 for vectors.

    >>> rows = Rows.of([[5, 6, 7], [8]])
    >>> rows.values.tolist(), rows.lengths.tolist()
    ([[5, 6, 7], [8, 0, 0]], [3, 1])
    """

    values: npt.NDArray[Any]
    lengths: npt.NDArray[np.int64]

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]]) -> Rows:
        """Rows of token ids, each at least one.

        Raises:
            ConfigError: a row is empty.
        """
        lengths = np.array([len(row) for row in rows], np.int64)
        if (lengths < 1).any():
            raise ConfigError("a row has a token", f"row {int(lengths.argmin())} has none", "Leave it out")
        values = np.zeros((len(rows), int(lengths.max(initial=1))), np.int64)
        values[np.arange(values.shape[1]) < lengths[:, None]] = [token for row in rows for token in row]
        return cls(values, lengths)

    @classmethod
    def of_ids(cls, ids: npt.ArrayLike, lengths: npt.ArrayLike) -> Rows:
        """Rows from ids (n, T), padded on the right, and their lengths (n,)."""
        return cls(np.asarray(ids, np.int64), np.asarray(lengths, np.int64))

    @classmethod
    def of_vectors(cls, vectors: npt.ArrayLike) -> Rows:
        """Rows of vectors (n, E)."""
        made = np.asarray(vectors, np.float32)
        if made.ndim != 2 or not np.isfinite(made).all():
            raise ConfigError("finite vectors (n, E)", f"got {made.shape}", "Give one for each row")
        return cls(made, np.ones(len(made), np.int64))

    def __len__(self) -> int:
        return len(self.lengths)

    def __add__(self, other: Rows) -> Rows:
        """The rows of both, one after the other."""
        parts = [self.values, other.values]
        if self.values.dtype.kind == "i":
            wide = max(each.shape[1] for each in parts)
            parts = [np.pad(each, ((0, 0), (0, wide - each.shape[1]))) for each in parts]
        return Rows(np.concatenate(parts), np.concatenate([self.lengths, other.lengths]))

    def take(self, which: npt.ArrayLike) -> Rows:
        """Some rows, by a mask or by positions."""
        at = np.asarray(which)
        return Rows(self.values[at], self.lengths[at])

    def tensors(self, pad: str = "right") -> tuple[Tensor, Tensor]:
        """Ids `(n, T)` or vectors `(n, E)`, cut to the longest row, and the mask `(n, T)`."""
        import torch

        if self.values.dtype.kind == "f":
            return torch.tensor(self.values), torch.ones(len(self), 1, dtype=torch.bool)
        longest = int(self.lengths.max(initial=1))
        at = np.arange(longest)
        if pad == "right":
            mask, ids = at < self.lengths[:, None], self.values[:, :longest]
        else:
            behind = at - (longest - self.lengths[:, None])
            mask = behind >= 0
            ids = np.where(mask, np.take_along_axis(self.values, np.maximum(behind, 0), 1), 0)
        return torch.tensor(np.where(mask, ids, 0)), torch.tensor(mask)

    def digest(self) -> str:
        """A name for these rows; padding does not count."""
        there = np.arange(self.values.shape[1]) < self.lengths[:, None]
        content = self.values if self.values.dtype.kind == "f" else self.values[there]
        made = hashlib.sha256(np.ascontiguousarray(content).tobytes())
        made.update(self.lengths.tobytes())
        return made.hexdigest()[:32]


@dataclass(frozen=True, kw_only=True)
class Vectors:
    """A perceptron over frozen embeddings; without hidden layers, the head alone.

    Args:
        inputs: E, the size of an embedding.
        layers: units of each hidden layer; ReLU.
    """

    inputs: int
    layers: tuple[int, ...] = (64,)
    batched = True

    @property
    def width(self) -> int:
        """Units of the last layer."""
        return self.layers[-1] if self.layers else self.inputs

    def initial(self, generator: Any) -> Weights:
        """`layer<i>` (out, in), uniform in ±1/sqrt(in), and `layer<i>_bias`, zeros."""
        import torch

        weights: Weights = {}
        for i, (before, after) in enumerate(pairwise((self.inputs, *self.layers))):
            weights[f"layer{i}"] = (torch.rand(after, before, generator=generator) * 2 - 1) / math.sqrt(before)
            weights[f"layer{i}_bias"] = torch.zeros(after)
        return weights

    def hidden(self, weights: Mapping[str, Tensor], rows: Tensor, mask: Tensor, drop: Drop | None = None) -> Tensor:
        """`(B, 1, width)` of vectors `(B, inputs)`."""
        from torch.nn import functional as f

        x = rows if drop is None else drop(rows)
        for i in range(len(self.layers)):
            x = f.linear(x, weights[f"layer{i}"], weights[f"layer{i}_bias"]).relu()
        return x[..., None, :]


class Backbone:
    """Any transformers model as a body: a causal language model, an encoder, or a sequence classifier.

    Its output layer, if it has one, is not used. Dropout of its own is off; `drop` applies to its input embeddings.

    Args:
        model: what `from_pretrained` gave.
        name: what it is called in saved files.
    """

    batched = False

    def __init__(self, model: Any, name: str = "") -> None:
        self.module = getattr(model, "base_model", model).eval()
        self.name = name or str(getattr(model.config, "name_or_path", ""))
        self._causal: bool | None = None

    @property
    def width(self) -> int:
        """Hidden size of the model."""
        return int(self.module.config.get_text_config().hidden_size)

    def initial(self, generator: Any) -> Weights:
        """Copies of its parameters as they are; nothing is drawn."""
        return {name: each.detach().clone() for name, each in self.module.named_parameters()}

    def causal(self, weights: Mapping[str, Tensor]) -> bool:
        """Whether rows may share a beginning; tried once."""
        if self._causal is None:
            self._causal = prefixes.is_causal(self.module, {k: v for k, v in weights.items() if k != HEAD})
        return self._causal

    def hidden(self, weights: Mapping[str, Tensor], rows: Tensor, mask: Tensor, drop: Drop | None = None) -> Tensor:
        """Last hidden states `(B, T, D)`; with padding on the left, positions are counted from the first token."""
        import torch

        inputs: dict[str, Tensor] = {"input_ids": rows, "attention_mask": mask.long()}
        if not bool(mask[:, 0].all()):
            inputs["position_ids"] = (mask.long().cumsum(1) - 1).clamp(min=0)
        if drop is not None:
            inputs["inputs_embeds"] = drop(self._embedded(weights, inputs.pop("input_ids")))
        made = torch.func.functional_call(self.module, dict(weights), (), inputs)
        return made.last_hidden_state

    def _embedded(self, weights: Mapping[str, Tensor], ids: Tensor) -> Tensor:
        """Input embeddings by the weights as given, not by the module's own."""
        import torch

        layer = self.module.get_input_embeddings()
        names = {id(each): name for name, each in self.module.named_parameters()}
        own = {name: weights[names[id(each)]] for name, each in layer.named_parameters()}
        return torch.func.functional_call(layer, own, (ids,))


@dataclass(frozen=True)
class RewardModel:
    """A learned reward: body, weights, and the scale of its scores.

    Args:
        body: what reads rows.
        weights: of the body, and `head` (D,).
        mean: subtracted from raw scores; see `standardised`.
        sd: that they are divided by.
        lineage: where it comes from, as plain data: digest of the labels that trained it, settings, seed.
        pad: on which side rows are padded: "right" or "left".
    """

    body: Body
    weights: Weights = field(repr=False)
    mean: float = 0.0
    sd: float = 1.0
    lineage: Mapping[str, Json] = field(default_factory=dict)
    pad: str = "right"

    @classmethod
    def new(
        cls, body: Body, seed: int = 0, *, start: Mapping[str, Tensor] | None = None, pad: str = "right"
    ) -> RewardModel:
        """A model before training: the head, and the body unless `start` gives its weights, are drawn from the seed."""
        import torch

        def drawn(name: str) -> Any:
            return torch.Generator().manual_seed(int(stream(seed, "reward-model", name).integers(2**63)))

        weights = body.initial(drawn("body")) if start is None else {k: v.detach().clone() for k, v in start.items()}
        head = torch.randn(body.width, generator=drawn(HEAD)) / math.sqrt(body.width)
        head = next((head.to(each.device) for each in weights.values()), head)
        return cls(body, {**weights, HEAD: head}, lineage={"seed": seed}, pad=pad)

    @classmethod
    def of_classifier(cls, model: Any, name: str = "", *, pad: str = "right") -> RewardModel:
        """A trained sequence classifier of one label, such as those on the hub, as a reward model.

        Raises:
            ConfigError: its head is not one row of weights called `score`.
        """
        head = getattr(getattr(model, "score", None), "weight", None)
        if head is None or head.shape[0] != 1 or getattr(model.score, "bias", None) is not None:
            got = f"got {type(model).__name__} with head {None if head is None else tuple(head.shape)}"
            raise ConfigError("a classifier of one label with a head `score` without bias", got, "Use Backbone(model)")
        body = Backbone(model, name)
        return cls(body, {**body.initial(None), HEAD: head.detach()[0].clone()}, pad=pad)

    def features(self, rows: Rows, *, budget: int | None = None, share: bool | None = None) -> npt.NDArray[np.float32]:
        """(n, D) hidden states of the last tokens: what the head sees, and probes may.

        Args:
            rows: to be read.
            budget: tokens that are read at once; by default what suits the device.
            share: read what rows begin with in common once; by default where the body can and it is worth it.
        """
        import torch

        budget = budget or BUDGETS.get(self.weights[HEAD].device.type, BUDGET)
        found = np.zeros((len(rows), self.body.width), np.float32)
        alone = np.ones(len(rows), bool)
        with torch.no_grad():
            for group in self._shared(rows, share):
                at = np.concatenate([each.rows for each in group])
                weights = {name: each for name, each in self.weights.items() if name != HEAD}
                made = prefixes.features(self.body.module, weights, rows.values, rows.lengths, group)  # type: ignore[attr-defined]
                found[at], alone[at] = made.float().cpu().numpy(), False
            at = np.flatnonzero(alone)
            for some in portions(rows.lengths[at], budget):
                made = pooled(self.body, self.weights, *rows.take(at[some]).tensors(self.pad))
                found[at[some]] = made.float().cpu().numpy()
        return found

    def _shared(self, rows: Rows, share: bool | None) -> list[list[prefixes.Group]]:
        """Groups of rows whose beginnings are read once."""
        if share is False or not isinstance(self.body, Backbone) or rows.values.dtype.kind != "i":
            return []
        groups = prefixes.groups_of(rows.values, rows.lengths)
        if share is None and prefixes.saved(groups, rows.lengths) < WORTH:
            return []
        if not self.body.causal(self.weights):
            return []
        return prefixes.portions_of([group for group in groups if group.shared], rows.lengths)

    def raw(self, rows: Rows, *, budget: int | None = None) -> Floats:
        """(n,) scores before standardisation. A row's score is the same, up to rounding, whatever its neighbours."""
        found: Floats = (
            self.features(rows, budget=budget).astype(np.float64) @ self.weights[HEAD].double().cpu().numpy()
        )
        return found

    def scores(self, rows: Rows, *, budget: int | None = None) -> Floats:
        """(n,) scores, `(raw - mean) / sd`."""
        return (self.raw(rows, budget=budget) - self.mean) / self.sd

    def standardised(self, rows: Rows) -> RewardModel:
        """The same model on a scale where these rows have mean 0 and sd 1.

        The pairwise loss leaves offset and scale open, so members of an ensemble are comparable only after this
        (arXiv 2310.02743; tlc4418/llm_optimization issue 12).

        Raises:
            RewardError: all rows score the same, or not finitely.
        """
        raw = self.raw(rows)
        mean, sd = float(raw.mean()), float(raw.std())
        if not sd > 0 or not math.isfinite(sd):
            raise RewardError("scores that differ", f"{len(raw)} rows have sd {sd}", "Train it, or give more rows")
        return replace(self, mean=mean, sd=sd)

    def digest(self) -> str:
        """A name for what it computes: weights and scale."""
        made = hashlib.sha256(canonical([self.mean, self.sd, self.pad]).encode("ascii"))
        for name in sorted(self.weights):
            made.update(name.encode("utf-8"))
            made.update(self.weights[name].detach().cpu().float().contiguous().numpy().tobytes())
        return made.hexdigest()[:32]

    def save(self, folder: Path) -> None:
        """Write `reward.safetensors` and `reward.json`: weights, scale, lineage and a description of the body."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: each.detach().cpu().contiguous() for name, each in self.weights.items()}
        save_file(tensors, str(folder / "reward.safetensors"))
        plain = {"format": FORMAT, "mean": self.mean, "sd": self.sd, "pad": self.pad, "lineage": self.lineage}
        (folder / "reward.json").write_text(canonical({**plain, "body": described(self.body)}), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, body: Body) -> RewardModel:
        """Read what `save` wrote.

        Args:
            folder: where it is.
            body: the body that it was trained with.

        Raises:
            RewardError: it is not there, not whole, or of another body.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            plain = json.loads((folder / "reward.json").read_text(encoding="utf-8"))
            weights = {name: each.clone() for name, each in load_file(folder / "reward.safetensors").items()}
            known = (plain["format"], plain["body"], tuple(weights[HEAD].shape))
            scale = float(plain["mean"]), float(plain["sd"])
            made = cls(body, weights, *scale, dict(plain["lineage"]), str(plain["pad"]))
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise RewardError(f"{folder.name} holds a reward model", str(error)[:200], "Save it again") from None
        if known != (FORMAT, described(body), (body.width,)):
            raise RewardError("a reward model of this body", f"got one of {str(known)[:200]}", "Give its own body")
        return made


@dataclass(frozen=True)
class LearnedReward(Reward):
    """A reward model as a reward.

    Args:
        model: scores rows.
        encode: makes a row of each case, in order: token ids of prompt and answer, or embeddings.
        range: of the scores.
    """

    model: RewardModel = field(metadata={"recipe": False})
    encode: Callable[[Sequence[Case]], Rows] = field(metadata={"recipe": False})
    range: Range = field(default=ANY, metadata={"recipe": False})

    def fingerprint(self) -> Json:
        """The digest of the model."""
        return self.model.digest()

    def judge(self, cases: Sequence[Case]) -> list[float]:
        """Score a batch."""
        found: list[float] = self.model.scores(self.encode(cases)).tolist()
        return found


def pooled(body: Body, weights: Mapping[str, Tensor], rows: Tensor, mask: Tensor, drop: Drop | None = None) -> Tensor:
    """Hidden states `(B, D)` at the last token of each row, wherever its padding is, on the weights' device."""
    import torch

    device = weights[HEAD].device
    rows, mask = rows.to(device), mask.to(device)
    hidden = body.hidden(weights, rows, mask, drop)
    last = (mask.long() * torch.arange(1, mask.shape[-1] + 1, device=mask.device)).argmax(-1)
    index = last[..., None, None].expand(*last.shape, 1, hidden.shape[-1])
    return hidden.gather(-2, index).squeeze(-2)


def described(body: Body) -> Json:
    """A body in plain data, to tell it from others."""
    if hasattr(body, "__dataclass_fields__"):
        return recipe(body)
    return {"kind": type(body).__name__, "name": getattr(body, "name", "")}


def portions(lengths: npt.ArrayLike, budget: int) -> list[npt.NDArray[np.int64]]:
    """Positions of rows in groups of like length: rows times the longest is at most the budget, or one row.

    >>> [some.tolist() for some in portions([3, 9, 4, 100], 12)]
    [[0, 2], [1], [3]]
    """
    long = np.asarray(lengths)
    order = np.argsort(long, kind="stable")
    found, at = [], 0
    while at < len(order):
        size = 1
        ahead = long[order[at:]] * np.arange(1, len(order) - at + 1)
        size = max(1, int(np.searchsorted(ahead, budget, side="right")))
        found.append(order[at : at + size].astype(np.int64))
        at += size
    return found
