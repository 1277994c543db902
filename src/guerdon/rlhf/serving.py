"""A reward over HTTP.

    GET  /health       {"reward": name, "fingerprint": ...}
    POST /score        a row, {"rows": [...]} or a list, as `guerdon reward score` takes them; gives {"rows": [...]}
    POST /get_reward   {"query": [...], "prompts": [...], "labels": [...]}, as OpenRLHF's remote reward model is asked;
                       gives {"rewards": [...], "scores": [...], "extra_logs": {...}}

A request that cannot be answered gets 400 (no JSON), 401 (token), 413 (too large) or 422 (another shape), with
{"error": what was expected, what came, what to do}. A score that is not known is null.
"""

from __future__ import annotations

import hmac
import json
import math
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from guerdon.core.errors import ConfigError
from guerdon.core.plain import Json, digest
from guerdon.core.recipe import recipe
from guerdon.core.reward import Reward
from guerdon.core.score import Score
from guerdon.core.task import Answer, Case, Task
from guerdon.prefer.formats import UnusableError
from guerdon.rlhf.scoring import cases_of, told

MOST = 4_096
MOST_BYTES = 64 << 20
ENDS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "<end_of_turn>", "</s>", "<eos>", "<|end|>")
"""End tokens of common tokenizers, which OpenRLHF leaves in a query; they are taken off its end."""


class RefusedError(Exception):
    """A request that cannot be answered.

    Args:
        status: of the response.
        expected: what a request should be.
        got: what came.
        do: what to do.
    """

    def __init__(self, status: int, expected: str, got: str, do: str) -> None:
        super().__init__(f"{expected}: {got}. {do}.")
        self.status = status


def query_cases(body: Any, ends: Sequence[str] = ENDS) -> list[Case]:
    """The cases of a request of OpenRLHF.

    `query` holds prompts with their responses as one text, `prompts` (which may be missing) the prompts alone. A
    query that does not begin with its prompt is a response to "". Labels are the keys.

    Args:
        body: the request.
        ends: end tokens that are taken off.

    Raises:
        RefusedError: it has another shape.
    """
    if not isinstance(body, Mapping):
        raise RefusedError(422, "an object", f"got a {type(body).__name__}", 'Send {"query": [...]}')
    queries = _texts(body, "query")
    prompts = _texts(body, "prompts") if body.get("prompts") is not None else [""] * len(queries)
    labels = body.get("labels")
    if labels is None:
        labels = [None] * len(queries)
    if not isinstance(labels, list) or not len(queries) == len(prompts) == len(labels):
        raise RefusedError(422, "query, prompts and labels of one length", "got others", "Align them")
    return [_query_case(*each, ends) for each in zip(queries, prompts, labels, strict=True)]


def _texts(body: Mapping[str, Any], name: str) -> list[str]:
    value = body.get(name)
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise RefusedError(422, f"{name} is a list of texts", f"got {type(value).__name__}", f"Send {name}: [...]")
    return value


def _query_case(query: str, prompt: str, label: Json, ends: Sequence[str]) -> Case:
    while end := next((each for each in ends if query.endswith(each)), None):
        query = query[: -len(end)]
    if not query.startswith(prompt):
        prompt = ""
    name = digest(prompt)[:12]
    key = label if isinstance(label, dict) else {"label": label}
    return Case(Task(name, {"prompt": prompt}), Answer(name, query[len(prompt) :]), key)


def query_reply(scores: Sequence[Score], unknown: float | None = None) -> dict[str, Any]:
    """The answer to OpenRLHF: rewards, the same as scores, and what is to be logged, each a list.

    Args:
        scores: of the queries.
        unknown: what a score that is not known counts as; OpenRLHF has no mask for it and stops at a null.
    """
    values = [unknown if score.value is None else score.value for score in scores]
    logs: dict[str, list[float]] = {"reward_model": [math.nan if value is None else value for value in values]}
    if any(score.spread is not None for score in scores):
        logs["reward_sd"] = [math.nan if score.spread is None else score.spread for score in scores]
    known = {name: each for name, each in logs.items() if all(map(math.isfinite, each))}
    return {"rewards": values, "scores": values, "extra_logs": known}


