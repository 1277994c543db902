"""What stands before every page: whose address it is, where a change comes from, how much comes in, what goes out."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import re
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from guerdon.web.limits import Rate
from guerdon.web.settings import Settings

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}
SMALL = 1 << 20
"""Bytes of a body that is not a submission or a file."""
SLOWEST = 1000
"""Bytes a second that a body must come with on average, after the first minute."""
_UPLOADS = re.compile(
    r"/compare(/[a-z0-9-]+/items)?|/challenges/(new|import)|/challenges/[a-z0-9-]+/submit"
    r"|/api/v1/contests/[a-z0-9-]+/submissions|/api/v1/comparisons/[a-z0-9-]+/items"
)
_STRANGE = re.compile(rb"%00|%2e|%2f|%5c|%25|\\|//|/\.\.?(/|$)|;", re.IGNORECASE)
_METHODS = ("GET", "HEAD", "POST")


class RefusedError(Exception):
    """A request that gets no further."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


class Guard:
    """The outermost layer of the application.

    Args:
        app: what is behind it.
        settings: whom to serve.
        over: set when the server stops, which ends live pages.
    """

    def __init__(self, app: App, settings: Settings, over: threading.Event) -> None:
        self._app, self._settings, self.over = app, settings, over
        self._requests = Rate(settings.requests)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or not."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        began = False

        async def dressed(message: Message) -> None:
            nonlocal began
            if message["type"] == "http.response.start":
                began = True
                message["headers"] = self._dressed(message.get("headers", []))
            await send(message)

        try:
            headers = self._check(scope)
            most = self._settings.uploads if _UPLOADS.fullmatch(scope["path"]) else SMALL
            await self._app(scope, self._counted(receive, headers, most), dressed)
        except RefusedError as refused:
            if not began:
                await _answer(dressed, scope["path"], refused)

    # ── what comes in ───────────────────────────────────────────────────────────────────────────────────────────

    def _check(self, scope: Scope) -> dict[str, str]:
        pairs = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        headers = dict(pairs)
        hosts = [value for name, value in pairs if name == "host"]
        if len(hosts) != 1 or not self._settings.knows(hosts[0]):
            raise RefusedError(421, "This host does not go by that name.")
        if not self._settings.local and not self._requests.take(address_of(scope)):
            raise RefusedError(429, "Too many requests. Wait a minute.")
        if scope["method"] not in _METHODS:
            raise RefusedError(405, "Only GET and POST are known here.")
        path: bytes = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogatepass")
        if len(path) > 1000 or len(scope["query_string"]) > 4000 or _STRANGE.search(path.split(b"?")[0]):
            raise RefusedError(404, "There is no such page.")
        if scope["method"] == "POST":
            self._check_source(headers, hosts[0])
        return headers

    def _check_source(self, headers: dict[str, str], host: str) -> None:
        """A change must come from a page of ours, or from a program, which sends no Origin."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
        if (origin is not None and not self._settings.same(origin, host)) or site not in ("same-origin", "none"):
            raise RefusedError(403, "That came from a page of another site.")
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise RefusedError(415, "Send it without Content-Encoding.")

    def _counted(self, receive: Receive, headers: dict[str, str], most: int) -> Receive:
        """The request's body, which ends at a cap and does not dawdle."""
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or len(length) > 18:
            raise RefusedError(400, "Content-Length is not a number.")
        if int(length) > most:
            raise RefusedError(413, f"Too large: at most {most:,} bytes are taken here.")
        seen, over, began = 0, False, time.monotonic()
        patience = self._settings.chunk_s

        async def counted() -> Message:
            nonlocal seen, over
            if over:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), patience)
            except TimeoutError:
                raise RefusedError(408, "Nothing came for too long.") from None
            seen += len(message.get("body", b""))
            if time.monotonic() - began > 3 * patience + seen / SLOWEST:
                raise RefusedError(408, "It came too slowly.")
            over = message["type"] != "http.request" or not message.get("more_body", False)
            if seen > most:
                raise RefusedError(413, f"Too large: at most {most:,} bytes are taken here.")
            return message

        return counted

    # ── what goes out ───────────────────────────────────────────────────────────────────────────────────────────

    def _dressed(self, given: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        own = {name.lower() for name, _ in given}
        added = dict(HEADERS)
        if self._settings.secure:
            added["strict-transport-security"] = "max-age=31536000"
        rest = [(name.encode(), value.encode()) for name, value in added.items() if name.encode() not in own]
        return [*((name, value) for name, value in given if name.lower() != b"server"), *rest]


def address_of(scope: Scope) -> str:
    """The client's address, an IPv6 one as its network, since one person has a whole network of those.

    >>> address_of({"client": ("2001:db8:1:2:3::4", 1)})
    '2001:0db8:0001:0002'
    """
    host = str((scope.get("client") or ("unknown", 0))[0])
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if address.version == 4:
        return host
    plain = address.ipv4_mapped
    return str(plain) if plain else ":".join(address.exploded.split(":")[:4])


def told(path: str, why: str) -> tuple[bytes, str]:
    """What is said of a refusal, and its media type: three clauses to programs, a line to everybody else."""
    if not path.startswith("/api/"):
        return f"{why}\n".encode(), "text/plain; charset=utf-8"
    clauses = {"expected": "a request that this host takes", "got": why, "do": "See /api/v1/openapi.json"}
    return json.dumps(clauses).encode(), "application/json"


async def _answer(send: Send, path: str, refused: RefusedError) -> None:
    body, media = told(path, refused.why)
    headers = [(b"content-type", media.encode()), (b"content-length", str(len(body)).encode())]
    if refused.status in (408, 413):
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
