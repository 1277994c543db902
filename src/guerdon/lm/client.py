"""A client of one OpenAI-compatible server: bounded concurrency, retries, and faults in words."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import httpx

from guerdon.core.errors import ConfigError
from guerdon.lm.loop import Loop
from guerdon.lm.retry import ReplyError, Retry
from guerdon.lm.wire import Reply, parse_json

T = TypeVar("T")


class Client:
    """Sends JSON to one server and reads what comes back.

    Args:
        headers: sent with each request; their values are kept out of every message.
        secrets: texts that must not appear in a message.
        concurrency: most requests under way at once.
        retry: when to ask again.
        connect_timeout: seconds for a connection.
        read_timeout: seconds without a byte.
        total_timeout: seconds for one request in all.
        largest: most bytes of a reply.
        trust_env: let proxies named in the environment apply.
    """

    def __init__(
        self,
        *,
        headers: Mapping[str, str],
        secrets: Iterable[str],
        concurrency: int,
        retry: Retry,
        connect_timeout: float,
        read_timeout: float,
        total_timeout: float,
        largest: int,
        trust_env: bool,
    ) -> None:
        self._headers = {"content-type": "application/json", "accept": "application/json", **headers}
        self._secrets = tuple(secret for secret in secrets if secret)
        self._concurrency, self._retry = concurrency, retry
        self._times = (connect_timeout, read_timeout, total_timeout)
        self._largest, self._trust_env = largest, trust_env
        self._running: _Running | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._lost = 0  # requests in a row that used up their attempts

    def run(self, work: Callable[[], Any]) -> Any:
        """The result of a coroutine function that uses `ask`, from any thread."""
        return self._live().loop.run(work())

    def _live(self) -> _Running:
        with self._lock:
            if self._closed:
                raise ConfigError("a model is used before it is closed", "it has been closed", "Open it again")
            if self._running is None or not self._running.loop.alive:
                self._running = self._started()
                weakref.finalize(self, self._running.stop)
            return self._running

    def _started(self) -> _Running:
        connect, read, _ = self._times
        client = httpx.AsyncClient(
            timeout=httpx.Timeout(read, connect=connect, pool=None),
            limits=httpx.Limits(max_connections=self._concurrency, max_keepalive_connections=self._concurrency),
            trust_env=self._trust_env,
            headers=self._headers,
            follow_redirects=False,
        )
        slots = asyncio.Semaphore(self._concurrency)
        # Requests that wait for another attempt keep their seat, so that a batch does not begin
        # thousands of requests before it is known that the server is down.
        return _Running(Loop("guerdon-lm"), client, slots, asyncio.Semaphore(2 * self._concurrency))

    async def ask(
        self, url: str, body: Mapping[str, Any] | None, parse: Callable[[dict[str, Any]], T], *, once: bool = False
    ) -> T:
        """Post JSON (or GET, without a body) and parse the JSON that comes back.

        While the server is down, which as many failed requests in a row as may be under way show, each request gets
        one attempt.

        Raises:
            ReplyError: no attempt brought a usable reply.
        """
        async with self._live().seats:
            attempt = 0
            while True:
                try:
                    found = parse(parse_json(await self._send(url, body), self._retry.now()))
                except ReplyError as broken:
                    attempt += 1
                    down = self._lost >= self._concurrency
                    most = 1 if once or down else self._retry.attempts
                    if not broken.again or attempt >= most or not self._retry.patient(broken.after):
                        self._lost += broken.again and not once
                        raise self._given_up(broken, attempt) from None
                    await self._retry.sleep(self._retry.wait(attempt - 1, broken.after))
                else:
                    self._lost = 0
                    return found

    def _given_up(self, broken: ReplyError, attempt: int) -> ReplyError:
        detail = broken.detail
        for secret in self._secrets:
            detail = detail.replace(secret, "[key]")
        if broken.again:
            detail += f" (attempt {attempt} of {self._retry.attempts})"
        if broken.after is not None and not self._retry.patient(broken.after):
            detail += f"; it asks to wait {broken.after:.0f} s"
        return ReplyError(detail, again=broken.again, status=broken.status)

    async def _send(self, url: str, body: Mapping[str, Any] | None) -> Reply:
        live = self._live()
        connect, read, total = self._times
        content = None if body is None else json.dumps(body, ensure_ascii=True).encode("ascii")
        try:
            async with (
                live.slots,
                asyncio.timeout(total),
                live.client.stream("GET" if content is None else "POST", url, content=content) as response,
            ):
                data = bytearray()
                async for chunk in response.aiter_bytes():
                    data += chunk
                    if len(data) > self._largest:
                        raise ReplyError(f"its reply is over {self._largest} bytes", again=False)
                return Reply(response.status_code, response.headers, bytes(data))
        except TimeoutError:
            raise ReplyError(f"no whole reply within {total:g} s") from None
        except httpx.ConnectTimeout:
            raise ReplyError(f"no connection within {connect:g} s") from None
        except httpx.TimeoutException:
            raise ReplyError(f"no byte for {read:g} s") from None
        except httpx.TransportError as error:
            trusted = not _certificate(error)
            raise ReplyError(f"{type(error).__name__}: {error}", again=trusted) from None
        except (httpx.DecodingError, httpx.InvalidURL) as error:
            raise ReplyError(f"{type(error).__name__}: {error}") from None

    def close(self) -> None:
        """End the connections and the thread; twice is fine."""
        with self._lock:
            self._closed = True
            running, self._running = self._running, None
        if running is not None:
            running.stop()


class _Running:
    """A loop, its HTTP client its slots for requests and seats for those that wait: what must be ended."""

    def __init__(
        self, loop: Loop, client: httpx.AsyncClient, slots: asyncio.Semaphore, seats: asyncio.Semaphore
    ) -> None:
        self.loop, self.client, self.slots, self.seats = loop, client, slots, seats

    def stop(self) -> None:
        if self.loop.alive:
            self.loop.stop(self.client.aclose)


def _certificate(error: BaseException | None) -> bool:
    """True when a TLS certificate was refused: asking again cannot help."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
