"""What a challenge can show of a recorded run beside its figures: published values, and pictures of answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from guerdon.bench.loading import challenge_class, rebuilt
from guerdon.core.challenge import Challenge, Landmark, Picture, Visibility
from guerdon.core.errors import GuerdonError
from guerdon.core.task import Answer, Task
from guerdon.ledger import Ledger, RunRow


class Showing:
    """The challenge of a run, made again from its recipe; what cannot be made again shows nothing and says why.

    Only classes of this package and of files named here are made again: a ledger may come from a stranger.

    Args:
        ledger: where the run is.
        row: the run.
        challenge: the challenge itself, where it is at hand.
    """

    def __init__(self, ledger: Ledger, row: RunRow, challenge: Challenge | None = None) -> None:
        self._ledger, self._row = ledger, row
        self.why_not = ""
        self._challenge = challenge or self._made_again()

    def _made_again(self) -> Challenge | None:
        plain = self._row.recipe.get("challenge")
        kind = str(plain.get("kind", "")) if isinstance(plain, dict) else ""
        if not isinstance(plain, dict) or not kind.startswith("guerdon."):
            self.why_not = f"{kind or 'the challenge'} is not a part of guerdon"
            return None
        try:
            return rebuilt(plain)
        except (GuerdonError, TypeError, ValueError, OSError) as error:
            self.why_not = str(error)
            return None

    @cached_property
    def tasks(self) -> dict[str, Task]:
        """The recorded tasks by id."""
        return self._ledger.tasks(self._row.challenge)

    def landmarks(self, task: str) -> Sequence[Landmark]:
        """Published values for a task."""
        return self._challenge.landmarks(self.tasks[task]) if self._challenge and task in self.tasks else ()

    def pictures(self, answer: Answer) -> Sequence[Picture]:
        """What an answer looks like; nothing if drawing it fails, with the reason in `why_not`."""
        if self._challenge is None or answer.task not in self.tasks:
            return ()
        try:
            return self._challenge.pictures(self.tasks[answer.task], answer)
        except Exception as error:  # noqa: BLE001  # a report is made whatever an answer does to its picture
            self.why_not = f"{type(error).__name__}: {error}"[:300]
            return ()


def from_file(name: str, row: RunRow) -> Challenge:
    """The challenge of a run from a file of the user's own, with the recorded fields."""
    found, plain = challenge_class(name), row.recipe["challenge"]
    fields = dict(plain) if isinstance(plain, Mapping) and "kind" in plain else {}
    return found if isinstance(found, Challenge) else rebuilt({**fields, "kind": name})


class Recorded(Challenge):
    """The questions of a run as they were recorded, for a judge that needs no key: the run came without its challenge.

    Args:
        ledger: where the run is.
        row: the run.
    """

    def __init__(self, ledger: Ledger, row: RunRow) -> None:
        self._ledger, self._row = ledger, row
        self.name = row.challenge  # type: ignore[misc]
        self.splits = {row.split: Visibility(row.visibility)}  # type: ignore[misc]

    def tasks(self, split: str) -> Iterable[Task]:
        """All that were recorded of this challenge, as last seen."""
        return self._ledger.tasks(self._row.challenge).values()
