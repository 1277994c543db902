"""What is asked, what is handed in, and how the two meet a judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from guerdon.core.plain import Blob, Json, digest
from guerdon.core.score import Score

AttemptId = str
Key = Any
"""What a judge knows and a solver must not: plain data out of the challenge's vault."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a solver may see: a name and plain data. It has no field in which an answer could sit.

    Args:
        id: unique in its challenge and stable across runs.
        data: JSON-plain; the prompt, the source, the picture's digest, the arguments of a world.

    >>> Task("sum/1", {"prompt": "2 + 2"}).data["prompt"]
    '2 + 2'
    """

    id: str
    data: Mapping[str, Json] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Content address."""
        return digest(self.id, self.data)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a solver hands in.

    Args:
        task: id of the task it answers.
        content: JSON-plain data, or a `Blob` for a stored file.
        parents: attempts it was made from (evolution, tree search, refinement).
        note: JSON-plain remarks of the solver; `tokens` (int) is charged to the budget; `group` (str) keeps
            answers that are to be judged together, by default those of one task.
    """

    task: str
    content: Json | Blob
    parents: tuple[AttemptId, ...] = ()
    note: Mapping[str, Json] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Content address of what was handed in (not of the notes)."""
        return digest(self.content.plain() if isinstance(self.content, Blob) else self.content)

    @property
    def group(self) -> str:
        """Answers with the same group are judged together."""
        group = self.note.get("group")
        return self.task if group is None else f"{self.task}#{group}"

    @property
    def tokens(self) -> int:
        """Language-model tokens spent on it, as far as they are known."""
        tokens = self.note.get("tokens")
        return tokens if type(tokens) is int else 0


@dataclass(frozen=True, slots=True)
class Case:
    """A task, an answer and the key, as only a reward sees them."""

    task: Task
    answer: Answer
    key: Key = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A task, an answer and its score, as a solver sees them: the score is what the split lets it know."""

    task: Task
    answer: Answer
    score: Score
    attempt: AttemptId
