"""Attacks over a real wire: one address that opens connections and asks for nothing."""

import contextlib
import socket

import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("fastapi")

from test_hostile_wire import served

from guerdon.hosting import Host


def test_one_address_holds_so_many_connections_and_no_more(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guerdon.web.patience.OWN", ())
    monkeypatch.setattr("guerdon.web.patience.CONNECTIONS", 5)
    monkeypatch.setattr("test_hostile_wire.SOON", 30.0)
    with served(host) as to:
        with contextlib.ExitStack() as stack:
            lines = [stack.enter_context(socket.create_connection(to, timeout=20)) for _ in range(9)]
            answers = [asked(line, to) for line in lines]
            assert sorted(answers) == [b""] * 4 + [b"HTTP/1.1 200 OK"] * 5
            with socket.create_connection(to, source_address=("127.0.0.2", 0), timeout=20) as line:
                assert asked(line, to) == b"HTTP/1.1 200 OK"  # from elsewhere
        for _ in range(500):  # those that were let go count no more
            with socket.create_connection(to, timeout=20) as line:
                if asked(line, to):
                    break
        else:
            pytest.fail("nobody is let in any more")


def asked(line: socket.socket, to: tuple[str, int]) -> bytes:
    """The first line of the answer; nothing where the connection is closed at once."""
    with contextlib.suppress(ConnectionError):
        line.sendall(f"GET /static/mark.svg HTTP/1.1\r\nHost: {to[0]}:{to[1]}\r\n\r\n".encode())
        return line.recv(65536).partition(b"\r\n")[0]
    return b""
