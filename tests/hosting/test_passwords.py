"""Passwords and tokens as they are stored."""

import builtins
from typing import Any

import pytest

from guerdon.hosting import HostingError
from guerdon.hosting.passwords import check_password, hashed, matches, new_token, token_hash


@pytest.fixture(params=["argon2", "scrypt"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With the package for argon2 and without it, at their real cost."""
    monkeypatch.undo()
    if request.param == "argon2":
        pytest.importorskip("argon2")
        return "$argon2id$"
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.split(".")[0] == "argon2":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    return "scrypt$"


def test_a_password_matches_its_own_hash_only(kind: str) -> None:
    stored = hashed("wörd\udcff sentence")
    assert stored.startswith(kind)
    assert stored.isascii()
    assert stored != hashed("wörd\udcff sentence")
    assert matches("wörd\udcff sentence", stored)
    assert not matches("word sentence", stored)
    assert not matches("", stored)
    assert not matches("x" * 10_000, stored)


@pytest.mark.parametrize("stored", ["", "scrypt$", "$argon2id$nonsense", "a$b$c$d"])
def test_what_is_no_hash_matches_nothing(stored: str) -> None:
    if stored.startswith("$argon2"):
        pytest.importorskip("argon2")
    assert not matches("a long enough sentence", stored)


def test_lengths() -> None:
    check_password("ten chars!")
    for bad in ("nine char", "x" * 1001):
        with pytest.raises(HostingError, match="10 to 1000"):
            check_password(bad)


def test_tokens_are_random_and_say_what_they_are_for() -> None:
    one, two = new_token("api"), new_token("api")
    assert one.startswith("guerdon-api-")
    assert one != two
    assert len(one) > 50
    assert len(token_hash(one)) == 64
