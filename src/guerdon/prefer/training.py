"""The one training loop of reward models.

    for each epoch, in an order that the member's seed draws:   loss -> gradient -> AdamW;   then metrics, then a save

Members of an ensemble whose body allows it (`batched`) are trained as one: their weights are stacked and the loss is
mapped over them by `torch.vmap`, which gives each what it would learn alone, up to rounding. The rest are trained one
after the other. Killed and called again with the same folder, training goes on from its last epoch to the same end.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError, RewardError
from guerdon.core.plain import Json, canonical, digest
from guerdon.core.recipe import recipe
from guerdon.core.rng import stream
from guerdon.prefer import objectives
from guerdon.prefer.models import HEAD, Body, RewardModel, Rows, described, pooled
from guerdon.prefer.pairs import Pairs

Tensor: TypeAlias = Any
Weights: TypeAlias = dict[str, Any]
PROTOTYPES = "prototypes"


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """A contrastive term: `L_rm + weight * L_cl`, L_rm on originals and copies (arXiv 2401.06080, section 4).

    Copies are a second pass with dropout on what the body reads and makes.

    Args:
        kind: "simcse" or "swav".
        diff: features are differences of pairs, both ways, rather than both members.
        weight: beta: 1 for SimCSE, 0.1 for SwAV, 0.5 for SwAV of differences.
        dropout: 0.05 as published.
        tau: temperature; SimCSE's 0.05, for SwAV use 0.1 (neither is in the report).
        prototypes: of SwAV: 50, of differences 20.
    """

    kind: Literal["simcse", "swav"] = "simcse"
    diff: bool = False
    weight: float = 1.0
    dropout: float = 0.05
    tau: float = 0.05
    prototypes: int = 50


@dataclass(frozen=True, kw_only=True)
class Meta:
    """MetaRM: before each step, go up the difference loss on unlabelled responses of the shifted policy.

    `theta' = theta + rate * grad J(theta)`, then theta moves by the gradient of the loss at theta', first order
    (arXiv 2405.00438).

    Args:
        rate: eta; not published, 1 to 10 times the learning rate is a start.
        prompts: m, of each step.
        responses: k, of each prompt; 4 in the published runs.
    """

    rate: float = 1e-3
    prompts: int = 16
    responses: int = 4


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Settings of the training of reward models; published ones of arXiv 2310.02743 unless said.

    Args:
        epochs: times through the pairs.
        batch: pairs of a step.
        lr: of AdamW; 1e-3 suits tiny networks, 1e-5 was published for pre-trained ones.
        beta1: decay of the first moment.
        beta2: decay of the second.
        eps: added to the root of the second.
        decay: decoupled weight decay.
        warmup: steps over which the learning rate rises.
        schedule: what follows: "constant", "cosine" (to 0) or "inverse_sqrt" (arXiv 2401.06080).
        clip: largest norm of a member's gradient.
        l2: weight of small scores.
        centre: weight of centred scores.
        contrast: a contrastive term, or none.
        meta: MetaRM's step, or none; it needs `shifted`.
    """

    epochs: int = 5
    batch: int = 32
    lr: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-12
    decay: float = 0.0
    warmup: int = 50
    schedule: Literal["constant", "cosine", "inverse_sqrt"] = "constant"
    clip: float = 2.0
    l2: float = 0.001
    centre: float = 0.0
    contrast: Contrast | None = None
    meta: Meta | None = None

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 1 or not self.lr > 0 or not self.clip > 0:
            got = f"got {self.epochs}, {self.batch}, {self.lr} and {self.clip}"
            raise ConfigError("epochs and batch of at least 1, lr and clip above 0", got, "Change them")


@dataclass(frozen=True)
class Fitted:
    """What training gave.

    Args:
        models: one for each seed, in order, not standardised.
        history: a row for each epoch, member, set and slice: `epoch`, `seed`, `set`, `slice`, and `metrics`.
    """

    models: tuple[RewardModel, ...]
    history: tuple[Mapping[str, Any], ...] = field(default=())


