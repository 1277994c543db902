"""COCO files: what is in images, and what a detector found, read into columns and checked before anything is counted.

A file with a mistake is refused with its place: the entry, its line and the field. `msgspec` reads them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.vision.broken import other_encoding, place_of, twice
from guerdon.vision.detections import Detections, Truths

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]
_FARTHEST = 1e9  # pixels: areas of what is farther could not be told apart
_PIECE = 1 << 25  # bytes of a list that are decoded at once
_ROWS = 1 << 16  # entries that are encoded at once
_FIELDS = ("image_id", "category_id", "bbox", "score")
_NEXT = re.compile(rb"[ \t\r\n]*,[ \t\r\n]*(?=\{)")


class FileProblemError(ConfigError):
    """A file that was handed in cannot be used; says where. Meant for whoever handed it in."""


@dataclass(frozen=True, eq=False)
class Labels:
    """A data set's images, categories and boxes.

    Args:
        images: (n,) ids, ascending; an image's index is its place here.
        names: of the image files, in that order.
        sizes: (n, 2) width and height in pixels, 0 where the file does not say.
        categories: (K,) ids, ascending.
        category_names: of the categories; two may be the same.
        novel: (K,) whether a category is one that was not shown in training; all false where the file does not say.
        truths: the boxes, with indices.
    """

    images: Ints
    names: Sequence[str]
    sizes: Ints
    categories: Ints
    category_names: Sequence[str]
    novel: Bools
    truths: Truths

    @cached_property
    def frequencies(self) -> Ints:
        """(K,) number of images with a box of each category."""
        k = len(self.categories)
        return np.bincount(np.unique(self.truths.image * k + self.truths.category) % k, minlength=k)


def read_labels(source: Path | bytes) -> Labels:
    """Read a file with `images`, `categories` and `annotations`; without the last, there are no boxes.

    A box with several categories, as V3Det's raw annotations have, is one box for each. One without `area` has width
    times height; one without `iscrowd` is none.

    Raises:
        FileProblemError: it is not such a file, an id is there twice, or a box names what is not there.
    """
    told = _decoded(source, _shapes()["labels"])
    images = sorted(told.images, key=lambda each: each.id)
    categories = sorted(told.categories, key=lambda each: each.id)
    ids = {"images": [each.id for each in images], "categories": [each.id for each in categories]}
    ids["annotations"] = [each.id for each in told.annotations if each.id is not None]
    for name, column in ids.items():
        if len(set(column)) != len(column):
            raise FileProblemError(f"each id in {name} once", f"got {_twice(column)} twice", "Number them anew")
    rows = [one for each in told.annotations for one in _single(each)]
    boxes = np.array([each.bbox for each in rows], np.float64).reshape(-1, 4)
    known = {name: np.array(column, np.int64) for name, column in ids.items()}
    image = _places(known["images"], [each.image_id for each in rows], "annotations", "image_id")
    category = _places(known["categories"], [each.category_id for each in rows], "annotations", "category_id")
    _refuse(
        ~((np.abs(boxes) <= _FARTHEST).all(1) & (boxes[:, 2:] >= 0).all(1)),
        "annotations",
        "bbox",
        "finite numbers up to a billion, no negative size",
    )
    area = [box[2] * box[3] if each.area is None else each.area for each, box in zip(rows, boxes.tolist(), strict=True)]
    truths = Truths.of(image, category, boxes, area=area, crowd=[bool(each.iscrowd) for each in rows])
    return Labels(
        known["images"],
        [each.file_name for each in images],
        np.array([(each.width, each.height) for each in images], np.int64).reshape(-1, 2),
        known["categories"],
        [each.name for each in categories],
        np.array([each.novel for each in categories], bool),
        truths,
    )


def read_results(source: Path | bytes, labels: Labels, *, most: int | None = None) -> Detections:
    """Read a list of `{"image_id", "category_id", "bbox", "score"}`; an empty one is fine.

    Args:
        source: a file, or its content.
        labels: of the data set that it is about.
        most: entries of one image at most; more are refused.

    Raises:
        FileProblemError: with the entry, its line and field.
    """
    data = source.read_bytes() if isinstance(source, Path) else source
    try:
        image_id, category_id, box, score = _columns(data)
        n = len(score)
        image = _places(labels.images, image_id, "", "image_id")
        category = _places(labels.categories, category_id, "", "category_id")
        wrong = ~(np.abs(box) <= _FARTHEST).all(1) | (box[:, 2:] < 0).any(1)  # nan is refused too
        _refuse(wrong, "", "bbox", "four finite numbers up to a billion, no negative size")
        _refuse(~np.isfinite(score), "", "score", "a finite number")
        if most is not None and n:
            counts = np.bincount(image, minlength=len(labels.images))
            _refuse((counts > most)[image], "", "image_id", f"at most {most} entries for an image")
    except _EntryError as problem:
        raise FileProblemError(problem.expected, f"entry {problem.entry}{_line(data, problem.entry)}, {problem.said}",
                          "Mend it and hand it in again") from None  # fmt: skip
    return Detections(image, category, box, score)


def _columns(data: bytes) -> tuple[Ints, Ints, Floats, Floats]:
    """Columns of a list of results; a long one in pieces, so that its entries are not all in memory at once."""
    parts, before = [], 0
    for piece in _pieces(data):
        try:
            rows = _decoded(piece, _shapes()["results"])
        except FileProblemError:
            if piece is data:
                raise
            return _columns_of(_decoded(data, _shapes()["results"]))  # says which entry of the whole it is
        again = twice(piece, _FIELDS, len(rows))
        if again is not None:
            raise _EntryError("each field once", before + again[0], f"{again[1]} is there twice")
        before += len(rows)
        parts.append(_columns_of(rows))
    image, category, box, score = zip(*parts, strict=True)
    return np.concatenate(image), np.concatenate(category), np.concatenate(box), np.concatenate(score)


def _columns_of(rows: Sequence[Any]) -> tuple[Ints, Ints, Floats, Floats]:
    image, category, box, score = (map(attrgetter(name), rows) for name in _FIELDS)
    n = len(rows)
    return (
        np.fromiter(image, np.int64, n),
        np.fromiter(category, np.int64, n),
        np.fromiter(chain.from_iterable(box), np.float64, 4 * n).reshape(-1, 4),
        np.fromiter(score, np.float64, n),
    )


def _pieces(data: bytes) -> Iterator[bytes]:
    """A list cut after entries into lists; it is right if and only if each is, or it is one piece."""
    text = data.strip()
    if len(text) <= _PIECE or text[:1] != b"[" or text[-1:] != b"]":
        yield data
        return
    at, end = 1, len(text) - 1
    while at < end:
        cut = text.find(b"}", at + _PIECE) + 1 or end
        after = _NEXT.match(text, cut)
        if cut < end and after is None:
            cut, after = end, None
        yield b"[" + text[at:cut] + b"]"
        at = after.end() if after else end


def results_of(detections: Detections, labels: Labels) -> bytes:
    """The file of detections, as `read_results` takes it."""
    import msgspec

    encode: Callable[[Any], bytes] = msgspec.json.encode
    image, category = labels.images[detections.image], labels.categories[detections.category]
    pieces = []
    for at in range(0, len(detections), _ROWS):
        part = slice(at, at + _ROWS)
        columns = (each[part].tolist() for each in (image, category, detections.box, detections.score))
        rows = [dict(zip(_FIELDS, row, strict=True)) for row in zip(*columns, strict=True)]
        pieces.append(encode(rows)[1:-1])
    return b"[" + b",".join(pieces) + b"]"


class _EntryError(FileProblemError):
    """A problem of an entry of a list."""

    def __init__(self, expected: str, entry: int, said: str) -> None:
        self.entry, self.said = entry, said
        super().__init__(expected, f"entry {entry}, {said}", "Mend it")


@cache
def _shapes() -> dict[str, Any]:
    import msgspec

    def struct(name: str, *fields: Any) -> Any:
        return msgspec.defstruct(name, list(fields), gc=False)

    lists: Any = list  # of shapes that are made here

    number = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]
    box = tuple[float, float, float, float]
    image = struct("Image", ("id", number), ("file_name", str, ""), ("width", int, 0), ("height", int, 0))
    category = struct("Category", ("id", number), ("name", str, ""), ("novel", bool, False))
    annotation = struct(
        "Annotation", ("image_id", number), ("category_id", number | list[number]), ("bbox", box),
        ("id", number | None, None), ("area", float | None, None), ("iscrowd", int, 0),
    )  # fmt: skip
    result = struct("Result", ("image_id", number), ("category_id", number), ("bbox", box), ("score", float))
    labels = msgspec.defstruct(
        "Labels", [("images", lists[image]), ("categories", lists[category]), ("annotations", lists[annotation], [])]
    )
    return {"labels": labels, "results": lists[result]}


def _decoded(source: Path | bytes, shape: Any) -> Any:
    try:
        import msgspec
    except ImportError:
        raise ConfigError(
            "msgspec reads detection files", "it is not installed", 'Run pip install "guerdon[vision]"'
        ) from None
    data = source.read_bytes() if isinstance(source, Path) else source
    try:
        return msgspec.json.decode(data, type=shape)
    except msgspec.ValidationError as error:
        raise _located(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        said, other = place_of(data, _letters(data) or str(error)), other_encoding(data)
        if other:
            expected = "a JSON file in UTF-8, without a byte order mark"
            raise FileProblemError(expected, f"got {other}", "Save it as such") from None
        raise FileProblemError("a JSON file", said, "Write it as JSON, without NaN") from None


def _letters(data: bytes) -> str:
    """Which byte is no text, in a decoder's words; "" if all are."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"no UTF-8 (byte {error.start})"
    return ""


