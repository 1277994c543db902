"""What comes over the wire: bodies without end, slow clients, floods of fields, tokens, addresses (J5, J10, J11)."""

from __future__ import annotations

import ast
import contextlib
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
pytest.importorskip("markdown_it")
pytest.importorskip("nh3")
pytest.importorskip("multipart")
from hosting_helpers import ADMIN, FREE, PASSWORD, OneFile, contest, person
from web_helpers import Browser

import guerdon.hosting
import guerdon.web
from guerdon.hosting import Host, Limits, Phase
from guerdon.web.app import make_app
from guerdon.web.patience import protocol
from guerdon.web.settings import Settings

FORM = {"content-type": "application/x-www-form-urlencoded"}
SOON = 0.3
"""Seconds of patience, in place of the usual 20."""


@contextlib.contextmanager
def served(host: Host) -> Iterator[tuple[str, int]]:
    """The application behind a real server that has little patience."""
    import uvicorn

    app = make_app(host, Settings(chunk_s=SOON))
    config = uvicorn.Config(
        app, port=0, log_level="critical", ws="none", http=protocol(SOON), timeout_graceful_shutdown=1,
        timeout_keep_alive=1,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()
    finally:
        app.over.set()
        server.should_exit = True
        thread.join(30)


def heads(path: str, *lines: str, to: tuple[str, int]) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", f"Host: {to[0]}:{to[1]}", *lines, "", ""]).encode()


def answered(to: tuple[str, int], sent: bytes, drip: bytes = b"", every: float = 0.05) -> bytes:
    """What a host says to a client that sends this, and goes on sending drips, until it is let go."""
    found, ends = b"", time.monotonic() + 20
    with socket.create_connection(to, timeout=20) as line, contextlib.suppress(ConnectionError):
        line.sendall(sent)
        line.settimeout(every)
        while time.monotonic() < ends:
            try:
                if not (piece := line.recv(65536)):
                    return found
                found += piece
            except TimeoutError:
                with contextlib.suppress(ConnectionError):  # it has hung up: what it said before is read next
                    line.sendall(drip)
    assert time.monotonic() < ends, "it is never let go"
    return found


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


PATH = "/api/v1/contests/numbers/submissions"
SLOW = {
    "nothing at all": (b"", b"", b""),
    "half a first line": (b"GET / HT", b"", b""),
    "headers one letter at a time": (b"GET / HTTP/1.1\r\nx: ", b"y", b""),
    "headers without end": (b"GET / HTTP/1.1\r\n", b"x: y\r\n" * 1000, b" 4"),
    "no body": (None, b"", b" 408 "),
    "a body one byte at a time": (None, b"x", b" 408 "),
    "a second request that does not come": (b"GET /static/mark.svg HTTP/1.1\r\nHost: %s\r\n\r\nGET ", b"", b" 200 "),
}  # fmt: skip


@pytest.mark.parametrize("kind", SLOW)
def test_a_slow_client_is_let_go(host: Host, kind: str) -> None:
    """J5: whatever it is slow at; the host answers others meanwhile, and holds no descriptor for it afterwards."""
    contest(host, Phase("open", "open", limits=FREE), challenge=OneFile())
    sent, drip, says = SLOW[kind]
    with served(host) as to:
        first = heads(PATH, "Content-Length: 1000", to=to) if sent is None else sent
        first = first.replace(b"%s", f"{to[0]}:{to[1]}".encode())
        good = f"GET /api/v1/queue HTTP/1.1\r\nHost: {to[0]}:{to[1]}\r\nConnection: close\r\n\r\n".encode()
        assert b" 200 " in answered(to, good)  # whatever is opened once is open from here on
        before = descriptors()
        assert says in answered(to, first, drip)
        assert b" 200 " in answered(to, good)
        deadline = time.monotonic() + 30
        while descriptors() > before and time.monotonic() < deadline:
            time.sleep(0.02)
        assert descriptors() <= before
    assert host.submissions.list_for(ADMIN) == []


def test_what_is_too_much_is_cut_off(host: Host) -> None:
    """J5: 5 GB by what the header says, chunks without end, a bomb, both lengths at once; then a good file is taken."""
    limits = Limits(size=100_000, per_day=None, concurrent=None)
    contest(host, Phase("only", "open", limits=limits), challenge=OneFile())
    with served(host) as to:
        assert b" 413 " in answered(to, heads(PATH, f"Content-Length: {5 << 30}", to=to))
        chunked = heads(PATH, "Transfer-Encoding: chunked", to=to)
        assert b" 413 " in answered(to, chunked, b"4000\r\n" + b"x" * 0x4000 + b"\r\n", every=0.001)
        bomb = heads(PATH, "Content-Length: 4", "Content-Encoding: gzip", to=to)
        assert b" 415 " in answered(to, bomb + b"\x1f\x8b\x08\x00", b"")
        both = heads(PATH, "Content-Length: 3", "Transfer-Encoding: chunked", "Connection: close", to=to)
        assert b" 201 " in answered(to, both + b"1\r\n7\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n")
        for length in ("-1", "1e9", "0x10", "1, 2", "9" * 30, "１"):
            found = answered(to, heads(PATH, f"Content-Length: {length}", "Connection: close", to=to) + b"3")
            assert b" 400 " in found or b" 413 " in found, length
        huge = heads(PATH, f"X: {'x' * (1 << 20)}", to=to)
        assert b" 4" in answered(to, huge)[:20]
    kept = host.submissions.list_for(ADMIN)
    assert [host.submissions.answer(ADMIN, each.id) for each in kept] == [b"7"]


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"content": "&".join(f"a{i}=" for i in range(100_000)), "headers": FORM}, 400),
        ({"content": "&" * 500_000, "headers": FORM}, 403),
        ({"content": "a=%" + "25" * 300_000, "headers": FORM}, 403),
        ({"content": b"\xff" * 1000, "headers": FORM}, 403),
        ({"content": b"{}", "headers": {"content-type": "application/json"}}, 415),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data; boundary="}}, 400),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data; boundary=" + "a" * 5000}}, 400),
        ({"content": b"--a\r\n" * 100_000, "headers": {"content-type": "multipart/form-data; boundary=a"}}, 400),
        ({"files": [("file", (f"{i}", b"x")) for i in range(1000)]}, 400),
        ({"content": b"x", "headers": [("content-type", "text/plain"), ("content-type", FORM["content-type"])]}, 415),
    ],
)  # fmt: skip
def test_floods_of_fields_are_refused(host: Host, given: Any, status: int) -> None:
    """J5: at most 200 fields and 20 files, in a form that is one."""
    contest(host, Phase("open", "open", limits=FREE))
    answer = Browser(host).http.post("/challenges/numbers/close", **given)
    assert answer.status_code == status, answer.text
    assert not host.contests.find("numbers").phase("open").closed


