"""guerdon: the point, and the point with a 95 % interval from 1,000 resamples of the images."""

import numpy as np
from p8_rows import drawn, per_category
from speak import serve

from guerdon.core.rng import stream
from guerdon.vision.detections import Detections, Rules, Truths, match
from guerdon.vision.precision import precision
from guerdon.vision.resampling import bootstrap

STATE = {}


def prepare(images, per_image, categories, boxes):
    """Columns."""
    truths, found = drawn(images, per_image, categories, boxes)
    STATE["truths"] = Truths.of(truths["image"], truths["category"], truths["box"])
    STATE["found"] = Detections.of(found["image"], found["category"], found["box"], found["score"])
    STATE["size"] = images, categories


def matched():
    """Matches under COCO's rules."""
    return match(STATE["truths"], STATE["found"], STATE["size"][1], Rules(most=100))


def judge():
    """The point."""
    STATE["told"] = precision(matched())


def judge_with_interval(resamples):
    """The point, and how it would differ with other images."""
    some = matched()
    STATE["told"] = precision(some)
    STATE["interval"] = bootstrap(some, stream(0, "p8"), images=STATE["size"][0], resamples=resamples)


def read():
    """AP of each category."""
    average = STATE.pop("told").average[0]
    there = np.isfinite(average).all(0)
    return per_category(np.where(there, np.where(there, average, 0).mean(0), -1.0))


if __name__ == "__main__":
    serve({"prepare": prepare, "judge": judge, "judge_with_interval": judge_with_interval, "read": read})
