"""Votes: who was compared with whom and what came out, as arrays; ratings, acquisition and checks take them."""

from __future__ import annotations

import math
import unicodedata
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

HEAVIEST = 1e6
"""The largest weight of one vote; whatever is heavier is a mistake in the data."""

POINTS: Mapping[Any, float] = MappingProxyType(
    {"first": 1.0, "left": 1.0, 1: 1.0, "second": 0.0, "right": 0.0, 0: 0.0}
    | {"tie": 0.5, "both-bad": 0.5, 0.5: 0.5, "skip": math.nan, None: math.nan}
)
"""What each outcome gives the first side; nan is no vote (it is counted as skipped)."""


@dataclass(frozen=True, eq=False)
class Votes:
    """m comparisons of n items. Sides are positions in `names`; points are 1 (first), 0.5 (tie) or 0 (second).

    Args:
        names: of the n items, each its own exact text.
        first: (m,) the item shown first.
        second: (m,) the item shown second; never the same.
        points: (m,) what the first side got.
        weight: (m,) of each vote, 0 to 1,000,000.
        annotator: (m,) a position in `annotators`; -1 where nobody is named.
        annotators: names of those who voted.
        features: (m, d) covariates, first side minus second (difference in length, say).
        labels: names of the d features.
        skipped: how many rows were no vote.

    >>> votes = Votes.of(["a", "b"], ["b", "c"], ["first", "tie"])
    >>> votes.names, votes.points.tolist()
    (('a', 'b', 'c'), [1.0, 0.5])
    """

    names: tuple[str, ...]
    first: Ints
    second: Ints
    points: Floats
    weight: Floats
    annotator: Ints
    annotators: tuple[str, ...] = ()
    features: Floats | None = None
    labels: tuple[str, ...] = ()
    skipped: int = 0

    @classmethod
    def of(
        cls,
        first: Sequence[str],
        second: Sequence[str],
        outcomes: Sequence[Any] | Floats,
        *,
        weights: npt.ArrayLike | None = None,
        annotators: Sequence[str] | None = None,
        features: Mapping[str, npt.ArrayLike] | None = None,
        names: Iterable[str] = (),
    ) -> Votes:
        """Votes from names and outcomes.

        Args:
            first: names of the first sides.
            second: names of the second sides.
            outcomes: keys of `POINTS`: first (left, 1), second (right, 0), tie (both-bad, 0.5), skip (None).
            weights: of the votes, 1 by default.
            annotators: who voted.
            features: covariates by name, first minus second.
            names: items that must be there even if nobody compared them; they come first.

        Raises:
            ConfigError: lengths differ, an outcome or weight is not usable, or an item meets itself.
        """
        count = len(first)
        _same_length(count, second=second, outcomes=outcomes, annotators=annotators)
        index, voters = _Numbered(), _Numbered()
        index.of(list(names))
        side = [index.of(each) for each in (first, second)]
        voter = None if annotators is None else voters.of(annotators)
        labels = tuple(features or {})
        columns = [np.asarray(each, float) for each in (features or {}).values()]
        _same_length(count, **dict(zip(labels, columns)))
        return cls.from_codes(
            tuple(index),
            side[0],
            side[1],
            _points(outcomes),
            weight=weights,
            annotator=voter,
            annotators=tuple(voters),
            features=_beside(columns) if columns else None,
            labels=labels,
        )

    @classmethod
    def from_codes(
        cls,
        names: Sequence[str],
        first: npt.ArrayLike,
        second: npt.ArrayLike,
        points: npt.ArrayLike,
        *,
        weight: npt.ArrayLike | None = None,
        annotator: npt.ArrayLike | None = None,
        annotators: Sequence[str] = (),
        features: Floats | None = None,
        labels: Sequence[str] = (),
    ) -> Votes:
        """Votes from positions and points; rows whose points are nan are dropped and counted.

        Raises:
            ConfigError: a position is not one of `names`, points are not 0, 0.5 or 1, a weight is negative, nan or
                above 1,000,000, a feature is not finite, a name is there twice, or an item meets itself.
        """
        if len(set(names)) != len(names):
            raise ConfigError("each item has a name of its own", "a name is there twice", "Rename one of them")
        one, two = np.asarray(first, np.int64), np.asarray(second, np.int64)
        got = np.asarray(points, float)
        heavy = np.broadcast_to(1.0, len(one)) if weight is None else np.asarray(weight, float)
        voter = np.broadcast_to(np.int64(-1), len(one)) if annotator is None else np.asarray(annotator, np.int64)
        _same_length(len(one), second=two, points=got, weights=heavy, annotators=voter, features=features)
        _check(one, two, got, heavy, names, features)
        skipped = np.isnan(got)
        if skipped.any():
            keep = ~skipped
            one, two, got, heavy, voter = one[keep], two[keep], got[keep], heavy[keep], voter[keep]
            features = None if features is None else features[keep]
        lost = int(skipped.sum())
        return cls(tuple(names), one, two, got, heavy, voter, tuple(annotators), features, tuple(labels), skipped=lost)

    def __len__(self) -> int:
        return len(self.first)

    def take(self, rows: npt.ArrayLike) -> Votes:
        """Some of the votes (a mask or positions); the items stay."""
        rows = np.asarray(rows)
        return replace(
            self,
            first=self.first[rows],
            second=self.second[rows],
            points=self.points[rows],
            weight=self.weight[rows],
            annotator=self.annotator[rows],
            features=None if self.features is None else self.features[rows],
        )

    def swapped(self) -> Votes:
        """The same votes with the sides exchanged."""
        return replace(
            self,
            first=self.second,
            second=self.first,
            points=1.0 - self.points,
            features=None if self.features is None else -self.features,
        )

    def once_each(self) -> Votes:
        """One vote of an annotator on a pair, whichever side was first: the last one given. Unnamed votes all stay."""
        low, high = np.minimum(self.first, self.second), np.maximum(self.first, self.second)
        key = (self.annotator * len(self.names) + low) * len(self.names) + high
        _, from_end = np.unique(key[::-1], return_index=True)
        last = np.zeros(len(self), bool)
        last[len(self) - 1 - from_end] = True
        return self.take(last | (self.annotator < 0))

    def capped(self, most: float) -> Votes:
        """The votes of each named annotator scaled down until they weigh at most `most` together."""
        if not most > 0:
            raise ConfigError("a cap is above 0", f"got {most!r}", "Say how many votes one annotator may weigh")
        named = self.annotator >= 0
        total = np.bincount(self.annotator[named], self.weight[named], minlength=max(len(self.annotators), 1))
        factor = np.minimum(1.0, most / np.maximum(total, 1e-300))
        return replace(self, weight=np.where(named, self.weight * factor[np.maximum(self.annotator, 0)], self.weight))

    def lookalikes(self) -> list[tuple[str, ...]]:
        """Names of different items that a reader may take for one: equal but for case, space or form of letters.

        >>> Votes.of(["gpt", "GPT "], ["x", "x"], [1, 1]).lookalikes()
        [('gpt', 'GPT ')]
        """
        groups: dict[str, list[str]] = {}
        for name in self.names:
            groups.setdefault("".join(unicodedata.normalize("NFKC", name).casefold().split()), []).append(name)
        return [tuple(group) for group in groups.values() if len(group) > 1]


