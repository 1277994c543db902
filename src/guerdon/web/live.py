"""Live pages: one look for changes a second, whoever watches; a watcher is told what has changed, never a score."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from guerdon.core.errors import GuerdonError
from guerdon.hosting import Action, may
from guerdon.web.guard import address_of
from guerdon.web.visit import arrive

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from guerdon.web.desk import Desk

LASTS_S = 600.0
"""A stream ends after so long; the page opens another, and whoever was shut out since does not get one."""
BEAT_S = 15.0


class Newest:
    """The newest change of the contests and of the ledger, looked up once for all who watch."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._at, self._kept = desk, 0.0, (0, 0)
        self._turn = asyncio.Lock()

    async def look(self) -> tuple[int, int]:
        """Numbers of the newest change and of the ledger's revision, at most `poll_s` old."""
        from starlette.concurrency import run_in_threadpool

        async with self._turn:
            if time.monotonic() - self._at >= self._desk.settings.poll_s:
                self._kept = await run_in_threadpool(self._numbers)
                self._at = time.monotonic()
            return self._kept

    def _numbers(self) -> tuple[int, int]:
        return self._desk.host.newest_event(), self._desk.host.ledger.revision()


def stream(desk: Desk) -> Callable[[Request], Any]:
    """What answers /live: server-sent events, several changes of one thing as one."""
    newest = Newest(desk)

    async def live(request: Request) -> Response:
        from starlette.concurrency import run_in_threadpool
        from starlette.responses import PlainTextResponse, StreamingResponse

        visit = await run_in_threadpool(arrive, desk, request)
        seat = visit.actor.person or address_of(request.scope)
        if not desk.seats.take(seat):
            return PlainTextResponse("Too many live pages are open. Close some.\n", 429)
        ledger = "run" in request.query_params and may(visit.actor, Action.SEE_RUNS)
        after = visit.number("after", 0, 1 << 60, 1 << 60)

        async def lines() -> AsyncIterator[str]:
            try:
                async for line in _lines(desk, visit.actor, newest, ledger, after):
                    yield line
            finally:
                desk.seats.leave(seat)

        heads = {"x-accel-buffering": "no"}
        return StreamingResponse(lines(), media_type="text/event-stream", headers=heads)

    return live


async def _lines(desk: Desk, actor: Any, newest: Newest, ledger: bool, after: int = 1 << 60) -> AsyncIterator[str]:
    """What changes from now on, and what has changed since the page was made, up to `after`."""
    from starlette.concurrency import run_in_threadpool

    seen, revision = await newest.look()
    seen = min(seen, after)
    ends, beat = time.monotonic() + LASTS_S, time.monotonic()
    yield "retry: 3000\n\n"
    while time.monotonic() < ends and not desk.over.is_set():
        await asyncio.sleep(desk.settings.poll_s)
        try:
            now, grown = await newest.look()
            changes = await run_in_threadpool(desk.host.events, seen, actor) if now > seen else []
        except GuerdonError:  # a data base that is away for a moment; the next look tells
            continue
        if ledger and grown > revision:
            yield _line({"kind": "run", "contest": "", "object": ""})
        for change in changes:
            yield _line({"kind": change.kind, "contest": change.contest, "object": change.object})
        if time.monotonic() - beat > BEAT_S and not changes:
            yield ": here\n\n"
        beat = time.monotonic() if changes or time.monotonic() - beat > BEAT_S else beat
        seen, revision = max(seen, now), max(revision, grown)
    yield "event: bye\ndata: {}\n\n"


def _line(change: dict[str, str]) -> str:
    return f"event: change\ndata: {json.dumps(change)}\n\n"
