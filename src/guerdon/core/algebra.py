"""The reward algebra: sums, products, gates, ensembles and group transforms of rewards are rewards.

A part that is *not applicable* to an answer is left out; any other fault of a part is the fault of the whole,
since a number that is missing cannot be weighed.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from guerdon.core.errors import ConfigError, RewardError
from guerdon.core.reward import ANY, Need, Range, Reward, Unit, needs_of
from guerdon.core.score import FaultKind, Score
from guerdon.core.task import Case

GroupTransform = Callable[[Sequence[float]], Sequence[float]]


@dataclass(frozen=True)
class Composite(Reward):
    """A reward made of rewards: it inherits their needs, and their unit if any judges groups."""

    rewards: tuple[Reward, ...]

    def __post_init__(self) -> None:
        if not self.rewards:
            raise ConfigError("a composite reward has at least one part", "got none", "Pass one or more rewards")
        for part in self.rewards:
            if not isinstance(part, Reward):
                raise ConfigError("a part is a Reward", f"got {type(part).__name__}", "Lift a function by @reward")
        set_once(self, "needs", frozenset[Need]().union(*(needs_of(part) for part in self.rewards)))
        set_once(self, "range", self.span([part.range for part in self.rewards]))
        unit: Unit = "group" if any(part.unit == "group" for part in self.rewards) else "answer"
        set_once(self, "unit", unit)

    @property
    def name(self) -> str:
        """The kind and the names of the parts."""
        return f"{type(self).__name__.lower()}({', '.join(part.name for part in self.rewards)})"

    def span(self, ranges: Sequence[Range]) -> Range:
        """The range that follows from the parts' ranges."""
        return min(low for low, _ in ranges), max(high for _, high in ranges)

    def merge(self, values: Sequence[tuple[int, float]]) -> tuple[float, float | None]:
        """Value and spread from the (index, value) of the parts that apply."""
        raise RewardError("a composite merges its parts", f"{type(self).__name__} has no merge", "Write merge(values)")

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        """Judge by every part, then merge answer by answer."""
        rows = zip(*(part(cases) for part in self.rewards), strict=True)
        return [self._merged(row) for row in rows]

    def _merged(self, row: Sequence[Score]) -> Score:
        parts = _named_parts(self.rewards, row)
        for score in row:
            if score.fault is not None and score.fault.kind is not FaultKind.ABSENT:
                return Score(None, parts, fault=score.fault)
        known = [(i, score.value) for i, score in enumerate(row) if score.value is not None]
        if not known:
            return Score.failed(FaultKind.ABSENT, self.name, parts=parts)
        value, spread = self.merge(known)
        if not math.isfinite(value):
            return Score.failed(FaultKind.JUDGE, f"{self.name} came to {value}", parts=parts)
        return Score(_rounded_into(value, self.range), parts, spread)


def _rounded_into(value: float, ends: Range) -> float:
    """The value; the end of its range that only rounding has carried it over."""
    inside = min(max(value, ends[0]), ends[1])
    return inside if math.isclose(value, inside, rel_tol=1e-12, abs_tol=1e-12) else value


def _named_parts(rewards: Sequence[Reward], row: Sequence[Score]) -> dict[str, float]:
    parts: dict[str, float] = {}
    for reward, score in zip(rewards, row, strict=True):
        parts.update(score.parts)
        if score.value is not None:
            name, copy = reward.name, 2
            while name in parts:
                name, copy = f"{reward.name}#{copy}", copy + 1
            parts[name] = score.value
    return parts


@dataclass(frozen=True)
class WeightedSum(Composite):
    """Σ wᵢ rᵢ, over the parts that apply."""

    weights: tuple[float, ...] = ()
    bias: float = 0.0

    def span(self, ranges: Sequence[Range]) -> Range:
        """Sum of the weighted ends; a part that may be left out can also contribute 0."""
        ends = [sorted((w * low if w else 0.0, w * high if w else 0.0)) for w, (low, high) in zip(self.weights, ranges)]
        optional = len(ends) > 1
        low = math.fsum(min(end[0], 0.0) if optional else end[0] for end in ends)
        return low + self.bias, math.fsum(max(end[1], 0.0) if optional else end[1] for end in ends) + self.bias

    def merge(self, values: Sequence[tuple[int, float]]) -> tuple[float, float | None]:
        """The weighted sum."""
        return math.fsum(self.weights[i] * value for i, value in values) + self.bias, None


