"""A server on loopback that speaks the OpenAI protocol, well or badly, as a plan says."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Behaviour = Callable[["Handler", dict[str, Any]], None]


class FakeServer:
    """Answers each POST by the next behaviour of `plan`, then by `usual`.

    `asked` holds the bodies of completion requests in order, `most` the most that were under way at once.
    """

    def __init__(self, *plan: str, usual: str = "ok", owner: str = "fake", tokenizer: bool = False) -> None:
        self.plan, self.usual, self.owner, self.tokenizer = list(plan), usual, owner, tokenizer
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.models = ["served-1"]
        self.delay = 0.0
        self.now = self.most = 0
        self.released = threading.Event()
        self.lock = threading.Lock()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.fake = self  # type: ignore[attr-defined]
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.port = self.http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def secure(self, cert: str, key: str) -> Self:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.url = self.url.replace("http:", "https:")
        return self

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, *args: object) -> None:
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, ssl.SSLError):
            self.close_connection = True

    def do_GET(self) -> None:
        fake: FakeServer = self.server.fake
        data = [{"id": name, "owned_by": fake.owner, "max_model_len": 512} for name in fake.models]
        self.json({"data": data})

    def do_POST(self) -> None:
        fake: FakeServer = self.server.fake
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path.endswith("/tokenize"):
            tokens = list(range(len(body["content"].split())))
            self.json({"tokens": tokens} if fake.tokenizer else {"error": "no route"}, 200 if fake.tokenizer else 404)
            return
        with fake.lock:
            fake.asked.append({**body, "path": self.path})
            fake.headers.append({key.lower(): value for key, value in self.headers.items()})
            name = fake.plan.pop(0) if fake.plan else fake.usual
            fake.now += 1
            fake.most = max(fake.most, fake.now)
        if fake.delay:
            time.sleep(fake.delay)
        with fake.lock:  # before the reply: the client may ask again as soon as it has it
            fake.now -= 1
        BEHAVIOURS[name](self, body)

    def json(self, data: Any, status: int = 200, **headers: str) -> None:
        self.send(json.dumps(data).encode(), status, **headers)

    def send(self, content: bytes, status: int = 200, *, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("content-type", headers.pop("content_type", "application/json"))
        self.send_header("content-length", str(len(content) if length is None else length))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)
        if length is not None:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True


def said(body: dict[str, Any]) -> str:
    """What the server answers to a request: its prompt's last words and its seed."""
    prompt = body["prompt"] if "prompt" in body else body["messages"][-1]["content"]
    return f"{prompt}|{body.get('seed')}"


def payload(body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    n = body.get("n", 1)
    choices = []
    for index in range(n):
        text = said(body) + (f"#{index}" if index else "")
        choice: dict[str, Any] = {"index": index, "finish_reason": "stop"}
        if "messages" in body:
            choice["message"] = {"role": "assistant", "content": text}
            if body.get("logprobs"):
                choice["logprobs"] = {"content": [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -1.0}]}
        else:
            choice["text"] = text
            if body.get("logprobs"):
                choice["logprobs"] = {"tokens": ["a", "b"], "token_logprobs": [-0.5, -1.0]}
        choices.append(choice)
    usage = {"prompt_tokens": 7, "completion_tokens": 2 * n, "total_tokens": 7 + 2 * n}
    return {"model": "served-1", "choices": choices, "usage": usage} | changes


def _ok(handler: Handler, body: dict[str, Any]) -> None:
    handler.json(payload(body))


def _with(**changes: Any) -> Behaviour:
    return lambda handler, body: handler.json(payload(body, **changes))


def _status(code: int, said: str = "no", **headers: str) -> Behaviour:
    return lambda handler, body: handler.json({"error": {"message": said}}, code, **headers)


def _date(handler: Handler, body: dict[str, Any]) -> None:
    handler.json({"error": "slow down"}, 429, retry_after=formatdate(time.time() + 30, usegmt=True))


def _hang(handler: Handler, body: dict[str, Any]) -> None:
    handler.server.fake.released.wait(5)
    handler.close_connection = True


def _hang_middle(handler: Handler, body: dict[str, Any]) -> None:
    handler.send_response(200)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.wfile.flush()
    _hang(handler, body)


def _drip(handler: Handler, body: dict[str, Any]) -> None:
    handler.send_response(200)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", "100000")
    handler.end_headers()
    while not handler.server.fake.released.wait(0.02):
        handler.wfile.write(b" ")
        handler.wfile.flush()
    handler.close_connection = True


