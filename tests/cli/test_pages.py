"""Where pages are served: a port that cannot be had is said once and plainly."""

import socket

import pytest

from guerdon.cli.pages import _listen
from guerdon.core.errors import ConfigError


def test_a_taken_port_is_said_and_a_free_one_listens() -> None:
    with _listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"a free port {port} on 127\.0\.0\.1: it is taken"):
            _listen("127.0.0.1", port)
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            answering, _ = first.accept()
            with answering:  # or each answer waits 40 ms for an acknowledgement
                assert answering.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    with _listen("127.0.0.1", port):
        pass


@pytest.mark.parametrize(("address", "port"), [("203.0.113.7", 0), ("no such name", 0)])
def test_where_nobody_can_listen_is_said(address: str, port: int) -> None:
    with pytest.raises(ConfigError, match=f"a free port {port} on {address}: "):
        _listen(address, port)
