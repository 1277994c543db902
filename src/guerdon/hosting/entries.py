"""From what was handed in to answers: checked against the tasks, never against a key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from guerdon.core.errors import did_you_mean
from guerdon.core.plain import Blob, Json, canonical, not_plain
from guerdon.core.task import Answer
from guerdon.hosting.challenges import Posed
from guerdon.hosting.errors import HostingError
from guerdon.hosting.files import JsonCaps, read_json
from guerdon.ledger.blobs import Blobs

Content = Path | bytes | str | Mapping[str, Any] | list[Any]
JSON_MOST = 64 << 20
"""Bytes of a JSON submission that is read as it comes in; larger ones are handed in as files."""
CONTAINERS = 4_000_000
"""Lists and objects in it: an empty one takes thirty times as much memory as in its file, here and in every worker."""


def size_of(content: Content) -> int:
    """Bytes of what was handed in.

    Raises:
        HostingError: it is not plain data.
    """
    if isinstance(content, Path):
        return content.stat().st_size
    if isinstance(content, bytes):
        return len(content)
    if isinstance(content, str):
        return len(content.encode("utf-8", "surrogatepass"))
    if problem := not_plain(content, "the submission"):
        raise HostingError("a submission of plain JSON data", problem, "Hand in numbers, texts, lists and objects")
    return len(canonical(content))


def answers_of(posed: Posed, content: Content, blobs: Blobs) -> list[Answer]:
    """The answers in a submission, in the order of the tasks.

    Raises:
        HostingError: it is not of the form that is asked for, lacks a task, or names one that is not there.
    """
    tasks = list(posed.vault.tasks)
    if posed.single:
        return [Answer(tasks[0], _one(posed, content, blobs))]
    given = _json(content) if isinstance(content, (Path, bytes, str)) else content
    if not isinstance(given, Mapping):
        got = f"got a {type(given).__name__}"
        raise HostingError('an object with an answer to every task: {"task": answer}', got, "See the example")
    unknown = next((name for name in given if name not in posed.vault.tasks), None)
    if unknown is not None:
        raise HostingError(
            "answers to tasks of this phase", f"got {unknown!r:.80}", did_you_mean(unknown, tasks[:1000])
        )
    missing = [name for name in tasks if name not in given]
    if missing:
        got = f"{len(missing)} of {len(tasks)} are missing, the first is {missing[0]!r}"
        raise HostingError("an answer to every task", got, "Add them; null is an answer")
    return [Answer(name, given[name]) for name in tasks]


def _one(posed: Posed, content: Content, blobs: Blobs) -> Json | Blob:
    if posed.entry == "file":
        if isinstance(content, (Path, bytes)):
            return blobs.put(content)
        return blobs.put(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else _bytes(content))
    if posed.entry == "text":
        return _text(content)
    return _json(content) if isinstance(content, (Path, bytes)) else content


def _bytes(content: Any) -> bytes:
    return canonical(content).encode("ascii")


def _read(content: Path | bytes) -> bytes:
    data = content.read_bytes() if isinstance(content, Path) else content
    if len(data) > JSON_MOST:
        raise HostingError(f"a submission of at most {JSON_MOST >> 20} MiB", f"got {len(data):,} bytes", "Shorten it")
    return data


def _text(content: Content) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, (Path, bytes)):
        raise HostingError("a submission of text", f"got a {type(content).__name__}", "Hand in a text file")
    try:
        return _read(content).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise HostingError("text in UTF-8", f"byte {error.start} is not", "Save it as UTF-8") from None


def _json(content: Path | bytes | str) -> Any:
    """Strict JSON: no duplicate names, no NaN, no numbers or nesting beyond what can be kept."""
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    if isinstance(data, Path) and data.stat().st_size <= JSON_MOST:
        data = data.read_bytes()
    if isinstance(data, bytes) and data.count(b"[") + data.count(b"{") > CONTAINERS:
        raise HostingError(
            f"a submission of at most {CONTAINERS:,} lists and objects", "it has more", "Write it with fewer"
        )
    value = read_json(data, JsonCaps(size=JSON_MOST), "the submission")
    if problem := not_plain(value, "the submission"):
        raise HostingError("a submission in JSON", problem, "Correct the file")
    return value
