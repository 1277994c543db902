"""From preference data to a kept reward: encode, hold out, train members, standardise, combine, measure."""

from __future__ import annotations

import contextlib
import datetime
import json
import math
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from guerdon.core.errors import ConfigError, did_you_mean
from guerdon.core.intervals import wilson
from guerdon.core.plain import Json, canonical, digest
from guerdon.core.recipe import recipe
from guerdon.core.rng import stream
from guerdon.prefer.ensembles import Mode, combined, standardised, strength_by_folds
from guerdon.prefer.files import write
from guerdon.prefer.models import Backbone, Body, Vectors
from guerdon.prefer.pairs import Pairs
from guerdon.prefer.sets import PreferenceSet, key_of
from guerdon.prefer.training import Contrast, Fit, fit
from guerdon.rlhf.encoding import Encoder, Encoding, Pretrained, Words, flat, from_pretrained
from guerdon.rlhf.kept import KeptReward
from guerdon.train.tiny_nets import TinyGRU, TinyTransformer

Objective: TypeAlias = Literal["bt", "margin", "smoothed", "flip", "soft", "centred", "contrast", "contrast-diff"]
Told: TypeAlias = Callable[[int, int], None]
OBJECTIVES: tuple[str, ...] = get_args(Objective)
BY_STRENGTH = ("flip", "soft")
TRAINING = "training"
HELD_OUT = "held-out.jsonl"
FEW_PROMPTS = 100
"""With fewer prompts than these, pairs are held out by chance rather than by prompt."""


@dataclass(frozen=True, kw_only=True)
class RewardFit:
    """How a reward is learned from preferences. A 0 is what suits the backbone; see `settled`.

    Args:
        backbone: "tiny" or "tiny-gru" (trained from nothing over words of the data), "encoder:REF" (frozen sentence
            encoder with a perceptron), or REF, any transformers model; REF is a folder or hub id.
        members: reward models, which differ by seed; 5 for small ones, 1 for a transformers model.
        combine: mean, wco or uwo (arXiv 2310.02743).
        penalty: of uwo; 0.5 was published for best-of-n, 0.1 for PPO.
        objective: "bt", the logistic loss; "margin" (margins of the data, or measured strengths); "smoothed" labels;
            "flip" and "soft" change labels that other models contradict (arXiv 2401.06080); "centred" scores;
            "contrast" and "contrast-diff" add a SimCSE term.
        epochs: 3 for small ones, 1 for a transformers model.
        lr: 1e-3 for small ones, 1e-5 for a transformers model.
        batch: pairs of a step; 32 for small ones, 8 for a transformers model.
        holdout: share of prompts (of pairs, where there are fewer than 100 prompts) that are only measured on.
        longest: most tokens of a row; by default what nearly all rows need, at most 512 (tiny) or 1,024.
        smoothing: of "smoothed", and of contradicted pairs in "soft".
        share: of pairs that "flip" changes, the most contradicted ones.
        seed: of members, order and hold-out.
    """

    backbone: str = "tiny"
    members: int = 0
    combine: Mode = "uwo"
    penalty: float = 0.5
    objective: Objective = "bt"
    epochs: int = 0
    lr: float = 0.0
    batch: int = 0
    holdout: float = 0.1
    longest: int = 0
    smoothing: float = 0.1
    share: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise ConfigError("an objective", f"got {self.objective!r}", did_you_mean(self.objective, OBJECTIVES))
        if self.combine not in ("mean", "wco", "uwo"):
            raise ConfigError("combine is mean, wco or uwo", f"got {self.combine!r}", "Pick one of the three")
        if min(self.members, self.epochs, self.lr, self.batch, self.longest, self.penalty) < 0:
            raise ConfigError("counts and rates of at least 0", "one is below", "Leave it out for the default")
        if not (0 <= self.holdout < 1 and 0 <= self.smoothing <= 0.5 and 0 <= self.share <= 1):
            got = f"got {self.holdout}, {self.smoothing} and {self.share}"
            raise ConfigError("holdout below 1, smoothing up to 0.5, share up to 1", got, "Use 0.1 for each")

    @property
    def small(self) -> bool:
        """Whether members are small networks."""
        return self.backbone in ("tiny", "tiny-gru") or self.backbone.startswith("encoder:")

    def settled(self) -> RewardFit:
        """The same with every 0 replaced by its default, except `longest`."""
        usual = (5, 3, 1e-3, 32) if self.small else (1, 1, 1e-5, 8)
        members, epochs, lr, batch = usual
        return replace(
            self,
            members=self.members or members,
            epochs=self.epochs or epochs,
            lr=self.lr or lr,
            batch=self.batch or batch,
        )


