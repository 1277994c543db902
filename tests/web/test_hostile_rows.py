"""Requests that mean harm: changes from elsewhere, what belongs to others, late files, sealed scores (J2 to J8)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("markdown_it")
pytest.importorskip("nh3")
pytest.importorskip("multipart")
from hosting_helpers import ADMIN, FREE, Clock, contest, guess, judged
from web_helpers import ORIGIN, Browser, raw, signed_in

from guerdon import Score
from guerdon.hosting import Host, Item, Phase, Role, Submission, Verdict
from guerdon.web.app import pages
from guerdon.web.settings import Settings

FORM = {"content-type": "application/x-www-form-urlencoded"}
NAMES = ("Root", "Ada", "Eve", "Anna", "nobody")


ALL = ("open", "test", "final")


def phases_of(names: Sequence[str]) -> list[Phase]:
    return [Phase(name, name, limits=FREE) for name in names]


class Hall:
    """A contest in full swing and a browser of everybody: an organiser, two teams, an annotator, a stranger."""

    def __init__(
        self, host: Host, settings: Settings, phases: Sequence[str] = ALL, scores: Sequence[float] = (0.25, 0.75)
    ) -> None:
        self.host, self.settings = host, settings
        contest(host, *phases_of(phases))
        host.comparisons.create(ADMIN, "chat", "Chat")
        host.comparisons.add(ADMIN, "chat", [Item(f"{i}", f"text {i}", system=f"s{i % 3}") for i in range(12)])
        roles = {"Root": Role.ORGANISER, "Ada": Role.ENTRANT, "Eve": Role.ENTRANT, "Anna": Role.ANNOTATOR}
        self.browsers = {name: signed_in(host, settings, name, role) for name, role in roles.items()}
        self.browsers["nobody"] = Browser(host, settings)
        self.items = [
            self.enter(name, phase, score)
            for name, score in zip(("Ada", "Eve"), scores, strict=True)
            for phase in phases
        ]
        self.sealed = self.items[len(phases) - 1]

    def enter(self, name: str, phase: str, score: float) -> Submission:
        item = self.host.submissions.submit(self.actor(name), "numbers", phase, guess(phase, 1, 2, name))
        judged(self.host, item, score, score, score)
        return item

    def actor(self, name: str) -> Any:
        return self.host.people.actor_of(self.cookie(name))

    def cookie(self, name: str) -> str:
        return str(self.browsers[name].http.cookies["__Host-guerdon-session"])

    def token(self, name: str) -> dict[str, str]:
        scopes = ("read", "submit", "annotate", "organise")
        return {"authorization": f"Bearer {self.host.people.new_api_token(self.actor(name), 'all', scopes)}"}

    def addresses(self, method: str) -> Iterator[str]:
        """Every address of a page, of Ada's sealed submission where it names one, and of every operation."""
        from guerdon.web.api import OPERATIONS

        item = self.host.submissions.get(ADMIN, self.sealed.id)
        pair = self.host.comparisons.next_pair(self.actor("Anna"), "chat")
        names = {
            "/submissions/{id}": item.id, "/attempts/{id}": item.attempts[0], "/people/{id}": self.actor("Ada").person,
            "/runs/{id}": self.host.contests.find("numbers").phase("final").run, "/account/tokens/{id}": "x",
        }  # fmt: skip
        known = [(page.path, "GET" if page.get else "") for page in pages()]
        known += [(page.path, "POST" if page.post else "") for page in pages()]
        known += [(f"/api/v1{path}", each) for each, path, _ in OPERATIONS]
        for path, each in known:
            if each != method or "{rest" in path:
                continue
            slug = "go-explore" if path.startswith("/systems") else "chat" if path.startswith("/compare") else "numbers"
            for start, name in names.items():
                path = path.replace(start, start.replace("{id}", quote(name, safe="")))
            assert pair is not None
            yield path.format(slug=slug, pair=pair.id, side="first", id=item.id)


@pytest.fixture
def hall(host: Host, settings: Settings) -> Hall:
    return Hall(host, settings)


# ── J2: changes from elsewhere ──────────────────────────────────────────────────────────────────────────────────────


