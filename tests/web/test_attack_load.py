"""Attacks on what all share: connections, memory and disk, taken by one account that asks for much and reads slowly."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

pytest.importorskip("fastapi")

from hosting_helpers import FREE, PASSWORD, OneFile, contest, entered, person
from web_helpers import Browser

from guerdon.hosting import Host, Phase
from guerdon.web.app import make_app
from guerdon.web.guard import address_of
from guerdon.web.settings import Settings

SIZE = 3 << 20


class Client:
    """One request by hand: `gate` lets its body come, and its answer go."""

    def __init__(self, app: Any, method: str, path: str, body: bytes = b"", **headers: str) -> None:
        place, _, query = path.partition("?")
        pairs = {"host": "contest.example", "content-length": str(len(body)), **headers}
        self.scope = {
            "type": "http", "http_version": "1.1", "method": method, "scheme": "https", "path": place,
            "raw_path": place.encode(), "query_string": query.encode(), "client": ("203.0.113.1", 1),
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in pairs.items()],
            "server": ("contest.example", 443), "root_path": "", "asgi": {"version": "3.0", "spec_version": "2.3"},
        }  # fmt: skip
        self.app, self.body, self.gate, self.reached = app, body, asyncio.Event(), asyncio.Event()
        self.status, self.pieces, self.broken, self.came = 0, list[int](), False, False

    async def receive(self) -> dict[str, Any]:
        if self.came:
            await self.gate.wait()
            await asyncio.sleep(0.01)
            return {"type": "http.disconnect"}
        if self.body:
            self.reached.set()
            await self.gate.wait()
        self.came = True
        return {"type": "http.request", "body": self.body, "more_body": False}

    async def send(self, message: Any) -> None:
        if self.broken:
            raise OSError("they have gone")
        self.status = message.get("status", self.status)
        if message["type"] == "http.response.body":
            self.pieces.append(len(message.get("body", b"")))
            self.reached.set()
            await self.gate.wait()

    async def __call__(self) -> int:
        try:
            await self.app(self.scope, self.receive, self.send)
        except OSError:
            assert self.broken
        finally:
            self.reached.set()
        return self.status


@asynccontextmanager
async def held(clients: list[Client]) -> AsyncIterator[None]:
    """While these requests go on: each has begun, and none ends."""
    tasks = [asyncio.create_task(client()) for client in clients]
    for client in clients:
        await client.reached.wait()
    try:
        yield
    finally:
        for client in clients:
            client.gate.set()
        await asyncio.gather(*tasks)


async def asked(client: Client) -> int:
    client.gate.set()
    return await client()


async def most_at_once(make: Callable[[], Client], other: Callable[[], Client], most: int, fine: int) -> None:
    """So many of one account go on at the same time; others are served meanwhile, and so is it afterwards."""
    clients = [make() for _ in range(most)]
    async with held(clients):
        assert [await asked(make()), await asked(make())] == [429, 429]
        assert await asked(other()) == fine
    assert {client.status for client in clients} == {fine}
    assert await asked(make()) == fine


@pytest.fixture
def scene(host: Host) -> tuple[str, dict[str, str], dict[str, str]]:
    """A submission of Ann's, and what Ann and Bob sign in with."""
    phase = Phase("open", "open", limits=FREE)
    contest(host, phase, challenge=OneFile())
    ann = person(host, "Ann")
    item = host.submissions.submit(ann, "numbers", "open", bytes(SIZE))
    person(host, "Bob")
    sessions = [host.people.sign_in(name, PASSWORD) for name in ("Ann", "Bob")]
    return item.id, *({"cookie": f"__Host-guerdon-session={session}"} for session in sessions)


def test_a_live_page_that_is_never_read_takes_no_seat(host: Host) -> None:
    settings = Settings(url="https://contest.example", streams=2, poll_s=0.01)

    async def work() -> None:
        app = make_app(host, settings)
        for _ in range(5):
            gone = Client(app, "GET", "/live")
            gone.broken = True
            await asked(gone)
        assert await asked(Client(app, "GET", "/live")) == 200

    asyncio.run(work())


def test_a_slow_reader_has_few_files_in_memory(host: Host, settings: Settings, scene: Any) -> None:
    name, ann, _ = scene
    path = f"/submissions/{name}/answer"

    async def work() -> None:
        app = make_app(host, settings)
        elsewhere = Client(app, "GET", "/challenges", **ann)
        await most_at_once(lambda: Client(app, "GET", path, **ann), lambda: elsewhere, 2, 200)
        whole = Client(app, "GET", path, **ann)
        assert await asked(whole) == 200
        assert sum(whole.pieces) == SIZE
        assert max(whole.pieces) <= 1 << 18  # the server waits for each before it takes the next

    asyncio.run(work())


