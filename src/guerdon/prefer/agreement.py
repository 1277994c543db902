"""How well annotators agree with each other, with a key, and with a pool: coefficients on a table of labels.

A table has a row for each item and a column for each annotator. Labels are numbers, texts or `None`; `None`, nan and
"skip" mean that the annotator did not label the item, and everything here copes with such holes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.core.intervals import wilson
from guerdon.prefer.votes import Bools, Floats, Ints

Level = Literal["nominal", "ordinal", "interval", "ratio"]
Weights = Literal["linear", "quadratic"]


@dataclass(frozen=True, eq=False)
class Labels:
    """A table of labels as codes.

    Args:
        codes: (items, annotators) positions in `classes`; -1 where there is no label.
        classes: the different labels, sorted (numbers by size, else texts by letters).
    """

    codes: Ints
    classes: tuple[Any, ...]

    @classmethod
    def of(cls, table: Any) -> Labels:
        """A table as rows of labels; an array with nan for holes also does.

        Raises:
            ConfigError: rows differ in length, or labels are neither numbers nor texts, or both.

        >>> Labels.of([["a", "b"], ["a", None]]).codes.tolist()
        [[0, 1], [0, -1]]
        """
        rows = [list(row) for row in table]
        width = len(rows[0]) if rows else 0
        odd = next((i for i, row in enumerate(rows) if len(row) != width), None)
        if odd is not None:
            raise ConfigError(
                f"every item has {width} labels or holes", f"row {odd} has {len(rows[odd])}", "Fill up with None"
            )
        flat = [_plain(value) for row in rows for value in row]
        known = {value for value in flat if value is not None}
        if len({isinstance(value, str) for value in known}) > 1:
            raise ConfigError("labels are all numbers or all texts", "there are both", "Convert them")
        classes = tuple(sorted(known))
        index = {value: k for k, value in enumerate(classes)}
        codes = np.array([-1 if value is None else index[value] for value in flat], np.int64)
        return cls(codes.reshape(len(rows), width), classes)

    @property
    def known(self) -> Bools:
        """(items, annotators) where there is a label."""
        return self.codes >= 0

    def counts(self) -> Floats:
        """(items, classes) how many annotators gave each label."""
        items, classes = len(self.codes), len(self.classes)
        row, column = np.nonzero(self.known)
        cells = row * max(classes, 1) + self.codes[row, column]
        return np.bincount(cells, minlength=items * classes).reshape(items, classes).astype(float)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return None if value == "skip" else value
    if isinstance(value, (bool, np.bool_)):
        return int(value)
    if isinstance(value, (int, float, np.integer, np.floating)):
        number = float(value)
        if math.isinf(number):
            raise ConfigError("labels are finite", "got an infinite one", "Use None for a missing label")
        return None if math.isnan(number) else number
    raise ConfigError("labels are numbers, texts or None", f"got a {type(value).__name__}", "Convert them")


def _labels(table: Any) -> Labels:
    return table if isinstance(table, Labels) else Labels.of(table)


def cohen(one: Sequence[Any], two: Sequence[Any], weights: Weights | None = None) -> float:
    """Cohen's κ of two annotators: (p_o − p_e) / (1 − p_e); nan where it is undefined.

    Args:
        one: labels of the first; items that either did not label are left out.
        two: labels of the second.
        weights: `None` for equal or not; "linear" or "quadratic" distance between sorted classes (Cohen 1968).

    >>> round(cohen([1, 1, 0, 0], [1, 0, 0, 0]), 2)
    0.5
    """
    if weights not in (None, "linear", "quadratic"):
        raise ConfigError("weights are linear, quadratic or None", f"got {weights!r}", "Choose one")
    if len(one) != len(two):
        raise ConfigError("two annotators of the same items", f"got {len(one)} and {len(two)}", "Use None for holes")
    labels = Labels.of(list(zip(one, two)))
    both = labels.codes[labels.known.all(axis=1)]
    k = len(labels.classes)
    if not len(both):
        return math.nan
    seen = np.bincount(both[:, 0] * k + both[:, 1], minlength=k * k).reshape(k, k) / len(both)
    apart = np.abs(np.subtract.outer(np.arange(k), np.arange(k))).astype(float)
    cost = (apart > 0).astype(float) if weights is None else apart if weights == "linear" else apart**2
    expected = float((np.outer(seen.sum(axis=1), seen.sum(axis=0)) * cost).sum())
    return math.nan if expected == 0 else 1.0 - float((seen * cost).sum()) / expected


def fleiss(table: Any) -> float:
    """Fleiss' κ of many annotators; items may have different numbers of labels, those with fewer than two are left out.

    The chance agreement is Σ p², p the share of each label. With holes the per-item agreements are averaged with the
    same weight for each item, as for equal numbers. nan where it is undefined.
    """
    counts = _labels(table).counts()
    given = counts.sum(axis=1)
    counts, given = counts[given >= 2], given[given >= 2]
    if not len(counts):
        return math.nan
    agreed = ((counts**2).sum(axis=1) - given) / (given * (given - 1))
    chance = float(((counts.sum(axis=0) / counts.sum()) ** 2).sum())
    return math.nan if chance == 1 else float((agreed.mean() - chance) / (1 - chance))


def krippendorff(table: Any, level: Level = "nominal") -> float:
    """Krippendorff's α = 1 − D_o / D_e, with holes; nan where it is undefined (one label only, nothing to compare).

    Args:
        table: rows of items, columns of annotators.
        level: how far labels are apart: "nominal" equal or not, "ordinal" by the labels between them, "interval"
            squared difference, "ratio" squared relative difference. The last two need numbers.

    >>> round(krippendorff([[1, 1], [2, 2], [1, 2], [2, 2]]), 3)
    0.533
    """
    labels = _labels(table)
    counts = labels.counts()
    given = counts.sum(axis=1)
    counts, given = counts[given >= 2], given[given >= 2]
    if not len(counts):
        return math.nan
    share = counts / (given - 1)[:, None]
    coincide = share.T @ counts - np.diag(share.sum(axis=0))
    total = coincide.sum(axis=0)
    apart = _distances(labels.classes, total, level)
    expected = float((np.outer(total, total) * apart).sum()) / (float(total.sum()) - 1)
    return math.nan if expected == 0 else 1.0 - float((coincide * apart).sum()) / expected


def _distances(classes: tuple[Any, ...], total: Floats, level: Level) -> Floats:
    if level == "nominal":
        return 1.0 - np.eye(len(classes))
    if level == "ordinal":
        middle = np.cumsum(total) - total / 2
        return np.asarray(np.subtract.outer(middle, middle) ** 2, float)
    if level not in ("interval", "ratio"):
        raise ConfigError("level is nominal, ordinal, interval or ratio", f"got {level!r}", "Choose one")
    if any(isinstance(each, str) for each in classes):
        raise ConfigError(f"labels of level {level} are numbers", "they are texts", "Take nominal or ordinal")
    values = np.array(classes, float)
    apart = np.subtract.outer(values, values)
    if level == "ratio":
        both = np.add.outer(values, values)
        apart = np.divide(apart, both, out=np.zeros_like(apart), where=both != 0)
    return np.asarray(apart**2, float)


# ---- agreement with a majority (AlpacaFarm) -------------------------------------------------------------------------


def majority(table: Any) -> list[Any]:
    """The most frequent label of each item; `None` without labels or where several are as frequent."""
    labels = _labels(table)
    counts = labels.counts()
    if not counts.size:
        return [None] * len(counts)
    top = counts.max(axis=1)
    alone = ((counts == top[:, None]).sum(axis=1) == 1) & (top > 0)
    return [labels.classes[k] if sure else None for k, sure in zip(counts.argmax(axis=1), alone)]


def leave_one_out(table: Any) -> float:
    """How often a label equals the majority of the other annotators of its item (arXiv 2305.14387).

    Where the others are split evenly, each of their most frequent labels counts as right in its share, so that a fair
    coin scores 0.5 on two labels. Labels without others are left out; nan without any.
    """
    labels = _labels(table)
    counts = labels.counts()
    row, column = np.nonzero(labels.known)
    if not len(row):
        return math.nan
    mine = labels.codes[row, column]
    others = counts[row]
    others[np.arange(len(row)), mine] -= 1
    others = others[keep := others.sum(axis=1) > 0]
    if not len(others):
        return math.nan
    best = others == others.max(axis=1)[:, None]
    return float((best[np.arange(len(others)), mine[keep]] / best.sum(axis=1)).mean())


@dataclass(frozen=True, slots=True)
class PoolQuality:
    """A pool of annotators against people, as AlpacaFarm measures it (arXiv 2305.14387).

    Args:
        agreement: how often one label of the pool equals the majority of people; compare `people`.
        people: the same of one person with the majority of the others.
        bias: 1 − agreement of the two majorities.
        variance: 1 − agreement of one label with the majority of the rest of its own pool.
        people_variance: the same inside the people.
        items: how many items have labels of both.
    """

    agreement: float
    people: float
    bias: float
    variance: float
    people_variance: float
    items: int


def pool_quality(pool: Any, people: Any) -> PoolQuality:
    """Agreement, bias and variance of a pool against people.

    Args:
        pool: (items, annotators) labels of the simulated annotators.
        people: (items, persons) labels of people on the same items.

    Raises:
        ConfigError: the tables have different numbers of items.
    """
    ours, theirs = [list(row) for row in pool], [list(row) for row in people]
    if len(ours) != len(theirs):
        raise ConfigError("labels of the same items", f"got {len(ours)} and {len(theirs)} rows", "Align the tables")
    truth, own = majority(theirs), majority(ours)
    with_people = [
        _plain(label) == most
        for row, most in zip(ours, truth)
        for label in row
        if most is not None and _plain(label) is not None
    ]
    both = [a == b for a, b in zip(own, truth) if a is not None and b is not None]
    person = leave_one_out(theirs)
    return PoolQuality(
        agreement=_mean(with_people),
        people=person,
        bias=1 - _mean(both),
        variance=1 - leave_one_out(ours),
        people_variance=1 - person,
        items=len(both),
    )


def _given(row: Sequence[Any]) -> list[Any]:
    return [plain for label in row if (plain := _plain(label)) is not None]


def _mean(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else math.nan


# ---- reliability of single annotators -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How often somebody was right on items with a key, with a 95 % Wilson interval."""

    right: int
    count: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Right / count; nan without a trial."""
        return self.right / self.count if self.count else math.nan


def on_gold(table: Any, key: Sequence[Any]) -> list[Accuracy]:
    """Each annotator's accuracy on gold questions.

    Args:
        table: rows of items, columns of annotators.
        key: the right label of each item; `None` where it is no gold question.

    Raises:
        ConfigError: the key has another length.
    """
    rows = [list(row) for row in table]
    if len(rows) != len(key):
        raise ConfigError(
            "a key for every item", f"got {len(key)} for {len(rows)} items", "Use None where there is none"
        )
    found = []
    for column in range(len(rows[0]) if rows else 0):
        tried = [(row[column], _plain(right)) for row, right in zip(rows, key) if _plain(right) is not None]
        answered = [(_plain(label), right) for label, right in tried if _plain(label) is not None]
        hits = sum(label == right for label, right in answered)
        found.append(Accuracy(hits, len(answered), *wilson(hits, len(answered))))
    return found


@dataclass(frozen=True, eq=False)
class Consensus:
    """What Dawid and Skene's model says.

    Args:
        classes: the labels.
        chances: (items, classes) P(true label).
        prior: (classes,) shares of the classes.
        confusion: (annotators, true, given) P(given | true).
        loglik: log-likelihood at the end.
        steps: of EM.
    """

    classes: tuple[Any, ...]
    chances: Floats
    prior: Floats
    confusion: Floats
    loglik: float
    steps: int

    @property
    def labels(self) -> list[Any]:
        """The most probable label of each item."""
        return [self.classes[k] for k in self.chances.argmax(axis=1)] if self.classes else []

    @property
    def reliability(self) -> Floats:
        """(annotators,) chance of a right label, over classes as they occur."""
        found: Floats = np.einsum("akk,k->a", self.confusion, self.prior)
        return found


def dawid_skene(table: Any, *, steps: int = 200, tolerance: float = 1e-6, smoothing: float = 0.01) -> Consensus:
    """True labels and every annotator's confusion matrix by EM (Dawid and Skene 1979), started at the vote shares.

    Args:
        table: rows of items, columns of annotators.
        steps: at most.
        tolerance: stop when the log-likelihood grows by less for an item.
        smoothing: added to every count of a confusion matrix, so that nobody's label is impossible; 0 is the paper's.
    """
    labels = _labels(table)
    items, classes = len(labels.codes), len(labels.classes)
    if not classes:
        nothing = np.zeros((items, 0))
        return Consensus((), nothing, np.zeros(0), np.zeros((labels.codes.shape[1], 0, 0)), 0.0, 0)
    row, column = np.nonzero(labels.known)
    given = labels.codes[row, column]
    counts = labels.counts()
    chances = (counts + 1e-9) / (counts + 1e-9).sum(axis=1, keepdims=True)
    before, done = -math.inf, 0
    for _ in range(max(steps, 1)):
        done += 1
        prior = np.maximum(chances.mean(axis=0), 1e-300)
        confusion = np.full((labels.codes.shape[1], classes, classes), smoothing)
        np.add.at(confusion.transpose(0, 2, 1), (column, given), chances[row])
        confusion /= np.maximum(confusion.sum(axis=2, keepdims=True), 1e-300)
        log = np.log(np.maximum(confusion, 1e-300))[column, :, given]
        joint = np.tile(np.log(prior), (items, 1))
        np.add.at(joint, row, log)
        top = joint.max(axis=1, keepdims=True)
        total = top[:, 0] + np.log(np.exp(joint - top).sum(axis=1))
        chances, now = np.exp(joint - total[:, None]), float(total.sum())
        if now - before < tolerance * max(items, 1):
            break
        before = now
    return Consensus(labels.classes, chances, prior, confusion, now, done)


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Why somebody's votes should be looked at.

    Args:
        annotator: who.
        reason: "one side" (nearly always the same), "alternating" (sides follow a pattern), "burst" (a large share of
            all votes), or "gold" (no better than chance on gold questions).
        chance: how probable this or more is for an honest annotator; for a burst, one less the share.
        votes: how many votes of theirs it rests on.
    """

    annotator: str
    reason: str
    chance: float
    votes: int


