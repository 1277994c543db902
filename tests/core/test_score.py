import math

import pytest

from guerdon import Fault, FaultKind, RewardError, Score


class Number(float):
    """A subclass that could lie about comparisons."""


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, "0.7", None, 1 + 0j, Number(1.0), [1.0]])
def test_score_refuses_what_is_not_a_finite_number(value: object) -> None:
    with pytest.raises(RewardError, match="score"):
        Score(value)  # type: ignore[arg-type]


def test_numpy_scalars_are_not_numbers_here() -> None:
    import numpy as np

    with pytest.raises(RewardError):
        Score(np.float64(1.0))


def test_integers_become_floats() -> None:
    assert type(Score(1).value) is float


def test_a_score_has_a_value_or_a_fault_never_both() -> None:
    with pytest.raises(RewardError, match="both"):
        Score(1.0, fault=Fault(FaultKind.TIMEOUT))


@pytest.mark.parametrize(
    ("kind", "whose"),
    [("timeout", "solver"), ("judge", "judge"), ("sandbox", "host"), ("provider", "host"), ("pending", "judge")],
)
def test_whose_fault_follows_from_the_kind(kind: str, whose: str) -> None:
    assert Fault(FaultKind(kind)).whose == whose


def test_unknown_fault_kinds_are_refused() -> None:
    with pytest.raises(ValueError, match="oops"):
        Score.failed("oops")
