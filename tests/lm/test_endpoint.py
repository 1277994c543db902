from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lm_fake import FakeServer

from guerdon.core.errors import ConfigError, ProviderError
from guerdon.lm import Endpoint, Message, Sampling, open_model, usage
from guerdon.lm.retry import Retry

CHAT = (Message("system", "Be brief."), Message("user", "hello"))
waits: list[float] = []


async def _no_sleep(seconds: float) -> None:
    waits.append(seconds)


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    waits.clear()
    for name in ("OPENAI_API_KEY", "GUERDON_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return


def endpoint(server: Any, **options: Any) -> Endpoint:
    settings: dict[str, Any] = {"retry": Retry(attempts=3, sleep=_no_sleep, draw=lambda: 0.5), "read_timeout": 0.2}
    return Endpoint(server.url, "served-1", **(settings | options))


# What passes when it is asked for again: row E7 of the hostile list.
TRANSIENT = [
    ("429", "HTTP 429: slow down"),
    ("429 seconds", "HTTP 429"),
    ("429 date", "HTTP 429"),
    ("500", "HTTP 500: oops"),
    ("503 page", "<h1>busy</h1>"),
    ("hang", "no byte for 0.2 s"),
    ("hang in the middle", "no byte for 0.2 s"),
    ("drop", "disconnected"),
    ("cut", "peer closed connection"),
    ("cut json", "cut short"),
    ("html", "content type is text/html"),
    ("error in 200", "overloaded"),
    ("json list", "is a list"),
    ("no choices", "no choices"),
    ("bad choice", "not an object"),
    ("no text", "no text"),
    ("stream cut", "stream is cut short"),
    ("nan", "log-probability is nan"),
]


@pytest.mark.parametrize(("failure", "words"), TRANSIENT)
@pytest.mark.parametrize("prompt", ["hello", CHAT], ids=["text", "chat"])
def test_a_failure_that_passes_is_retried_and_its_tokens_counted_once(failure: str, words: str, prompt: Any) -> None:
    with FakeServer(failure) as server, endpoint(server) as model:
        [[done]] = model.generate([prompt], Sampling(logprobs=True))
        assert done.fault is None
        assert done.text.startswith("hello|")
        assert (done.tokens, done.prompt_tokens, done.logprobs) == (2, 7, (-0.5, -1.0))
        assert len(server.asked) == 2
        assert server.asked[0] == server.asked[1]
        assert len(waits) == 1


@pytest.mark.parametrize(("failure", "words"), TRANSIENT)
def test_a_failure_that_stays_is_a_fault_of_that_generation_alone(failure: str, words: str) -> None:
    with FakeServer(usual=failure) as server, endpoint(server, read_timeout=0.1) as model:
        [[done]] = model.generate(["hello"], Sampling(logprobs=True))
        assert done.fault is not None
        assert done.fault.kind == "provider"
        assert done.fault.whose == "host"
        assert words.replace("0.2", "0.1") in done.fault.detail
        assert "attempt 3 of 3" in done.fault.detail
        assert (done.text, done.tokens, done.finish) == ("", None, "fault")
        assert len(server.asked) == 3


PERMANENT = [
    ("400", "bad request", "host"),
    ("429 quota", "pay", "host"),
    ("429 tomorrow", "asks to wait 86400 s", "host"),
    ("context", "shorten the prompt", "solver"),
    ("filter", "content filter", "host"),
    ("redirect", "HTTP 302", "host"),
    ("huge", "over 100000 bytes", "host"),
]


@pytest.mark.parametrize(("failure", "words", "whose"), PERMANENT)
def test_a_failure_that_cannot_pass_is_not_retried(failure: str, words: str, whose: str) -> None:
    with FakeServer(failure) as server, endpoint(server, concurrency=1, largest=100_000) as model:
        bad, good = (each[0] for each in model.generate(["hello", "there"]))
        assert bad.fault is not None
        assert words in bad.fault.detail
        assert bad.fault.whose == whose
        assert good.text.startswith("there|")
        assert len(server.asked) == 2


@pytest.mark.parametrize(("failure", "do"), [("401", "GUERDON_API_KEY"), ("404", "model id")])
def test_a_refusal_of_the_whole_batch_is_an_error_and_of_a_part_a_fault(failure: str, do: str) -> None:
    with FakeServer(usual=failure) as server, endpoint(server) as model:
        with pytest.raises(ProviderError, match=do):
            model.generate(["a", "b"])
        server.plan, server.usual = [failure], "ok"
        assert sorted(group[0].fault is None for group in model.generate(["a", "b"])) == [False, True]


def test_waits_grow_with_jitter_and_honour_what_the_provider_asks() -> None:
    with FakeServer("500", "500", "500", "429 seconds", "429 date") as server:
        retry = Retry(attempts=6, first=1.0, longest=3.0, sleep=_no_sleep, draw=lambda: 0.5)
        with endpoint(server, retry=retry) as model:
            assert model.generate(["hello"])[0][0].fault is None
    assert waits[:3] == [0.5, 1.0, 1.5]
    assert waits[3] == 3.5
    assert 28 < waits[4] < 31


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("0", 0.0), ("-5", 0.0), ("1.5", 1.5), ("inf", None), ("nan", None), ("", None), ("Wed, 32 Foo", None)],
)
def test_odd_retry_after_headers(header: str, seconds: float | None) -> None:
    from guerdon.lm.retry import retry_after

    assert retry_after({"retry-after": header}, 0.0) == seconds