def test_one_copy_of_one_s_data_is_made_at_a_time(host: Host, settings: Settings, scene: Any) -> None:
    _, ann, bob = scene
    form = "application/x-www-form-urlencoded"

    async def work() -> None:
        app = make_app(host, settings)

        def copy(who: dict[str, str]) -> Client:
            return Client(app, "POST", "/account/data", content_type=form, x_csrf=csrf_of(who), **who)

        await most_at_once(lambda: copy(ann), lambda: copy(bob), 1, 200)

    asyncio.run(work())


def csrf_of(who: dict[str, str]) -> str:
    import hashlib
    import hmac

    session = who["cookie"].partition("=")[2]
    return hmac.new(session.encode(), b"guerdon form", hashlib.sha256).hexdigest()


def test_one_account_sends_few_large_files_at_a_time(host: Host, settings: Settings, scene: Any) -> None:
    bearers = [{"authorization": f"Bearer {host.people.sign_in(name, PASSWORD)}"} for name in ("Ann", "Bob")]

    async def work() -> None:
        app = make_app(host, settings)
        call = "/api/v1/contests/numbers/submissions?phase=open"
        large, small = bytes(SIZE), bytes(10)
        made = [lambda who=who: Client(app, "POST", call, large, **who) for who in bearers]
        await most_at_once(made[0], made[1], 4, 201)
        async with held([made[0]() for _ in range(4)]):  # what is small needs no room
            assert await asked(Client(app, "POST", call, small, **bearers[0])) == 201
            lie = {"content-length": "10", "transfer-encoding": "chunked"}  # the second wins
            assert await asked(Client(app, "POST", call, small, **lie, **bearers[0])) == 429

    asyncio.run(work())
    ann, bob = (Browser(host, settings) for _ in range(2))
    assert [ann.sign_in("Ann").status_code, bob.sign_in("Bob").status_code] == [303, 303]
    assert ann.post("/challenges/numbers/submit?phase=open", {"answer": "1"}).status_code == 303


@pytest.mark.parametrize(
    ("address", "same"),
    [("2001:db8::1:2:3:4", "2001:db8:0:0:9::"), ("2001:db8:0:0:1::", "2001:db8::7:0:0:5"), ("fe80::1%eth0", "fe80::2"),
     ("::ffff:192.0.2.1", "192.0.2.1")],
)  # fmt: skip
def test_a_network_is_one_address_however_it_is_written(address: str, same: str) -> None:
    assert address_of({"client": (address, 1)}) == address_of({"client": (same, 2)})
    assert address_of({"client": ("2001:db8:0:1::1", 1)}) != address_of({"client": ("2001:db8::1", 1)})
    assert json.dumps(address_of({"client": None})) == '"unknown"'


def test_a_whole_board_is_written_once_until_it_changes(
    host: Host, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody may ask for it, as often as for any page; of a hundred thousand teams it takes seconds."""
    contest(host, Phase("open", "open", limits=FREE), Phase("test", "test", limits=FREE))
    ann, bob = person(host, "Ann"), person(host, "Bob")
    entered(host, ann, "open", 0.5, 0.5, 0.5)
    made = list[str]()
    board = host.board
    monkeypatch.setattr(host, "board", lambda *ask: (made.append(ask[1]), board(*ask))[1])
    browser = Browser(host, settings)
    assert browser.sign_in("Ann").status_code == 303
    path = "/challenges/numbers/board.csv?phase=open"
    tables = [browser.get(path).text for _ in range(20)]
    assert len(set(tables)) == 1
    assert made == ["open"]
    entered(host, bob, "open", 0.75, 0.75, 0.75)
    assert "Bob" in browser.get(path).text
    assert "Bob" not in browser.get(path.replace("open", "test")).text
    assert made == ["open", "open", "test"]


def test_a_large_answer_is_not_laid_out_for_its_page(host: Host, settings: Settings) -> None:
    """A page of megabytes of numbers took seconds of all that the server does, as often as somebody liked."""
    contest(host, Phase("open", "open", limits=FREE))
    person(host, "Ann")
    browser = Browser(host, settings)
    assert browser.sign_in("Ann").status_code == 303
    ann = host.people.actor_of(host.people.sign_in("Ann", PASSWORD))
    assert ann is not None
    large = [[0, 1, 2]] * 50_000
    item = host.submissions.submit(
        ann, "numbers", "open", {"open/0": large, "open/1": large[:50], "open/2": "x" * SIZE}
    )
    pages = [browser.get(f"/attempts/{each}").text for each in host.submissions.get(ann, item.id).attempts]
    assert ["too large to be laid out" in page for page in pages] == [True, False, False]
    assert "x" * 1000 in pages[2]
    assert max(map(len, pages)) < 100_000
