"""Prompts and responses: plain text, or the messages of a conversation."""

from __future__ import annotations

import hashlib
from typing import Any, TypeGuard

from guerdon.core.plain import Blob, canonical
from guerdon.core.task import Answer, Task

Text = str | list[dict[str, Any]]
"""Plain text, or the messages of a conversation."""


def prompt_of(task: Task) -> Text:
    """The prompt of a task: `data["prompt"]` if it is text or messages, else all of the data as JSON."""
    prompt = task.data.get("prompt")
    return prompt if is_text(prompt) else canonical(task.data)


def response_of(answer: Answer) -> Text:
    """The text or the messages of an answer, or its content as JSON."""
    content = answer.content
    if isinstance(content, Blob):
        return canonical(content.plain())
    return content if is_text(content) else canonical(content)


def is_text(value: Any) -> TypeGuard[Text]:
    """Whether a value is text or a non-empty list of messages with role and content."""
    if isinstance(value, str):
        return True
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(m, dict) and isinstance(m.get("role"), str) and isinstance(m.get("content"), str) for m in value
        )
    )


def key_of(text: Text) -> str:
    """A text that is equal for equal texts or conversations only."""
    return "t" + text if isinstance(text, str) else "m" + canonical(text)


def hash_of(seed: int, *parts: str) -> int:
    """64 bits of a digest, the same on every machine."""
    made = hashlib.blake2b(digest_size=8, key=str(seed).encode("ascii"))
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        made.update(len(data).to_bytes(8, "big"))
        made.update(data)
    return int.from_bytes(made.digest(), "big")


def length_of(text: Text) -> int:
    """Characters of a text, or of all messages."""
    return len(text) if isinstance(text, str) else sum(len(message["content"]) for message in text)
