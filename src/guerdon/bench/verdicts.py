"""Claims and what the measures say of them: a rule that is written before the run and applied without a choice.

supported      the whole 95 % interval lies within the claim's bounds
refuted        the whole interval lies outside, or the claim's own refutation holds
inconclusive   everything else: the interval meets a bound, seeds are too few, measures are missing
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np

from guerdon.core.errors import ConfigError, did_you_mean
from guerdon.ledger.estimates import bca_interval

Measures = Mapping[str, Mapping[int, Mapping[str, float | None]]]
"""Arm → seed → measure → value, `None` for what is not known."""
Compare = Literal["difference", "ratio", "fraction"]
Word = Literal["supported", "refuted", "inconclusive"]

FEWEST = 3
"""Fewer seeds decide nothing."""
BOOTSTRAP = 5
"""Fewer seeds have no bootstrap interval."""
FEW = 20
"""With fewer seeds than this a bootstrap interval is too narrow, so that Student's t may widen it."""
RESAMPLES = 5000
SLACK = 1e-9
"""Rounding allowed where an interval ends at a bound, relative to the bound's size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What an experiment is to show, with the rule that decides.

    Per seed the effect is `treatment − control` ("difference"), `treatment / control` ("ratio", averaged in
    logarithms) or `(treatment − control) / |control|` ("fraction"); without a control it is the measure itself.

    Args:
        name: short and unique in its experiment.
        statement: one sentence, as a reader would repeat it.
        measure: which measure.
        treatment: the arm it is about.
        control: the arm it is compared with, seed by seed; `None` for a bound on the measure itself.
        at_least: the mean effect is no less than this.
        at_most: the mean effect is no more than this; both bounds make a claim of equivalence.
        compare: how treatment and control are compared.
        every_seed: in no seed may the effect go the other way.
        refuted_if: the refutation in words; by default that of the interval.
        refutes: a further refutation by the measures, which `refuted_if` then describes.
        source: where the claim comes from.
        expected: the figure that a prototype or the publication showed.
    """

    name: str
    statement: str
    measure: str
    treatment: str
    control: str | None = None
    at_least: float | None = None
    at_most: float | None = None
    compare: Compare = "difference"
    every_seed: bool = False
    refuted_if: str = ""
    refutes: Callable[[Measures], bool] | None = None
    source: str = ""
    expected: str = ""

    def __post_init__(self) -> None:
        bounds = [bound for bound in (self.at_least, self.at_most) if bound is not None]
        if not bounds or not all(map(math.isfinite, bounds)) or bounds != sorted(bounds):
            got = f"got at_least={self.at_least}, at_most={self.at_most}"
            raise ConfigError(f"claim {self.name} has a bound, in order", got, "Give at_least, at_most or both")
        if self.compare not in get_args(Compare):
            do = did_you_mean(self.compare, get_args(Compare))
            raise ConfigError(f"claim {self.name} compares", f"got {self.compare!r}", do)
        if self.refutes is not None and not self.refuted_if:
            raise ConfigError(f"claim {self.name} says in refuted_if what refutes it", "it is empty", "Describe it")

    @property
    def effect(self) -> str:
        """What is measured, in words."""
        if self.control is None:
            return f"{self.measure} of {self.treatment}"
        both = {"difference": "{} − {}", "ratio": "{} / {}", "fraction": "({0} − {1}) / {1}"}[self.compare]
        return f"{self.measure}, {both.format(self.treatment, self.control)}"

    @property
    def rule(self) -> str:
        """When it is supported, in words."""
        bounds = [f"at least {self.at_least:g}"] if self.at_least is not None else []
        bounds += [f"at most {self.at_most:g}"] if self.at_most is not None else []
        every = ", and in no seed the other way" if self.every_seed else ""
        return f"the 95 % interval is {' and '.join(bounds)}{every}"

    @property
    def refutation(self) -> str:
        """When it is refuted, in words."""
        low = [f"below {self.at_least:g}"] if self.at_least is not None else []
        high = [f"above {self.at_most:g}"] if self.at_most is not None else []
        whole = f"the whole interval is {' or '.join(low + high)}"
        if self.refutes is not None:
            return f"{whole}, or {self.refuted_if}"
        return self.refuted_if or whole

    @property
    def neutral(self) -> float | None:
        """The effect of a treatment that does nothing, where there is one."""
        return None if self.control is None else 1.0 if self.compare == "ratio" else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AllOf:
    """A claim made of claims: supported when all are, refuted when one is.

    Args:
        name: short and unique in its experiment.
        statement: one sentence.
        of: names of claims that come before it.
        source: where the claim comes from.
        expected: the figure that a prototype or the publication showed.
    """

    name: str
    statement: str
    of: tuple[str, ...]
    source: str = ""
    expected: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the measures say of a claim.

    Args:
        word: supported, refuted or inconclusive.
        reason: why, in words.
        effects: the effect in each seed where it is known.
        estimate: their mean; `None` without any.
        low: lower end of the 95 % interval.
        high: its upper end.
        method: how the interval was made.
        missing: True when measures were missing.
    """

    word: Word
    reason: str
    effects: Mapping[int, float] = field(default_factory=dict)
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    method: str = ""
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % interval, if there is one, and how that was made."""

    mean: float
    low: float | None
    high: float | None
    method: str