def test_when_the_server_is_down_a_large_batch_does_not_wait_out_every_backoff() -> None:
    with FakeServer(usual="500") as server, endpoint(server, concurrency=2) as model:
        made = model.generate([str(at) for at in range(40)])
        assert all(group[0].fault for group in made)
        assert len(server.asked) < 60  # 3 attempts for those that began before it was known, then one each
        server.usual = "ok"
        assert model.generate(["x"])[0][0].fault is None
        asked = len(server.asked)
        server.plan = ["500"]
        assert model.generate(["y"])[0][0].fault is None
        assert len(server.asked) == asked + 2


def test_no_connection_and_no_room_for_one() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with Endpoint(f"http://127.0.0.1:{port}/v1", "m", retry=Retry(attempts=2, sleep=_no_sleep)) as model:
            fault = model.generate(["hello"])[0][0].fault
            assert fault is not None
            assert "ConnectError" in fault.detail
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        blockers = [socket.socket() for _ in range(3)]
        for blocker in blockers:
            blocker.setblocking(False)
            blocker.connect_ex(("127.0.0.1", port))
        options: dict[str, Any] = {"retry": Retry(attempts=2, sleep=_no_sleep), "connect_timeout": 0.2}
        with Endpoint(f"http://127.0.0.1:{port}/v1", "m", read_timeout=0.2, **options) as model:
            fault = model.generate(["hello"])[0][0].fault
        for blocker in blockers:
            blocker.close()
        assert fault is not None
        assert "no connection within 0.2 s" in fault.detail


def test_a_reply_that_drips_for_ever_ends_at_the_total_timeout() -> None:
    with FakeServer("drip", usual="ok") as server, endpoint(server, total_timeout=0.3, read_timeout=5.0) as model:
        assert model.generate(["hello"])[0][0].fault is None
        assert len(server.asked) == 2


def test_tls_errors(tmp_path: Path) -> None:
    with FakeServer() as server:
        url = server.url.replace("http:", "https:")
        with Endpoint(url, "m", retry=Retry(attempts=2, sleep=_no_sleep)) as model:
            fault = model.generate(["hello"])[0][0].fault
        assert fault is not None
        assert "attempt 2 of 2" in fault.detail
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    waits.clear()
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "1"]
    subprocess.run([*command, "-out", str(cert), "-keyout", str(key)], check=True, capture_output=True)
    with FakeServer().secure(str(cert), str(key)) as server, endpoint(server) as model:
        fault = model.generate(["hello"])[0][0].fault
        assert fault is not None
        assert "CERTIFICATE_VERIFY_FAILED" in fault.detail
        assert not waits


@pytest.mark.parametrize("failure", ["no usage", "bad usage"])
def test_tokens_that_nobody_counted_are_unknown_not_zero(failure: str) -> None:
    with FakeServer(failure) as server, endpoint(server) as model:
        [[done]] = model.generate(["hello"])
        assert (done.tokens, done.prompt_tokens) == (None, None)
        assert usage([done]).unknown == 1


