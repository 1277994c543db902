"""An encoding model for every subject of a folder: from its pictures to predictions that can be handed in."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from guerdon.systems.algonauts.encode import Encoder, by_layer, joined
from guerdon.systems.algonauts.features import Extractor, Pictures
from guerdon.systems.algonauts.layout import HEMISPHERES, Hemisphere, Split, Subject, subjects

EVERY = 10.0
"""Seconds between two lines of progress."""


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """Features of pictures, then a linear map to every vertex.

    Args:
        extractor: of features.
        encoder: from these to vertices.
        layers: all layers together, or for each region the one that cross-validation chooses.
        share: one penalty for each region instead of each vertex.
    """

    extractor: Extractor
    encoder: Encoder
    layers: Literal["all", "best"] = "all"
    share: bool = False

    def predict(self, root: Path, say: Callable[[str], None] = lambda text: None) -> dict[str, dict[str, Any]]:
        """Predictions (test images, vertices) by subject and hemisphere.

        Args:
            root: folder with subj01, subj02, ...
            say: told what is being done.

        Raises:
            ConfigError: files are missing, or do not fit each other.
        """
        return {subject.name: self._of(subject, say) for subject in subjects(root)}

    def _of(self, subject: Subject, say: Callable[[str], None]) -> dict[str, Any]:
        told: dict[str, Mapping[str, Any]] = {}
        splits: tuple[Split, ...] = get_args(Split)
        for split in splits:
            paths = subject.images(split)
            say(f"{subject.name}: features of {len(paths):,} {split} images")
            told[split] = Pictures(paths).features(self.extractor, _now_and_then(say))
        found: dict[str, Any] = {}
        for side in HEMISPHERES:
            say(f"{subject.name} {side}: a map to {subject.vertices(side):,} vertices")
            found[side] = self._side(subject, side, told, say)
        return found

    def _side(
        self, subject: Subject, side: Hemisphere, told: Mapping[str, Mapping[str, Any]], say: Callable[[str], None]
    ) -> Any:
        responses = subject.fmri_path("training", side)
        subject.fmri("training", side)  # says what is wrong with the file, if something is
        groups = regions_of(subject, side)
        if self.layers == "best":
            found = by_layer(self.encoder, told["training"], responses, groups)
            say(f"{subject.name} {side}: " + ", ".join(f"{name} from {layer}" for name, layer in found.chosen.items()))
            return found.predict(told["test"])
        fitted = self.encoder.fit(joined(told["training"]), responses, groups if self.share else None)
        return fitted.predict(joined(told["test"]))


def _now_and_then(say: Callable[[str], None]) -> Callable[[int, int], None]:
    started = last = time.monotonic()

    def told(done: int, of: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last > EVERY:
            last = now
            say(f"{done:,} of {of:,} images, {done / (now - started):.3g} a second")

    return told


def regions_of(subject: Subject, side: Hemisphere) -> list[str]:
    """A label for each vertex: its stream, else its visual region, else "rest"."""
    found = np.full(subject.vertices(side), "rest", dtype=object)
    told = subject.region_labels(side)
    for kind in ("prf-visualrois", "streams"):
        if kind in told:
            labels, names = told[kind]
            for label, name in names.items():
                if label:
                    found[labels == label] = name
    return [str(each) for each in found]