@dataclass(frozen=True)
class Service:
    """What answers requests; one at a time, since one network serves them all.

    Args:
        reward: any reward.
        token: asked of every request but /health; "" asks none.
        most: responses in one request at most.
        most_bytes: of a request.
        unknown: see `query_reply`.
    """

    reward: Reward
    token: str = field(default="", repr=False)
    most: int = MOST
    most_bytes: int = MOST_BYTES
    unknown: float | None = None
    _lock: Any = field(default_factory=threading.Lock, repr=False)

    def health(self) -> dict[str, Json]:
        """Name and identity of the reward."""
        try:
            identity: Json = digest(recipe(self.reward))
        except ConfigError:
            identity = None
        return {"reward": self.reward.name, "fingerprint": identity, "ok": True}

    def score(self, body: Any) -> dict[str, Any]:
        """The reply to /score."""
        rows = body.get("rows", [body]) if isinstance(body, Mapping) else body
        if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
            raise RefusedError(422, "a row, a list of rows, or rows in an object", "got another thing", "See the page")
        found = []
        for number, row in enumerate(rows, 1):
            try:
                found.append(cases_of(row))
            except UnusableError as error:
                got = f"{error.field} {error.reason}"
                raise RefusedError(422, f"row {number}: something to score", got, "Correct it") from None
        scores = iter(self._judged([case for cases in found for _, case in cases]))
        replies = []
        for cases in found:
            one: dict[str, Any] = {}
            for suffix, _ in cases:
                one |= told(next(scores), suffix)
            replies.append(one)
        return {"rows": replies}

    def get_reward(self, body: Any) -> dict[str, Any]:
        """The reply to /get_reward."""
        return query_reply(self._judged(query_cases(body)), self.unknown)

    def _judged(self, cases: Sequence[Case]) -> list[Score]:
        if len(cases) > self.most:
            raise RefusedError(413, f"at most {self.most} responses", f"got {len(cases)}", "Send them in parts")
        with self._lock:
            return self.reward(cases)

    def may(self, given: str) -> bool:
        """Whether a request with this token is answered."""
        return not self.token or hmac.compare_digest(given.encode("utf-8"), self.token.encode("utf-8"))

    def answer(self, function: Callable[[Any], dict[str, Any]], content: bytes) -> tuple[int, dict[str, Any]]:
        """Status and reply to the bytes of a request."""
        try:
            return 200, function(_json(content))
        except RefusedError as error:
            return error.status, {"error": str(error)}


def _json(content: bytes) -> Any:
    try:
        return json.loads(content.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, "a JSON document in UTF-8", str(error)[:120] or "got none", "Correct it") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def application(
    reward: Reward,
    *,
    token: str = "",
    most: int = MOST,
    most_bytes: int = MOST_BYTES,
    unknown: float | None = None,
) -> Any:
    """The ASGI application; needs `guerdon[web]`.

    Args:
        reward: any reward.
        token: see `Service`; sent as `Authorization: Bearer TOKEN`, or in the address as `?token=TOKEN`, since
            OpenRLHF sends no headers.
        most: see `Service`.
        most_bytes: see `Service`.
        unknown: see `query_reply`.
    """
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    service = Service(reward, token, most, most_bytes, unknown)

    def health(_request: Any) -> Any:
        return JSONResponse(service.health())

    def endpoint(function: Callable[[Any], dict[str, Any]]) -> Callable[[Any], Any]:
        async def answer(request: Any) -> Any:
            if not service.may(_given(request)):
                text = "a token: got none or another. Send Authorization: Bearer TOKEN, or ?token=TOKEN."
                return JSONResponse({"error": text}, 401)
            content = await _content(request, service.most_bytes)
            if content is None:
                text = f"at most {service.most_bytes:,} bytes: got more. Send the rows in parts."
                return JSONResponse({"error": text}, 413)
            status, reply = await run_in_threadpool(service.answer, function, content)
            return JSONResponse(reply, status)

        return answer

    return Starlette(
        routes=[
            Route("/health", health, methods=["GET"]),
            Route("/score", endpoint(service.score), methods=["POST"]),
            Route("/get_reward", endpoint(service.get_reward), methods=["POST"]),
        ]
    )


def _given(request: Any) -> str:
    kind, _, value = str(request.headers.get("authorization", "")).partition(" ")
    return value.strip() if kind.lower() == "bearer" else str(request.query_params.get("token", ""))


async def _content(request: Any, most: int) -> bytes | None:
    """The bytes of a request, or `None` as soon as there are too many."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            return None
        parts.append(part)
    return b"".join(parts)


def run(app: Any, host: str, port: int, say: Callable[[str, int], None] = lambda host, port: None) -> None:
    """Serve until interrupted.

    Args:
        app: of `application`.
        host: address to listen on.
        port: 0 takes a free one.
        say: is told the address.

    Raises:
        ConfigError: the address cannot be had.
    """
    import uvicorn

    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise ConfigError("a free address", f"{host}:{port}: {error.strerror}", "Take another --port") from None
    with listening:
        say(host, listening.getsockname()[1])
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])
