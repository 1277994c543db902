"""When to ask a provider again, and how long to wait first."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""HTTP statuses that may pass by themselves."""


class ReplyError(Exception):
    """A reply that cannot be used.

    Args:
        detail: what is wrong with it, for a person.
        again: asking again may help.
        after: seconds that the provider asks to wait, if it does.
        status: its HTTP status, if it had one.
    """

    def __init__(self, detail: str, *, again: bool = True, after: float | None = None, status: int = 0) -> None:
        super().__init__(detail)
        self.detail, self.again, self.after, self.status = detail, again, after, status


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Exponential backoff with full jitter.

    Args:
        attempts: requests in all, the first one included.
        first: upper bound of the first wait, in seconds; it doubles each time.
        longest: upper bound of any wait that the provider did not ask for, in seconds.
        max_wait: longest wait that a provider may ask for, in seconds; over it the reply is a fault at once.
        sleep: how to wait.
        draw: a number in [0, 1).
        now: seconds since the epoch, to read a Retry-After date.
    """

    attempts: int = 6
    first: float = 0.5
    longest: float = 30.0
    max_wait: float = 120.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    draw: Callable[[], float] = random.random
    now: Callable[[], float] = time.time

    def wait(self, attempt: int, after: float | None) -> float:
        """Seconds to wait after failed attempt number `attempt` (from 0).

        >>> Retry(draw=lambda: 1.0).wait(2, None), Retry(draw=lambda: 0.0).wait(0, 7.0)
        (2.0, 7.0)
        """
        bound = min(self.longest, self.first * 2.0 ** min(attempt, 60))
        if after is None:
            return self.draw() * bound
        return after + self.draw() * self.first  # spread out those who were told the same second

    def patient(self, after: float | None) -> bool:
        """True when the wait that the provider asks for is short enough."""
        return after is None or after <= self.max_wait


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that a reply asks to wait, from `retry-after-ms` or `retry-after` (seconds or a date), if it does.

    >>> retry_after({"retry-after": "3"}, 0.0), retry_after({"retry-after": "soon"}, 0.0)
    (3.0, None)
    >>> retry_after({"retry-after": "Thu, 01 Jan 1970 00:01:00 GMT"}, 20.0)
    40.0
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        try:
            seconds = float(text) / unit
        except ValueError:
            continue
        if math.isfinite(seconds):
            return max(0.0, seconds)
    try:
        date = parsedate_to_datetime(headers.get("retry-after", ""))
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    aware = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, aware.timestamp() - now)