@dataclass(frozen=True)
class FittedReward:
    """What came of it.

    Args:
        reward: kept in its folder.
        table: a row for each member and for all together: `who`, `accuracy` on held-out pairs with a 95 % Wilson
            interval `low` to `high` (`None` without such pairs), `pairs`, and `training`, the accuracy on the others.
        rows: how many pairs were learned from.
        held_out: how many were not.
        history: metrics after each epoch.
    """

    reward: KeptReward
    table: tuple[Mapping[str, Any], ...]
    rows: int
    held_out: int
    history: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)


def fit_reward(
    data: PreferenceSet,
    settings: RewardFit | None = None,
    folder: str | Path = "reward",
    *,
    fresh: bool = False,
    told: Told | None = None,
) -> FittedReward:
    """Learn a reward and keep it, with the held-out pairs in `held-out.jsonl` beside it.

    Called again after it was killed, it goes on from its last epoch.

    Args:
        data: preferences; those without a choice are left out, ties are half.
        settings: how.
        folder: where it is kept, and `training` in it while it is learned.
        fresh: begin anew even if the folder holds a training or a reward.
        told: is called with the steps done and all steps.

    Raises:
        ConfigError: there is nothing to learn from, or the folder holds something else.
    """
    settings, folder = (settings or RewardFit()).settled(), Path(folder)
    if int(data.decided.sum()) < 2:
        raise ConfigError("two or more pairs with a choice", f"got {int(data.decided.sum())}", "Give more data")
    _prepare(folder, digest("reward-fit", recipe(settings), canonical(list(data.rows()))), fresh)
    train, held = _parts(data, settings)
    encoding, body, start = _opened(settings, train)
    pairs, watched = (Pairs.of_set(part, encoding.rows, margins=True) for part in (train, held))
    seeds = tuple(range(settings.seed, settings.seed + settings.members))
    with _threads(1 if settings.small else 0):
        labelled, chosen = _labels(settings, body, pairs)
        made = fit(body, labelled, chosen, seeds, start=start, folder=folder / TRAINING, told=told)
    members = standardised(made.models, pairs.chosen + pairs.rejected)
    reward = KeptReward(members, encoding, settings.combine, settings.penalty)
    table = (*_table(reward, watched, pairs),)
    lineage = _lineage(settings, pairs, len(watched), table)
    reward = replace(reward, lineage=lineage).save(folder)
    if len(held):
        write(held, folder / HELD_OUT)
    shutil.rmtree(folder / TRAINING)
    return FittedReward(reward, table, len(pairs), len(watched), made.history)


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    """So many threads of torch, or as many as it has: small networks spend more on handing out work than on it."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _prepare(folder: Path, identity: str, fresh: bool) -> None:
    """Make the folder; refuse one that holds anything but this very training."""
    plan, kept = folder / TRAINING / "plan.json", folder / "reward.json"
    if fresh:
        shutil.rmtree(folder / TRAINING, ignore_errors=True)
        kept.unlink(missing_ok=True)
    if kept.is_file():
        raise ConfigError("a folder without a reward", f"{folder.name} holds one", "Name another, or add --fresh")
    if plan.is_file():
        if json.loads(plan.read_text(encoding="utf-8")).get("identity") != identity:
            got = f"{folder.name} holds a training with other data or settings"
            raise ConfigError("a training to go on with", got, "Give the same command, or add --fresh")
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not fresh:
        raise ConfigError("a new or empty folder", f"{folder.name} holds other things", "Name another")
    plan.parent.mkdir(parents=True, exist_ok=True)
    plan.write_text(canonical({"identity": identity}), encoding="utf-8")


def _parts(data: PreferenceSet, settings: RewardFit) -> tuple[PreferenceSet, PreferenceSet]:
    """Training and held-out rows; they share no prompt, unless there are too few prompts for that."""
    if not settings.holdout:
        return data, data.take(np.zeros(len(data), bool))
    if len(set(map(key_of, data.prompt))) < FEW_PROMPTS:
        held = stream(settings.seed, "reward-fit", "held out").random(len(data)) < settings.holdout
        return data.take(~held), data.take(held)
    parts = data.split({"train": 1 - settings.holdout, "held": settings.holdout}, settings.seed)
    if not parts["train"].decided.any():
        raise ConfigError("pairs to learn from", "all fell into the held-out part", "Set --holdout 0")
    return parts["train"], parts["held"]


def _opened(settings: RewardFit, train: PreferenceSet) -> tuple[Encoding, Body, Mapping[str, Any] | None]:
    """Encoding and body, by the name of the backbone; and weights that all members start from, if there are."""
    where = settings.backbone
    if where.startswith("encoder:"):
        encoder = Encoder.of(where.partition(":")[2], longest=settings.longest or 256)
        return encoder, Vectors(inputs=encoder.width), None
    if not settings.small:
        model = from_pretrained("AutoModel", where, use_safetensors=True, dtype="float32")
        most = int(getattr(model.config.get_text_config(), "max_position_embeddings", 1024))
        name = Path(where).name
        body = Backbone(model, name)
        return Pretrained.of(where, name=name, longest=min(settings.longest or 1024, most)), body, None
    texts = [flat(text) for column in (train.prompt, train.first, train.second) for text in column]
    words = Words.of(texts, longest=settings.longest or 512)
    if not settings.longest:
        words = replace(words, longest=_needed(words, train))
    if where == "tiny-gru":
        return words, TinyGRU(vocabulary=words.vocabulary), None
    return words, TinyTransformer(vocabulary=words.vocabulary, longest=words.longest), None


def _needed(words: Words, train: PreferenceSet) -> int:
    """Tokens that 99 of 100 rows do with, in steps of 16."""
    rows = words.rows([*train.prompt, *train.prompt], [*train.first, *train.second])
    return min(512, max(16, 16 * math.ceil(float(np.quantile(rows.lengths, 0.99)) / 16)))


def _labels(settings: RewardFit, body: Body, pairs: Pairs) -> tuple[Pairs, Fit]:
    """The pairs as the objective takes them, and the settings of their training."""
    chosen = Fit(epochs=settings.epochs, lr=settings.lr, batch=settings.batch)
    plain = pairs.with_margin(0.0)
    kind = settings.objective
    if kind == "centred":
        return plain, replace(chosen, centre=0.01)
    if kind.startswith("contrast"):
        return plain, replace(chosen, contrast=Contrast(diff=kind == "contrast-diff"))
    if kind == "smoothed":
        return plain.with_smoothing(settings.smoothing), chosen
    if kind == "margin" and np.any(pairs.margin):
        return pairs, chosen
    if kind == "bt":
        return plain, chosen
    mu = strength_by_folds(body, plain, chosen, folds=min(5, len(plain))).mean
    if kind == "margin":
        return plain.with_margin(mu), chosen
    if kind == "soft":
        return plain.with_smoothing(np.where(mu < 0, settings.smoothing, 0.0)), chosen
    rank = np.argsort(np.argsort(mu, kind="stable"), kind="stable")
    return plain.flipped(rank < round(settings.share * len(plain))), chosen


def _table(reward: KeptReward, held: Pairs, train: Pairs) -> list[dict[str, Any]]:
    """Accuracy by member, and of all together."""
    measured, seen = (_rights(reward, part) for part in (held, train))
    rows = []
    for who, (right, n) in measured.items():
        low, high = wilson(right, n) if n else (None, None)
        found, of = seen[who]
        shares = {"accuracy": right / n if n else None, "low": low, "high": high}
        rows.append({"who": who, **shares, "pairs": n, "training": found / of if of else None})
    return rows


def _rights(reward: KeptReward, pairs: Pairs) -> dict[str, tuple[float, int]]:
    """By member and for all: pairs that are ordered as labelled, equal scores counting half, of those without tie."""
    sides = []
    for rows in (pairs.chosen, pairs.rejected):
        told = [member.scores(rows) if len(rows) else np.zeros(0) for member in reward.members]
        sides.append({f"member {k}": each for k, each in enumerate(told)} if len(told) > 1 else {})
        sides[-1]["combined"] = combined(told, reward.mode, reward.penalty)
    found = {}
    for who, chosen in sides[0].items():
        gap = (chosen - sides[1][who])[pairs.smoothing != 0.5]
        found[who] = float((gap > 0).sum() + 0.5 * (gap == 0).sum()), len(gap)
    return found


def _lineage(settings: RewardFit, pairs: Pairs, held: int, table: tuple[Mapping[str, Any], ...]) -> dict[str, Json]:
    return {
        "labels": pairs.digest(),
        "pairs": len(pairs),
        "held_out": held,
        "fit": recipe(settings),
        "accuracy": [dict(row) for row in table],
        "versions": {name: _version(name) for name in ("guerdon", "torch", "transformers", "numpy")}
        | {"python": platform.python_version()},
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
