"""Twelve reward models of one architecture in the tiny text world, and what their representations carry."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.rng import stream
from guerdon.prefer.models import RewardModel, Rows
from guerdon.prefer.pairs import Pairs
from guerdon.prefer.training import Fit, fit
from guerdon.rlhf.desk import Desk
from guerdon.rlhf.probing import Centroids, Converged, Metric, probe
from guerdon.systems.mrmbench.tasks import cuts, labelled
from guerdon.train.sampling import Drawn
from guerdon.train.tiny import Sft
from guerdon.worlds.tiny_text import DIMENSIONS, LONGEST, VOCABULARY

Tensor: TypeAlias = Any
Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]
FIT = Fit(epochs=6, batch=64, lr=3e-3)


@dataclass(frozen=True, kw_only=True)
class WordPairs:
    """A body that adds up a vector for each token, its place and each two neighbours, then two ReLU layers.

    Args:
        vocabulary: number of ids.
        inner: units of the first layer.
        width: of the representation.
        longest: most tokens of a row.
    """

    vocabulary: int = len(VOCABULARY)
    inner: int = 64
    width: int = 16
    longest: int = LONGEST + 3
    batched = True

    def initial(self, generator: Any) -> dict[str, Any]:
        """Fresh weights."""
        import torch

        v, h = self.vocabulary, self.inner
        return {
            "word": torch.randn(v, h, generator=generator) * 0.1,
            "pair": torch.randn(v * v, h, generator=generator) * 0.1,
            "place": torch.randn(self.longest, h, generator=generator) * 0.1,
            "bias": torch.zeros(h),
            "layer": (torch.rand(self.width, h, generator=generator) * 2 - 1) / math.sqrt(h),
            "layer_bias": torch.zeros(self.width),
        }

    def hidden(self, weights: Mapping[str, Tensor], rows: Tensor, mask: Tensor, drop: Any = None) -> Tensor:
        """`(B, T, width)`: the same for every token of a row."""
        from torch.nn import functional as f

        there = mask.to(weights["word"].dtype)[..., None]
        pairs = rows[..., :-1] * self.vocabulary + rows[..., 1:]
        x = ((f.embedding(rows, weights["word"]) + weights["place"][: rows.shape[-1]]) * there).sum(-2)
        x = x + (f.embedding(pairs, weights["pair"]) * there[..., 1:, :]).sum(-2)
        x = f.relu((drop(x) if drop else x) + weights["bias"])
        x = f.relu(f.linear(x, weights["layer"], weights["layer_bias"]))
        return x[..., None, :].expand(*rows.shape, self.width)


@dataclass(frozen=True)
class Kind:
    """How a reward model was trained.

    Args:
        pairs: how many; 0 for none.
        noise: share of wrong labels.
        dimensions: whose weighted sum labelled the pairs.
    """

    pairs: int = 8_000
    noise: float = 0.0
    dimensions: tuple[str, ...] = DIMENSIONS


KINDS: Mapping[str, Kind] = {
    "500 pairs": Kind(500),
    "2000 pairs": Kind(2_000),
    "8000 pairs": Kind(),
    "noise 0.25": Kind(noise=0.25),
    "noise 0.4": Kind(noise=0.4),
    **{f"{name} only": Kind(dimensions=(name,)) for name in DIMENSIONS},
    "three dimensions": Kind(dimensions=DIMENSIONS[:3]),
    "untrained": Kind(0),
}


@dataclass(frozen=True)
class Study:
    """One world with its reward models, probing tasks and pool of answers.

    Args:
        seed: of everything.
        pairs: most that a reward model learns from.
        probes: samples of the probing tasks, a quarter of them for the test.
        prompts: of the pool.
        n: answers to each.
        width: of representations.
        demonstrations: that the policy learns from.
    """

    seed: int
    pairs: int = 8_000
    probes: int = 6_000
    prompts: int = 256
    n: int = 32
    width: int = 16
    demonstrations: int = 4_000

    @cached_property
    def desk(self) -> Desk:
        """The world and its policy."""
        return Desk.make(self.seed, demonstrations=self.demonstrations, sft=Sft(epochs=4), width=48)

    @cached_property
    def answers(self) -> tuple[Rows, Floats, Rows, Floats]:
        """Two answers to each prompt that reward models learn from, as rows, with their five dimensions."""
        asked = self.desk.prompts(self.pairs, "mrmbench", "pairs")
        sides = [self.desk.draw(asked, "mrmbench", side) for side in ("first", "second")]
        one, two = ((self.desk.rows(asked, each), self.desk.world.dimensions(asked, each.ids)) for each in sides)
        return *one, *two

    def labels(self, kind: Kind) -> Pairs:
        """The pairs of one kind of reward model; those that are equal by its dimensions are ties."""
        first, one, second, two = self.answers
        n = min(kind.pairs, self.pairs)
        share = np.array([name in kind.dimensions for name in DIMENSIONS]) * self.desk.world.weights
        gap = ((one - two) @ share)[:n]
        pairs = Pairs.of(first.take(np.arange(n)), second.take(np.arange(n)), smoothing=np.where(gap == 0, 0.5, 0.0))
        wrong = stream(self.seed, "mrmbench", "noise").random(n) < kind.noise
        return pairs.flipped((gap < 0) ^ wrong)

    def model(self, name: str, settings: Fit = FIT) -> RewardModel:
        """A reward model of one of `KINDS`; all start from the same weights."""
        body, kind = WordPairs(width=self.width), KINDS[name]
        if not kind.pairs:
            return RewardModel.new(body, self.seed)
        return fit(body, self.labels(kind), settings, seeds=(self.seed,)).models[0]

    @cached_property
    def models(self) -> dict[str, RewardModel]:
        """All twelve."""
        return {name: self.model(name) for name in KINDS}

    @cached_property
    def tasks(self) -> dict[str, tuple[Rows, npt.NDArray[np.int64]]]:
        """Samples and labels of each dimension: cut nearest to the median, then balanced by leaving some out."""
        asked = self.desk.prompts(self.probes, "mrmbench", "probes")
        drawn = self.desk.draw(asked, "mrmbench", "probes")
        rows, values = self.desk.rows(asked, drawn), self.desk.world.dimensions(asked, drawn.ids)
        made = {}
        for k, name in enumerate(DIMENSIONS):
            labels = labelled(values[:, k], cuts(values[:, k], 2))
            kept = balanced(labels, stream(self.seed, "mrmbench", "balance", name))
            made[name] = (rows.take(kept), labels[kept])
        return made

    def probe(self, model: RewardModel) -> dict[str, float]:
        """Accuracy of the converged probe in each dimension."""
        return {name: self._probe(model, rows, labels) for name, (rows, labels) in self.tasks.items()}

    def _probe(self, model: RewardModel, rows: Rows, labels: npt.NDArray[np.int64]) -> float:
        cut = len(labels) * 3 // 4
        h = model.features(rows)
        return probe((h[:cut], labels[:cut]), (h[cut:], labels[cut:]), Converged()).accuracy

    @cached_property
    def pool(self) -> tuple[Rows, Floats]:
        """`prompts * n` answers of the policy, with their dimensions and gold reward (.., 6), standardised."""
        asked = np.repeat(self.desk.prompts(self.prompts, "mrmbench", "pool"), self.n, 0)
        drawn = self.desk.draw(asked, "mrmbench", "pool")
        values = self.desk.world.dimensions(asked, drawn.ids)
        values = np.concatenate([values, self.desk.gold(asked, drawn)[:, None]], 1)
        return self.desk.rows(asked, drawn), (values - values.mean(0)) / values.std(0)

    def gains(self, model: RewardModel) -> Floats:
        """(6,) what the best of n by a model has more than the mean answer: each dimension, then the gold reward."""
        rows, values = self.pool
        best = model.raw(rows).reshape(self.prompts, self.n).argmax(1)
        found: Floats = values.reshape(self.prompts, self.n, -1)[np.arange(self.prompts), best].mean(0)
        return found

    # ---- confidence --------------------------------------------------------------------------------------------------

    def centroids(self, model: RewardModel, metric: Metric = "euclidean") -> Centroids:
        """Of each dimension and label, in the representation of a model."""
        return Centroids.of(
            {name: (model.features(rows), labels) for name, (rows, labels) in self.tasks.items()}, metric=metric
        )

    def threshold(self, model: RewardModel, centroids: Centroids, quantile: float) -> float:
        """A quantile of d_min over the validation samples of all dimensions."""
        h = np.concatenate([model.features(rows) for rows, _ in self.tasks.values()])
        return centroids.threshold(h, quantile)

    def shifted(self, n: int) -> tuple[Pairs, Bools, Floats]:
        """Pairs with true labels, half of them of answers unlike those of the policy, gaps of gold reward matched.

        Half of the shifted pairs are drawn at temperature 2.5, half are the policy's answers with their words in
        another order; both answers of a pair come from one source.

        Args:
            n: pairs of each half before they are matched.

        Returns:
            The pairs, which are shifted, and the gap of gold reward of each, at least 0.
        """
        asked = self.desk.prompts(2 * n, "mrmbench", "shift")
        rng = stream(self.seed, "mrmbench", "shift", "order")
        sides = []
        for side in ("first", "second"):
            usual = self.desk.draw(asked, "mrmbench", "shift", side)
            hot = self.desk.draw(asked, "mrmbench", "hot", side, temperature=2.5)
            mixed = shuffled(usual, rng)
            place = np.arange(2 * n)
            which = np.where(place < n, 0, np.where(place % 2, 1, 2))
            ids = np.select([(which == k)[:, None] for k in range(3)], [usual.ids, hot.ids, mixed.ids])
            lengths = np.select([which == k for k in range(3)], [usual.lengths, hot.lengths, mixed.lengths])
            sides.append(Drawn(ids, lengths, np.zeros(ids.shape, np.float32)))
        gap = self.desk.gold(asked, sides[0]) - self.desk.gold(asked, sides[1])
        odd = np.arange(2 * n) >= n
        kept = matched(np.abs(gap), odd)
        pairs = Pairs.of(*(self.desk.rows(asked, each) for each in sides)).flipped(gap < 0)
        return pairs.take(kept), odd[kept], np.abs(gap)[kept]

    def trust(self, model: RewardModel, metric: Metric | None, n: int = 2_000) -> dict[str, float]:
        """Accuracy of a model on the pairs that are kept when a quarter of them is dropped.

        Args:
            model: whose rewards are in question.
            metric: those of largest d_min are dropped, of a pair's answers the farther; None drops at random.
            n: pairs of the policy's answers, and of others, before they are matched.
        """
        pairs, odd, gap = self.shifted(n)
        far = stream(self.seed, "mrmbench", "drop").random(len(pairs))
        if metric:
            centroids = self.centroids(model, metric)
            far = np.maximum(*(centroids.nearest(model.features(rows)) for rows in (pairs.chosen, pairs.rejected)))
        right = (model.raw(pairs.chosen) > model.raw(pairs.rejected)).astype(float)
        kept = far <= np.quantile(far, 0.75)
        equal = matched(gap, ~kept)
        alike, out = right[equal], ~kept[equal]
        return {
            "accuracy kept": float(right[kept].mean()),
            "accuracy dropped": float(right[~kept].mean()),
            "kept less dropped, equal gaps": float(alike[~out].mean() - alike[out].mean()),
            "accuracy": float(right.mean()),
            "accuracy usual": float(right[~odd].mean()),
            "accuracy shifted": float(right[odd].mean()),
            "shifted told apart": auroc(far, odd),
        }

    # ---- the study of correlations -----------------------------------------------------------------------------------

    def measures(self) -> dict[str, float]:
        """What the claims are about."""
        names = list(self.models)
        probes = np.array([list(self.probe(model).values()) for model in self.models.values()])
        gains = np.array([self.gains(model) for model in self.models.values()])
        single = [names.index(f"{name} only") for name in DIMENSIONS]
        margins = [probes[at, k] - np.delete(probes[:, k], at).max() for k, at in enumerate(single)]
        means = dict(zip(names, probes.mean(1).tolist(), strict=True))
        each = [correlation(probes[:, k], gains[:, k]) for k in range(len(DIMENSIONS))]
        centred = [(x - x.mean(0)).ravel() for x in (probes, gains[:, :-1])]
        return {
            "dimensions won by their own model": float(sum(margin > 0 for margin in margins)),
            "pooled correlation": correlation(*centred),
            "mean probe with total gain": correlation(probes.mean(1), gains[:, -1]),
            "mean probe, noise 0 less 0.25": means["8000 pairs"] - means["noise 0.25"],
            "mean probe, noise 0.25 less 0.4": means["noise 0.25"] - means["noise 0.4"],
            "mean probe, trained less untrained": means["8000 pairs"] - means["untrained"],
            "dimensions won by one model": _most_wins(probes),
            **{f"mean probe of {name}": value for name, value in means.items()},
            **{f"correlation in {name}": value for name, value in zip(DIMENSIONS, each, strict=True)},
            **{f"margin in {name}": float(value) for name, value in zip(DIMENSIONS, margins, strict=True)},
        }


def _most_wins(probes: Floats) -> float:
    """In how many dimensions the model with most of them is the best."""
    return float(np.bincount(probes.argmax(0)).max())


def balanced(labels: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Positions, in a drawn order, of equally many samples of each label."""
    each = [rng.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)]
    fewest = min(map(len, each))
    found: npt.NDArray[np.int64] = rng.permutation(np.concatenate([some[:fewest] for some in each]))
    return found


