"""A sheet of pictures with the surest detections drawn in."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from guerdon.systems.v3det.scenes import pixels_of

SHOWN, BOXES, SCALE, GAP = 8, 4, 3, 12
INK = (250, 240, 120)


def sheet(images: Sequence[Mapping[str, Any]], names: Mapping[int, str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    """PNG of the first pictures, each with its surest boxes and their names.

    Args:
        images: as a task has them, with `png`.
        names: of categories, by id.
        rows: entries of a result file.
    """
    from PIL import Image, ImageDraw

    shown = [Image.fromarray(pixels_of(each["png"])) for each in images[:SHOWN]]
    shown = [each.resize((each.width * SCALE, each.height * SCALE), Image.Resampling.NEAREST) for each in shown]
    width, height = max(each.width for each in shown) + GAP, max(each.height for each in shown) + GAP
    page = Image.new("RGB", (4 * width + GAP, -(-len(shown) // 4) * height + GAP), (24, 24, 28))
    for k, (told, picture) in enumerate(zip(images, shown)):
        pen = ImageDraw.Draw(picture)
        for row in _surest([row for row in rows if row["image_id"] == told["id"]]):
            x, y, w, h = (SCALE * float(side) for side in row["bbox"])
            pen.rectangle((x, y, x + max(w, 1.0), y + max(h, 1.0)), outline=INK, width=2)
            pen.text((x + 3, y + 1), names.get(row["category_id"], "?")[:40], fill=INK)
        page.paste(picture, (GAP + k % 4 * width, GAP + k // 4 * height))
    held = io.BytesIO()
    page.save(held, "PNG")
    return held.getvalue()


def _surest(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The surest of each place, the surest places."""
    found: dict[Any, Mapping[str, Any]] = {}
    for row in sorted(rows, key=lambda row: -float(row["score"])):
        found.setdefault(tuple(row["bbox"]), row)
    return list(found.values())[:BOXES]
