"""What a team may still submit, counted in one query: for the page that says it and the transaction that refuses."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from guerdon.hosting.errors import LimitError
from guerdon.hosting.things import Actor, Limits, LimitsLeft, Role

Rows = Callable[[str, Sequence[Any]], list[Any]]
DAY = 86400.0
FREE = 20
"""So many submissions a day count for nothing because they were cancelled or failed on the host's side. More do count:
each of them is stored, and whether a judge fails may depend on the key.
"""


def limits_left(rows: Rows, actor: Actor, key: tuple[str, str], limits: Limits, now: float) -> LimitsLeft:
    """What is left; organisers have no limits.

    Args:
        rows: runs a query, within a transaction or not.
        actor: for whose team.
        key: contest and phase, as stored.
        limits: of the phase.
        now: unix seconds.
    """
    today, month = math.floor(now / DAY) * DAY, month_of(now)
    found = rows(_COUNTS, [today, month, today, *key, actor.team, *key, actor.person])[0]
    waiting, total, by_day, by_month, freed = map(int, found)
    beyond = max(freed - FREE, 0)
    free = actor.role is Role.ORGANISER

    def left(most: int | None, used: int) -> int | None:
        return None if most is None or free else max(most - used, 0)

    return LimitsLeft(
        day=left(limits.per_day, by_day + beyond),
        month=left(limits.per_month, by_month + beyond),
        total=left(limits.total, total + beyond),
        concurrent=left(limits.concurrent, waiting),
        waiting=waiting,
        next_day=today + DAY,
        next_month=month_of(month + 32 * DAY),
    )


def ensure_left(left: LimitsLeft, limits: Limits, now: float) -> None:
    """Refuse what is too much.

    Raises:
        LimitError: which limit is reached, and when there is room again.
    """
    if left.concurrent == 0:
        expected = f"at most {limits.concurrent} submissions that wait or are being judged"
        raise LimitError(expected, "so many are", "Wait for one to be judged")
    if left.total == 0:
        raise LimitError(f"at most {limits.total} submissions in all", "so many were made", "Choose among them")
    if left.month == 0:
        days = math.ceil((left.next_month - now) / DAY)
        do = f"The next month begins in {days} days, at 0:00 UTC"
        raise LimitError(f"at most {limits.per_month} submissions a month", "so many were made this month", do)
    if left.day == 0:
        hours = math.ceil((left.next_day - now) / 3600)
        do = f"The next day begins in {hours} h, at 0:00 UTC"
        raise LimitError(f"at most {limits.per_day} submissions a day", "so many were made today", do)


def month_of(now: float) -> float:
    """When the month of a moment began, in unix seconds.

    >>> month_of(86400.0 * 40) == 86400.0 * 31
    True
    """
    return datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()


_OF = "SELECT seq, state, counts, created FROM hosting_submissions WHERE contest = ? AND phase = ? AND"
_COUNTS = (  # a union: each half by an index of its own
    "SELECT COALESCE(SUM(CASE WHEN state IN ('queued', 'leased') THEN 1 ELSE 0 END), 0), COALESCE(SUM(counts), 0), "
    "COALESCE(SUM(CASE WHEN created >= ? THEN counts ELSE 0 END), 0), "
    "COALESCE(SUM(CASE WHEN created >= ? THEN counts ELSE 0 END), 0), "
    "COALESCE(SUM(CASE WHEN created >= ? THEN 1 - counts ELSE 0 END), 0) "
    f"FROM ({_OF} team = ? UNION {_OF} person = ?) s"
)
