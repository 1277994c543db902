"""What takes long to read is read by one thread, once for all who look, and again only so often that a core stays free.

A page shows what was read last. Whoever watches is told when there is something newer.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

Key = tuple[str, bool]
"""A run's id, and whether its hidden scores are shown."""
PATIENCE_S = 0.5
"""So long a page waits for what it shows; after that it says that it goes on by itself."""


@dataclass
class Reading:
    """What was read of one thing.

    Attributes:
        version: how often it was read; 0 before the first time.
        value: what came of it.
        mark: the state of what it was read from.
        took: seconds that the last reading took.
        next: when it may be read again, by the clock of the readings.
        job: set when the reading that is under way has ended; `None` when none is.
        error: why the last one failed.
    """

    version: int = 0
    value: Any = None
    mark: Hashable = None
    took: float = 0.0
    next: float = 0.0
    job: threading.Event | None = None
    error: Exception | None = None


class Readings:
    """Values by key, each read at most by one thread at a time.

    Args:
        share: of the time that may be spent on reading again what has been read.
        most: how many are kept.
        patience: seconds that a page waits for a reading, if it is the first or may be expected to end by then;
            `PATIENCE_S` by default.
        clock: seconds.
    """

    def __init__(
        self,
        share: float = 0.1,
        most: int = 16,
        patience: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._share, self._most, self._clock = share, most, clock
        self._patience = PATIENCE_S if patience is None else patience
        self._kept: OrderedDict[Key, Reading] = OrderedDict()
        self._next = 0.0
        self._guard, self._turn = threading.Lock(), threading.Lock()

    def get(self, key: Key, mark: Hashable, read: Callable[[], Any], patience: float | None = None) -> tuple[Any, int]:
        """What was read last, and its version; `None` and 0 while it is being read for the first time.

        Args:
            key: what of.
            mark: its state now.
            read: reads it, if the last reading is of another state and long enough ago.
            patience: seconds to wait this time, if other than always.

        Raises:
            Exception: what reading it raised, if nothing was read before.
        """
        with self._guard:
            found = self._kept.setdefault(key, Reading())
            self._kept.move_to_end(key)
            if found.job is None and self._due(found, mark):
                found.job = threading.Event()
                threading.Thread(target=self._read, args=(found, found.job, mark, read), daemon=True).start()
            job = found.job if not found.version or found.took < self._patience else None
            self._let_go()
        if job is not None:
            job.wait(self._patience if patience is None else patience)
        with self._guard:
            if not found.version and found.error is not None:
                raise found.error
            return found.value, found.version

    def newer(self, run: str, mark: Hashable) -> tuple[int, bool]:
        """Versions of the readings of a run, summed; and whether asking for one now would read it again."""
        with self._guard:
            mine = [reading for (name, _), reading in self._kept.items() if name == run]
            due = any(reading.job is None and self._due(reading, mark) for reading in mine)
            return sum(reading.version for reading in mine), due

    def _due(self, reading: Reading, mark: Hashable) -> bool:
        if not reading.version:
            return True
        return reading.mark != mark and self._clock() >= max(reading.next, self._next)

    def _read(self, reading: Reading, job: threading.Event, mark: Hashable, read: Callable[[], Any]) -> None:
        value, error = None, None
        with self._turn:
            began = self._clock()
            try:
                value = read()
            except Exception as caught:  # noqa: BLE001  # told to whoever asked
                error = caught
            now = self._clock()
        with self._guard:
            reading.error, reading.job, reading.took = error, None, now - began
            if reading.version:  # the first time takes longer than the next: modules are imported
                reading.next = self._next = now + reading.took * (1 / self._share - 1)
            if error is None:
                reading.value, reading.mark, reading.version = value, mark, reading.version + 1
        job.set()

    def _let_go(self) -> None:
        for key in list(self._kept)[: max(len(self._kept) - self._most, 0)]:
            if self._kept[key].job is None:
                del self._kept[key]
