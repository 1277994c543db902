"""What a language model is to the rest of the package: prompts in, generations and log-probabilities out.

Every border is a batch: `generate` returns one list of `n` generations per prompt, in order, and `score` one
continuation per pair. A failure belongs to the generation that failed; the others are kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from types import TracebackType
from typing import Literal, Protocol, Self, runtime_checkable

from guerdon.core.errors import ConfigError
from guerdon.core.score import Fault, FaultKind

Role = Literal["system", "user", "assistant"]
Finish = Literal["stop", "length", "fault"]
ROLES: tuple[Role, ...] = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat.

    >>> Message("user", "2 + 2?")
    Message(role='user', content='2 + 2?')
    """

    role: Role
    content: str

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ConfigError("a message's role is system, user or assistant", f"got {self.role!r}", "Use one of them")
        content: object = self.content
        if not isinstance(content, str):
            kind = type(content).__name__
            raise ConfigError("a message's content is text", f"got {kind}", "Render it to a str first")


Prompt = str | tuple[Message, ...]
"""A `str` is completed as it stands; messages are put through the model's chat template."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How to draw texts from a model.

    Args:
        max_tokens: most tokens of one generation.
        temperature: 0 is greedy.
        top_p: keep the smallest set of tokens with at least this probability; 1 keeps all.
        top_k: keep this many tokens; 0 keeps all.
        n: generations per prompt.
        stop: texts that end a generation; they are not part of it.
        seed: with the prompt and the sample's index it fixes every draw, whatever else is in the batch. The same
            prompt twice in a batch therefore gets the same texts: ask for `n=2` to get two different ones.
        logprobs: also return the log-probability of each generated token (natural log, temperature 1, no truncation).

    >>> Sampling(temperature=0.0, stop=("###",)).n
    1
    """

    max_tokens: int = 256
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    n: int = 1
    stop: tuple[str, ...] = ()
    seed: int = 0
    logprobs: bool = False

    def __post_init__(self) -> None:
        whole = {"max_tokens": 1, "top_k": 0, "n": 1, "seed": 0}
        for name, least in whole.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigError(f"Sampling.{name} is a whole number from {least}", f"got {value!r}", "Change it")
        for name, most in (("temperature", math.inf), ("top_p", 1.0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= most:
                raise ConfigError(f"Sampling.{name} is a number from 0 to {most}", f"got {value!r}", "Change it")
        if not math.isfinite(self.temperature) or self.top_p == 0:
            raise ConfigError(
                "Sampling.temperature is finite and top_p over 0",
                f"got {self.temperature!r} and {self.top_p!r}",
                "For greedy decoding set temperature=0",
            )
        stop: object = self.stop
        if not isinstance(stop, (tuple, list)) or not all(isinstance(text, str) and text for text in stop):
            raise ConfigError("Sampling.stop is a tuple of non-empty texts", f"got {stop!r}", 'Write ("###",)')
        object.__setattr__(self, "stop", tuple(self.stop))


DEFAULT = Sampling()


@dataclass(frozen=True, slots=True)
class Generation:
    """One text that a model produced, or why there is none.

    Args:
        text: what it said; empty with a fault.
        tokens: tokens produced; `None` when the provider did not say (unknown is not zero).
        prompt_tokens: tokens read for this generation; when one request served several samples, the first carries
            them and the others 0, so that a sum counts them once.
        finish: "length" marks a text cut at `max_tokens` or at the end of the context.
        logprobs: one natural log-probability per token, when asked for.
        fault: why there is no text.
        model: model id as served, which may differ from the one that was asked for.
        cached: read from a cache: its tokens were paid for earlier.
    """

    text: str
    tokens: int | None
    prompt_tokens: int | None
    finish: Finish
    logprobs: tuple[float, ...] | None = None
    fault: Fault | None = None
    model: str = ""
    cached: bool = False

    @classmethod
    def failed(cls, fault: Fault, model: str = "") -> Generation:
        """A generation that did not come about.

        >>> Generation.failed(Fault("provider", "HTTP 500")).finish
        'fault'
        """
        return cls("", None, None, "fault", fault=fault, model=model)


@dataclass(frozen=True, slots=True)
class Continuation:
    """How likely a model finds a given text after a given prompt.

    Args:
        logprob: natural log-probability of the whole continuation; `None` with a fault.
        tokens: tokens of the continuation.
        per_token: its tokens' log-probabilities, in order.
        greedy: true when each token was the most likely one.
        fault: why there is no number.
        cached: read from a cache.
    """

    logprob: float | None
    tokens: int | None
    per_token: tuple[float, ...] | None
    greedy: bool | None
    fault: Fault | None = None
    cached: bool = False

    @classmethod
    def failed(cls, fault: Fault) -> Continuation:
        """A continuation that could not be scored."""
        return cls(None, None, None, None, fault)

    @classmethod
    def of(cls, per_token: Sequence[float], greedy: bool | None) -> Continuation:
        """From its tokens' log-probabilities; a fault when one of them is not a number at most 0.

        >>> Continuation.of([-1.0, -0.5], True).logprob
        -1.5
        >>> Continuation.of([float("nan")], None).fault.kind.value
        'provider'
        """
        if not all(math.isfinite(value) for value in per_token):
            return cls.failed(Fault(FaultKind.PROVIDER, "a log-probability is not finite"))
        return cls(math.fsum(per_token), len(per_token), tuple(per_token), greedy)


class Closing:
    """A context manager that closes itself."""

    def close(self) -> None:
        """Free what it holds; twice is fine."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@runtime_checkable
class Model(Protocol):
    """A language model. Context managers close themselves."""

    @property
    def name(self) -> str:
        """How people call it."""

    @property
    def digest(self) -> str:
        """Its identity: a digest of the weights, of url + model id + revision, or of the script."""

    @property
    def context(self) -> int | None:
        """Length of its context in tokens, if known."""

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling = DEFAULT) -> list[list[Generation]]:
        """`sampling.n` generations for each prompt, in order."""

    def score(self, pairs: Sequence[tuple[Prompt, str]]) -> list[Continuation]:
        """How likely each continuation is after its prompt, in order."""

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text: exact where a tokenizer is at hand, else the estimate of `prompts.estimate`."""

    def close(self) -> None:
        """Free what it holds; twice is fine."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of many generations, each counted once.

    Args:
        prompt: tokens read afresh.
        completion: tokens produced afresh.
        cached: tokens (read and produced) that a cache spared.
        unknown: generations whose provider did not say; faults are not among them.
    """

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    unknown: int = 0


def usage(generations: Iterable[Generation]) -> Usage:
    """Add up the tokens of some generations.

    >>> done = Generation("4", 1, 9, "stop")
    >>> usage([done, Generation("4", None, None, "stop")])
    Usage(prompt=9, completion=1, cached=0, unknown=1)
    """
    prompt = completion = cached = unknown = 0
    for each in generations:
        if each.fault is not None:
            continue
        unknown += each.tokens is None or each.prompt_tokens is None
        if each.cached:
            cached += (each.tokens or 0) + (each.prompt_tokens or 0)
        else:
            prompt += each.prompt_tokens or 0
            completion += each.tokens or 0
    return Usage(prompt, completion, cached, unknown)


def sampling_fields(sampling: Sampling) -> dict[str, object]:
    """All fields of a sampling, by name."""
    return {field.name: getattr(sampling, field.name) for field in fields(sampling)}
