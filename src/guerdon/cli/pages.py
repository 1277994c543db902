"""Pages over an open host, served until somebody stops them."""

from __future__ import annotations

import errno
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from guerdon.core.errors import ConfigError

if TYPE_CHECKING:
    from guerdon.hosting import Host
    from guerdon.web.settings import Settings


def run(
    host: Host, settings: Settings, address: str, port: int, *, say: Callable[[str], None], behind_proxy: bool = False
) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Args:
        host: whose contests and comparisons are shown; stays open.
        settings: whom to serve.
        address: of this machine.
        port: 0 for any that is free.
        say: is told the address that people type, once the pages are there.
        behind_proxy: a proxy on this machine says where requests come from.

    Raises:
        ConfigError: the extra `web` is not installed, or one cannot listen there.
    """
    uvicorn = server_of_pages()
    from guerdon.web.app import make_app
    from guerdon.web.patience import protocol

    pages = make_app(host, settings)
    config = uvicorn.Config(
        pages, host=address, port=port, http=protocol(settings.chunk_s), log_level="warning", access_log=False,
        server_header=False,
        proxy_headers=behind_proxy, forwarded_allow_ips="127.0.0.1", timeout_keep_alive=20,
        timeout_graceful_shutdown=2, h11_max_incomplete_event_size=64 << 10, ws="none",
    )  # fmt: skip
    server = uvicorn.Server(config)
    leave = server.handle_exit

    def stop(number: int, frame: Any) -> None:
        pages.over.set()
        leave(number, frame)

    server.handle_exit = stop
    listening = _listen(address, port)
    threading.Thread(target=_wait, args=(server, settings.url, address, say), daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it again once it has stopped
    with listening:
        server.run(sockets=[listening])


def _listen(address: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listening = socket.create_server((address, port), family=family, backlog=2048)
    except OSError as error:
        got = "it is taken" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
        raise ConfigError(f"a free port {port} on {address}", got, "Choose another --port or --host") from None
    # connections inherit it; without, an answer in two pieces waits 40 ms for the client's acknowledgement
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _wait(server: Any, url: str, address: str, say: Callable[[str], None]) -> None:
    """Say where it is, once it is there."""
    while not server.started and not server.should_exit:
        threading.Event().wait(0.05)
    sockets = [listening for each in getattr(server, "servers", []) for listening in each.sockets]
    if sockets:
        say(url or f"http://{address}:{sockets[0].getsockname()[1]}")


def server_of_pages() -> Any:
    """The package that serves.

    Raises:
        ConfigError: the extra `web` is not installed.
    """
    try:
        import uvicorn
    except ImportError:
        do = "pip install 'guerdon[web]'"
        raise ConfigError("the web application's packages", "uvicorn is missing", do) from None
    return uvicorn