class _Numbered(dict[str, int]):
    """Numbers names as they come, in one pass."""

    def __missing__(self, name: str) -> int:
        self[name] = number = len(self)
        return number

    def of(self, names: Sequence[str]) -> Ints:
        """The numbers of some names."""
        found = np.fromiter(map(self.__getitem__, names), np.int64, len(names))
        _all_text(list(self))
        return found


def _beside(columns: Sequence[Floats], rows: int = 4096) -> Floats:
    """(m, d) of d columns (m,), a few rows at a time, which stay near the processor."""
    found = np.empty((len(columns[0]), len(columns)))
    for first in range(0, len(found), rows):
        for k, column in enumerate(columns):
            found[first : first + rows, k] = column[first : first + rows]
    return found


def _points(outcomes: Any) -> Floats:
    if isinstance(outcomes, np.ndarray) and outcomes.dtype.kind == "f":
        return outcomes.astype(float)
    plain = _plain_points(outcomes)
    if plain is not None:
        return plain
    try:
        return np.fromiter(map(POINTS.__getitem__, outcomes), float, len(outcomes))
    except (KeyError, TypeError):
        row, bad = next((i, each) for i, each in enumerate(outcomes) if not _is_outcome(each))
        raise ConfigError(
            "an outcome is first, second, tie, both-bad or skip",
            f"row {row} has {bad!r:.80}",
            "Map it to one of these, or to 1, 0.5, 0",
        ) from None


def _plain_points(outcomes: Any, rows: int = 65_536) -> Floats | None:
    """The points of a list of the numbers 1, 0.5 and 0, a few rows at a time; `None` if anything else is in it."""
    if not (isinstance(outcomes, (list, tuple)) and len(outcomes) and isinstance(outcomes[0], (float, int))):
        return None
    found = np.empty(len(outcomes))
    for first in range(0, len(outcomes), rows):
        try:
            some = np.frombuffer(array("d", outcomes[first : first + rows]))  # refuses text, unlike numpy
        except (TypeError, OverflowError):
            return None
        if not ((some == 0) | (some == 0.5) | (some == 1)).all():
            return None
        found[first : first + len(some)] = some
    return found


def _is_outcome(value: Any) -> bool:
    try:
        return value in POINTS
    except TypeError:
        return False


def _same_length(count: int, **columns: Any) -> None:
    for name, column in columns.items():
        if column is not None and len(column) != count:
            raise ConfigError(
                f"{name} has a value for each of the {count} rows", f"got {len(column)}", "Pass columns of one length"
            )


def _all_text(names: Sequence[Any]) -> None:
    odd = next((name for name in names if not isinstance(name, str)), None)
    if odd is not None:
        raise ConfigError("names are text", f"got {odd!r:.80}", "Convert them with str")


def _check(
    first: Ints, second: Ints, points: Floats, weight: Floats, names: Sequence[str], features: Floats | None
) -> None:
    if len(first) and (min(first.min(), second.min()) < 0 or max(first.max(), second.max()) >= len(names)):
        raise ConfigError(f"positions are from 0 to {len(names) - 1}", "one lies outside", "Count from 0")
    same = np.flatnonzero(first == second)
    if len(same):
        who = names[int(first[same[0]])]
        raise ConfigError(
            "two different items are compared", f"row {same[0]} has {who!r} on both sides", "Remove such rows"
        )
    odd = np.flatnonzero(~((points == 0) | (points == 0.5) | (points == 1) | np.isnan(points)))
    if len(odd):
        raise ConfigError("points are 0, 0.5 or 1", f"row {odd[0]} has {points[odd[0]]}", "See Votes")
    odd = np.flatnonzero(~((weight >= 0) & (weight <= HEAVIEST)))
    if len(odd):
        raise ConfigError(
            f"a weight is a number from 0 to {HEAVIEST:,.0f}",
            f"row {odd[0]} has {weight[odd[0]]}",
            "Correct or remove the row",
        )
    if features is not None:
        rows = np.flatnonzero(~np.isfinite(features).all(axis=1))
        if len(rows):
            raise ConfigError("features are finite", f"row {rows[0]} has {features[rows[0]].tolist()}", "Fill them in")
