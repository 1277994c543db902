"""A sheet of pictures with the surest detections drawn in."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from guerdon.systems.v3det.scenes import Pixels
from guerdon.vision.detections import Detections

SHOWN, BOXES, GAP = 8, 4, 12
WIDTH, LARGEST = 288, 3
"""Of a picture on the sheet, and how much a small one is enlarged at most."""
MARGIN = 9.0
"""Pixels around a picture in which boxes are still drawn."""
INK, GROUND = (250, 240, 120), (24, 24, 28)


def shown_images(found: Detections) -> list[int]:
    """Indices of the first images in which something was found."""
    return [int(each) for each in np.unique(found.image)[:SHOWN]]


def sheet(pictures: Mapping[int, Pixels], found: Detections, names: Sequence[str]) -> bytes:
    """PNG of pictures, each with its surest boxes and their names.

    Args:
        pictures: by index of the image.
        found: in these and other images.
        names: of categories.
    """
    from PIL import Image, ImageDraw

    drawn = []
    for image, pixels in pictures.items():
        picture = Image.fromarray(pixels)
        scale = min(WIDTH / picture.width, WIDTH / picture.height, LARGEST)
        size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        small = Image.Resampling.NEAREST if scale == LARGEST else Image.Resampling.LANCZOS
        picture = picture.convert("RGB").resize(size, small)
        pen = ImageDraw.Draw(picture)
        for box, category in _surest(found, image):
            x, y, right, low = _inside([scale * side for side in box], size)
            pen.rectangle((x, y, right, low), outline=INK, width=2)
            text = names[category][:40] or "?"
            left = max(0.0, min(x + 3, size[0] - pen.textlength(text) - 2))
            pen.text((left, y + 1), text, fill=INK, stroke_width=1, stroke_fill=GROUND)
        drawn.append(picture)
    return _page(drawn)


def _inside(box: Sequence[float], size: tuple[int, int]) -> list[float]:
    """Left, top, right and bottom of a box; what is far outside of the picture takes long to draw and is not seen."""
    x, y, w, h = box
    ends = np.array([x, y, x + max(w, 1.0), y + max(h, 1.0)])
    corners: list[float] = ends.clip(-MARGIN, np.array([*size, *size]) + MARGIN).tolist()
    return corners


def _page(drawn: Sequence[Any]) -> bytes:
    from PIL import Image

    width, height = max(each.width for each in drawn) + GAP, max(each.height for each in drawn) + GAP
    across = min(4, len(drawn))
    page = Image.new("RGB", (across * width + GAP, -(-len(drawn) // across) * height + GAP), GROUND)
    for k, picture in enumerate(drawn):
        page.paste(picture, (GAP + k % across * width, GAP + k // across * height))
    held = io.BytesIO()
    page.save(held, "PNG")
    return held.getvalue()


def _surest(found: Detections, image: int) -> list[tuple[tuple[float, ...], int]]:
    """The surest of each place, the surest places."""
    some = found.take(found.image == image)
    places: dict[tuple[float, ...], int] = {}
    for k in np.argsort(-some.score, kind="stable").tolist():
        places.setdefault(tuple(some.box[k].tolist()), int(some.category[k]))
    return list(places.items())[:BOXES]
