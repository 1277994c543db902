"""Another password: by the old one, or by an organiser's link; what was open before ends."""

import re

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("markdown_it")
pytest.importorskip("nh3")
from hosting_helpers import PASSWORD, person
from web_helpers import Browser, main_of, signed_in

from guerdon.hosting import Actor, Host, HostingError, NotAllowedError, NotFoundError, Role
from guerdon.web.settings import Settings

NEXT = "another long sentence"


def test_by_the_old_one(host: Host, settings: Settings) -> None:
    here, there = signed_in(host, settings, "Ada"), Browser(host, settings)
    there.sign_in("Ada")
    wrong = here.post("/account/password", {"old": "not this one", "new": NEXT}, at="/account")
    assert wrong.status_code == 403
    short = here.post("/account/password", {"old": PASSWORD, "new": "short"}, at="/account")
    assert short.status_code == 400
    done = here.post("/account/password", {"old": PASSWORD, "new": NEXT}, at="/account")
    assert done.headers["location"] == "/account?said=renewed"
    assert here.get("/account").status_code == 200
    assert there.get("/account").status_code == 403  # its session has ended
    assert Browser(host, settings).sign_in("Ada").status_code == 403
    assert Browser(host, settings).sign_in("Ada", NEXT).status_code == 303


def test_by_a_link_which_works_once(host: Host, settings: Settings) -> None:
    root, ada = signed_in(host, settings, "Root", Role.ORGANISER), signed_in(host, settings, "Ada")
    actor = host.people.actor_of(ada.http.cookies["__Host-guerdon-session"])
    assert actor
    program = host.people.new_api_token(actor, "laptop")
    at = f"/people/{actor.person}"
    assert f'action="{at}/password"' in root.get(at).text
    page = main_of(root.post(f"{at}/password", at=at))
    link = re.search(r"/new-password#(guerdon-reset-[\w-]+)", page)
    assert link
    fresh = Browser(host, settings)
    assert fresh.post("/new-password", {"token": link[1], "password": NEXT}).headers["location"].startswith("/sign-in")
    assert fresh.post("/new-password", {"token": link[1], "password": NEXT}).status_code == 400
    assert ada.get("/account").status_code == 403
    assert host.people.actor_of(program) is None
    assert fresh.sign_in("Ada", NEXT).status_code == 303
    assert "password link" in main_of(root.get("/log"))
    assert link[1] not in root.get("/log").text


def test_a_newer_link_ends_the_older_and_a_session_is_no_link(host: Host) -> None:
    ada = person(host, "Ada")
    older, newer = (host.renewal.link(Actor.local(), ada.person) for _ in range(2))
    session = host.people.sign_in("Ada", PASSWORD)
    for token in (older, session, "", "x" * 5000):
        with pytest.raises(HostingError):
            host.renewal.take(token, NEXT)
    assert host.renewal.take(newer, NEXT).name == "Ada"


def test_nobody_else_makes_links_and_no_token_changes_a_password(host: Host, settings: Settings) -> None:
    ada, eve = person(host, "Ada"), signed_in(host, settings, "Eve")
    answer = eve.http.post(
        f"/people/{ada.person}/password", data={"csrf": eve.csrf("/account")}, headers={"origin": eve.base}
    )
    assert answer.status_code in (403, 404)
    token = host.people.new_api_token(ada, "laptop", ("read", "submit"))
    program = host.people.actor_of(token)
    assert program
    with pytest.raises(NotFoundError):
        host.renewal.change(program, PASSWORD, NEXT)
    with pytest.raises(NotAllowedError):
        host.renewal.link(program, ada.person)
    with pytest.raises(NotFoundError):
        host.renewal.link(Actor.local(), "local")