@pytest.mark.parametrize(("behaviour", "finish"), [("length", "length"), ("ok", "stop"), ("null content", "stop")])
def test_how_a_text_ends(behaviour: str, finish: str) -> None:
    with FakeServer(behaviour) as server, endpoint(server) as model:
        [[done]] = model.generate([CHAT])
        assert done.finish == finish
        if behaviour == "null content":
            assert done.text == "I won't"


@pytest.mark.parametrize("behaviour", ["stream", "stream duplicates", "twice"])
@pytest.mark.parametrize("prompt", ["hello", CHAT], ids=["text", "chat"])
def test_duplicates_count_once(behaviour: str, prompt: Any) -> None:
    with FakeServer(behaviour, "ok") as server, endpoint(server) as model:
        [[odd]] = model.generate([prompt])
        [[plain]] = model.generate([prompt])
        assert (odd.text, odd.tokens, odd.prompt_tokens, odd.finish) == (plain.text, 2, 7, "stop")


def test_several_samples_of_one_request_share_its_tokens() -> None:
    with FakeServer() as server, endpoint(server) as model:
        [made] = model.generate(["hello"], Sampling(n=3))
        assert len(server.asked) == 1
        assert len({each.text for each in made}) == 3
        assert (usage(made).prompt, usage(made).completion) == (7, 6)


def test_a_server_that_ignores_n_is_asked_again_with_other_seeds() -> None:
    with FakeServer(usual="one choice") as server, endpoint(server) as model:
        [made] = model.generate(["hello"], Sampling(n=3))
        assert len(made) == 3
        assert len({each.text for each in made}) == 3
        assert [body.get("n", 1) for body in server.asked] == [3, 1, 1]
        assert (usage(made).prompt, usage(made).completion) == (21, 6)
        [again] = model.generate(["hello"], Sampling(n=3))
        assert sorted(each.text for each in again) == sorted(each.text for each in made)
        assert len(server.asked) == 6


def test_order_seeds_and_batches() -> None:
    prompts = [str(at) for at in range(30)]
    with FakeServer() as server, endpoint(server, together=False) as model:
        server.delay = 0.002
        made = model.generate(prompts, Sampling(n=2, seed=5))
        assert [[each.text.split("|")[0] for each in group] for group in made] == [[prompt] * 2 for prompt in prompts]
        assert len({each.text.split("|")[1] for group in made for each in group}) == 60
        assert model.generate(prompts[::-1], Sampling(n=2, seed=5))[::-1] == made
        assert model.generate(["3"], Sampling(n=2, seed=6))[0][0].text != made[3][0].text
        assert model.generate([]) == []


def test_concurrency_is_bounded_over_threads_too() -> None:
    with FakeServer() as server, endpoint(server, concurrency=3) as model:
        server.delay = 0.01
        jobs = [
            threading.Thread(target=model.generate, args=([f"{job}.{at}" for at in range(10)],)) for job in range(3)
        ]
        for job in jobs:
            job.start()
        for job in jobs:
            job.join()
        assert len(server.asked) == 30
        assert 1 < server.most <= 3


@pytest.mark.parametrize(
    "text", ["nul \0 here", "\ufeffbom", "e\u0301 é", "\u202egnihtemos", "a" + "\u0301" * 10_000, "\x1b[31mred", "😀"]
)
def test_odd_text_goes_there_and_back(text: str) -> None:
    with FakeServer() as server, endpoint(server) as model:
        assert model.generate([text])[0][0].text.rpartition("|")[0] == text
        assert model.generate([(Message("user", text),)])[0][0].text.rpartition("|")[0] == text


def test_lone_surrogates_go_as_replacement_characters() -> None:
    with FakeServer() as server, endpoint(server) as model:
        assert model.generate(["a\ud800b"])[0][0].text.rpartition("|")[0] == "a\ufffdb"


def test_the_model_as_served_is_stored() -> None:
    with FakeServer("other model") as server, endpoint(server) as model:
        assert [model.generate(["hello"])[0][0].model for _ in range(2)] == ["served-2", "served-1"]
        assert model.served == "served-1"


def test_the_key_comes_from_the_environment_and_stays_out_of_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-1")
    with FakeServer("ok", "key back") as server, endpoint(server) as model:
        model.generate(["hello"])
        assert server.headers[0]["authorization"] == "Bearer sk-secret-1"
        fault = model.generate(["hello"])[0][0].fault
        assert fault is not None
        assert "sk-secret" not in fault.detail
        assert "[key]" in fault.detail
        monkeypatch.setenv("GUERDON_API_KEY", "meant")
        with endpoint(server) as other:
            other.generate(["hello"])
            assert other.digest == model.digest
        assert server.headers[-1]["authorization"] == "Bearer meant"


