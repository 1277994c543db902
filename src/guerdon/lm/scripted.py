"""Deterministic stand-ins for a language model, with known ways to fail: for tests and for control experiments."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from guerdon.core.errors import ConfigError, did_you_mean
from guerdon.core.plain import digest
from guerdon.core.rng import stream
from guerdon.core.score import Fault, FaultKind
from guerdon.lm.prompts import checked, plain, prompt_digest, text_of
from guerdon.lm.protocol import DEFAULT, Closing, Continuation, Generation, Prompt, Sampling

if TYPE_CHECKING:
    import numpy as np

Reply = str | Fault | Generation
Script = Callable[[Prompt, "np.random.Generator", int], Reply]
"""A function of prompt, random generator and sample index. A `Fault` it returns becomes a failed generation."""

REFUSAL = "I'm sorry, but I can't help with that."


def _echo(prompt: Prompt, rng: np.random.Generator, index: int) -> Reply:
    return prompt if isinstance(prompt, str) else prompt[-1].content


def _empty(prompt: Prompt, rng: np.random.Generator, index: int) -> Reply:
    return ""


def _refuse(prompt: Prompt, rng: np.random.Generator, index: int) -> Reply:
    return REFUSAL


def _truncate(prompt: Prompt, rng: np.random.Generator, index: int) -> Reply:
    words = text_of(prompt).split()
    kept = words[: max(1, len(words) // 2)]
    return Generation(" ".join(kept), len(kept), None, "length")


_OFF_MENU = ("both, really", "10/10", "**Answer:** see above", "C or D", "la segunda", "A and B", "", "as an AI, I")


def _off_menu(prompt: Prompt, rng: np.random.Generator, index: int) -> Reply:
    return _OFF_MENU[int(rng.integers(len(_OFF_MENU)))]


def _flaky(prompt: Prompt, rng: np.random.Generator, index: int, *, rate: float, of: Script) -> Reply:
    if rng.random() < rate:
        return Fault(FaultKind.PROVIDER, "the script said so")
    return of(prompt, rng, index)


def _table(
    prompt: Prompt, rng: np.random.Generator, index: int, *, replies: Mapping[str, Sequence[str]], default: Reply
) -> Reply:
    text = text_of(prompt)
    for pattern, answers in replies.items():
        if re.search(pattern, text):
            return answers[index % len(answers)]
    return default


SCRIPTS: dict[str, Script] = {
    "echo": _echo,
    "empty": _empty,
    "refuse": _refuse,
    "truncate": _truncate,
    "off-menu": _off_menu,
}
NAMES = (*SCRIPTS, "flaky", "table")


def _made(name: str, options: dict[str, Any]) -> tuple[Script, object]:
    """A shipped script, and its parameters as JSON-plain data."""
    if name == "flaky":
        rate, of = float(options.pop("rate", 0.2)), str(options.pop("of", "echo"))
        inner, parameters = _made(of, options)
        return functools.partial(_flaky, rate=rate, of=inner), {"rate": rate, "of": of, "inner": parameters}
    if name == "table":
        replies = {str(key): list(value) for key, value in dict(options.pop("replies", {})).items()}
        if not replies or not all(replies.values()):
            raise ConfigError(
                'Scripted("table") takes replies={regex: [texts]}', f"got {replies!r}", "Give each regex a text"
            )
        default = options.pop("default", "")
        return functools.partial(_table, replies=replies, default=default), [list(replies.items()), repr(default)]
    if name not in SCRIPTS:
        raise ConfigError("a script is one of the shipped ones", f"got {name!r}", did_you_mean(name, NAMES))
    return SCRIPTS[name], None


def _code_identity(script: Script) -> list[object]:
    """What tells one function from another. Where in doubt it differs: a cache missed is better than one shared."""
    code = getattr(script, "__code__", None)
    if code is None:
        return [repr(script)]
    cells = [repr(cell.cell_contents) for cell in getattr(script, "__closure__", None) or ()]
    extras = [repr(getattr(script, "__defaults__", None)), repr(getattr(script, "__kwdefaults__", None))]
    parts = [code.co_code.hex(), repr(code.co_names), [repr(const) for const in code.co_consts], cells, extras]
    return [getattr(script, "__module__", ""), getattr(script, "__qualname__", ""), *parts]


class Scripted(Closing):
    """A model that follows a script. Tokens are the text's words.

    Args:
        script: a function (prompt, rng, index) -> text, or a shipped script's name: "echo" (repeats the last turn),
            "empty", "refuse", "truncate" (half the prompt, cut), "off-menu" (never one of the asked choices),
            "flaky" (`rate`, by default 20 %, of provider faults; else the script named by `of`),
            "table" (`replies`: the first regex found in the prompt gives its texts in turn, else `default`).
        name: how people call it.
        likelihood: a function (prompt, continuation) -> log-probability, for `score`; by default each word gets a
            fixed one in [-4, 0), drawn from its hash.
        context: most words that a prompt may have; a longer one is a fault.
        options: parameters of the shipped script.

    >>> with Scripted("table", replies={"capital of France": ["Paris", "Lyon"]}) as model:
    ...     [each.text for each in model.generate(["The capital of France?"], Sampling(n=2))[0]]
    ['Paris', 'Lyon']
    """

    def __init__(
        self,
        script: str | Script = "echo",
        *,
        name: str = "",
        likelihood: Callable[[Prompt, str], float] | None = None,
        context: int | None = None,
        **options: Any,
    ) -> None:
        given = dict(options)
        if isinstance(script, str):
            self._script, parameters = _made(script, given)
            identity: list[object] = ["shipped", script, parameters]
        else:
            self._script, identity = script, ["function", *_code_identity(script)]
        if given:
            known = ("rate", "of", "replies", "default")
            raise ConfigError("a script takes its own options", f"got {sorted(given)[0]!r}", did_you_mean("", known))
        label = script if isinstance(script, str) else getattr(script, "__name__", type(script).__name__)
        self.name = name or f"scripted:{label}"
        self.context = context
        self._likelihood = likelihood
        chances = _code_identity(likelihood) if likelihood else None  # type: ignore[arg-type]
        self.digest = digest("scripted", identity, chances, context, name)

    def generate(self, prompts: Sequence[Prompt], sampling: Sampling = DEFAULT) -> list[list[Generation]]:
        """`sampling.n` generations for each prompt, in order."""
        return [[self._one(prompt, sampling, index) for index in range(sampling.n)] for prompt in checked(prompts)]

    def _one(self, prompt: Prompt, sampling: Sampling, index: int) -> Generation:
        words = len(text_of(prompt).split())
        if self.context is not None and words > self.context:
            detail = f"the prompt has {words} tokens, the context {self.context}: shorten the prompt"
            return Generation.failed(Fault(FaultKind.PROVIDER, detail, "solver"), self.name)
        rng = stream(sampling.seed, "scripted", prompt_digest(prompt), index)
        reply = self._script(prompt, rng, index)
        if isinstance(reply, Fault):
            return Generation.failed(reply, self.name)
        if isinstance(reply, Generation):
            return replace(reply, prompt_tokens=words, model=self.name)
        text, finish = _cut(reply, sampling)
        tokens = text.split()
        logprobs = tuple(self._chance(prompt, word, at) for at, word in enumerate(tokens))
        return Generation(text, len(tokens), words, finish, logprobs if sampling.logprobs else None, model=self.name)

    def score(self, pairs: Sequence[tuple[Prompt, str]]) -> list[Continuation]:
        """How likely each continuation is after its prompt, by `likelihood`."""
        return [self._continuation(prompt, text) for prompt, text in pairs]

    def _continuation(self, prompt: Prompt, text: str) -> Continuation:
        words = text.split()
        if self._likelihood is None:
            return Continuation.of([self._chance(prompt, word, at) for at, word in enumerate(words)], not words)
        total = float(self._likelihood(prompt, text))
        share = total / len(words) if words else total
        whole = Continuation.of([share] * len(words) if words else [total], None)
        return whole if whole.fault else replace(whole, logprob=total, tokens=len(words))

    def _chance(self, prompt: Prompt, word: str, at: int) -> float:
        return -4.0 * (1 + int(digest(plain(prompt), word, at)[:8], 16)) / 2**32

    def count(self, texts: Sequence[str]) -> list[int]:
        """Words of each text."""
        return [len(text.split()) for text in texts]

    def close(self) -> None:
        """Nothing to free."""


def _cut(text: str, sampling: Sampling) -> tuple[str, Any]:
    """The text up to the first stop and to `max_tokens` words, and why it ends."""
    starts = [at for at in (text.find(stop) for stop in sampling.stop) if at >= 0]
    text = text[: min(starts)] if starts else text
    words = list(re.finditer(r"\S+", text))
    if len(words) > sampling.max_tokens:
        return text[: words[sampling.max_tokens - 1].end()], "length"
    return text, "stop"
