"""What the logs of other evaluators have in common, and the reading of JSON that nobody checked."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from guerdon.core.errors import ConfigError
from guerdon.core.plain import Json
from guerdon.core.score import Score

LINE = 256 << 20
"""Bytes of one sample, unpacked. Longer ones are left out and named."""

MOST = 10**15
"""Of anything that is counted."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something in a log that was not taken.

    Args:
        where: the sample, line or file.
        why: in a few words.
    """

    where: str
    why: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer in a log. What it should have been is in the log too, and stays there.

    Args:
        task: what the log calls the question.
        epoch: which time it was asked, from 0.
        prompt: the question as the model got it: text, or messages with role and content.
        answer: what the model said.
        score: of the log's main measure; the others are its parts.
        seconds: of wall-clock time; `None` where the log does not tell it.
        tokens: of the model; 0 where the log does not tell them.
    """

    task: str
    epoch: int
    prompt: Json
    answer: Json
    score: Score
    seconds: float | None = None
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Claimed:
    """A mean that the log itself states.

    Args:
        name: of the measure; what `Score.parts` calls it.
        value: what the log says; `None` where it is no finite number.
        why_not: why it cannot be computed again from the samples; empty if it can.
    """

    name: str
    value: float | None
    why_not: str = ""


@dataclass(slots=True)
class Log:
    """A log of another evaluator, opened.

    Args:
        tool: "inspect" or "lm-eval".
        version: of the tool, as it says; may be empty.
        path: where it is.
        digest: of the file, and of the part of it.
        task: what was asked.
        model: who answered.
        main: name of the main measure.
        lower: less of the main measure is better; its score here is its negative.
        top: the highest possible score, where the measure has one.
        asked: how many questions there were, where the log tells it.
        status: as a run's.
        claims: what the log says of all samples.
        notes: what somebody should know who reads the run.
        samples: read once, one after the other; what cannot be read is added to `skipped` meanwhile.
    """

    tool: str
    version: str
    path: Path
    digest: str
    task: str
    model: str
    main: str
    samples: Callable[[], Iterator[Sample]]
    lower: bool = False
    top: float | None = None
    asked: int | None = None
    status: str = "done"
    created: float = 0.0
    claims: list[Claimed] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def skip(self, where: str, why: str) -> None:
        """Leave something out, and say so."""
        self.skipped.append(Skipped(where, why))


def loads(text: bytes) -> Any:
    """One JSON value of a log. NaN and infinities are let through: both evaluators write them.

    Raises:
        ValueError: it is no JSON, not UTF-8, or nested too deep.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is not UTF-8") from None


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one: a field that is missing and one of another kind are alike."""
    return value if isinstance(value, dict) else {}


def listed(value: object) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def text(value: object, otherwise: str = "") -> str:
    """The value if it is text, else something else."""
    return value if isinstance(value, str) else otherwise


def finite(value: object) -> float | None:
    """A number that can be averaged, or nothing."""
    if not isinstance(value, (bool, int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def whole(value: object, least: int = 0) -> int | None:
    """A count that a data base can hold, or nothing."""
    return value if type(value) is int and least <= value <= MOST else None


def duration(value: object) -> float | None:
    """Seconds, or nothing where there are none that can be added up."""
    seconds = finite(value)
    return seconds if seconds is not None and 0.0 <= seconds <= MOST else None


def score_of(parts: Mapping[str, float | None], main: str, lower: bool = False) -> Score:
    """The score of a sample by its main measure; what is missing or not a finite number is a fault and not a zero.

    >>> score_of({"acc": 1.0, "f1": None}, "acc").parts
    {'acc': 1.0}
    >>> str(score_of({"acc": None}, "acc").fault)
    "judge ('acc' is no finite number)"
    """
    known = {name: value for name, value in parts.items() if value is not None}
    if main in known:
        return Score(-known[main] if lower else known[main], known)
    if main in parts:
        return Score.failed("judge", f"{main!r} is no finite number", parts=known)
    return Score.failed("not-applicable", f"the log has no {main!r} for it", parts=known)


def damaged(path: Path, kind: str, got: str, do: str = "Export it again") -> ConfigError:
    """The error for a log that cannot be read at all."""
    return ConfigError(f"{path.name} is {kind}", got, do)
