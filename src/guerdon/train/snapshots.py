"""What was learned, as a value, and the optimiser steps that lead from one to the next."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from guerdon.core.errors import SolverError
from guerdon.train import distributed
from guerdon.train.tokens import Packed, Tokens, portions

if TYPE_CHECKING:
    import torch

    Tensors = Mapping[str, torch.Tensor]
    Loss = Callable[[torch.Tensor, torch.Tensor, list[int]], torch.Tensor]

Forward: TypeAlias = Callable[[Packed, bool], tuple[Any, Any]]
"""Values `(b, A)` of rows, or `(b, A, V)` of all tokens when the second argument says so, and the mask `(b, A)`."""


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
            parts[part][name] = tensor.clone()  # aligned as torch aligns, so that products round alike
        plain = json.loads((folder / "policy.json").read_text(encoding="utf-8"))
        return cls(**parts, steps=int(plain["steps"]))


class Learning:
    """Optimiser steps on tensors that are changed in place, from one snapshot to another.

    In several processes (see `guerdon.train.distributed`) gradients are summed over them before each step.

    Args:
        trained: name → tensor with gradients on.
        snapshot: what was learned so far; the tensors hold its weights already.
        adam: the optimiser.
        forward: makes the values that the loss is about.
        most_tokens: tokens of one micro-batch, padding included.
    """

    def __init__(
        self, trained: Mapping[str, Any], snapshot: Snapshot, adam: Adam, forward: Forward, most_tokens: int
    ) -> None:
        self.steps, self._trained, self._adam = snapshot.steps, dict(trained), adam
        self._forward, self._most = forward, most_tokens
        self._optimiser = _optimiser(self._trained, snapshot, adam)

    def step(
        self, rows: Sequence[Tokens] | Packed, loss: Loss, *, lr: float | None = None, full: bool = False
    ) -> dict[str, float]:
        """One optimiser step on all rows together.

        Args:
            rows: what was done.
            loss: see `Policy.step`.
            lr: step size of this step; by default the optimiser's.
            full: give the loss the log-probabilities of all tokens, `(b, A, V)`.

        Returns:
            The figures `loss` and `gradient` (its norm before clipping).

        Raises:
            SolverError: loss or gradient are not finite; nothing was learned.
        """
        total = self._gradients(Packed.of(rows), loss, full)
        norm = self._norm()
        try:
            if not math.isfinite(total) or not math.isfinite(norm):
                got = f"got {total} and {norm}"
                raise SolverError("loss and gradient are finite", got, "Lower the step size, or check the rewards")
            if norm > self._adam.clip:
                for each in self._trained.values():
                    each.grad.mul_(self._adam.clip / norm)
            for group in self._optimiser.param_groups:
                group["lr"] = self._adam.lr if lr is None else lr
            self._optimiser.step()
            self.steps += 1
        finally:
            self._optimiser.zero_grad(set_to_none=True)
        return {"loss": total, "gradient": norm}

    def snapshot(self) -> Snapshot:
        """What was learned, on the CPU."""

        def kept(key: str) -> dict[str, torch.Tensor]:
            state = self._optimiser.state
            return {name: state[each][key].detach().cpu().clone() for name, each in self._trained.items()}

        weights = {name: each.detach().cpu().clone() for name, each in self._trained.items()}
        if not self.steps:
            return Snapshot(weights)
        return Snapshot(weights, kept("exp_avg"), kept("exp_avg_sq"), self.steps)

    def _gradients(self, packed: Packed, loss: Loss, full: bool) -> float:
        import torch

        total = 0.0
        with torch.enable_grad():
            for which in portions(packed.lengths, self._most):
                values, mask = self._forward(packed.take(which), full)
                part = loss(values, mask, which)
                part.backward()
                total += float(part.detach())
        for each in self._trained.values():
            if each.grad is None:
                each.grad = torch.zeros_like(each)
        distributed.add_up([each.grad for each in self._trained.values()])
        return distributed.total(total)

    def _norm(self) -> float:
        squares = [float(each.grad.double().pow(2).sum()) for each in self._trained.values()]
        return math.sqrt(math.fsum(squares)) if all(map(math.isfinite, squares)) else math.nan


def _optimiser(trained: Mapping[str, Any], snapshot: Snapshot, adam: Adam) -> Any:
    import torch

    how: dict[str, Any] = {"lr": adam.lr, "betas": (adam.beta1, adam.beta2), "eps": adam.eps}
    made = torch.optim.AdamW(list(trained.values()), weight_decay=adam.decay, **how)
    for name, each in trained.items() if snapshot.first else ():
        made.state[each] = {
            "step": torch.tensor(float(snapshot.steps)),
            "exp_avg": snapshot.first[name].to(each.device, copy=True),
            "exp_avg_sq": snapshot.second[name].to(each.device, copy=True),
        }
    return made
