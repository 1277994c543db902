"""Files of labels and of detections: what is right is read, what is wrong is refused with its place."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

pytest.importorskip("msgspec")

from guerdon.vision import coco
from guerdon.vision.coco import FileProblemError, read_labels, read_results, results_of

LABELS: dict[str, Any] = {
    "images": [{"id": 7, "file_name": "a.jpg", "width": 64, "height": 48}, {"id": 3}],
    "categories": [{"id": 5, "name": "cup", "novel": True}, {"id": 2, "name": "cup"}],
    "annotations": [
        {"id": 0, "image_id": 3, "category_id": 5, "bbox": [0, 0, 2, 3]},
        {"id": 1, "image_id": 7, "category_id": 2, "bbox": [1, 1, 4, 4], "area": 9.5, "iscrowd": 1},
    ],
}
GOOD = {"image_id": 3, "category_id": 5, "bbox": [0, 0, 1, 1], "score": 0.5}


def labels(**changed: Any) -> Any:
    return read_labels(json.dumps({**LABELS, **changed}).encode())


def test_labels_are_read_by_ids() -> None:
    made = labels()
    assert made.images.tolist() == [3, 7]
    assert made.categories.tolist() == [2, 5]
    assert made.novel.tolist() == [False, True]
    assert made.truths.image.tolist() == [0, 1]
    assert made.truths.category.tolist() == [1, 0]
    assert made.truths.area.tolist() == [6.0, 9.5]
    assert made.truths.ignore.tolist() == [False, True]
    assert made.frequencies.tolist() == [1, 1]


def test_results_round_trip(monkeypatch: pytest.MonkeyPatch) -> None:
    some = [GOOD, {**GOOD, "image_id": 7, "category_id": 2, "bbox": [0.5, 1, 2, 3], "score": -1.25}]
    made = read_results(json.dumps(some).encode(), labels())
    assert json.loads(results_of(made, labels())) == some
    assert len(read_results(b"[]", labels())) == 0
    monkeypatch.setattr(coco, "_ROWS", 1)
    assert json.loads(results_of(made, labels())) == some
    assert results_of(made.take([False, False]), labels()) == b"[]"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([GOOD, {**GOOD, "image_id": 9}], r"entry 1 \(line 13\), image_id 9"),
        ([GOOD, {**GOOD, "image_id": "3"}], r"entry 1 \(line 13\), image_id: Expected `int`, got `str`"),
        ([{**GOOD, "image_id": True}], r"image_id: Expected `int`, got `bool`"),
        ([{**GOOD, "category_id": 99}], "category_id 99"),
        ([{**GOOD, "bbox": [1, 2, 3]}], r"entry 0 \(line 2\), bbox: Expected `array` of length 4"),
        ([{**GOOD, "bbox": [1, 2, -3, 4]}], "no negative size: entry 0"),
        ([{**GOOD, "score": None}], "score: Expected `float`, got `null`"),
        ([{"image_id": 3}], "missing required field"),
        ([GOOD] * 3, "at most 2 entries for an image"),
        ({"a": 1}, "Expected `array`, got `object`"),
    ],
)
def test_a_mistake_is_named_with_its_place(rows: Any, said: str) -> None:
    with pytest.raises(FileProblemError, match=said):
        read_results(json.dumps(rows, indent=1).encode(), labels(), most=2)


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"[", b"[" * 200_000, b"[{}", b"\xff\xfe[\x00",
        b'[{"image_id":3,"category_id":5,"bbox":[0,0,1,NaN],"score":1}]',
        b'[{"image_id":3,"category_id":5,"bbox":[0,0,1,1],"score":1e400}]', b"[] []", b"7" * 1_000_000,
        b'[{"image_id":' + b"9" * 400 + b',"category_id":5,"bbox":[0,0,1,1],"score":1}]',
    ],
)  # fmt: skip
def test_hostile_bytes_are_refused(raw: bytes) -> None:
    with pytest.raises(FileProblemError):
        read_results(raw, labels())


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"images": LABELS["images"] * 2}, "each id in images once"),
        ({"annotations": [{**LABELS["annotations"][0], "category_id": 77}]}, "category_id 77"),
        ({"annotations": [{**LABELS["annotations"][0], "bbox": [0, 0, -1, 1]}]}, "no negative size"),
        ({"images": {}}, "Expected `array`, got `object` at .images"),
    ],
)
def test_labels_with_a_mistake_are_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(FileProblemError, match=said):
        labels(**changed)


def test_many_results_are_read_into_columns() -> None:
    rng = np.random.default_rng(1)
    rows = [{**GOOD, "image_id": int(i), "score": float(s)} for i, s in zip(rng.choice([3, 7], 5000), rng.random(5000))]
    made = read_results(json.dumps(rows).encode(), labels())
    assert made.score.tolist() == [row["score"] for row in rows]


def test_letters_that_are_none_are_named_with_their_place() -> None:
    with pytest.raises(FileProblemError, match=r"no UTF-8, line 16, column 14"):
        read_labels(json.dumps(LABELS, indent=1).encode().replace(b'"cup"', b'"c\xffp"', 1))


def test_strange_letters_and_numbers_where_nobody_reads_hide_nothing() -> None:
    rows = json.dumps([GOOD, GOOD]).encode()
    for strange in (b'"x": "\xff"', b'"x": ' + b"9" * 5000):
        assert len(read_results(rows.replace(b"{", b"{" + strange + b", ", 1), labels())) == 2
        with pytest.raises(FileProblemError, match="twice"):
            read_results(rows.replace(b"{", b"{" + strange + b', "score": 1, ', 1), labels())
