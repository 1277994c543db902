"""A causal language model as a policy: log-probabilities of what it did, an adapter, and one optimiser step.

The model is any that transformers loads; it is changed in place, but what it learned is a value: a `Snapshot` of the
trained tensors with their Adam moments goes into `Policy.step` and a new one comes out, so that a learner's state can
be kept, saved and taken up again. A loss is a function of log-probabilities and masks, summed over tokens, so that
micro-batches add up to the gradient of the whole batch, whatever its size.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError, SolverError
from guerdon.core.plain import digest
from guerdon.core.recipe import recipe
from guerdon.train.adapters import Lora, adapted
from guerdon.train.snapshots import Adam, Learning, Snapshot
from guerdon.train.tokens import Packed, Tokens, portions, token_logprobs

if TYPE_CHECKING:
    import torch

    from guerdon.train.snapshots import Loss

__all__ = ["Adam", "Learning", "Lora", "Packed", "Policy", "Snapshot", "Tokens", "portions", "token_logprobs"]

Floats = npt.NDArray[np.float32]


class Policy:
    """A transformers causal language model that learns.

    With an adapter the model itself stays frozen and serves as the reference (`base=True`); without one all its
    parameters are trained, and there is a reference only if one is given. Dropout is off in all passes, so that the
    probabilities that are trained are those that were sampled from.

    Args:
        model: the transformers model; adapters are put into it in place.
        lora: the adapter, or `None` to train all parameters. One model may carry several, by their settings.
        most_tokens: tokens of one micro-batch, padding included; a longer sequence is a micro-batch of its own.
        checkpointing: recompute activations in the backward pass, for long sequences.
        frozen: another model as the reference, such as a copy made before training.

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
        frozen: Any = None,
    ) -> None:
        if most_tokens < 1:
            raise ConfigError("most_tokens is at least 1", f"got {most_tokens}", "Raise it")
        self.most_tokens, self._checkpointing = most_tokens, checkpointing
        self._model, self._frozen = model, frozen if frozen is None else frozen.eval()
        self._name = "" if lora is None else "a" + digest("adapter", recipe(lora))[:12]
        self._adapters = None if lora is None else adapted(model, lora, self._name)
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

    @property
    def has_reference(self) -> bool:
        """Whether `base=True` can be asked for."""
        return self._adapters is not None or self._frozen is not None

    def critic(self) -> Any:
        """A value function to start from, where there is one that suits without asking.

        Raises:
            ConfigError: there is none; it is a choice.
        """
        got = "a transformers policy has no critic of its own"
        raise ConfigError("a value function", got, "Give PPO(critic=Critic(body=...)), such as a reward model's body")

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

    def logprobs(self, rows: Sequence[Tokens] | Packed, *, base: bool = False) -> list[Floats]:
        """Log-probabilities of each row's action tokens, in nats, at temperature 1.

        Args:
            rows: what was done.
            base: by the frozen model instead.

        Returns:
            One array (A,) per row, in order.
        """
        packed = Packed.of(rows)
        found = self.packed_logprobs(packed, base=base)
        return [line[:count].copy() for line, count in zip(found, packed.counts.tolist(), strict=True)]

    def packed_logprobs(self, packed: Packed, *, base: bool = False, full: bool = False) -> Floats:
        """The same as one array (n, A), 0 at padding.

        Args:
            packed: what was done.
            base: by the frozen model instead.
            full: of all tokens of the vocabulary, (n, A, V).
        """
        import torch

        found = np.zeros(packed.chosen.shape, np.float32)
        forward = self._reference_values if base else self._values
        with torch.no_grad(), self.active(), self._mode(False):
            for which in portions(packed.lengths, self.most_tokens):
                values = forward(packed.take(which), full)[0].cpu().numpy()
                if full and found.ndim == 2:
                    found = np.zeros((*found.shape, values.shape[-1]), np.float32)
                found[which, : values.shape[1]] = values
        return found

    @contextlib.contextmanager
    def learning(self, snapshot: Snapshot, adam: Adam | None = None) -> Iterator[Learning]:
        """Several steps in a row from a snapshot; the model holds what was learned meanwhile, and afterwards.

        Args:
            snapshot: what was learned so far.
            adam: the optimiser.
        """
        self.load(snapshot)
        with self._for_training():
            yield Learning(self._trained, snapshot, adam or Adam(), self._values, self.most_tokens)

    def step(
        self,
        snapshot: Snapshot,
        rows: Sequence[Tokens] | Packed,
        loss: Loss,
        adam: Adam | None = None,
        *,
        full: bool = False,
    ) -> tuple[Snapshot, dict[str, float]]:
        """One optimiser step on all rows together.

        Args:
            snapshot: what was learned so far.
            rows: what was done.
            loss: a function of log-probabilities `(b, A)` with gradients, masks `(b, A)` (1 for tokens that were
                chosen, 0 for forced ones and padding) and the indices of these `b` rows; returns a sum over tokens,
                so that micro-batches add up.
            adam: the optimiser.
            full: give the loss the log-probabilities of all tokens of the vocabulary, `(b, A, V)`.

        Returns:
            The new snapshot, and the figures `loss` and `gradient` (its norm before clipping).

        Raises:
            SolverError: loss or gradient are not finite; nothing was learned.
        """
        with self.learning(snapshot, adam) as learning:
            figures = learning.step(rows, loss, full=full)
            return learning.snapshot(), figures

    def _values(self, packed: Packed, full: bool) -> tuple[Any, Any]:
        return token_logprobs(self._model, packed, full=full)

    def _reference_values(self, packed: Packed, full: bool) -> tuple[Any, Any]:
        if self._frozen is not None:
            return token_logprobs(self._frozen, packed, full=full)
        with self.reference():
            return self._values(packed, full)

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
