"""Comparisons by the JSON API: as blind as the pages, under the same rules."""

import json
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("markdown_it")
pytest.importorskip("nh3")
from hosting_helpers import ADMIN, person
from web_helpers import Browser

from guerdon.hosting import Actor, Host, Item, Role
from guerdon.web.settings import Settings

API = "/api/v1/comparisons"
SECRETS = ("secret-a", "secret-b", "gold", "item-")
"""Systems and ids of items, and that a question is a gold one: what an annotator must not be told."""


class Program:
    """Somebody's program: calls with a token."""

    def __init__(self, host: Host, settings: Settings, actor: Actor | None, *scopes: str) -> None:
        self.http = Browser(host, settings).http
        token = host.people.new_api_token(actor, "test", scopes) if actor else ""
        self.heads = {"authorization": f"Bearer {token}"} if token else {}
        self.texts: list[str] = []

    def call(self, method: str, path: str, status: int = 200, **given: Any) -> Any:
        answer = self.http.request(method, path, headers=self.heads, **given)
        assert answer.status_code == status, answer.text
        self.texts.append(f"{answer.headers} {answer.text}")
        return answer


def lines(count: int = 12) -> bytes:
    rows: list[Any] = [
        {"id": f"item-{k}{s}", "prompt": f"p{k}", "system": f"secret-{s}", "content": f"{'AB'['ab'.index(s)]} of {k}"}
        for k in range(count)
        for s in "ab"
    ]
    return "\n".join(map(json.dumps, [*rows, {"gold": ["item-0a", "item-0b"], "outcome": "first"}])).encode()


@pytest.fixture
def root(host: Host, settings: Settings) -> Program:
    return Program(host, settings, person(host, "Root", Role.ORGANISER), "read", "annotate", "organise")


@pytest.fixture
def anna(host: Host, settings: Settings) -> Program:
    return Program(host, settings, person(host, "Anna", Role.ANNOTATOR), "read", "annotate", "organise")


def opened(root: Program) -> None:
    made = root.call("POST", API, params={"slug": "chat", "title": "Chat"}).json()
    assert (made["slug"], made["title"], made["question"]) == ("chat", "Chat", "Which is better?")
    assert root.call("POST", f"{API}/chat/items", 201, content=lines()).json() == {"new": 24}
    assert root.call("POST", f"{API}/chat/items", 201, content=lines()).json() == {"new": 0}


def test_a_project_goes_from_items_to_preferences_without_a_page(host: Host, root: Program, anna: Program) -> None:
    opened(root)
    assert [each["slug"] for each in anna.call("GET", API).json()] == ["chat"]
    for number in range(8):
        (pair,) = anna.call("GET", f"{API}/chat/pairs").json()
        assert pair["number"] == number
        better = "first" if pair["first"]["content"].startswith("A") else "second"
        ask = {"outcome": better, "version": pair["version"]}
        for _ in range(2):
            said = anna.call("POST", f"{API}/pairs/{pair['id']}/say", params=ask).json()
            assert said == {"pair": pair["id"], "outcome": better, "version": 0}
    skipped = anna.call("GET", f"{API}/chat/pairs").json()[0]["id"]
    anna.call("POST", f"{API}/pairs/{skipped}/say", params={"outcome": "skip"})
    assert host.comparisons.standing(ADMIN, "chat").answered == 9
    standing = root.call("GET", f"{API}/chat/standing").json()
    assert [each["name"] for each in standing["ratings"]] == ["secret-a", "secret-b"]
    assert (standing["answered"], standing["items"], len(standing["annotators"])) == (9, 24, 1)
    taken = root.call("GET", f"{API}/chat/preferences")
    assert taken.headers["content-type"] == "application/jsonl"
    found = [json.loads(line) for line in taken.text.splitlines()]
    golds = sum(each["gold"] for each in standing["annotators"])
    assert len(found) == 8 - golds
    assert all(row["chosen"].startswith("A") for row in found)


def test_a_choice_is_taken_back_and_an_old_click_changes_nothing(host: Host, root: Program, anna: Program) -> None:
    opened(root)
    assert anna.call("POST", f"{API}/chat/undo").json() is None
    (pair,) = anna.call("GET", f"{API}/chat/pairs").json()
    say = f"{API}/pairs/{pair['id']}/say"
    anna.call("POST", say, params={"outcome": "first"})
    back = anna.call("POST", f"{API}/chat/undo", params={"pair": pair["id"]}).json()
    assert (back["id"], back["version"], back["first"]) == (pair["id"], 1, pair["first"])
    stale = anna.call("POST", say, params={"outcome": "first", "version": 0}).json()
    assert stale == {"pair": pair["id"], "outcome": None, "version": 1}
    assert host.comparisons.standing(ADMIN, "chat").answered == 0
    new = anna.call("POST", say, params={"outcome": "tie", "version": 1}).json()
    assert (new["outcome"], host.comparisons.standing(ADMIN, "chat").answered) == ("tie", 1)


