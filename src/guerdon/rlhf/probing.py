"""What a frozen representation carries: linear probes with the rates they must beat, and distances to centroids.

    Published()(h, labels)   one epoch of AdamW from random weights, no bias, as MRMBench does (arXiv 2511.12464)
    Converged()(h, labels)   logistic regression on standardised features: what is encoded, whatever the scale of h
    Centroids.of({dimension: (h, labels)})   how far a new h is from what was validated: which dimension, and how sure

A probe's accuracy means nothing beside an unknown majority rate, so `ProbeScore` carries both. Numpy and scipy only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.core.intervals import wilson
from guerdon.core.rng import stream

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Metric: TypeAlias = Literal["euclidean", "mahalanobis"]
Z = 1.959963984540054
"""Normal quantile of a 95 % interval."""


@dataclass(frozen=True)
class Linear:
    """A linear classifier on `(h - mean) / sd`.

    Args:
        weights: (k, d), or (1, d) for two classes: positive logits are class 1.
        bias: as long as weights.
        mean: (d,) subtracted from features.
        sd: (d,) that they are divided by.
        lr: the learning rate that was chosen; nan where there was none to choose.
    """

    weights: Floats
    bias: Floats
    mean: Floats
    sd: Floats
    lr: float = math.nan

    def logits(self, features: npt.ArrayLike) -> Floats:
        """(n, k) of features (n, d); of two classes, 0 and the one logit."""
        made: Floats = (np.asarray(features, float) - self.mean) / self.sd @ self.weights.T + self.bias
        return np.concatenate([np.zeros_like(made), made], 1) if made.shape[1] == 1 else made

    def predict(self, features: npt.ArrayLike) -> Ints:
        """(n,) the likeliest class of features (n, d)."""
        found: Ints = self.logits(features).argmax(1)
        return found


@dataclass(frozen=True, kw_only=True)
class Published:
    """The probe of MRMBench: one epoch of AdamW on frozen h, a softmax (or, for two classes, a logistic) layer.

    Features are not scaled, weights start as a torch linear layer's do, and there is no bias. Each weight moves by
    about the sum of the rates, some 2e-3, whatever its gradient is: where h has coordinates of large scale they drown
    the rest, and in few dimensions the first weights decide. So it was published; `Converged` tells what is encoded.

    Args:
        lrs: learning rates, of which held-out samples choose; {5e-5, 2e-5, 1e-5} as published.
        batch: 128.
        epochs: 1.
        beta1: decay of the first moment.
        beta2: decay of the second.
        decay: decoupled weight decay.
        held_out: share of the samples that chooses the rate; the chosen one learns from all.
    """

    lrs: tuple[float, ...] = (5e-5, 2e-5, 1e-5)
    batch: int = 128
    epochs: int = 1
    beta1: float = 0.9
    beta2: float = 0.95
    decay: float = 0.1
    held_out: float = 0.1

    def __call__(self, features: npt.ArrayLike, labels: npt.ArrayLike, *, classes: int = 2, seed: int = 42) -> Linear:
        """Learn from features (n, d) and labels (n,), whole numbers below `classes`.

        Args:
            features: h of each sample.
            labels: of each sample.
            classes: k.
            seed: draws first weights, held-out samples and order; 42 (easy tasks) and 1234 (hard) were published.

        Raises:
            ConfigError: shapes or labels do not fit.
        """
        h, y = checked(features, labels, classes)
        chosen = self.lrs[0]
        if len(self.lrs) > 1:
            order = stream(seed, "probe", "held-out").permutation(len(y))
            cut = max(1, round(self.held_out * len(y)))
            test, train = order[:cut], order[cut:]
            right = [
                float((self._fit(h[train], y[train], classes, seed, lr).predict(h[test]) == y[test]).mean())
                for lr in self.lrs
            ]
            chosen = self.lrs[int(np.argmax(right))]
        return self._fit(h, y, classes, seed, chosen)

    def _fit(self, h: Floats, y: Ints, classes: int, seed: int, lr: float) -> Linear:
        rows = 1 if classes == 2 else classes
        bound = 1 / math.sqrt(h.shape[1])
        weights = stream(seed, "probe", "weights").uniform(-bound, bound, (rows, h.shape[1]))
        first, second = np.zeros_like(weights), np.zeros_like(weights)
        steps, t = self.epochs * math.ceil(len(y) / self.batch), 0
        for epoch in range(self.epochs):
            order = stream(seed, "probe", "order", epoch).permutation(len(y))
            for at in range(0, len(y), self.batch):
                some = order[at : at + self.batch]
                rate = lr * 0.5 * (1 + math.cos(math.pi * t / steps))
                t += 1
                gradient = _error(h[some] @ weights.T, y[some]).T @ h[some] / len(some)
                first = self.beta1 * first + (1 - self.beta1) * gradient
                second = self.beta2 * second + (1 - self.beta2) * gradient**2
                scaled = np.sqrt(second / (1 - self.beta2**t)) + 1e-8
                weights = weights * (1 - rate * self.decay) - rate * first / (1 - self.beta1**t) / scaled
        zeros, ones = np.zeros(h.shape[1]), np.ones(h.shape[1])
        return Linear(weights, np.zeros(rows), zeros, ones, lr)


@dataclass(frozen=True, kw_only=True)
class Converged:
    """Logistic regression on standardised features with a bias, run to its optimum.

    Minimises `C * sum cross-entropy + |W|^2 / 2` (the bias is free), as scikit-learn's `LogisticRegression` does.

    Args:
        c: C; larger is less regularised.
        most: iterations of L-BFGS.
    """

    c: float = 1.0
    most: int = 500

    def __call__(self, features: npt.ArrayLike, labels: npt.ArrayLike, *, classes: int = 2, seed: int = 0) -> Linear:
        """Learn from features (n, d) and labels (n,); nothing is drawn, the seed is there for symmetry.

        Raises:
            ConfigError: shapes or labels do not fit.
        """
        from scipy.optimize import minimize

        h, y = checked(features, labels, classes)
        mean, sd = h.mean(0), h.std(0)
        sd = np.where(sd > 1e-12, sd, 1.0)
        x = (h - mean) / sd
        rows, d = (1 if classes == 2 else classes), h.shape[1]

        def loss(flat: Floats) -> tuple[float, Floats]:
            weights, bias = flat[: rows * d].reshape(rows, d), flat[rows * d :]
            logits = x @ weights.T + bias
            error = _error(logits, y)
            gradient = np.concatenate([(self.c * error.T @ x + weights).ravel(), self.c * error.sum(0)])
            return self.c * _cross_entropy(logits, y) + 0.5 * float((weights**2).sum()), gradient

        # the loss is a sum over samples, so the tolerance on its gradient grows with them
        options = {"maxiter": self.most, "gtol": 1e-6 * max(1.0, self.c * len(y)), "ftol": 1e-12}
        found = minimize(loss, np.zeros(rows * (d + 1)), jac=True, method="L-BFGS-B", options=options).x
        return Linear(found[: rows * d].reshape(rows, d), found[rows * d :], mean, sd)


Probe: TypeAlias = Published | Converged


@dataclass(frozen=True)
class ProbeScore:
    """How a probe does on samples that it has not seen.

    Args:
        n: samples.
        accuracy: share that is right.
        low: lower end of its 95 % interval (Wilson).
        high: upper end.
        majority: share of the most frequent class: what saying always the same earns.
        balanced: mean over classes of the share that is right; chance is 1 / k whatever the classes' sizes.
        balanced_half: half the width of its 95 % interval (normal, classes independent).
        recalls: of each class; nan where there is no sample of it.
    """

    n: int
    accuracy: float
    low: float
    high: float
    majority: float
    balanced: float
    balanced_half: float
    recalls: tuple[float, ...]

    @property
    def degenerate(self) -> bool:
        """Whether it does no better than saying always the same: not above the majority, or one class never right."""
        return self.low <= self.majority or 0.0 in self.recalls


def score(predicted: npt.ArrayLike, labels: npt.ArrayLike, classes: int = 2) -> ProbeScore:
    """The score of predictions.

    Args:
        predicted: (n,) classes.
        labels: (n,) right ones.
        classes: k.

    Raises:
        ConfigError: there are none, lengths differ, or a label is out of range.

    >>> found = score([0, 0, 0, 1], [0, 0, 0, 0])
    >>> found.accuracy, found.majority, found.balanced
    (0.75, 1.0, 0.75)
    """
    said, y = np.asarray(predicted), np.asarray(labels)
    if said.shape != y.shape or y.ndim != 1 or not len(y) or not ((y >= 0) & (y < classes)).all():
        got = f"got {said.shape} and {y.shape}"
        raise ConfigError(f"predictions and labels below {classes}, one each for a sample", got, "Align them")
    right = said == y
    counts = np.bincount(y, minlength=classes)
    hits = np.bincount(y[right], minlength=classes)
    recalls = [hit / count if count else math.nan for hit, count in zip(hits, counts, strict=True)]
    there = [(share, count) for share, count in zip(recalls, counts, strict=True) if count]
    spread = math.sqrt(sum(share * (1 - share) / count for share, count in there)) / len(there)
    low, high = wilson(float(right.sum()), float(len(y)))
    balanced = float(np.mean([share for share, _ in there]))
    top = float(counts.max() / len(y))
    return ProbeScore(len(y), float(right.mean()), low, high, top, balanced, Z * spread, tuple(map(float, recalls)))


def probe(
    train: tuple[npt.ArrayLike, npt.ArrayLike],
    test: tuple[npt.ArrayLike, npt.ArrayLike],
    kind: Probe | None = None,
    *,
    classes: int = 2,
    seed: int = 42,
) -> ProbeScore:
    """Learn a probe from one part and score it on the other.

    Args:
        train: features (n, d) and labels (n,).
        test: the same, of other samples.
        kind: of the probe; `Converged()` by default.
        classes: k.
        seed: see `Published`.
    """
    fitted = (kind or Converged())(*train, classes=classes, seed=seed)
    return score(fitted.predict(test[0]), test[1], classes)


# ---- distances to centroids: inference-time probing ------------------------------------------------------------------


@dataclass(frozen=True)
class Centroids:
    """Centroids of validated samples, by dimension and label (arXiv 2511.12464, inference-time probing).

    Args:
        centres: (C, d).
        dimensions: of each centroid.
        labels: of each centroid.
        metric: "euclidean" (published), or "mahalanobis": by the covariance of the centroid's own label.
        roots: (C, d, d) such that `|root @ (h - c)|` is the distance; None for the Euclidean one.

    Distances of different models or layers cannot be compared: a threshold is a quantile of `nearest` on validation
    samples (`threshold`), never a figure taken from elsewhere.
    """

    centres: Floats
    dimensions: tuple[str, ...]
    labels: tuple[int, ...]
    metric: Metric = "euclidean"
    roots: Floats | None = None

    @classmethod
    def of(
        cls,
        samples: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]],
        *,
        clusters: int = 1,
        metric: Metric = "euclidean",
        shrink: float = 0.1,
        seed: int = 0,
    ) -> Centroids:
        """Centroids of validation samples.

        Args:
            samples: features (n, d) and labels (n,) by dimension.
            clusters: of each label, by k-means; the publication reads as one.
            metric: of the distance.
            shrink: share of the diagonal of the covariance that takes the place of the covariance; of Mahalanobis.
            seed: draws where k-means starts.

        Raises:
            ConfigError: there are no samples, or fewer of a label than clusters.
        """
        centres: list[Floats] = []
        names: list[tuple[str, int]] = []
        roots: list[Floats] = []
        for name, (features, labels) in samples.items():
            h, y = np.asarray(features, float), np.asarray(labels)
            if h.ndim != 2 or len(h) != len(y) or not len(y):
                raise ConfigError(f"features (n, d) and labels (n,) of {name}", f"got {h.shape}, {y.shape}", "Align")
            for label in np.unique(y).tolist():
                own = h[y == label]
                found = _clustered(own, clusters, stream(seed, "centroids", name, int(label)))
                centres += list(found)
                names += [(name, int(label))] * clusters
                if metric == "mahalanobis":
                    roots += [_root(own, shrink)] * clusters
        if not centres:
            raise ConfigError("samples of a dimension", "got none", "Give validation samples")
        stacked = np.stack(roots) if roots else None
        return cls(np.stack(centres), tuple(n for n, _ in names), tuple(k for _, k in names), metric, stacked)

    def distances(self, features: npt.ArrayLike) -> Floats:
        """(n, C) of features (n, d) to each centroid."""
        h = np.asarray(features, float)
        if h.ndim != 2 or h.shape[1] != self.centres.shape[1]:
            raise ConfigError(f"features (n, {self.centres.shape[1]})", f"got {h.shape}", "Use the same model")
        found = np.empty((len(h), len(self.centres)))
        for i, centre in enumerate(self.centres):
            gap = h - centre if self.roots is None else (h - centre) @ self.roots[i].T
            found[:, i] = np.linalg.norm(gap, axis=1)
        return found

    def nearest(self, features: npt.ArrayLike) -> Floats:
        """(n,) d_min: the distance to the nearest centroid of any dimension, large where the model is not sure."""
        found: Floats = self.distances(features).min(1)
        return found

    def relied_on(self, features: npt.ArrayLike) -> list[str]:
        """(n,) the dimension of the nearest centroid."""
        return [self.dimensions[i] for i in self.distances(features).argmin(1)]

    def threshold(self, features: npt.ArrayLike, quantile: float = 0.95) -> float:
        """d_tau: a quantile of d_min on validation samples (n, d).

        Raises:
            ConfigError: the quantile is not within 0 and 1.
        """
        if not 0 < quantile <= 1:
            raise ConfigError("a quantile above 0 and at most 1", f"got {quantile}", "Use 0.95, say")
        return float(np.quantile(self.nearest(features), quantile))


def checked(features: npt.ArrayLike, labels: npt.ArrayLike, classes: int) -> tuple[Floats, Ints]:
    """Features (n, d) and labels (n,) in double precision.

    Raises:
        ConfigError: shapes or labels do not fit, or a feature is not finite.
    """
    h, y = np.asarray(features, np.float64), np.asarray(labels)
    if h.ndim != 2 or y.shape != (len(h),) or not len(h) or y.dtype.kind not in "iub":
        got = f"got {h.shape} and {y.dtype} {y.shape}"
        raise ConfigError("features (n, d) and whole-number labels (n,)", got, "Give a row and a label per sample")
    if not np.isfinite(h).all():
        raise ConfigError("finite features", "got nan or infinity", "Extract them in bfloat16 or float32")
    if classes < 2 or not ((y >= 0) & (y < classes)).all():
        got = f"got {y.min()} to {y.max()}"
        raise ConfigError(f"labels from 0 to {classes - 1}, of at least 2 classes", got, "Set classes")
    return h, y.astype(np.int64)


def _error(logits: Floats, y: Ints) -> Floats:
    """(n, k) gradient of the cross-entropy by the logits; (n, 1) where there is one logit for two classes."""
    if logits.shape[1] == 1:
        made: Floats = 0.5 * (1 + np.tanh(logits / 2)) - y[:, None]
        return made
    made = np.exp(logits - logits.max(1, keepdims=True))
    made /= made.sum(1, keepdims=True)
    made[np.arange(len(y)), y] -= 1
    return made


def _cross_entropy(logits: Floats, y: Ints) -> float:
    """The sum over samples."""
    if logits.shape[1] == 1:
        return float(np.logaddexp(0, np.where(y == 1, -1, 1) * logits[:, 0]).sum())
    return float((np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(y)), y]).sum())


def _clustered(h: Floats, clusters: int, rng: Rng, rounds: int = 50) -> Floats:
    """(clusters, d) centres by k-means from k-means++ starts; the mean for one cluster."""
    if len(h) < clusters or clusters < 1:
        raise ConfigError(f"at least {clusters} samples of each label", f"got {len(h)}", "Lower clusters")
    if clusters == 1:
        middle: Floats = h.mean(0, keepdims=True)
        return middle
    centres: Floats = h[rng.integers(len(h), size=1)]
    while len(centres) < clusters:
        far = _squares(h, centres).min(1)
        share = far / far.sum() if far.sum() > 0 else np.full(len(h), 1 / len(h))
        centres = np.concatenate([centres, h[rng.choice(len(h), size=1, p=share)]])
    for _ in range(rounds):
        own = _squares(h, centres).argmin(1)
        moved = np.stack([h[own == i].mean(0) if (own == i).any() else centres[i] for i in range(clusters)])
        if np.array_equal(moved, centres):
            break
        centres = moved
    return centres


def _squares(h: Floats, centres: Floats) -> Floats:
    """(n, C) squared distances."""
    found: Floats = (h**2).sum(1)[:, None] - 2 * h @ centres.T + (centres**2).sum(1)
    return np.maximum(found, 0.0)


def _root(h: Floats, shrink: float) -> Any:
    """(d, d) A with `A.T @ A` the inverse of the covariance, shrunk towards its diagonal."""
    covariance = np.atleast_2d(np.cov(h, rowvar=False)) if len(h) > 1 else np.eye(h.shape[1])
    variances = np.diag(covariance)
    floor = max(float(variances.mean()), 1e-12) * 1e-6
    made = (1 - shrink) * covariance + shrink * np.diag(variances) + floor * np.eye(len(covariance))
    return np.linalg.inv(np.linalg.cholesky(made))
