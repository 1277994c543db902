"""Any OpenAI-compatible server as a model."""

from __future__ import annotations

import asyncio
import ipaddress
import os
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

from guerdon.core.errors import ConfigError, ProviderError
from guerdon.core.plain import digest
from guerdon.core.score import Fault, FaultKind, Whose
from guerdon.lm import forced, wire
from guerdon.lm.client import Client
from guerdon.lm.prompts import checked, derived_seed, estimate
from guerdon.lm.protocol import DEFAULT, Closing, Continuation, Generation, Prompt, Sampling
from guerdon.lm.retry import ReplyError, Retry
from guerdon.lm.wire import Dialect

_REFUSALS = {
    401: "Set GUERDON_API_KEY (or, for https, OPENAI_API_KEY)",
    403: "Check that the key may use this model",
    404: "Check the URL (it usually ends in /v1), the model id, and that the server has this route",
}


class Endpoint(Closing):
    """An OpenAI-compatible server: `/chat/completions` for messages, `/completions` for a `str`.

    Args:
        url: its base, such as `http://127.0.0.1:8000/v1`.
        model: model id to ask for; empty asks the server, which must then serve exactly one.
        revision: part of the identity, for servers that change what they serve under one id.
        key: secret; by default GUERDON_API_KEY, or OPENAI_API_KEY when the URL is https or loopback.
        concurrency: most requests under way at once.
        together: ask for all `n` samples of a prompt in one request (its prompt is then paid once); `False` sends
            one request per sample, each with its own seed.
        dialect: how to say "the whole distribution" and to score; by default what the server says that it is.
        extra: further fields of each request's body, part of the identity.
        retry: when to ask again.
        connect_timeout: seconds for a connection.
        read_timeout: seconds without a byte.
        total_timeout: seconds for one request in all.
        largest: most bytes of one reply.

    Raises:
        ConfigError: the URL is not usable, or names no model where there are several.
    """

    def __init__(
        self,
        url: str,
        model: str = "",
        *,
        revision: str = "",
        key: str | None = None,
        concurrency: int = 8,
        together: bool = True,
        dialect: Dialect | None = None,
        extra: Mapping[str, Any] | None = None,
        retry: Retry | None = None,
        connect_timeout: float = 10.0,
        read_timeout: float = 120.0,
        total_timeout: float = 600.0,
        largest: int = 64 << 20,
    ) -> None:
        parts = _usable(url)
        if concurrency < 1:
            raise ConfigError("concurrency is at least 1", f"got {concurrency}", "Change it")
        self.url = urlunsplit(parts)
        self._parts, self._together, self._extra = parts, together, dict(extra or {})
        self._dialect = dialect
        self._about: dict[str, Any] | None = None if dialect is None else {}
        self._limit, self._ignores_n, self._tokenizes = "max_tokens", False, True
        secret = _key(parts) if key is None else key
        self._client = Client(
            headers={"authorization": f"Bearer {secret}"} if secret else {},
            secrets=[secret],
            concurrency=concurrency,
            retry=retry or Retry(),
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            total_timeout=total_timeout,
            largest=largest,
            trust_env=not _loopback(parts),
        )
        self.served: str | None = None
        self.model = model or self._only_model()
        self.name = self.model
        self.digest = digest("endpoint", self.url, self.model, revision, dialect, sorted(self._extra.items()))

    @property
    def context(self) -> int | None:
        """Length of the context in tokens, if the server says it."""
        about = self._client.run(self._described)
        meta = about.get("meta")
        said = about.get("max_model_len") or (meta.get("n_ctx") if isinstance(meta, dict) else None)
        return said if isinstance(said, int) else None

    def serving(self) -> str:
        """The model id that the server answers with now, found by asking for one token.

        Raises:
            ProviderError: it does not answer.
        """
        done = self.generate(["."], Sampling(max_tokens=1, temperature=0.0))[0][0]
        if done.fault:
            raise ProviderError(f"{self.url} says which model it serves", str(done.fault), "Check that it runs")
        return done.model

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling = DEFAULT) -> list[list[Generation]]:
        """`sampling.n` generations for each prompt, in order; those that fail carry a fault.

        Raises:
            ProviderError: the server refused the whole batch (key, route or model id).
        """
        wanted = checked(prompts)
        refused: list[ReplyError] = []

        async def batch() -> list[list[Generation]]:
            await self._described()
            return await asyncio.gather(*(self._samples(prompt, sampling, refused) for prompt in wanted))

        made: list[list[Generation]] = self._client.run(batch) if wanted else []
        faults = sum(each.fault is not None for group in made for each in group)
        if refused and faults == len(made) * sampling.n and all(each.status in _REFUSALS for each in refused):
            first = refused[0]
            raise ProviderError(f"{self.url} serves {self.model!r}", first.detail, _REFUSALS[first.status])
        return made

    async def _samples(self, prompt: Prompt, sampling: Sampling, refused: list[ReplyError]) -> list[Generation]:
        n = sampling.n
        # llama.cpp reports the tokens of one choice for all of them, so there each sample is a request.
        if n == 1 or not self._together or self._ignores_n or self._speaks() == "llamacpp":
            alone = (self._some(prompt, sampling, index, 1, refused) for index in range(n))
            return [group[0] for group in await asyncio.gather(*alone)]
        made = await self._some(prompt, sampling, 0, n, refused)
        if len(made) < n:
            self._ignores_n = len(made) == 1
            rest = (self._some(prompt, sampling, index, 1, refused) for index in range(len(made), n))
            made = [*made, *(group[0] for group in await asyncio.gather(*rest))]
        return made

    async def _some(
        self, prompt: Prompt, sampling: Sampling, index: int, n: int, refused: list[ReplyError]
    ) -> list[Generation]:
        """One request for samples `index` to `index + n`; at least one comes back, or `n` faults do."""
        seed = derived_seed(sampling.seed, prompt, index)
        try:
            answer = await self._request(prompt, sampling, seed, n)
        except ReplyError as broken:
            refused.append(broken)
            return [Generation.failed(_fault(broken), self.model)] * n
        self.served = answer.model or self.model
        return wire.generations(answer, n, self.model)

    async def _request(self, prompt: Prompt, sampling: Sampling, seed: int, n: int) -> wire.Answer:
        for limit in dict.fromkeys((self._limit, "max_completion_tokens")):
            body = wire.request_body(
                prompt, sampling, model=self.model, seed=seed, n=n, dialect=self._speaks(), limit=limit
            )
            try:
                url = self._at(wire.path_of(prompt))
                return await self._client.ask(url, body | self._extra, lambda data: wire.read(data, sampling))
            except ReplyError as broken:
                if (
                    broken.status != 400
                    or limit == "max_completion_tokens"
                    or "max_completion_tokens" not in str(broken)
                ):
                    raise
                self._limit = "max_completion_tokens"  # what newer hosted models call it
        raise AssertionError("unreachable")

    def score(self, pairs: Sequence[tuple[Prompt, str]]) -> list[Continuation]:
        """How likely each continuation is after its prompt, in order.

        A llama.cpp server is made to say the continuation token by token; any other must support `echo` with
        `logprobs` on `/completions` and takes a `str` prompt only. What is missing is named by the fault.
        """
        checked([prompt for prompt, _ in pairs])

        async def one(prompt: Prompt, text: str) -> Continuation:
            try:
                if self._speaks() == "llamacpp":
                    return await forced.by_grammar(self._client, self._root, prompt, text)
                return await forced.by_echo(self._client, self._at("/completions"), self.model, prompt, text)
            except ReplyError as broken:
                return Continuation.failed(_fault(broken))

        async def batch() -> list[Continuation]:
            await self._described()
            return await asyncio.gather(*(one(prompt, text) for prompt, text in pairs))

        scored: list[Continuation] = self._client.run(batch) if pairs else []
        return scored

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text: by the server's `/tokenize` (llama.cpp, vLLM), else `prompts.estimate`."""

        async def one(text: str) -> int:
            if not self._tokenizes:
                return estimate(text)
            try:
                return len(await forced.tokens(self._client, self._root, text, model=self.model))
            except ReplyError:
                self._tokenizes = False
                return estimate(text)

        async def batch() -> list[int]:
            return await asyncio.gather(*(one(text) for text in texts))

        counts: list[int] = self._client.run(batch) if texts else []
        return counts

    def _at(self, path: str) -> str:
        return urlunsplit(self._parts._replace(path=self._parts.path + path))

    @property
    def _root(self) -> str:
        """The server's own routes lie beside `/v1`, not under it."""
        return urlunsplit(self._parts._replace(path=self._parts.path.removesuffix("/v1"), query=""))

    async def _described(self) -> dict[str, Any]:
        """What `/models` says of this model; empty when it says nothing."""
        if self._about is None:
            listed = await self._listed()
            named = [each for each in listed if each.get("id") == self.model]
            self._about = (named or (listed if len(listed) == 1 else [{}]))[0]
            owner = str(self._about.get("owned_by", ""))
            known: dict[str, Dialect] = {"llamacpp": "llamacpp", "vllm": "vllm", "sglang": "vllm"}
            self._dialect = known.get(owner, "openai")
        return self._about

    async def _listed(self) -> list[dict[str, Any]]:
        try:
            data = await self._client.ask(self._at("/models"), None, lambda found: found.get("data"), once=True)
        except ReplyError:
            return []
        return [each for each in data if isinstance(each, dict)] if isinstance(data, list) else []

    def _speaks(self) -> Dialect:
        return self._dialect or "openai"

    def _only_model(self) -> str:
        ids = [str(each.get("id")) for each in self._client.run(self._listed)]
        if len(ids) != 1:
            self.close()
            got = f"{self.url} lists {', '.join(ids[:8])}" if ids else f"{self.url} lists none"
            raise ConfigError("an endpoint's spec names its model", got, f"Write {self.url}#model-id")
        return ids[0]

    def close(self) -> None:
        """End the connections; twice is fine."""
        self._client.close()


