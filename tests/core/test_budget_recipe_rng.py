import enum
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from guerdon import Budget, ConfigError
from guerdon.core.recipe import identity, recipe
from guerdon.core.rng import stream


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("2000", {"attempts": 2000}),
        ("20k", {"attempts": 20_000}),
        ("1M", {"attempts": 1_000_000}),
        ("attempts=5, seconds=1.5", {"attempts": 5, "seconds": 1.5}),
        ("sandbox-seconds=3", {"sandbox_seconds": 3.0}),
        ("0", {"attempts": 0}),
    ],
)
def test_budgets_are_read(text: str, limits: dict[str, float]) -> None:
    assert Budget.parse(text).limits() == limits


@pytest.mark.parametrize("text", ["", "many", "-1", "nan", "inf", "1.5", "atempts=3", "attempts=", "seconds=1e999"])
def test_bad_budgets_are_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        Budget.parse(text)


def test_what_is_left_is_never_negative() -> None:
    budget, spent = Budget(attempts=3, seconds=1.0), {"attempts": 5, "seconds": 0.25}
    left = budget.left(spent)
    assert (left.attempts, left.seconds, left.tokens) == (0, 0.75, None)
    assert budget.reached(spent) == "attempts"
    assert budget.reached({"attempts": 2, "seconds": 0.5}) is None
    assert Budget(tokens=0).reached({}) == "tokens"


class Colour(enum.Enum):
    RED = "red"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    rate: float = 0.1
    path: Path = Path("a/b")
    colour: Colour = Colour.RED
    sizes: tuple[int, ...] = (1, 2)
    other: Any = None
    threads: int = field(default=2, metadata={"recipe": False})


def test_recipes_are_plain_and_nest() -> None:
    plain = recipe(Recipe(other=Recipe(rate=0.2)))
    assert plain["path"] == "a/b"
    assert plain["colour"] == "red"
    assert plain["sizes"] == [1, 2]
    assert plain["other"]["rate"] == 0.2  # type: ignore[index, call-overload]
    assert "threads" not in plain


def test_identity_follows_the_fields_that_count() -> None:
    assert identity(Recipe()) == identity(Recipe(threads=8))
    assert identity(Recipe()) != identity(Recipe(rate=0.3))


@pytest.mark.parametrize("bad", [float("nan"), lambda x: x, object(), np.float32(1)])
def test_fields_without_a_plain_form_are_named(bad: object) -> None:
    with pytest.raises(ConfigError, match=r"Recipe\.other"):
        recipe(Recipe(other=bad))


def test_streams_depend_on_their_name_alone() -> None:
    assert stream(1, "ask", 2).integers(1 << 60) == stream(1, "ask", 2).integers(1 << 60)
    drawn = {
        int(stream(seed, *key).integers(1 << 60))
        for seed in (0, 1, 2**32 - 1, 2**64)
        for key in (("a", 1), ("a", "1"), ("b",))
    }
    assert len(drawn) == 12
