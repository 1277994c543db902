"""Where a stranger's JSON file is broken: its encoding, the line and column, a field that is there twice."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

_MARKS = {b"\xef\xbb\xbf": "a byte order mark", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"\x1f\x8b": "gzip"}
_BYTE = re.compile(r"\(byte (\d+)\)")


def other_encoding(data: bytes) -> str:
    """What a file is that is no UTF-8 text; "" if nothing is seen at its start.

    >>> other_encoding("[]".encode("utf-16")), other_encoding(b"[]")
    ('UTF-16', '')
    """
    return next((name for mark, name in _MARKS.items() if data.startswith(mark)), "")


def place_of(data: bytes, said: str) -> str:
    """What a decoder said of a file, with the line and column of the byte that it names.

    >>> place_of(b"[1,{}NaN]".replace(b"{}", bytes([10])), "JSON is malformed: invalid character (byte 4)")
    'JSON is malformed: invalid character, line 2, column 1, at "NaN]"'
    """
    found = _BYTE.search(said)
    text = " ".join(_BYTE.sub("", said).split())[:200]
    at = min(int(found[1]), len(data)) if found else len(data)
    line, column = data.count(b"\n", 0, at) + 1, at - data.rfind(b"\n", 0, at)
    there = data[at : at + 20].split(b"\n")[0].decode("ascii", "replace").strip()
    shown = "".join(each if each.isprintable() else "�" for each in there)
    return f"{text}, line {line:,}, column {column:,}" + (f', at "{shown}"' if shown else "")


def twice(data: bytes, fields: Sequence[str], count: int) -> tuple[int, str] | None:
    """The first entry of a list with a field that is there twice, and the field.

    Args:
        data: a list of objects that was read.
        fields: that each of them has.
        count: how many there are.

    >>> twice(b'[{"a": 1}, {"a": 1, "a": 2}]', ["a"], 2)
    (1, 'a')
    """
    if all(data.count(b'"%s"' % field.encode()) == count for field in fields):
        return None
    try:
        rows = json.loads(data.decode("utf-8", "replace"), object_pairs_hook=_Pairs, parse_int=str)
    except (RecursionError, ValueError):  # strange to this reader, in a field that nobody reads
        return None
    for k, row in enumerate(rows):
        names = [name for name, _ in row]
        again = next((field for field in fields if names.count(field) > 1), None)
        if again is not None:
            return k, again
    return None


class _Pairs(list[tuple[str, Any]]):
    """An object's fields in their order, those that are there twice included."""
