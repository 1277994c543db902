"""The hostile corpus of files: what strangers hand in, and what each reader must say of it."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from guerdon.hosting.files import (
    ArchiveCaps,
    Intake,
    read_json,
    read_json_lines,
    read_npy,
    read_safetensors,
    read_table,
    read_tar,
    read_zip,
    refuse_pickle,
    safe_image,
    safe_name,
)
from guerdon.testing.file_makers import (
    PICKLE,
    array_file,
    hidden_tar,
    lying_size,
    many,
    member,
    npy,
    overlapping,
    patched,
    png,
    tar_of,
    tar_of_pax,
    tar_says,
    tarred,
    tensor,
    tensors,
    two_of,
    with_end,
    with_mode,
    zip64_lie,
    zipped,
)

ZIP = ArchiveCaps(packed=1 << 20, entries=100, entry=4 << 20, total=8 << 20)
IDS = ("a", "b", "c")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """A hostile file.

    Args:
        id: row of the hostile list and a letter, such as `G3c`.
        title: what it tries.
        kind: which reader it is for.
        make: its bytes.
        says: what the refusal must contain; empty when it must be read.
        means: what it must be read to.
    """

    id: str
    title: str
    kind: str
    make: Callable[[], bytes]
    says: tuple[str, ...] = ()
    means: Any = None


JSONS = [
    FileRow(id="G1a", title="a name twice", kind="json", make=lambda: b'{"x": {"a": 1,\n "a": 2}}',
            says=("line 2, column 2, field 'x'", "'a' comes twice")),
    FileRow(id="G1b", title="NaN", kind="json", make=lambda: b'[{"score": 1},\n{"score": NaN}]',
            says=("line 2, column 11, field '[1].score'", "NaN is not JSON")),
    FileRow(id="G1c", title="-Infinity", kind="json", make=lambda: b"[-Infinity]", says=("column 2", "-Infinity")),
    FileRow(id="G1d", title="1e400", kind="json", make=lambda: b'{"p": 1e400}', says=("field 'p'", "1e400 is more")),
    FileRow(id="G1e", title="100,000 levels", kind="json", make=lambda: b"[" * 100_000 + b"]" * 100_000,
            says=("column 101", "more than 100 levels")),
    FileRow(id="G1f", title="150 levels", kind="json", make=lambda: b'{"a":' * 150 + b"1" + b"}" * 150,
            says=("more than 100 levels",)),
    FileRow(id="G1g", title="a number of a million digits", kind="json", make=lambda: b'{"n": ' + b"9" * 10**6 + b"}",
            says=("field 'n'", "1,000,000 characters")),
    FileRow(id="G1h", title="something after the end", kind="json", make=lambda: b"[1]\n[2]",
            says=("line 2, column 1", "Extra data")),
    FileRow(id="G1i", title="a byte-order mark", kind="json", make=lambda: b"\xef\xbb\xbf[]",
            says=("byte-order mark",)),
    FileRow(id="G1j", title="UTF-16", kind="json", make=lambda: "[1]".encode("utf-16"), says=("UTF-16",)),
    FileRow(id="G1k", title="UTF-16 without a mark", kind="json", make=lambda: "[1]".encode("utf-16-le"),
            says=("byte 1 is NUL",)),
    FileRow(id="G1l", title="carriage returns", kind="json", make=lambda: b"[1,\r\n2]\r\n", means=[1, 2]),
    FileRow(id="G1m", title="one line of 2 MB", kind="json", make=lambda: b"[" + b"1," * 10**6 + b"1]",
            means=[1] * (10**6 + 1)),
    FileRow(id="G1n", title="cut short", kind="json", make=lambda: b'{"a": [1, 2', says=("line 1, column",)),
    FileRow(id="G1o", title="not UTF-8", kind="json", make=lambda: b'["\n\xff"]', says=("line 2, byte 3",)),
    FileRow(id="G1p", title="empty", kind="json", make=lambda: b"", says=("line 1, column 1",)),
    FileRow(id="G8a", title="one broken line in the middle", kind="jsonl", make=lambda: b'{"a": 1}\n{"a": \n{"a": 3}\n',
            says=("line 2, column",)),
    FileRow(id="G8b", title="an empty line", kind="jsonl", make=lambda: b"1\n\n2\n", says=("line 2 is empty",)),
    FileRow(id="G8c", title="a NaN in line 3", kind="jsonl", make=lambda: b'1\n2\n{"a": NaN}\n',
            says=("line 3, column 7, field 'a'",)),
]  # fmt: skip

TABLES = [
    FileRow(id="G2a", title="a row is missing", kind="csv", make=lambda: b"id,y\na,1\nc,3\n",
            says=("1 of 3 are missing, the first is 'b'",)),
    FileRow(id="G2b", title="a row too many", kind="csv", make=lambda: b"id,y\na,1\nb,2\nc,3\nd,4\n",
            says=("line 5 has 'd'",)),
    FileRow(id="G2c", title="an id twice", kind="csv", make=lambda: b"id,y\na,1\nb,2\na,3\n",
            says=("line 4 has 'a', as line 2",)),
    FileRow(id="G2d", title="rows and columns in another order", kind="csv", make=lambda: b"y,id\n3,c\n1,a\n2,b\n",
            means=[1.0, 2.0, 3.0]),
    FileRow(id="G2e", title="no header", kind="csv", make=lambda: b"a,1\nb,2\nc,3\n", says=("line 1 has", "no header")),
    FileRow(id="G2f", title="a quote that does not end", kind="csv", make=lambda: b'id,y\na,"1\nb,2\nc,3\n',
            says=("line 4", "quote")),
    FileRow(id="G2g", title="text after a quote", kind="csv", make=lambda: b'id,y\na,"1"x\nb,2\n', says=("line 2",)),
    FileRow(id="G2h", title="semicolons", kind="csv", make=lambda: b"id;y\na;1\nb;2\nc;3\n", says=("a semicolon",)),
    FileRow(id="G2i", title="tabs", kind="csv", make=lambda: b"id\ty\na\t1\n", says=("a tab",)),
    FileRow(id="G2j", title="separators of thousands", kind="csv", make=lambda: b'id,y\na,"1,234"\nb,2\nc,3\n',
            says=("line 2, column 'y'", "separators of thousands")),
    FileRow(id="G2k", title="a decimal comma", kind="csv", make=lambda: b'id,y\na,"0,5"\nb,2\nc,3\n',
            says=("line 2, column 'y'", "a decimal comma")),
    FileRow(id="G2l", title="a formula", kind="csv", make=lambda: b"id,y\na,1\nb,=cmd|'/c calc'!A0\nc,3\n",
            says=("line 3, column 'y'", "a formula")),
    FileRow(id="G2m", title="ten million columns", kind="csv", make=lambda: b"," * 10**7,
            says=("line 1 has 10,000,000",)),
    FileRow(id="G2n", title="too many columns", kind="csv", make=lambda: b"id,y" + b",x" * 5000 + b"\n",
            says=("columns", "5,002")),
    FileRow(id="G2o", title="a cell too many", kind="csv", make=lambda: b"id,y\na,1,2\n", says=("line 2 has 3, more",)),
    FileRow(id="G2p", title="a cell too few", kind="csv", make=lambda: b"id,y\na,1\nb\n",
            says=("line 3 has 1, fewer",)),
    FileRow(id="G2q", title="a NUL", kind="csv", make=lambda: b"id,y\na," + b"1" * 5000 + b"\0\n",
            says=("line 2", "NUL")),
    FileRow(id="G2r", title="UTF-16", kind="csv", make=lambda: "id,y\na,1\n".encode("utf-16"), says=("UTF-16",)),
    FileRow(id="G2s", title="a byte-order mark", kind="csv", make=lambda: b"\xef\xbb\xbfid,y\na,1\nb,2\nc,3\n",
            means=[1.0, 2.0, 3.0]),
    FileRow(id="G2t", title="nan", kind="csv", make=lambda: b"id,y\na,nan\nb,2\nc,3\n",
            says=("line 2", "not a number")),
    FileRow(id="G2u", title="1e999", kind="csv", make=lambda: b"id,y\na,1e999\nb,2\nc,3\n",
            says=("line 2", "more than a number")),
    FileRow(id="G2v", title="digits of another script, and 1_0", kind="csv",
            make=lambda: "id,y\na,1_0\nb,２\nc,3\n".encode(), says=("line 2", "not a number")),
    FileRow(id="G2w", title="a column twice", kind="csv", make=lambda: b"id,y,y\na,1,1\n", says=("'y' twice",)),
    FileRow(id="G2x", title="an empty cell", kind="csv", make=lambda: b"id,y\na,1\nb,\nc,3\n",
            says=("line 3, column 'y'", "is empty")),
    FileRow(id="G2y", title="a missing column", kind="csv", make=lambda: b"id,z\na,1\n", says=("a column 'y'",)),
    FileRow(id="G2z", title="a column too many", kind="csv", make=lambda: b"id,y,z\na,1,1\n", says=("'z'",)),
]  # fmt: skip

ZIPS = [
    FileRow(id="G3a", title="a name that leaves the folder", kind="zip", make=lambda: zipped({"../../x": b"1"}),
            says=("../../x", "..")),
    FileRow(id="G3b", title="an absolute name", kind="zip", make=lambda: zipped({"/etc/cron.d/x": b"1"}),
            says=("is absolute",)),
    FileRow(id="G3c", title="a link", kind="zip", make=lambda: zipped({"x": b"/etc/passwd"}, with_mode(0o120777)),
            says=("'x' is a link",)),
    FileRow(id="G3d", title="a device", kind="zip", make=lambda: zipped({"x": b""}, with_mode(0o020666)),
            says=("is a device",)),
    FileRow(id="G3e", title="a bomb", kind="zip", make=lambda: zipped({"x": bytes(3 << 20)}),
            says=("no less than 1/100",)),
    FileRow(id="G3f", title="larger than the cap", kind="zip", make=lambda: zipped({"x": bytes(5 << 20)}),
            says=("at most 4,194,304",)),
    FileRow(id="G3g", title="entries over one another", kind="zip", make=overlapping, says=("over another entry",)),
    FileRow(id="G3h", title="a name twice", kind="zip", make=two_of("a.txt", "a.txt"), says=("'a.txt' twice",)),
    FileRow(id="G3i", title="a name twice but for the case", kind="zip", make=two_of("a.txt", "A.TXT"),
            says=("twice",)),
    FileRow(id="G3j", title="a file that is also a folder", kind="zip", make=two_of("a", "a/b"), says=("'a' is both",)),
    FileRow(id="G3k", title="encrypted", kind="zip",
            make=lambda: patched(zipped({"a.txt": b"hello"}), b"PK\1\2", b"PK\1\2\x14\x03\x14\0\1\0"),
            says=("is encrypted",)),
    FileRow(id="G3l", title="cut short", kind="zip", make=lambda: zipped({"a.txt": b"hello" * 99})[:-30],
            says=("cut short",)),
    FileRow(id="G3m", title="too many entries", kind="zip", make=many, says=("it says 101",)),
    FileRow(id="G3n", title="a million entries, it says", kind="zip", make=with_end(here=60000, count=60000),
            says=("at most 100 entries",)),
    FileRow(id="G3o", title="a NUL in a name", kind="zip",
            make=lambda: zipped({"aXb.txt": b"1"}).replace(b"aXb", b"a\0b"), says=("NUL",)),
    FileRow(id="G3p", title="a directory of another size", kind="zip", make=with_end(length=-3),
            says=("not where it says",)),
    FileRow(id="G3q", title="a directory elsewhere", kind="zip", make=with_end(offset=7), says=("not where it says",)),
    FileRow(id="G3r", title="a count that is wrong", kind="zip", make=with_end(here=-1, count=-1), says=("entries",)),
    FileRow(id="G3s", title="something before it", kind="zip", make=lambda: b"#!/bin/sh\n" + zipped({"a": b"1"}),
            says=("not where it says",)),
    FileRow(id="G3t", title="something after it", kind="zip", make=lambda: zipped({"a": b"1"}) + b"<script>",
            says=("follows its end",)),
    FileRow(id="G3u", title="a zip64 without its record", kind="zip", make=zip64_lie, says=("zip64",)),
    FileRow(id="G3v", title="a size that lies", kind="zip", make=lying_size, says=("'a.txt'",)),
    FileRow(id="G3w", title="a header with another name", kind="zip",
            make=lambda: patched(zipped({"a.txt": b"1"}), b"a.txt", b"b.txt"), says=("otherwise in its own header",)),
    FileRow(id="G3x", title="a name not in normal form", kind="zip", make=lambda: zipped({"e\u0301.txt": b"1"}),
            says=("normal form C",)),
    FileRow(id="G3y", title="a name of 300 bytes", kind="zip", make=lambda: zipped({"n" * 300: b"1"}),
            says=("longer than 200",)),
    FileRow(id="G3z", title="a backslash", kind="zip", make=lambda: zipped({"..\\x": b"1"}), says=("backslash",)),
    FileRow(id="G3A", title="a drive", kind="zip", make=lambda: zipped({"C:x": b"1"}), says=("drive",)),
    FileRow(id="G3B", title="a control character", kind="zip", make=lambda: zipped({"a\x1b[2J": b"1"}),
            says=("cannot be shown", "\\x1b")),
    FileRow(id="G3C", title="another method", kind="zip",
            make=lambda: patched(zipped({"a.txt": b"1"}), b"PK\1\2", b"PK\1\2\x14\x03\x14\0\0\0\x0c\0"),
            says=("method 12",)),
    FileRow(id="G3D", title="an archive in it stays shut", kind="zip",
            make=lambda: zipped({"in.zip": zipped({"../x": b"1"})}), means=["in.zip"]),
    FileRow(id="G3E", title="damaged content", kind="zip",
            make=lambda: patched(zipped({"a.txt": b"hello world" * 9}), b"PK\3\4", b"", 0)[:-0 or None].replace(
                zlib.crc32(b"hello world" * 9).to_bytes(4, "little"), b"\1\2\3\4"), says=("'a.txt'", "CRC")),
    FileRow(id="G3F", title="an empty zip", kind="zip", make=lambda: zipped({}), means=[]),
    FileRow(id="G3G", title="no zip at all", kind="zip", make=lambda: b"hello", says=("no zip",)),
]  # fmt: skip

TARS = [
    FileRow(id="G4a", title="a hard link outside", kind="tar", make=tar_of("x", tarfile.LNKTYPE, "../../etc/passwd"),
            says=("a hard link",)),
    FileRow(id="G4b", title="a link", kind="tar", make=tar_of("x", tarfile.SYMTYPE, "/etc/passwd"), says=("a link",)),
    FileRow(id="G4c", title="a sparse bomb", kind="tar", make=tar_says(4096, tarfile.GNUTYPE_SPARSE), says=("tar",)),
    FileRow(id="G4d", title="setuid", kind="tar", make=tar_of("x", mode=0o4755), says=("setuid",)),
    FileRow(id="G4e", title="a pipe", kind="tar", make=tar_of("x", tarfile.FIFOTYPE), says=("a pipe",)),
    FileRow(id="G4f", title="a device", kind="tar", make=tar_of("x", tarfile.CHRTYPE), says=("a device",)),
    FileRow(id="G4g", title="a name that leaves the folder", kind="tar", make=tar_of("a/../../x"), says=("..",)),
    FileRow(id="G4h", title="an absolute name", kind="tar", make=tar_of("/etc/x"), says=("absolute",)),
    FileRow(id="G4i", title="a size of 8 GB", kind="tar", make=tar_says(8 << 30), says=("says 8,589,934,592",)),
    FileRow(id="G4j", title="a long name of 1 MB", kind="tar", make=tar_says(1 << 20, tarfile.GNUTYPE_LONGNAME),
            says=("short headers",)),
    FileRow(id="G4k", title="a gzip bomb", kind="tar", make=lambda: gzip.compress(bytes(6 << 20)),
            says=("unpacks to more",)),
    FileRow(id="G4l", title="a gzip cut short", kind="tar", make=lambda: gzip.compress(tar_of("a.txt")())[:-9],
            says=("whole tar",)),
    FileRow(id="G4m", title="cut short", kind="tar", make=lambda: tar_of("a.txt")()[:700], says=("end of data",)),
    FileRow(id="G4n", title="no tar at all", kind="tar", make=lambda: b"hello" * 200, says=("header 1",)),
    FileRow(id="G4o", title="a name twice", kind="tar",
            make=lambda: tarred((member("a"), b"1"), (member("a"), b"2")), says=("'a' twice",)),
    FileRow(id="G4q", title="a negative size in an extended header", kind="tar",
            make=lambda: tar_of_pax(b"size=-1024"), says=("header 1 tells a size",)),
    FileRow(id="G4r", title="the same, hidden in a folder's content", kind="tar", make=hidden_tar,
            says=("'folder/' has content",)),
    FileRow(id="G4s", title="the same, in a header for all", kind="tar",
            make=lambda: tar_of_pax(b"size=-1024", tarfile.XGLTYPE), says=("header 1 tells a size",)),
    FileRow(id="G4p", title="an honest one, gzipped", kind="tar", make=lambda: gzip.compress(tar_of("a.txt")()),
            means=["a.txt"]),
]  # fmt: skip

PICTURES = [
    FileRow(id="G6a", title="1 × 1", kind="image", make=lambda: png(1, 1), means=(1, 1)),
    FileRow(id="G6b", title="65,535 × 65,535, it says", kind="image", make=lambda: png(65535, 65535, b""),
            says=("at most 40,000,000 pixels",)),
    FileRow(id="G6c", title="cut short", kind="image", make=lambda: png(64, 64)[:60], says=("whole",)),
    FileRow(id="G6d", title="16 bits", kind="image", make=lambda: png(2, 1, b"\0\xff\xff\0\0", depth=16), means=(2, 1)),
    FileRow(id="G6e", title="SVG with a script", kind="image",
            make=lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", says=("SVG",)),
    FileRow(id="G6f", title="a picture that is also a page", kind="image",
            make=lambda: png(3, 2) + b"<script>alert(1)</script>", means=(3, 2)),
    FileRow(id="G6g", title="less data than pixels", kind="image", make=lambda: png(64, 64, b"\0"), says=("whole",)),
    FileRow(id="G6h", title="no picture", kind="image", make=lambda: b"hello", says=("PNG, JPEG, WebP or GIF",)),
]  # fmt: skip

_F4 = {"descr": "<f4", "fortran_order": False, "shape": (2,)}
ARRAYS = [
    FileRow(id="G7a", title="Python objects", kind="npy", make=array_file(_F4 | {"descr": "|O"}, PICKLE),
            says=("never loaded",)),
    FileRow(id="G7b", title="another shape", kind="npy", make=array_file(_F4 | {"shape": (3,)}, bytes(12)),
            says=("the shape (2)", "got (3)")),
    FileRow(id="G7c", title="a header that lies", kind="npy", make=array_file(_F4 | {"shape": (10**12,)}, bytes(8)),
            says=("8 bytes follow",)),
    FileRow(id="G7d", title="infinity", kind="npy", make=array_file(_F4, struct.pack("<2f", 1, float("inf"))),
            says=("inf at [1]",)),
    FileRow(id="G7e", title="a record", kind="npy", make=array_file(_F4 | {"descr": [("a", "<f4")]}, bytes(8)),
            says=("holds numbers",)),
    FileRow(id="G7f", title="a header that would run", kind="npy", make=lambda: npy("__import__('os').system('id')"),
            says=(".npy",)),
    FileRow(id="G7l", title="a header with a string that does not end", kind="npy",
            make=lambda: npy("{'descr': \"\"\"<f4, 'shape': (2,)}", bytes(8)), says=(".npy",)),
    FileRow(id="G7m", title="a header of an old Python", kind="npy",
            make=lambda: npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2L,)}", bytes(8)), means=[0.0, 0.0]),
    FileRow(id="G7g", title="a negative side", kind="npy", make=array_file(_F4 | {"shape": (-2, -1)}, bytes(8)),
            says=("whole",)),
    FileRow(id="G7h", title="a pickle", kind="npy", make=lambda: PICKLE, says=(".npy",)),
    FileRow(id="G7i", title="Fortran order", kind="npy",
            make=array_file(_F4 | {"fortran_order": True}, struct.pack("<2f", 1, 2)), means=[1.0, 2.0]),
    FileRow(id="G7j", title="no rows", kind="npy", make=array_file(_F4 | {"shape": (0,)}), says=("the shape (2)",)),
    FileRow(id="G7k", title="half floats that overflowed", kind="npy",
            make=array_file(_F4 | {"descr": "<f2"}, b"\x00\x7c\x00\x3c"), says=("inf at [0]",)),
    FileRow(id="G8d", title="a header of 10 GB, it says", kind="safetensors",
            make=lambda: tensors({}, length=10 << 30), says=("10,737,418,240",)),
    FileRow(id="G8e", title="tensors over one another", kind="safetensors",
            make=lambda: tensors({"a": tensor([2], 0, 8), "b": tensor([2], 4, 12)}, bytes(12)), says=("'b'", "follow")),
    FileRow(id="G8f", title="bytes that no tensor has", kind="safetensors",
            make=lambda: tensors({"a": tensor([2], 0, 8)}, bytes(20)), says=("bytes follow",)),
    FileRow(id="G8g", title="a shape that does not fit", kind="safetensors",
            make=lambda: tensors({"a": tensor([3], 0, 8)}, bytes(8)), says=("'a'", "(3) of F32")),
    FileRow(id="G8h", title="a name twice", kind="safetensors",
            make=lambda: tensors(b'{"a": 1, "a": 2}'), says=("'a' comes twice",)),
    FileRow(id="G8i", title="negative offsets", kind="safetensors",
            make=lambda: tensors({"a": tensor([2], -8, 0)}, bytes(8)), says=("'a'",)),
    FileRow(id="G8j", title="an honest one", kind="safetensors",
            make=lambda: tensors({"a": tensor([2], 0, 8)}, struct.pack("<2f", 1, 2)), means={"a": [1.0, 2.0]}),
]  # fmt: skip

REACHING = [
    FileRow(id="C17a", title="a pickle", kind="upload", make=lambda: PICKLE, says=("is a pickle",)),
    FileRow(id="C17b", title="an old pickle", kind="upload", make=lambda: b"cos\nsystem\n(S'id'\ntR.",
            says=("is a pickle",)),
    FileRow(id="C17c", title="a torch.save file", kind="upload",
            make=lambda: zipped({"archive/data.pkl": PICKLE}), says=("is a pickle",)),
    FileRow(id="C18a", title="a path as content", kind="json", make=lambda: b'"file:///etc/passwd"',
            means="file:///etc/passwd"),
    FileRow(id="C18b", title="shell signs as content", kind="csv", make=lambda: b"id,y\na,$(id)\nb,2\nc,3\n",
            says=("line 2", "not a number")),
    *(FileRow(id=f"J4{letter}", title=f"the name {name!a:.40}", kind="name", make=partial(name.encode),
              says=(says,))
      for letter, name, says in zip("abcdefgh", ["../x", "..", "a\\..\\x", "a\0b", "/x", "n" * 5000, "a//b", "C:/x"],
                                    ["..", "..", "backslash", "NUL", "absolute", "longer", "empty", "drive"],
                                    strict=True)),
    FileRow(id="J4i", title="a name that is only dangerous once decoded", kind="name",
            make=lambda: b"%2e%2e%2fx", means="%2e%2e%2fx"),
    FileRow(id="J5a", title="more than the cap", kind="stream", make=lambda: bytes(1025), says=("at most 1,024",)),
    FileRow(id="J5b", title="as much as the cap", kind="stream", make=lambda: bytes(1024), means=1024),
]  # fmt: skip

ROWS: list[FileRow] = [*JSONS, *TABLES, *ZIPS, *TARS, *PICTURES, *ARRAYS, *REACHING]
"""Every hostile file."""


def _zip(data: bytes) -> list[str]:
    archive = read_zip(data, ZIP)
    return [name for name in archive if archive.read(name) is not None]


def _untar(data: bytes) -> list[str]:
    archive = read_tar(data, ZIP)
    return [name for name in archive if archive.read(name) is not None]


def _size(data: bytes) -> tuple[int, int]:
    from PIL import Image

    again = safe_image(data)
    assert b"<script" not in again
    with Image.open(io.BytesIO(again)) as found:
        return (int(found.width), int(found.height))


def _stream(data: bytes) -> int:
    with Intake(1024) as taken:
        for start in range(0, len(data), 100):
            taken.add(data[start : start + 100])
        return taken.size


READERS: Mapping[str, Callable[[bytes], Any]] = MappingProxyType({
    "json": read_json,
    "jsonl": lambda data: list(read_json_lines(data)),
    "csv": lambda data: read_table(data, ["id", "y"], "id", IDS).numbers("y"),
    "zip": _zip,
    "tar": _untar,
    "image": _size,
    "npy": lambda data: read_npy(data, [2]).tolist(),
    "safetensors": lambda data: {name: each.tolist() for name, each in read_safetensors(data).items()},
    "upload": refuse_pickle,
    "name": lambda data: safe_name(data.decode()),
    "stream": _stream,
})  # fmt: skip
"""The reader of each kind, with small caps."""
