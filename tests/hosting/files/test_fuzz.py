"""Valid files with random damage: a reader gives a value or refuses in words, and takes little memory either way."""

from __future__ import annotations

import json
import struct
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guerdon.core.errors import GuerdonError
from guerdon.testing.file_makers import array_file, member, tarred, tensor, tensors, zipped
from guerdon.testing.hostile_data import FOUND, LABELS, parquet
from guerdon.testing.hostile_inputs import READERS, lacks

MOST_BYTES = 64 << 20
"""Memory that reading a damaged file of a few kilobytes may take."""
SIGNS = (b"", b"\0", b"\xff", b"\xff" * 4, b"\x7f" * 8, b"-", b"9" * 30, b"1e400", b"NaN", b"null", b'"', b"[" * 50,
         b"{}", b"\xed\xa0\x80", b"\\ud800", b"\n", b",", b"PK\x01\x02", b"PK\x05\x06", b"../", b"\x1b[2J")  # fmt: skip


@dataclass(frozen=True)
class Damage:
    """One place of a file that is no more as it was."""

    place: float
    length: int
    by: bytes

    def done_to(self, data: bytes) -> bytes:
        start = int(self.place * len(data))
        return data[:start] + self.by + data[start + self.length :]


damages = st.builds(
    Damage,
    st.floats(0, 1, exclude_max=True),
    st.one_of(st.integers(0, 4), st.integers(0, 5000)),
    st.one_of(st.sampled_from(SIGNS), st.binary(max_size=8)),
)


def a_zip() -> bytes:
    return zipped({"results.json": b'{"a": [1, 2, 3]}' * 20, "folder/b.txt": b"hello\n" * 50, "c": b""})


def a_table() -> bytes:
    return b'id,y\r\na,1.5\r\n"b",-2e3\r\nc,"3"\r\n'


def found(count: int) -> bytes:
    return json.dumps([{**FOUND, "score": i / count} for i in range(count)]).encode()


VALID: Mapping[str, Callable[[], bytes]] = {
    "json": lambda: json.dumps({"a": [1, 2.5, "x\u00e9\n", None, {"b": [True] * 5}], "n": -1e300}, indent=1).encode(),
    "jsonl": lambda: b'{"a": 1}\n[1, 2]\n"x"\n',
    "csv": a_table,
    "zip": a_zip,
    "tar": lambda: tarred((member("a.txt"), b"hello" * 100), (member("b/c"), b"")),
    "npy": array_file({"descr": "<f4", "fortran_order": False, "shape": (2,)}, struct.pack("<2f", 1, 2)),
    "safetensors": lambda: tensors({"a": tensor([2], 0, 8), "b": tensor([1], 8, 12)}, bytes(12)),
    "results": lambda: found(20),
    "labels": lambda: json.dumps(LABELS, indent=1).encode(),
    "parquet": parquet,
}


def meet(kind: str, data: bytes) -> None:
    """Read it as a host would."""
    tracemalloc.start()
    refused: GuerdonError | None = None
    try:
        READERS[kind](data)
    except GuerdonError as error:
        refused = error
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < MOST_BYTES
    if refused is not None:
        assert all((refused.expected, refused.got, refused.do))
        assert len(str(refused).encode("utf-8")) < 2000


def fuzz(kind: str, examples: int) -> None:
    whole = VALID[kind]()

    @given(st.lists(damages, min_size=1, max_size=4))
    @settings(
        max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True
    )
    def check(done: list[Damage]) -> None:
        data = whole
        for each in done:
            data = each.done_to(data)
        meet(kind, data)

    READERS[kind](whole)
    check()


def need(kind: str) -> None:
    if extra := lacks(kind):
        pytest.skip(f"needs guerdon[{extra}]")


@pytest.mark.parametrize("kind", VALID)
def test_damage_is_read_or_refused(kind: str) -> None:
    need(kind)
    fuzz(kind, 50)


@pytest.mark.slow
@pytest.mark.parametrize("kind", VALID)
def test_much_damage_is_read_or_refused(kind: str) -> None:
    need(kind)
    fuzz(kind, 5000)


@pytest.mark.parametrize("kind", VALID)
def test_every_beginning_of_a_file_is_read_or_refused(kind: str) -> None:
    """As an upload that broke off leaves it."""
    need(kind)
    whole = VALID[kind]()
    for end in range(0, len(whole), max(1, len(whole) // 60)):
        meet(kind, whole[:end])


@pytest.mark.parametrize("kind", ["json", "jsonl", "csv", "results", "labels"])
def test_every_letter_that_turns_into_another_is_read_or_refused(kind: str) -> None:
    need(kind)
    whole = VALID[kind]()
    for place in range(0, len(whole), max(1, len(whole) // 60)):
        for letter in (b"\0", b'"', b"\\", b"\xff", b"{", b"9"):
            meet(kind, whole[:place] + letter + whole[place + 1 :])