def fit(
    body: Body,
    pairs: Pairs,
    settings: Fit | None = None,
    seeds: Sequence[int] = (0,),
    *,
    start: Mapping[str, Tensor] | None = None,
    shared: bool = False,
    shifted: Rows | None = None,
    watch: Mapping[str, Pairs] | None = None,
    folder: Path | None = None,
    pad: str = "right",
    told: Callable[[int, int], None] | None = None,
) -> Fitted:
    """Train one reward model for each seed.

    Args:
        body: what reads rows.
        pairs: labelled.
        settings: of the training.
        seeds: each draws a head, a body unless `start` is given, and an order of the pairs.
        start: weights of the body that all members start from; those of a `TinyLM` of the same net will do.
        shared: one body with a head for each seed, in the order of the first seed.
        shifted: rows of MetaRM's responses, `meta.responses` for each prompt in turn.
        watch: sets whose metrics are taken after each epoch, with their slices.
        folder: where training is kept after each epoch, and taken up again.
        pad: on which side rows are padded.
        told: is called after each step with the steps done and those of the whole training.

    Raises:
        ConfigError: there are no pairs or seeds, or MetaRM has no responses.
        RewardError: the loss is not finite, or the folder holds another training.
    """
    settings = settings or Fit()
    if not len(pairs) or not seeds or len(set(seeds)) != len(seeds):
        raise ConfigError("pairs, and seeds that differ", f"got {len(pairs)} and {list(seeds)}", "Give some")
    if settings.meta and (shifted is None or len(shifted) < settings.meta.responses):
        raise ConfigError("MetaRM has responses to tell apart", "got none", "Pass shifted=Rows of the new policy")
    together = shared or (len(seeds) > 1 and getattr(body, "batched", False) and settings.contrast is None)
    groups = [tuple(seeds)] if together else [(seed,) for seed in seeds]
    models: list[RewardModel] = []
    history: list[Mapping[str, Any]] = []
    for k, group in enumerate(groups):
        where = folder / f"seeds-{'-'.join(map(str, group))}" if folder else None
        made = _Training(body, pairs, settings, group, start, shared, shifted, watch or {}, where, pad)
        made.run(partial(_told, told, k, len(groups)))
        models += made.models()
        history += made.history
    return Fitted(tuple(models), tuple(history))


def _told(told: Callable[[int, int], None] | None, group: int, groups: int, done: int, steps: int) -> None:
    if told is not None:
        told(group * steps + done, groups * steps)


def metrics(model: RewardModel, pairs: Pairs) -> dict[str, float]:
    """How a model does on pairs.

    Returns:
        `accuracy` (of pairs that are no ties; equal scores count half), `loss` without margins, and `separation`, the
        mean difference in units of the sd of all scores, which does not grow when scores are merely scaled. nan where
        there is nothing to measure.
    """
    import torch

    if not len(pairs):
        return {"accuracy": math.nan, "loss": math.nan, "separation": math.nan, "n": 0.0}
    raw = model.raw(pairs.chosen + pairs.rejected)
    chosen, rejected = raw[: len(pairs)], raw[len(pairs) :]
    gap, real = chosen - rejected, pairs.smoothing != 0.5
    right = (gap > 0) + 0.5 * (gap == 0)
    loss = objectives.smoothed(*(torch.tensor(each) for each in (chosen, rejected, pairs.smoothing)))
    return {
        "accuracy": float(right[real].mean()) if real.any() else math.nan,
        "loss": float(loss.mean()),
        "separation": float(gap.mean() / raw.std()) if raw.std() > 0 else math.nan,
        "n": float(len(pairs)),
    }


