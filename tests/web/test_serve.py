"""The commands: which addresses are served to whom, and how the first organiser gets in."""

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
from hosting_helpers import person

from guerdon.cli.serve import _first_invitation, serve
from guerdon.core.errors import ConfigError
from guerdon.hosting import Host, Role
from guerdon.web.limits import Rate, Seats
from guerdon.web.settings import Settings


def test_every_address_needs_the_name_that_people_type() -> None:
    with pytest.raises(ConfigError, match="--url where every address is served"):
        serve(db="sqlite://", host="0.0.0.0")
    with pytest.raises(ConfigError, match="--url together with --host"):
        serve(db="sqlite://", url="https://contest.example")


@pytest.mark.parametrize("url", ["ftp://a", "contest.example", "https://a/path", "https://"])
def test_an_address_is_an_address(url: str) -> None:
    with pytest.raises(ConfigError, match="--url is an address"):
        Settings(url=url)


def test_the_first_organiser_is_invited_when_there_is_none(host: Host) -> None:
    token = _first_invitation(host)
    assert host.people.accept(token, "Root", "a long enough sentence").role is Role.ORGANISER
    assert _first_invitation(host) == ""


def test_entrants_alone_are_no_organisers(host: Host) -> None:
    person(host, "Ada")
    assert _first_invitation(host).startswith("guerdon-invitation-")


def test_a_bucket_fills_up_again() -> None:
    now = [0.0]
    rate = Rate(60, clock=lambda: now[0])
    assert [rate.take("a") for _ in range(61)] == [True] * 60 + [False]
    assert rate.take("b")
    now[0] += 1.01
    assert rate.take("a")
    assert not rate.take("a")


def test_seats_are_counted_and_given_back() -> None:
    seats = Seats(2, whole=3)
    assert [seats.take("a") for _ in range(3)] == [True, True, False]
    assert seats.take("b")
    assert not seats.take("c")
    seats.leave("a")
    assert seats.take("c")
    seats.leave("nobody")
