"""What a judge says of an answer: a finite number, or a typed fault. Unknown is never zero."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from guerdon.core.errors import RewardError

Whose = Literal["solver", "judge", "host"]
NOTHING: Mapping[str, float] = MappingProxyType({})


class FaultKind(StrEnum):
    """Why there is no number."""

    TIMEOUT = "timeout"  # the clock ran out
    MEMORY = "memory"  # out of its memory
    LIMIT = "limit"  # out of processes, files, disk or descriptors
    OUTPUT = "output"  # said more than its cap
    EXIT = "exit"  # left before it had answered
    CRASH = "crash"  # died by a signal
    EXCEPTION = "exception"  # raised
    PROTOCOL = "protocol"  # broke the wire protocol
    INVALID = "invalid"  # not an answer of the asked kind
    PROVIDER = "provider"  # the model endpoint failed
    JUDGE = "judge"  # the reward broke its contract
    SANDBOX = "sandbox"  # isolation failed
    BUDGET = "budget"  # nothing left to judge it with
    LOST = "lost"  # its worker vanished
    PENDING = "pending"  # a person has not answered yet
    HIDDEN = "hidden"  # known, but not to be told on this split
    ABSENT = "not-applicable"  # this reward says nothing of this answer
    CANCELLED = "cancelled"  # withdrawn


_HOSTS: frozenset[FaultKind] = frozenset(
    {FaultKind.SANDBOX, FaultKind.LOST, FaultKind.BUDGET, FaultKind.CANCELLED, FaultKind.PROVIDER}
)
_JUDGES: frozenset[FaultKind] = frozenset({FaultKind.JUDGE, FaultKind.PENDING, FaultKind.HIDDEN, FaultKind.ABSENT})


@dataclass(frozen=True, slots=True)
class Fault:
    """Why there is no score, and whose fault it is.

    `detail` is for the person who may see it; nothing from a key may be put there.

    >>> Fault("timeout", "over 1.0 s").whose
    'solver'
    >>> str(Fault("judge", "returned nan"))
    'judge (returned nan)'
    """

    kind: FaultKind
    detail: str = ""
    whose: Whose | None = None  # filled in from the kind

    def __post_init__(self) -> None:
        kind = FaultKind(self.kind)
        object.__setattr__(self, "kind", kind)
        if self.whose is None:
            whose = "host" if kind in _HOSTS else "judge" if kind in _JUDGES else "solver"
            object.__setattr__(self, "whose", whose)

    def __str__(self) -> str:
        return f"{self.kind.value} ({self.detail})" if self.detail else self.kind.value


@dataclass(frozen=True, slots=True)
class Score:
    """A finite number, or `None` with a fault.

    Args:
        value: the score, or `None` when it is not known.
        parts: named components, for people and for training; finite.
        spread: standard deviation of an uncertain score (ensembles, several judges), if known.
        tokens: one value per token of the answer, for token-level rewards.
        fault: why `value` is `None`.

    Raises:
        RewardError: the value is not finite, or both or neither of value and fault are given.

    >>> Score(0.5).value, Score.failed("timeout").value
    (0.5, None)
    """

    value: float | None
    parts: Mapping[str, float] = field(default_factory=dict)
    spread: float | None = None
    tokens: tuple[float, ...] | None = None
    fault: Fault | None = None

    def __post_init__(self) -> None:
        if self.value is None:
            if self.fault is None:
                raise RewardError(
                    "a score without a value names its fault", "got Score(None)", "Use Score.failed(kind)"
                )
            return
        value = self.value
        if type(value) not in (int, float) or not math.isfinite(value):
            raise RewardError(
                "a score's value is a finite number",
                f"got {value!r}",
                "Return Score.failed(...) if it cannot be judged",
            )
        if self.fault is not None:
            raise RewardError("a score has a value or a fault", f"got both {value!r} and {self.fault}", "Drop one")
        object.__setattr__(self, "value", float(value))

    @classmethod
    def failed(
        cls, kind: FaultKind | str, detail: str = "", whose: Whose | None = None, parts: Mapping[str, float] = NOTHING
    ) -> Score:
        """A score that is not known, with the reason."""
        return cls(None, dict(parts), fault=Fault(FaultKind(kind), detail, whose))

    @property
    def known(self) -> bool:
        """True when there is a number."""
        return self.value is not None

    def with_value(self, value: float) -> Score:
        """The same score with another number."""
        return replace(self, value=value, fault=None)
