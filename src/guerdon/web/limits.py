"""How often somebody may ask: buckets that fill up again, one for each account and each address."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

MANY = 20_000
"""So many buckets are kept; the ones unused for longest are forgotten, which only fills them."""


class Rate:
    """So many in a minute for each key, and as many at once.

    >>> rate = Rate(2, clock=lambda: 0.0)
    >>> [rate.take("somebody") for _ in range(3)]
    [True, True, False]
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = float(per_minute), clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._guard = threading.Lock()

    def take(self, key: str) -> bool:
        """Take one; False if there is none left."""
        with self._guard:
            now = self._clock()
            left, then = self._buckets.pop(key, (self._most, now))
            left = min(self._most, left + (now - then) * self._most / 60)
            allowed = left >= 1
            self._buckets[key] = (left - allowed, now)
            if len(self._buckets) > MANY:
                self._buckets.popitem(last=False)
            return allowed


class Seats:
    """So many at once for each key."""

    def __init__(self, each: int, whole: int = 400) -> None:
        self._each, self._whole = each, whole
        self._taken: dict[str, int] = {}
        self._guard = threading.Lock()

    def take(self, key: str) -> bool:
        """Sit down; False if there is no seat."""
        with self._guard:
            if self._taken.get(key, 0) >= self._each or sum(self._taken.values()) >= self._whole:
                return False
            self._taken[key] = self._taken.get(key, 0) + 1
            return True

    def leave(self, key: str) -> None:
        """Get up."""
        with self._guard:
            left = self._taken.get(key, 0) - 1
            if left > 0:
                self._taken[key] = left
            else:
                self._taken.pop(key, None)
