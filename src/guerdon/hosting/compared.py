"""The nouns of comparisons: what is compared, what an annotator sees, what is said of it, what it comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from guerdon.core.plain import Blob, Json, digest
from guerdon.hosting.things import Project


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
        weighted: by what votes are weighted at present: "gold", "consensus", or "none".
    """

    ratings: Sequence[Rated]
    agreement: float | None
    shared: int
    answered: int
    annotators: Sequence[Annotator]
    items: int
    weighted: str = "none"


@dataclass(frozen=True, slots=True)
class Voter:
    """An annotator as organisers see them.

    Args:
        name: a pseudonym.
        answered: choices that stand, skips included.
        votes: of them, those that count for ratings.
        gold: gold questions answered.
        right: of them, rightly.
        weight: of each vote, beside 1 for somebody of whom nothing is known; 0 counts for nothing.
        flags: what looks like a bot: "one side" (nearly always the same side, though sides are random), "alternating"
            (sides follow a pattern), "burst" (more votes than all others together could balance), "gold" (no better
            than chance on gold questions), "fast" (less than a second from choice to choice: nobody reads so fast; it
            is told, and counts).
        surprise: how unlike the others their votes are, in standard deviations of what the ratings of the others
            predict; far below 0 (say −4) is somebody who votes against everybody. `None` where nothing is predicted.
        pace: median seconds from one choice to the next; `None` with fewer than two.
    """

    name: str
    answered: int
    votes: int
    gold: int
    right: int
    weight: float
    flags: Sequence[str] = ()
    surprise: float | None = None
    pace: float | None = None


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """On how few votes rank 1 rests.

    Args:
        count: votes whose removal puts another first; an upper bound of the smallest number, confirmed by a fit.
        share: of all votes.
        top: who is first.
        instead: who would be.
        by: how many of those votes each annotator gave, by pseudonym; the most first.
    """

    count: int
    share: float
    top: str
    instead: str
    by: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Review:
    """Whether a project's ratings can be relied on.

    Args:
        sensitivity: `None` where removing votes cannot change who is first, or there are too few.
        voters: who answered, the most suspicious first.
        weighted: by what votes are weighted at present.
    """

    sensitivity: Sensitivity | None
    voters: Sequence[Voter]
    weighted: str


def pseudonym(project: Project, person: str) -> str:
    """What an annotator is called in exports: the same within a project, another in the next."""
    return f"annotator-{digest(project.id, person)[:8]}"
