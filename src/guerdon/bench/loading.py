"""Finding a challenge, solver or reward by name: a system's slug, an installed entry point, or a file of one's own."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from guerdon.core.card import Card
from guerdon.core.challenge import Challenge
from guerdon.core.errors import ConfigError, did_you_mean
from guerdon.core.plain import digest
from guerdon.core.reward import Reward
from guerdon.core.solver import Solver

_files: dict[str, str] = {}
GENERIC = {
    "cma-es": "guerdon.search.solvers:CmaSearch",
    "evolution": "guerdon.search.solvers:Evolution",
    "hill-climb": "guerdon.search.solvers:HillClimb",
    "random-search": "guerdon.search.solvers:UniformSearch",
}
"""Solvers of no system, for every challenge whose tasks name a space."""


@cache
def cards() -> dict[str, Card]:
    """The cards of all systems, by slug: those in `guerdon.systems` and those of the entry point `guerdon.systems`."""
    here = importlib.import_module("guerdon.systems")  # by name: the bench does not depend on any system
    names = [m.name for m in pkgutil.iter_modules(here.__path__, "guerdon.systems.") if m.ispkg]
    names += [point.value for point in entry_points(group="guerdon.systems")]
    found = [importlib.import_module(name).CARD for name in names]
    return {card.slug: card for card in sorted(found, key=lambda card: card.slug)}


def card(slug: str) -> Card:
    """The card of a system.

    Raises:
        ConfigError: there is no such system.
    """
    known = cards()
    if slug not in known:
        raise ConfigError("the name of a system", f"got {slug!r}", did_you_mean(slug, known))
    return known[slug]


@cache
def challenge_places() -> dict[str, tuple[Card, str]]:
    """The card and "module:Class" of every challenge that has a plain name."""
    return {name: (card, place) for card in cards().values() for name, place in card.poses.items()}


def resolve(name: str) -> Any:
    """The object behind `module:attribute`."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


def load_file(path: str | Path) -> ModuleType:
    """Import a Python file of the user's own, once; worker processes load the same files under the same names.

    Raises:
        ConfigError: the file is missing or cannot be run.
    """
    file = Path(path).resolve()
    if not file.is_file():
        raise ConfigError("a Python file", f"{path} is not there", "Check the path")
    name = f"guerdon_file_{file.stem}_{digest(str(file))[:8]}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, file)
        if spec is None or spec.loader is None:
            raise ConfigError("a Python file", f"{path} is not one", "Give it the ending .py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[name]
            raise ConfigError(f"{path} runs", f"{type(error).__name__}: {error}", "Mend the file") from error
        _files[name] = str(file)
    return sys.modules[name]


def loaded_files() -> list[str]:
    """The user's files loaded so far; a worker loads them before its first batch."""
    return list(_files.values())


def challenge_class(name: str) -> type[Challenge] | Challenge:
    """A challenge's class by name, `module:Class`, or the one challenge in a file (class or ready instance)."""
    return _find(name, Challenge, "challenge")  # type: ignore[no-any-return]


def reward_named(name: str) -> Reward:
    """A reward by `module:NAME`, or the one reward in a file; a class is made with its defaults.

    Raises:
        ConfigError: there is none of that name.
    """
    found = _find(name, Reward, "reward")
    made = found() if isinstance(found, type) else found
    if not isinstance(made, Reward):
        raise ConfigError("a reward", f"{name} is a {type(made).__name__}", "Decorate the function with @reward")
    return made


def rebuilt(plain: Mapping[str, Any], data: str = "") -> Challenge:
    """A challenge from its recorded recipe.

    Args:
        plain: what `recipe` gave.
        data: where its data is now, if it has moved.

    Raises:
        ConfigError: its class is not here, or its data is another.
    """
    if "kind" not in plain:
        raise ConfigError("a run whose challenge is here", "it came from a log", "Say --reward FILE.py:NAME")
    kind = _find(str(plain["kind"]), Challenge, "challenge")
    if not (isinstance(kind, type) and issubclass(kind, Challenge)):
        raise ConfigError("the class of a challenge", f"{plain['kind']} is none", "Name the challenge's file")
    fields = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in plain.items()
        if name not in ("kind", "fingerprint")
    }
    if data:
        fields["data"] = data
    challenge = kind(**fields)
    expected, found = plain.get("fingerprint"), getattr(challenge, "fingerprint", None)
    if expected is not None and found is not None and found() != expected:
        raise ConfigError(
            "the data that the run was made with", "its digest is another one", "Say where it is with --data PATH"
        )
    return challenge


def solver_class(name: str, challenge: str | None = None) -> type[Solver] | Solver:
    """A solver's class by its name in a system's card, `module:Class`, or the one solver in a file.

    A plain name is looked up in the card of the challenge's system first, then among the generic ones, then in all
    cards.

    Raises:
        ConfigError: there is none of that name.
    """
    known = solver_places(challenge)
    if name in known:
        return resolve(known[name])  # type: ignore[no-any-return]
    if ":" not in name and not name.endswith(".py"):
        raise ConfigError("the name of a solver", f"got {name!r}", did_you_mean(name, known))
    return _find(name, Solver, "solver")  # type: ignore[no-any-return]


def solver_places(challenge: str | None = None) -> dict[str, str]:
    """Name → "module:Class" of all solvers that have a plain name; a challenge's own come first, then generic ones."""
    own = dict(challenge_places()[challenge][0].solvers) if challenge in challenge_places() else {}
    others = {name: place for card in cards().values() for name, place in card.solvers}
    return {**own, **{name: place for name, place in {**others, **GENERIC}.items() if name not in own}}


def _find(name: str, kind: type, word: str) -> Any:
    path, _, attribute = name.partition(":")
    if path.endswith(".py"):
        return _pick(load_file(path), attribute, kind, word, path)
    if attribute:
        try:
            return resolve(name)
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"a {word} as module:Class", str(error), "Check the module and the name") from None
    places = challenge_places() if word == "challenge" else {}
    if name in places:
        return resolve(places[name][1])
    raise ConfigError(f"a {word}", f"got {name!r}", f"Give module:Class or FILE.py; {did_you_mean(name, places)}")


def _pick(module: ModuleType, attribute: str, kind: type, word: str, path: str) -> Any:
    if attribute:
        if not hasattr(module, attribute):
            raise ConfigError(f"{path} defines {attribute}", "it does not", did_you_mean(attribute, vars(module)))
        return getattr(module, attribute)
    own = [v for v in vars(module).values() if isinstance(v, kind)]
    own = own or [
        v
        for v in vars(module).values()
        if isinstance(v, type) and issubclass(v, kind) and v.__module__ == module.__name__
    ]
    if len(own) != 1:
        raise ConfigError(f"{path} defines one {word}", f"found {len(own)}", f"Name one: {path}:NAME")
    return own[0]