class _Training:
    """Members that are trained side by side; K of them are stacked, or one body has H heads."""

    def __init__(
        self,
        body: Body,
        pairs: Pairs,
        settings: Fit,
        seeds: tuple[int, ...],
        start: Mapping[str, Tensor] | None,
        shared: bool,
        shifted: Rows | None,
        watch: Mapping[str, Pairs],
        folder: Path | None,
        pad: str,
    ) -> None:
        import torch

        self.body, self.pairs, self.settings, self.seeds = body, pairs, settings, seeds
        self.shared, self.shifted, self.watch, self.folder, self.pad = shared, shifted, watch, folder, pad
        self.history: list[Mapping[str, Any]] = []
        self.epoch = 0
        self.lineage: dict[str, Json] = {
            "labels": pairs.digest(),
            "fit": recipe(settings),
            "body": described(body),
            "start": None if start is None else RewardModel(body, dict(start)).digest(),
            "shifted": None if shifted is None else shifted.digest(),
            "shared": shared,
        }
        members = [RewardModel.new(body, seed, start=start, pad=pad).weights for seed in seeds]
        self.orders = seeds[:1] if shared else seeds
        if shared:
            stacked = {name: each[None] for name, each in members[0].items()}
            stacked[HEAD] = torch.stack([each[HEAD] for each in members])[None]
        else:
            stacked = {name: torch.stack([each[name] for each in members]) for name in members[0]}
            stacked[HEAD] = stacked[HEAD][:, None]
        if settings.contrast and settings.contrast.kind == "swav":
            shape = (settings.contrast.prototypes, body.width)
            drawn = stream(seeds[0], "reward-model", PROTOTYPES).standard_normal(shape)
            stacked[PROTOTYPES] = torch.tensor(drawn, dtype=torch.float32, device=stacked[HEAD].device)[None]
        self.weights: Weights = {name: each.requires_grad_() for name, each in stacked.items()}
        self.adam = torch.optim.AdamW(
            list(self.weights.values()),
            lr=settings.lr,
            betas=(settings.beta1, settings.beta2),
            eps=settings.eps,
            weight_decay=settings.decay,
        )
        self.per_epoch = math.ceil(len(pairs) / settings.batch)
        self.step = 0
        columns = (pairs.smoothing, pairs.margin, pairs.weight)
        self.numbers = torch.tensor(np.stack(columns), dtype=torch.float32, device=stacked[HEAD].device)
        self.rows = pairs.chosen + pairs.rejected
        self.mapped: Callable[..., Any] | None = None

    # ---- the loop ----------------------------------------------------------------------------------------------------

    def run(self, told: Callable[[int, int], object]) -> None:
        """Train to the end, from where the folder left off."""
        self._restore()
        steps = self.per_epoch * self.settings.epochs
        while self.epoch < self.settings.epochs:
            orders = np.stack(
                [stream(seed, "reward-model", "order", self.epoch).permutation(len(self.pairs)) for seed in self.orders]
            )
            for at in range(self.per_epoch):
                self._one(orders[:, at * self.settings.batch : (at + 1) * self.settings.batch])
                told(self.step, steps)
            self.epoch += 1
            self._measure()
            self._keep()

    def _one(self, which: npt.NDArray[np.int64]) -> None:
        import torch

        rate = self.settings.lr * _schedule(self.settings, self.step, self.per_epoch * self.settings.epochs)
        for group in self.adam.param_groups:
            group["lr"] = rate
        at = dict(self.weights)
        if self.settings.meta:
            at = self._ascended(self.settings.meta)
        losses = self._losses(at, which)
        gradients = torch.autograd.grad(losses.sum(), list(at.values()), allow_unused=True)
        if not bool(torch.isfinite(losses).all()):
            raise RewardError("a finite loss", f"got {losses.tolist()} at step {self.step}", "Lower lr; check margins")
        known = [each for each in gradients if each is not None]
        norms = torch.stack([each.reshape(len(each), -1).norm(dim=1) for each in known]).norm(dim=0)
        scales = (self.settings.clip / (norms + 1e-6)).clamp(max=1.0)
        for leaf, each in zip(self.weights.values(), gradients, strict=True):
            leaf.grad = None if each is None else each * scales.reshape(-1, *[1] * (each.dim() - 1))
        self.adam.step()
        self.step += 1

    def _losses(self, weights: Weights, which: npt.NDArray[np.int64]) -> Tensor:
        """(K,) the loss of each member on its own pairs, (K, b) positions."""
        import torch

        n, (members, size) = len(self.pairs), which.shape
        both = np.concatenate([which, which + n], 1)
        rows, mask = self.rows.take(both.reshape(-1)).tensors(self.pad)
        rows, mask = (each.reshape(members, 2 * size, *each.shape[1:]) for each in (rows, mask))
        numbers = self.numbers[:, torch.tensor(which)].transpose(0, 1)
        return self._each(self._loss, weights, rows, mask, numbers)

    def _each(self, function: Callable[..., Tensor], weights: Weights, *stacked: Tensor) -> Tensor:
        """A function of one member's weights and inputs, mapped over all."""
        import torch

        if len(self.orders) == 1:
            found = function({name: each[0] for name, each in weights.items()}, *(each[0] for each in stacked))
            return found[None]
        return cast(Tensor, torch.vmap(function))(weights, *stacked)

    def _loss(self, weights: Weights, rows: Tensor, mask: Tensor, numbers: Tensor) -> Tensor:
        features = pooled(self.body, weights, rows, mask)
        loss = self._pair_loss(weights, features, numbers)
        contrast = self.settings.contrast
        if contrast is None:
            return loss
        copies = pooled(self.body, weights, rows, mask, self._dropping(contrast.dropout))
        loss = (loss + self._pair_loss(weights, copies, numbers)) / 2
        return loss + contrast.weight * _contrastive(contrast, weights, features, copies)

    def _pair_loss(self, weights: Weights, features: Tensor, numbers: Tensor) -> Tensor:
        scores = features @ weights[HEAD].T
        chosen, rejected = scores.chunk(2)
        smoothing, margin, weight = numbers[:, :, None]
        loss = objectives.smoothed(chosen, rejected, smoothing, margin)
        loss = loss + self.settings.l2 * objectives.score_l2(chosen, rejected)
        loss = loss + self.settings.centre * objectives.centring(chosen, rejected)
        return (loss * weight).mean(0).sum()  # heads of one body learn side by side

    def _dropping(self, share: float) -> Callable[[Tensor], Tensor]:
        import torch

        seed = int(stream(self.seeds[0], "reward-model", "dropout", self.step).integers(2**63))
        generator = torch.Generator().manual_seed(seed)

        def drop(x: Tensor) -> Tensor:
            return x * (torch.rand(x.shape, generator=generator) >= share).to(x.device) / (1 - share)

        return drop

    def _ascended(self, meta: Meta) -> Weights:
        """Weights after the step up the difference loss."""
        import torch

        shifted = cast(Rows, self.shifted)
        prompts = len(shifted) // meta.responses
        picked = []
        for seed in self.orders:
            rng = stream(seed, "reward-model", "shifted", self.step)
            some = rng.choice(prompts, size=min(meta.prompts, prompts), replace=False)
            picked.append((some[:, None] * meta.responses + np.arange(meta.responses)).reshape(-1))
        which = np.stack(picked)
        rows, mask = shifted.take(which.reshape(-1)).tensors(self.pad)
        rows, mask = (each.reshape(*which.shape, *each.shape[1:]) for each in (rows, mask))

        def spread(weights: Weights, rows: Tensor, mask: Tensor) -> Tensor:
            scores = pooled(self.body, weights, rows, mask) @ weights[HEAD].T
            return objectives.difference_loss(scores.T.reshape(scores.shape[1], -1, meta.responses)).mean(1).sum()

        spreads = self._each(spread, self.weights, rows, mask)
        gradients = torch.autograd.grad(spreads.sum(), list(self.weights.values()), allow_unused=True)
        return {
            name: (leaf.detach() if each is None else leaf.detach() + meta.rate * each).requires_grad_()
            for (name, leaf), each in zip(self.weights.items(), gradients, strict=True)
        }

    # ---- what came of it ---------------------------------------------------------------------------------------------

    def models(self) -> list[RewardModel]:
        """The members as they are now."""
        found = []
        for k, seed in enumerate(self.seeds):
            row, head = (0, k) if self.shared else (k, 0)
            weights = {n: w.detach()[row].clone() for n, w in self.weights.items() if n not in (HEAD, PROTOTYPES)}
            weights[HEAD] = self.weights[HEAD].detach()[row, head].clone()
            lineage = {**self.lineage, "seed": seed, "epochs": self.epoch}
            found.append(RewardModel(self.body, weights, lineage=lineage, pad=self.pad))
        return found

    def _measure(self) -> None:
        if not self.watch:
            return
        for seed, model in zip(self.seeds, self.models(), strict=True):
            for name, pairs in self.watch.items():
                slices = {"": np.ones(len(pairs), bool), **pairs.slices}
                for part, mask in slices.items():
                    told = {"epoch": self.epoch, "seed": seed, "set": name, "slice": part}
                    self.history.append({**told, **metrics(model, pairs.take(mask))})

    def _identity(self) -> str:
        watched = {name: [pairs.digest(), sorted(pairs.slices)] for name, pairs in self.watch.items()}
        return digest("reward-model-training", self.lineage, list(self.seeds), watched, self.pad)

    def _keep(self) -> None:
        """Write the state after an epoch: tensors first, the file that names them last."""
        from safetensors.torch import save_file

        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        tensors = {f"weight/{name}": each.detach() for name, each in self.weights.items()}
        for name, leaf in self.weights.items():
            for part, kept in self.adam.state.get(leaf, {}).items():
                tensors[f"adam/{part}/{name}"] = kept
        file = self.folder / f"epoch-{self.epoch}.safetensors"
        save_file({name: each.contiguous() for name, each in tensors.items()}, str(file))
        rows = [{k: None if isinstance(v, float) and math.isnan(v) else v for k, v in r.items()} for r in self.history]
        plain = {"identity": self._identity(), "epoch": self.epoch, "step": self.step, "history": rows}
        draft = self.folder / "training.json.part"
        draft.write_text(canonical(plain), encoding="utf-8")
        draft.replace(self.folder / "training.json")
        for old in self.folder.glob("epoch-*.safetensors"):
            if old != file:
                old.unlink(missing_ok=True)

    def _restore(self) -> None:
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        if self.folder is None or not (self.folder / "training.json").exists():
            return
        try:
            plain = json.loads((self.folder / "training.json").read_text(encoding="utf-8"))
            if plain["identity"] != self._identity():
                got = "it was of other labels, settings or seeds"
                raise RewardError(f"{self.folder.name} holds this training", got, "Give another folder")
            kept = load_file(self.folder / f"epoch-{plain['epoch']}.safetensors")
            with torch.no_grad():
                for name, leaf in self.weights.items():
                    leaf.copy_(kept[f"weight/{name}"])
                    parts = {part: kept[key].clone() for part in ADAM if (key := f"adam/{part}/{name}") in kept}
                    if parts:
                        self.adam.state[leaf] = parts
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise RewardError(f"{self.folder.name} holds a training", str(error)[:200], "Delete it") from None
        self.epoch, self.step = int(plain["epoch"]), int(plain["step"])
        self.history = [{k: math.nan if v is None else v for k, v in row.items()} for row in plain["history"]]


ADAM = ("step", "exp_avg", "exp_avg_sq")


def _contrastive(contrast: Contrast, weights: Weights, features: Tensor, copies: Tensor) -> Tensor:
    if contrast.diff:
        features, copies = (objectives.differences(*each.chunk(2)) for each in (features, copies))
    if contrast.kind == "simcse":
        return objectives.simcse(features, copies, contrast.tau).mean()
    return objectives.swav(features, copies, weights[PROTOTYPES], tau=contrast.tau).mean()


def _schedule(settings: Fit, step: int, steps: int) -> float:
    """The share of the learning rate at a step."""
    if step < settings.warmup:
        return (step + 1) / settings.warmup
    if settings.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * (step - settings.warmup) / max(steps - settings.warmup, 1)))
    if settings.schedule == "inverse_sqrt":
        return math.sqrt(max(settings.warmup, 1) / max(step, 1))
    return 1.0
