"""JSON and JSON lines, strictly: what two readers could understand differently is refused with its place."""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from guerdon.hosting.files.problems import FileProblemError, FileTooLargeError, quoted

MEND = "Mend it and hand it in again"
_TOKEN = re.compile(r'[{}\[\],:]|"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|-?[A-Za-z]+')
_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"\xef\xbb\xbf": "UTF-8 with a byte-order mark"}


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonCaps:
    """What a JSON file may hold."""

    size: int = 64 << 20
    """Bytes."""
    depth: int = 100
    """Levels of lists and objects."""
    digits: int = 400
    """Digits of one number."""


class _MistakeError(ValueError):
    """Something that the scanner will find the place of."""


def text_of(source: bytes | Path, most: int, where: str, *, mark: bool = False) -> str:
    """The text of a file in UTF-8.

    Args:
        source: a file, or its bytes.
        most: bytes.
        where: what to call it in errors.
        mark: whether it may begin with a byte-order mark.

    Raises:
        FileProblemError: it is in another encoding, with the byte.
        FileTooLargeError: it is over the cap.
    """
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    if size > most:
        raise FileTooLargeError(f"{where} of at most {most:,} bytes", f"got {size:,}", "Shorten it")
    data = source if isinstance(source, bytes) else source.read_bytes()
    if mark:
        data = data.removeprefix(b"\xef\xbb\xbf")
    for start, name in _MARKS.items():
        if data.startswith(start):
            raise FileProblemError(f"{where} is UTF-8", f"byte 0 begins {name}", "Save it as plain UTF-8")
    if (nul := data[:4096].find(b"\0")) >= 0:
        got = f"byte {nul} is NUL, so it is UTF-16 or no text"
        raise FileProblemError(f"{where} is UTF-8", got, "Save it as plain UTF-8")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        got = f"line {line}, byte {error.start} is not"
        raise FileProblemError(f"{where} is UTF-8", got, "Save it as plain UTF-8") from None


def read_json(source: bytes | Path, caps: JsonCaps | None = None, where: str = "the file") -> Any:
    """Read one JSON value.

    Args:
        source: a file, or its bytes.
        caps: what it may hold.
        where: what to call it in errors.

    Raises:
        FileProblemError: with line, column and field: no JSON, a name twice in an object, NaN, a number that no float
            holds or with too many digits, too many levels, another encoding.

    >>> read_json(b'{"a": [1, 2.5]}')
    {'a': [1, 2.5]}
    """
    caps = caps or JsonCaps()
    return _parsed(text_of(source, caps.size, where), caps, where, 1)


def read_json_lines(source: bytes | Path, caps: JsonCaps | None = None, where: str = "the file") -> Iterator[Any]:
    """Read one JSON value a line; the last may lack its newline, none may be empty.

    Raises:
        FileProblemError: as for `read_json`, with the line.
    """
    caps = caps or JsonCaps()
    lines = text_of(source, caps.size, where).split("\n")
    if lines[-1] == "":
        lines.pop()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            raise FileProblemError(f"{where} has a JSON value on each line", f"line {number} is empty", MEND)
        yield _parsed(line, caps, where, number)


@functools.lru_cache(maxsize=16)
def _decoder(caps: JsonCaps) -> json.JSONDecoder:
    """Made once for a file of many lines: making one takes as long as reading a short line."""

    def whole(digits: str) -> int:
        if len(digits) > caps.digits:
            raise _MistakeError
        return int(digits)

    def broken(digits: str) -> float:
        value = float(digits) if len(digits) <= caps.digits else math.inf
        if not math.isfinite(value):
            raise _MistakeError
        return value

    return json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_int=whole, parse_float=broken)


def _parsed(text: str, caps: JsonCaps, where: str, first: int) -> Any:
    try:
        value = _decoder(caps).decode(text)
    except json.JSONDecodeError as error:
        _Scan(text, caps, where, first).run(until=error.pos)
        got = f"line {error.lineno + first - 1}, column {error.colno}: {error.msg}"
        raise FileProblemError(f"{where} is JSON", got, MEND) from None
    except (_MistakeError, RecursionError):
        _Scan(text, caps, where, first).run()
        raise FileProblemError(f"{where} is plain JSON", "it is nested too deep", MEND) from None
    if text.count("[") + text.count("{") > caps.depth and _depth(value, caps.depth) > caps.depth:
        _Scan(text, caps, where, first).run()
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _MistakeError
    return found


def _constant(_: str) -> NoReturn:
    raise _MistakeError


def _depth(value: Any, most: int) -> int:
    level, depth = [value], 0
    while level and depth <= most:
        inner = [each for each in level if isinstance(each, (dict, list))]
        level = [item for each in inner for item in (each.values() if isinstance(each, dict) else each)]
        depth += bool(inner)
    return depth


@dataclass
class _Level:
    """An object or list that is open, and where in it the scan is."""

    object: bool
    place: int = 0
    key: str | None = None
    wants_key: bool = True
    seen: set[str] = field(default_factory=set)


class _Scan:
    """Reads a text that is known to be wrong once more, slowly, to say where."""

    def __init__(self, text: str, caps: JsonCaps, where: str, first: int) -> None:
        self.text, self.caps, self.where, self.first = text, caps, where, first
        self.levels: list[_Level] = []

    def run(self, until: int | None = None) -> None:
        """Raise at the first mistake before a place, if there is one.

        Raises:
            FileProblemError: with line, column and field.
        """
        for token in _TOKEN.finditer(self.text, 0, len(self.text) if until is None else until):
            word = token.group()
            if word in "{[":
                if len(self.levels) >= self.caps.depth:
                    self.refuse(token.start(), f"more than {self.caps.depth} levels")
                self.levels.append(_Level(word == "{"))
            elif word in "}]":
                if self.levels:
                    self.levels.pop()
            elif word == ",":
                self.next()
            elif word[0] == '"':
                self.string(token.start(), word)
            elif word != ":":
                self.value(token.start(), word)

    def next(self) -> None:
        if self.levels:
            self.levels[-1].place += 1
            self.levels[-1].wants_key, self.levels[-1].key = True, None

    def string(self, start: int, word: str) -> None:
        level = self.levels[-1] if self.levels else None
        if level is None or not level.object or not level.wants_key:
            return
        try:
            key = json.loads(word)
        except json.JSONDecodeError:
            return
        if key in level.seen:
            self.refuse(start, f"the name {quoted(key)} comes twice in an object")
        level.seen.add(key)
        level.key, level.wants_key = key, False

    def value(self, start: int, word: str) -> None:
        if word.lstrip("-") in ("NaN", "Infinity"):
            self.refuse(start, f"{word} is not JSON")
        if word[0] not in "-0123456789":
            return
        if len(word) > self.caps.digits:
            self.refuse(start, f"a number of {len(word):,} characters")
        try:
            if not math.isfinite(float(word)):
                self.refuse(start, f"{word[:40]} is more than a number can be")
        except ValueError:
            return

    def refuse(self, start: int, got: str) -> NoReturn:
        line = self.text.count("\n", 0, start) + self.first
        column = start - self.text.rfind("\n", 0, start)
        path = "".join(
            f".{level.key}" if level.object and level.key is not None else "" if level.object else f"[{level.place}]"
            for level in self.levels[:8]
        )
        field_ = f", field {quoted(path.lstrip('.'))}" if path else ""
        raise FileProblemError(f"{self.where} is plain JSON", f"line {line}, column {column}{field_}: {got}", MEND)