def suspicions(
    annotator: Sequence[str],
    points: npt.ArrayLike,
    *,
    gold: Mapping[str, Accuracy] | None = None,
    level: float = 1e-6,
    share: float = 0.5,
) -> list[Suspicion]:
    """Annotators whose votes look like those of a bot: sides are random, so neither should show a pattern.

    Args:
        annotator: who gave each vote, in the order in which votes were given.
        points: 1 for the first side, 0 for the second, 0.5 for a tie; nan is left out.
        gold: accuracies on gold questions; flagged when the interval lies wholly at or below 0.5.
        level: flag what an honest annotator does less often than this.
        share: flag who gave more than this share of at least 100 votes, if there are others.
    """
    got = np.asarray(points, float)
    if len(got) != len(annotator):
        raise ConfigError("an annotator for every vote", f"got {len(annotator)} for {len(got)}", "Align the columns")
    everyone: dict[str, list[int]] = {}
    for place in np.flatnonzero(~np.isnan(got)).tolist():
        everyone.setdefault(annotator[place], []).append(place)
    total = sum(map(len, everyone.values()))
    found = []
    for name, places in everyone.items():
        if total >= 100 and len(everyone) > 1 and len(places) > share * total:
            found.append(Suspicion(name, "burst", 1 - len(places) / total, len(places)))
        sides = got[places][got[places] != 0.5]
        for reason, chance in (("one side", _one_sided(sides)), ("alternating", _alternating(sides))):
            if chance < level:
                found.append(Suspicion(name, reason, chance, len(sides)))
        if gold is not None and name in gold and gold[name].high <= 0.5:
            found.append(Suspicion(name, "gold", gold[name].high, gold[name].count))
    return found


def _one_sided(sides: Floats) -> float:
    """How probable so uneven a number of first sides is, when sides are random."""
    from scipy.stats import binomtest

    return float(binomtest(int(sides.sum()), len(sides)).pvalue) if len(sides) else 1.0


def _alternating(sides: Floats) -> float:
    """How probable so many changes from vote to vote are, given how often each side was chosen."""
    from scipy.stats import binomtest

    first = float(sides.mean()) if len(sides) > 1 else 0.0
    if not 0 < first < 1:
        return 1.0
    turns = int((np.diff(sides) != 0).sum())
    return float(binomtest(turns, len(sides) - 1, 2 * first * (1 - first), alternative="greater").pvalue)
