"""A challenge: tasks, the keys that only the bench sees, and who judges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from guerdon.core.errors import ChallengeError, did_you_mean
from guerdon.core.plain import canonical
from guerdon.core.preference import Preference
from guerdon.core.reward import Reward
from guerdon.core.task import Answer, Key, Task


class Visibility(StrEnum):
    """What a solver is told about its answers on a split."""

    OPEN = "open"  # every score
    AGGREGATE = "aggregate"  # one rounded mean per batch, and only when it is a real improvement
    SEALED = "sealed"  # nothing until closing


@dataclass(frozen=True, slots=True)
class Probes:
    """Answers whose scores are known in advance, by which a challenge checks itself.

    Args:
        oracle: must reach `top`.
        nothing: empty, default and echoed answers; must score no more than `floor`.
        cheats: known hacks by name; must gain nothing over `floor`.
        top: the value the oracle must reach.
        floor: the value that doing nothing may have.
        oracle_judge: judges the oracle instead of the challenge's own judge, when references need more time.
    """

    oracle: Sequence[Answer] = ()
    nothing: Sequence[Answer] = ()
    cheats: Mapping[str, Sequence[Answer]] = field(default_factory=dict)
    top: float = 1.0
    floor: float = 0.0
    oracle_judge: Reward | None = None


@dataclass(frozen=True, slots=True)
class Landmark:
    """A published value to see a result beside. It is shown and never scored against.

    Args:
        name: whose it is, and under which conditions if they are others.
        value: the number.
        measure: the part of a score that it is a value of; "" is the score itself.
        source: where it was published.
    """

    name: str
    value: float
    measure: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """Something to look at where people would rather look than read.

    Args:
        caption: what is to be seen, in words for those who cannot.
        media: its type.
        data: the file's bytes.
    """

    caption: str
    media: Literal["image/png", "image/gif", "image/svg+xml"]
    data: bytes


class Challenge:
    """Base of every challenge. Subclass as a frozen dataclass: its fields say which data it is made of.

    Attributes:
        name: the slug.
        judge: the reward or preference that scores answers; it runs in the bench only.
        splits: name of each split and what is told about it.
    """

    name: ClassVar[str] = "challenge"
    splits: ClassVar[Mapping[str, Visibility]] = MappingProxyType({"main": Visibility.OPEN})

    @property
    def judge(self) -> Reward | Preference:
        """Who scores answers."""
        raise ChallengeError("a challenge has a judge", f"{self.name} has none", "Write the property judge")

    def tasks(self, split: str) -> Iterable[Task]:
        """The tasks of a split; may be lazy, must be the same each time."""
        raise ChallengeError("a challenge has tasks", f"{self.name} has none", "Write tasks(split)")

    def keys(self, tasks: Sequence[Task]) -> Sequence[Key]:
        """What the judge knows about each task. Called inside the bench only."""
        return [None] * len(tasks)

    def world(self, task: Task) -> Any:
        """The world of a task (Gymnasium or PettingZoo), where there is one."""
        raise ChallengeError("a world", f"{self.name} has none", "Ask for tasks instead")

    def probes(self, tasks: Sequence[Task]) -> Probes:
        """Oracle, do-nothing and cheating answers for some of its tasks."""
        return Probes()

    def landmarks(self, task: Task) -> Sequence[Landmark]:
        """Published values for a task."""
        return ()

    def pictures(self, task: Task, answer: Answer) -> Sequence[Picture]:
        """What an answer looks like; asked for the best answers when a report is made. Nothing for a malformed one."""
        return ()

    def secrets(self, tasks: Sequence[Task]) -> list[str]:
        """Texts that must not be found in any task; by default the keys, where they are longer than 8 characters."""
        texts = [canonical(key) for key in self.keys(tasks) if key is not None]
        return [text.strip('"') for text in texts if len(text) > 8]

    def visibility(self, split: str) -> Visibility:
        """What is told about a split.

        Raises:
            ChallengeError: there is no such split.
        """
        if split not in self.splits:
            raise ChallengeError(f"a split of {self.name}", f"got {split!r}", did_you_mean(split, self.splits))
        return Visibility(self.splits[split])