def test_two_sides_are_compared_blind(root: Program, anna: Program) -> None:
    """Over all pairs, gold ones among them, and all that an annotator with every scope can ask for."""
    opened(root)
    while pairs := anna.call("GET", f"{API}/chat/pairs", params={"count": 4}).json():
        for pair in pairs:
            assert set(pair) == {"id", "version", "prompt", "first", "second", "number"}
            assert set(pair["first"]) == {"content", "media", "address"}
            anna.call("POST", f"{API}/pairs/{pair['id']}/say", params={"outcome": "tie"})
    anna.call("POST", f"{API}/chat/undo")
    anna.call("GET", API)
    for path in ("standing", "preferences"):
        anna.call("GET", f"{API}/chat/{path}", 403)
    for path in ("items", ""):
        anna.call("POST", f"{API}/chat/{path}".rstrip("/") if path else f"{API}?slug=mine", 403, content=b"{}")
    told = "\n".join(anna.texts)
    assert len(anna.texts) > 15
    assert not [word for word in SECRETS if word in told]


def test_who_may_not_is_refused_in_three_clauses(host: Host, settings: Settings, root: Program, anna: Program) -> None:
    opened(root)
    (pair,) = anna.call("GET", f"{API}/chat/pairs").json()
    say = f"{API}/pairs/{pair['id']}/say?outcome=first"
    ada = Program(host, settings, person(host, "Ada"), "read", "submit", "annotate", "organise")
    nobody, reader = (
        Program(host, settings, None),
        Program(host, settings, person(host, "Ro", Role.ANNOTATOR), "read"),
    )
    refused = [
        *((each, "GET", f"{API}/chat/{path}", 403)
          for each in (ada, nobody, reader) for path in ("pairs", "standing", "preferences")),
        (ada, "POST", say, 404), (reader, "POST", say, 404), (root, "POST", say, 404), (nobody, "POST", say, 401),
        (ada, "POST", f"{API}/chat/undo", 403), (reader, "POST", f"{API}/chat/undo", 403),
        (ada, "POST", f"{API}/chat/items", 403), (nobody, "POST", f"{API}/chat/items", 401),
        (root, "POST", f"{API}?slug=chat", 400), (root, "POST", f"{API}?slug=A%20b", 400),
        (root, "POST", f"{API}?slug=x&title={'x' * 201}", 400), (root, "POST", f"{API}/nope/items", 404),
        (anna, "GET", f"{API}/chat/pairs?count=5", 400), (anna, "GET", f"{API}/nope/pairs", 404),
        (anna, "POST", f"{API}/pairs/{pair['id']}/say?outcome=evil", 400),
        (anna, "POST", f"{API}/pairs/nope/say?outcome=first", 404),
        (anna, "GET", f"{API}/pairs/{pair['id']}/media/first", 404),
        (anna, "GET", f"{API}/pairs/{pair['id']}/media/third", 400),
        (root, "GET", f"{API}/chat/preferences?format=csv", 400),
    ]  # fmt: skip
    for who, method, path, status in refused:
        assert set(who.call(method, path, status).json()) == {"expected", "got", "do"}, path
    assert ada.call("GET", API).json() == nobody.call("GET", API).json() == []
    assert host.comparisons.standing(ADMIN, "chat").answered == 0


def test_a_picture_has_an_address_of_its_own_for_its_annotator(host: Host, root: Program, anna: Program) -> None:
    root.call("POST", API, params={"slug": "art"})
    png = host.ledger.blobs.put(b"\x89PNG and so on", "image/png")
    odd = host.ledger.blobs.put(b"<script>", "text/html")
    host.comparisons.add(ADMIN, "art", [Item("a", png, "p", "x"), Item("b", odd, "p", "y")])
    (pair,) = anna.call("GET", f"{API}/art/pairs").json()
    sides = {pair[name]["media"]: pair[name] for name in ("first", "second")}
    assert {side["content"] for side in sides.values()} == {None}
    shown = anna.call("GET", sides["image/png"]["address"])
    assert (shown.content, shown.headers["content-type"]) == (b"\x89PNG and so on", "image/png")
    assert "sandbox" in shown.headers["content-security-policy"]
    assert anna.call("GET", sides["text/html"]["address"]).headers["content-type"] == "application/octet-stream"
    root.call("GET", sides["image/png"]["address"], 404)


def test_what_cannot_be_written_as_it_is_is_still_an_answer(host: Host, root: Program, anna: Program) -> None:
    root.call("POST", API, params={"slug": "odd"})
    rows = [
        {"prompt": "p\0\ud800", "system": s, "content": c} for s, c in (("x", "\ud800\0"), ("y", ["\ud800", 1e300]))
    ]
    content = "\n".join(map(json.dumps, rows)).encode()
    root.call("POST", f"{API}/odd/items", 201, content=content)
    (pair,) = anna.call("GET", f"{API}/odd/pairs").json()
    assert pair["prompt"].startswith("p")
    anna.call("POST", f"{API}/pairs/{pair['id']}/say", params={"outcome": "first"})
    assert root.call("GET", f"{API}/odd/preferences").text


def test_a_file_of_items_is_no_larger_than_the_host_takes(host: Host, settings: Settings) -> None:
    import dataclasses

    small = dataclasses.replace(settings, uploads=1000)
    root = Program(host, small, person(host, "Root", Role.ORGANISER), "organise")
    root.call("POST", API, params={"slug": "chat"})
    root.call("POST", f"{API}/chat/items", 413, content=b"x" * 1001)
    broken = root.call("POST", f"{API}/chat/items", 400, content=b'{"id": "a", "content": "x"}\n{"id": ').json()
    assert "line 2" in broken["got"]
    assert host.comparisons.standing(ADMIN, "chat").items == 0
