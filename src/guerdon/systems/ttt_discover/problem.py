"""One hard problem with a continuous, exactly checkable reward: the base of every problem of this system.

A problem's module holds its challenge (a `Discovery`), its verifier (a `Verifier`) and a function `seeds` that draws
start constructions. An answer is a construction, alone or as `{"construction": ...}`; whatever else it says of
itself (a reported value, the code that made it) is not read: the verifier computes everything anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from guerdon.core.challenge import Challenge
from guerdon.core.errors import RewardError
from guerdon.core.plain import Json
from guerdon.core.reward import Reward
from guerdon.core.score import FaultKind, Score
from guerdon.core.task import Case, Task

Sense = Literal["min", "max"]


class Invalid(Exception):  # noqa: N818  # it says what an answer is, not that the program erred
    """An answer is not a construction of the asked kind.

    Args:
        expected: what a construction is.
        came: what was handed in, short.
    """

    def __init__(self, expected: str, came: str) -> None:
        super().__init__(f"{expected}; {came}")


@dataclass(frozen=True)
class Verifier(Reward):
    """Judges one construction by itself. A subclass writes `measure` (or `weigh`, for measure and parts together).

    The score's value is a reward that grows with quality and is never negative: `1 / measured` where less is better,
    `measured` itself where more is. The score's parts hold the measure under its published name.

    Attributes:
        part: name of the measure, such as "c5".
        sense: whether the measure is to be small ("min") or large ("max").
    """

    range = (0.0, math.inf)  # no field: an infinity is no plain data
    part: ClassVar[str] = "value"
    sense: ClassVar[Sense] = "max"

    def measure(self, content: Any) -> float:
        """The measure of an answer's content, computed from the construction alone.

        Raises:
            Invalid: it is no construction of the asked kind.
        """
        raise RewardError("a verifier has a measure", f"{type(self).__name__} has none", "Write measure(content)")

    def extra(self, content: Any, measured: float) -> Mapping[str, float]:
        """Further parts of a valid answer's score, such as `certified_low` and `certified_high`."""
        return {}

    def weigh(self, content: Any) -> tuple[float, Mapping[str, float]]:
        """The measure and the further parts at once, where both come out of one computation.

        Raises:
            Invalid: it is no construction of the asked kind.
        """
        measured = self.measure(content)
        return measured, self.extra(content, measured) if math.isfinite(measured) else {}

    def reward(self, measured: float) -> float:
        """The reward for a measure."""
        return 1.0 / measured if self.sense == "min" else measured

    def judge(self, cases: Sequence[Case]) -> Sequence[Score]:
        """Each by itself."""
        return [self._one(case.answer.content) for case in cases]

    def _one(self, content: Any) -> Score:
        try:
            measured, extra = self.weigh(content)
            if not math.isfinite(measured) or (self.sense == "min" and measured <= 0):
                raise Invalid(f"a construction with a finite {self.part}", f"its {self.part} is {measured}")
            parts = {self.part: float(measured), **extra}
        except Invalid as invalid:
            return Score.failed(FaultKind.INVALID, str(invalid), "solver")
        return Score(self.reward(measured), parts)


@dataclass(frozen=True, kw_only=True)
class Discovery(Challenge):
    """Base of a problem: one task, for which one best construction is wanted.

    A subclass gives `name`, `verifier` (class or property), `prompt` and, where there are any, `sizes`, `landmarks`
    and `pictures`. The task's data hold what a solver may know: the problem's name, the prompt, the name and the
    sense of the measure, and the sizes.
    """

    @property
    def judge(self) -> Verifier:
        """The verifier."""
        raise RewardError("a problem has a judge", f"{self.name} has none", "Write the property judge")

    def prompt(self) -> str:
        """The problem in words, for people and language models: what to hand in and how it is judged."""
        return ""

    def sizes(self) -> Mapping[str, Json]:
        """Sizes and limits of a construction, by name."""
        return {}

    def tasks(self, split: str) -> Iterable[Task]:
        """The one task."""
        judge = self.judge
        data: dict[str, Json] = {
            "problem": self.name,
            "prompt": self.prompt(),
            "measure": judge.part,
            "sense": judge.sense,
            **self.sizes(),
        }
        return [Task(self.name, data)]


def construction(content: Any) -> Any:
    """The construction in an answer's content: `content["construction"]` of an object, else the content itself.

    Raises:
        Invalid: an object without a construction.

    >>> construction({"construction": [1, 2], "c5": 0.0})
    [1, 2]
    """
    if not isinstance(content, Mapping):
        return content
    if "construction" not in content:
        failed = content.get("failed")  # a proposer's own word why there is none
        came = failed[:200] if isinstance(failed, str) else f"it has {shown(list(content)[:5])}"
        raise Invalid("an object with a construction", came)
    return content["construction"]


def numbers(
    value: Any, *, least: int, most: int, low: float = -math.inf, high: float = math.inf, what: str = "a construction"
) -> list[float]:
    """A flat list of finite numbers as floats; the length is looked at before any element.

    Args:
        value: what was handed in.
        least: fewest numbers.
        most: most numbers.
        low: smallest number allowed.
        high: largest number allowed.
        what: its name in the fault.

    Raises:
        Invalid: it is anything else; booleans and texts are no numbers.

    >>> numbers([1, 0.5], least=1, most=3)
    [1.0, 0.5]
    """
    length = f"{what} is a list of {least} to {most} numbers"
    if not isinstance(value, (list, tuple)):
        raise Invalid(length, f"got {shown(value)}")
    if not least <= len(value) <= most:
        raise Invalid(length, f"got {len(value)}")
    odd = next((i for i, item in enumerate(value) if type(item) not in (int, float)), None)
    if odd is not None:
        raise Invalid(length, f"item {odd} is {shown(value[odd])}")
    try:
        found = [float(item) for item in value]
    except OverflowError:
        raise Invalid(f"{what} holds numbers that a float can hold", "one is too large") from None
    bad = next((i for i, item in enumerate(found) if not (math.isfinite(item) and low <= item <= high)), None)
    if bad is not None:
        bounds = f"{what} holds finite numbers" + (f" from {low:g} to {high:g}" if (low, high) != _ANY else "")
        raise Invalid(bounds, f"item {bad} is {found[bad]!r}")
    return found


_ANY = (-math.inf, math.inf)


def shown(value: Any) -> str:
    """A short description of what was handed in, however large it is.

    >>> shown([[0.0]] * 1000000)
    'a list of 1000000'
    """
    if isinstance(value, (list, tuple, Mapping)):
        inside = f": {', '.join(map(repr, value))}" if _few_words(value) else ""
        return f"a {type(value).__name__} of {len(value)}{inside}"
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    if type(value) is int and value.bit_length() > 128:
        return f"an integer of {value.bit_length()} bits"
    return repr(value)[:60]


def _few_words(value: Any) -> bool:
    return 0 < len(value) <= 5 and all(type(item) is str and len(item) <= 20 for item in value)
