"""Ratings that go game by game: Elo for reading old boards, and TrueSkill and OpenSkill by their libraries.

They depend on the order of the votes, unlike a fit of all of them. Use them where skill changes with time.
"""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any, Literal

import numpy as np

from guerdon.core.errors import ConfigError
from guerdon.prefer.votes import Floats, Votes


def elo(votes: Votes, *, k: float = 4.0, start: float = 1000.0, scale: float = 400.0) -> Floats:
    """(n,) Elo ratings after all votes, in their order.

        E = 1 / (1 + 10^((R_second − R_first) / scale)),   R_first += k · weight · (points − E)

    Args:
        votes: the games.
        k: how much one game moves; chess takes 10 to 40, boards of language models 4.
        start: of every item.
        scale: points that make odds of ten to one.

    >>> elo(Votes.of(["a"], ["b"], [1]), k=32).tolist()
    [1016.0, 984.0]
    """
    found = [start] * len(votes.names)
    rate = math.log(10) / scale
    games = zip(votes.first.tolist(), votes.second.tolist(), votes.points.tolist(), votes.weight.tolist())
    for i, j, points, weight in games:
        gap = min(max((found[j] - found[i]) * rate, -700.0), 700.0)
        change = k * weight * (points - 1 / (1 + math.exp(gap)))
        found[i] += change
        found[j] -= change
    return np.array(found)


def by_library(votes: Votes, system: Literal["trueskill", "openskill"] = "openskill") -> tuple[Floats, Floats]:
    """(n,) means and (n,) standard deviations of skill after all votes, in their order; weights are not used.

    Args:
        votes: the games.
        system: TrueSkill (package `trueskill`), or OpenSkill's Plackett-Luce (package `openskill`).

    Raises:
        ConfigError: the package is not installed.
    """
    if system not in ("trueskill", "openskill"):
        raise ConfigError("system is trueskill or openskill", f"got {system!r}", "Choose one")
    try:
        start, play = _trueskill() if system == "trueskill" else _openskill()
    except ImportError:
        raise ConfigError(
            f"the package {system}", "it is not installed", f"Run pip install {system}, or use a fit of all votes"
        ) from None
    found = [start() for _ in votes.names]
    for i, j, points in zip(votes.first.tolist(), votes.second.tolist(), votes.points.tolist()):
        found[i], found[j] = play(found[i], found[j], points)
    return np.array([float(each.mu) for each in found]), np.array([float(each.sigma) for each in found])


def _trueskill() -> tuple[Any, Any]:
    env = import_module("trueskill").TrueSkill()

    def play(one: Any, two: Any, points: float) -> tuple[Any, Any]:
        ranks = [0, 0] if points == 0.5 else [1 - int(points), int(points)]
        ((one,), (two,)) = env.rate([(one,), (two,)], ranks=ranks)
        return one, two

    return env.create_rating, play


def _openskill() -> tuple[Any, Any]:
    model = import_module("openskill.models").PlackettLuce()

    def play(one: Any, two: Any, points: float) -> tuple[Any, Any]:
        ((one,), (two,)) = model.rate([[one], [two]], scores=[points, 1 - points])
        return one, two

    return model.rating, play
