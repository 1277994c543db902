"""Files that are wrong in one way each: what the hostile corpus is made of."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping


def zipped(files: Mapping[str, bytes], change: Callable[[zipfile.ZipInfo], None] | None = None) -> bytes:
    """A zip of some files, each entry changed before it is written."""
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        warnings.simplefilter("ignore")
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if change is not None:
                change(info)
            made.writestr(info, data)
    return out.getvalue()


def with_mode(mode: int) -> Callable[[zipfile.ZipInfo], None]:
    """Give an entry the mode of another kind of file."""

    def change(info: zipfile.ZipInfo) -> None:
        info.create_system, info.external_attr = 3, mode << 16

    return change


def two_of(first: str, second: str) -> Callable[[], bytes]:
    """A zip of two entries."""

    def make() -> bytes:
        out = io.BytesIO()
        with warnings.catch_warnings(), zipfile.ZipFile(out, "w") as made:
            warnings.simplefilter("ignore")
            made.writestr(first, b"1")
            made.writestr(second, b"2")
        return out.getvalue()

    return make


def patched(data: bytes, old: bytes, new: bytes, which: int = -1) -> bytes:
    """Bytes with one place written over: the last, or the first."""
    place = data.rfind(old) if which < 0 else data.find(old)
    return data[:place] + new + data[place + len(new) :]


def overlapping() -> bytes:
    """Two entries of the directory over one local entry, as the densest known bomb has them."""
    data = zipped({"a.txt": b"x" * 3000, "b.txt": b"y" * 3000})
    entries = data.index(b"PK\1\2")
    second = data.index(b"PK\1\2", entries + 4)
    return data[: second + 42] + struct.pack("<L", 0) + data[second + 46 :]


def many() -> bytes:
    """A zip of more entries than the cap."""
    return zipped({f"{k}": b"" for k in range(101)})


def with_end(**change: int) -> Callable[[], bytes]:
    """A zip whose end record lies."""

    def make() -> bytes:
        data = zipped({"a.txt": b"hello"})
        place = data.rindex(b"PK\5\6")
        names = ("disk", "first", "here", "count", "length", "offset", "comment")
        told = dict(zip(names, struct.unpack_from("<4H2LH", data, place + 4), strict=True))
        told |= {name: told[name] + value for name, value in change.items()}
        return data[: place + 4] + struct.pack("<4H2LH", *told.values())

    return make


def lying_size() -> bytes:
    """A zip whose entry says that it is shorter than it is."""
    data = zipped({"a.txt": b"z" * 5000})
    return data.replace(struct.pack("<L", 5000), struct.pack("<L", 50))


def zip64_lie() -> bytes:
    """A zip that says it is a zip64."""
    data = zipped({"a.txt": b"hello"})
    place = data.rindex(b"PK\5\6")
    return data[:place] + data[place : place + 10] + b"\xff\xff" + data[place + 12 :]


def tarred(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A tar of some members."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        for member, data in members:
            member.size = len(data)
            made.addfile(member, io.BytesIO(data))
    return out.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    """The header of a tar's member."""
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mode = kind, link, mode
    return made


def tar_of(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> Callable[[], bytes]:
    """A tar of one member."""
    return lambda: tarred((member(name, kind, link, mode), b"hello" if kind == tarfile.REGTYPE else b""))


def tar_says(size: int, kind: bytes = tarfile.REGTYPE) -> Callable[[], bytes]:
    """A tar whose header says another size."""

    def make() -> bytes:
        head = member("a.txt", kind)
        head.size = size
        return head.tobuf(tarfile.GNU_FORMAT) + b"hello".ljust(512, b"\0") + bytes(1024)

    return make


def npy(header: str, data: bytes = b"", version: bytes = b"\1\0") -> bytes:
    """A `.npy` file with this header."""
    text = header.encode("latin-1") + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text + data


def tar_of_pax(text: bytes, kind: bytes = tarfile.XHDTYPE) -> bytes:
    """A tar whose extended header says this of the next member."""
    head = member("pax", kind)
    record = b"%d %s\n" % (len(text) + 4, text)
    head.size = len(record)
    return head.tobuf(tarfile.GNU_FORMAT) + record.ljust(512, b"\0") + tar_of("a.txt")()


def hidden_tar() -> bytes:
    """A tar with a folder that says it has content, in which a header hides from whoever skips it."""
    head = member("folder", tarfile.DIRTYPE)
    head.size = 1024
    return head.tobuf(tarfile.GNU_FORMAT) + tar_of_pax(b"size=-1024")


def array_file(header: Mapping[str, object], data: bytes = b"") -> Callable[[], bytes]:
    """A `.npy` file with this header."""
    return lambda: npy(repr(dict(header)), data)


def tensors(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file with this header, and this length of it."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict[str, object]:
    """A tensor's entry in the header of a safetensors file."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def png(width: int, height: int, data: bytes | None = None, depth: int = 8, colour: int = 0) -> bytes:
    """A PNG that says it has this size."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">L", len(body)) + name + body + struct.pack(">L", zlib.crc32(name + body))

    head = struct.pack(">2L5B", width, height, depth, colour, 0, 0, 0)
    body = zlib.compress(bytes((width + 1) * height) if data is None else data)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


PICKLE = (
    b"\x80\x04\x95\x1d\x00\x00\x00\x00\x00\x00\x00"
    b"\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x02id\x94\x85\x94R\x94."
)
"""What an unpickler would run `id` for."""