def test_of_a_parameter_that_comes_twice_the_last_one_counts(host: Host) -> None:
    """J5: for all that look at it, so that no two of them see different ones."""
    contest(host, Phase("open", "open", limits=FREE), Phase("final", "final", limits=FREE))
    browser = Browser(host)
    good = browser.csrf("/challenges/numbers")
    answer = browser.http.post(
        "/challenges/numbers/close", content=f"csrf=x&csrf={good}&phase=open&phase=final", headers=FORM
    )
    assert answer.status_code == 303
    assert [each.closed for each in host.contests.find("numbers").phases] == [False, True]
    board = browser.get("/api/v1/contests/numbers/board?phase=final&phase=open").json()
    assert board["phase"] == "open"


# ── J10: tokens where they do not belong ────────────────────────────────────────────────────────────────────────────


def test_a_token_counts_in_its_header_only_and_is_in_no_log(
    host: Host, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """J10: not in an address, not in a cookie of another name; what is signed in with is written down nowhere."""
    caplog.set_level(logging.DEBUG)
    ada = person(host, "Ada")
    token = host.people.new_api_token(ada, "laptop")
    browser = Browser(host, settings)
    for tail in (f"?token={token}", f"?access_token={token}", f"?authorization=Bearer+{token}"):
        assert browser.get(f"/api/v1/me{tail}").json()["role"] == "visitor"
        assert browser.get(f"/account{tail}").status_code == 403
    browser.http.cookies.set("__Host-guerdon-session", token, domain="contest.example")
    assert browser.get("/account").status_code == 403
    browser.http.cookies.clear()
    assert browser.sign_in("Ada").status_code == 303
    session = browser.http.cookies["__Host-guerdon-session"]
    assert browser.get("/api/v1/me", headers={"authorization": f"Bearer {token}"}).json()["name"] == "Ada"
    assert browser.get("/api/v1/me", headers={"authorization": f"Bearer {token}x"}).status_code == 401
    said = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith(("guerdon", "uvicorn")))
    for secret in (token, session, PASSWORD):
        assert secret not in said


# ── J11: other people's addresses ───────────────────────────────────────────────────────────────────────────────────


def imported(source: str) -> set[str]:
    """First parts of the names of all modules that a file imports."""
    nodes = list(ast.walk(ast.parse(source)))
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return set(plain) | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


def test_the_host_asks_no_address_that_somebody_gave() -> None:
    """J11: nobody can give the host an address to fetch, since no part of it can fetch; only the client program can."""
    asking = {"httpx", "requests", "socket", "urllib.request", "http.client", "aiohttp", "urllib3", "ftplib", "smtplib"}
    for package in (guerdon.web, guerdon.hosting):
        for file in Path(package.__path__[0]).rglob("*.py"):
            found = {name for name in imported(file.read_text("utf-8")) if name in asking}
            assert not found or file.name in ("client.py", "worker.py"), (file, found)


ADDRESSES = ("http://127.0.0.1:{port}/", "http://[::1]:{port}/", "http://2130706433:{port}/", "http://0x7f000001:{port}/",
             "http://169.254.169.254/latest/meta-data/", "file:///etc/passwd", "gopher://127.0.0.1:{port}/x",
             "http://localhost:{port}/", "//127.0.0.1:{port}/")  # fmt: skip


def test_addresses_in_what_is_handed_in_are_text(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """J11: in an answer, a note, a file's name, rules and items, on the pages that show them: nothing is asked."""
    asked: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda self, to: asked.append(to))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *to, **_: asked.append(to) or [])
    texts = [each.replace("{port}", "1") for each in ADDRESSES]
    rules = "\n\n".join(f"![x]({each}) [x]({each}) <{each}>" for each in texts)
    host.contests.create(
        ADMIN, "hosting_helpers:Numbers", "numbers", texts[0], [Phase("open", "open", limits=FREE)], rules
    )
    browser = Browser(host)
    for text in texts:
        answer = json.dumps({f"open/{i}": text for i in range(3)})
        sent = browser.post("/challenges/numbers/submit", {"answer": answer, "note": text})
        assert sent.status_code == 303
        assert browser.get(sent.headers["location"]).status_code == 200
    assert browser.get("/challenges/numbers").status_code == 200
    assert asked == []
