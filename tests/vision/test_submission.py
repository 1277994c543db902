"""Submissions: what is refused and how it is said; long lists in pieces; figures and their paired difference."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

pytest.importorskip("msgspec")

from guerdon.core.errors import ConfigError
from guerdon.vision import coco
from guerdon.vision.coco import FileProblemError, Labels, read_labels
from guerdon.vision.detections import Detections, Truths
from guerdon.vision.figures import figures, open_vocabulary
from guerdon.vision.submission import read_submission

LABELS = read_labels(
    json.dumps(
        {"images": [{"id": 3}, {"id": 7}], "categories": [{"id": 1}, {"id": 2, "novel": True}], "annotations": []}
    ).encode()
)
GOOD = {"image_id": 3, "category_id": 2, "bbox": [0, 0, 1, 1], "score": 0.5}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (json.dumps([GOOD, {**GOOD, "score": 0.1}]).encode(), "entry 1 has image, category and box of entry 0"),
        (json.dumps([{**GOOD, "bbox": [k, 0, 1, 1]} for k in range(301)]).encode(), "at most 300 entries"),
        (json.dumps([{**GOOD, "bbox": [0, 0, 1e300, 1e300]}]).encode(), "up to a billion"),
        (b'[{"image_id": 3, "category_id": 2, "bbox": [0, 0, 1, 1], "score": 1e400}]', "score"),
        (b'[{"image_id": 3, "category_id": 2, "bbox": [0, 0, NaN, 1], "score": 1}]', "a JSON file"),
        (b"[" * 100_000, "a JSON file|a list of detections"),
    ],
)
def test_what_is_wrong_is_said(source: bytes, said: str) -> None:
    with pytest.raises(FileProblemError, match=said):
        read_submission(source, LABELS)


def test_a_long_list_is_read_in_pieces_and_errors_name_the_entry_of_the_whole(monkeypatch: Any) -> None:
    monkeypatch.setattr(coco, "_PIECE", 100)
    rows = [{**GOOD, "bbox": [k, 0, 1, 1], "score": k / 64, "note": "}, {"} for k in range(40)]
    plain = [{name: row[name] for name in GOOD} for row in rows]
    for some in (plain, rows):
        for text in (json.dumps(some), json.dumps(some, indent=1), "\n" + json.dumps(some, separators=(",", ":"))):
            assert read_submission(text.encode(), LABELS).box[:, 0].tolist() == list(range(40))
    wrong = json.dumps([*plain[:30], {**GOOD, "score": "x"}], indent=1).encode()
    with pytest.raises(FileProblemError, match=r"entry 30 \(line 332\), score"):
        read_submission(wrong, LABELS)
    for broken in (
        json.dumps(plain)[:-1] + ",]",
        json.dumps(plain).replace("}, {", "} {", 30),
        json.dumps(plain) + "]",
    ):
        with pytest.raises(FileProblemError, match="a JSON file"):
            read_submission(broken.encode(), LABELS)


def test_raw_annotations_with_several_categories_are_one_box_for_each() -> None:
    told = {"images": [{"id": 1}], "categories": [{"id": 4}, {"id": 9}]}
    box = {"id": 1, "image_id": 1, "category_id": [9, 4], "bbox": [0, 0, 2, 2]}
    assert read_labels(json.dumps({**told, "annotations": [box]}).encode()).truths.category.tolist() == [1, 0]


def crowd_of(images: int = 60, categories: int = 6) -> tuple[Labels, Detections, Detections]:
    """Labels, a fair detector, and the same with worse boxes for the second half of its categories."""
    rng = np.random.default_rng(3)
    n = images * 4
    image, category = np.repeat(np.arange(images), 4), rng.integers(0, categories, n)
    box = np.concatenate([rng.random((n, 2)) * 90, 10 + rng.random((n, 2)) * 90], 1)
    labels = Labels(
        np.arange(images), [""] * images, np.zeros((images, 2), np.int64), np.arange(categories), [""] * categories,
        np.arange(categories) >= categories // 2, Truths.of(image, category, box),
    )  # fmt: skip
    moved = box + rng.normal(0, 1.5, box.shape)
    worse = np.where((category >= categories // 2)[:, None], moved + np.array([9, 9, 0, 0]), moved)
    score = rng.random(n)
    return labels, Detections.of(image, category, moved, score), Detections.of(image, category, worse, score)


def test_the_difference_of_two_detectors_is_paired() -> None:
    labels, good, worse = crowd_of()
    one, two = (figures(labels, each, resamples=200) for each in (good, worse))
    base, novel, score = (one.values[name] for name in ("AP_base", "AP_novel", "OVD"))
    assert base is not None
    assert novel is not None
    assert score == pytest.approx((base + 3 * novel) / 4)
    assert one.values["AP_base"] == two.values["AP_base"]
    told = one.minus(two)
    same = told.interval("AP_base")
    assert (same.value, same.low, same.high) == pytest.approx((0.0, 0.0, 0.0), abs=1e-12)  # no noise is left
    apart = told.interval("AP_novel")
    assert apart.low is not None
    assert apart.high is not None
    alone = one.interval("AP_novel"), two.interval("AP_novel")
    width = sum((each.high or 0) - (each.low or 0) for each in alone)
    assert apart.low > 0
    assert apart.high - apart.low < 0.7 * width
    assert {"AP", "AP_low", "AP50", "APs", "OVD_high"} <= set(one.parts())


def test_figures_of_other_images_are_not_subtracted() -> None:
    labels, good, _ = crowd_of()
    one = figures(labels, good, resamples=20)
    for other in (figures(labels, good, resamples=20, seed=1), figures(labels, good, resamples=30)):
        with pytest.raises(ConfigError, match="same resampled images"):
            one.minus(other)


def test_the_published_score_of_open_vocabulary() -> None:
    assert open_vocabulary(0.287, 0.056) == pytest.approx(0.11375)  # printed as 11.4
    assert open_vocabulary(0.3, None) is None
