import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from guerdon import reward
from guerdon.core.errors import ConfigError
from guerdon.core.reward import Reward
from guerdon.core.score import Score

uvicorn = pytest.importorskip("uvicorn", reason='needs pip install "guerdon[web]"')
pytest.importorskip("starlette", reason='needs pip install "guerdon[web]"')

import httpx  # noqa: E402

from guerdon.rlhf.serving import application, query_cases, query_reply, run  # noqa: E402


class Length(Reward):
    """The length of a response; a prompt in it counts against it."""

    range = (-100.0, 100.0)

    def judge(self, cases: Any) -> list[Score]:
        found = []
        for case in cases:
            text = str(case.answer.content)
            if text == "?":
                found.append(Score.failed("not-applicable"))
            else:
                value = float(len(text) - 10 * text.count("PROMPT"))
                found.append(Score(value, parts={"a": value - 1, "b": value + 1}, spread=1.0))
        return found


class Server:
    """A server on loopback in a thread."""

    def __init__(self, **options: Any) -> None:
        self.started = threading.Event()
        self.address = ""
        self._server: Any = None
        self._app = application(Length(), **options)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        import socket

        listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self._server = uvicorn.Server(uvicorn.Config(self._app, log_level="error"))
        self.started.set()
        self._server.run(sockets=[listening])
        listening.close()

    def __enter__(self) -> "Server":
        self._thread.start()
        self.started.wait(10)
        deadline = time.monotonic() + 10
        while not self._server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with Server(most=8, most_bytes=20_000) as server:
        yield server.address


@pytest.fixture
def client(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=10, trust_env=False) as made:
        yield made


def test_openrlhf_s_request_gets_what_it_reads(client: httpx.Client) -> None:
    # the payload of openrlhf.utils.agent.SingleTurnAgentExecutor, one query at a time, special tokens left in
    payload = {"query": ["PROMPT says<|im_end|>"], "prompts": ["PROMPT "], "labels": ["42"]}
    response = client.post("/get_reward", json=payload)
    response.raise_for_status()
    assert response.json() == {
        "rewards": [4.0],
        "scores": [4.0],
        "extra_logs": {"reward_model": [4.0], "reward_sd": [1.0]},
    }


def test_openrlhf_s_own_reading_makes_tensors_of_it(client: httpx.Client) -> None:
    torch = pytest.importorskip("torch")
    reply = client.post("/get_reward", json={"query": ["a"], "prompts": [""], "labels": [None]}).json()
    assert torch.tensor([reply["rewards"]]).shape == (1, 1)  # as its samples generator does
    assert all(torch.tensor([value]).isfinite().all() for value in reply["extra_logs"].values())


def test_a_batch_keeps_its_order_and_unknown_is_null(client: httpx.Client) -> None:
    reply = client.post("/get_reward", json={"query": ["aaa", "?", "a"]}).json()
    assert reply["rewards"] == [3.0, None, 1.0]
    assert reply["extra_logs"] == {}


def test_score_takes_a_row_a_list_or_rows(client: httpx.Client) -> None:
    row = {"prompt": "p", "response": "abc"}
    expected = {"score": 3.0, "members": [2.0, 4.0], "variance": 1.0}
    for body in (row, [row], {"rows": [row]}):
        assert client.post("/score", json=body).json() == {"rows": [expected]}
    pair = client.post("/score", json={"prompt": "p", "chosen": "ab", "rejected": "?"}).json()["rows"][0]
    assert (pair["score_chosen"], pair["score_rejected"]) == (2.0, None)
    assert client.post("/score", json=[]).json() == {"rows": []}


def test_health_names_the_reward(client: httpx.Client) -> None:
    told = client.get("/health").json()
    assert (told["reward"], told["ok"]) == ("length", True)


@pytest.mark.parametrize("path", ["/score", "/get_reward"])
@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"NaN", 400),
        (b"[" * 10_000, 400),
        (b"x" * 20_001, 413),
        (b"3", 422),
        (b'"text"', 422),
        (b"[1, 2]", 422),
        (b'{"query": "text"}', 422),
        (b'{"query": [1]}', 422),
        (b'{"query": null, "rows": 3}', 422),
        (b'{"query": ["a"], "prompts": ["a", "b"]}', 422),
        (b'{"query": ["a"], "labels": "b"}', 422),
        (b'{"rows": [{"prompt": "p"}]}', 422),
        (json.dumps({"query": ["a"] * 9, "rows": [{"response": "a"}] * 9}).encode(), 413),
    ],
)
def test_what_cannot_be_answered_gets_a_reason(client: httpx.Client, path: str, content: bytes, status: int) -> None:
    response = client.post(path, content=content)
    assert response.status_code == status
    assert response.json()["error"].count(".") >= 1
    assert client.get("/health").status_code == 200


def test_other_methods_and_paths_are_refused(client: httpx.Client) -> None:
    assert client.get("/score").status_code == 405
    assert client.post("/nothing", json={}).status_code == 404


def test_many_at_once(address: str) -> None:
    def ask(k: int, found: list[Any]) -> None:
        with httpx.Client(base_url=address, timeout=10, trust_env=False) as client:
            found.append((k, client.post("/get_reward", json={"query": ["a" * k]}).json()["rewards"][0]))

    found: list[Any] = []
    threads = [threading.Thread(target=ask, args=(k, found)) for k in range(1, 9)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(found) == [(k, float(k)) for k in range(1, 9)]


def test_a_token_may_be_in_the_header_or_the_address() -> None:
    with Server(token="sesame") as server, httpx.Client(base_url=server.address, timeout=10, trust_env=False) as client:
        body = {"response": "abc"}
        assert client.post("/score", json=body).status_code == 401
        assert client.post("/score", json=body, headers={"Authorization": "Bearer no"}).status_code == 401
        assert client.post("/score?token=no", json=body).status_code == 401
        header = {"Authorization": "Bearer sesame"}
        assert client.post("/score", json=body, headers=header).json()["rows"][0]["score"] == 3.0
        assert client.post("/score", json=body, params={"token": "sesame"}).json()["rows"][0]["score"] == 3.0
        assert client.get("/health").status_code == 200


def test_what_is_unknown_may_count_as_a_number() -> None:
    assert query_reply([Score.failed("timeout"), Score(2.0)], -1.0)["rewards"] == [-1.0, 2.0]


def test_a_query_that_does_not_begin_with_its_prompt_is_a_response() -> None:
    one, two = query_cases({"query": ["abc</s></s>", "xyz"], "prompts": ["ab", "ab"], "labels": [{"k": 1}, 3]})
    assert (one.task.data["prompt"], one.answer.content, one.key) == ("ab", "c", {"k": 1})
    assert (two.task.data["prompt"], two.answer.content, two.key) == ("", "xyz", {"label": 3})


def test_an_address_in_use_is_refused() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ConfigError, match="Take another --port"):
        run(application(Length()), "127.0.0.1", taken.getsockname()[1])


def test_a_reward_that_breaks_is_no_server_error() -> None:
    @reward
    def broken(text: str) -> float:
        raise RuntimeError("no")

    from starlette.testclient import TestClient

    client = TestClient(application(broken))
    assert client.post("/score", json={"response": "a"}).json()["rows"][0]["score"] is None
