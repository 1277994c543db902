"""A causal language model as a policy: log-probabilities of what it did, an adapter, and one optimiser step.

The model is any that transformers loads; it is changed in place, but what it learned is a value: a `Snapshot` of the
trained tensors with their Adam moments goes into `Policy.step` and a new one comes out, so that a learner's state can
be kept, saved and taken up again. A loss is a function of log-probabilities and masks, summed over tokens, so that
micro-batches add up to the gradient of the whole batch, whatever its size.
"""

from __future__ import annotations

import contextlib
import json
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError, SolverError
from guerdon.core.plain import digest
from guerdon.core.recipe import recipe

if TYPE_CHECKING:
    import torch

    Tensors = Mapping[str, torch.Tensor]
    Loss = Callable[[torch.Tensor, torch.Tensor, list[int]], torch.Tensor]

Floats = npt.NDArray[np.float32]

_HEAD_FLOATS = 1 << 25  # logits made at once: 128 MiB in float32


@dataclass(frozen=True, slots=True)
class Tokens:
    """One thing that a policy did.

    Args:
        prompt: ids that it was given; at least one.
        action: ids that followed.
        chosen: which of them the policy chose; by default all. Forced ones (a prefilled answer) carry no loss.
    """

    prompt: Sequence[int]
    action: Sequence[int]
    chosen: Sequence[bool] | None = None

    def __len__(self) -> int:
        return len(self.prompt) + len(self.action)

    def mask(self) -> list[bool]:
        """`chosen`, written out."""
        return [True] * len(self.action) if self.chosen is None else [bool(each) for each in self.chosen]


@dataclass(frozen=True, kw_only=True)
class Lora:
    """A low-rank adapter: `W + (alpha / rank) B A`, with B zero at the start (arXiv 2106.09685).

    Args:
        rank: columns of B.
        alpha: its scale.
        targets: names of the layers that get one, as peft reads them; "all-linear" takes all but the output layer.
    """

    rank: int = 32
    alpha: float = 32.0
    targets: tuple[str, ...] = ("all-linear",)

    def __post_init__(self) -> None:
        if self.rank < 1 or not self.targets:
            got = f"got {self.rank} and {self.targets!r}"
            raise ConfigError("an adapter has a rank of at least 1 and targets", got, "Change them")


