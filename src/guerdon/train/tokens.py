"""What a policy did, as rows of tokens, and the log-probabilities that a causal language model gives to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import SolverError

if TYPE_CHECKING:
    import torch

Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]

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


@dataclass(frozen=True, eq=False, slots=True)
class Packed:
    """Many rows of tokens as arrays.

    Args:
        ids: (n, T) prompt, then action, padded with 0 on the right.
        starts: (n,) tokens of each prompt.
        counts: (n,) tokens of each action.
        chosen: (n, A) true at actions that the policy chose.

    >>> packed = Packed.of([Tokens([5, 6], [7]), Tokens([8], [9, 4, 3])])
    >>> packed.ids.tolist(), packed.lengths.tolist(), packed.actions().tolist()
    ([[5, 6, 7, 0], [8, 9, 4, 3]], [3, 4], [[7, 0, 0], [9, 4, 3]])
    """

    ids: Ints
    starts: Ints
    counts: Ints
    chosen: Bools

    @classmethod
    def of(cls, rows: Sequence[Tokens] | Packed) -> Packed:
        """Rows as arrays.

        Raises:
            SolverError: a row has no prompt, or marks that do not fit its action.
        """
        if isinstance(rows, Packed):
            return rows
        marks = [row.mask() for row in rows]
        if any(not len(row.prompt) or len(mark) != len(row.action) for row, mark in zip(rows, marks)):
            raise SolverError("a row has a prompt, and a mark for each token", "one has not", "Give the prompt's ids")
        starts = np.array([len(row.prompt) for row in rows], np.int64)
        counts = np.array([len(row.action) for row in rows], np.int64)
        ids = np.zeros((len(rows), int((starts + counts).max(initial=1))), np.int64)
        chosen = np.zeros((len(rows), int(counts.max(initial=0))), bool)
        ids[np.arange(ids.shape[1]) < (starts + counts)[:, None]] = [
            each for row in rows for part in (row.prompt, row.action) for each in part
        ]
        chosen[np.arange(chosen.shape[1]) < counts[:, None]] = [each for mark in marks for each in mark]
        return cls(ids, starts, counts, chosen)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> Ints:
        """(n,) tokens of each row."""
        return self.starts + self.counts

    @property
    def there(self) -> Bools:
        """(n, A) true at actions, chosen or forced; false at padding."""
        found: Bools = np.arange(self.chosen.shape[1]) < self.counts[:, None]
        return found

    def actions(self) -> Ints:
        """(n, A) ids of the actions, 0 at padding."""
        at = self.starts[:, None] + np.arange(self.chosen.shape[1])
        found = np.take_along_axis(self.ids, np.minimum(at, self.ids.shape[1] - 1), 1)
        return np.where(self.there, found, 0)

    def take(self, which: npt.ArrayLike) -> Packed:
        """Some rows, cut to the longest of them."""
        at = np.asarray(which)
        starts, counts = self.starts[at], self.counts[at]
        wide, most = int((starts + counts).max(initial=1)), int(counts.max(initial=0))
        return Packed(self.ids[at, :wide], starts, counts, self.chosen[at, :most])


def portions(lengths: npt.ArrayLike, most: int) -> list[list[int]]:
    """Indices of sequences in micro-batches of like length: `rows x longest <= most`, or a single row.

    >>> portions([3, 9, 4, 100], 12)
    [[0, 2], [1], [3]]
    """
    sizes = np.asarray(lengths, np.int64)
    found: list[list[int]] = []
    for at in np.argsort(sizes, kind="stable").tolist():
        if found and (len(found[-1]) + 1) * sizes[at] <= most:
            found[-1].append(at)
        else:
            found.append([at])
    return found


def token_logprobs(
    model: Any, rows: Sequence[Tokens] | Packed, *, full: bool = False
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities of action tokens by a causal language model, with gradients where they are on.

    Rows are padded on the right. Logits are made for action tokens only and in portions, which are made anew in the
    backward pass, so that a long row over a large vocabulary fits into memory.

    Args:
        model: a transformers causal language model.
        rows: what was done.
        full: of all tokens of the vocabulary instead, `(b, A, V)`, which is large.

    Returns:
        Log-probabilities `(b, A)` in float32, 0 at padding, and the mask `(b, A)`, 1 at chosen tokens.

    Raises:
        SolverError: a row has no prompt.
    """
    import torch

    packed = Packed.of(rows)
    device = next(model.parameters()).device
    real = torch.tensor(np.arange(packed.ids.shape[1]) < packed.lengths[:, None], dtype=torch.long)
    line_, place_ = np.nonzero(packed.there)
    where_ = packed.starts[line_] + place_
    ids, line, place, where = (torch.tensor(each).to(device) for each in (packed.ids, line_, place_, where_))
    mask = torch.tensor(packed.chosen, dtype=torch.float32, device=device)
    targets = None if full else ids[line, where]
    values = _picked(model, ids, real.to(device), line, where - 1, targets)
    shape = (*packed.chosen.shape, values.shape[-1]) if full else packed.chosen.shape
    return torch.zeros(shape, device=device).index_put((line, place), values), mask


def _picked(
    model: Any,
    ids: torch.Tensor,
    real: torch.Tensor,
    line: torch.Tensor,
    before: torch.Tensor,
    targets: torch.Tensor | None,
) -> torch.Tensor:
    """Log-probabilities of `targets`, or of all tokens, each from the logits at row `line` and position `before`."""
    import torch
    from torch.utils.checkpoint import checkpoint

    body, head = _parts(model)
    if body is None:
        return _chances(model(input_ids=ids, attention_mask=real, use_cache=False).logits[line, before], targets)
    hidden = body(input_ids=ids, attention_mask=real, use_cache=False).last_hidden_state[line, before]
    size = max(1, _HEAD_FLOATS // int(model.config.get_text_config().vocab_size))
    if targets is None or len(targets) <= size:
        return _chances(head(hidden), targets)

    def some(each: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        return _chances(head(each), wanted)

    pieces = [
        checkpoint(some, hidden[at : at + size], targets[at : at + size], use_reentrant=False)
        for at in range(0, len(targets), size)
    ]
    return torch.cat(pieces)


def _chances(logits: torch.Tensor, targets: torch.Tensor | None) -> torch.Tensor:
    logs = logits.float().log_softmax(-1)
    return logs if targets is None else logs.gather(-1, targets[:, None])[:, 0]


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
