"""What is hidden behind the rankings: losses of points, and the reward that records them afterwards."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from guerdon.bench.loading import load_file, resolve
from guerdon.core.errors import ConfigError, did_you_mean
from guerdon.core.plain import canonical, digest
from guerdon.core.reward import ANY, Reward
from guerdon.core.score import FaultKind, Score
from guerdon.core.task import Case
from guerdon.search.arrays import Floats

Losses = Callable[[Floats], Floats]
"""Points (B, D) to losses (B,), lower is better; nan where a point has none."""
FURTHEST = 1e100
"""Entries of a point are smaller than this, so that the built-in losses stay finite or become inf, never nan."""


def quadratic(points: Floats) -> Floats:
    """‖x‖² of each row.

    >>> quadratic(np.array([[3.0, 4.0]])).tolist()
    [25.0]
    """
    losses: Floats = np.square(points).sum(axis=1)
    return losses


def rosenbrock(points: Floats) -> Floats:
    """Σ 100 (xᵢ₊₁ − xᵢ²)² + (1 − xᵢ)² of each row.

    >>> rosenbrock(np.array([[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])).tolist()
    [0.0, 2.0]
    """
    left, right = points[:, :-1], points[:, 1:]
    losses: Floats = (100.0 * np.square(right - np.square(left)) + np.square(1.0 - left)).sum(axis=1)
    return losses


FUNCTIONS: Mapping[str, Losses] = {"quadratic": quadratic, "rosenbrock": rosenbrock}


def named(name: str) -> Any:
    """The object behind `FILE.py:NAME` or `module:NAME`.

    Raises:
        ConfigError: there is none.
    """
    place, _, attribute = name.rpartition(":")
    if place.endswith(".py"):
        module = load_file(place)
        if not hasattr(module, attribute):
            raise ConfigError(f"{place} defines {attribute}", "it does not", did_you_mean(attribute, vars(module)))
        return getattr(module, attribute)
    try:
        return resolve(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError("FILE.py:NAME or module:NAME", f"got {name!r} ({error})", "Check it") from None


def source_of(name: str) -> str:
    """A digest of the user's file behind a name, so that a changed file is another challenge."""
    place = name.rpartition(":")[0]
    return digest(Path(place).read_text(encoding="utf-8")) if place.endswith(".py") and Path(place).is_file() else ""


def losses_of(key: Mapping[str, Any]) -> Losses:
    """The losses that a key names: `function` for a function of points, `policy` for returns of a world."""
    return _losses(canonical({name: value for name, value in key.items() if name not in ("start", "dim")}))


@lru_cache(maxsize=8)
def _losses(text: str) -> Losses:
    import json

    key = json.loads(text)
    if "policy" in key:
        from guerdon.systems.zo_ranksgd.policy import Returns

        return Returns(**key["policy"])
    name = str(key["function"])
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    if ":" not in name:
        do = f"{did_you_mean(name, FUNCTIONS)}; or give FILE.py:function"
        raise ConfigError("the name of a function", f"got {name!r}", do)
    return _OneByOne(named(name))


@dataclass(frozen=True)
class _OneByOne:
    """A user's function of one point: what raises or gives no number has no loss."""

    function: Callable[[Floats], Any]

    def __call__(self, points: Floats) -> Floats:
        return np.array([self._one(point) for point in points], dtype=np.float64)

    def _one(self, point: Floats) -> float:
        try:
            return float(self.function(point.copy()))
        except Exception:  # noqa: BLE001  # whatever a user's function raises, that point has no loss
            return math.nan


def points_of(contents: Sequence[Any], dim: int) -> tuple[list[int], Floats, dict[int, str]]:
    """The answers that are points, as rows (N, dim) with their indices; and what is wrong with the others."""
    rows: list[int] = []
    points: list[Sequence[float]] = []
    wrong: dict[int, str] = {}
    for index, content in enumerate(contents):
        problem = _not_a_point(content, dim)
        if problem:
            wrong[index] = f"a list of {dim} finite numbers is expected; {problem}"
        else:
            rows.append(index)
            points.append(content)
    return rows, np.array(points, dtype=np.float64).reshape(len(rows), dim), wrong


def _not_a_point(content: Any, dim: int) -> str:
    if type(content) not in (list, tuple):
        return f"got a {type(content).__name__}"
    if len(content) != dim:
        return f"got {len(content)} entries"
    if not set(map(type, content)) <= {float, int}:
        return "got other entries"
    if not all(-FURTHEST < entry < FURTHEST for entry in content):
        return "got entries that are not finite or too large"
    return ""


@dataclass(frozen=True, kw_only=True)
class Objective(Reward):
    """The loss of each point, negated: what rankings never tell. Recorded after a run by `guerdon rejudge`.

    What the loss is and where the hidden start lies comes from the challenge's key.
    """

    range = ANY
    label = "objective"

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        """One evaluation of all points of a task."""
        found: list[Score | None] = [None] * len(cases)
        for indices in _by_task(cases).values():
            key = cases[indices[0]].key
            rows, points, wrong = points_of([cases[i].answer.content for i in indices], int(key["dim"]))
            for row, problem in wrong.items():
                found[indices[row]] = Score.failed(FaultKind.INVALID, problem)
            if rows:
                start = key.get("start")
                with np.errstate(all="ignore"):
                    losses = losses_of(key)(points if start is None else points + np.asarray(start))
                for row, loss in zip(rows, losses.tolist(), strict=True):
                    found[indices[row]] = _score(loss)
        return [score if score is not None else Score.failed(FaultKind.JUDGE) for score in found]


def _score(loss: float) -> Score:
    if math.isfinite(loss):
        return Score(-loss)
    return Score.failed(FaultKind.INVALID, "a point with a finite loss is expected; this one has none")


def _by_task(cases: Sequence[Case]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {}
    for index, case in enumerate(cases):
        groups.setdefault(case.task.id, []).append(index)
    return groups
