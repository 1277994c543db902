"""A client of the JSON API."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from guerdon.core.errors import ConfigError, GuerdonError
from guerdon.hosting.errors import HostingError

PIECE = 1 << 20
PATIENCE_S = 60.0
"""So long a host is asked again that says that something will be there soon."""
_WORDS = "abcdefghijklmnopqrstuvwxyz0123456789-"


class RefusedError(HostingError):
    """What the host refused, in its own words."""


class Client:
    """Talks to a host.

    Args:
        url: its address.
        token: an API token; "" for a host that serves this machine alone.
        transport: for tests, an httpx transport.

    >>> Client("ftp://example.org", "")
    Traceback (most recent call last):
        ...
    guerdon.core.errors.ConfigError: the address of a host: got 'ftp://example.org'. Try https://example.org.
    """

    def __init__(self, url: str, token: str = "", transport: Any = None) -> None:
        import httpx

        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError("the address of a host", f"got {url!r:.80}", "Try https://example.org")
        if token and parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
            raise ConfigError("https where a token is sent", "got http", "Use the host's https address")
        headers = {"authorization": f"Bearer {token}"} if token else {}
        base = f"{parts.scheme}://{parts.netloc}/api/v1"
        self._http = httpx.Client(base_url=base, headers=headers, timeout=60.0, transport=transport)

    def submit(
        self,
        contest: str,
        file: Path,
        phase: str = "",
        note: str = "",
        progress: Callable[[int], None] = lambda n: None,
    ) -> dict[str, Any]:
        """Hand in a file, piece by piece.

        Args:
            contest: its slug.
            file: what to hand in.
            phase: its name; the first by default.
            note: for the team and the organisers.
            progress: told how many bytes are sent.

        Returns:
            The submission.

        Raises:
            RefusedError: the host's reason.
        """
        if not contest or contest.strip(_WORDS):
            raise ConfigError("a contest's slug of a-z, 0-9 and -", f"got {contest!r:.60}", "See the host's pages")

        def pieces() -> Iterator[bytes]:
            sent = 0
            with file.open("rb") as source:
                while piece := source.read(PIECE):
                    yield piece
                    sent += len(piece)
                    progress(sent)

        given = {"phase": phase, "note": note, "name": file.name}
        headers = {"content-type": "application/octet-stream", "content-length": str(file.stat().st_size)}
        return self._ask("POST", f"/contests/{contest}/submissions", params=given, content=pieces(), headers=headers)

    def wait(self, submission: str, every: float = 1.0, most: float = float("inf")) -> dict[str, Any]:
        """Ask until it is judged, has failed or was cancelled, or so many seconds are over."""
        ends, pause = time.monotonic() + most, every
        while True:
            found = self._ask("GET", f"/submissions/{submission}")
            if found["state"] not in ("queued", "leased") or time.monotonic() > ends:
                return found
            time.sleep(pause)
            pause = min(pause * 1.2, 10.0)

    def board(self, contest: str, phase: str = "", first: int = 1, count: int = 1000) -> dict[str, Any]:
        """A leaderboard: so many rows from one on, at most a thousand at a time."""
        return self._ask("GET", f"/contests/{contest}/board", params={"phase": phase, "first": first, "count": count})

    def _ask(self, method: str, path: str, **given: Any) -> dict[str, Any]:
        answer, ends = self._answer(method, path, given), time.monotonic() + PATIENCE_S
        while _soon(answer, method) and time.monotonic() < ends:
            time.sleep(min(int(answer.headers["retry-after"]), 10))
            answer = self._answer(method, path, given)
        if answer.status_code < 400:
            return answer.json()  # type: ignore[no-any-return]
        try:
            told = answer.json()
            raise RefusedError(str(told["expected"]), str(told["got"]), str(told["do"]))
        except (ValueError, KeyError, TypeError):
            raise RefusedError("an answer of the host", answer.text[:200].strip(), "Check the address") from None

    def _answer(self, method: str, path: str, given: dict[str, Any]) -> Any:
        import httpx

        try:
            return self._http.request(method, path, **given)
        except httpx.HTTPError as error:
            raise GuerdonError("a host that answers", f"{type(error).__name__}: {error}", "Check the address") from None

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _soon(answer: Any, method: str) -> bool:
    """Whether the host says that what was asked for will be there soon."""
    return answer.status_code == 503 and method == "GET" and answer.headers.get("retry-after", "").isdecimal()
