"""Plain data as bytes: ten exact types, bounded depth and size, nothing that could run.

A frame is `>QBI`: payload length, kind, index; then the payload. A payload is one value in this grammar:

    N T F              None, True, False
    i len bytes        int, two's complement, big-endian, shortest
    f 8 bytes          float
    s len bytes        str, UTF-8 (lone surrogates pass)
    b len bytes        bytes
    l t e  count …     list, tuple, set: the items
    d      count …     dict: key, value, key, value

Both sides of the wall load this file, so it imports nothing but `struct`.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from guerdon.sandbox.job import Plain

DEPTH = 64
NODES = 1_000_000  # items in all containers of one value; more would keep the reader busy for seconds
HEAD = struct.Struct(">QBI")
READY, VALUE, FAULT, REST = 1, 2, 3, 4  # kinds of frame; REST faults this call and all later ones
LIMITS = struct.Struct("<7q")  # of a job: cpu, memory, file size, open files, processes, disk, inodes
STATUS = struct.Struct("<idd")  # of its end: wait status, user seconds, system seconds
MAX_DETAIL = 2048  # bytes of text in a fault frame
_COLLISIONS = 64  # equal hashes tolerated in one container; more would make the reader quadratic

_COUNT, _FLOAT = struct.Struct(">I"), struct.Struct(">d")
_pack_count, _pack_float = _COUNT.pack, _FLOAT.pack


class RefusedError(Exception):
    """The value is not plain data; the text names the type."""


class TooBigError(Exception):
    """The encoded value is over its cap."""


class MalformedError(Exception):
    """These bytes are not a value."""


def encode(value: Plain, cap: int = 1 << 62, nodes: int = NODES) -> bytes:
    """The bytes of a value.

    Args:
        value: plain data; every type is checked exactly, so a subclass is refused.
        cap: most bytes.
        nodes: most items in all its containers together.

    Raises:
        RefusedError: a type outside the grammar, a cycle, or more than 64 levels.
        TooBigError: more than `cap` bytes or `nodes` items.
    """
    out: list[bytes] = []
    _put(value, out, DEPTH, [cap, nodes])
    encoded = b"".join(out)
    if len(encoded) > cap:
        raise TooBigError(f"over {cap} bytes")
    return encoded


def _spend(room: list[int], size: int) -> None:
    room[0] -= size
    if room[0] < 0:
        raise TooBigError("over the cap")


def _put(value: object, out: list[bytes], depth: int, room: list[int]) -> None:
    kind = type(value)
    if kind is int:
        raw = value.to_bytes((value.bit_length() >> 3) + 1, "big", signed=True)  # type: ignore[attr-defined]
        _spend(room, len(raw) + 5)
        out.append(b"i" + _pack_count(len(raw)) + raw)
    elif kind is str:
        _spend(room, len(value))  # type: ignore[arg-type]
        _put_bytes(b"s", value.encode("utf-8", "surrogatepass"), out)  # type: ignore[attr-defined]
    elif kind is bool or value is None:
        _spend(room, 1)
        out.append(b"N" if value is None else b"T" if value else b"F")
    elif kind is float:
        _spend(room, 9)
        out.append(b"f" + _pack_float(value))
    elif kind is bytes:
        _spend(room, len(value))  # type: ignore[arg-type]
        _put_bytes(b"b", value, out)  # type: ignore[arg-type]
    else:
        _put_container(value, kind, out, depth, room)


def _put_bytes(tag: bytes, raw: bytes, out: list[bytes]) -> None:
    if len(raw) > 0xFFFFFFFF:
        raise TooBigError("over 4 GB")
    out.append(tag + _pack_count(len(raw)) + raw)


_TAGS: dict[type, bytes] = {list: b"l", tuple: b"t", set: b"e", dict: b"d"}


def _put_container(value: object, kind: type, out: list[bytes], depth: int, room: list[int]) -> None:
    tag = _TAGS.get(kind)
    if tag is None:
        raise RefusedError(f"{kind.__module__}.{kind.__qualname__}")
    if depth == 0:
        raise RefusedError(f"{kind.__name__} nested over {DEPTH} levels")
    items = list(value)  # type: ignore[call-overload]
    _spend(room, 5)
    room[1] -= len(items)  # so a huge one is refused before it is walked
    if room[1] < 0:
        raise TooBigError("over the cap of items")
    out.append(tag + _pack_count(len(items)))
    depth -= 1
    if kind is dict:
        for key in items:
            _put(key, out, depth, room)
            _put(value[key], out, depth, room)  # type: ignore[index]
    else:
        for item in items:
            _put(item, out, depth, room)


def decode(data: bytes, nodes: int = NODES) -> Plain:
    """The value of some bytes, which may come from an enemy.

    Raises:
        MalformedError: anything but exactly one value.
    """
    try:
        value, end = _get(data, 0, DEPTH, [nodes])
    except (struct.error, IndexError, UnicodeDecodeError, TypeError) as error:
        raise MalformedError(str(error)) from None
    if end != len(data):
        raise MalformedError("bytes after the value")
    return value


def _get(data: bytes, at: int, depth: int, room: list[int]) -> tuple[Plain, int]:
    tag = data[at]
    at += 1
    if tag == 0x69 or tag == 0x73 or tag == 0x62:  # i s b
        end = at + 4 + _COUNT.unpack_from(data, at)[0]
        if end > len(data):
            raise MalformedError("a value is cut short")
        raw = data[at + 4 : end]
        if tag == 0x69:
            return _get_int(raw), end
        return (raw.decode("utf-8", "surrogatepass") if tag == 0x73 else raw), end
    if tag == 0x66:
        return _FLOAT.unpack_from(data, at)[0], at + 8
    if tag == 0x4E:
        return None, at
    if tag == 0x54 or tag == 0x46:
        return tag == 0x54, at
    if tag not in b"lted":
        raise MalformedError(f"unknown tag {tag}")
    return _get_container(data, at, tag, depth, room)


def _get_int(raw: bytes) -> int:
    value = int.from_bytes(raw, "big", signed=True)
    if len(raw) != (value.bit_length() >> 3) + 1:
        raise MalformedError("an int that is not in its shortest form")
    return value


def _get_container(data: bytes, at: int, tag: int, depth: int, room: list[int]) -> tuple[Plain, int]:
    if depth == 0:
        raise MalformedError(f"over {DEPTH} levels")
    count = _COUNT.unpack_from(data, at)[0] * (2 if tag == 0x64 else 1)
    at += 4
    room[0] -= count
    if count > len(data) - at or room[0] < 0:
        raise MalformedError("a container is cut short, or too many items")
    items = []
    for _ in range(count):
        item, at = _get(data, at, depth - 1, room)
        items.append(item)
    if tag == 0x6C:
        return items, at
    if tag == 0x74:
        return tuple(items), at
    keys = items[::2] if tag == 0x64 else items
    if len(keys) - len({hash(key) for key in keys}) > _COLLISIONS:
        raise MalformedError("too many keys with the same hash")
    whole: Plain = dict(zip(keys, items[1::2])) if tag == 0x64 else set(items)
    if len(whole) != len(keys):  # type: ignore[arg-type]
        raise MalformedError("a key comes twice")
    return whole, at