def counted(host: Host) -> list[Any]:
    """How many rows every table has, and the newest change."""
    tables = ["submissions", "tokens", "people", "contests", "choices", "events", "items", "projects"]
    return [host.store.rows(f"SELECT COUNT(*) FROM hosting_{name}")[0][0] for name in tables]


def test_no_change_without_a_token_of_this_session_and_page(hall: Hall) -> None:
    """J2: every address that changes something, with every wrong token and origin."""
    root = hall.browsers["Root"]
    other = hall.browsers["Ada"].csrf("/account")
    stale_browser = signed_in(hall.host, hall.settings, "Sam", Role.ORGANISER)
    stale = stale_browser.csrf("/account")
    stale_browser.post("/sign-out", at="/account")
    good = root.csrf("/account")
    before = counted(hall.host)
    paths = [path for path in hall.addresses("POST") if not path.startswith("/api/")]
    assert len(paths) > 15
    for path in paths:
        for token in ("", "0" * 64, other, stale, good[:-1], f"{good}0"):
            answer = root.http.post(path, data={"csrf": token}, headers={"origin": ORIGIN})
            assert answer.status_code == 403, (path, token)
        twice = root.http.post(path, content=f"csrf={good}&csrf=x", headers={"origin": ORIGIN, **FORM})
        assert twice.status_code == 403, path
        for heads in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "same-site"}):
            assert root.http.post(path, data={"csrf": good}, headers=heads).status_code == 403, path
        for name in ("evil.example", "contest.example.evil.example", "contest.example:81"):
            answer = root.http.post(path, data={"csrf": good}, headers={"origin": ORIGIN, "host": name})
            assert answer.status_code == 421, path
    assert counted(hall.host) == before
    assert not hall.host.contests.find("numbers").phase("final").closed


def test_looking_changes_nothing(hall: Hall) -> None:
    """J2: no page that is only asked for changes anything, whatever follows the question mark."""
    before = counted(hall.host)
    for path in hall.addresses("GET"):
        for tail in ("", "?csrf=x&action=close&_method=DELETE&phase=final&said=revealed"):
            answer = hall.browsers["Root"].get(path + tail, headers={"x-http-method-override": "POST"})
            assert answer.status_code < 500, path
    for path in hall.addresses("POST"):
        if path not in set(hall.addresses("GET")):
            assert hall.browsers["Root"].get(path).status_code in (404, 405), path
    assert counted(hall.host) == before


# ── J3, J4: what belongs to others, and what is nowhere ─────────────────────────────────────────────────────────────


def test_what_belongs_to_others_is_not_there(hall: Hall) -> None:
    """J3: by page, by API, by blob digest, by guessing, by a cookie that says another role."""
    theirs = hall.host.submissions.get(ADMIN, hall.items[0].id)
    digest = hall.host.store.rows("SELECT digest FROM hosting_submissions")[0][0]
    pair = hall.host.comparisons.next_pair(hall.actor("Anna"), "chat")
    assert pair is not None
    paths = [f"/submissions/{theirs.id}", f"/submissions/{theirs.id}/answer", f"/api/v1/submissions/{theirs.id}",
             f"/submissions/{digest}", f"/submissions/{digest}/answer", f"/attempts/{theirs.attempts[0]}",
             f"/compare/media/{pair.id}/first", f"/submissions/{theirs.id[:8]}", f"/submissions/{theirs.id}%20",
             "/submissions/%25", "/submissions/_", "/submissions/*", "/people", "/runs"]  # fmt: skip
    for name in ("Eve", "Anna", "nobody"):
        browser = hall.browsers[name]
        browser.http.cookies.set("role", "organiser", domain="contest.example")
        heads = {"x-forwarded-user": "Root", "x-remote-user": "Root"} | (hall.token(name) if name != "nobody" else {})
        for path in paths:
            if (path, name) != (f"/compare/media/{pair.id}/first", "Anna"):
                assert browser.get(path, headers=heads).status_code in (403, 404), (path, name)
        for act in ("cancel", "retry", "choose"):
            answer = browser.http.post(f"/api/v1/submissions/{theirs.id}/{act}", headers=heads)
            assert answer.status_code in (401, 403, 404)
    listed = hall.browsers["Eve"].get("/api/v1/submissions", headers=hall.token("Eve")).json()
    assert {each["team_name"] for each in listed} == {"Eve"}
    assert theirs.id not in hall.browsers["Eve"].get("/submissions").text
    assert hall.host.submissions.get(ADMIN, theirs.id).state == "done"


