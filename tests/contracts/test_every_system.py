"""A new system folder inherits these tests without writing one."""

import dataclasses
import importlib

import pytest

from guerdon import Challenge, Learner, Solver
from guerdon.bench.loading import cards, resolve
from guerdon.cli.flags import flags_of
from guerdon.core.recipe import field_docs, recipe

CARDS = list(cards().values())
SOLVERS = [pytest.param(card, name, place, id=f"{card.slug}/{name}") for card in CARDS for name, place in card.solvers]


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.slug)
def test_the_card_is_complete_and_the_folder_has_its_name(card: object) -> None:
    assert card.slug == card.slug.lower()  # type: ignore[attr-defined]
    assert importlib.import_module(f"guerdon.systems.{card.slug.replace('-', '_')}").CARD is card  # type: ignore[attr-defined]
    assert len(card.differs.splitlines()) <= 6  # type: ignore[attr-defined]
    assert card.sources  # type: ignore[attr-defined]
    assert card.claim  # type: ignore[attr-defined]


@pytest.mark.parametrize(("name", "place"), [pair for card in CARDS for pair in card.poses.items()])
def test_challenges_are_recipes_under_their_names(name: str, place: str) -> None:
    kind = resolve(place)
    assert issubclass(kind, Challenge)
    assert kind.name == name
    check_recipe(kind)


def test_no_two_systems_have_a_challenge_of_one_name() -> None:
    names = [name for card in CARDS for name in card.poses]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("card", "name", "place"), SOLVERS)
def test_solvers_are_recipes_with_documented_fields(card: object, name: str, place: str) -> None:
    kind = resolve(place)
    assert issubclass(kind, Solver)
    assert kind.name == name
    check_recipe(kind)


@pytest.mark.parametrize(("card", "name", "place"), SOLVERS)
def test_learners_write_the_whole_loop(card: object, name: str, place: str) -> None:
    kind = resolve(place)
    if issubclass(kind, Learner):
        for method in ("start", "ask", "tell"):
            assert getattr(kind, method) is not getattr(Learner, method)
    else:
        assert kind.solve is not Solver.solve


def check_recipe(kind: type) -> None:
    assert dataclasses.is_dataclass(kind)
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    docs = field_docs(kind)
    undocumented = [field.name for field in dataclasses.fields(kind) if field.init and not docs.get(field.name)]
    assert not undocumented, f"fields without a docstring: {undocumented}"
    assert all(flag.help for flag in flags_of(kind, "recipe", []))
    if not hasattr(kind, "fingerprint"):
        recipe(kind())
