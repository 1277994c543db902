"""Answers that are made once and handed out until what they say has changed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


class Kept:
    """Bodies by a mark that says all they depend on, who may see them included; those asked for last stay.

    Args:
        most: bytes that are kept.
    """

    def __init__(self, most: int = 32 << 20) -> None:
        self._most, self._size = most, 0
        self._bodies: OrderedDict[str, bytes] = OrderedDict()
        self._guard = threading.Lock()

    def get(self, mark: str) -> bytes | None:
        """What was kept under a mark."""
        with self._guard:
            found = self._bodies.get(mark)
            if found is not None:
                self._bodies.move_to_end(mark)
            return found

    def put(self, mark: str, body: bytes) -> None:
        """Keep a body, and let go of those that nobody has asked for in the longest time."""
        with self._guard:
            self._size += len(body) - len(self._bodies.pop(mark, b""))
            self._bodies[mark] = body
            while self._size > self._most:
                _, old = self._bodies.popitem(last=False)
                self._size -= len(old)


def answered(request: Request, mark: str, body: bytes) -> Response:
    """A JSON answer with its mark, or word that the caller has it already."""
    from starlette.responses import Response

    tag = f'"{mark}"'
    heads = {"etag": tag, "cache-control": "private, no-cache", "vary": "authorization, cookie"}
    given = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    if tag in given:
        return Response(None, 304, heads)
    return Response(body, 200, heads, "application/json")