def shuffled(drawn: Drawn, rng: np.random.Generator) -> Drawn:
    """The same answers with the tokens before END in another order."""
    n, longest = drawn.ids.shape
    keys = rng.random((n, longest))
    over = np.arange(longest) >= drawn.lengths[:, None] - 1
    keys[over] = 1 + np.broadcast_to(np.arange(longest), (n, longest))[over]
    return Drawn(np.take_along_axis(drawn.ids, keys.argsort(1), 1), drawn.lengths, drawn.logprobs)


def matched(gaps: Floats, odd: Bools, bins: int = 20) -> npt.NDArray[np.int64]:
    """Positions of as many odd as other pairs in each of some equal bins of gaps; the first ones of each."""
    edges = np.quantile(gaps, np.linspace(0, 1, bins + 1)[1:-1])
    place = np.searchsorted(edges, gaps)
    kept = []
    for k in range(bins):
        sides = [np.flatnonzero((place == k) & (odd == which)) for which in (False, True)]
        fewest = min(map(len, sides))
        kept += [some[:fewest] for some in sides]
    return np.sort(np.concatenate(kept)).astype(np.int64)


def auroc(scores: Floats, positive: Bools) -> float:
    """Probability that a positive scores higher than another, ties counting half; nan without both."""
    from scipy.stats import rankdata

    n, m = int(positive.sum()), int((~positive).sum())
    if not n * m:
        return math.nan
    return float((rankdata(scores)[positive].sum() - n * (n + 1) / 2) / (n * m))


def correlation(x: Floats, y: Floats) -> float:
    """Pearson's r; nan where one does not vary."""
    if not (np.std(x) > 0 and np.std(y) > 0):
        return math.nan
    return float(np.corrcoef(x, y)[0, 1])
