"""The OpenAI protocol as pure functions: a request's body, and what a reply says or why it cannot be used."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from guerdon.lm.prompts import encodable
from guerdon.lm.protocol import Finish, Generation, Prompt, Sampling
from guerdon.lm.retry import AGAIN, ReplyError, retry_after

Dialect = Literal["openai", "llamacpp", "vllm"]
# What a server does with fields that it is not sent differs: llama.cpp then keeps the 40 likeliest tokens, vLLM follows
# the model's own generation_config. Both are told to sample from the whole distribution.
_WHOLE: dict[Dialect, dict[str, Any]] = {
    "openai": {},
    "llamacpp": {"top_k": 0, "min_p": 0.0, "repeat_penalty": 1.0},
    "vllm": {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0},
}
_SHOWN = 300  # characters of a provider's error text that go into a fault


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP reply, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a reply's texts."""

    text: str
    finish: Finish
    logprobs: tuple[float, ...] | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reply says: distinct choices, tokens of the request as a whole, and the model as served."""

    choices: list[Choice]
    tokens: int | None
    prompt_tokens: int | None
    model: str


def path_of(prompt: Prompt) -> str:
    """The route that takes this kind of prompt."""
    return "/completions" if isinstance(prompt, str) else "/chat/completions"


def request_body(
    prompt: Prompt, sampling: Sampling, *, model: str, seed: int, n: int, dialect: Dialect, limit: str
) -> dict[str, Any]:
    """The JSON body that asks for `n` texts; `limit` names the field that carries `max_tokens`."""
    body: dict[str, Any] = {"model": model, limit: sampling.max_tokens, "temperature": sampling.temperature}
    body |= {"top_p": sampling.top_p, "seed": seed, "stream": False} | _WHOLE[dialect]
    if sampling.top_k:
        body["top_k"] = sampling.top_k
    if n > 1:
        body["n"] = n
    if sampling.stop:
        body["stop"] = list(sampling.stop)
    if isinstance(prompt, str):
        body["prompt"] = encodable(prompt)
        body |= {"logprobs": 1} if sampling.logprobs else {}
    else:
        body["messages"] = [{"role": turn.role, "content": encodable(turn.content)} for turn in prompt]
        body |= {"logprobs": True, "top_logprobs": 1} if sampling.logprobs else {}
    return body


def parse_json(reply: Reply, now: float) -> dict[str, Any]:
    """The JSON object in a reply.

    Raises:
        ReplyError: the status is not 200, or there is no whole JSON object of the announced type.
    """
    if reply.status != 200:
        raise _bad_status(reply, now)
    kind = reply.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == "text/event-stream":
        return _merged_stream(reply.body)
    if kind != "application/json" and not kind.endswith("+json"):
        raise ReplyError(f"its content type is {kind or 'missing'}, not application/json")
    try:
        data = json.loads(reply.body)
    except (ValueError, RecursionError):
        raise ReplyError(f"its JSON is cut short or not JSON ({len(reply.body)} bytes)") from None
    if not isinstance(data, dict):
        raise ReplyError(f"its JSON is a {type(data).__name__}, not an object")
    if "error" in data and "choices" not in data:
        raise ReplyError(f"it reports an error: {_message(data)}")
    return data


def _message(data: Any) -> str:
    error = data.get("error", data) if isinstance(data, dict) else data
    text = error.get("message", error) if isinstance(error, dict) else error
    return " ".join(str(text).split())[:_SHOWN]


def _bad_status(reply: Reply, now: float) -> ReplyError:
    try:
        said = _message(json.loads(reply.body))
    except (ValueError, RecursionError):
        said = " ".join(reply.body[:_SHOWN].decode("utf-8", "replace").split())
    broke = "insufficient_quota" in reply.body.decode("utf-8", "replace")
    again = reply.status in AGAIN and not broke
    detail = f"HTTP {reply.status}" + (f": {said}" if said else "")
    return ReplyError(detail, again=again, after=retry_after(reply.headers, now), status=reply.status)


def read(data: dict[str, Any], sampling: Sampling) -> Answer:
    """What a reply's JSON says.

    Raises:
        ReplyError: it has no choices, or they lack their text, or their log-probabilities are not finite.
    """
    raw = data.get("choices")
    if not isinstance(raw, list) or not raw:
        raise ReplyError("it has no choices")
    by_index: dict[int, dict[str, Any]] = {}
    for at, each in enumerate(raw):
        if not isinstance(each, dict):
            raise ReplyError("a choice is not an object")
        index = each.get("index", at)
        by_index.setdefault(index if isinstance(index, int) else at, each)  # the same choice sent twice counts once
    said = data.get("usage")
    usage = said if isinstance(said, dict) else {}
    tokens, prompt_tokens = _whole(usage.get("completion_tokens")), _whole(usage.get("prompt_tokens"))
    alone = tokens if len(by_index) == 1 else None
    choices = [_choice(by_index[index], sampling, alone) for index in sorted(by_index)]
    model = data.get("model")
    return Answer(choices, tokens, prompt_tokens, model if isinstance(model, str) else "")


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _choice(raw: dict[str, Any], sampling: Sampling, tokens: int | None) -> Choice:
    message = raw.get("message")
    if isinstance(message, dict):
        text = message.get("content")
        if text is None:
            text = message.get("refusal") or ""
    else:
        text = raw.get("text")
    if not isinstance(text, str):
        raise ReplyError("a choice has no text")
    reason = raw.get("finish_reason")
    if reason == "content_filter":
        raise ReplyError("the provider's content filter cut the text", again=False)
    full = reason is None and tokens is not None and tokens >= sampling.max_tokens
    finish: Finish = "length" if reason in ("length", "max_tokens") or full else "stop"
    return Choice(text, finish, _logprobs(raw.get("logprobs")) if sampling.logprobs else None)


def _logprobs(raw: Any) -> tuple[float, ...] | None:
    """Log-probabilities in the chat form, or in the older one of completions."""
    if not isinstance(raw, dict):
        return None
    content = raw.get("content")
    if isinstance(content, list):
        values = [each.get("logprob") if isinstance(each, dict) else None for each in content]
    elif isinstance(raw.get("token_logprobs"), list):
        values = raw["token_logprobs"]
    else:
        return None
    return finite(values)


def finite(values: list[Any]) -> tuple[float, ...]:
    """The values as floats.

    Raises:
        ReplyError: one of them is not a finite number.
    """
    for value in values:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ReplyError(f"a log-probability is {value!r}")
    return tuple(float(value) for value in values)


def _merged_stream(body: bytes) -> dict[str, Any]:
    """One JSON object from an event stream, which some servers send though none was asked for.

    Events with an id that was seen are duplicates; text after a choice's end is dropped; usage is what came last.
    """
    merged: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    seen: set[str] = set()
    done = False
    for block in body.decode("utf-8", "replace").replace("\r\n", "\n").split("\n\n"):
        lines = [line.partition(":") for line in block.split("\n") if line and not line.startswith(":")]
        name = next((value.strip() for key, _, value in lines if key == "id"), "")
        text = "\n".join(value.removeprefix(" ") for key, _, value in lines if key == "data")
        if not text or (name and name in seen):
            continue
        seen.add(name)
        if text.strip() == "[DONE]":
            done = True
            break
        try:
            event = json.loads(text)
        except (ValueError, RecursionError):
            raise ReplyError("an event of its stream is not JSON") from None
        if isinstance(event, dict):
            merged |= {key: event[key] for key in ("model", "usage", "error") if event.get(key) is not None}
            for part in event.get("choices") or []:
                _add_part(choices, part)
    if not choices or not (done or all(each["finish_reason"] for each in choices.values())):
        raise ReplyError("its stream is cut short")
    return merged | {"choices": list(choices.values())}


def _add_part(choices: dict[int, dict[str, Any]], part: Any) -> None:
    if not isinstance(part, dict):
        raise ReplyError("a choice is not an object")
    index = part.get("index", 0)
    whole = choices.setdefault(index, {"index": index, "text": "", "finish_reason": None, "logprobs": None})
    if whole["finish_reason"]:
        return
    delta = part.get("delta")
    whole["text"] += str((delta.get("content") if isinstance(delta, dict) else part.get("text")) or "")
    whole["finish_reason"] = part.get("finish_reason")
    logprobs = part.get("logprobs")
    for key in ("content", "token_logprobs"):
        if isinstance(logprobs, dict) and isinstance(logprobs.get(key), list):
            whole["logprobs"] = whole["logprobs"] or {key: []}
            whole["logprobs"].setdefault(key, []).extend(logprobs[key])


def generations(answer: Answer, most: int, model: str) -> list[Generation]:
    """At most `most` generations of one reply, its tokens shared out so that their sum is what the reply said.

    With several choices the provider gives one total: each choice gets the number of its log-probabilities, or a share
    by its length in bytes. The first one carries the prompt's tokens.
    """
    choices = answer.choices[:most]
    shares = _shares(answer.tokens, answer.choices)[:most]
    made = []
    for at, (choice, tokens) in enumerate(zip(choices, shares, strict=True)):
        prompt_tokens = 0 if at and answer.prompt_tokens is not None else answer.prompt_tokens
        named = answer.model or model
        made.append(Generation(choice.text, tokens, prompt_tokens, choice.finish, choice.logprobs, model=named))
    return made


def _shares(total: int | None, choices: list[Choice]) -> list[int | None]:
    if total is None or len(choices) == 1:
        return [total] * len(choices)
    sizes = [len(choice.text.encode("utf-8", "surrogatepass")) or 1 for choice in choices]
    if all(choice.logprobs is not None for choice in choices):
        sizes = [len(choice.logprobs or ()) for choice in choices]
        if sum(sizes) == total:
            return list(sizes)
    weight = sum(sizes) or 1
    ends = [total * sum(sizes[: at + 1]) // weight for at in range(len(sizes))]
    return [end - start for start, end in zip([0, *ends[:-1]], ends, strict=True)]
