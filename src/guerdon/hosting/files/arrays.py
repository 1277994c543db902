"""Arrays from strangers: `.npy` and safetensors, with headers checked against their bytes. Nothing is unpickled."""

from __future__ import annotations

import io
import math
import tokenize
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from guerdon.hosting.files.documents import JsonCaps, read_json
from guerdon.hosting.files.problems import FileProblemError, FileTooLargeError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

KINDS = "biuf"
"""Kinds of numbers that are taken: truth values, whole numbers, floats."""
SAVE_NUMBERS = "Save numbers with numpy.save(file, array, allow_pickle=False)"
DTYPES = {
    "BOOL": ("?", 1), "U8": ("u1", 1), "I8": ("i1", 1), "U16": ("<u2", 2), "I16": ("<i2", 2), "U32": ("<u4", 4),
    "I32": ("<i4", 4), "U64": ("<u8", 8), "I64": ("<i8", 8), "F16": ("<f2", 2), "F32": ("<f4", 4), "F64": ("<f8", 8),
}  # fmt: skip
"""Types of safetensors that numpy has, with their bytes."""
_ENDS = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".bin")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayCaps:
    """What an array file may hold."""

    size: int = 1 << 30
    """Bytes."""
    header: int = 10 << 20
    """Bytes of the header of a safetensors file."""


def _bytes(source: bytes | Path, caps: ArrayCaps, where: str) -> bytes:
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    if size > caps.size:
        raise FileTooLargeError(f"{where} of at most {caps.size:,} bytes", f"got {size:,}", "Shorten it")
    return source if isinstance(source, bytes) else source.read_bytes()


def read_npy(
    source: bytes | Path,
    shape: Sequence[int | None] | None = None,
    *,
    finite: bool = True,
    caps: ArrayCaps | None = None,
    where: str = "the array",
) -> npt.NDArray[Any]:
    """Read one `.npy` array of numbers.

    Args:
        source: a file, or its bytes.
        shape: that it must have; `None` leaves a side free.
        finite: whether nan and infinity are refused.
        caps: what it may hold.
        where: what to call it in errors.

    Returns:
        The array, read-only.

    Raises:
        FileProblemError: it is a pickle, has another shape or kind, is cut short, or holds a number that is not finite
            (with its place).
    """
    import numpy as np

    data = _bytes(source, caps or ArrayCaps(), where)
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it was written by an old Python
            found, fortran, dtype = read(file)
    except (ValueError, SyntaxError, TypeError, KeyError, RecursionError, MemoryError, tokenize.TokenError) as error:
        raise FileProblemError(f"{where} is a .npy array", f"{error}"[:200], SAVE_NUMBERS) from None
    if dtype.kind not in KINDS or dtype.hasobject:
        what = "Python objects, which are never loaded" if dtype.hasobject else f"{dtype}"[:60]
        raise FileProblemError(f"{where} holds numbers", f"it holds {what}", SAVE_NUMBERS)
    count, left = math.prod(found), len(data) - file.tell()
    if any(side < 0 for side in found) or count * dtype.itemsize != left:
        got = f"its header says {_shape(found)} of {dtype}, and {left:,} bytes follow"
        raise FileProblemError(f"{where} is whole", got, SAVE_NUMBERS)
    if shape is not None and (len(shape) != len(found) or any(w not in (None, f) for w, f in zip(shape, found))):
        told = _shape(["n" if side is None else side for side in shape])
        raise FileProblemError(f"{where} has the shape {told}", f"got {_shape(found)}", "Save it in that shape")
    array = np.frombuffer(data, dtype, count, file.tell()).reshape(found, order="F" if fortran else "C")
    if finite:
        _check_finite(array, where)
    return array


def _shape(sides: Sequence[object]) -> str:
    return f"({', '.join(map(str, sides))})"


def _check_finite(array: npt.NDArray[Any], where: str) -> None:
    import numpy as np

    bad = ~np.isfinite(array)
    if bad.any():
        place = [int(each) for each in np.argwhere(bad)[0]]
        got = f"{array[tuple(place)]} at {place}, and {int(bad.sum()) - 1:,} more"
        raise FileProblemError(f"{where} holds finite numbers", got, "Save numbers that are known")


