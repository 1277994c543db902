from __future__ import annotations

import contextlib
import enum
import math
import struct
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon.sandbox import strictly_equal, wire

keys = st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.floats(allow_nan=False)
leaves = keys | st.text(st.characters(codec=None), max_size=5) | st.integers(-(10**60), 10**60)
plain = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
        | st.sets(keys, max_size=5)
        | st.dictionaries(keys | st.tuples(keys, keys), inner, max_size=5)
    ),
    max_leaves=30,
)


@given(plain)
def test_round_trip_keeps_value_and_types(value: Any) -> None:
    assert strictly_equal(wire.decode(wire.encode(value)), value)


@given(plain, st.data())
def test_cut_and_changed_frames_are_refused_or_are_other_plain_data(value: Any, data: st.DataObject) -> None:
    encoded = wire.encode(value)
    with pytest.raises(wire.MalformedError):
        wire.decode(encoded + b"N")
    for cut in {0, len(encoded) // 2, len(encoded) - 1} - {len(encoded)}:
        with pytest.raises(wire.MalformedError):
            wire.decode(encoded[:cut])
    at = data.draw(st.integers(0, len(encoded) - 1))
    changed = encoded[:at] + bytes([data.draw(st.integers(0, 255))]) + encoded[at + 1 :]
    with contextlib.suppress(wire.MalformedError):
        wire.encode(wire.decode(changed))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_malformed(data: bytes) -> None:
    with contextlib.suppress(wire.MalformedError):
        wire.encode(wire.decode(data))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.0, 5e-324])
def test_odd_floats_pass_bit_by_bit(value: float) -> None:
    found = wire.decode(wire.encode(value))
    assert struct.pack("d", found) == struct.pack("d", value)


class _Colour(enum.IntEnum):
    RED = 1


class _Point(NamedTuple):
    x: int


class _Loud(str):
    __slots__ = ()


@pytest.mark.parametrize(
    "value",
    [_Colour.RED, _Point(1), _Loud("x"), object(), 1j, range(3), frozenset(), bytearray(b"x"), [{"a": _Point(1)}]],
)
def test_other_types_are_refused_by_name(value: Any) -> None:
    with pytest.raises(wire.RefusedError, match=r"\w"):
        wire.encode(value)


def test_depth_is_bounded_both_ways() -> None:
    value: Any = 1
    for _ in range(wire.DEPTH):
        value = [value]
    assert wire.decode(wire.encode(value)) == value
    with pytest.raises(wire.RefusedError, match="64 levels"):
        wire.encode([value])
    with pytest.raises(wire.MalformedError, match="64 levels"):
        wire.decode(b"l\0\0\0\1" * 65 + b"N")


def test_cycle_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(wire.RefusedError):
        wire.encode(value)


@pytest.mark.parametrize(
    "value",
    ["x" * 2000, b"x" * 2000, 1 << 16000, [0] * 2000, {n: n for n in range(500)}, [[0] * 99] * 99],
    ids=range(6),
)
def test_cap_is_kept(value: Any) -> None:
    with pytest.raises(wire.TooBigError):
        wire.encode(value, 1000)


@pytest.mark.parametrize(
    "data",
    [
        b"i\0\0\0\2\0\1",  # not the shortest form
        b"i\0\0\0\0",
        b"e\0\0\0\2TT",
        b"e\0\0\0\1l\0\0\0\0",
        b"d\0\0\0\2TNTN",
        b"s\0\0\0\1\xff",
        b"l\xff\xff\xff\xff",
        b"b\xff\xff\xff\xffx",
        b"Z",
        b"f1234",
    ],
)
def test_lies_on_the_wire_are_malformed(data: bytes) -> None:
    with pytest.raises(wire.MalformedError):
        wire.decode(data)


def test_keys_with_one_hash_do_not_slow_the_reader() -> None:
    flood = {k * (2**61 - 1): 0 for k in range(1000)}
    with pytest.raises(wire.MalformedError, match="same hash"):
        wire.decode(wire.encode(flood))


def test_a_flood_of_items_is_refused_on_both_sides() -> None:
    with pytest.raises(wire.TooBigError):
        wire.encode([None] * (wire.NODES + 1))
    with pytest.raises(wire.MalformedError, match="too many"):
        wire.decode(b"l" + struct.pack(">I", wire.NODES + 1) + b"N" * (wire.NODES + 1))
