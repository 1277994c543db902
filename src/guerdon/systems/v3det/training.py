"""What the baselines of both tracks train with: sampling of rare classes, classifier heads, losses.

Formulas and constants are those of the authors' configurations (V3Det/mmdetection-V3Det, V3Det/Detectron2-V3Det).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.vision.coco import Labels

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
RARE = 1e-3
"""Share of images below which a category is sampled more often."""
TEMPERATURE = 50.0
OPEN_BIAS = -4.6
"""Of the open-vocabulary classifier: about 1 % for everything."""


def repeat_factors(labels: Labels, rare: float = RARE) -> Floats:
    """(n,) how often each image is to be seen in an epoch: r = max(1, √(t / f)), the highest of its categories'.

    Args:
        labels: f is the share of images that have a category.
        rare: t.
    """
    share = labels.frequencies / max(len(labels.images), 1)
    factor = np.maximum(1.0, np.sqrt(rare / np.maximum(share, 1e-12)))
    found = np.ones(len(labels.images))
    np.maximum.at(found, labels.truths.image, factor[labels.truths.category])
    return found


def epoch(factors: npt.ArrayLike, rng: Rng) -> Ints:
    """Indices of an epoch, in a random order: each as often as its factor says, fractions by chance."""
    wanted = np.asarray(factors, float)
    whole = np.floor(wanted)
    times = whole + (rng.random(len(wanted)) < wanted - whole)
    found: Ints = rng.permutation(np.repeat(np.arange(len(wanted)), times.astype(np.int64)))
    return found


def jittered(boxes: npt.ArrayLike, rng: Rng, *, overlap: float = 0.7, share: float = 0.01) -> Floats:
    """(n, 4) boxes of one image, moved a little where one covers an earlier one, so that each label gets proposals.

    Args:
        boxes: (n, 4) x, y, width, height.
        rng: moves them.
        overlap: intersection over union above which the later box is moved.
        share: of its width and height, by which each side is moved at most.
    """
    from guerdon.vision.detections import overlaps

    found = np.array(boxes, float).reshape(-1, 4)
    n = len(found)
    one, two = np.triu_indices(n, 1)
    close = overlaps(found[two], found[one], np.zeros(len(one), bool)) > overlap
    moved = np.unique(two[close])
    found[moved] += rng.uniform(-share, share, (len(moved), 4)) * np.tile(found[moved, 2:], 2)
    return found


def cosine_head(width: int, categories: int, *, temperature: float = TEMPERATURE, prior: float = 0.01) -> Any:
    """A linear layer on cosines, one independent sigmoid for each category: logits = τ cos(x, w) + b.

    Args:
        width: of features.
        categories: K.
        temperature: τ.
        prior: probability that the bias starts from.
    """
    import torch

    class CosineHead(torch.nn.Module):  # type: ignore[misc]
        """(n, width) to logits (n, K)."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.randn(categories, width) * 0.01)
            self.bias = torch.nn.Parameter(torch.full((categories,), math.log(prior / (1 - prior))))

        def forward(self, x: Any) -> Any:
            unit = torch.nn.functional.normalize
            return temperature * unit(x, dim=-1) @ unit(self.weight, dim=-1).T + self.bias

    return CosineHead()


def text_head(vectors: npt.ArrayLike, width: int, *, temperature: float = TEMPERATURE, bias: float = OPEN_BIAS) -> Any:
    """Detic's classifier: features are projected and compared with frozen vectors of names.

    Args:
        vectors: (K, e) of the categories' names; those of other categories may be put in later, as `vectors`.
        width: of features.
        temperature: of the cosines.
        bias: that starts where nearly nothing is sure.
    """
    import torch

    frozen = torch.as_tensor(np.asarray(vectors, np.float32))

    class TextHead(torch.nn.Module):  # type: ignore[misc]
        """(n, width) to logits (n, K)."""

        def __init__(self) -> None:
            super().__init__()
            self.project = torch.nn.Linear(width, frozen.shape[1])
            self.bias = torch.nn.Parameter(torch.tensor(float(bias)))
            self.register_buffer("vectors", frozen)

        def forward(self, x: Any) -> Any:
            unit = torch.nn.functional.normalize
            return temperature * unit(self.project(x), dim=-1) @ unit(self.vectors, dim=-1).T + self.bias

    return TextHead()


def sigmoid_loss(logits: Any, category: Any, weight: Any = None) -> Any:
    """Binary cross-entropy of all categories, summed over them and averaged over rows; category −1 is the ground.

    Args:
        logits: (n, K).
        category: (n,) integers.
        weight: (K,) of categories; 0 leaves one out, as novel ones are.
    """
    import torch

    target = torch.zeros_like(logits)
    there = category >= 0
    target[there, category[there]] = 1.0
    each = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (each if weight is None else each * weight).sum(-1).mean()


def max_size_loss(logits: Any, boxes: Any, categories: Any) -> Any:
    """Detic's loss for an image of which only the labels are known: its largest proposal is classified as them.

    Args:
        logits: (r, K) of an image's proposals.
        boxes: (r, 4) x, y, width, height.
        categories: (c,) that the image is labelled with.

    Raises:
        ConfigError: there is no proposal.
    """
    import torch

    if not len(boxes):
        raise ConfigError("a proposal", "got none", "Leave the image out")
    largest = (boxes[:, 2] * boxes[:, 3]).argmax()
    target = torch.zeros_like(logits[largest])
    target[categories] = 1.0
    return torch.nn.functional.binary_cross_entropy_with_logits(logits[largest], target, reduction="sum")
