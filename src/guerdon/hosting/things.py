"""The nouns of a contest, as they are shown: frozen, and without anything that the one who asked may not see."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from guerdon.core.challenge import Visibility
from guerdon.core.errors import ConfigError

Entry = Literal["file", "text", "json"]
"""How a submission reaches the judge: as a stored file, as text, or as JSON data."""


class Role(StrEnum):
    """What a person is in the contest."""

    VISITOR = "visitor"  # nobody that is known
    ENTRANT = "entrant"  # submits for a team
    ANNOTATOR = "annotator"  # compares
    ORGANISER = "organiser"  # runs the contest


class State(StrEnum):
    """Where a submission stands."""

    QUEUED = "queued"
    LEASED = "leased"
    DONE = "done"
    FAULT = "fault"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks.

    Args:
        person: id of the person; "" for a visitor.
        name: for people.
        role: what the person is.
        team: id of the team that an entrant submits for.
        scopes: what an API token may be used for ("read", "submit", "annotate", "organise"); `None` for everything
            that the role may do.
    """

    person: str
    name: str
    role: Role
    team: str = ""
    scopes: frozenset[str] | None = None

    @classmethod
    def local(cls) -> Actor:
        """The one user of a machine of their own: organiser, entrant and annotator in one."""
        return cls("local", "local", Role.ORGANISER, "local")

    @classmethod
    def visitor(cls) -> Actor:
        """Somebody who has not signed in."""
        return cls("", "", Role.VISITOR)


@dataclass(frozen=True, slots=True)
class Person:
    """A member of the contest, as organisers and the person see it."""

    id: str
    name: str
    role: Role
    team: str
    team_name: str
    created: float
    disabled: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a team, and each person, may submit to a phase.

    Args:
        per_day: submissions by UTC day; `None` for any number.
        per_month: submissions by calendar month, UTC.
        total: submissions in all.
        concurrent: submissions that are queued or being judged.
        size: bytes of one submission.
        finals: how many a team may choose to count in the end.
        seconds: what judging one submission may take.
        memory_mb: what judging may use, in MiB of address space; `None` for any amount.
    """

    per_day: int | None = 5
    per_month: int | None = None
    total: int | None = None
    concurrent: int | None = 2
    size: int = 256 << 20
    finals: int = 2
    seconds: float = 600.0
    memory_mb: int | None = None

    def __post_init__(self) -> None:
        for name in ("per_day", "per_month", "total", "concurrent", "memory_mb"):
            value = getattr(self, name)
            if value is not None and not 1 <= value < math.inf:
                raise ConfigError(f"{name} is at least 1, or None", f"got {value}", "Close the phase to stop it")
        for name, least in (("size", 1), ("finals", 0), ("seconds", 0.001)):
            value = getattr(self, name)
            if value is None or not least <= value < math.inf:
                raise ConfigError(f"{name} is at least {least}", f"got {value}", "Say how much is allowed")


@dataclass(frozen=True, slots=True)
class LimitsLeft:
    """What may still be submitted to a phase by a team, and by each of its people; `None` is any number.

    It is counted as submitting counts: what is 0 here is refused there. Up to 20 a day that failed on the host's side,
    or were cancelled before a worker had them, do not count; what a member handed in for another team does.

    Args:
        day: until the next day begins.
        month: until the next month begins.
        total: in all.
        concurrent: at this moment.
        waiting: how many of theirs wait or are being judged.
        next_day: when the next day begins, 0:00 UTC, in unix seconds.
        next_month: when the next month begins.
    """

    day: int | None
    month: int | None
    total: int | None
    concurrent: int | None
    waiting: int
    next_day: float
    next_month: float

    @property
    def now(self) -> int | None:
        """How many may be handed in at this moment."""
        return min((n for n in (self.day, self.month, self.total, self.concurrent) if n is not None), default=None)


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of a contest in which answers to one split are taken.

    Args:
        name: unique in its contest.
        split: of the challenge.
        opens: unix seconds; at once by default.
        closes: unix seconds; never by default.
        visibility: what entrants are told; that of the challenge's split by default, and never more than it.
        limits: how much may be submitted.
        reveal: when scores are shown: "manual" (by `reveal`), "close" (when it closes), or unix seconds.
        step: a new best of a single-item aggregate split is released only if it is better by more than this; by default
            1/200 of the judge's range.
        closed: filled in: takes no more submissions.
        revealed: filled in: its scores may be seen.
        run: filled in: id of its run in the ledger.
        place: filled in: its place in the contest.
    """

    name: str
    split: str = ""
    opens: float | None = None
    closes: float | None = None
    visibility: Visibility | None = None
    limits: Limits = Limits()
    reveal: Literal["manual", "close"] | float = "manual"
    step: float | None = None
    closed: bool = False
    revealed: bool = False
    run: str = ""
    place: int = 0


