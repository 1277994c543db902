"""Labels and detections, drawn with numpy alone, and what every side has to answer; the same on all sides."""

import contextlib
import io

import numpy as np

TAIL = ((0.0, 0), (0.5, 22), (0.9, 110), (0.99, 1_127), (1.0, 47_517))
"""Quantiles of boxes of a category in V3Det's training set."""
WIDTH, HEIGHT = 640.0, 480.0


def drawn(images, per_image, categories, boxes):
    """Columns of truths (image, category, box) and of detections (and score), numbered from 0."""
    rng = np.random.default_rng([20_260, images, categories])
    share, value = np.array(TAIL).T
    weight = np.expm1(np.interp((np.arange(categories) + 0.5) / categories, share, np.log1p(value)))
    category = rng.choice(categories, boxes, p=rng.permutation(weight / weight.sum()))
    truths = {"image": rng.integers(0, images, boxes), "category": category, "box": sides(rng, boxes)}
    n = images * per_image
    near = rng.permutation(boxes)[: min(boxes, n // 4)]
    found = {
        "image": np.r_[truths["image"][near], rng.integers(0, images, n - len(near))],
        "category": np.r_[category[near], category[rng.integers(0, boxes, n - len(near))]],
        "box": np.concatenate([truths["box"][near] + rng.normal(0, 4, (len(near), 4)), sides(rng, n - len(near))]),
        "score": rng.permutation(n) / n,  # no two are equal: what happens to ties is each side's own affair
    }
    found["box"] = np.maximum(found["box"], 1.0)
    return truths, found


def sides(rng, n):
    """(n, 4) x, y, width and height."""
    size = np.exp(rng.uniform(np.log(8), np.log(400), (n, 2)))
    return np.concatenate([rng.random((n, 2)) * [WIDTH, HEIGHT] * 0.5, size], 1)


def files(truths, found, images, categories):
    """Both as the dictionaries that COCO's files hold; ids from 1."""
    rows = zip(*(truths[name].tolist() for name in ("image", "category", "box")), strict=True)
    labels = {
        "images": [{"id": k + 1, "width": 640, "height": 480, "file_name": f"{k}.jpg"} for k in range(images)],
        "categories": [{"id": k + 1, "name": f"c{k}"} for k in range(categories)],
        "annotations": [
            {"id": k, "image_id": i + 1, "category_id": c + 1, "bbox": b, "area": b[2] * b[3], "iscrowd": 0}
            for k, (i, c, b) in enumerate(rows, 1)
        ],
    }
    rows = zip(*(found[name].tolist() for name in ("image", "category", "box", "score")), strict=True)
    results = [{"image_id": i + 1, "category_id": c + 1, "bbox": b, "score": s} for i, c, b, s in rows]
    return labels, results


def per_category(values):
    """(K,) average precision with -1 for categories without a truth, as JSON."""
    return [round(float(each), 8) for each in values]


def coco_operations(load, evaluator):
    """What a side with COCO's interface answers to.

    Args:
        load: from dictionaries of labels and of results to that side's two objects.
        evaluator: from these to an evaluator.
    """
    state = {}

    def prepare(images, per_image, categories, boxes):
        with contextlib.redirect_stdout(io.StringIO()):
            state["sides"] = load(*files(*drawn(images, per_image, categories, boxes), images, categories))

    def judge():
        with contextlib.redirect_stdout(io.StringIO()):
            judged = evaluator(*state["sides"])
            judged.params.areaRng, judged.params.areaRngLbl = [[0, 1e10]], ["all"]
            judged.params.maxDets = [100]
            judged.evaluate()
            judged.accumulate()
        state["judged"] = judged

    def read():
        precision = np.asarray(state.pop("judged").eval["precision"])[:, :, :, 0, -1]
        return per_category(np.where((precision == -1).all((0, 1)), -1.0, precision.mean((0, 1))))

    return {"prepare": prepare, "judge": judge, "read": read}
