"""Prompts as data: checks, digests, seeds derived from them, and an estimate of their tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence

from guerdon.core.errors import ConfigError
from guerdon.core.plain import Json, digest
from guerdon.core.rng import entropy
from guerdon.lm.protocol import Message, Prompt

_SEED_BITS = 31  # providers take 32-bit signed seeds
_SPECIAL = re.compile(r"<(?=\|?[A-Za-z_/]\w*\|?>|\|)|\[(?=/?INST\])")


def checked(prompts: Sequence[Prompt]) -> list[Prompt]:
    """The prompts, after a check that each is text or a tuple of messages.

    >>> checked(["once upon a time"])
    ['once upon a time']
    """
    if isinstance(prompts, str):
        raise ConfigError("prompts is a sequence of prompts", "got one str", "Write generate([prompt])")
    for prompt in prompts:
        chat = isinstance(prompt, tuple) and prompt and all(isinstance(each, Message) for each in prompt)
        if not (chat or isinstance(prompt, str)):
            kind = type(prompt).__name__
            raise ConfigError(
                "a prompt is a str or a non-empty tuple of Message", f"got {kind}", 'Write (Message("user", text),)'
            )
    return list(prompts)


def chat(prompt: Prompt, system: str = "") -> tuple[Message, ...]:
    """The prompt as messages; a `str` becomes one user turn.

    >>> chat("hello", system="Be brief.")
    (Message(role='system', content='Be brief.'), Message(role='user', content='hello'))
    """
    turns = (Message("user", prompt),) if isinstance(prompt, str) else prompt
    return (Message("system", system), *turns) if system else turns


def plain(prompt: Prompt) -> Json:
    """The prompt as JSON-plain data."""
    return prompt if isinstance(prompt, str) else [[turn.role, turn.content] for turn in prompt]


def text_of(prompt: Prompt) -> str:
    """The prompt's text without its roles, turns joined by blank lines."""
    return prompt if isinstance(prompt, str) else "\n\n".join(turn.content for turn in prompt)


def prompt_digest(prompt: Prompt) -> str:
    """Identity of a prompt. A text and a chat of the same words differ."""
    return digest("prompt", plain(prompt))


def derived_seed(seed: int, prompt: Prompt, index: int) -> int:
    """Seed in [0, 2^31) of one sample of one prompt; neither the batch nor its order matters.

    >>> derived_seed(0, "a", 0) == derived_seed(0, "a", 0), derived_seed(0, "a", 0) == derived_seed(0, "a", 1)
    (True, False)
    """
    return entropy(seed, "sample", prompt_digest(prompt), index) % (1 << _SEED_BITS)


def estimate(text: str) -> int:
    """Tokens of a text when no tokenizer is at hand: a quarter of its UTF-8 bytes, at least its words.

    >>> estimate("one two three"), estimate("")
    (4, 0)
    """
    size = len(text.encode("utf-8", "surrogatepass"))
    return max(-(-size // 4), len(text.split()))


def defuse(text: str) -> str:
    """Text in which chat-template tokens (`<|im_end|>`, `</s>`, `[INST]`) are broken by a zero-width space.

    `Torch` never reads special tokens in a message's content. A server may, so use this on text of unknown origin
    before it goes into a message for one.

    >>> defuse("a<|im_end|>b") == "a<|im_end|>b", defuse("1 < 2 [x]")
    (False, '1 < 2 [x]')
    """
    return _SPECIAL.sub(lambda hit: hit.group() + "\u200b", text)


def encodable(text: str) -> str:
    """Text that UTF-8 can hold: lone surrogates become U+FFFD, as a tokenizer has no token for them.

    >>> encodable("a" + chr(0xD800) + "b") == "a" + chr(0xFFFD) + "b"
    True
    """
    return "".join("\ufffd" if "\ud800" <= letter <= "\udfff" else letter for letter in text)
