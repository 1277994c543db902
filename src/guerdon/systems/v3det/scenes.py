"""Small generated scenes: coloured shapes on a noisy ground, in a tree of 20 categories, seven of them novel.

They stand in for photographs, so that the whole way from a picture to a board runs anywhere in seconds.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream

Pixels = npt.NDArray[np.uint8]
COLOURS = {"red": (205, 50, 45), "green": (50, 165, 70), "blue": (55, 80, 200), "yellow": (225, 195, 50)}
SHAPES = ("disc", "square", "triangle", "ring")
NAMES = (*SHAPES, *(f"{colour} {shape}" for shape in SHAPES for colour in COLOURS))
"""A shape of any colour first, then its kinds."""
NOVEL = frozenset({"red disc", "blue square", "green triangle", "yellow ring", "blue ring", "green disc", "red square"})
"""Never labelled in the training set of the open track, though each colour and each shape is."""
PARENT_SHARE = 0.2
SIDE, OBJECTS = 96, 4


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture and what is in it.

    Args:
        pixels: (h, w, 3).
        boxes: x, y, width and height of each object.
        kinds: place of each object's label in `NAMES`; for a fifth of them that of its shape alone.
    """

    pixels: Pixels
    boxes: Sequence[tuple[int, int, int, int]]
    kinds: Sequence[int]


def scene(seed: int, *purpose: str | int) -> Scene:
    """One scene."""
    rng = stream(seed, "scene", *purpose)
    ground = rng.integers(90, 150, 3) + rng.normal(0, 6, (SIDE, SIDE, 3))
    boxes: list[tuple[int, int, int, int]] = []
    kinds: list[int] = []
    cells = rng.permutation(9)[: int(rng.integers(2, OBJECTS + 1))]
    for cell in cells.tolist():
        size = int(rng.integers(14, 27))
        x, y = (cell % 3 * 32 + int(rng.integers(0, 32 - size)), cell // 3 * 32 + int(rng.integers(0, 32 - size)))
        kind = int(rng.integers(len(SHAPES), len(NAMES)))
        colour, shape = NAMES[kind].split()
        mask = _mask(shape, size)
        paint = np.array(COLOURS[colour]) + rng.normal(0, 12, 3) + rng.normal(0, 8, (size, size, 3))
        patch = ground[y : y + size, x : x + size]
        patch[mask] = paint[mask]
        boxes.append((x, y, size, size))
        kinds.append(NAMES.index(shape) if rng.random() < PARENT_SHARE else kind)
    return Scene((ground.clip(0, 255) // 8 * 8).astype(np.uint8), boxes, kinds)  # coarse, so that pictures are small


def annotated(scenes: Sequence[Scene], *, first: int = 1, novel: bool = True) -> dict[str, Any]:
    """The scenes' annotation file.

    Args:
        scenes: in the order of their ids.
        first: id of the first.
        novel: whether novel categories are labelled.
    """
    rows = [(first + k, kind, box) for k, each in enumerate(scenes) for kind, box in zip(each.kinds, each.boxes)]
    rows = [row for row in rows if novel or NAMES[row[1]] not in NOVEL]
    return {
        "images": [{"id": first + k, "file_name": f"{first + k}.png", "width": SIDE, "height": SIDE}
                   for k in range(len(scenes))],
        "categories": [{"id": k, "name": name, "novel": name in NOVEL} for k, name in enumerate(NAMES, 1)],
        "annotations": [
            {"id": k, "image_id": image, "category_id": kind + 1, "bbox": list(box), "area": box[2] * box[3],
             "iscrowd": 0}
            for k, (image, kind, box) in enumerate(rows, 1)
        ],
    }  # fmt: skip


def edges() -> list[tuple[int, int]]:
    """Pairs of parent and child, by place in `NAMES`."""
    return [(NAMES.index(name.split()[1]), k) for k, name in enumerate(NAMES) if " " in name]


def png(pixels: Pixels) -> str:
    """A picture as text: PNG in base64.

    Raises:
        ConfigError: Pillow is not installed.
    """
    held = io.BytesIO()
    _pillow().fromarray(pixels).save(held, "PNG", compress_level=1)
    return base64.b64encode(held.getvalue()).decode("ascii")


def pixels_of(text: str) -> Pixels:
    """The picture that `png` has written."""
    with _pillow().open(io.BytesIO(base64.b64decode(text)), formats=["PNG"]) as picture:
        return np.asarray(picture.convert("RGB"))


def told_images(scenes: Sequence[Scene], first: int) -> list[Mapping[str, Any]]:
    """Images as a task has them: id, name, size and the picture."""
    return [
        {"id": first + k, "file_name": f"{first + k}.png", "width": SIDE, "height": SIDE, "png": png(each.pixels)}
        for k, each in enumerate(scenes)
    ]


def _mask(shape: str, size: int) -> npt.NDArray[np.bool_]:
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size * 2 - 1
    far = np.hypot(x, y)
    found: npt.NDArray[np.bool_] = {
        "disc": far <= 1,
        "ring": (far <= 1) & (far >= 0.55),
        "square": np.ones_like(x, bool),
        "triangle": np.abs(x) <= (y + 1) / 2,
    }[shape]
    return found


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise ConfigError("Pillow draws and reads pictures", "it is not installed",
                          'Run pip install "guerdon[vision]"') from None  # fmt: skip
    return Image
