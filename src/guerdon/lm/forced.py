"""Log-probabilities of given continuations from a server, by either of two ways that servers offer."""

from __future__ import annotations

from typing import Any

from guerdon.lm.client import Client
from guerdon.lm.prompts import encodable
from guerdon.lm.protocol import Continuation, Prompt
from guerdon.lm.retry import ReplyError
from guerdon.lm.wire import finite

_SURE = 1e6  # logit bias that no other token comes near
_ALL = 1 << 20  # log-probabilities to show: more than any vocabulary has
_FORCED = {"n_probs": 1, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "return_tokens": True}


async def tokens(client: Client, root: str, text: str, *, model: str = "", **how: bool) -> list[int]:
    """Token ids of a text, by the `/tokenize` route of llama.cpp or vLLM.

    Raises:
        ReplyError: the server has no such route.
    """
    body = {"content": encodable(text), "prompt": encodable(text), "add_special_tokens": False, **how}
    body |= {"model": model} if model else {}
    found = await client.ask(f"{root}/tokenize", body, lambda data: data.get("tokens"), once=True)
    if not isinstance(found, list):
        raise ReplyError("its /tokenize gives no tokens", again=False)
    return [int(each) for each in found]


async def by_grammar(client: Client, root: str, prompt: Prompt, text: str) -> Continuation:
    """Make a llama.cpp server say exactly the continuation's tokens, and read what it thought of each.

    The grammar only restricts what is drawn; the log-probabilities that it reports are those of the bare model. The
    continuation is tokenised by itself, special tokens in it as plain text.
    """
    if not isinstance(prompt, str):
        turns = [{"role": turn.role, "content": encodable(turn.content)} for turn in prompt]
        prompt = await client.ask(f"{root}/apply-template", {"messages": turns}, lambda data: str(data["prompt"]))
    before = await tokens(client, root, prompt, add_special=True, parse_special=True)
    wanted = await tokens(client, root, text, add_special=False, parse_special=False)
    if not wanted:
        return Continuation.of([], True)
    if not before:
        raise ReplyError("a continuation needs a prompt that is not empty", again=False)
    url, ask = f"{root}/completion", _FORCED | {"prompt": before, "n_predict": len(wanted)}
    grammar = "root ::= " + " ".join(f"<[{token}]>" for token in wanted)
    try:
        rows = await client.ask(url, ask | {"grammar": grammar}, lambda data: _said(data, wanted), once=True)
    except ReplyError as broken:
        if broken.status in (400, 413):
            raise
        rows = await _one_by_one(client, root, before, wanted)  # grammars know no token that is part of a character
    greedy = all((row.get("top_logprobs") or [{}])[0].get("id") == row["id"] for row in rows)
    return Continuation.of([row["logprob"] for row in rows], greedy)


async def _one_by_one(client: Client, root: str, before: list[int], wanted: list[int]) -> list[dict[str, Any]]:
    """A request for each token, forced by a bias. Reported log-probabilities are those before any bias.

    A token that ends inside a character is held back with its log-probability; it is looked up in those of the whole
    vocabulary, which the server tells beside another token.
    """
    other = (await tokens(client, root, "a", add_special=False))[-1]
    rows: list[dict[str, Any]] = []
    for at, token in enumerate(wanted):
        ask = _FORCED | {"prompt": before + wanted[:at], "n_predict": 1}

        async def say(said: int, shown: int, ask: dict[str, Any] = ask) -> list[dict[str, Any]]:
            body = ask | {"logit_bias": [[said, _SURE]], "n_probs": shown}
            return await client.ask(f"{root}/completion", body, lambda data: _said(data, [said]))

        try:
            rows += await say(token, 1)
        except ReplyError as broken:
            if broken.status:
                raise
            tops = (await say(other, _ALL))[0].get("top_logprobs", [])
            rows += [{**top, "top_logprobs": tops[:1]} for top in tops if top.get("id") == token]
    if [row["id"] for row in rows] != wanted:
        raise ReplyError("the server tells no log-probability of a token that ends inside a character", again=False)
    return rows


def _said(data: dict[str, Any], wanted: list[int]) -> list[dict[str, Any]]:
    """What the server thought of each token, after a check that they are the wanted ones."""
    found = data.get("completion_probabilities")
    rows = [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
    kept = rows[: len(wanted)]
    if [row.get("id") for row in kept] != wanted:
        raise ReplyError("the server cannot be made to say given tokens", again=False)
    finite([row.get("logprob") for row in kept])
    return kept


async def by_echo(client: Client, url: str, model: str, prompt: Prompt, text: str) -> Continuation:
    """Have prompt and continuation echoed with log-probabilities; a token across the border is the continuation's.

    Raises:
        ReplyError: the server supports no `echo` with `logprobs`, or the prompt is a chat.
    """
    if not isinstance(prompt, str):
        raise ReplyError("scoring a chat needs its template: give the rendered prompt as a str", again=False)
    if not text:
        return Continuation.of([], True)
    if not prompt:
        raise ReplyError("a continuation needs a prompt that is not empty", again=False)
    body = {"model": model, "prompt": prompt + text, "echo": True, "logprobs": 1, "temperature": 0.0, "max_tokens": 0}
    try:
        return await client.ask(url, body, lambda data: _echoed(data, prompt, text))
    except ReplyError as broken:
        if broken.status not in (400, 422):
            raise
    body["max_tokens"] = 1  # some servers refuse 0; the token too many is dropped by its offset
    return await client.ask(url, body, lambda data: _echoed(data, prompt, text))


def _echoed(data: dict[str, Any], prompt: str, text: str) -> Continuation:
    choices = data.get("choices")
    first = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    found = first.get("logprobs")
    echoed = str(first.get("text", "")).startswith(prompt + text)
    offsets = found.get("text_offset") if isinstance(found, dict) else None
    values = found.get("token_logprobs") if isinstance(found, dict) else None
    if not (echoed and isinstance(offsets, list) and isinstance(values, list) and len(offsets) == len(values)):
        raise ReplyError(
            "scoring needs /completions with echo and logprobs, which this server does not support: "
            "serve the model with vLLM or llama.cpp, or open it with torch:",
            again=False,
        )
    ends = [*offsets[1:], len(prompt) + len(text)]
    total = len(prompt) + len(text)
    kept = [
        at for at, (start, end) in enumerate(zip(offsets, ends, strict=True)) if end > len(prompt) and start < total
    ]
    chances = finite([values[at] for at in kept])
    tops = found.get("top_logprobs") if isinstance(found, dict) else None
    greedy = None
    if isinstance(tops, list) and len(tops) == len(values) and all(isinstance(tops[at], dict) for at in kept):
        greedy = all(chance >= max(tops[at].values()) for at, chance in zip(kept, chances, strict=True))
    return Continuation.of(chances, greedy)
