"""The floor: sort detections by score, find those of each truth's image and category, overlaps; no rules."""

import numpy as np
from p8_rows import drawn
from speak import serve

STATE = {}


def prepare(images, per_image, categories, boxes):
    """Columns."""
    STATE["columns"] = drawn(images, per_image, categories, boxes)
    STATE["categories"] = categories


def judge():
    """One pass of what nobody can leave out."""
    truths, found = STATE["columns"]
    STATE["order"] = np.argsort(-found["score"])
    key = found["image"] * STATE["categories"] + found["category"]
    there = truths["image"] * STATE["categories"] + truths["category"]
    by_key, by_there = np.argsort(key), np.argsort(there)
    low, high = (np.searchsorted(key[by_key], there[by_there], side) for side in ("left", "right"))
    count = high - low
    who = by_key[np.arange(count.sum()) + np.repeat(low - (np.cumsum(count) - count), count)]
    x, y, w, h = np.take(found["box"], who, 0).T
    left, top, wide, tall = np.repeat(truths["box"][by_there], count, 0).T
    across = np.minimum(x + w, left + wide) - np.maximum(x, left)
    down = np.minimum(y + h, top + tall) - np.maximum(y, top)
    shared = np.maximum(across, 0) * np.maximum(down, 0)
    STATE["overlaps"] = shared / (w * h + wide * tall - shared)


if __name__ == "__main__":
    serve({"prepare": prepare, "judge": judge})
