"""The hostile corpus of data files: detections against labels, and parquet."""

from __future__ import annotations

import io
import json
import struct
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from guerdon.testing.hostile_files import FileRow

LABELS: dict[str, Any] = {
    "images": [{"id": 7, "width": 64, "height": 48}, {"id": 3, "width": 64, "height": 48}],
    "categories": [{"id": 5, "name": "cup"}, {"id": 2, "name": "pot"}],
    "annotations": [{"id": 1, "image_id": 3, "category_id": 5, "bbox": [0, 0, 2, 3]}],
}
FOUND: dict[str, Any] = {"image_id": 3, "category_id": 5, "bbox": [0, 0, 2, 3], "score": 0.5}
MOST = 1000
"""Detections of one image that the corpus's reader takes."""


def results(**changed: Any) -> Callable[[], bytes]:
    """A results file whose second entry is not as it should be."""
    return lambda: json.dumps([FOUND, {**FOUND, **changed}], indent=1).encode()


def labels(**changed: Any) -> Callable[[], bytes]:
    """A file of labels with some part of it changed."""
    return lambda: json.dumps({**LABELS, **changed}).encode()


def _annotation(**changed: Any) -> Callable[[], bytes]:
    return labels(annotations=[LABELS["annotations"][0] | {"id": 2}, {**LABELS["annotations"][0], **changed}])


DETECTIONS = [
    FileRow(id="G5a", title="a box of negative size", kind="results", make=results(bbox=[0, 0, -2, 3]),
            says=("negative size", "entry 1")),
    FileRow(id="G5b", title="a box of size NaN", kind="results",
            make=lambda: results(bbox=[0, 0, 2, 3])().replace(b"3\n", b"NaN\n"), says=("line",)),
    FileRow(id="G5c", title="a box at 1e400", kind="results",
            make=lambda: results(bbox=[0, 0, 2, 77])().replace(b"77", b"1e400"), says=("line",)),
    FileRow(id="G5d", title="a box outside its image", kind="results", make=results(bbox=[-50, 900, 2, 3]), means=2),
    FileRow(id="G5e", title="an image that is not there", kind="results", make=results(image_id=9),
            says=("entry 1", "image_id 9")),
    FileRow(id="G5f", title="a category that is not there", kind="results", make=results(category_id=-1),
            says=("entry 1", "category_id -1")),
    FileRow(id="G5g", title="a score that is a text", kind="results", make=results(score="0.5"),
            says=("entry 1", "score")),
    FileRow(id="G5h", title="a score of null", kind="results", make=results(score=None), says=("entry 1", "score")),
    FileRow(id="G5i", title="a score above 1", kind="results", make=results(score=17.5), means=2),
    FileRow(id="G5j", title="ids that are texts", kind="results", make=results(image_id="3"),
            says=("entry 1", "image_id")),
    FileRow(id="G5k", title="an id that is true", kind="results", make=results(image_id=True),
            says=("entry 1", "image_id")),
    FileRow(id="G5l", title="an id of 400 digits", kind="results",
            make=lambda: results(image_id=777)().replace(b"777", b"9" * 400), says=("line",)),
    FileRow(id="G5m", title="three sides", kind="results", make=results(bbox=[1, 2, 3]), says=("entry 1", "bbox")),
    FileRow(id="G5n", title="nothing found", kind="results", make=lambda: b"[]", means=0),
    FileRow(id="G5o", title="a million detections in one image", kind="results",
            make=lambda: b"[" + b",".join([json.dumps(FOUND).encode()] * 10**6) + b"]", says=("entries for an image",)),
    FileRow(id="G5p", title="masks that nobody asked for", kind="results",
            make=results(segmentation={"size": [1 << 40, -1], "counts": "\x00"}), means=2),
    FileRow(id="G5q", title="a name twice", kind="results",
            make=lambda: b'[{"image_id":3,"image_id":9,"category_id":5,"bbox":[0,0,1,1],"score":1}]', says=("twice",)),
    FileRow(id="G5r", title="cut short", kind="results", make=lambda: results()()[:-30], says=("line",)),
    FileRow(id="G5s", title="100,000 levels", kind="results", make=lambda: b"[" * 100_000, says=("line",)),
    FileRow(id="G5t", title="UTF-16", kind="results", make=lambda: "[]".encode("utf-16"), says=("UTF-16",)),
    FileRow(id="G5u", title="an object", kind="results", make=lambda: b'{"annotations": []}', says=("array",)),
    FileRow(id="G5v", title="an annotation's id twice", kind="labels", make=_annotation(id=2),
            says=("each id in annotations once",)),
    FileRow(id="G5w", title="a label of negative size", kind="labels", make=_annotation(bbox=[0, 0, -1, 1]),
            says=("negative size",)),
    FileRow(id="G5x", title="a label of no category", kind="labels", make=_annotation(category_id=77),
            says=("category_id 77",)),
    FileRow(id="G5y", title="a crowd", kind="labels", make=_annotation(iscrowd=1), means=2),
    FileRow(id="G5z", title="an image's id twice", kind="labels", make=labels(images=LABELS["images"] * 2),
            says=("each id in images once",)),
]  # fmt: skip


