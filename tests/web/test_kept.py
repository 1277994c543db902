"""Answers that are kept say what one that is made anew would: no score before it may be told, none missing after."""

from __future__ import annotations

import random
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx")
from hosting_helpers import ADMIN, FREE, contest, entered, guess, judged, person
from web_helpers import Browser

from guerdon.hosting import Host, Phase
from guerdon.web.kept import Kept
from guerdon.web.settings import Settings

BOARD = "/api/v1/contests/numbers/board"


def test_a_board_that_has_not_changed_is_not_sent_again(host: Host, settings: Settings) -> None:
    contest(host, Phase("open", "open", limits=FREE))
    ada = person(host, "Ada")
    entered(host, ada, "open", 0.5, 0.5, 0.5)
    ask = asker(host, settings)
    first = ask(ada)
    tag = first.headers["etag"]
    assert (first.status_code, first.json()["rows"][0]["value"]) == (200, 0.5)
    assert first.headers["cache-control"] == "private, no-cache"
    again = ask(ada, **{"if-none-match": f'"x", W/{tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    entered(host, ada, "open", 0.75, 0.75, 0.75)
    changed = ask(ada, **{"if-none-match": tag})
    assert (changed.status_code, changed.json()["rows"][0]["value"]) == (200, 0.75)


def test_nobody_is_given_what_was_kept_for_another(host: Host, settings: Settings) -> None:
    """In random order, against a host of its own that keeps nothing."""
    contest(host, *(Phase(name, name, limits=FREE) for name in ("open", "test", "final")))
    actors = [person(host, name) for name in ("ada", "bob", "eve")]
    ask, draw = asker(host, settings), random.Random(0)
    with Host.open(host.ledger.url) as other:
        for turn in range(40):
            phase = draw.choice(("open", "test", "final"))
            if not host.contests.find("numbers").phase(phase).closed:
                values = [draw.random() for _ in range(3)]
                item = host.submissions.submit(draw.choice(actors), "numbers", phase, guess(phase, *values))
                judged(host, item, *values)
            if turn in (20, 30):
                host.contests.reveal(ADMIN, "numbers", ("test", "final")[turn == 30])
            for actor in (*actors, ADMIN, *actors):
                shown = ask(actor, f"?phase={phase}").json()
                right = other.board("numbers", phase, actor)
                told = [(row["team"], row["value"], row["submission"], row["own"]) for row in shown["rows"]]
                assert told == [(row.team, row.value, row.submission, row.own) for row in right.rows]
                assert [row["parts"] for row in shown["rows"]] == [dict(row.parts) for row in right.rows]


def test_a_page_of_a_board_is_asked_for_in_bounds(host: Host, settings: Settings) -> None:
    contest(host, Phase("open", "open", limits=FREE))
    people = [person(host, f"p{i}") for i in range(3)]
    for i, actor in enumerate(people):
        entered(host, actor, "open", i / 8, i / 8, i / 8)
    ask = asker(host, settings)
    page = ask(people[0], "?first=2&count=1").json()
    assert [row["value"] for row in page["rows"]] == [0.125]
    assert (page["first"], page["count"], page["own"]["value"]) == (2, 3, 0.0)
    for wrong in ("first=0", "count=0", "count=1001", f"first={1 << 31}", "first=x"):
        assert ask(people[0], f"?{wrong}").status_code == 400


def test_what_was_not_asked_for_in_the_longest_time_goes_first() -> None:
    kept = Kept(most=100)
    for name in "abc":
        kept.put(name, b"x" * 40)
    assert [kept.get(name) is not None for name in "abc"] == [False, True, True]
    assert kept.get("b")
    kept.put("d", b"x" * 40)
    assert [kept.get(name) is not None for name in "bcd"] == [True, False, True]
    kept.put("d", b"x" * 200)
    assert kept.get("d") is None


def asker(host: Host, settings: Settings) -> Any:
    """Asks for the board as an actor, by a token; for the local organiser, as the machine's own user."""
    everybody, local, tokens = Browser(host, settings), Browser(host), dict[str, str]()

    def ask(actor: Any, query: str = "", **heads: str) -> Any:
        if actor is ADMIN:
            return local.get(BOARD + query, headers=heads)
        if actor.person not in tokens:
            tokens[actor.person] = host.people.new_api_token(actor, "all", ("read",))
        return everybody.get(BOARD + query, headers={"authorization": f"Bearer {tokens[actor.person]}", **heads})

    return ask
