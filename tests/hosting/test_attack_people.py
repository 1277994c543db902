"""Attacks on who somebody is: keeping others out, bearing their name, coming into their team, finding them out."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hosting_helpers import ADMIN, PASSWORD, person

from guerdon.hosting import Host, HostingError, LimitError, NotAllowedError, NotFoundError, Role, passwords
from guerdon.hosting.people import TOKENS, TRIES, TRIES_EVERYWHERE


def guess(host: Host, name: str, source: str, times: int) -> None:
    for _ in range(times):
        with pytest.raises(NotAllowedError):
            host.people.sign_in(name, "not her password", source)


def test_wrong_passwords_from_elsewhere_keep_nobody_out(host: Host) -> None:
    person(host, "Olga", Role.ORGANISER)
    guess(host, "olga", "203.0.113.9", TRIES)
    with pytest.raises(LimitError, match="at most 10 wrong passwords"):
        host.people.sign_in("Olga", "not her password", "203.0.113.9")
    assert host.people.sign_in("Olga", PASSWORD, "198.51.100.4")


def test_guessing_from_many_places_comes_to_an_end(host: Host) -> None:
    person(host, "Olga")
    for place in range(TRIES_EVERYWHERE // TRIES):
        guess(host, "Olga", f"203.0.113.{place}", TRIES)
    with pytest.raises(LimitError, match="at most 200 wrong passwords"):
        host.people.sign_in("Olga", "not her password", "198.51.100.4")


@pytest.mark.parametrize("mark", ["\ufe0f", "\u034f", "\u17b4", "\u180b", "\u2800", "\u3164", "\U000e0101"])
def test_a_mark_that_nobody_sees_makes_no_other_name(host: Host, mark: str) -> None:
    person(host, "Olga")
    for name in (f"Olga{mark}", f"Ol{mark}ga"):
        with pytest.raises(HostingError, match="is taken"):
            person(host, name)
    with pytest.raises(HostingError, match="printable characters"):
        person(host, mark * 3)


def test_a_name_may_have_a_picture_in_it(host: Host) -> None:
    assert person(host, "Ann \u2764\ufe0f").name == "Ann \u2764\ufe0f"
    assert host.people.sign_in("ann \u2764", PASSWORD)


def test_nobody_takes_the_name_of_a_team_that_others_are_invited_to(host: Host) -> None:
    token = host.people.invite(ADMIN, Role.ENTRANT, "Red team")
    mallory = person(host, "red  TEAM")
    victim = host.people.accept(token, "Vic", PASSWORD)
    assert victim.team != mallory.team
    assert victim.team_name == "Red team"


@pytest.mark.parametrize("role", [Role.ENTRANT, Role.ANNOTATOR])
def test_who_is_there_is_not_told_by_asking_for_their_data(host: Host, role: Role) -> None:
    person(host, "Olga")
    asker = person(host, "Mallory", role)
    said = set()
    for name in ("Olga", "Nobody"):
        with pytest.raises(NotAllowedError) as refused:
            host.forgetting.data(asker, name)
        said.add(str(refused.value))
    assert len(said) == 1
    with pytest.raises(NotFoundError):
        host.forgetting.data(ADMIN, "Nobody")
    assert host.forgetting.data(asker, asker.person)["person"]["name"] == "Mallory"


def test_one_person_has_so_many_tokens_and_no_more(host: Host) -> None:
    ann, bob = person(host, "Ann"), person(host, "Bob")
    for number in range(TOKENS):
        host.people.new_api_token(ann, str(number))
    with pytest.raises(LimitError, match="at most 100 tokens"):
        host.people.new_api_token(ann, "one more")
    assert host.people.new_api_token(bob, "his first")
    host.people.revoke_api_token(ann, host.people.api_tokens(ann)[0].id)
    assert host.people.new_api_token(ann, "in its place")


@pytest.mark.parametrize("way", ["disable", "forget"])
def test_who_is_shut_out_comes_in_by_nothing_that_they_kept(live: Host, way: str) -> None:
    olga, oskar = person(live, "Olga", Role.ORGANISER), person(live, "Oskar", Role.ORGANISER)
    person(live, "Ann")
    kept = live.people.invite(olga, Role.ORGANISER)
    link = live.renewal.link(olga, oskar.person)
    mine, others = live.people.invite(oskar, Role.ORGANISER), live.people.invite(olga, Role.ENTRANT, "Red team")
    if way == "disable":
        live.people.disable(oskar, olga.person)
    else:
        live.forgetting.forget(oskar, olga.person)
    with pytest.raises(HostingError, match="unknown, used or old"):
        live.people.accept(kept, "Olga again", PASSWORD)
    with pytest.raises(HostingError, match="unknown, used or old"):
        live.renewal.take(link, "a password of Olga's")
    assert live.people.accept(mine, "Otto", PASSWORD).role is Role.ORGANISER
    if way == "forget":  # she left, and whom she invited may come
        assert live.people.accept(others, "Rita", PASSWORD).team_name == "Red team"
    else:
        live.people.disable(oskar, olga.person, disabled=False)
        with pytest.raises(HostingError, match="unknown, used or old"):
            live.people.accept(kept, "Olga again", PASSWORD)


def test_a_burst_of_passwords_takes_the_memory_of_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("argon2")
    guard, most, now = threading.Lock(), 0, 0
    crowd = threading.Barrier(5)  # waits in vain: no five come through at the same time

    class Slow:
        """Hashes nothing, and sees how many do so beside it."""

        def hash(self, password: bytes) -> str:
            nonlocal most, now
            with guard:
                now += 1
                most = max(most, now)
            with contextlib.suppress(threading.BrokenBarrierError):
                crowd.wait(0.05)
            with guard:
                now -= 1
            return f"$argon2 {password!r}"

        def verify(self, stored: str, password: bytes) -> bool:
            return stored == self.hash(password)

    monkeypatch.setattr(passwords, "_argon2", Slow)
    stored = passwords.hashed(PASSWORD)
    with ThreadPoolExecutor(20) as pool:
        right = pool.map(lambda number: passwords.matches(PASSWORD if number % 2 else "wrong", stored), range(20))
        made = pool.map(lambda _: passwords.hashed(PASSWORD), range(20))
        assert list(right) == [False, True] * 10
        assert set(made) == {stored}
    assert most <= 4