def _usable(url: str) -> SplitResult:
    parts = urlsplit(url)
    try:
        host = parts.hostname if parts.port != 0 else None
    except ValueError:
        host = None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError("an endpoint is an http or https URL", f"got {url!r}", "Write http://host:port/v1#model-id")
    if parts.username or parts.password:
        raise ConfigError("a URL holds no password", f"got one for {host}", "Set GUERDON_API_KEY instead")
    return parts._replace(path=parts.path.rstrip("/"), fragment="")


def _loopback(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _key(parts: SplitResult) -> str:
    """The key from the environment; the one meant for a hosted service never goes over plain HTTP to another host."""
    general = os.environ.get("OPENAI_API_KEY", "") if parts.scheme == "https" or _loopback(parts) else ""
    return (os.environ.get("GUERDON_API_KEY", "") or general).strip()


def _fault(broken: ReplyError) -> Fault:
    """The fault behind a reply; a prompt that is too long is the asker's."""
    text = broken.detail
    words = text.lower()
    whose: Whose = "host"
    if broken.status in (400, 413, 422) and "context" in words and ("exceed" in words or "maximum" in words):
        text, whose = f"{text}; shorten the prompt or serve the model with a larger context", "solver"
    return Fault(FaultKind.PROVIDER, text, whose)