@dataclass(frozen=True)
class Product(Composite):
    """Π rᵢ, over the parts that apply."""

    def span(self, ranges: Sequence[Range]) -> Range:
        """The outermost products of ends; any part but one may be left out."""
        (least, most), *others = ranges
        for low, high in others:
            both = [0.0 if 0.0 in (c, end) else c * end for c in (least, most) for end in (low, high)]
            least, most = min(*both, least, low), max(*both, most, high)
        return least, most

    def merge(self, values: Sequence[tuple[int, float]]) -> tuple[float, float | None]:
        """The product."""
        return math.prod(value for _, value in values), None


@dataclass(frozen=True)
class WorstOf(Composite):
    """The smallest value of the parts."""

    def merge(self, values: Sequence[tuple[int, float]]) -> tuple[float, float | None]:
        """The minimum."""
        return min(value for _, value in values), None


EnsembleMode = Literal["mean", "wco", "uwo"]


@dataclass(frozen=True)
class Ensemble(Composite):
    """Several rewards that measure the same thing; the score's spread is their standard deviation.

    mean: the average. wco: the minimum, worst-case optimisation. uwo: mean − λ·variance, uncertainty-weighted
    optimisation (Coste et al., arXiv 2310.02743, section 3.2; variance over members, population form).
    """

    mode: EnsembleMode = "mean"
    penalty: float = 0.5

    def __post_init__(self) -> None:
        if self.mode not in ("mean", "wco", "uwo"):
            raise ConfigError("an ensemble's mode is mean, wco or uwo", f"got {self.mode!r}", "Pick one of the three")
        super().__post_init__()

    def span(self, ranges: Sequence[Range]) -> Range:
        """Between the ends; uwo may fall below by the largest variance, a quarter of the squared width."""
        low, high = super().span(ranges)
        return (low - self.penalty * (high - low) ** 2 / 4 if self.mode == "uwo" else low), high

    def merge(self, values: Sequence[tuple[int, float]]) -> tuple[float, float | None]:
        """Value by mode, and the standard deviation of the members."""
        members = [value for _, value in values]
        mean = math.fsum(members) / len(members)
        variance = math.fsum((value - mean) ** 2 for value in members) / len(members)
        value = {"mean": mean, "wco": min(members), "uwo": mean - self.penalty * variance}[self.mode]
        return value, math.sqrt(variance)


@dataclass(frozen=True)
class Wrapped(Reward):
    """A reward around one other: it inherits what it needs and how it judges."""

    inner: Reward

    def __post_init__(self) -> None:
        set_once(self, "needs", needs_of(self.inner))
        set_once(self, "unit", self.inner.unit)
        set_once(self, "range", self.inner.range)

    @property
    def name(self) -> str:
        """The inner reward's name."""
        return self.inner.name


@dataclass(frozen=True)
class Clip(Wrapped):
    """Values forced into [low, high]."""

    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ConfigError("clip(low, high) has low <= high", f"got {self.low}, {self.high}", "Swap them")
        super().__post_init__()
        set_once(self, "range", (self.low, self.high))

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        """Judge, then clip."""
        return [
            s if s.value is None else s.with_value(min(max(s.value, self.low), self.high)) for s in self.inner(cases)
        ]


@dataclass(frozen=True)
class OrElse(Wrapped):
    """Faults of one party counted as a value."""

    value: float = 0.0
    whose: str = "solver"

    def __post_init__(self) -> None:
        super().__post_init__()
        low, high = self.inner.range
        set_once(self, "range", (min(low, self.value), max(high, self.value)))

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        """Judge, then fill in."""
        return [
            s if s.fault is None or s.fault.whose != self.whose else Score(self.value, {**s.parts, "faulted": 1.0})
            for s in self.inner(cases)
        ]


@dataclass(frozen=True)
class Gate(Reward):
    """`then` where `ok` exceeds `threshold`, else `closed`. What is gated out is not judged by `then` at all."""

    ok: Reward
    then: Reward
    threshold: float = 0.0
    closed: float = 0.0

    def __post_init__(self) -> None:
        low, high = self.then.range
        set_once(self, "range", (min(low, self.closed), max(high, self.closed)))
        set_once(self, "needs", needs_of(self.ok) | needs_of(self.then))
        set_once(self, "unit", "group" if "group" in (self.ok.unit, self.then.unit) else "answer")

    @property
    def name(self) -> str:
        """gate(ok, then)."""
        return f"gate({self.ok.name}, {self.then.name})"

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        """Judge by `ok`; judge what passed by `then`."""
        keys = self.ok(cases)
        passed = [i for i, score in enumerate(keys) if score.value is not None and score.value > self.threshold]
        rest = dict(zip(passed, self.then([cases[i] for i in passed]), strict=True))
        return [self._through(key, rest.get(i)) for i, key in enumerate(keys)]

    def _through(self, key: Score, then: Score | None) -> Score:
        if key.value is None:
            return key
        parts = {**key.parts, self.ok.name: key.value}
        if then is None:
            return Score(self.closed, parts)
        return Score(then.value, {**parts, **then.parts}, then.spread, then.tokens, then.fault)