def decide(claims: Sequence[Claim | AllOf], measures: Measures, seeds: Sequence[int]) -> dict[str, Verdict]:
    """The verdict on each claim, by name."""
    verdicts: dict[str, Verdict] = {}
    for claim in claims:
        if isinstance(claim, AllOf):
            verdicts[claim.name] = _together(claim, verdicts)
        else:
            verdicts[claim.name] = verdict(claim, measures, seeds)
    return verdicts


def verdict(claim: Claim, measures: Measures, seeds: Sequence[int]) -> Verdict:
    """The verdict on one claim: a pure function of the measures.

    >>> claim = Claim(name="gain", statement="A beats B.", measure="x", treatment="a", control="b", at_least=1.0)
    >>> arms = {"a": {s: {"x": 3.0 + s} for s in (1, 2, 3)}, "b": {s: {"x": 1.0 + s} for s in (1, 2, 3)}}
    >>> verdict(claim, arms, (1, 2, 3)).word
    'supported'
    """
    effects, missing = effects_of(claim, measures, seeds)
    values = list(effects.values())
    found = interval(_forth(claim, values))
    mean, low, high = (None, None, None) if found is None else _back(claim, found)
    method = "" if found is None else found.method
    word, reason = _word(claim, measures, effects, missing, low, high)
    return Verdict(word, reason, effects, mean, low, high, method, bool(missing))


def effects_of(claim: Claim, measures: Measures, seeds: Sequence[int]) -> tuple[dict[int, float], list[str]]:
    """The effect in each seed, and what is missing, in words."""
    effects: dict[int, float] = {}
    missing: list[str] = []
    for seed in seeds:
        arms = (claim.treatment,) if claim.control is None else (claim.treatment, claim.control)
        found = [measures.get(arm, {}).get(seed, {}).get(claim.measure) for arm in arms]
        lacks = [arm for arm, value in zip(arms, found) if value is None or not math.isfinite(value)]
        if lacks:
            missing.append(f"{claim.measure} of {' and '.join(lacks)} in seed {seed}")
            continue
        effect = _effect(claim, [float(value) for value in found if value is not None])
        if effect is None:
            missing.append(f"a {claim.compare} in seed {seed}, where {found[0]:g} stands against {found[1]:g}")
        else:
            effects[seed] = effect
    return effects, missing


def interval(values: Sequence[float]) -> Estimate | None:
    """The mean over seeds and its 95 % interval, the same for the same values.

    3 or 4 seeds have Student's interval; 5 and more a BCa bootstrap (Efron 1987; 5,000 resamples). Below 20 seeds
    each end is the outer of the two, for a bootstrap of 5 covers about 84 % only. Equal values have no width.
    """
    n = len(values)
    if n == 0:
        return None
    array = np.asarray(values, float)
    mean = float(array.mean())
    if n < FEWEST:
        return Estimate(mean, None, None, "none: fewer than 3 seeds")
    if np.ptp(array) <= SLACK * max(1.0, abs(mean)):
        return Estimate(mean, mean, mean, f"all {n} seeds agree")
    student = _student(array)
    if n < BOOTSTRAP:
        return Estimate(mean, *student, f"Student's t over {n} seeds")
    resampled = bca_interval(array, RESAMPLES)
    if n >= FEW:
        return Estimate(mean, *resampled, f"BCa bootstrap over {n} seeds")
    low, high = min(student[0], resampled[0]), max(student[1], resampled[1])
    return Estimate(mean, low, high, f"the wider of BCa bootstrap and Student's t over {n} seeds")


