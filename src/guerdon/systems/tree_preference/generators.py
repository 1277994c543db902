"""Generators that go on from a prefix: tiny models, transformers policies, and clients of `guerdon.lm`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream

if TYPE_CHECKING:
    from guerdon.lm.protocol import Model, Prompt
    from guerdon.train.policy import Policy
    from guerdon.train.tiny import TinyLM


@dataclass(frozen=True)
class FromTiny:
    """A `TinyLM` of the tiny text world; texts are its words.

    Args:
        model: the policy.
        most: words of a response at most.
    """

    model: TinyLM
    most: int = 16

    def __call__(
        self, prompts: Sequence[str], prefixes: Sequence[str], temperature: float, seed: int
    ) -> list[str | None]:
        """See `trees.Generator`."""
        from guerdon.worlds.tiny_text import read, say

        begun = [read(prefix) for prefix in prefixes]
        asked = [read(prompt) + words for prompt, words in zip(prompts, begun, strict=True)]
        longest = max(map(len, asked), default=1)
        ids = np.array([[0] * (longest - len(row)) + row for row in asked], np.int64).reshape(len(asked), longest)
        drawn = self.model.sample(ids, stream(seed, "tree-tiny"), most=self.most + 1, temperature=temperature)
        found: list[str | None] = []
        for row, words in zip(drawn.ids, begun, strict=True):
            said = say(row.tolist()).split()[: self.most - len(words)]
            found.append((" " if words and said else "") + " ".join(said))
        return found

    def count(self, texts: Sequence[str]) -> list[int]:
        """Words of each text."""
        return [len(text.split()) for text in texts]


@dataclass(frozen=True)
class FromPolicy:
    """A transformers policy with its tokenizer.

    Args:
        policy: see `guerdon.train.policy`.
        tokenizer: of the model.
        most: tokens of a response at most, counted from the prefix on.
        template: the prompt as it is completed, with {prompt}; empty uses the tokenizer's chat template.
        top_p: see `guerdon.train.sampling`.
    """

    policy: Policy
    tokenizer: Any
    most: int = 256
    template: str = ""
    top_p: float = 1.0

    def __call__(
        self, prompts: Sequence[str], prefixes: Sequence[str], temperature: float, seed: int
    ) -> list[str | None]:
        """See `trees.Generator`. Prefixes are read with the prompt, so that their lengths may differ."""
        from guerdon.train.sampling import sample

        opened = [_opened(self.template, self.tokenizer, prompt) for prompt in prompts]
        special = bool(self.template)
        asked = [
            self.tokenizer(one + two, add_special_tokens=special)["input_ids"]
            for one, two in zip(opened, prefixes, strict=True)
        ]
        end = self.tokenizer.eos_token_id
        pad = end if self.tokenizer.pad_token_id is None else self.tokenizer.pad_token_id
        drawn = sample(
            self.policy, asked, stream(seed, "tree-policy"), most=self.most, end=end, pad=pad,
            temperature=temperature, top_p=self.top_p,
        )  # fmt: skip
        begun = self.tokenizer(list(prefixes), add_special_tokens=False)["input_ids"]
        found: list[str | None] = []
        for ids, row, n in zip(begun, drawn.ids, drawn.lengths, strict=True):
            # read with what came before: by itself a tokenizer may drop the space in front of the first word
            head = self.tokenizer.decode(ids, skip_special_tokens=True)
            whole = self.tokenizer.decode([*ids, *row[:n].tolist()], skip_special_tokens=True)
            found.append(whole[len(head) :])
        return found

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text."""
        return [len(self.tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]


@dataclass(frozen=True)
class FromModel:
    """Any model of `guerdon.lm`: an endpoint (llama.cpp, vLLM and others), an embedded server, or a script.

    By default prompt and prefix are one text, which the route of completions continues as it stands; this works with
    every server. With `chat` the prefix is the beginning of the assistant's turn, sent as the last message: llama.cpp
    goes on from it, while other servers may answer it instead.

    Args:
        model: the client.
        most: tokens of a response at most, counted from the prefix on.
        template: the prompt as it is completed, with {prompt}; empty uses the chat template of `tokenizer`.
        tokenizer: of the model, for its chat template.
        chat: send messages.
        stop: texts that end a response.
        top_p: see `guerdon.lm.Sampling`.
    """

    model: Model
    most: int = 256
    template: str = "{prompt}\n\n"
    tokenizer: Any = None
    chat: bool = False
    stop: tuple[str, ...] = ()
    top_p: float = 1.0

    def __call__(
        self, prompts: Sequence[str], prefixes: Sequence[str], temperature: float, seed: int
    ) -> list[str | None]:
        """See `trees.Generator`."""
        from guerdon.lm import Sampling

        asked = [self._asked(prompt, prefix) for prompt, prefix in zip(prompts, prefixes, strict=True)]
        how = Sampling(max_tokens=self.most, temperature=temperature, top_p=self.top_p, stop=self.stop, seed=seed)
        told = [group[0] for group in self.model.generate(asked, how)]
        return [None if one.fault else _rest(one.text, prefix) for one, prefix in zip(told, prefixes, strict=True)]

    def _asked(self, prompt: str, prefix: str) -> Prompt:
        from guerdon.lm import Message

        if not self.chat:
            return _opened(self.template, self.tokenizer, prompt) + prefix
        turn = Message("user", prompt)
        return (turn, Message("assistant", prefix)) if prefix else (turn,)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, as the model counts them."""
        return self.model.count(texts)


def _rest(text: str, prefix: str) -> str:
    """The continuation alone: some servers repeat the beginning that they were given."""
    return text[len(prefix) :] if prefix and text.startswith(prefix) else text


def _opened(template: str, tokenizer: Any, prompt: str) -> str:
    """The text before a response."""
    if template:
        return template.replace("{prompt}", prompt)
    if tokenizer is None or not getattr(tokenizer, "chat_template", None):
        raise ConfigError("a template or a tokenizer with one", "got neither", 'Write template="{prompt}\\n\\n"')
    turns = [{"role": "user", "content": prompt}]
    opened: str = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    return opened


@dataclass(frozen=True)
class Scripted:
    """A function as a generator, for tests: (prompt, prefix, temperature, rng) -> rest."""

    function: Callable[[str, str, float, Any], str | None]
    words: Callable[[str], int] = field(default=lambda text: len(text.split()))

    def __call__(
        self, prompts: Sequence[str], prefixes: Sequence[str], temperature: float, seed: int
    ) -> list[str | None]:
        """See `trees.Generator`."""
        return [
            self.function(prompt, prefix, temperature, stream(seed, "scripted", prompt, prefix))
            for prompt, prefix in zip(prompts, prefixes, strict=True)
        ]

    def count(self, texts: Sequence[str]) -> list[int]:
        """By `words`."""
        return [self.words(text) for text in texts]
