"""Scoring answers to one prompt without reading the prompt again.

    row of tokens:   beginning | rest of the first | rest of the second | ... | the next beginning | ...
    a token sees:    its own rest and its own beginning, as far as itself; positions are those that it had alone

So nothing is read twice and nothing is padding. It holds for causal transformers models alone, so a body is tried on a
few tokens before it is trusted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Tensor: TypeAlias = Any
Ints: TypeAlias = npt.NDArray[np.int64]
LEAST = 16
"""Tokens that a beginning has at least."""
LONGEST = 512
"""Tokens of a row of several groups at most: every token is held against all of its row."""


@dataclass(frozen=True, eq=False)
class Group:
    """Rows that begin alike.

    Args:
        rows: their positions.
        shared: tokens of the common beginning; each row has at least one more.
    """

    rows: Ints
    shared: int


def groups_of(values: Ints, lengths: Ints, least: int = LEAST) -> list[Group]:
    """All rows in groups that begin alike; a row that is alone has nothing shared.

    Rows are sorted, and a neighbour joins a group if what they share is at least half of the shorter one.

    Args:
        values: (n, T) ids, padded on the right.
        lengths: (n,) tokens of each row.
        least: tokens that a common beginning has at least.

    >>> [(g.rows.tolist(), g.shared) for g in groups_of(np.array([[5, 6, 7], [1, 2, 3], [5, 6, 8]]), np.full(3, 3), 2)]
    [([1], 0), ([0, 2], 2)]
    """
    order = np.lexsort(np.where(np.arange(values.shape[1]) < lengths[:, None], values, -1).T[::-1])
    if not len(order):
        return []
    one, two = values[order[:-1]], values[order[1:]]
    short = np.minimum(lengths[order[:-1]], lengths[order[1:]])
    differ = (one != two) | (np.arange(values.shape[1]) >= short[:, None])
    common = np.where(differ.any(1), differ.argmax(1), values.shape[1])
    common = np.minimum(common, short - 1)
    joined = (common >= least) & (2 * common >= short)
    found: list[Group] = []
    for some in np.split(np.arange(len(order)), np.flatnonzero(~joined) + 1):
        shared = int(common[some[:-1]].min()) if len(some) > 1 else 0
        found.append(Group(order[some].astype(np.int64), shared))
    return found


def saved(groups: Sequence[Group], lengths: Ints) -> float:
    """The share of all tokens that need not be read."""
    spared = sum(group.shared * (len(group.rows) - 1) for group in groups)
    return spared / max(int(lengths.sum()), 1)


def portions_of(groups: Sequence[Group], lengths: Ints, longest: int = LONGEST) -> list[list[Group]]:
    """Groups that are read together, in the order they have: no more than `longest` tokens, or one group."""
    found: list[list[Group]] = []
    room = 0
    for group in groups:
        tokens = int(lengths[group.rows].sum()) - group.shared * (len(group.rows) - 1)
        if tokens > room:
            found.append([])
            room = longest
        found[-1].append(group)
        room -= tokens
    return found


def features(module: Any, weights: Mapping[str, Tensor], values: Ints, lengths: Ints, groups: Sequence[Group]) -> Any:
    """Hidden states (m, D) at the last tokens of the rows of some groups, in their order.

    Args:
        module: a causal model of transformers without its output layer.
        weights: its parameters.
        values: (n, T) ids of all rows.
        lengths: (n,) of all rows.
        groups: whose rows are read.
    """
    import torch

    device = next(iter(weights.values())).device
    told, last = _packed(values, lengths, groups)
    ids, place, group, segment = (torch.tensor(each, device=device) for each in told)
    order = torch.arange(len(ids), device=device)
    seen = (group[:, None] == group) & ((segment == 0) | (segment[:, None] == segment)) & (order <= order[:, None])
    kind = next(iter(weights.values())).dtype
    mask = torch.zeros(seen.shape, dtype=kind, device=device).masked_fill(~seen, torch.finfo(kind).min)
    inputs = {"input_ids": ids[None], "position_ids": place[None], "attention_mask": mask[None, None]}
    made = torch.func.functional_call(module, dict(weights), (), {**inputs, "use_cache": False})
    return made.last_hidden_state[0, torch.tensor(last, device=device)]


def _packed(values: Ints, lengths: Ints, groups: Sequence[Group]) -> tuple[Ints, list[int]]:
    """Ids, positions, group and segment (0 is the beginning) of all tokens, (4, T); and where each row ends."""
    parts: list[Ints] = []
    last: list[int] = []
    at = 0
    for g, each in enumerate(groups):
        ends = [each.shared, *(int(lengths[k]) for k in each.rows)]
        for segment, (k, end) in enumerate(zip([each.rows[0], *each.rows], ends)):
            start = each.shared if segment else 0
            size = end - start
            parts.append(
                np.stack([values[k, start:end], np.arange(start, end), np.full(size, g), np.full(size, segment)])
            )
            at += size
            if segment:
                last.append(at - 1)
    return np.concatenate(parts, 1).astype(np.int64), last


def is_causal(module: Any, weights: Mapping[str, Tensor]) -> bool:
    """Whether rows that share a beginning give what each gives alone, tried on two rows of eight tokens.

    Models with windows, states or anything but full attention are not trusted with it.
    """
    import torch

    config = module.config
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if getattr(config, "sliding_window", None) or kinds != {"full_attention"} or config.is_encoder_decoder:
        return False
    ids = np.stack([np.arange(1, 9), np.array([1, 2, 3, 4, 5, 8, 7, 6])]) % int(config.vocab_size)
    try:
        with torch.no_grad():
            shared = features(module, weights, ids, np.array([8, 7]), [Group(np.array([0, 1]), 5)])
            first, second = (_alone(module, weights, row, shared.device) for row in ids)
    except (TypeError, ValueError, AttributeError, NotImplementedError, RuntimeError):
        return False
    if not torch.equal(first[:5], second[:5]):  # exactly: a model with small weights looks ahead by small amounts
        return False
    return bool(torch.allclose(shared, torch.stack([first[7], second[6]]), rtol=1e-3, atol=1e-4))


def _alone(module: Any, weights: Mapping[str, Tensor], row: Ints, device: Any) -> Tensor:
    import torch

    ids = torch.tensor(row[None], device=device)
    return torch.func.functional_call(module, dict(weights), (ids,)).last_hidden_state[0]
