"""Comparison projects with too little, too much or senseless said of them, on their pages (F1 to F10)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("markdown_it")
pytest.importorskip("nh3")
pytest.importorskip("multipart")
from hosting_helpers import ADMIN, person
from web_helpers import ORIGIN, Browser, main_of, signed_in

from guerdon.hosting import Actor, Host, HostingError, Item, Role, ShownPair
from guerdon.web.settings import Settings

Say = Callable[[ShownPair], str]


def project(host: Host, systems: Sequence[str], prompts: int = 1) -> None:
    host.comparisons.create(ADMIN, "chat", "Chat")
    items = [
        Item(f"{number}-{prompt}", name, prompt=f"prompt {prompt}", system=name)
        for prompt in range(prompts)
        for number, name in enumerate(systems)
    ]
    host.comparisons.add(ADMIN, "chat", items)


def say(host: Host, actor: Actor, what: Say, most: int = 100) -> int:
    """Answer until nothing is left; returns how often."""
    for number in range(most):
        pair = host.comparisons.next_pair(actor, "chat")
        if pair is None:
            return number
        host.comparisons.choose(actor, pair.id, what(pair), pair.version)
    return most


def winner(pair: ShownPair) -> str:
    """The one whose text comes first in the alphabet."""
    return "first" if str(pair.first.content) < str(pair.second.content) else "second"


def rated(host: Host) -> str:
    """The page of ratings, which must hold no number that is none."""
    page = main_of(Browser(host).get("/compare/chat/standing"))
    shown = re.sub(r"<[^>]*>", " ", page)
    assert not re.search(r"\b(nan|inf|-inf|infinity|none)\b", shown, re.IGNORECASE), shown
    return page


@pytest.mark.parametrize(
    ("systems", "answered"),
    [((), 0), (("a",), 0), (("a", "a"), 0), (("a", "b"), 1), (("", " ", "a"), None)],
    ids=["no items", "one item", "one system", "one pair", "blank names"],
)
def test_too_little_to_compare(host: Host, systems: tuple[str, ...], answered: int | None) -> None:
    """F1, F8: pages say that nothing is left, and rate what there is."""
    project(host, systems)
    found = say(host, ADMIN, winner)
    assert answered is None or found <= max(answered, 1)
    assert "Nothing is left" in main_of(Browser(host).get("/compare/chat"))
    rated(host)


@pytest.mark.parametrize("what", ["tie", "skip", "both-bad"])
def test_nobody_prefers_anything(host: Host, what: str) -> None:
    """F3: ties and "both bad" make equal ratings, skips none."""
    project(host, "abc")
    assert say(host, ADMIN, lambda pair: what) == 3
    rated(host)
    ratings = [each.rating for each in host.comparisons.standing(ADMIN, "chat").ratings]
    assert max(ratings) - min(ratings) < 1e-6


def test_one_that_always_wins_and_a_cycle(host: Host) -> None:
    """F2, F6: finite and in order; equal where each beats the next."""
    project(host, "abcd", prompts=3)
    say(host, ADMIN, winner)
    rated(host)
    assert [each.name for each in host.comparisons.standing(ADMIN, "chat").ratings] == list("abcd")
    host.comparisons.create(ADMIN, "ring", "Ring")
    host.comparisons.add(ADMIN, "ring", [Item(name, name, system=name) for name in "xyz"])
    beats = {"x": "y", "y": "z", "z": "x"}
    while (pair := host.comparisons.next_pair(ADMIN, "ring")) is not None:
        first, second = str(pair.first.content), str(pair.second.content)
        host.comparisons.choose(ADMIN, pair.id, "first" if beats[first] == second else "second", pair.version)
    ratings = [each.rating for each in host.comparisons.standing(ADMIN, "ring").ratings]
    assert max(ratings) - min(ratings) < 1e-6


def test_names_that_look_alike_are_not_the_same(host: Host) -> None:
    """F8: Latin and Cyrillic, composed and not, with and without a space; a name of 10 kB."""
    names = ["a", "\u0430", "a ", "\u00e9", "e\u0301", "A", "n" * 10_000]
    project(host, names, prompts=2)
    say(host, ADMIN, winner)
    assert {each.name for each in host.comparisons.standing(ADMIN, "chat").ratings} == set(names)
    assert len(rated(host)) < 200_000


def test_what_was_taken_back_stays_in_what_was_exported(host: Host) -> None:
    """F9: choices are only added to; an export made before is another version, and nothing in it changes."""
    project(host, "abc", prompts=2)
    browser = Browser(host)
    say(host, ADMIN, winner)
    before = browser.get("/compare/chat/export").text
    rows = host.store.rows("SELECT seq, pair, kind, outcome FROM hosting_choices ORDER BY seq")
    browser.post("/compare/chat/undo", at="/compare/chat")
    after = host.store.rows("SELECT seq, pair, kind, outcome FROM hosting_choices ORDER BY seq")
    assert after[: len(rows)] == rows
    assert len(after) == len(rows) + 1
    exported = [set(text.splitlines()) for text in (before, browser.get("/compare/chat/export").text)]
    assert exported[1] < exported[0]
    assert len(exported[0] - exported[1]) == 1


def test_two_tabs_double_clicks_and_going_back(host: Host, settings: Settings) -> None:
    """F10: whatever is clicked how often, of a question one choice stands; others' questions are not there."""
    project(host, "abc")
    anna, eve = (signed_in(host, settings, name, Role.ANNOTATOR) for name in ("Anna", "Eve"))
    heads = {"accept": "application/json", "origin": ORIGIN}
    token = anna.csrf("/compare/chat")
    tabs = [anna.get("/compare/chat/pairs").json()["pairs"][0] for _ in range(2)]
    assert tabs[0] == tabs[1]
    form = {"csrf": token, "pair": tabs[0]["id"], "version": str(tabs[0]["version"]), "outcome": "first"}

    def send(browser: Browser, **changed: str) -> int:
        return int(browser.http.post("/compare/chat", data={**form, **changed}, headers=heads).status_code)

    assert [send(anna), send(anna), send(anna, outcome="second")] == [200, 200, 200]
    assert send(eve, csrf=eve.csrf("/compare/chat")) == 404
    kinds = host.store.rows("SELECT kind, outcome FROM hosting_choices")
    assert kinds == [("choice", "first")]
    undo = {"csrf": token, "pair": form["pair"]}
    for _ in range(2):
        assert anna.http.post("/compare/chat/undo", data=undo, headers=heads).status_code == 200
    assert send(anna, outcome="second") == 200  # an old tab: its version of the question is gone
    assert host.comparisons.standing(ADMIN, "chat").answered == 0
    for version in ("-1", "1e3", "9" * 9, "", "x"):
        assert send(anna, version=version) in (200, 400)
    assert host.comparisons.standing(ADMIN, "chat").answered == 0
    assert send(anna, version="1", outcome="tie") == 200
    assert host.comparisons.standing(ADMIN, "chat").answered == 1