@dataclass(frozen=True, kw_only=True)
class Adam:
    """The optimiser.

    Args:
        lr: step size.
        beta1: decay of the first moment.
        beta2: decay of the second.
        eps: added to the root of the second.
        decay: decoupled weight decay.
        clip: largest norm of the gradient; infinite for none.
    """

    lr: float = 4e-5
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-8
    decay: float = 0.0
    clip: float = math.inf


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a policy has learned: its trained tensors, their Adam moments, and the number of steps.

    Args:
        weights: name → tensor, on the CPU.
        first: first moments; empty before the first step.
        second: second moments.
        steps: optimiser steps taken.
    """

    weights: Tensors
    first: Tensors = field(default_factory=dict)
    second: Tensors = field(default_factory=dict)
    steps: int = 0

    def save(self, folder: Path) -> None:
        """Write it into a folder as `policy.safetensors` and `policy.json`."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        parts = (("weights", self.weights), ("first", self.first), ("second", self.second))
        tensors = {f"{part}/{name}": each.contiguous() for part, named in parts for name, each in named.items()}
        save_file(tensors, str(folder / "policy.safetensors"))
        (folder / "policy.json").write_text(json.dumps({"steps": self.steps}), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Snapshot:
        """Read what `save` wrote."""
        from safetensors.torch import load_file

        parts: dict[str, dict[str, torch.Tensor]] = {"weights": {}, "first": {}, "second": {}}
        for key, tensor in load_file(str(folder / "policy.safetensors")).items():
            part, _, name = key.partition("/")
            parts[part][name] = tensor
        plain = json.loads((folder / "policy.json").read_text(encoding="utf-8"))
        return cls(**parts, steps=int(plain["steps"]))


class Policy:
    """A transformers causal language model that learns.

    With an adapter the model itself stays frozen and serves as the reference (`base=True`); without one all its
    parameters are trained and there is no reference. Dropout is off in all passes, so that the probabilities that are
    trained are those that were sampled from.

    Args:
        model: the transformers model; adapters are put into it in place.
        lora: the adapter, or `None` to train all parameters. One model may carry several, by their settings.
        most_tokens: tokens of one micro-batch, padding included; a longer sequence is a micro-batch of its own.
        checkpointing: recompute activations in the backward pass, for long sequences.

    Raises:
        ConfigError: peft is missing, or an adapter fits no layer.
    """

    def __init__(
        self,
        model: Any,
        *,
        lora: Lora | None = None,
        most_tokens: int = 16_384,
        checkpointing: bool = False,
    ) -> None:
        if most_tokens < 1:
            raise ConfigError("most_tokens is at least 1", f"got {most_tokens}", "Raise it")
        self.most_tokens, self._checkpointing = most_tokens, checkpointing
        self._model = model
        self._name = "" if lora is None else "a" + digest("adapter", recipe(lora))[:12]
        self._adapters = None if lora is None else _adapted(model, lora, self._name)
        mark = f".{self._name}."
        ours = {name: each for name, each in model.named_parameters() if lora is None or mark in f"{name}."}
        self._trained = {name.replace(mark, "."): each for name, each in ours.items()}
        self._first = {} if lora else self._weights()

    def _weights(self) -> dict[str, torch.Tensor]:
        return {name: each.detach().cpu().clone() for name, each in self._trained.items()}

    def start(self, seed: int = 0) -> Snapshot:
        """The snapshot before any step: an adapter drawn from `seed`, or the parameters as they were found."""
        if self._adapters is None:
            return Snapshot(dict(self._first))
        self._adapters.draw(self._name, seed)
        return Snapshot(self._weights())

    def load(self, snapshot: Snapshot) -> None:
        """Put a snapshot's tensors into the model, for sampling.

        Raises:
            SolverError: it is of another model or adapter.
        """
        import torch

        fits = {name: tuple(each.shape) for name, each in snapshot.weights.items()}
        ours = {name: tuple(each.shape) for name, each in self._trained.items()}
        if fits != ours:
            odd = sorted({*fits.items()} ^ {*ours.items()})[0][0]
            raise SolverError(
                "a snapshot of this model and adapter", f"it differs in {odd}", "Load the one it came from"
            )
        with torch.no_grad():
            for name, parameter in self._trained.items():
                parameter.copy_(snapshot.weights[name])

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """With this policy's adapter in force. Outside of it the model is what it was before any adapter."""
        with self._adapters.use(self._name) if self._adapters else contextlib.nullcontext():
            yield

    @contextlib.contextmanager
    def reference(self) -> Iterator[None]:
        """With the frozen model in force.

        Raises:
            ConfigError: all parameters are trained, so there is none.
        """
        if self._adapters is None:
            raise ConfigError("a reference model", "all parameters are trained", "Train an adapter")
        with self._adapters.use(None):
            yield

    def logprobs(self, rows: Sequence[Tokens], *, base: bool = False) -> list[Floats]:
        """Log-probabilities of each row's action tokens, in nats, at temperature 1.

        Args:
            rows: what was done.
            base: by the frozen model instead.

        Returns:
            One array (A,) per row, in order.
        """
        import torch

        found: list[Floats] = [np.zeros(0, dtype=np.float32)] * len(rows)
        with torch.no_grad(), self.reference() if base else self.active(), self._mode(False):
            for which in portions([len(row) for row in rows], self.most_tokens):
                some = [rows[at] for at in which]
                values, _ = token_logprobs(self._model, some)
                for at, row, line in zip(which, some, values.cpu().numpy(), strict=True):
                    found[at] = line[: len(row.action)].copy()
        return found

    def step(
        self, snapshot: Snapshot, rows: Sequence[Tokens], loss: Loss, adam: Adam | None = None
    ) -> tuple[Snapshot, dict[str, float]]:
        """One optimiser step on all rows together.

        Args:
            snapshot: what was learned so far.
            rows: what was done.
            loss: a function of log-probabilities `(b, A)` with gradients, masks `(b, A)` (1 for tokens that were
                chosen, 0 for forced ones and padding) and the indices of these `b` rows; returns a sum over tokens,
                so that micro-batches add up.
            adam: the optimiser.

        Returns:
            The new snapshot, and the figures `loss` and `gradient` (its norm before clipping).

        Raises:
            SolverError: loss or gradient are not finite; nothing was learned.
        """
        import torch

        adam = adam or Adam()
        self.load(snapshot)
        total = 0.0
        with torch.enable_grad(), self._for_training():
            for which in portions([len(row) for row in rows], self.most_tokens):
                values, mask = token_logprobs(self._model, [rows[at] for at in which])
                part = loss(values, mask, which)
                part.backward()
                total += float(part.detach())
            norm = self._gradient_norm()
            if not math.isfinite(total) or not math.isfinite(norm):
                got = f"got {total} and {norm}"
                raise SolverError("loss and gradient are finite", got, "Lower the step size, or check the rewards")
            self._scale_gradients(min(1.0, adam.clip / norm) if norm else 1.0)
            following = self._optimise(snapshot, adam)
        return following, {"loss": total, "gradient": norm}

    @contextlib.contextmanager
    def _for_training(self) -> Iterator[None]:
        with self.active(), self._mode(self._checkpointing):
            wanted = [(each, each.requires_grad) for each in self._model.parameters()]
            for each, _ in wanted:
                each.requires_grad_(False)
            for each in self._trained.values():
                each.requires_grad_(True)
            try:
                yield
            finally:
                for each, before in wanted:
                    each.requires_grad_(before)
                for each in self._trained.values():
                    each.grad = None

    @contextlib.contextmanager
    def _mode(self, checkpointing: bool) -> Iterator[None]:
        """Without dropout, with or without checkpointing; the model's mode comes back."""
        training = self._model.training
        self._model.eval()
        if checkpointing:
            _switch_checkpointing(self._model, True)
            _train_without_dropout(self._model)
        try:
            yield
        finally:
            if checkpointing:
                _switch_checkpointing(self._model, False)
            self._model.train(training)

    def _gradient_norm(self) -> float:
        squares = [float(each.grad.double().pow(2).sum()) for each in self._trained.values() if each.grad is not None]
        return math.sqrt(math.fsum(squares)) if all(map(math.isfinite, squares)) else math.nan

    def _scale_gradients(self, factor: float) -> None:
        for each in self._trained.values():
            if each.grad is not None and factor < 1.0:
                each.grad.mul_(factor)

    def _optimise(self, snapshot: Snapshot, adam: Adam) -> Snapshot:
        import torch

        names = list(self._trained)
        how: dict[str, Any] = {"lr": adam.lr, "betas": (adam.beta1, adam.beta2), "eps": adam.eps}
        optimiser = torch.optim.AdamW([self._trained[name] for name in names], weight_decay=adam.decay, **how)
        for name in names:
            parameter = self._trained[name]
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            if snapshot.first:
                optimiser.state[parameter] = {
                    "step": torch.tensor(float(snapshot.steps)),
                    "exp_avg": snapshot.first[name].to(parameter.device, copy=True),
                    "exp_avg_sq": snapshot.second[name].to(parameter.device, copy=True),
                }
        optimiser.step()

        def kept(key: str) -> dict[str, torch.Tensor]:
            return {name: optimiser.state[self._trained[name]][key].detach().cpu().clone() for name in names}

        return Snapshot(self._weights(), kept("exp_avg"), kept("exp_avg_sq"), snapshot.steps + 1)


def portions(lengths: Sequence[int], most: int) -> list[list[int]]:
    """Indices of sequences in micro-batches of like length: `rows x longest <= most`, or a single row.

    >>> portions([3, 9, 4, 100], 12)
    [[0, 2], [1], [3]]
    """
    found: list[list[int]] = []
    for at in sorted(range(len(lengths)), key=lambda each: (lengths[each], each)):
        if found and (len(found[-1]) + 1) * lengths[at] <= most:
            found[-1].append(at)
        else:
            found.append([at])
    return found


def token_logprobs(model: Any, rows: Sequence[Tokens]) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities of action tokens by a causal language model, with gradients where they are on.

    Rows are padded on the right. Logits are made for action tokens only and in portions, which are made anew in the
    backward pass, so that a long row over a large vocabulary fits into memory.

    Returns:
        Log-probabilities `(b, A)` in float32, 0 at padding, and the mask `(b, A)`, 1 at chosen tokens.

    Raises:
        SolverError: a row has no prompt.
    """
    import torch

    if any(not len(row.prompt) or len(row.mask()) != len(row.action) for row in rows):
        raise SolverError("a row has a prompt, and a mark for each token", "one has not", "Give the prompt's ids")
    device = next(model.parameters()).device
    longest, most = max(len(row) for row in rows), max(len(row.action) for row in rows)
    ids = torch.zeros((len(rows), longest), dtype=torch.long)
    real = torch.zeros_like(ids)
    where = torch.zeros((len(rows), most), dtype=torch.long)
    there = torch.zeros((len(rows), most), dtype=torch.bool)
    mask = torch.zeros((len(rows), most))
    for at, row in enumerate(rows):
        ids[at, : len(row)] = torch.tensor([*row.prompt, *row.action])
        real[at, : len(row)] = 1
        count = len(row.action)
        where[at, :count] = torch.arange(count) + len(row.prompt)
        there[at, :count] = True
        mask[at, :count] = torch.tensor(row.mask(), dtype=torch.float32)
    ids, real, where, there = ids.to(device), real.to(device), where.to(device), there.to(device)
    line, place = torch.nonzero(there, as_tuple=True)
    targets = ids[line, where[line, place]]
    values = _picked(model, ids, real, line, where[line, place] - 1, targets)
    return torch.zeros(there.shape, device=device).index_put((line, place), values), mask.to(device)


def _picked(
    model: Any, ids: torch.Tensor, real: torch.Tensor, line: torch.Tensor, before: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """Log-probabilities of `targets`, each from the logits at row `line` and position `before`."""
    import torch
    from torch.utils.checkpoint import checkpoint

    body, head = _parts(model)
    if body is None:
        return _chances(model(input_ids=ids, attention_mask=real, use_cache=False).logits[line, before], targets)
    hidden = body(input_ids=ids, attention_mask=real, use_cache=False).last_hidden_state[line, before]
    size = max(1, _HEAD_FLOATS // int(model.config.get_text_config().vocab_size))

    def some(each: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        return _chances(head(each), wanted)

    if len(targets) <= size:
        return some(hidden, targets)
    pieces = [
        checkpoint(some, hidden[at : at + size], targets[at : at + size], use_reentrant=False)
        for at in range(0, len(targets), size)
    ]
    return torch.cat(pieces)


def _chances(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return logits.float().log_softmax(-1).gather(-1, targets[:, None])[:, 0]


def _parts(model: Any) -> tuple[Any, Any]:
    """The model without its output layer, and that layer; `None` where its logits are not just that layer's output."""
    import torch

    body = getattr(model, getattr(model, "base_model_prefix", "") or "-", None)
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    if body is None or body is model or head is None:
        return None, None
    if not hasattr(model, "_guerdon_splits"):
        training = model.training
        model.eval()
        with torch.no_grad():
            ids = torch.arange(4, device=next(model.parameters()).device)[None]
            whole = model(input_ids=ids, use_cache=False).logits
            parted = head(body(input_ids=ids, use_cache=False).last_hidden_state)
        model.train(training)
        model._guerdon_splits = whole.shape == parted.shape and torch.allclose(whole, parted, rtol=1e-3, atol=1e-3)
    return (body, head) if model._guerdon_splits else (None, None)


class _Adapters:
    """The adapters in one model, of which one or none is in force."""

    def __init__(self, model: Any, config: Any, name: str) -> None:
        import peft

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft reads an attribute by its older name
            self._around = peft.PeftModel(model, config, adapter_name=name)
        self._now: str | None = None
        self._set(None)

    def add(self, config: Any, name: str) -> None:
        """One more, unless it is there."""
        if name not in self._around.peft_config:
            self._around.add_adapter(name, config)
            self._set(self._now)

    def draw(self, name: str, seed: int) -> None:
        """Draw its tensors anew, as before any training."""
        import torch
        from peft.tuners.lora import LoraLayer

        with _own_draws(), torch.no_grad():
            torch.manual_seed(seed)
            for part in self._around.modules():
                if isinstance(part, LoraLayer) and name in part.r:
                    part.reset_lora_parameters(name, True)

    @contextlib.contextmanager
    def use(self, name: str | None) -> Iterator[None]:
        """With that one in force."""
        before = self._now
        self._set(name)
        try:
            yield
        finally:
            self._set(before)

    def _set(self, name: str | None) -> None:
        self._now = name
        if name is None:
            self._around.base_model.disable_adapter_layers()
        else:
            self._around.base_model.enable_adapter_layers()
            self._around.base_model.set_adapter(name)


def _own_draws() -> Any:
    """Random numbers drawn inside leave torch's global generators as they were."""
    import torch

    return torch.random.fork_rng(devices=range(torch.cuda.device_count()))


def _adapted(model: Any, lora: Lora, name: str) -> _Adapters:
    """The adapters of a model, this one among them."""
    try:
        import peft
    except ImportError:
        got = "peft is not installed"
        raise ConfigError("adapters are made by peft", got, 'Run pip install "guerdon[train]"') from None
    targets: Any = lora.targets[0] if len(lora.targets) == 1 else list(lora.targets)
    config = peft.LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, target_modules=targets, lora_dropout=0.0, bias="none", task_type="CAUSAL_LM"
    )
    try:
        with _own_draws():
            if not hasattr(model, "_guerdon_adapters"):
                model._guerdon_adapters = _Adapters(model, config, name)
            model._guerdon_adapters.add(config, name)
    except ValueError as error:
        said = " ".join(str(error).split())[:200]
        raise ConfigError("an adapter fits some layers", said, "Name layers of this model in targets") from None
    made: _Adapters = model._guerdon_adapters
    return made


def _switch_checkpointing(model: Any, on: bool) -> None:
    """By its newer name, or by the one it had before transformers 5."""
    verb = "enable" if on else "disable"
    newer = f"activation_checkpointing_{verb}"
    switch = getattr(model, newer if hasattr(model, newer) else f"gradient_checkpointing_{verb}")
    arguments = [{"use_reentrant": False}] if on else []
    switch(*arguments)


def _train_without_dropout(model: Any) -> None:
    """Training mode, which checkpointing asks for, but without its randomness."""
    import torch

    model.train()
    for part in model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.eval()
        if isinstance(getattr(part, "attention_dropout", None), float):
            part.attention_dropout = 0.0
