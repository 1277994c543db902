"""Where constructions of numbers live: a shape and bounds, said in a task, checked by a judge, searched by a solver."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError, SolverError
from guerdon.core.plain import Json
from guerdon.core.task import Task
from guerdon.search.arrays import Floats

Bound: TypeAlias = "float | tuple[float, ...]"
LARGEST = 1_000_000
"""Numbers in a construction, at most."""
FARTHEST, WHOLE = 1e150, 2.0**53
"""Bounds are at most so far from 0: then no width overflows, and whole numbers are exact."""
_FIELDS = ("shape", "low", "high", "whole")


@dataclass(frozen=True)
class Space:
    """Lists of numbers (of lists, for more than one axis), each number within bounds.

    Put `space.plain()` into a task's data under "space", and every solver of `guerdon.search.solvers` knows what to
    hand in. Let the judge ask `space.wrong(answer)` first.

    Args:
        shape: lengths of the list and of the lists in it: `(12, 3)` is twelve lists of three numbers.
        low: smallest value; or one for each place of the last axis.
        high: largest value, likewise.
        whole: only whole numbers.

    Raises:
        ConfigError: no such space.

    >>> ruler = Space((3,), 0, 6, whole=True)
    >>> ruler.wrong([0, 1, 3]), ruler.wrong([0, 1.5, 3])
    ('', 'a list of 3 whole numbers from 0 to 6; answer[1] is 1.5')
    """

    shape: tuple[int, ...]
    low: Bound = 0.0
    high: Bound = 1.0
    whole: bool = False

    def __post_init__(self) -> None:
        if not self.shape or any(type(n) is not int or n < 1 for n in self.shape) or math.prod(self.shape) > LARGEST:
            got = f"got {self.shape!r}"
            raise ConfigError(f"a shape of 1 to {LARGEST} numbers in all", got, "Write it as (12, 3)")
        if type(self.whole) is not bool:
            raise ConfigError("whole is true or false", f"got {self.whole!r}", "Write whole=True")
        self._check_bound("low", self.low)
        self._check_bound("high", self.high)
        if not (self.lows < self.highs).all() or (self.whole and not (np.ceil(self.lows) <= self.highs).all()):
            raise ConfigError("low < high", f"got {self.low} and {self.high}", "Give the smallest value first")

    def _check_bound(self, name: str, bound: Bound) -> None:
        values, most = (bound if isinstance(bound, tuple) else (bound,)), WHOLE if self.whole else FARTHEST
        fits = not isinstance(bound, tuple) or len(bound) == self.shape[-1]
        if not fits or any(type(v) not in (int, float) or not abs(v) <= most for v in values):
            fix = "Give one number, or one for each place of the last axis"
            raise ConfigError(f"{name} is within ±{most:g} and fits the shape", f"got {_short(bound)}", fix)

    @property
    def size(self) -> int:
        """D, the count of numbers."""
        return math.prod(self.shape)

    @cached_property
    def lows(self) -> Floats:
        """(D,) smallest values."""
        return np.broadcast_to(np.asarray(self.low, dtype=np.float64), self.shape).ravel()

    @cached_property
    def highs(self) -> Floats:
        """(D,) largest values."""
        return np.broadcast_to(np.asarray(self.high, dtype=np.float64), self.shape).ravel()

    def plain(self) -> dict[str, Json]:
        """The space as plain data, for a task."""
        ends = {name: list(b) if isinstance(b, tuple) else b for name, b in (("low", self.low), ("high", self.high))}
        return {"shape": list(self.shape), **ends, "whole": self.whole}

    @classmethod
    def of(cls, task: Task) -> Space:
        """The space that a task names.

        Raises:
            SolverError: it names none.
        """
        data = task.data.get("space")
        if not isinstance(data, Mapping) or set(data) - set(_FIELDS) or "shape" not in data:
            raise SolverError(
                'a task whose data have a "space"',
                f"{task.id} has {'none' if data is None else str(data)[:60]}",
                "Write Space((12, 3), -1, 1).plain() there, or take a solver made for the challenge",
            )
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list | tuple) else value for name, value in data.items()
        }
        return cls(**fields)

    def wrong(self, content: Any) -> str:
        """What is wrong with an answer, as "what was expected; what came"; empty when nothing is.

        Lengths are looked at before what is in them, so that it is quick for whatever was handed in.
        """
        found = self._odd(content, 0, 0, "answer")
        return f"{self._said()}; {found}" if found else ""

    def point(self, content: Any) -> Floats:
        """A right answer as a vector (D,)."""
        return np.asarray(content, dtype=np.float64).ravel()

    def content(self, point: npt.ArrayLike) -> Any:
        """The answer at a vector (D,): moved into the bounds, and to the nearest whole numbers where they are asked."""
        point_D: npt.NDArray[Any] = np.clip(np.asarray(point, dtype=np.float64), self.lows, self.highs)
        if self.whole:
            point_D = np.clip(np.rint(point_D), np.ceil(self.lows), np.floor(self.highs)).astype(np.int64)
        return point_D.reshape(self.shape).tolist()

    def at(self, unit: npt.ArrayLike) -> Floats:
        """Vectors (..., D) for those of the unit cube; what lies outside is mirrored at the walls."""
        folded = np.mod(np.asarray(unit, dtype=np.float64), 2.0)
        inside: Floats = self.lows + np.minimum(folded, 2.0 - folded) * (self.highs - self.lows)
        return inside

    def unit(self, point: npt.ArrayLike) -> Floats:
        """Vectors (..., D) of the unit cube for those within the bounds."""
        found: Floats = (np.asarray(point, dtype=np.float64) - self.lows) / (self.highs - self.lows)
        return found

    def _odd(self, content: Any, axis: int, start: int, where: str) -> str:
        length = self.shape[axis]
        if not isinstance(content, list | tuple):
            return f"{where} is {_short(content)}"
        if len(content) != length:
            return f"{where} has {len(content)} items"
        if axis + 1 < len(self.shape):
            stride = math.prod(self.shape[axis + 1 :])
            parts = (self._odd(item, axis + 1, start + i * stride, f"{where}[{i}]") for i, item in enumerate(content))
            return next(filter(None, parts), "")
        ends = self._ends[start : start + length]
        kinds = (int,) if self.whole else (int, float)
        for i, (item, (low, high)) in enumerate(zip(content, ends, strict=True)):
            if type(item) not in kinds or not low <= item <= high:
                return f"{where}[{i}] is {_short(item)}"
        return ""

    @cached_property
    def _ends(self) -> list[tuple[float, float]]:
        return list(zip(self.lows.tolist(), self.highs.tolist(), strict=True))

    def _said(self) -> str:
        lists = " lists of ".join(map(str, self.shape))
        kind = "whole numbers" if self.whole else "numbers"
        if isinstance(self.low, tuple) or isinstance(self.high, tuple):
            return f"a list of {lists} {kind} within their bounds"
        return f"a list of {lists} {kind} from {self.low:g} to {self.high:g}"


def _short(value: Any) -> str:
    if isinstance(value, list | tuple | Mapping):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, str):
        return f"the text {value[:20]!r}"
    if type(value) is int and value.bit_length() > 128:
        return f"a whole number of {value.bit_length()} bits"
    return repr(value)[:40]