@dataclass(frozen=True, slots=True)
class Contest:
    """A challenge with rules and phases.

    Args:
        id: random.
        slug: its name in addresses.
        title: for people.
        ref: where the challenge is: a system's slug, `module:Class` or `FILE.py[:NAME]`.
        rules: markdown, without HTML.
        phases: in order.
        created: unix seconds.
        public: whether visitors may see it.
        version: grows with every change of it or its phases; hand it in with a change to find out whether somebody
            else was faster.
    """

    id: str
    slug: str
    title: str
    ref: str
    rules: str
    phases: tuple[Phase, ...]
    created: float
    public: bool = False
    version: int = 0

    def phase(self, name: str) -> Phase:
        """A phase by its name, or the first for "".

        Raises:
            NotFoundError: there is none.
        """
        from guerdon.core.errors import did_you_mean
        from guerdon.hosting.errors import NotFoundError

        for phase in self.phases:
            if name in ("", phase.name):
                return phase
        known = [phase.name for phase in self.phases]
        raise NotFoundError(f"a phase of {self.slug}", f"got {name!r:.60}", did_you_mean(name, known))


@dataclass(frozen=True, slots=True)
class Told:
    """Why there is no score, for one audience.

    Args:
        kind: of the fault.
        whose: "solver" (the entrant's), "judge" or "host".
        sentence: for the entrant.
        detail: for the organiser; "" for everybody else.
    """

    kind: str
    whose: str
    sentence: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """A score, as far as it may be seen."""

    value: float
    low: float | None = None
    high: float | None = None
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Submission:
    """An answer that was handed in, as the one who asked may see it.

    Args:
        id: random.
        contest: slug.
        phase: name.
        number: its place in the phase, from 0; the step of its attempts in the ledger.
        team: id.
        team_name: for people.
        person: id of who handed it in.
        created: unix seconds.
        note: of the entrant.
        name: of the file.
        size: bytes.
        digest: of the content.
        state: where it stands.
        tries: how often a worker took it up.
        worker: who has it, or had it last.
        heartbeat: unix seconds of its worker's last sign of life.
        final: chosen to count.
        visibility: of its phase.
        revealed: whether the phase's scores may be seen.
        open: whether the phase still takes submissions.
        score: where it may be seen and is known.
        fault: where there is one.
        attempts: ids in the ledger.
        round: how often it was put back for judging.
        deaths: how many of its workers vanished.
    """

    id: str
    contest: str
    phase: str
    number: int
    team: str
    team_name: str
    person: str
    created: float
    note: str
    name: str
    size: int
    digest: str
    state: State
    tries: int
    worker: str
    heartbeat: float | None
    final: bool
    visibility: Visibility
    revealed: bool
    open: bool
    score: Shown | None = None
    fault: Told | None = None
    attempts: tuple[str, ...] = ()
    round: int = 0
    deaths: int = 0


@dataclass(frozen=True, slots=True)
class BoardRow:
    """A line of a leaderboard.

    Args:
        rank: 1 + the number of rows whose whole interval lies above; `None` where nothing may be told.
        group: rows with the same number cannot be told apart from the first of them; `None` as for rank.
        team: id.
        team_name: for people.
        value: the score that counts; on an aggregate split, what the Ladder released.
        low: lower end of its 95 % interval.
        high: upper end.
        entries: how many judged submissions stand behind it.
        at: unix seconds of the submission that counts; `None` where nothing may be told.
        submission: id of it, for those who may see it.
        own: whether it is the asker's.
        tied: whether others are in its group.
        parts: named components of the score, on open or revealed splits.
    """

    rank: int | None
    group: int | None
    team: str
    team_name: str
    value: float | None
    low: float | None
    high: float | None
    entries: int
    at: float | None
    submission: str = ""
    own: bool = False
    tied: bool = False
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Board:
    """A leaderboard, or a part of it.

    Args:
        contest: slug.
        phase: name.
        visibility: of the split.
        revealed: whether exact scores are shown.
        rows: best first; by name where nothing may be told.
        judged: how many submissions have a verdict.
        first: the place of the first of these rows on the board, from 1.
        count: how many rows the board has.
        own: the row of the asker's team, wherever it is.
        mark: changes whenever anything does that the asker may see of the board.
    """

    contest: str
    phase: str
    visibility: Visibility
    revealed: bool
    rows: Sequence[BoardRow]
    judged: int
    first: int = 1
    count: int = 0
    own: BoardRow | None = None
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Project:
    """A set of items that people compare, two at a time.

    Args:
        id: random.
        slug: its name in addresses.
        title: for people.
        question: what to look for.
        rule: how the next pair is chosen: "information", "top", "uncertainty" or "random".
        gold_share: share of an annotator's pairs that are gold questions, where there are any.
        created: unix seconds.
        weights: how votes are weighted: "auto", "gold", "consensus" or "none"; see `Comparisons.create`.
    """

    id: str
    slug: str
    title: str
    question: str
    rule: str
    gold_share: float
    created: float
    weights: str = "auto"


@dataclass(frozen=True, slots=True)
class Change:
    """Something that has changed; repeated changes of one thing come once.

    Args:
        seq: ask for what came after this.
        kind: "submission", "contest", "comparison" or "people".
        contest: slug, or "".
        object: id of what changed, for those who may know it.
    """

    seq: int
    kind: str
    contest: str
    object: str = ""
