"""Labelled pairs as reward models learn from them: rows of the chosen and of the rejected answer, side by side."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.prefer.models import Rows

Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]
FIRST, SECOND, TIE = 1, 2, 0


class Preferences(Protocol):
    """A set of preferences in columns, such as `PreferenceSet`: choice is 1 (first), 2, 0 (tie) or -1 (unknown)."""

    @property
    def prompt(self) -> Any:
        """(n,) texts or messages."""

    @property
    def first(self) -> Any:
        """(n,) responses."""

    @property
    def second(self) -> Any:
        """(n,) the other responses."""

    @property
    def choice(self) -> Any:
        """(n,) codes."""

    @property
    def margin(self) -> Any:
        """(n,) nan where unknown."""

    @property
    def weight(self) -> Any:
        """(n,) of each row."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """n pairs of rows.

    Args:
        chosen: of the answers that were preferred; of a tie, either.
        rejected: of the others.
        smoothing: (n,) probability that the label is the other one; 0.5 is a tie.
        margin: (n,) subtracted from the difference of scores before the loss.
        weight: (n,) of each pair in the loss.
        slices: masks (n,) by name, for which metrics are given apart.
    """

    chosen: Rows
    rejected: Rows
    smoothing: Floats
    margin: Floats
    weight: Floats
    slices: Mapping[str, Bools] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        chosen: Rows,
        rejected: Rows,
        *,
        smoothing: npt.ArrayLike = 0.0,
        margin: npt.ArrayLike = 0.0,
        weight: npt.ArrayLike = 1.0,
        slices: Mapping[str, npt.ArrayLike] | None = None,
    ) -> Pairs:
        """Pairs from rows; a number stands for all pairs.

        Raises:
            ConfigError: lengths differ, or a number is out of range.
        """
        n = len(chosen)
        masks = {name: np.asarray(mask, bool) for name, mask in (slices or {}).items()}
        if len(rejected) != n or any(mask.shape != (n,) for mask in masks.values()):
            raise ConfigError(f"{n} rejected rows and masks", f"got {len(rejected)} rows", "Align them")
        smooth, gap, heavy = (
            np.broadcast_to(np.asarray(each, float), (n,)).copy() for each in (smoothing, margin, weight)
        )
        if not ((smooth >= 0) & (smooth <= 1) & np.isfinite(gap) & np.isfinite(heavy) & (heavy >= 0)).all():
            raise ConfigError("smoothing from 0 to 1, finite margins, weights of at least 0", "one is not", "Check")
        return cls(chosen, rejected, smooth, gap, heavy, masks)

    @classmethod
    def of_set(cls, preferences: Preferences, encode: Callable[[Any, Any], Rows], *, margins: bool = False) -> Pairs:
        """Pairs from a set of preferences; those without a choice are left out, ties keep their place.

        Args:
            preferences: in columns.
            encode: makes rows of a list of prompts and a list of responses.
            margins: use the set's margins, 0 where they are unknown.
        """
        choice = np.asarray(preferences.choice)
        known = np.flatnonzero(choice >= 0)
        turned = (choice == SECOND)[known].tolist()
        prompt = [preferences.prompt[k] for k in known]
        sides = [(preferences.first[k], preferences.second[k]) for k in known]
        chosen = encode(prompt, [b if turn else a for (a, b), turn in zip(sides, turned, strict=True)])
        rejected = encode(prompt, [a if turn else b for (a, b), turn in zip(sides, turned, strict=True)])
        return cls.of(
            chosen,
            rejected,
            smoothing=np.where(choice[known] == TIE, 0.5, 0.0),
            margin=np.nan_to_num(np.asarray(preferences.margin, float)[known]) if margins else 0.0,
            weight=np.asarray(preferences.weight, float)[known],
        )

    def __len__(self) -> int:
        return len(self.weight)

    def take(self, which: npt.ArrayLike) -> Pairs:
        """Some pairs, by a mask or by positions."""
        at = np.asarray(which)
        columns = (self.smoothing[at], self.margin[at], self.weight[at])
        slices = {name: mask[at] for name, mask in self.slices.items()}
        return Pairs(self.chosen.take(at), self.rejected.take(at), *columns, slices)

    def flipped(self, which: npt.ArrayLike) -> Pairs:
        """Other labels where the mask is true: sides change places, and a margin changes its sign."""
        mask = np.asarray(which, bool)
        both = self.chosen + self.rejected
        at = np.arange(len(self))
        first, second = np.where(mask, at + len(self), at), np.where(mask, at, at + len(self))
        margin = np.where(mask, -self.margin, self.margin)
        return replace(self, chosen=both.take(first), rejected=both.take(second), margin=margin)

    def with_margin(self, margin: npt.ArrayLike) -> Pairs:
        """The same pairs with these margins (n,)."""
        return Pairs.of(
            self.chosen, self.rejected, smoothing=self.smoothing, margin=margin, weight=self.weight, slices=self.slices
        )

    def with_smoothing(self, smoothing: npt.ArrayLike) -> Pairs:
        """The same pairs with these smoothings (n,); ties stay ties."""
        told = np.where(self.smoothing == 0.5, 0.5, np.asarray(smoothing, float))
        return Pairs.of(
            self.chosen, self.rejected, smoothing=told, margin=self.margin, weight=self.weight, slices=self.slices
        )

    def digest(self) -> str:
        """A name for this set of labels: rows, sides, smoothing, margins and weights."""
        made = hashlib.sha256((self.chosen.digest() + self.rejected.digest()).encode("ascii"))
        for column in (self.smoothing, self.margin, self.weight):
            made.update(column.astype(np.float64).tobytes())
        return made.hexdigest()[:32]
