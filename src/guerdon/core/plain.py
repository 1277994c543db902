"""Plain data, its canonical form, and digests: the identity of everything that is recorded."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

MAX_DEPTH = 200
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode


def canonical(value: Any) -> str:
    """The one JSON text of a plain value: sorted keys, no spaces, ASCII, no NaN.

    Raises:
        ValueError: the value holds something that is not plain JSON (the message names where).

    >>> canonical({"b": 1, "a": [True, None]})
    '{"a":[true,null],"b":1}'
    """
    try:
        return _encode(value)
    except (TypeError, ValueError, RecursionError):
        raise ValueError(not_plain(value) or "this value cannot be written as JSON") from None


def not_plain(value: Any, where: str = "value", depth: int = 0) -> str | None:
    """Say where a value is not plain JSON, or `None` if it is.

    >>> not_plain({"a": [1.0, float("nan")]})
    'value.a[1] is nan'
    """
    if depth > MAX_DEPTH:
        return f"{where[:60]}... is nested deeper than {MAX_DEPTH}"
    if value is None or type(value) in (bool, int, str):
        return None
    if type(value) is float:
        return None if math.isfinite(value) else f"{where} is {value}"
    if isinstance(value, Mapping):
        odd = next((key for key in value if type(key) is not str), None)
        if odd is not None:
            return f"{where} has the key {odd!r}, which is not text"
        return next(filter(None, (not_plain(item, f"{where}.{key}", depth + 1) for key, item in value.items())), None)
    if isinstance(value, (list, tuple)):
        return next(filter(None, (not_plain(item, f"{where}[{i}]", depth + 1) for i, item in enumerate(value))), None)
    return f"{where} is a {type(value).__name__}"


def digest(*parts: Any) -> str:
    """A 128-bit name for a sequence of plain values, as 32 hex characters.

    >>> digest("run", 3) == digest("run", 3) != digest("run", "3")
    True
    """
    return hashlib.sha256(canonical(parts).encode("ascii")).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Blob:
    """A stored file, named by what is in it.

    Args:
        digest: SHA-256 of the bytes, 64 hex characters.
        size: length in bytes.
        media: media type, for whoever shows it.
    """

    digest: str
    size: int
    media: str = "application/octet-stream"

    @classmethod
    def of(cls, data: bytes, media: str = "application/octet-stream") -> Blob:
        """The name of some bytes (nothing is stored)."""
        return cls(hashlib.sha256(data).hexdigest(), len(data), media)

    def plain(self) -> dict[str, Json]:
        """As JSON."""
        return {"blob": self.digest, "size": self.size, "media": self.media}
