"""Matching and average precision: against COCO's rules written out, and against its own package."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import itertools
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream
from guerdon.vision.detections import AREAS, Detections, Matches, Rules, Truths, match
from guerdon.vision.precision import precision
from guerdon.vision.resampling import bootstrap, prepared

HERE = Path(__file__).parent
IMAGES, CATEGORIES = 6, 4


def reference() -> Any:
    spec = importlib.util.spec_from_file_location("coco_reference", HERE / "coco_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def columns(truths: dict[str, Any], found: dict[str, Any]) -> tuple[Truths, Detections]:
    more = {name: truths[name] for name in ("area", "crowd", "ignore")}
    return (
        Truths.of(truths["image"], truths["category"], truths["box"], **more),
        Detections.of(found["image"], found["category"], found["box"], found["score"]),
    )


def rows(table: dict[str, Any]) -> list[dict[str, Any]]:
    return [{name: column[k] for name, column in table.items()} for k in range(len(table["image"]))]


@pytest.mark.parametrize("seed", range(40))
def test_every_rule_is_cocos(case: Any, seed: int) -> None:
    truths, found = case(seed)
    rules = Rules(areas=tuple(AREAS), most=5)
    told = precision(match(*columns(truths, found), CATEGORIES, rules))
    average = reference().average
    for a, area in enumerate(AREAS):
        for t in (0, 4, 9):
            for k in range(CATEGORIES):
                wanted = average(rows(truths), rows(found), k, rules.thresholds[t], area, 5)
                assert told.average[a, t, k] == pytest.approx(
                    np.nan if wanted is None else wanted, abs=1e-12, nan_ok=True
                )


@pytest.mark.parametrize("seed", range(200, 260))
def test_equal_to_pycocotools(case: Any, seed: int) -> None:
    pytest.importorskip("pycocotools")
    truths, found = case(seed, ignored=False)
    told = precision(match(*columns(truths, found), CATEGORIES, Rules(areas=tuple(AREAS))))
    if not len(truths["image"]) or not len(found["image"]):
        assert (np.isnan(told.average) | (told.average == 0)).all()
        return  # pycocotools reads no empty list
    wanted = by_pycocotools(truths, found)
    np.testing.assert_allclose(told.average, wanted, atol=1e-12)


def by_pycocotools(truths: dict[str, Any], found: dict[str, Any]) -> Any:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    annotations = [
        {"id": k + 1, "image_id": int(row["image"]) + 1, "category_id": int(row["category"]) + 1,
         "bbox": row["box"].tolist(), "area": float(row["area"]), "iscrowd": int(row["crowd"])}
        for k, row in enumerate(rows(truths))
    ]  # fmt: skip
    results = [
        {"image_id": int(row["image"]) + 1, "category_id": int(row["category"]) + 1, "bbox": row["box"].tolist(),
         "score": float(row["score"])}
        for row in rows(found)
    ]  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": k + 1} for k in range(IMAGES)],
            "categories": [{"id": k + 1} for k in range(CATEGORIES)],
            "annotations": annotations,
        }
        coco.createIndex()
        judged = COCOeval(coco, coco.loadRes(results), "bbox")
        judged.evaluate()
        judged.accumulate()
    values = judged.eval["precision"][:, :, :, :, 2]
    return np.where((values == -1).all(1), np.nan, values.mean(1)).transpose(2, 0, 1)


def matched(seed: int, case: Any) -> Matches:
    return match(*columns(*case(seed)), CATEGORIES, Rules(most=100))


def test_resamples_that_draw_every_image_once_are_the_estimate(case: Any) -> None:
    some = matched(7, case)
    whole = precision(some).mean()
    assert whole is not None
    drawn = prepared(some, IMAGES).means(np.ones((2, IMAGES), np.float32), np.ones((1, CATEGORIES), bool))
    np.testing.assert_allclose(drawn.mean(1), whole, atol=1e-6)


@pytest.mark.parametrize("seed", [3, 7, 11])
def test_a_resample_equals_the_precision_of_images_that_are_there_twice(case: Any, seed: int) -> None:
    truths, found = case(seed)
    found["score"] = found["score"] + np.random.default_rng(seed).random(len(found["score"])) * 1e-3  # no ties
    weights = np.array([2, 0, 1, 3, 0, 0])
    some = match(*columns(truths, found), CATEGORIES, Rules())
    drawn = prepared(some, IMAGES).means(weights[None].astype(np.float32), np.ones((1, CATEGORIES), bool))[0].mean(0)[0]

    def repeated(table: dict[str, Any]) -> dict[str, Any]:
        kept = [(k, copy) for k, image in enumerate(table["image"]) for copy in range(weights[image])]
        which = np.array([k for k, _ in kept], int)
        made = {name: column[which] for name, column in table.items()}
        made["image"] = made["image"] + np.array([IMAGES * copy for _, copy in kept], int)
        return made

    whole = precision(match(*columns(repeated(truths), repeated(found)), CATEGORIES, Rules()))
    assert drawn == pytest.approx(
        whole.mean(), abs=2e-3
    )  # copies of a detection tie; a tie may end between two recalls


def test_resamples_do_not_depend_on_how_many_are_computed_at_once(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from guerdon.vision import resampling

    some = matched(7, case)
    groups = [np.ones(CATEGORIES, bool), np.array([1, 2])]
    once = resampling.resampled(some, stream(3, "x"), groups, resamples=50)
    monkeypatch.setattr(resampling, "_CELLS", 1)
    np.testing.assert_array_equal(resampling.resampled(some, stream(3, "x"), groups, resamples=50), once)


@pytest.mark.parametrize("area", range(len(AREAS)))
def test_a_resample_in_which_each_image_is_there_once_has_the_precision_of_each_area(case: Any, area: int) -> None:
    for seed in range(20, 32):
        some = match(*columns(*case(seed)), CATEGORIES, Rules(areas=tuple(AREAS), most=20))
        told = prepared(some, IMAGES, area).means(np.ones((1, IMAGES), np.float32), np.eye(CATEGORIES, dtype=bool))
        np.testing.assert_allclose(told[:, :, 0].T, precision(some).average[area], atol=1e-6)


def test_the_interval_holds_the_estimate_and_shrinks_with_images() -> None:
    widths = []
    for images in (40, 640):
        rng = np.random.default_rng(5)
        box = np.concatenate([rng.random((images, 2)) * 50, np.full((images, 2), 30.0)], 1)
        near = box + rng.normal(0, 3, box.shape) * [1, 1, 0, 0]
        some = match(
            Truths.of(np.arange(images), np.zeros(images, int), box),
            Detections.of(np.arange(images), np.zeros(images, int), near, rng.random(images)),
            1,
        )
        told = bootstrap(some, stream(1, "boot"), resamples=200)["AP"]
        assert told.value is not None
        assert told.low is not None
        assert told.high is not None
        assert told.low <= told.value <= told.high
        widths.append(told.high - told.low)
    assert 2.5 < widths[0] / widths[1] < 6.5  # four, were both exact


@pytest.mark.parametrize("seed", range(20))
def test_detections_stand_by_category_score_image_and_entry(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, images = 400, 3 if seed % 2 else 200_000  # more than 16 bits hold
    image, category = rng.integers(0, images, n), rng.integers(0, 3, n)
    score = rng.integers(-2, 3, n) / 2  # ties, and a negative one
    found = Detections.of(image, category, rng.random((n, 4)), score)
    most = 7
    told = match(Truths.of([], [], []), found, 3, Rules(most=most)).detections
    order = np.lexsort((np.arange(n), image, -score, category))
    places: dict[tuple[int, int], int] = {}
    wanted = []
    for at in order.tolist():
        key = int(image[at]), int(category[at])
        places[key] = places.get(key, 0) + 1
        if places[key] <= most:
            wanted.append(at)
    np.testing.assert_array_equal(told.box, found.box[wanted])


@pytest.mark.parametrize("seed", range(100, 112))
def test_resamples_with_weights_are_the_definition(case: Any, seed: int) -> None:
    some = match(*columns(*case(seed)), CATEGORIES, Rules(areas=tuple(AREAS), most=20))
    weights = np.random.default_rng(seed).multinomial(IMAGES, np.full(IMAGES, 1 / IMAGES), 5)
    for area in range(len(AREAS)):
        told = prepared(some, IMAGES, area).means(weights.astype(np.float32), np.eye(CATEGORIES, dtype=bool))
        for k, t, b in itertools.product(range(CATEGORIES), range(10), range(len(weights))):
            wanted = weighted_average(some, area, k, t, weights[b])
            assert told[k, t, b] == pytest.approx(wanted, abs=1e-5, nan_ok=True)


def weighted_average(some: Matches, area: int, category: int, threshold: int, weight: Any) -> float:
    """Precision at 101 recalls of one category, when each image is there so many times, one detection at a time."""
    truths = [int(weight[i]) for i, c, real in zip(some.truths.image, some.truths.category, some.counted[area])
              if real and c == category]  # fmt: skip
    states = dict(zip(some.where.tolist(), some.state[area, threshold].tolist(), strict=True))
    right, tried, points = 0, 0, []
    for at in np.flatnonzero(some.detections.category == category).tolist():
        times, state = int(weight[some.detections.image[at]]), states.get(at, 0)
        counts = state == 1 or (state == 0 and not some.outside[area, at])
        tried, right = tried + counts * times, right + (state == 1) * times
        if counts and times:
            points.append((right, right / tried))
    if not sum(truths):
        return float("nan")
    least = [int(np.ceil(level * sum(truths) / 100 - 1e-9)) for level in range(101)]
    return sum(max((p for hits, p in points if hits >= need), default=0.0) for need in least) / 101


def test_nothing_there_and_nothing_found() -> None:
    none = Truths.of([], [], []), Detections.of([], [], [], [])
    assert precision(match(*none, 3)).mean() is None
    there = Truths.of([0], [1], [[0, 0, 5, 5]])
    assert precision(match(there, none[1], 3)).mean() == 0.0
    assert precision(match(there, Detections.of([0], [1], [[0, 0, 5, 5]], [0.1]), 3)).mean() == 1.0


def test_a_category_beyond_the_last_is_refused() -> None:
    with pytest.raises(ConfigError, match="categories from 0 to 2"):
        match(Truths.of([0], [3], [[0, 0, 1, 1]]), Detections.of([], [], [], []), 3)
