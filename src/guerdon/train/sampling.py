"""Answers drawn from a policy: from a tiny one or from any transformers model, by one loop.

All random numbers are drawn before the first token, a line for each row, so what a row draws depends neither on the
other rows nor on how many are read at once.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.train.policy import Policy, Tokens

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Tensor: TypeAlias = Any
Read: TypeAlias = Callable[[Any, Any, Any], tuple[Any, Any]]
"""Reads new ids `(B, S)` with the mask of all so far `(B, P + S)` and the past: logits after the last, and the past."""


@dataclass(frozen=True)
class Drawn:
    """What was sampled for n prompts.

    Args:
        ids: (n, A) of the answers, the end included, padding after it.
        lengths: (n,) tokens of each answer, the end included.
        logprobs: (n, A) of each token under the model at temperature 1, 0 at padding.
        forced: tokens at the start that were given and not drawn.
    """

    ids: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    logprobs: npt.NDArray[np.float32]
    forced: int = 0

    def tokens(self, prompts: Sequence[Sequence[int]] | npt.NDArray[np.int64]) -> list[Tokens]:
        """Each as a row for `Policy.logprobs` and `Policy.step`; given tokens carry no loss."""
        found = []
        for prompt, line, n in zip(prompts, self.ids.tolist(), self.lengths.tolist(), strict=True):
            chosen = [k >= self.forced for k in range(n)] if self.forced else None
            found.append(Tokens([int(k) for k in prompt], line[:n], chosen))
        return found


def sample(
    policy: Policy,
    prompts: Sequence[Sequence[int]],
    rng: Rng,
    *,
    most: int,
    end: int,
    pad: int = 0,
    temperature: float = 1.0,
    top_p: float = 1.0,
    prefix: npt.ArrayLike | None = None,
    rows: int = 256,
) -> Drawn:
    """Answers of a policy with the weights that it has loaded, one for each prompt.

    Args:
        policy: a `Policy`, tiny or not.
        prompts: ids, of any lengths of at least 1.
        rng: draws them.
        most: tokens of an answer at most, given ones and the end included.
        end: the id that ends an answer.
        pad: the id that follows it.
        temperature: logits are divided by it; 0 takes the likeliest token.
        top_p: only the likeliest tokens whose probabilities reach this sum are drawn (arXiv 1904.09751).
        prefix: (n, F) ids with which each answer begins, without padding.
        rows: read at once.

    Raises:
        ConfigError: a setting is out of range, or a prompt is empty.
    """
    model = policy._model
    kept = "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"  # newer, older name
    device = next(model.parameters()).device
    longest = max((len(prompt) for prompt in prompts), default=1)
    asked = np.full((len(prompts), longest), pad, np.int64)
    real = np.zeros(asked.shape, bool)
    for k, prompt in enumerate(prompts):
        if not len(prompt):
            raise ConfigError("a prompt has a token", f"prompt {k} has none", "Start it with the beginning token")
        asked[k, longest - len(prompt) :] = prompt
        real[k, longest - len(prompt) :] = True

    def read(ids: Tensor, mask: Tensor, past: Any) -> tuple[Tensor, Any]:
        places = (mask.long().cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        inputs = {"input_ids": ids, "attention_mask": mask.long(), "position_ids": places}
        moved = {name: each.to(device) for name, each in inputs.items()}
        made = model(**moved, use_cache=True, **{kept: past})
        return made.logits[:, -1].float().cpu(), getattr(made, kept)

    with policy.active(), policy._mode(False):
        return draw(read, asked, real, rng, (end, pad), most, temperature, top_p, prefix, rows)


def draw(
    read: Read,
    prompts: npt.NDArray[np.int64],
    real: npt.NDArray[np.bool_],
    rng: Rng,
    ends: tuple[int, int],
    most: int,
    temperature: float,
    top_p: float,
    prefix: npt.ArrayLike | None,
    rows: int = 8192,
) -> Drawn:
    """The loop behind `sample` and `TinyLM.sample`.

    Args:
        read: the model.
        prompts: (n, P) ids, padded on the left.
        real: (n, P), false at padding.
        rng: draws.
        ends: ids of the end and of padding.
        most: see `sample`.
        temperature: see `sample`.
        top_p: see `sample`.
        prefix: see `sample`.
        rows: read at once.
    """
    given = np.zeros((len(prompts), 0), np.int64) if prefix is None else np.asarray(prefix, np.int64)
    if temperature < 0 or not 0 < top_p <= 1 or prompts.ndim != 2 or given.ndim != 2 or len(given) != len(prompts):
        got = f"got {temperature}, {top_p}, prompts {prompts.shape} and prefix {given.shape}"
        raise ConfigError("temperature at least 0, top_p in (0, 1], prompts (n, P), prefix (n, F)", got, "Fix it")
    if not prompts.shape[1] or given.shape[1] > most or most < 1:
        raise ConfigError("prompts of a token or more, prefix within most", f"got {prompts.shape}, {most}", "Fix it")
    uniform = rng.random((len(prompts), most))
    ids = np.full((len(prompts), most), ends[1], np.int64)
    logprobs = np.zeros((len(prompts), most), np.float32)
    for some in chunks(len(prompts), rows):
        found = _some(read, prompts[some], real[some], given[some], uniform[some], ends, temperature, top_p)
        ids[some, : found[0].shape[1]], logprobs[some, : found[1].shape[1]] = found
    ended = ids == ends[0]
    counts = np.where(ended.any(1), ended.argmax(1) + 1, most)
    return Drawn(ids, counts.astype(np.int64), logprobs, given.shape[1])


def chunks(n: int, size: int = 8192) -> list[slice]:
    """Slices of at most `size` that cover n rows."""
    return [slice(at, min(at + size, n)) for at in range(0, n, size)]


def _some(
    read: Read,
    prompts: npt.NDArray[np.int64],
    real: npt.NDArray[np.bool_],
    prefix: npt.NDArray[np.int64],
    uniform: npt.NDArray[np.float64],
    ends: tuple[int, int],
    temperature: float,
    top_p: float,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    import torch

    ids, mask, given, draws = (torch.tensor(each) for each in (prompts, real, prefix, uniform))
    live = torch.ones(len(ids), dtype=torch.bool)
    found, logs, past = [], [], None
    with torch.no_grad():
        for t in range(draws.shape[1]):
            logits, past = read(ids, mask, past)
            log = logits.log_softmax(-1)
            token = given[:, t] if t < given.shape[1] else _picked(log, draws[:, t], temperature, top_p)
            token = torch.where(live, token, ends[1])
            logs.append(log.gather(1, token[:, None])[:, 0] * live)
            found.append(token)
            live = live & (token != ends[0])
            if not bool(live.any()):
                break
            ids, mask = token[:, None], torch.cat((mask, torch.ones(len(token), 1, dtype=torch.bool)), 1)
    return torch.stack(found, 1).numpy(), torch.stack(logs, 1).numpy()


def _picked(log: Tensor, uniform: Tensor, temperature: float, top_p: float) -> Tensor:
    """A token of each row `(B, V)` of log-probabilities, by the inverse of the cumulated ones at `uniform` `(B,)`."""
    if temperature == 0:
        return log.argmax(-1)
    chances = (log.double() / temperature).softmax(-1)
    if top_p < 1:
        ordered, which = chances.sort(dim=-1, descending=True, stable=True)
        ordered = ordered.masked_fill(ordered.cumsum(-1) - ordered >= top_p, 0.0)
        chances = chances.scatter(-1, which, ordered)
    heap = chances.cumsum(-1)
    wanted = uniform[:, None] * heap[:, -1:]
    return (heap <= wanted).sum(-1).clamp(max=log.shape[-1] - 1)
