"""The nouns of comparisons: what is compared, what an annotator sees, what is said of it, what it comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from guerdon.core.plain import Blob, Json


class Outcome(StrEnum):
    """What an annotator says of a pair, by the sides as they were shown."""

    FIRST = "first"
    SECOND = "second"
    TIE = "tie"
    SKIP = "skip"
    BOTH_BAD = "both-bad"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is compared.

    Args:
        id: unique in its project; never shown to annotators.
        content: text, JSON data (a trajectory, messages), or a `Blob` for a picture or clip.
        prompt: what it answers; shown above both.
        system: who made it: what is rated. Without one the item itself is rated.
        group: items are compared within a group; the prompt by default.
    """

    id: str
    content: Json | Blob
    prompt: str = ""
    system: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Side:
    """What is shown on one side.

    Args:
        content: text or JSON data; `None` for a file, which `Comparisons.media` gives.
        media: its media type; "text/plain" or "application/json" for data.
    """

    content: Json
    media: str


@dataclass(frozen=True, slots=True)
class ShownPair:
    """A pair as its annotator sees it.

    Args:
        id: of the question.
        version: how often its choice was taken back; handed in with the choice.
        prompt: what both answer.
        first: what is shown first (left).
        second: what is shown second (right).
        number: how many the annotator has answered before it.
    """

    id: str
    version: int
    prompt: str
    first: Side
    second: Side
    number: int


@dataclass(frozen=True, slots=True)
class Rated:
    """A line of the ratings: a system, or an item where systems are not named."""

    name: str
    rating: float
    low: float
    high: float
    best: int
    worst: int
    votes: float


@dataclass(frozen=True, slots=True)
class Annotator:
    """How an annotator does.

    Args:
        name: a pseudonym.
        answered: choices that stand, skips included.
        gold: gold questions answered.
        right: of them, rightly.
        low: lower end of the 95 % interval of that share; `None` without any.
        high: upper end.
    """

    name: str
    answered: int
    gold: int
    right: int
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a project stands.

    Args:
        ratings: best first.
        agreement: Krippendorff's α over pairs that several have answered; `None` where it is not defined.
        shared: how many pairs that is.
        answered: choices that stand.
        annotators: who answered.
        items: how many there are.
    """

    ratings: Sequence[Rated]
    agreement: float | None
    shared: int
    answered: int
    annotators: Sequence[Annotator]
    items: int
