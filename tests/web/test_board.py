"""What a leaderboard's columns are."""

import pytest

pytest.importorskip("fastapi")

from guerdon.hosting import BoardRow
from guerdon.web.contests import _columns


def row(value: float | None, **parts: float) -> BoardRow:
    return BoardRow(1, 1, "t", "team", value, None, None, 1, 1.0, parts=parts)


def test_parts_are_shown_without_the_ends_of_their_intervals() -> None:
    one = row(0.2, AP=0.2, AP50=0.3, AP50_low=0.25, AP50_high=0.35, low=0.1, high=0.3, shelf_low=1.0)
    assert _columns([one]) == ("AP", ["AP50", "shelf_low"])


def test_a_part_that_is_the_score_in_some_rows_only_is_a_part() -> None:
    assert _columns([row(0.2, AP=0.2), row(0.3, AP=0.2)]) == ("score", ["AP"])
    assert _columns([row(None)]) == ("score", [])
