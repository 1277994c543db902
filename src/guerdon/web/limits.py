"""How often somebody may ask: buckets that fill up again, one for each account and each address."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from guerdon.hosting import LimitError

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

    @contextmanager
    def held(self, key: str, what: str) -> Iterator[None]:
        """A seat for as long as something lasts.

        Args:
            key: whose.
            what: is done on it, for the error.

        Raises:
            LimitError: there is none.
        """
        if not self.take(key):
            raise LimitError(f"at most {self._each} {what} at the same time", "there are more", "Wait for one to end")
        try:
            yield
        finally:
            self.leave(key)

    def lent(self, key: str, what: str, make: Callable[[], Any]) -> Seated:
        """A response that is made and sent on a seat.

        Args:
            key: whose.
            what: is done on it, for the error.
            make: the response.

        Raises:
            LimitError: there is no seat.
        """
        with ExitStack() as stack:
            stack.enter_context(self.held(key, what))
            made = make()
            return Seated(made, stack.pop_all().close)


class Seated:
    """A response whose seat is free when it has ended, however it ends: sent, broken off, or never begun.

    Args:
        response: as it is.
        leave: gets up.
    """

    def __init__(self, response: Any, leave: Callable[[], None]) -> None:
        self._response, self._leave = response, leave

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send it."""
        try:
            await self._response(scope, receive, send)
        finally:
            self._leave()
