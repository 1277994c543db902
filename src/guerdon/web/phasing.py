"""The phases of a contest in a form: which splits are held, when, how much may be handed in, when scores are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from guerdon.core.challenge import Visibility
from guerdon.core.errors import ConfigError
from guerdon.hosting import HostingError, Limits, Phase
from guerdon.web.visit import Visit

OPENNESS = (Visibility.OPEN, Visibility.AGGREGATE, Visibility.SEALED)
MIB = 1 << 20
DIGITS = 15
"""Of a whole number: more of them no data base holds."""


@dataclass(frozen=True)
class Planned:
    """A split as the form shows it.

    Args:
        split: of the challenge; "" for all of them, where they are not known yet.
        mark: behind the names of its fields, as "-0".
        visibilities: what its phase may tell, the split's own first.
    """

    split: str = ""
    mark: str = ""
    visibilities: Sequence[str] = ()


def planned(kind: Any) -> list[Planned]:
    """What the form asks of a challenge's phases; one set of fields for all where its splits are not known yet."""
    splits = getattr(kind, "splits", None)
    if not isinstance(splits, Mapping) or not splits:
        return [Planned()]
    return [
        Planned(split, f"-{place}", [each.value for each in OPENNESS[OPENNESS.index(Visibility(allowed)) :]])
        for place, (split, allowed) in enumerate(splits.items())
    ]


def phases(visit: Visit, splits: Mapping[str, Visibility]) -> list[Phase]:
    """The phases that the form asks for, in the order of the splits.

    Raises:
        HostingError: none is held, or a field is not usable.
        ConfigError: a time or a limit is not one.
    """
    each_own = visit.form.get("phased") == "yes"
    found = [
        _phase(visit, split, f"-{place}" if each_own else "")
        for place, split in enumerate(splits)
        if not each_own or visit.form.get(f"hold-{place}") == "yes"
    ]
    if not found:
        raise HostingError("at least one phase", "none is ticked", "Tick the splits that are held")
    return found


def _phase(visit: Visit, split: str, mark: str) -> Phase:
    opens, closes = moment(visit, f"opens{mark}"), moment(visit, f"closes{mark}")
    told = visit.text(f"visibility{mark}", 20)
    if told and told not in [each.value for each in OPENNESS]:
        raise HostingError("open, aggregate or sealed", f"got {told!r:.40}", "Choose one of them")
    return Phase(
        visit.text(f"name{mark}", 60) or split, split, opens, closes, Visibility(told) if told else None,
        limits(visit, mark), _reveal(visit, mark),
    )  # fmt: skip


def limits(visit: Visit, mark: str = "") -> Limits:
    """How much may be handed in, by the fields with this mark."""
    usual, size = Limits(), whole(visit, f"size{mark}")
    finals = whole(visit, f"finals{mark}")
    return Limits(
        per_day=whole(visit, f"per_day{mark}"), per_month=whole(visit, f"per_month{mark}"),
        total=whole(visit, f"total{mark}"), concurrent=whole(visit, f"concurrent{mark}"),
        size=size * MIB if size else usual.size,
        finals=usual.finals if finals is None else finals,
        seconds=float(whole(visit, f"seconds{mark}") or usual.seconds), memory_mb=whole(visit, f"memory{mark}"),
    )  # fmt: skip


def _reveal(visit: Visit, mark: str) -> Any:
    """By hand, at closing, or at a time."""
    given, at = visit.text(f"reveal{mark}", 20) or "manual", moment(visit, f"reveal_at{mark}")
    if given == "time":
        if at is None:
            raise HostingError("a time at which scores are shown", "there is none", "Fill it in, or choose another way")
        return at
    if given not in ("manual", "close"):
        raise HostingError("scores shown by hand, at closing or at a time", f"got {given!r:.40}", "Choose one of them")
    return given


def whole(visit: Visit, name: str) -> int | None:
    """A whole number from the form; `None` where the field is empty."""
    typed = visit.text(name, 20)
    if not typed:
        return None
    if not (typed.isascii() and typed.isdigit() and len(typed) <= DIGITS):
        said = name.partition("-")[0].replace("_", " ")
        raise HostingError(f"{said} is a whole number", f"got {typed!r}", "Leave it empty for any")
    return int(typed)


def moment(visit: Visit, name: str) -> float | None:
    """A time from the form in unix seconds, UTC where no zone is named; `None` where the field is empty."""
    typed = visit.text(name, 40)
    if not typed:
        return None
    try:
        found = datetime.fromisoformat(typed)
    except ValueError:
        raise ConfigError("a time as 2026-12-24T12:00", f"got {typed!r}", "Correct it") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
