"""The figures of a detector: AP and its kin, each with an interval over images, and the difference of two detectors.

figures(labels, detections, tree) -> Figures      AP, AP50, AP75, APs, APm, APl, AP_base, AP_novel, OVD
figures(...).minus(figures(...))                  paired: both are seen on the same resampled images
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream
from guerdon.vision.coco import Labels
from guerdon.vision.detections import Detections, Matches, Rules, match
from guerdon.vision.hierarchy import Tree, with_kinds
from guerdon.vision.precision import Precision, precision
from guerdon.vision.resampling import Interval, interval, resampled

Floats: TypeAlias = npt.NDArray[np.float64]
BASE_SHARE, NOVEL_SHARE = 0.25, 0.75
"""Weights of AP of base and novel categories in the score of open vocabulary."""
SIZES = {"APs": "small", "APm": "medium", "APl": "large"}
RULES = Rules(areas=("all", *SIZES.values()), most=300)
"""V3Det's: COCO's thresholds and sizes, 300 detections of an image and category."""


@dataclass(frozen=True, eq=False)
class Figures:
    """Figures of one detector, or of the difference of two.

    Args:
        values: by name, from 0 to 1 (differences from −1 to 1); `None` where no category has a truth that counts.
        drawn: (R,) the same on resampled images; empty for figures without an interval.
        images: how many were resampled.
        seed: that drew them.
        lowest: that a figure can be: 0, or −1 for a difference.
    """

    values: Mapping[str, float | None]
    drawn: Mapping[str, Floats]
    images: int
    seed: int
    lowest: float = 0.0

    def interval(self, name: str) -> Interval:
        """A figure and its 95 % interval.

        Raises:
            ConfigError: there is no such figure.
        """
        if name not in self.values:
            raise ConfigError(f"one of {', '.join(self.values)}", f"got {name!r}", "Name one of these")
        return interval(self.values[name], self.drawn.get(name, np.zeros(0)), (self.lowest, 1.0))

    def minus(self, other: Figures) -> Figures:
        """What this detector has more than another on the same labels; intervals are of the paired difference.

        Raises:
            ConfigError: the two were not resampled alike.
        """
        alike = all((name in other.drawn) and len(line) == len(other.drawn[name]) for name, line in self.drawn.items())
        if not alike or (self.images, self.seed) != (other.images, other.seed):
            got = f"got {self.images} images, seed {self.seed}, and {other.images}, seed {other.seed}"
            raise ConfigError("figures on the same resampled images", got, "Compute both with equal settings")
        values = {name: _less(value, other.values[name]) for name, value in self.values.items()}
        return Figures(values, {k: v - other.drawn[k] for k, v in self.drawn.items()}, self.images, self.seed, -1.0)

    def parts(self) -> dict[str, float]:
        """All that is known in one flat table: figures by name, their intervals as `<name>_low` and `<name>_high`."""
        found: dict[str, float] = {}
        for name in self.values:
            told = self.interval(name)
            ends = {name: told.value, f"{name}_low": told.low, f"{name}_high": told.high}
            found |= {key: value for key, value in ends.items() if value is not None}
        return found


def figures(
    labels: Labels,
    detections: Detections,
    tree: Tree | None = None,
    *,
    rules: Rules = RULES,
    resamples: int = 0,
    sizes: bool = False,
    seed: int = 0,
) -> Figures:
    """How good detections are, by V3Det's rules.

    Args:
        labels: the data set; its `novel` categories make `AP_novel` and `OVD`.
        detections: what was found in it.
        tree: of the categories; with it, kinds of what a label says are ignored rather than wrong.
        rules: of matching.
        resamples: R; without, there are no intervals.
        sizes: whether APs, APm and APl have intervals too, which cost as much again each.
        seed: draws the images of resamples.
    """
    matches = matched(labels, detections, tree, rules)
    told = precision(matches)
    masks = {"AP": np.ones(len(labels.categories), bool), "AP_base": ~labels.novel, "AP_novel": labels.novel}
    values = _values(told, rules, masks)
    drawn: dict[str, Floats] = {}
    if resamples:
        images = len(labels.images)
        lines = resampled(matches, stream(seed, "images"), list(masks.values()), images=images, resamples=resamples)
        drawn = {name: line.mean(0) for name, line in zip(masks, lines, strict=True)}
        drawn |= {name: lines[0, t] for name, t in _thresholds(rules).items()}
        drawn["OVD"] = BASE_SHARE * drawn["AP_base"] + NOVEL_SHARE * drawn["AP_novel"]
        for name, area in SIZES.items() if sizes else ():
            if area in rules.areas:
                at, rng = rules.areas.index(area), stream(seed, "images")
                whole = [masks["AP"]]
                drawn[name] = resampled(matches, rng, whole, images=images, resamples=resamples, area=at)[0].mean(0)
    return Figures(values, drawn, len(labels.images), seed)


def matched(labels: Labels, detections: Detections, tree: Tree | None = None, rules: Rules = RULES) -> Matches:
    """Detections matched with labels, kinds of a label's category ignored where there is a tree.

    Raises:
        ConfigError: the tree has other categories.
    """
    k = len(labels.categories)
    if tree is not None and len(tree) != k:
        raise ConfigError(f"a tree of {k} categories", f"got one of {len(tree)}", "Read it with the same labels")
    truths = labels.truths if tree is None else with_kinds(labels.truths, detections, tree)
    return match(truths, detections, k, rules)


def open_vocabulary(base: float | None, novel: float | None) -> float | None:
    """(AP_base + 3 AP_novel) / 4, or `None` where one is not known (V3Det Challenge 2024, arXiv 2406.11739).

    >>> open_vocabulary(0.286, 0.030)
    0.094
    """
    return None if base is None or novel is None else BASE_SHARE * base + NOVEL_SHARE * novel


def _values(told: Precision, rules: Rules, masks: Mapping[str, npt.NDArray[np.bool_]]) -> dict[str, float | None]:
    values = {name: told.mean(mask) for name, mask in masks.items()}
    values |= {name: told.mean(threshold=t) for name, t in _thresholds(rules).items()}
    for name, area in SIZES.items():
        if area in rules.areas:
            values[name] = told.mean(area=rules.areas.index(area))
    values["OVD"] = open_vocabulary(values["AP_base"], values["AP_novel"])
    return values


def _thresholds(rules: Rules) -> dict[str, int]:
    names = {round(100 * each): t for t, each in enumerate(rules.thresholds)}
    return {f"AP{percent}": names[percent] for percent in (50, 75) if percent in names}


def _less(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other