def test_what_is_revoked_is_worth_nothing(hall: Hall) -> None:
    """J3: a session after signing out, a token after it was revoked, both after their person was shut out."""
    ada, path = hall.browsers["Ada"], "/api/v1/submissions"
    heads, session = hall.token("Ada"), hall.cookie("Ada")
    assert Browser(hall.host, hall.settings).get(path, headers=heads).status_code == 200
    hall.host.people.disable(ADMIN, hall.actor("Ada").person)
    assert Browser(hall.host, hall.settings).get(path, headers=heads).status_code == 401
    assert ada.get("/account").status_code == 403
    assert ada.post("/challenges/numbers/submit?phase=open", {"answer": "{}"}, at="/sign-in").status_code in (403, 404)
    for stolen in (
        session,
        session.upper(),
        session + "x",
        session[:-1],
        "guerdon-session-",
        heads["authorization"][7:],
    ):
        thief = Browser(hall.host, hall.settings)
        thief.http.cookies.set("__Host-guerdon-session", stolen, domain="contest.example")
        assert thief.get("/account").status_code == 403


@pytest.mark.parametrize(
    "path",
    ["/static/....//app.py", "/static/%252e%252e%252fapp.py", "/%2e%2e/%2e%2e/etc/passwd", "/..;/queue", "/queue;a=b",
     "/static/app.css%00.js", "/c:\\windows\\win.ini", "/static//etc/passwd", "/static/%c0%ae%c0%ae/app.py",
     "/challenges/%E2%80%AE", "/submissions/" + "a" * 900, "/runs/../../etc/passwd", "/systems/..%5c..%5cetc",
     "/systems/__init__", "/systems/v3det/../../../x", "/challenges/numbers/board.csv/",
     "/attempts/%0d%0aset-cookie:a=b", "/.git/config", "/.env",
     "/docs", "/redoc", "/openapi.json", "/api/v1/../../people", "/live/x"],
)  # fmt: skip
def test_strange_addresses_are_nowhere(host: Host, path: str) -> None:
    """J4."""
    contest(host, *phases_of(ALL))
    answer = raw(host, path)
    assert answer.status_code == 404
    assert "Traceback" not in answer.text
    assert "root:" not in answer.text


# ── J7, J8: closing and sealed scores ───────────────────────────────────────────────────────────────────────────────


def test_a_phase_that_closes_while_a_file_comes_takes_it_no_more(hall: Hall) -> None:
    """J7: what came too late is refused in words, counts for nothing and leaves no file behind."""
    before = len(hall.host.submissions.list_for(ADMIN))

    def slowly() -> Iterator[bytes]:
        content = json.dumps(guess("open", 1, 2, 3)).encode()
        yield content[:10]
        hall.host.contests.close(ADMIN, "numbers", "open")
        yield content[10:]

    path = "/api/v1/contests/numbers/submissions?phase=open"
    answer = hall.browsers["Ada"].http.post(path, content=slowly(), headers=hall.token("Ada"))
    assert answer.status_code == 400
    assert "closed" in answer.json()["got"]
    assert len(hall.host.submissions.list_for(ADMIN)) == before
    assert hall.host.queue.view(ADMIN).queued == 0


def test_what_is_judged_is_cancelled_and_what_is_finished_is_judged_again(hall: Hall) -> None:
    """J7: by the buttons; the late verdict of a worker that lost its submission does not count."""
    root, host = hall.browsers["Root"], hall.host
    item = host.submissions.submit(hall.actor("Ada"), "numbers", "open", guess("open", 1, 2, 3))
    lease = host.queue.lease("w")
    assert lease is not None
    assert root.post(f"/submissions/{item.id}/cancel", at="/account").status_code == 303
    assert host.queue.finish(lease, Verdict([Score(1.0)] * 3, "judge")) != "counted"
    assert host.submissions.get(ADMIN, item.id).state == "cancelled"
    assert root.post(f"/submissions/{item.id}/retry", at="/account").status_code == 303
    judged(host, item, 0.5, 0.5, 0.5)
    assert root.post(f"/submissions/{item.id}/retry", at="/account").status_code == 303
    judged(host, item, 0.75, 0.75, 0.75)
    host.people.disable(ADMIN, hall.actor("Ada").person)
    found = host.submissions.get(ADMIN, item.id)
    assert (found.state, found.score and found.score.value) == ("done", 0.75)
    assert host.queue.view(ADMIN).queued == 0