def _located(said: str) -> FileProblemError:
    """How msgspec says it: "Expected `int`, got `str` - at `$[12].image_id`"."""
    what, _, path = said.partition(" - at `$")
    if path.startswith("[") and path[1 : path.find("]")].isdigit():
        return _EntryError(
            "a list of detections",
            int(path[1 : path.find("]")]),
            f"{path[path.find(']') + 1 :].strip('.`') or 'the entry'}: {what}",
        )
    return FileProblemError(
        "a COCO file", f"{what} at {path.strip('`') or 'its top'}", "See the format of COCO's data sets"
    )


def _single(annotation: Any) -> list[Any]:
    import msgspec

    if isinstance(annotation.category_id, int):
        return [annotation]
    return [msgspec.structs.replace(annotation, category_id=each) for each in annotation.category_id]


def _places(known: Ints, told: npt.ArrayLike, where: str, field: str) -> Ints:
    wanted = np.asarray(told, np.int64)
    at = np.minimum(np.searchsorted(known, wanted), max(len(known) - 1, 0))
    wrong = known[at] != wanted if len(known) else np.ones(len(wanted), bool)
    _refuse(wrong, where, field, "an id of the data set", wanted)
    return at.astype(np.int64)


def _refuse(wrong: Any, where: str, field: str, expected: str, told: Ints | None = None) -> None:
    if wrong.any():
        first = int(np.argmax(wrong))
        got = "" if told is None else f" {int(told[first])}"
        more = int(wrong.sum()) - 1
        raise _EntryError(
            expected, first, f"{where + ' ' if where else ''}{field}{got}" + (f" and {more} more" if more else "")
        )


def _twice(column: Sequence[int]) -> int:
    seen: set[int] = set()
    return next(each for each in column if each in seen or seen.add(each))  # type: ignore[func-returns-value]


def _line(data: bytes, entry: int, limit: int = 200_000) -> str:
    """` (line 7)` of the entry, found by reading all before it; nothing where that would take long."""
    if entry > limit:
        return ""
    try:
        text = data.decode("utf-8")
        at = text.index("[") + 1
        read: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder().raw_decode
        for k in range(entry + 1):
            while text[at] in " \t\r\n,":
                at += 1
            if k == entry:
                return f" (line {text.count(chr(10), 0, at) + 1})"
            at = read(text, at)[1]
    except (ValueError, IndexError):
        pass
    return ""