def _cut(handler: Handler, body: dict[str, Any]) -> None:
    whole = json.dumps(payload(body)).encode()
    handler.send(whole[: len(whole) // 2], length=len(whole))


def _cut_json(handler: Handler, body: dict[str, Any]) -> None:
    whole = json.dumps(payload(body)).encode()
    handler.send(whole[: len(whole) // 2])


def _drop(handler: Handler, body: dict[str, Any]) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def _html(handler: Handler, body: dict[str, Any]) -> None:
    handler.send(b"<html>log in to the network</html>", content_type="text/html")


def _no_usage(handler: Handler, body: dict[str, Any]) -> None:
    data = payload(body)
    del data["usage"]
    handler.json(data)


def _changed(**changes: Any) -> Behaviour:
    def behave(handler: Handler, body: dict[str, Any]) -> None:
        data = payload(body)
        for choice in data["choices"]:
            choice.update(changes)
        handler.json(data)

    return behave


def _twice(handler: Handler, body: dict[str, Any]) -> None:
    data = payload(body)
    data["choices"] += data["choices"]
    handler.json(data)


def _one_choice(handler: Handler, body: dict[str, Any]) -> None:
    handler.json(payload({**body, "n": 1}))


def _nan(handler: Handler, body: dict[str, Any]) -> None:
    data = payload(body)
    nan = float("nan")
    data["choices"][0]["logprobs"] = {"content": [{"logprob": nan}], "token_logprobs": [nan]}
    handler.json(data)


def _stream(*, end: bool, duplicate: bool) -> Behaviour:
    def behave(handler: Handler, body: dict[str, Any]) -> None:
        words = [said(body)[:1], said(body)[1:]]
        events = []
        for at, word in enumerate(words):
            part = {"index": 0, "delta": {"content": word}, "text": word, "finish_reason": None}
            event = f"id: {at}\ndata: {json.dumps({'model': 'served-1', 'choices': [part]})}\n\n"
            events += [event, event] if duplicate else [event]
        if end:
            last = {"index": 0, "delta": {}, "text": "", "finish_reason": "stop"}
            usage = {"prompt_tokens": 7, "completion_tokens": 2}
            events += [f"data: {json.dumps({'choices': [last], 'usage': usage})}\n\n"] * 2 + ["data: [DONE]\n\n"]
        handler.send("".join(events).encode(), content_type="text/event-stream")

    return behave


def _echo(handler: Handler, body: dict[str, Any]) -> None:
    """Like a server that scores: each letter is a token of -1, or -2 when it is a vowel."""
    text = body["prompt"]
    extra = "!" if body["max_tokens"] else ""
    letters = list(text + extra)
    chances = [None, *(-2.0 if letter in "aeiou" else -1.0 for letter in letters[1:])]
    tops = [None, *({letter: -1.0} for letter in letters[1:])]
    found = {
        "tokens": letters,
        "token_logprobs": chances,
        "top_logprobs": tops,
        "text_offset": list(range(len(letters))),
    }
    handler.json(
        {"model": "served-1", "choices": [{"text": text + extra, "logprobs": found, "finish_reason": "length"}]}
    )


def _echo_strict(handler: Handler, body: dict[str, Any]) -> None:
    if body["max_tokens"] < 1:
        handler.json({"error": {"message": "max_tokens must be at least 1"}}, 400)
    else:
        _echo(handler, body)


def _key_back(handler: Handler, body: dict[str, Any]) -> None:
    handler.json({"error": {"message": f"bad header {handler.headers['authorization']}"}}, 400)


def _new_limit(handler: Handler, body: dict[str, Any]) -> None:
    if "max_tokens" in body:
        handler.json({"error": {"message": "Unsupported 'max_tokens'; use 'max_completion_tokens' instead."}}, 400)
    else:
        _ok(handler, body)


BEHAVIOURS: dict[str, Behaviour] = {
    "ok": _ok,
    "429": _status(429, "slow down"),
    "429 seconds": _status(429, "slow down", retry_after="3"),
    "429 date": _date,
    "429 tomorrow": _status(429, "slow down", retry_after="86400"),
    "429 quota": lambda handler, body: handler.json({"error": {"code": "insufficient_quota", "message": "pay"}}, 429),
    "400": _status(400, "bad request"),
    "401": _status(401, "bad key"),
    "404": _status(404, "no such model"),
    "context": _status(400, "This model's maximum context length is 512 tokens, you asked for 900"),
    "500": _status(500, "oops"),
    "503 page": lambda handler, body: handler.send(b"<h1>busy</h1>", 503, content_type="text/html"),
    "redirect": lambda handler, body: handler.send(b"", 302, location="http://127.0.0.1:9/"),
    "hang": _hang,
    "hang in the middle": _hang_middle,
    "drip": _drip,
    "cut": _cut,
    "cut json": _cut_json,
    "drop": _drop,
    "html": _html,
    "error in 200": lambda handler, body: handler.json({"error": {"message": "overloaded"}}),
    "json list": lambda handler, body: handler.json([1]),
    "no usage": _no_usage,
    "bad usage": _with(usage={"prompt_tokens": "7", "completion_tokens": -1}),
    "no choices": _with(choices=[]),
    "bad choice": _with(choices=["text"]),
    "no text": lambda handler, body: handler.json(payload(body, choices=[{"index": 0}])),
    "null content": _with(choices=[{"index": 0, "message": {"content": None, "refusal": "I won't"}}]),
    "length": _changed(finish_reason="length"),
    "filter": _changed(finish_reason="content_filter"),
    "twice": _twice,
    "one choice": _one_choice,
    "nan": _nan,
    "stream": _stream(end=True, duplicate=False),
    "stream duplicates": _stream(end=True, duplicate=True),
    "stream cut": _stream(end=False, duplicate=False),
    "other model": _with(model="served-2"),
    "huge": lambda handler, body: handler.send(b" " * 200_000),
    "echo": _echo,
    "echo strict": _echo_strict,
    "key back": _key_back,
    "new limit": _new_limit,
}
