"""A host: everything that a contest's pages, commands and workers ask for, over one data base."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from guerdon.hosting.board import Boards
from guerdon.hosting.comparisons import Comparisons
from guerdon.hosting.contests import Contests
from guerdon.hosting.duplicates import Duplicate, Duplicates
from guerdon.hosting.events import Events
from guerdon.hosting.exports import Exports
from guerdon.hosting.forgetting import Forgetting
from guerdon.hosting.log import Deed, Log
from guerdon.hosting.people import People
from guerdon.hosting.queue import Queue
from guerdon.hosting.records import Records
from guerdon.hosting.renewal import Renewal
from guerdon.hosting.scores import Scores
from guerdon.hosting.store import Store
from guerdon.hosting.submissions import Submissions
from guerdon.hosting.things import Actor, Board, Change
from guerdon.ledger import Ledger


class Host:
    """The contests in one data base, beside its ledger.

    Attributes:
        people: who takes part.
        renewal: new passwords.
        contests: what is hosted.
        submissions: what was handed in.
        queue: what is to be judged.
        comparisons: what people compare.
        exports: contests on their way elsewhere.
        forgetting: what is kept of a person, and its end.
        ledger: where every attempt and verdict is recorded.

    >>> with Host.open("sqlite://") as host:
    ...     host.contests.list(Actor.local())
    []
    """

    def __init__(self, ledger: Ledger, clock: Callable[[], float] | None = None) -> None:
        self.ledger = ledger
        self.store = Store(ledger, clock)
        self.people = People(self.store)
        self.renewal = Renewal(self.store, self.people)
        self.contests = Contests(self.store)
        self._scores = Scores(self.store)
        self._records = Records(self.store, self.contests, self._scores)
        self.submissions = Submissions(self.store, self.contests, self._records)
        self.queue = Queue(self.store, self.contests, self._records)
        self.comparisons = Comparisons(self.store)
        self._boards = Boards(self.store, self.contests, self._scores)
        self.exports = Exports(self.store, self.contests, self._records, self._boards)
        self._duplicates = Duplicates(self.store, self.contests, self._records)
        self._log = Log(self.store)
        self.forgetting = Forgetting(self.store, self.people, self._records, self._log)
        self._events = Events(self.store, self.contests)

    @classmethod
    def open(
        cls,
        url: str | Path = "guerdon.db",
        *,
        create: bool = True,
        files: str | Path | None = None,
        durable: bool = True,
        clock: Callable[[], float] | None = None,
    ) -> Host:
        """Open the contests of a ledger, making their tables if there are none.

        Args:
            url: the ledger's path or URL.
            create: make the ledger if there is none.
            files: folder for submitted files; every worker must see the same.
            durable: wait for the disk at each commit, so that a power cut loses no submission.
            clock: for tests; the data base's clock otherwise.

        Raises:
            LedgerError: it cannot be opened, with the reason and the fix.
        """
        return cls(Ledger.open(url, durable=durable, create=create, files=files), clock)

    def board(self, contest: str, phase: str, actor: Actor, first: int = 1, count: int | None = None) -> Board:
        """The leaderboard of a phase as an actor may see it, or so many rows of it from one on, counted from 1."""
        return self._boards.board(contest, phase, actor, first, count)

    def board_mark(self, contest: str, phase: str, actor: Actor) -> str:
        """What changes whenever anything does that an actor may see of a board: `Board.mark`, for little."""
        return self._boards.mark(contest, phase, actor)

    def events(self, after: int, actor: Actor | None = None) -> list[Change]:
        """What has changed after a number, as far as the actor may know it."""
        return self._events.after(after, actor)

    def newest_event(self) -> int:
        """The number of the newest change."""
        return self._events.newest()

    def near_duplicates(self, contest: str, actor: Actor, agreement: float = 0.99) -> list[Duplicate]:
        """Submissions of different teams that are the same, or nearly."""
        return self._duplicates.near(actor, contest, agreement)

    def log(self, actor: Actor, contest: str = "", before: int | None = None, limit: int = 200) -> list[Deed]:
        """What organisers did, newest first, a page at a time; see `Log.entries`."""
        return self._log.entries(actor, contest, before, limit)

    def close(self) -> None:
        """Close the data base."""
        self.ledger.close()

    def __enter__(self) -> Host:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
