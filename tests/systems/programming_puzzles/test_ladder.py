from typing import Any

import pytest

from guerdon.core.errors import ConfigError
from guerdon.systems.programming_puzzles.constants import parse
from guerdon.systems.programming_puzzles.ladder import ladder, ladder_experiment


def test_ladder_is_reproducible_and_has_constants_of_four_digits_or_more() -> None:
    rungs = ladder(5)
    assert rungs == ladder(5) != ladder(6)
    assert len({rung.name for rung in rungs}) == len({rung.sat for rung in rungs}) == 36
    for rung in rungs:
        *known, _ = parse(rung.sat).inputs.values()
        assert all(1_000 <= value < 1_000_000 for value in known)


def test_learning_from_own_solutions_climbs_and_random_labels_do_not() -> None:
    result = ladder_experiment(0, 300, ["uniform", "bootstrapped", "random"], rounds=2, n_estimators=5)
    assert result["uniform"]["by_depth"] == {1: 18, 2: 0, 3: 0}
    assert result["bootstrapped"]["by_depth"][2] > 0
    assert result["random"]["solved"] <= 18
    assert all(len(arm["programs"]) == 36 for arm in result.values())


def test_unknown_arm() -> None:
    with pytest.raises(ConfigError, match="Did you mean once"):
        ladder_experiment(0, arms=["onse"])  # type: ignore[list-item]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_gate_of_the_ladder(seed: Any) -> None:
    result = ladder_experiment(seed)
    assert result["bootstrapped"]["solved"] >= result["uniform"]["solved"] + 4
    assert result["random"]["solved"] <= result["uniform"]["solved"]
