"""Value functions of language: a body that reads tokens, and linear heads without bias on its hidden states."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream
from guerdon.train.policy import Adam, Packed, portions
from guerdon.train.snapshots import Learning, Snapshot
from guerdon.train.tiny_nets import TinyGRU, TinyTransformer

Tensor: TypeAlias = Any
Floats: TypeAlias = npt.NDArray[np.float64]
HEADS = "heads"
HEAD = "head"


class Body(Protocol):
    """What reads tokens: a tiny net, a transformers model, the body of a reward model."""

    @property
    def width(self) -> int:
        """D, the size of a hidden state."""

    def initial(self, generator: Any) -> dict[str, Any]:
        """Weights to start from, drawn from a `torch.Generator` or pre-trained."""

    def hidden(self, weights: Mapping[str, Tensor], rows: Tensor, mask: Tensor, /) -> Tensor:
        """`(B, T, D)` of ids `(B, T)`, from the tokens for which mask `(B, T)` is true; no state sees later ones."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Critic:
    """The value of a text before each token of its answer: `V_h = hidden[last token so far] . head_h`.

    Args:
        body: reads tokens.
        start: weights to start from, such as those of a reward model or of the policy; by default the body's own. If
            a reward model's `head` (D,) is among them, every value head starts as it; otherwise heads start at 0.
        scale: what that head is multiplied by: 1 / sd of a standardised reward model.
        most_tokens: tokens read at once, padding included.
        device: where it is read and trained.
    """

    body: Body
    start: Mapping[str, Tensor] | None = field(default=None, repr=False)
    scale: float = 1.0
    most_tokens: int = 65_536
    device: str = "cpu"

    def initial(self, heads: int, seed: int) -> Snapshot:
        """The critic before training.

        Args:
            heads: H, number of value heads.
            seed: draws the body's weights where none are given.

        Raises:
            ConfigError: no heads, or a head that does not fit the body.
        """
        import torch

        drawn = torch.Generator().manual_seed(int(stream(seed, "critic").integers(2**63)))
        found = {name: each.detach().cpu().clone() for name, each in (self.start or self.body.initial(drawn)).items()}
        head = found.pop(HEAD, torch.zeros(self.body.width))
        if heads < 1 or tuple(head.shape) != (self.body.width,):
            got = f"got {heads} heads and a head of {tuple(head.shape)}"
            raise ConfigError(f"heads of ({self.body.width},), at least one", got, "Give the body's own weights")
        return Snapshot({**found, HEADS: (self.scale * head).repeat(heads, 1).float()})

    def values(self, snapshot: Snapshot, packed: Packed) -> Floats:
        """(n, A, H) values before each action token, 0 at padding."""
        import torch

        found = np.zeros((*packed.chosen.shape, len(snapshot.weights[HEADS])))
        weights = {name: each.to(self.device) for name, each in snapshot.weights.items()}
        with torch.no_grad():
            for which in portions(packed.lengths, self.most_tokens):
                some = packed.take(which)
                made = self._forward(weights, some)
                found[which, : made.shape[1]] = made.cpu().numpy()
        return found

    def learning(self, snapshot: Snapshot, adam: Adam) -> Learning:
        """Steps from a snapshot; their losses get values `(b, A, H)` and masks `(b, A)`."""
        import torch

        weights = {
            name: each.detach().to(self.device, copy=True).requires_grad_() for name, each in snapshot.weights.items()
        }

        def forward(packed: Packed, _full: bool) -> tuple[Tensor, Tensor]:
            mask = torch.tensor(packed.chosen, dtype=torch.float32, device=self.device)
            return self._forward(weights, packed), mask

        return Learning(weights, snapshot, adam, forward, self.most_tokens)

    def _forward(self, weights: Mapping[str, Tensor], packed: Packed) -> Tensor:
        import torch

        def sent(array: npt.NDArray[Any]) -> Tensor:
            return torch.tensor(array, device=self.device)

        ids = sent(packed.ids[:, :-1])
        real = sent(np.arange(ids.shape[1]) < packed.lengths[:, None])
        own = {name: each for name, each in weights.items() if name != HEADS}
        if isinstance(self.body, (TinyGRU, TinyTransformer)):  # faster where padding need not be masked
            hidden = self.body.causal(own, ids)
        else:
            hidden = self.body.hidden(own, ids, real)
        before = packed.starts[:, None] - 1 + np.arange(packed.chosen.shape[1])
        at = sent(np.minimum(before, ids.shape[1] - 1))[..., None].expand(-1, -1, hidden.shape[-1])
        return (hidden.gather(1, at) @ weights[HEADS].T) * sent(packed.there)[..., None]


def explained(values: Floats, targets: Floats, mask: Floats) -> float | None:
    """1 - Var(targets - values) / Var(targets) over tokens that count; `None` where the targets do not vary.

    Args:
        values: (n, A).
        targets: (n, A).
        mask: (n, A).
    """
    some = mask > 0
    if not some.any():
        return None
    spread = float(targets[some].var())
    return 1.0 - float((targets[some] - values[some]).var()) / spread if spread > 0 and math.isfinite(spread) else None
