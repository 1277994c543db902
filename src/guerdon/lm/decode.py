"""Batched decoding with torch: draws that depend on a row's own seed only, and masks for rows of unequal length."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from guerdon.core.rng import stream
from guerdon.lm.protocol import Finish, Sampling

if TYPE_CHECKING:
    import torch


@dataclass(slots=True)
class Row:
    """One sample under way.

    Args:
        ids: tokens of its prompt.
        seed: of its draws.
        most: tokens that it may still produce.
        made: tokens produced, the end token included.
        logprobs: one for each of them, in nats.
        finish: why it ended; "fault" when its logits were not numbers.
    """

    ids: Sequence[int]
    seed: int
    most: int
    made: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish: Finish | None = None


def left_padded(
    rows: Sequence[Sequence[int]], pad: int, device: Any
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ids, mask and positions `(rows, width)`; padding has mask 0, so any id will do for it."""
    import torch

    width = max(len(row) for row in rows)
    ids = torch.full((len(rows), width), pad, dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for at, row in enumerate(rows):
        ids[at, width - len(row) :] = torch.tensor(list(row), dtype=torch.long)
        mask[at, width - len(row) :] = 1
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    return ids.to(device), mask.to(device), positions.to(device)


def takes(model: Any, argument: str) -> bool:
    """True when the model's own forward, under any adapter, has an argument of that name."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return argument in inspect.signature(inner.forward).parameters


def last_logits(model: Any, keep: int) -> dict[str, int]:
    """The argument that spares logits of earlier positions, where the model takes it."""
    return {"logits_to_keep": keep} if takes(model, "logits_to_keep") else {}


def not_numbers(logits: torch.Tensor) -> torch.Tensor:
    """Which rows `(rows,)` of logits `(rows, ..., vocabulary)` are not numbers.

    A row is broken by a NaN, by +inf, and where nothing is finite; -inf alone is a token that is masked.
    """
    import torch

    bad = torch.isnan(logits).any(-1) | (logits == torch.inf).any(-1) | ~torch.isfinite(logits).any(-1)
    return bad.flatten(1).any(-1) if bad.dim() > 1 else bad


def draw(logits: torch.Tensor, sampling: Sampling, uniform: torch.Tensor) -> torch.Tensor:
    """One token per row from logits `(rows, vocabulary)` and uniform numbers `(rows,)` in [0, 1).

    Temperature, then the `top_k` largest, then the smallest set that reaches `top_p`; the draw inverts the cumulative
    distribution in token order, so a row's token does not depend on its neighbours.
    """
    import torch

    if sampling.temperature == 0:
        return logits.argmax(-1)
    scaled = logits / sampling.temperature
    if 0 < sampling.top_k < scaled.shape[-1]:
        least = scaled.topk(sampling.top_k, dim=-1).values[:, -1:]
        scaled = scaled.masked_fill(scaled < least, -torch.inf)
    chances = scaled.softmax(-1)
    if sampling.top_p < 1:
        ordered, order = chances.sort(dim=-1, descending=True, stable=True)
        past = ordered.cumsum(-1) - ordered >= sampling.top_p
        chances = chances.masked_fill(past.scatter(-1, order, past), 0.0)
    steps = chances.double().cumsum(-1)
    total = steps[:, -1:]
    # The product may round up to the total, past the last token that can be drawn.
    target = torch.minimum(uniform.double().to(steps.device)[:, None] * total, total.nextafter(torch.zeros_like(total)))
    return torch.searchsorted(steps, target, right=True)[:, 0]


def decode(
    model: Any,
    rows: Sequence[Row],
    sampling: Sampling,
    *,
    ends: frozenset[int],
    pad: int,
    stopped: Callable[[Row], bool],
) -> None:
    """Produce tokens for each row until it ends; rows are filled in place.

    Args:
        model: a transformers causal language model.
        rows: the batch.
        sampling: how to draw.
        ends: tokens that end a text.
        pad: any token, for padding.
        stopped: true when a row has produced a stop text.
    """
    import torch
    from transformers import DynamicCache

    live = list(rows)
    ids, mask, positions = left_padded([row.ids for row in live], pad, model.device)
    uniforms = [torch.from_numpy(stream(row.seed, "draw").random(row.most)) for row in live]
    past = DynamicCache()
    name = "cache" if takes(model, "cache") else "past_key_values"  # its older name
    how = {name: past, "use_cache": True} | last_logits(model, 1)
    while live:
        out = model(input_ids=ids, attention_mask=mask, position_ids=positions, **how)
        logits = out.logits[:, -1].float()
        bad = not_numbers(logits).tolist()
        numbers = torch.stack([chances[len(row.made)] for row, chances in zip(live, uniforms, strict=True)])
        tokens = draw(torch.nan_to_num(logits, nan=0.0, posinf=0.0) if any(bad) else logits, sampling, numbers)
        chosen = logits.log_softmax(-1).gather(-1, tokens[:, None])[:, 0].tolist() if sampling.logprobs else None
        for at, (row, token) in enumerate(zip(live, tokens.tolist(), strict=True)):
            _grow(row, token, chosen[at] if chosen else None, bad[at], ends, stopped)
        stay = [at for at, row in enumerate(live) if row.finish is None]
        if len(stay) < len(live):
            live, uniforms = [live[at] for at in stay], [uniforms[at] for at in stay]
            if not live:
                break
            index = torch.tensor(stay, device=model.device)
            mask, positions, tokens = mask[index], positions[index], tokens[index]
            past.batch_select_indices(index)
        ids = tokens[:, None]
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=-1)
        positions = positions[:, -1:] + 1


def _grow(
    row: Row, token: int, chance: float | None, bad: bool, ends: frozenset[int], stopped: Callable[[Row], bool]
) -> None:
    if bad:
        row.finish = "fault"
        return
    row.made.append(token)
    if chance is not None:
        row.logprobs.append(chance)
    if token in ends or stopped(row):
        row.finish = "stop"
    elif len(row.made) >= row.most:
        row.finish = "length"


def forced_logprobs(
    model: Any, rows: Sequence[tuple[Sequence[int], Sequence[int]]], pad: int
) -> list[tuple[list[float], bool] | None]:
    """Log-probabilities of each row's second part after its first, and whether each was the top; `None` if not numbers.

    Rows are padded on the left, so that all continuations end at the last position and only their logits are made.
    """
    import torch

    whole = [[*before, *after] for before, after in rows]
    ids, mask, positions = left_padded(whole, pad, model.device)
    most = max(len(after) for _, after in rows)
    keep = last_logits(model, most + 1)
    out = model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False, **keep)
    logits = out.logits[:, -most - 1 : -1].float()
    found: list[tuple[list[float], bool] | None] = []
    for at, (_, after) in enumerate(rows):
        mine = logits[at, most - len(after) :]
        if bool(not_numbers(mine).any()):
            found.append(None)
            continue
        target = torch.tensor(list(after), device=mine.device)
        chances = mine.log_softmax(-1).gather(-1, target[:, None])[:, 0]
        found.append((chances.tolist(), bool((mine.argmax(-1) == target).all())))
    return found