def parquet() -> bytes:
    """A whole file of three rows, whose statistics name the first and the last of its texts."""
    import pyarrow
    import pyarrow.parquet

    out = io.BytesIO()
    table = pyarrow.table({"prompt": ["aaaa-first", "mmmm-middle", "zzzz-last"]})
    pyarrow.parquet.write_table(table, out, use_dictionary=False, compression="none")
    return out.getvalue()


def _footer(change: Callable[[bytes], bytes]) -> Callable[[], bytes]:
    """The file with another footer; its content stays."""

    def make() -> bytes:
        data = parquet()
        length = struct.unpack("<I", data[-8:-4])[0]
        footer = change(data[-8 - length : -8])
        return data[: -8 - length] + footer + struct.pack("<I", len(footer)) + b"PAR1"

    return make


TABLES = [
    FileRow(id="G8k", title="an honest one", kind="parquet", make=parquet,
            means=["aaaa-first", "mmmm-middle", "zzzz-last"]),
    FileRow(id="G8l", title="statistics that lie", kind="parquet",
            make=_footer(lambda footer: footer.replace(b"zzzz-last", b"aaaa-last")),
            means=["aaaa-first", "mmmm-middle", "zzzz-last"]),
    FileRow(id="G8m", title="cut short", kind="parquet", make=lambda: parquet()[:-20], says=("parquet",)),
    FileRow(id="G8n", title="without its beginning", kind="parquet", make=lambda: parquet()[40:], says=("parquet",)),
    FileRow(id="G8o", title="a footer of 4 GB, it says", kind="parquet",
            make=lambda: parquet()[:-8] + b"\xff\xff\xff\xffPAR1", says=("parquet",)),
    FileRow(id="G8p", title="a footer of nothing", kind="parquet", make=_footer(lambda footer: b""), says=("parquet",)),
    FileRow(id="G8q", title="a footer cut in half", kind="parquet",
            make=_footer(lambda footer: footer[: len(footer) // 2]), says=("parquet",)),
    FileRow(id="G8r", title="a footer of the letter A", kind="parquet", make=_footer(lambda footer: b"A" * 500),
            says=("parquet",)),
    FileRow(id="G8s", title="content of zeros", kind="parquet",
            make=lambda: b"PAR1" + bytes(60) + parquet()[64:], says=("parquet",)),
    FileRow(id="G8t", title="encrypted", kind="parquet", make=lambda: b"PARE" + parquet()[4:-4] + b"PARE",
            says=("parquet",)),
    FileRow(id="G8u", title="its name alone", kind="parquet", make=lambda: b"PAR1PAR1", says=("parquet",)),
    FileRow(id="G8w", title="letters that are none", kind="parquet",
            make=lambda: parquet().replace(b"mmmm-middle", b"\x80\xffmm-middle", 1), says=("parquet", "utf-8")),
    FileRow(id="G8v", title="no parquet at all", kind="parquet", make=lambda: b'{"prompt": "x"}', says=("parquet",)),
]  # fmt: skip
ROWS: list[FileRow] = [*DETECTIONS, *TABLES]
"""Every hostile data file."""


def _results(data: bytes) -> int:
    from guerdon.vision.coco import read_labels, read_results

    return len(read_results(data, read_labels(json.dumps(LABELS).encode()), most=MOST))


def _labels(data: bytes) -> int:
    from guerdon.vision.coco import read_labels

    return len(read_labels(data).truths.image)


def _parquet(data: bytes) -> list[Any]:
    from guerdon.prefer.files import rows_of

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        path.write_bytes(data)
        return [row.get("prompt") for _, row in rows_of(path)]


READERS: Mapping[str, Callable[[bytes], Any]] = MappingProxyType(
    {"results": _results, "labels": _labels, "parquet": _parquet}
)
"""The reader of each kind."""