@dataclass(frozen=True)
class ByGroup(Wrapped):
    """The known values of each group, transformed together; what is not known stays a fault."""

    transform: GroupTransform

    def __post_init__(self) -> None:
        super().__post_init__()
        set_once(self, "range", ANY)
        set_once(self, "unit", "group")

    @property
    def name(self) -> str:
        """transform(inner)."""
        return f"{getattr(self.transform, '__name__', 'transform')}({self.inner.name})"

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        """Judge one group, then transform its known values."""
        scores = self.inner(cases)
        known = [i for i, score in enumerate(scores) if score.value is not None]
        values = [float(scores[i].value) for i in known]  # type: ignore[arg-type]
        for i, before, value in zip(known, values, self.transform(values) if values else (), strict=True):
            scores[i] = Score(float(value), {**scores[i].parts, self.inner.name: before}, scores[i].spread)
        return scores


def centred(values: Sequence[float]) -> list[float]:
    """Minus the mean of the group: the advantage of REINFORCE with a group baseline.

    >>> centred([1.0, 0.0, 0.5])
    [0.5, -0.5, 0.0]
    """
    mean = math.fsum(values) / len(values)
    return [value - mean for value in values]


def standardised(values: Sequence[float]) -> list[float]:
    """Centred and divided by the sample deviation, as in GRPO (arXiv 2402.03300); all zero when they are equal.

    >>> standardised([1.0, 1.0])
    [0.0, 0.0]
    """
    shifted = centred(values)
    if len(values) < 2:
        return shifted
    deviation = math.sqrt(math.fsum(value**2 for value in shifted) / (len(values) - 1))
    return [value / deviation if deviation > 0 else 0.0 for value in shifted]


def ranked(values: Sequence[float]) -> list[float]:
    """Mid-ranks scaled to [0, 1]; ties share their mean rank; a group of one gets 0.5.

    >>> ranked([3.0, 1.0, 3.0])
    [0.75, 0.0, 0.75]
    """
    if len(values) < 2:
        return [0.5] * len(values)
    order = sorted(values)
    return [(bisect_left(order, v) + bisect_right(order, v) - 1) / 2 / (len(values) - 1) for v in values]


def weighted(left: Reward, right: Reward | float) -> Reward:
    """Left + right, flattened so that a + b + c is one sum of three."""
    if isinstance(right, (int, float)):
        terms, bias = _terms(left)
        return _sum(terms, bias + float(right))
    (one, b1), (two, b2) = _terms(left), _terms(right)
    return _sum(one + two, b1 + b2)


def times(left: Reward, right: Reward | float) -> Reward:
    """Left * right; a number scales the weights.

    Raises:
        ConfigError: the number is not finite.
    """
    if isinstance(right, Reward):
        return Product((left, right))
    if not math.isfinite(right):
        raise ConfigError("a reward's weight is a finite number", f"got {right}", "Choose a finite weight")
    terms, bias = _terms(left)
    return _sum([(weight * right, term) for weight, term in terms], bias * right)


def gate(ok: Reward, then: Reward, *, threshold: float = 0.0, closed: float = 0.0) -> Reward:
    """`then` where `ok` exceeds `threshold`, else `closed`."""
    return Gate(ok, then, threshold, closed)


def worst_of(*rewards: Reward) -> Reward:
    """The smallest of several."""
    return WorstOf(rewards)


def ensemble(rewards: Sequence[Reward], mode: EnsembleMode = "mean", penalty: float = 0.5) -> Reward:
    """Several measures of one thing: mean, wco (minimum) or uwo (mean − penalty · variance)."""
    return Ensemble(tuple(rewards), mode, penalty)


def by_group(transform: GroupTransform, inner: Reward) -> Reward:
    """`transform` applied to the values of each group."""
    return ByGroup(inner, transform)


def set_once(thing: Any, name: str, value: object) -> None:
    """Give a frozen dataclass an attribute that follows from its fields."""
    object.__setattr__(thing, name, value)


def _terms(thing: Reward) -> tuple[list[tuple[float, Reward]], float]:
    if isinstance(thing, WeightedSum):
        return list(zip(thing.weights, thing.rewards, strict=True)), thing.bias
    return [(1.0, thing)], 0.0


def _sum(terms: Sequence[tuple[float, Reward]], bias: float) -> Reward:
    return WeightedSum(tuple(term for _, term in terms), tuple(weight for weight, _ in terms), bias)
