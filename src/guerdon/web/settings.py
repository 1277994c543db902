"""How the application is served: for one person on this machine, or for everybody who was invited."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from guerdon.core.errors import ConfigError

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Who is served, and under which address.

    Args:
        url: the address that people type, as https://contest.example.org; "" for this machine alone.
        challenges: folder whose Python files organisers may pose in host mode; "" for none.
        secret: what forms are signed with where nobody signs in; new at every start.
        uploads: bytes of the largest submission that is looked at, whatever a phase allows.
        requests: requests a minute from one address, in host mode.
        changes: changes a minute by one account, in host mode; an address, which many may share, has five times that.
        streams: live pages open at once by one account or address.
        chunk_s: seconds that a client may take for each piece of what it sends.
        poll_s: seconds between looks for changes.
    """

    url: str = ""
    challenges: str = ""
    secret: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)
    uploads: int = 4 << 30
    requests: int = 600
    changes: int = 120
    streams: int = 8
    chunk_s: float = 20.0
    poll_s: float = 1.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if self.url and (parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/")):
            raise ConfigError("--url is an address without a path", f"got {self.url!r:.80}", "Try https://example.org")

    @property
    def local(self) -> bool:
        """Only this machine, where whoever can open the data base is the organiser."""
        return not self.url

    @property
    def secure(self) -> bool:
        """Served by https, so that cookies never travel without."""
        return self.url.startswith("https:")

    @property
    def origin(self) -> str:
        """Scheme, host and port of the address; "" in local mode, where the port is whatever it is."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.lower()}" if self.url else ""

    def knows(self, host: str) -> bool:
        """Whether a Host header is one of ours; any other would be a name that somebody has pointed at us.

        >>> Settings().knows("127.0.0.1:8000"), Settings().knows("evil.example:8000")
        (True, False)
        """
        host = host.lower()
        if not self.local:
            return host == urlsplit(self.url).netloc.lower()
        name, colon, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
        name = name if colon else host
        return name in LOOPBACK and (not colon or (port.isascii() and port.isdigit()))

    def same(self, origin: str, host: str) -> bool:
        """Whether an Origin header names the page's own origin."""
        return origin.lower() == (self.origin or f"http://{host.lower()}")

    def folder(self) -> Path | None:
        """Where organisers' Python files may be."""
        return Path(self.challenges).resolve() if self.challenges else None