def test_a_voter_that_is_shut_out_votes_no_more(host: Host, settings: Settings) -> None:
    """F10: what comes in after the end is refused, what was said stays."""
    project(host, "abc")
    anna = signed_in(host, settings, "Anna", Role.ANNOTATOR)
    token, pair = anna.csrf("/compare/chat"), anna.get("/compare/chat/pairs").json()["pairs"][0]
    me = host.people.actor_of(anna.http.cookies["__Host-guerdon-session"])
    assert me is not None
    host.people.disable(ADMIN, me.person)
    form = {"csrf": token, "pair": pair["id"], "version": "0", "outcome": "first"}
    assert anna.http.post("/compare/chat", data=form, headers={"origin": ORIGIN}).status_code == 403


def test_what_cannot_be_compared_is_refused(host: Host) -> None:
    """F4, F7: a question of one thing with itself; weights are not taken from anybody."""
    project(host, "ab")
    with pytest.raises(HostingError):
        host.comparisons.add_gold(ADMIN, "chat", "0-0", "0-0", "first")
    rows = [{"content": "x", "system": "s", "weight": weight, "margin": weight} for weight in (-1, 1e12, 10**400)]
    browser = Browser(host)
    lines = "\n".join(map(json.dumps, rows)).encode()
    answer = browser.post("/compare", {"slug": "more"}, files={"items": ("x.jsonl", lines)})
    assert answer.status_code in (303, 400)
    nan = browser.post("/compare", {"slug": "nan"}, files={"items": ("x.jsonl", b'{"content": NaN}')})
    assert nan.status_code == 400
    assert "line 1" in main_of(nan)


def test_ten_thousand_systems_with_a_vote_or_none(host: Host, settings: Settings) -> None:
    """F8: the page stays small, and the next pair comes."""
    project(host, [f"system {number}" for number in range(10_000)])
    person(host, "Anna", Role.ANNOTATOR)
    assert say(host, ADMIN, winner, most=5) == 5
    assert len(rated(host)) < 200_000
