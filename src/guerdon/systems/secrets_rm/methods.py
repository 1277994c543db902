"""What is done with the strength of preferences: flip, smooth, ask for a margin.

method = METHODS["flip 20 % + margin"];   method.pairs(pairs, mu)      for training here
                                          method.rows(preferences, mu)     for a cleaned file
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.prefer.pairs import Pairs
from guerdon.prefer.sets import PreferenceSet

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Method:
    """A use of the strengths mu of pairs (arXiv 2401.06080, section 3). Strengths are those before any flip.

    Args:
        flip: share of pairs of lowest strength whose label is flipped; a flipped pair's margin is -mu.
        margin: subtract `scale * mu` from the difference of scores; negative ones stay, as the formula says.
        soft: smoothing of the labels of pairs with mu < 0 ("soft label"); not published, ours is 0.3.
        smoothing: of all labels.
        scale: of margins; 1 takes the strength as it is, and the authors advise small margins (MOSS-RLHF issue 43).
        cap: of a margin's size.
    """

    flip: float = 0.0
    margin: bool = False
    soft: float = 0.0
    smoothing: float = 0.0
    scale: float = 1.0
    cap: float = math.inf

    def __post_init__(self) -> None:
        shares = (self.flip, self.soft, self.smoothing)
        if not all(0 <= each <= 1 for each in shares) or not self.cap >= 0:
            raise ConfigError("shares from 0 to 1, a cap of at least 0", f"got {shares} and {self.cap}", "Use 0.1")
        if self.soft and self.smoothing:
            raise ConfigError("soft labels or smoothing of all", "got both", "Set one to 0")

    def margins(self, mu: npt.ArrayLike) -> Floats:
        """(n,) margins of pairs as they are labelled."""
        found: Floats = np.clip(self.scale * np.asarray(mu, float), -self.cap, self.cap)
        return found if self.margin else np.zeros_like(found)

    def smoothings(self, mu: npt.ArrayLike) -> Floats:
        """(n,) probability that a label is the other one."""
        found: Floats = np.where(np.asarray(mu, float) < 0, self.soft, 0.0) + self.smoothing
        return found

    def pairs(self, pairs: Pairs, mu: npt.ArrayLike) -> Pairs:
        """Pairs as the method trains on them, all (n,) of them."""
        _check(len(pairs), mu)
        made = pairs.with_margin(self.margins(mu)).with_smoothing(self.smoothings(mu))
        return made.flipped(lowest(mu, self.flip))

    def rows(self, rows: PreferenceSet, mu: npt.ArrayLike) -> PreferenceSet:
        """The cleaned set: labels flipped, `margin` set, and a column `smoothing` where labels are soft."""
        _check(len(rows), mu)
        made = PreferenceSet.of(
            rows.prompt, rows.first, rows.second, rows.choice,
            margin=self.margins(mu) if self.margin else rows.margin, weight=rows.weight, annotator=rows.annotator,
            fault=rows.fault, columns=dict(rows.columns) | self._columns(mu),
        )  # fmt: skip
        return made.flipped(lowest(mu, self.flip))

    def _columns(self, mu: npt.ArrayLike) -> dict[str, npt.NDArray[np.float64] | list[bool]]:
        found: dict[str, npt.NDArray[np.float64] | list[bool]] = {}
        if self.soft or self.smoothing:
            found["smoothing"] = self.smoothings(mu)
        if self.flip:
            found["flipped"] = lowest(mu, self.flip).tolist()
        return found


METHODS: Mapping[str, Method] = {
    "baseline": Method(),
    "smoothing": Method(smoothing=0.1),
    "margin": Method(margin=True),
    "flip 10 %": Method(flip=0.1),
    "flip 20 %": Method(flip=0.2),
    "flip 20 % + margin": Method(flip=0.2, margin=True),
    "soft + margin": Method(soft=0.3, margin=True),
}
"""The named methods of the report, and plain smoothing."""
DENOISED = ("flip 10 %", "flip 20 %", "flip 20 % + margin", "soft + margin")


def lowest(mu: npt.ArrayLike, share: float) -> Bools:
    """(n,) true for the share of lowest strength; of equal ones, the first.

    >>> lowest([0.3, -1.0, 0.0, -2.0], 0.5).tolist()
    [False, True, False, True]
    """
    told = np.asarray(mu, float)
    found = np.zeros(len(told), bool)
    found[np.argsort(told, kind="stable")[: round(share * len(told))]] = True
    return found


def _check(n: int, mu: npt.ArrayLike) -> None:
    told = np.asarray(mu, float)
    if told.shape != (n,) or not np.isfinite(told).all():
        raise ConfigError(f"{n} finite strengths", f"got {told.shape}", "Measure the strength of these very pairs")
