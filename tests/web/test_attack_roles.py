"""Attacks by role: every page and every operation there is, with the names of what belongs to others, by everybody.

What is not on the lists below is refused, so that a new page that forgets to ask is found here.
"""

from typing import Any

import pytest

pytest.importorskip("fastapi")

from hosting_helpers import ADMIN, FREE, contest, guess, person
from web_helpers import Browser

from guerdon.hosting import Host, Item, Phase, Role
from guerdon.web import api
from guerdon.web.app import pages
from guerdon.web.settings import Settings

EVERYBODY = {
    "GET /", "GET /challenges", "GET /compare", "GET /sign-in", "GET /invitation", "GET /new-password", "GET /api",
    "POST /sign-out",
}  # fmt: skip
PEOPLE = EVERYBODY | {
    "GET /challenges/{slug}", "GET /challenges/{slug}/board.csv", "GET /systems", "GET /systems/{slug}",
    "GET /systems/{slug}/report", "GET /account", "POST /account/tokens", "POST /account/data",
}  # fmt: skip
PAGES = {
    "visitor": EVERYBODY,
    "entrant": PEOPLE | {"GET /challenges/{slug}/submit", "GET /submissions", "GET /queue"},
    "annotator": PEOPLE | {"GET /compare/{slug}", "GET /compare/{slug}/pairs", "POST /compare/{slug}/undo"},
}
"""Pages that answer, where nothing on them is the visitor's own."""
CALLS = {"GET /me", "GET /contests", "GET /changes", "GET /comparisons"}
SEEN = CALLS | {"GET /contests/{slug}", "GET /contests/{slug}/board"}
ASKED = {
    "visitor": CALLS,
    "entrant": SEEN | {"GET /contests/{slug}/limits", "GET /submissions", "GET /queue"},
    "annotator": SEEN | {"GET /comparisons/{slug}/pairs", "POST /comparisons/{slug}/undo"},
}
"""Operations that answer."""
FORM = {"sure": "yes", "role": "organiser", "format": "json", "weights": "none", "outcome": "first", "version": "0",
        "disabled": "yes", "title": "mine", "public": "yes"}  # fmt: skip


@pytest.fixture
def names(host: Host) -> dict[str, str]:
    """Names of what belongs to Olga, Otto and Anna."""
    contest(host, Phase("test", "test", limits=FREE), Phase("final", "final", limits=FREE))
    item = host.submissions.submit(person(host, "Otto"), "numbers", "final", guess("final", 1, 2, 3))
    host.comparisons.create(ADMIN, "pets", "Pets")
    host.comparisons.add(ADMIN, "pets", [Item(name, name, system=name) for name in "abc"])
    pair = host.comparisons.next_pair(person(host, "Anna", Role.ANNOTATOR), "pets")
    assert pair is not None
    olga = person(host, "Olga", Role.ORGANISER)
    host.people.new_api_token(olga, "hers")
    return {
        "submissions": item.id, "people": olga.person, "runs": host.contests.find("numbers").phase("final").run,
        "attempts": host.submissions.get(ADMIN, item.id).attempts[0], "tokens": host.people.api_tokens(olga)[0].id,
        "pair": pair.id,
    }  # fmt: skip


def address(path: str, names: dict[str, str]) -> str:
    slug = "pets" if "/compar" in path else "v3det" if path.startswith("/systems") else "numbers"
    owner = next((name for name in names if f"/{name}/" in path), "")
    filled = path.replace("{slug}", slug).replace("{pair}", names["pair"]).replace("{side}", "first")
    return filled.replace("{id}", names.get(owner, "0")).replace("{rest:path}", "no-such-page")


@pytest.mark.parametrize("role", list(PAGES))
def test_a_page_that_is_not_on_the_list_is_refused(
    host: Host, settings: Settings, names: dict[str, str], role: str
) -> None:
    before = everything(host)
    browser, answered = Browser(host, settings), set()
    if role != "visitor":
        person(host, "Mallory", Role(role))
        browser.sign_in("Mallory")
    token = browser.csrf("/sign-in" if role == "visitor" else "/account")
    asked = [("GET", page.path) for page in pages() if page.get] + [
        ("POST", page.path) for page in pages() if page.post
    ]
    for method, path in sorted(asked, key=lambda ask: ask == ("POST", "/sign-out")):  # it ends the session: last
        ask: Any = {"data": {**FORM, "pair": names["pair"], "csrf": token}} if method == "POST" else {}
        answer = browser.http.request(method, address(path, names), **ask)
        assert answer.status_code < 500, path
        if answer.status_code < 400:
            answered.add(f"{method} {path}")
    assert answered == PAGES[role]
    assert everything(host) == before


@pytest.mark.parametrize("role", list(ASKED))
def test_an_operation_that_is_not_on_the_list_is_refused(
    host: Host, settings: Settings, names: dict[str, str], role: str
) -> None:
    before = everything(host)
    headers: dict[str, str] = {}
    if role != "visitor":
        mallory = person(host, "Mallory", Role(role))
        scopes = ("read", "submit", "annotate", "organise")
        headers = {"authorization": f"Bearer {host.people.new_api_token(mallory, 'all', scopes)}"}
    browser, answered = Browser(host, settings), set()
    files = [("POST", "/contests/{slug}/submissions"), ("POST", "/comparisons/{slug}/items")]
    for method, path in [*((method, path) for method, path, _ in api.OPERATIONS), *files]:
        query = "?role=organiser&outcome=first&slug=mine&phase=final"
        answer = browser.http.request(method, f"/api/v1{address(path, names)}{query}", headers=headers)
        assert answer.status_code < 500, path
        if answer.status_code < 400:
            answered.add(f"{method} {path}")
    assert answered == ASKED[role]
    assert everything(host) == before


def everything(host: Host) -> object:
    """What nobody but its owner may change."""
    sql = "SELECT {} FROM hosting_{} WHERE {} ORDER BY seq"
    return [
        host.store.rows(sql.format("slug, title, public, version", "contests", "1 = 1")),
        host.store.rows(sql.format("id, state, final, round, counts", "submissions", "1 = 1")),
        host.store.rows(sql.format("id, settings", "projects", "1 = 1")),
        host.store.rows(sql.format("pair, outcome", "choices", "1 = 1")),
        host.store.rows(sql.format("id, project", "items", "1 = 1")),
        host.store.rows(sql.format("id, revoked", "tokens", "label = 'hers' OR kind = 'reset'")),
        host.people.get(host.people.named("Olga").id),
        host.people.named("Otto"),
        sorted(deed.action for deed in host.log(ADMIN) if deed.action != "invite"),
    ]
