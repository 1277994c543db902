"""The verdict rules, against figures worked out by hand, symmetries, and simulated experiments of known effect."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.bench.verdicts import AllOf, Claim, Verdict, decide, interval, verdict
from guerdon.core.errors import ConfigError

SEEDS = (11, 12, 13, 14, 15)
GAIN = Claim(name="gain", statement="A beats B.", measure="x", treatment="a", control="b", at_least=1.0)


def arms(a: Sequence[float | None], b: Sequence[float | None] = ()) -> dict[str, dict[int, dict[str, float | None]]]:
    """Measures of two arms, seed by seed."""
    found = {"a": {seed: {"x": value} for seed, value in zip(SEEDS, a, strict=False)}}
    if b:
        found["b"] = {seed: {"x": value} for seed, value in zip(SEEDS, b, strict=False)}
    return found


def judged(claim: Claim, a: Sequence[float | None], b: Sequence[float | None] = ()) -> Verdict:
    return verdict(claim, arms(a, b), SEEDS[: max(len(a), len(b))])


def changed(**fields: Any) -> Claim:
    return dataclasses.replace(GAIN, **fields)


# Differences 2, 3, 4: mean 3, deviation 1, Student's half width 4.3027 / √3 = 2.4841, so 0.5159 to 5.4841.
THREE = ([3.0, 5.0, 7.0], [1.0, 2.0, 3.0])


def test_students_interval_by_hand() -> None:
    found = judged(GAIN, *THREE)
    assert found.estimate == pytest.approx(3.0)
    assert (found.low, found.high) == (pytest.approx(0.51586, abs=1e-4), pytest.approx(5.48414, abs=1e-4))
    assert found.effects == {11: 2.0, 12: 3.0, 13: 4.0}
    assert "Student" in found.method


@pytest.mark.parametrize(
    ("bound", "word"),
    [(0.5, "supported"), (0.52, "inconclusive"), (5.4, "inconclusive"), (5.5, "refuted")],
)
def test_a_lower_bound_decides_by_the_ends_of_the_interval(bound: float, word: str) -> None:
    assert judged(changed(at_least=bound), *THREE).word == word


@pytest.mark.parametrize(
    ("least", "most", "word"),
    [
        (None, 5.5, "supported"),
        (None, 5.4, "inconclusive"),
        (None, 0.5, "refuted"),
        (0.5, 5.5, "supported"),
        (1.0, 5.5, "inconclusive"),
        (6.0, 7.0, "refuted"),
        (-1.0, 0.5, "refuted"),
    ],
)
def test_upper_bounds_and_equivalence(least: float | None, most: float | None, word: str) -> None:
    assert judged(changed(at_least=least, at_most=most), *THREE).word == word


def test_equal_effects_have_an_interval_without_width_and_a_bound_is_met_at_equality() -> None:
    found = judged(changed(at_least=0.1), [0.4] * 5, [0.3] * 5)
    assert (found.word, found.low, found.high) == ("supported", found.estimate, found.estimate)
    assert "agree" in found.method
    assert judged(changed(at_least=0.1001), [0.4] * 5, [0.3] * 5).word == "refuted"


def test_ratios_are_averaged_in_logarithms() -> None:
    found = judged(changed(compare="ratio", at_least=3.0), [8.0, 4.0, 2.0, 8.0, 8.0], [1.0, 1.0, 1.0, 2.0, 1.0])
    assert found.estimate == pytest.approx((8 * 4 * 2 * 4 * 8) ** 0.2)
    assert found.low is not None
    assert found.low < 3.0 < found.estimate
    assert found.word == "inconclusive"
    assert judged(changed(compare="ratio", at_least=3.0), [9.0] * 5, [3.0] * 5).word == "supported"


def test_fractions_are_of_the_control_and_bounds_without_control_are_of_the_measure() -> None:
    assert judged(changed(compare="fraction", at_least=0.5), [3.0] * 3, [2.0] * 3).word == "supported"
    assert judged(changed(compare="fraction", at_least=0.5), [-1.0] * 3, [-2.0] * 3).estimate == 0.5
    alone = changed(control=None, at_least=0.9)
    assert judged(alone, [0.95] * 3).word == "supported"
    assert judged(alone, [0.8] * 3).word == "refuted"


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ([1.0, None, 3.0], [0.0, 0.0, 0.0], "x of a in seed 12"),
        ([1.0, 2.0, 3.0], [0.0, 0.0], "x of b in seed 13"),
        ([1.0, math.nan, 3.0], [0.0, 0.0, 0.0], "x of a in seed 12"),
        ([9.0, 9.0], [0.0, 0.0], "2 seeds are too few"),
        ([None, None, None], [None, None, None], "x of a and b in seed 11"),
    ],
)
def test_what_is_missing_is_said_and_decides_nothing(a: Any, b: Any, said: str) -> None:
    found = judged(GAIN, a, b)
    assert found.word == "inconclusive"
    assert said in found.reason
    assert found.missing == ("few" not in said)


def test_a_ratio_to_nothing_is_missing() -> None:
    found = judged(changed(compare="ratio"), [1.0, 1.0, 1.0], [1.0, 0.0, 1.0])
    assert (found.word, found.missing) == ("inconclusive", True)
    assert "seed 12" in found.reason


def test_an_arm_that_was_never_run_is_missing() -> None:
    assert verdict(GAIN, {}, SEEDS).missing


def test_one_seed_the_other_way_spoils_a_claim_on_every_seed() -> None:
    a, b = [9.0, 9.5, 10.0, 9.2, -0.1], [0.0] * 5
    assert judged(changed(at_least=0.0, at_most=100.0), [9.0, 9.5, 10.0, 9.2, 0.0], b).word == "supported"
    strict = changed(at_least=-5.0, every_seed=True)
    assert judged(strict, a, b).word == "supported"  # −0.1 is within what the claim allows
    wide = [3.0, 3.1, 2.9, 3.0, 3.2, 3.1, 2.8, -0.1] * 3
    measures = {"a": {s: {"x": v} for s, v in enumerate(wide)}, "b": {s: {"x": 0.0} for s in range(24)}}
    assert verdict(changed(at_least=1.0), measures, range(24)).word == "supported"
    found = verdict(changed(at_least=1.0, every_seed=True), measures, range(24))
    assert (found.word, found.reason) == ("inconclusive", "the other way in seed 7, 15, 23")


def test_a_claims_own_refutation_counts_first() -> None:
    def collapsed(measures: Any) -> bool:
        return min(found["x"] for found in measures["b"].values()) < 0

    claim = changed(at_least=0.1, refuted_if="the control collapses", refutes=collapsed)
    assert judged(claim, [1.0] * 3, [0.5] * 3).word == "supported"
    found = judged(claim, [1.0] * 3, [-0.5] * 3)
    assert (found.word, found.reason) == ("refuted", "the control collapses")
    assert "or the control collapses" in claim.refutation


def test_all_of_is_as_good_as_its_worst_part() -> None:
    def whole(*bounds: float) -> str:
        parts = [changed(name=f"c{i}", at_least=bound) for i, bound in enumerate(bounds)]
        all_of = AllOf(name="all", statement="All.", of=tuple(part.name for part in parts))
        return decide([*parts, all_of], arms(*THREE), SEEDS[:3])["all"].word

    assert whole(0.1, 0.5) == "supported"
    assert whole(0.1, 3.0) == "inconclusive"
    assert whole(3.0, 0.1, 6.0) == "refuted"


@pytest.mark.parametrize(
    "fields",
    [
        {"at_least": None},
        {"at_least": 2.0, "at_most": 1.0},
        {"at_least": math.nan},
        {"compare": "quotient"},
        {"refutes": lambda measures: True},
    ],
)
def test_claims_that_decide_nothing_are_refused(fields: Mapping[str, Any]) -> None:
    with pytest.raises(ConfigError):
        changed(**fields)


def test_all_of_names_claims_before_it() -> None:
    with pytest.raises(ConfigError, match="before it"):
        decide([AllOf(name="all", statement="All.", of=("gain",)), GAIN], arms(*THREE), SEEDS[:3])


# ── symmetries ──────────────────────────────────────────────────────────────────────────────────────────────────────

values = st.lists(st.integers(-50, 50).map(float), min_size=3, max_size=5)


@settings(max_examples=60, deadline=None)
@given(values, values, st.integers(-20, 20).map(float))
def test_swapping_arms_mirrors_the_verdict(a: list[float], b: list[float], bound: float) -> None:
    n = min(len(a), len(b))
    there = judged(changed(at_least=bound + 0.5), a[:n], b[:n])
    back = judged(changed(treatment="b", control="a", at_least=None, at_most=-bound - 0.5), a[:n], b[:n])
    assert there.word == back.word
    assert there.estimate == pytest.approx(-back.estimate)  # type: ignore[operator]
    assert there.low == pytest.approx(-back.high, abs=1e-6)  # type: ignore[operator]


@settings(max_examples=60, deadline=None)
@given(values, values, st.integers(-1000, 1000).map(float))
def test_shifting_both_arms_changes_nothing(a: list[float], b: list[float], shift: float) -> None:
    n = min(len(a), len(b))
    moved = judged(GAIN, [value + shift for value in a[:n]], [value + shift for value in b[:n]])
    assert moved == judged(GAIN, a[:n], b[:n])


@settings(max_examples=60, deadline=None)
@given(values)
def test_the_mean_lies_in_its_interval_and_supported_excludes_refuted(found: list[float]) -> None:
    estimate = interval(found)
    assert estimate is not None
    assert estimate.low is not None
    assert estimate.high is not None
    assert estimate.low - 1e-9 <= estimate.mean <= estimate.high + 1e-9
    alone = [judged(changed(control=None, at_least=bound), found).word for bound in (-60.0, 0.0, 60.0)]
    assert alone[0] != "refuted"
    assert alone[2] != "supported"


def test_no_values_have_no_interval() -> None:
    assert interval([]) is None


# ── the negative control: experiments whose effect is known ─────────────────────────────────────────────────────────


def simulated(effect: float, rng: np.random.Generator, seeds: int, claim: Claim) -> str:
    shared = rng.normal(0.0, 2.0, seeds)  # what pairing takes out
    noise = rng.normal(0.0, 1.0, (2, seeds))
    measures = {
        "a": {s: {"x": float(shared[s] + noise[0, s] + effect)} for s in range(seeds)},
        "b": {s: {"x": float(shared[s] + noise[1, s])} for s in range(seeds)},
    }
    return verdict(claim, measures, range(seeds)).word


@pytest.mark.parametrize("seeds", [3, 5, 20])
def test_a_null_effect_is_hardly_ever_supported_and_covered_as_promised(seeds: int) -> None:
    rng = np.random.default_rng(5)
    words = [simulated(0.0, rng, seeds, changed(at_least=0.0)) for _ in range(200)]
    # Each end is to be missed in 2.5 %: of 200, ten or fewer in 98 % of such tests (binomial).
    assert words.count("supported") <= 10
    assert words.count("refuted") <= 10


def test_opposite_effects_are_refuted_and_true_ones_supported() -> None:
    rng = np.random.default_rng(6)
    claim = changed(at_least=1.0)
    opposite = [simulated(-6.0, rng, 5, claim) for _ in range(40)]
    true = [simulated(8.0, rng, 5, claim) for _ in range(40)]
    assert opposite.count("refuted") >= 36
    assert true.count("supported") >= 36
    assert "refuted" not in true
    assert "supported" not in opposite