def read_safetensors(
    source: bytes | Path, *, finite: bool = True, caps: ArrayCaps | None = None, where: str = "the file"
) -> Mapping[str, npt.NDArray[np.generic]]:
    """Read a safetensors file of numbers.

    Raises:
        FileProblemError: its header is too long or no JSON, its tensors overlap, leave gaps or do not fit their types,
            or it holds a number that is not finite.
    """
    import numpy as np

    caps = caps or ArrayCaps()
    data = _bytes(source, caps, where)
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(caps.header, len(data) - 8):
        got = f"it says {length:,} of {len(data):,} bytes" if len(data) >= 8 else "it ends before one"
        raise FileProblemError(f"{where} begins with its header", got, "Save it with safetensors")
    told = read_json(data[8 : 8 + length], JsonCaps(size=caps.header, depth=8), f"the header of {where}")
    if not isinstance(told, dict):
        raise FileProblemError(f"the header of {where} is an object", "it is not", "Save it with safetensors")
    told.pop("__metadata__", None)
    found: dict[str, npt.NDArray[np.generic]] = {}
    free = 0
    for name, entry in sorted(told.items(), key=lambda item: _start(item[1])):
        dtype, shape, begin, end = _entry(name, entry, where)
        if begin != free or end > len(data) - 8 - length:
            got = f"{name[:60]!r} is at {begin:,} to {end:,}"
            raise FileProblemError(f"the tensors of {where} follow one another", got, "Save it with safetensors")
        free = end
        piece = data[8 + length + begin : 8 + length + end]
        found[name] = np.frombuffer(piece, np.dtype(dtype)).reshape(shape)
        if finite:
            _check_finite(found[name], f"{where}, {name[:60]!r},")
    if free != len(data) - 8 - length:
        raise FileProblemError(f"{where} ends with its last tensor", "bytes follow", "Save it with safetensors")
    return found


def _start(entry: Any) -> int:
    offsets = entry.get("data_offsets") if isinstance(entry, dict) else None
    return offsets[0] if isinstance(offsets, list) and offsets and type(offsets[0]) is int else 0


def _entry(name: str, entry: Any, where: str) -> tuple[str, tuple[int, ...], int, int]:
    given = entry if isinstance(entry, dict) else {}
    shape, offsets = given.get("shape"), given.get("data_offsets")
    known = DTYPES.get(str(given.get("dtype")))
    if not known or not _sides(shape) or not _sides(offsets) or len(offsets) != 2:
        got = f"{name[:60]!r} has {str(entry)[:80]}"
        raise FileProblemError(f"the tensors of {where} have a dtype, a shape and two offsets", got, "Save it anew")
    if math.prod(shape) * known[1] != offsets[1] - offsets[0]:
        got = f"{name[:60]!r} has {offsets[1] - offsets[0]:,} for {_shape(shape)} of {given['dtype']}"
        raise FileProblemError(f"the tensors of {where} have the bytes of their shape", got, "Save it anew")
    return known[0], tuple(shape), offsets[0], offsets[1]


def _sides(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and len(value) <= 32 and all(type(side) is int and side >= 0 for side in value)


def refuse_pickle(source: bytes, name: str = "the file") -> None:
    """Refuse what only an unpickler could read, whatever it is called. It is looked at, never loaded.

    Raises:
        FileProblemError: it is a pickle, a `torch.save` or `joblib` file, or is called like one.
    """
    start = source[:2]
    pickled = start[:1] == b"\x80" and 2 <= (start[1] if len(start) > 1 else 0) <= 5
    old = source.rstrip()[-1:] == b"." and (start[:1] in (b"c", b"(") or source[:20].startswith((b"cos\n", b"cposix")))
    torch = source[:4] == b"PK\3\4" and b"data.pkl" in source[:1024] + source[-65536:]
    if pickled or old or torch or name.lower().endswith(_ENDS):
        got = f"{name[:60]!r} is a pickle, or is called like one: loading it would run it"
        raise FileProblemError("a file that can be read without running it", got, "Save .npy, safetensors, CSV or JSON")
