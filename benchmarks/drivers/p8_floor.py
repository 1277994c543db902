"""The floor: sort detections by category and score, find the truths of their image and category, overlaps; no rules."""

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
    order = np.lexsort((-found["score"], found["category"]))
    key = (found["image"] * STATE["categories"] + found["category"])[order]
    there = truths["image"] * STATE["categories"] + truths["category"]
    by_key = np.argsort(there)
    first, last = np.searchsorted(there[by_key], key, "left"), np.searchsorted(there[by_key], key, "right")
    who = np.repeat(np.arange(len(key)), last - first)
    at = np.arange(len(who)) - np.repeat(np.cumsum(last - first) - (last - first), last - first)
    one, two = found["box"][order][who], truths["box"][by_key[np.repeat(first, last - first) + at]]
    low, high = np.maximum(one[:, :2], two[:, :2]), np.minimum(one[:, :2] + one[:, 2:], two[:, :2] + two[:, 2:])
    shared = np.clip(high - low, 0, None).prod(1)
    STATE["overlaps"] = shared / (one[:, 2:].prod(1) + two[:, 2:].prod(1) - shared)


if __name__ == "__main__":
    serve({"prepare": prepare, "judge": judge})
