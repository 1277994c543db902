"""Files in the format of V3Det, of a few generated scenes: labels, the tree of categories, results."""

from __future__ import annotations

import json
from typing import Any

from guerdon.systems.v3det import scenes
from guerdon.systems.v3det.challenge import oracle
from guerdon.vision.coco import read_labels

SCENES = 12


def labels(split: str) -> bytes:
    """COCO-style ground truth with base and novel categories."""
    drawn = [scenes.scene(7, split, k) for k in range(SCENES)]
    return json.dumps(scenes.annotated(drawn)).encode()


def tree() -> bytes:
    """The category tree as V3Det has it: nodes are strings, and one is above all."""
    fathers = {f"n{child}": [f"n{parent}"] for parent, child in scenes.edges()}
    nodes = {str(k): f"n{k - 1}" for k in range(1, len(scenes.NAMES) + 1)}
    return json.dumps(
        {"categoryid2treeid": nodes, "child2father": {**{n: ["root"] for n in nodes.values()}, **fathers}}
    ).encode()


def results(split: str, *, keep: float = 1.0, shift: float = 0.0) -> bytes:
    """Detections of somebody who knows the labels, of a share of the boxes and some pixels off."""
    found: Any = oracle(read_labels(labels(split)))
    some = found[: max(int(keep * len(found)), 1)]
    for row in some:
        row["bbox"] = [row["bbox"][0] + shift, *row["bbox"][1:]]
    return ("[\n" + ",\n".join(map(json.dumps, some)) + "\n]\n").encode()
