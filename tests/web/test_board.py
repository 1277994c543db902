"""What a leaderboard's columns are, and what is said while it is read for the first time."""

import threading
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("markdown_it")
pytest.importorskip("nh3")
from hosting_helpers import FREE, contest, entered, guess, person, wait_for
from web_helpers import Browser, main_of, signed_in

from guerdon.hosting import BoardRow, Host, Phase, Role
from guerdon.web.client import Client
from guerdon.web.contests import _columns
from guerdon.web.settings import Settings


def row(value: float | None, **parts: float) -> BoardRow:
    return BoardRow(1, 1, "t", "team", value, None, None, 1, 1.0, parts=parts)


def test_parts_are_shown_without_the_ends_of_their_intervals() -> None:
    one = row(0.2, AP=0.2, AP50=0.3, AP50_low=0.25, AP50_high=0.35, low=0.1, high=0.3, shelf_low=1.0)
    assert _columns([one]) == ("AP", ["AP50", "shelf_low"])


def test_a_part_that_is_the_score_in_some_rows_only_is_a_part() -> None:
    assert _columns([row(0.2, AP=0.2), row(0.3, AP=0.2)]) == ("score", ["AP"])
    assert _columns([row(None)]) == ("score", [])


def test_nobody_waits_for_a_board_that_is_read_for_the_first_time(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    contest(host, Phase("open", "open", limits=FREE))
    entered(host, person(host, "Ada"), "open", 0.5, 0.5, 0.5)
    go, looked, mark = threading.Event(), list[str](), host.board_mark

    def slow(*given: Any) -> str:
        looked.append("")
        assert go.wait(60)
        return mark(*given)

    monkeypatch.setattr("guerdon.web.readings.PATIENCE_S", 0.0)
    browser = Browser(host)
    with monkeypatch.context() as patch:
        patch.setattr(host, "board_mark", slow)
        for _ in range(2):
            page = browser.get("/challenges/numbers")
            assert (page.status_code, page.headers["refresh"]) == (200, "3")
            assert "The leaderboard is being read" in main_of(page)
            assert browser.get("/challenges").status_code == 200
            assert browser.get("/challenges/numbers/board.csv").headers["location"] == "/challenges/numbers?phase=open"
            told = browser.get("/api/v1/contests/numbers/board")
            assert (told.status_code, told.headers["retry-after"]) == (503, "2")
            assert "being read" in told.json()["got"]
        go.set()
        wait_for(lambda: browser.get("/api/v1/contests/numbers/board").status_code == 200)
        assert len(looked) == 2  # the answer's own mark is the other
    assert "refresh" not in browser.get("/challenges/numbers").headers
    assert "Ada" in main_of(browser.get("/challenges/numbers"))
    assert "Ada" in browser.get("/challenges/numbers/board.csv").text


def test_what_is_alike_is_compared_in_the_background(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    contest(host, Phase("open", "open", limits=FREE))
    for name in ("Ada", "Bea"):
        host.submissions.submit(person(host, name), "numbers", "open", guess("open", 1, 2, 3))
    go, compared, near = threading.Event(), list[str](), host.near_duplicates

    def slow(*given: Any) -> Any:
        compared.append("")
        assert go.wait(60)
        return near(*given)

    monkeypatch.setattr("guerdon.web.readings.PATIENCE_S", 0.0)
    monkeypatch.setattr(host, "near_duplicates", slow)
    browser = Browser(host)
    for _ in range(2):
        waits = browser.get("/challenges/numbers/alike")
        assert (waits.status_code, waits.headers["refresh"]) == (202, "3")
        assert "is being compared" in main_of(waits)
    go.set()
    page = wait_for(lambda: (found := browser.get("/challenges/numbers/alike")).status_code == 200 and main_of(found))
    assert "1 pair of submissions" in page
    assert len(compared) == 1


@pytest.mark.parametrize("role", [Role.ENTRANT, Role.ANNOTATOR])
def test_what_is_alike_is_for_organisers(host: Host, settings: Settings, role: Role) -> None:
    contest(host, Phase("open", "open", limits=FREE))
    assert Browser(host, settings).get("/challenges/numbers/alike").status_code in (403, 404)
    assert signed_in(host, settings, "Eve", role).get("/challenges/numbers/alike").status_code == 403


def test_the_client_asks_again_for_what_will_be_there_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    import httpx

    answers = [httpx.Response(503, headers={"retry-after": "2"}), httpx.Response(200, json={"rows": []})]
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    with Client("https://contest.example", "t", httpx.MockTransport(lambda request: answers.pop(0))) as client:
        assert client.board("numbers") == {"rows": []}
    assert slept == [2]
