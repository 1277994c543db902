"""What an organiser changes while a contest runs, takes away, and finds in the log."""

import json

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("markdown_it")
pytest.importorskip("nh3")
from hosting_helpers import FREE, contest, entered, person
from web_helpers import Browser, main_of, signed_in

from guerdon.hosting import Actor, Host, Limits, Phase, Role
from guerdon.web.settings import Settings

EDIT = "/challenges/numbers/edit"


def opened(host: Host) -> None:
    limits = Limits(per_day=3, total=None, size=1234, seconds=60.0)
    contest(host, Phase("open", "open", opens=1000.5, limits=limits), Phase("final", "final", limits=FREE))


def fields(host: Host, **more: str) -> dict[str, str]:
    return {"version": str(host.contests.find("numbers").version), **more}


def test_texts_and_who_may_see_them(host: Host, settings: Settings) -> None:
    opened(host)
    root = signed_in(host, settings, "Root", Role.ORGANISER)
    answer = root.post(EDIT, fields(host, title="New", rules="# Rules\r\n**bold**", public="yes"))
    assert answer.headers["location"] == f"{EDIT}?said=changed"
    found = host.contests.find("numbers")
    assert (found.title, found.rules, found.public) == ("New", "# Rules\n**bold**", True)
    log = main_of(root.get("/log?challenge=numbers"))
    assert "Root" in log
    assert "public" in log


def test_a_phase_is_extended_and_what_was_not_touched_stays_to_the_byte_and_second(host: Host) -> None:
    opened(host)
    browser = Browser(host)
    page = main_of(browser.get(EDIT))
    assert 'value="1970-01-01T00:16"' in page
    given = {"phase": "open", "opens-0": "1970-01-01T00:16", "closes-0": "2190-01-01T00:00", "per_day-0": "7",
             "total-0": "", "concurrent-0": "2", "finals-0": "2", "size-0": "0", "seconds-0": "60"}  # fmt: skip
    assert browser.post(EDIT, fields(host, **given)).status_code == 303
    phase = host.contests.find("numbers").phase("open")
    assert (phase.opens, phase.closes) == (1000.5, (220 * 365 + 54) * 86400)
    assert (phase.limits.per_day, phase.limits.size, phase.limits.seconds) == (7, 1234, 60.0)
    assert "per day 3 → 7" in main_of(browser.get("/log"))
    early = browser.post(EDIT, fields(host, **given | {"closes-0": "1970-01-01T00:01"}))
    assert early.status_code == 400
    assert 'value="1970-01-01T00:01"' in main_of(early)


def test_the_second_of_two_who_edit_at_once_is_told(host: Host) -> None:
    opened(host)
    browser = Browser(host)
    old = fields(host, title="Mine", rules="")
    browser.post(EDIT, fields(host, title="Theirs", rules=""))
    answer = browser.post(EDIT, old)
    assert answer.status_code == 409
    assert "changed meanwhile" in main_of(answer)
    assert 'value="Mine"' in main_of(answer)  # what was typed is not lost
    assert host.contests.find("numbers").title == "Theirs"


def test_a_contest_is_taken_away_without_what_is_sealed(host: Host) -> None:
    opened(host)
    ada = person(host, "Ada")
    entered(host, ada, "open", 0.1, 0.2, 0.3)
    entered(host, ada, "final", 0.98765, 0.98765, 0.98765)
    browser = Browser(host)
    for kind in ("json", "csv", "evalai"):
        answer = browser.post("/challenges/numbers/export", {"format": kind}, at="/challenges/numbers")
        assert answer.status_code == 200, kind
        assert answer.headers["content-disposition"].startswith("attachment")
        assert "0.9876" not in answer.text
        if kind != "csv":
            json.loads(answer.text)
    wrong = browser.post("/challenges/numbers/export", {"format": "xml"}, at="/challenges/numbers")
    assert wrong.status_code == 400
    assert "export" in main_of(browser.get("/log"))


@pytest.mark.parametrize("role", [Role.ENTRANT, Role.ANNOTATOR])
def test_others_change_nothing_and_see_no_log(host: Host, settings: Settings, role: Role) -> None:
    opened(host)
    eve = signed_in(host, settings, "Eve", role)
    for path in (EDIT, "/log"):
        assert eve.get(path).status_code == 403, path
    token = eve.csrf("/account")
    for path in (EDIT, "/challenges/numbers/export"):
        sent = {"csrf": token, "title": "x", "format": "json", "version": "1"}
        assert eve.http.post(path, data=sent, headers={"origin": eve.base}).status_code == 403, path
    assert host.contests.find("numbers").title != "x"


def test_a_long_log_has_pages(host: Host) -> None:
    opened(host)
    for turn in range(105):
        host.contests.change(Actor.local(), "numbers", title=f"Turn {turn}")
    browser = Browser(host)
    first = main_of(browser.get("/log"))
    assert first.count("<tr>") == 101
    older = first.split('href="/log?before=')[1].split('"')[0]
    last = main_of(browser.get(f"/log?before={older}"))
    assert "create" in last
    assert 'href="/log">newest' in last
    assert "newest" not in first.split("<nav")[1]
