"""Browsers for tests: they keep cookies, follow forms and say who they are."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any

from hosting_helpers import PASSWORD, person

from guerdon.hosting import Host, Role
from guerdon.web.app import make_app
from guerdon.web.settings import Settings

ORIGIN = "https://contest.example"


class Browser:
    """One browser at a host."""

    def __init__(self, host: Host, settings: Settings | None = None, base: str = "") -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # starlette's client says that another client is to come
            from starlette.testclient import TestClient

        self.settings = settings or Settings()
        self.base = base or self.settings.origin or "http://127.0.0.1:8000"
        app: Any = make_app(host, self.settings)
        self.http = TestClient(app, base_url=self.base, follow_redirects=False, raise_server_exceptions=False)

    def get(self, path: str, **given: Any) -> Any:
        return self.http.get(path, **given)

    def csrf(self, path: str) -> str:
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', self.get(path).text)
        assert found, path
        return found[1]

    def post(
        self, path: str, fields: Mapping[str, str] | None = None, *, at: str = "", files: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:  # fmt: skip
        """Send a form as the page at `at` would."""
        form = {"csrf": self.csrf(at or path), **(fields or {})}
        return self.http.post(path, data=form, files=files, headers={"origin": self.base, **(headers or {})})

    def sign_in(self, name: str, password: str = PASSWORD) -> Any:
        return self.post("/sign-in", {"name": name, "password": password})


def signed_in(host: Host, settings: Settings, name: str, role: Role = Role.ENTRANT, team: str = "") -> Browser:
    """The browser of somebody who was invited and has signed in."""
    person(host, name, role, team)
    browser = Browser(host, settings)
    assert browser.sign_in(name).status_code == 303
    return browser


def main_of(answer: Any) -> str:
    """The main part of a page."""
    found = re.search(r"<main.*?</main>", answer.text, re.DOTALL)
    assert found
    return found[0]


class Answer:
    """What came back to a request that was made by hand."""

    status_code = 0
    text = ""


def raw(host: Host, path: str) -> Answer:
    """Ask for a path exactly as it is, which clients would tidy up."""
    import asyncio
    from urllib.parse import unquote

    answer = Answer()
    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "path": unquote(path),
        "raw_path": path.encode(), "query_string": b"", "headers": [(b"host", b"127.0.0.1:8000")],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000), "root_path": "",
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        answer.status_code = message.get("status", answer.status_code)
        answer.text += message.get("body", b"").decode()

    asyncio.run(make_app(host)(scope, receive, send))  # type: ignore[arg-type]
    return answer
