"""The weights of cells: counters from the archive, neighbours and levels from RAM cells."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from guerdon.search.cells import CellArchive
from guerdon.search.selection import GoExplore2019, GoExplore2021

Layout = Literal["montezuma", "pitfall"] | None
"""What the numbers of a key mean: level, room, keys, x, y; or room, x, y; or nothing."""


def weights(archive: CellArchive, rule: GoExplore2019 | GoExplore2021, layout: Layout) -> npt.NDArray[np.float64]:
    """The weight of each cell `(C,)` under a rule."""
    wanted = layout is not None and bool(rule.horizontal or rule.vertical or rule.more)
    missing = missing_neighbours(archive, layout) if wanted else None
    keys: Any = archive.keys
    levels = [key[0] for key in keys] if layout == "montezuma" else None
    found = rule.weights(
        chosen=archive.chosen, since_new=archive.since_new, seen=archive.seen, missing=missing, levels=levels
    )
    return np.broadcast_to(found, len(archive))


def missing_neighbours(archive: CellArchive, layout: Layout) -> npt.NDArray[np.float64]:
    """How many neighbours of each cell are unknown `(C, 3)`: left and right, above and below, with more keys.

    Counts are from 0 to 2, and from 0 to 1 for more keys: the publication adds a weight for each neighbour that is
    missing (arXiv 1901.10995, appendix A.5).
    """
    keys: Any = archive.keys
    cells: list[tuple[int, ...]] = [key if layout == "montezuma" else (0, key[0], 0, *key[1:]) for key in keys]
    known = set(cells)
    most: dict[tuple[int, ...], int] = {}
    for level, room, held, x, y in cells:
        most[level, room, x, y] = max(held, most.get((level, room, x, y), 0))
    rows = [
        (
            ((level, room, held, x - 1, y) not in known) + ((level, room, held, x + 1, y) not in known),
            ((level, room, held, x, y - 1) not in known) + ((level, room, held, x, y + 1) not in known),
            most[level, room, x, y] == held,
        )
        for level, room, held, x, y in cells
    ]
    return np.array(rows, np.float64).reshape(-1, 3)
