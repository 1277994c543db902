"""Language models small enough for a test: a GRU or a causal transformer over a small vocabulary.

`TinyLM` is a net with weights: it samples and learns from demonstrations. `TinyPolicy` is the `Policy` of
`guerdon.train.policy` over it: whatever learns by `logprobs` and `step` there learns here.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import SolverError
from guerdon.core.plain import canonical
from guerdon.core.recipe import recipe
from guerdon.train.policy import Packed, Policy, Snapshot
from guerdon.train.sampling import Drawn, chunks, draw
from guerdon.train.tiny_nets import TinyGRU, TinyNet, TinyTransformer, Weights, logits_of

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Tensor: TypeAlias = Any
FORMAT = "guerdon-tiny-lm-1"


@dataclass(frozen=True, kw_only=True)
class Sft:
    """Learning from demonstrations.

    Args:
        epochs: times through them.
        batch: rows of a step.
        lr: of Adam, falling to 0 by half a cosine.
        warmup: steps over which it rises first.
        clip: largest norm of the gradient.
        decay: decoupled weight decay.
    """

    epochs: int = 5
    batch: int = 64
    lr: float = 3e-3
    warmup: int = 20
    clip: float = 1.0
    decay: float = 0.01


@dataclass(frozen=True)
class TinyLM:
    """A small language model: a net with weights, which are never changed in place.

    Args:
        net: the description.
        weights: by name.
        pad: the id of padding.
        end: the id that ends an answer.
    """

    net: TinyNet
    weights: Weights = field(repr=False)
    pad: int = 0
    end: int = 1

    @classmethod
    def new(cls, net: TinyNet, rng: Rng, *, pad: int = 0, end: int = 1) -> TinyLM:
        """Fresh weights, drawn by `rng`."""
        return cls(net, net.initial(generator_of(rng)), pad, end)

    def logits(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Logits `(B, T, V)` of the token after each of ids `(B, T)`."""
        return logits_of(self.weights, self.net.hidden(self.weights, ids, mask))

    def logprobs(self, prompts: npt.ArrayLike, answers: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """(n, A) log-probabilities of the answers' tokens up to END, in nats; 0 after it.

        Args:
            prompts: (n, P) ids, no padding.
            answers: (n, A) ids, padded on the right.
        """
        import torch

        prompt, answer = np.asarray(prompts, np.int64), np.asarray(answers, np.int64)
        found = np.zeros(answer.shape, np.float32)
        with torch.no_grad():
            for some in chunks(len(answer)):
                ids = torch.tensor(np.concatenate([prompt[some], answer[some]], 1))
                values, _ = _answer_logprobs(self, self.weights, ids, prompt.shape[1])
                found[some] = values.numpy()
        return found

    def sample(
        self,
        prompts: npt.ArrayLike,
        rng: Rng,
        *,
        most: int,
        temperature: float = 1.0,
        top_p: float = 1.0,
        prefix: npt.ArrayLike | None = None,
    ) -> Drawn:
        """Answers to prompts, one for each row; what a row draws does not depend on the other rows.

        Args:
            prompts: (n, P) ids; rows may be padded on the left.
            rng: draws them.
            most: tokens of an answer at most, given ones and the end included.
            temperature: logits are divided by it; 0 takes the likeliest token.
            top_p: only the likeliest tokens whose probabilities reach this sum are drawn (arXiv 1904.09751).
            prefix: (n, F) ids with which each answer begins, without padding.

        Raises:
            ConfigError: a setting is out of range, or shapes do not fit.
        """
        net, weights = self.net, self.weights

        def read(ids: Tensor, mask: Tensor, past: Any) -> tuple[Tensor, Any]:
            hidden, past = net.run(weights, ids, mask[:, -ids.shape[1] :], past)
            return logits_of(weights, hidden[:, -1]), past

        asked = np.asarray(prompts, np.int64)
        ends = (self.end, self.pad)
        return draw(read, asked, asked != self.pad, rng, ends, most, temperature, top_p, prefix)

    def sft(
        self,
        prompts: npt.ArrayLike,
        answers: npt.ArrayLike,
        rng: Rng,
        settings: Sft | None = None,
    ) -> tuple[TinyLM, list[float]]:
        """Learn from demonstrations: cross-entropy of the answers' tokens, the end included.

        Args:
            prompts: (n, P) ids, no padding.
            answers: (n, A) ids ending with END, padded on the right.
            rng: shuffles.
            settings: of the training.

        Returns:
            The new model, and the mean loss per token of each epoch.
        """
        import torch

        settings = settings or Sft()
        ids = torch.tensor(np.concatenate([np.asarray(prompts, np.int64), np.asarray(answers, np.int64)], 1))
        width = np.asarray(prompts).shape[1]
        weights = {name: each.detach().clone().requires_grad_() for name, each in self.weights.items()}
        optimiser = torch.optim.AdamW(list(weights.values()), lr=settings.lr, weight_decay=settings.decay)
        steps, done, losses = settings.epochs * math.ceil(len(ids) / settings.batch), 0, []
        for _ in range(settings.epochs):
            total = count = 0.0
            order = torch.tensor(rng.permutation(len(ids)))
            for some in order.split(settings.batch):
                for group in optimiser.param_groups:
                    group["lr"] = settings.lr * _cosine(done, steps, settings.warmup)
                values, mask = _answer_logprobs(self, weights, ids[some], width)
                tokens = float(mask.sum())
                loss = -values.sum() / max(tokens, 1.0)
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(list(weights.values()), settings.clip)
                optimiser.step()
                total, count, done = total + loss.item() * tokens, count + tokens, done + 1
            losses.append(total / max(count, 1.0))
        return replace(self, weights={name: each.detach() for name, each in weights.items()}), losses

    def save(self, folder: Path) -> None:
        """Write `tiny.safetensors` and `tiny.json`."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: each.contiguous() for name, each in self.weights.items()}, str(folder / "tiny.safetensors"))
        plain = {"format": FORMAT, "net": recipe(self.net), "pad": self.pad, "end": self.end}
        (folder / "tiny.json").write_text(canonical(plain), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> TinyLM:
        """Read what `save` wrote.

        Raises:
            SolverError: it is not there, or not whole.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            plain = json.loads((folder / "tiny.json").read_text(encoding="utf-8"))
            kinds = {f"{kind.__module__}:{kind.__qualname__}": kind for kind in (TinyGRU, TinyTransformer)}
            fields = dict(plain["net"])
            net: TinyNet = kinds[fields.pop("kind")](**fields)
            weights = {name: each.clone() for name, each in load_file(folder / "tiny.safetensors").items()}
            fits = plain["format"] == FORMAT and {k: tuple(v.shape) for k, v in weights.items()} == net.shapes()
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise SolverError(f"{folder.name} holds a saved model", str(error)[:200], "Save it again") from None
        if not fits:
            raise SolverError(f"{folder.name} holds a saved model", "its tensors fit no net", "Save it again")
        return cls(net, {name: weights[name] for name in net.shapes()}, int(plain["pad"]), int(plain["end"]))

    def module(self) -> Any:
        """A `torch.nn.Module` with a copy of the weights that answers as transformers' causal models do."""
        return _module(self)


class TinyPolicy(Policy):
    """A tiny language model as a `Policy`: all weights learn, and the model as given is the reference.

    Unlike its base it has a reference, so that `logprobs(rows, base=True)` works as it does with an adapter.

    Args:
        model: the model it starts as.
        most_tokens: tokens of one micro-batch, padding included.
    """

    def __init__(self, model: TinyLM, *, most_tokens: int = 65_536) -> None:
        super().__init__(model.module(), most_tokens=most_tokens)
        self._start = model

    @property
    def has_reference(self) -> bool:
        """Always."""
        return True

    @contextlib.contextmanager
    def reference(self) -> Iterator[None]:
        """With the weights that it started with."""
        now = Snapshot(self._weights())
        self.load(self.start())
        try:
            yield
        finally:
            self.load(now)

    def _values(self, packed: Packed, full: bool) -> tuple[Any, Any]:
        return _packed_logprobs(self._start, self._trained, packed, full)

    def _reference_values(self, packed: Packed, full: bool) -> tuple[Any, Any]:
        return _packed_logprobs(self._start, self._start.weights, packed, full)

    def critic(self) -> Any:
        """The net that the policy has, with the weights that it started with."""
        from guerdon.train.critic import Critic

        return Critic(body=self._start.net, start=self._start.weights)

    def language_model(self) -> TinyLM:
        """The language model with the weights that are loaded; they are shared with the policy, not copied."""
        return replace(self._start, weights={name: each.detach() for name, each in self._trained.items()})

    def model_of(self, snapshot: Snapshot) -> TinyLM:
        """The language model that a snapshot stands for, to sample from."""
        return replace(self._start, weights={name: snapshot.weights[name].clone() for name in self._start.weights})


def generator_of(rng: Rng) -> Any:
    """A torch generator whose seed is drawn by `rng`."""
    import torch

    return torch.Generator().manual_seed(int(rng.integers(2**63)))


def _answer_logprobs(model: TinyLM, weights: Mapping[str, Tensor], ids: Tensor, width: int) -> tuple[Tensor, Tensor]:
    """Log-probabilities `(B, A)` of what follows the first `width` ids, up to END, and the mask of those tokens."""
    answer = ids[:, width:]
    over = ((answer == model.end) | (answer == model.pad)).long()
    mask = (over.cumsum(1) - over == 0) & (answer != model.pad)
    # padding on the right is never seen by the tokens before it, so the net may read it
    hidden = model.net.causal(weights, ids[:, :-1])
    logs = logits_of(weights, hidden[:, width - 1 :]).log_softmax(-1)
    values = logs.gather(-1, answer.unsqueeze(-1)).squeeze(-1)
    return values * mask, mask


def _packed_logprobs(model: TinyLM, weights: Mapping[str, Tensor], packed: Packed, full: bool) -> tuple[Tensor, Tensor]:
    """Log-probabilities `(b, A)` of actions or `(b, A, V)` of all tokens, 0 at padding; and the mask of chosen ones."""
    import torch

    ids = torch.tensor(packed.ids)
    # padding is on the right, where the tokens before it do not see it, so the net may read it
    hidden = model.net.causal(weights, ids[:, :-1])
    most, first = packed.chosen.shape[1], int(packed.starts[0]) if len(packed) else 0
    if (packed.starts == first).all():
        hidden = hidden[:, first - 1 : first - 1 + most]
    else:
        at = torch.tensor(packed.starts)[:, None] - 1 + torch.arange(most)
        at = at.clamp(max=hidden.shape[1] - 1)[..., None].expand(-1, -1, hidden.shape[-1])
        hidden = hidden.gather(1, at)
    logs = logits_of(weights, hidden).log_softmax(-1)
    there = torch.tensor(packed.there)
    mask = torch.tensor(packed.chosen, dtype=torch.float32)
    if full:
        return logs * there[..., None], mask
    return logs.gather(-1, torch.tensor(packed.actions())[..., None])[..., 0] * there, mask


def _cosine(step: int, steps: int, warmup: int) -> float:
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1)))


def _module(model: TinyLM) -> Any:
    import torch

    class Module(torch.nn.Module):  # type: ignore[misc]
        """As transformers' causal language models: `model(input_ids=..., attention_mask=...).logits`."""

        def __init__(self) -> None:
            super().__init__()
            for name, each in model.weights.items():
                self.register_parameter(name, torch.nn.Parameter(each.detach().clone()))

        def forward(
            self, input_ids: Tensor, attention_mask: Tensor | None = None, past_key_values: Any = None, **_: Any
        ) -> Any:
            mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask[:, -input_ids.shape[1] :]
            weights = dict(self.named_parameters())
            hidden, past = model.net.run(weights, input_ids, mask.bool(), past_key_values)
            return SimpleNamespace(logits=logits_of(weights, hidden), past_key_values=past)

    return Module()