RANDOM = r"[0-9a-f]{12,}|\d[\d.]* (s|ms|seconds?|min)\b|\d{9,}\.\d+|\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?)?"
"""Names that are drawn, and times."""


def seen(hall: Hall) -> dict[tuple[str, str], str]:
    """Every page and operation as everybody sees it, without what is random, a time, or drawn by lot."""
    known = {each.id: f"item-{place}" for place, each in enumerate(hall.items)}
    for item, word in list(known.items()):
        attempts = hall.host.submissions.get(ADMIN, item).attempts
        known |= {name: f"{word}-{place}" for place, name in enumerate(attempts)}
    known |= {quote(name, safe=""): word for name, word in known.items()}

    def plain(text: str) -> str:
        for name, word in known.items():
            text = text.replace(name, word)
        return re.sub(RANDOM, "*", text)

    found = {}
    for path in sorted(set(hall.addresses("GET"))):
        for who, browser in hall.browsers.items():
            heads = hall.token(who) if path.startswith("/api/") and who != "nobody" else {}
            if not path.startswith("/compare/"):
                found[plain(path), who] = plain(browser.get(path, headers=heads).text)
    return found


def test_sealed_scores_that_change_places_change_nothing_anywhere(tmp_path: Path, settings: Settings) -> None:
    """J8: two hosts that differ in nothing but sealed scores cannot be told apart by any page, order or answer."""
    sights = []
    for place, scores in enumerate(((0.2, 0.8), (0.8, 0.2))):
        with Host.open(tmp_path / f"{place}.db", durable=False, clock=Clock()) as host:
            hall = Hall(host, settings, ["final"], scores)
            sights.append(seen(hall))
            host.contests.reveal(ADMIN, "numbers")
            sights.append(seen(hall))
    hidden, told, other_hidden, other_told = sights
    assert len(hidden) > 80
    for where, text in hidden.items():
        assert text == other_hidden[where], where
    assert sum(told[where] != other_told[where] for where in told) > 10  # the same look finds them once they are shown


# ── J12: pages read aloud ───────────────────────────────────────────────────────────────────────────────────────────


class Outline(HTMLParser):
    """What a screen reader goes by: elements with their attributes, in which labels they stand, and their text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str], bool]] = []
        self.open: list[tuple[str, dict[str, str]]] = []
        self.silent: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        own = {name: value or "" for name, value in attrs}
        self.elements.append((tag, own, any(each == "label" for each, _ in self.open)))
        if tag not in ("input", "img", "meta", "link", "br", "hr"):
            self.open.append((tag, own))
        if tag in ("a", "button", "summary"):
            self.silent.add(str(own))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.silent -= {str(own) for tag, own in self.open}

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()[0] != tag:
            pass


def test_every_page_can_be_read_aloud(hall: Hall) -> None:
    """J12: a language, one heading, one main part, a label for every field, a text for every picture and button."""
    for path in hall.addresses("GET"):
        answer = hall.browsers["Root"].get(path)
        if answer.status_code != 200 or "text/html" not in answer.headers["content-type"] or path.endswith("/report"):
            continue
        page = Outline(answer.text)
        tags = [tag for tag, _, _ in page.elements]
        assert (tags.count("main"), tags.count("h1")) == (1, 1), path
        assert all(own.get("lang") for tag, own, _ in page.elements if tag == "html")
        named = {own.get("for") for tag, own, _ in page.elements if tag == "label"}
        for tag, own, within in page.elements:
            if tag in ("input", "select", "textarea") and own.get("type") != "hidden":
                assert within or own.get("id") in named or own.get("aria-label"), (path, own)
            assert tag != "img" or "alt" in own, (path, own)
        assert not page.silent, (path, page.silent)
        ids = [own["id"] for _, own, _ in page.elements if "id" in own]
        assert len(ids) == len(set(ids)), path
