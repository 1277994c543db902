"""Secrets are stored as hashes: slow ones for what people choose, fast ones for what is random."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
from typing import Any

from guerdon.hosting.errors import HostingError

SHORTEST, LONGEST = 10, 1000
_TURNS = threading.BoundedSemaphore(4)
"""So many passwords are hashed at the same time: each takes 64 MiB, and anybody may ask for it."""
_N, _R, _P = 1 << 15, 8, 1  # scrypt: 32 MiB, about 0.1 s


def check_password(password: str) -> None:
    """Refuse a password that is too short to be one, or so long that hashing it is an attack.

    Raises:
        HostingError: it is.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        got = f"got {len(password)}"
        raise HostingError(f"a password of {SHORTEST} to {LONGEST} characters", got, "Take a sentence of your own")


def hashed(password: str) -> str:
    """The hash of a password: argon2id where `argon2-cffi` is installed, else scrypt."""
    hasher = _argon2()
    with _TURNS:
        return str(hasher.hash(_bytes(password))) if hasher else _scrypt(_bytes(password), secrets.token_bytes(16))


def matches(password: str, stored: str) -> bool:
    """Whether a password has this hash. Takes its time for an empty hash too, so that names cannot be told by it."""
    if len(password) > LONGEST:
        return False
    with _TURNS:
        if stored.startswith("$argon2"):
            return _argon2_matches(password, stored)
        parts = stored.split("$")
        salt = base64.b64decode(parts[1]) if len(parts) == 3 else b"nobody's salt..."
        return hmac.compare_digest(_scrypt(_bytes(password), salt), stored)


def decoy() -> str:
    """A hash of nothing that anybody knows, to be compared with where there is no such person."""
    return hashed(secrets.token_hex(16))


def new_token(kind: str) -> str:
    """A random token that says what it is for: 32 bytes."""
    return f"guerdon-{kind}-{secrets.token_urlsafe(32)}"


def token_hash(token: str) -> str:
    """What is stored of a token. It is random, so that a fast hash does."""
    return hashlib.sha256(_bytes(token)).hexdigest()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _argon2() -> Any:
    try:
        from argon2 import PasswordHasher
    except ImportError:
        return None
    return PasswordHasher()


def _argon2_matches(password: str, stored: str) -> bool:
    hasher = _argon2()
    if hasher is None:
        raise HostingError("the hashes of this host", "argon2-cffi is not installed", "pip install 'guerdon[web]'")
    from argon2.exceptions import Argon2Error, InvalidHashError

    try:
        return bool(hasher.verify(stored, _bytes(password)))
    except (Argon2Error, InvalidHashError):
        return False


def _scrypt(password: bytes, salt: bytes) -> str:
    key = hashlib.scrypt(password, salt=salt, n=_N, r=_R, p=_P, maxmem=64 << 20, dklen=32)
    return f"scrypt${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"
