"""What a server's connections need that its own time limits leave out."""

from __future__ import annotations

import asyncio
from typing import Any

from guerdon.web.guard import address_of
from guerdon.web.limits import Seats

CONNECTIONS = 500
"""So many are open at once from one address, but for this machine's own, where a proxy may be."""
OWN = ("127.0.0.1", "::1")
LINGER_S = 2.0
"""Seconds that a client has to read the answer to a body that was not read to its end."""


def protocol(seconds: float) -> type[Any]:
    """Connections as uvicorn has them, given up when a request is not made in time or goes on after its answer.

    uvicorn ends connections that are idle after a request; one that never makes its first would stay for ever, and so
    would one whose body was refused and does not end. One address may not hold all that there can be.

    Args:
        seconds: from connecting, or from the first byte of a further request, to the end of its headers.

    Returns:
        A class for uvicorn's `http`.
    """
    import h11
    from uvicorn.protocols.http.h11_impl import H11Protocol

    seats = Seats(CONNECTIONS, 1 << 30)

    class Patient(H11Protocol):  # type: ignore[misc]  # uvicorn is not looked into
        over: asyncio.TimerHandle | None = None
        seat = ""

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.over = self.loop.call_later(seconds, transport.close)
            peer = transport.get_extra_info("peername")
            if peer and peer[0] not in OWN:
                address = address_of({"client": peer})
                if seats.take(address):
                    self.seat = address
                else:
                    transport.abort()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.conn.their_state is not h11.IDLE:
                if self.conn.our_state is not h11.DONE:
                    self.unset()
            elif self.over is None:
                self.over = self.loop.call_later(seconds, self.transport.close)

        def on_response_complete(self) -> None:
            unread = self.conn.their_state is h11.SEND_BODY
            super().on_response_complete()
            if unread:  # the answer is given a moment to arrive; what still comes is thrown away
                self.unset()
                self.over = self.loop.call_later(min(seconds, LINGER_S), self.transport.close)

        def connection_lost(self, exc: Exception | None) -> None:
            self.unset()
            if self.seat:
                seats.leave(self.seat)
            super().connection_lost(exc)

        def unset(self) -> None:
            if self.over is not None:
                self.over.cancel()
                self.over = None

    return Patient