def _student(array: np.ndarray) -> tuple[float, float]:
    from scipy.stats import t

    half = float(t.ppf(0.975, len(array) - 1)) * float(array.std(ddof=1)) / math.sqrt(len(array))
    return float(array.mean()) - half, float(array.mean()) + half


def _effect(claim: Claim, found: Sequence[float]) -> float | None:
    if claim.control is None:
        return found[0]
    treatment, control = found
    if claim.compare == "difference":
        return treatment - control
    if claim.compare == "ratio":
        return treatment / control if treatment > 0 and control > 0 else None
    return (treatment - control) / abs(control) if control else None


def _in_logarithms(claim: Claim) -> bool:
    return claim.control is not None and claim.compare == "ratio"


def _forth(claim: Claim, values: Sequence[float]) -> list[float]:
    return [math.log(value) for value in values] if _in_logarithms(claim) else list(values)


def _back(claim: Claim, found: Estimate) -> tuple[float, float | None, float | None]:
    if not _in_logarithms(claim):
        return found.mean, found.low, found.high
    ends = [None if end is None else math.exp(min(end, 700.0)) for end in (found.low, found.high)]
    return math.exp(found.mean), ends[0], ends[1]


def _word(
    claim: Claim,
    measures: Measures,
    effects: Mapping[int, float],
    missing: Sequence[str],
    low: float | None,
    high: float | None,
) -> tuple[Word, str]:
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        return "inconclusive", f"not known: {'; '.join(missing[:3])}{more}"
    if low is None or high is None:
        return "inconclusive", f"{len(effects)} seeds are too few; {FEWEST} or more decide"
    if claim.refutes is not None and claim.refutes(measures):
        return "refuted", claim.refuted_if
    least, most = _bounds(claim)
    slack = SLACK * max(1.0, abs(claim.at_least or 0.0), abs(claim.at_most or 0.0))
    ends = f"{low:.3g} to {high:.3g}"
    if high < least - slack or low > most + slack:
        return "refuted", f"the interval {ends} lies outside the claim's bound"
    if low < least - slack or high > most + slack:
        return "inconclusive", f"the interval {ends} does not clear the claim's bound"
    other = [seed for seed, effect in effects.items() if claim.every_seed and _other_way(claim, effect, slack)]
    if other:
        return "inconclusive", f"the other way in seed {', '.join(map(str, other))}"
    return "supported", f"the interval {ends} clears the claim's bound"


def _bounds(claim: Claim) -> tuple[float, float]:
    least = -math.inf if claim.at_least is None else claim.at_least
    return least, math.inf if claim.at_most is None else claim.at_most


def _other_way(claim: Claim, effect: float, slack: float) -> bool:
    """Whether an effect contradicts the claim in sign, or, where nothing is neutral, in its bound."""
    least, most = _bounds(claim)
    if claim.neutral is not None:
        least, most = min(least, claim.neutral), max(most, claim.neutral)
    return effect < least - slack or effect > most + slack


def _together(claim: AllOf, verdicts: Mapping[str, Verdict]) -> Verdict:
    unknown = [name for name in claim.of if name not in verdicts]
    if unknown or not claim.of:
        got = f"got {', '.join(unknown) or 'none'}"
        raise ConfigError(f"claim {claim.name} is made of claims before it", got, did_you_mean("", verdicts))
    words = {name: verdicts[name].word for name in claim.of}
    missing = any(verdicts[name].missing for name in claim.of)
    worst_first: tuple[Word, ...] = ("refuted", "inconclusive")
    for word in worst_first:
        these = [name for name in claim.of if words[name] == word]
        if these:
            return Verdict(word, f"{', '.join(these)}: {word}", missing=missing)
    return Verdict("supported", f"all {len(claim.of)} of its parts are supported")