def test_a_hosted_key_never_goes_over_plain_http_to_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    from guerdon.lm.endpoint import _key, _usable

    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-1")
    assert _key(_usable("http://example.test/v1")) == ""
    assert _key(_usable("https://example.test/v1")) == "sk-secret-1"


def test_newer_models_name_their_limit_otherwise() -> None:
    with FakeServer(usual="new limit") as server, endpoint(server) as model:
        assert model.generate(["hello"])[0][0].fault is None
        assert model.generate(["hello"])[0][0].fault is None
        assert ["max_tokens" in body for body in server.asked] == [True, False, False]


@pytest.mark.parametrize(
    ("owner", "sent"), [("fake", {}), ("vllm", {"top_k": -1, "min_p": 0.0}), ("llamacpp", {"top_k": 0, "min_p": 0.0})]
)
def test_servers_with_defaults_of_their_own_are_told_to_sample_from_all(owner: str, sent: dict[str, Any]) -> None:
    with FakeServer(owner=owner) as server, endpoint(server) as model:
        model.generate(["hello"])
        model.generate(["hello"], Sampling(top_k=5))
        assert {key: server.asked[0][key] for key in ("top_k", "min_p") if key in server.asked[0]} == sent
        assert server.asked[1]["top_k"] == 5
        assert model.context == 512


@pytest.mark.parametrize("behaviour", ["echo", "echo strict"])
def test_continuations_are_scored_by_echo(behaviour: str) -> None:
    with FakeServer(usual=behaviour) as server, endpoint(server) as model:
        made = model.score([("once ", "upon"), ("x", "xyz"), ("x", "")])
        assert [each.logprob for each in made] == [-6.0, -3.0, 0.0]
        assert [each.tokens for each in made] == [4, 3, 0]
        assert [each.greedy for each in made] == [False, True, True]


def test_what_a_server_lacks_for_scoring_is_named() -> None:
    with FakeServer() as server, endpoint(server) as model:
        text, chat = model.score([("a", "b"), (CHAT, "b")])
        assert text.fault is not None
        assert "echo and logprobs" in text.fault.detail
        assert chat.fault is not None
        assert "template" in chat.fault.detail


def test_tokens_are_counted_by_the_server_or_estimated() -> None:
    with FakeServer(tokenizer=True) as server, endpoint(server) as model:
        assert model.count(["a b c", ""]) == [3, 0]
    with FakeServer() as server, endpoint(server) as model:
        assert model.count(["a b c", "", "x" * 40]) == [3, 0, 10]
        assert model.count([]) == []


@pytest.mark.parametrize("url", ["http://", "ftp://host/v1", "http://host:99999/v1", "http://me:secret@host/v1"])
def test_urls_that_cannot_be_used(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Endpoint(url, "m")
    assert "secret" not in str(caught.value)


def test_a_spec_may_leave_the_model_out_when_there_is_one() -> None:
    with FakeServer() as server:
        with open_model(server.url) as model:
            assert model.name == "served-1"
            with open_model(f"{server.url}#served-1") as same, open_model(f"{server.url}#other") as other:
                assert model.digest == same.digest != other.digest
        server.models = ["a", "b"]
        with pytest.raises(ConfigError, match="a, b"):
            open_model(server.url)


def test_a_closed_model_says_so_and_closes_twice() -> None:
    with FakeServer() as server:
        model = endpoint(server)
        model.generate(["hello"])
        threads = [thread for thread in threading.enumerate() if thread.name == "guerdon-lm"]
        model.close()
        model.close()
        assert not any(thread.is_alive() for thread in threads)
        with pytest.raises(ConfigError, match="closed"):
            model.generate(["hello"])


def test_a_forked_child_gets_a_loop_of_its_own() -> None:
    with FakeServer() as server, endpoint(server) as model:
        model.generate(["hello"])
        child = os.fork()
        if not child:
            os._exit(0 if model.generate(["child"])[0][0].text.startswith("child") else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert model.generate(["parent"])[0][0].fault is None
