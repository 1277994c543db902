"""Attacks on signing in by the pages."""

import pytest

pytest.importorskip("fastapi")

from hosting_helpers import person
from web_helpers import Browser

from guerdon.hosting import Host, Role
from guerdon.web.settings import Settings


def elsewhere(host: Host, settings: Settings, address: str) -> Browser:
    """A browser at another address."""
    browser = Browser(host, settings)
    browser.http._transport.client = (address, 1)
    return browser


@pytest.mark.parametrize("to", ["//[", "/[", "//]:x", "/\t/evil.example", "/%5cevil.example/..//x"])
def test_a_strange_way_back_is_no_way_and_no_error(host: Host, settings: Settings, to: str) -> None:
    browser = Browser(host, settings)
    answer = browser.get("/sign-in", params={"to": to})
    assert answer.status_code == 200
    person(host, "Ann")
    assert browser.post("/sign-in", {"name": "Ann", "password": "wrong", "to": to}).status_code == 403


def test_wrong_passwords_at_one_address_keep_nobody_out_at_another(host: Host, settings: Settings) -> None:
    person(host, "Olga", Role.ORGANISER)
    there = elsewhere(host, settings, "203.0.113.9")
    answers = [there.sign_in("Olga", "not her password").status_code for _ in range(11)]
    assert answers == [403] * 10 + [429]
    assert elsewhere(host, settings, "198.51.100.4").sign_in("Olga").status_code == 303


def test_the_pages_of_others_are_refused_alike_whether_they_exist(host: Host, settings: Settings) -> None:
    person(host, "Olga")
    for browser in (Browser(host, settings), _signed(host, settings)):
        at = "/sign-in"
        answers = [browser.post(f"/people/{name}/data", at=at) for name in ("Olga", "nobody")]
        assert [answer.status_code for answer in answers] == [403, 403]
        assert answers[0].text.replace("Olga", "nobody") == answers[1].text


def _signed(host: Host, settings: Settings) -> Browser:
    person(host, "Mallory")
    browser = Browser(host, settings)
    browser.sign_in("Mallory")
    return browser
