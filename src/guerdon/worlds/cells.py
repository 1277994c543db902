"""Cells: what counts as the same place, from a screen or from RAM (Ecoffet et al. 2019, arXiv 1901.10995)."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

U8: TypeAlias = npt.NDArray[np.uint8]
F32: TypeAlias = npt.NDArray[np.float32]


class PixelCell:
    """A grey screen as `height * width` levels: area average, then `floor(levels * p / 255)`.

    Two small matrices do the averaging. An average that lies within float32 rounding of a boundary between two levels
    may fall on its other side than in a plain transcription.

    Args:
        width: cells across.
        height: cells down.
        levels: grey levels; white alone has the level `levels` itself, as published.

    >>> PixelCell()(np.full((210, 160), 255, np.uint8)) == bytes([8] * 88)
    True
    """

    def __init__(self, width: int = 11, height: int = 8, levels: int = 8) -> None:
        self.width, self.height, self.levels = width, height, levels

    def __call__(self, screen: U8) -> bytes:
        """The cell of a grey screen `(h, w)`: `height * width` bytes."""
        rows, columns = _weights(*screen.shape, self.height, self.width, self.levels)
        levels = rows @ screen.astype(np.float32) @ columns
        return levels.astype(np.uint8).tobytes()


@cache
def _weights(h: int, w: int, height: int, width: int, levels: int) -> tuple[F32, F32]:
    # The tiny excess keeps exact multiples (a white screen) from rounding down to the level below.
    scale = levels / 255 * (1 + 1e-6)
    return (_averaging(h, height) * scale).astype(np.float32), _averaging(w, width).T.astype(np.float32).copy()


def _averaging(size: int, cells: int) -> npt.NDArray[np.float64]:
    """Matrix `(cells, size)` whose rows average equal shares of `size` pixels, fractions of pixels included."""
    edges = np.linspace(0, size, cells + 1)
    pixels = np.arange(size)
    overlap = np.minimum(pixels + 1, edges[1:, None]) - np.maximum(pixels, edges[:-1, None])
    return np.clip(overlap, 0, None) / (size / cells)  # type: ignore[no-any-return]


class MontezumaCell(NamedTuple):
    """A place in Montezuma's Revenge, from RAM."""

    level: int
    room: int
    keys: int
    x: int
    y: int


def montezuma_cell(ram: U8, grid: int = 16) -> MontezumaCell:
    """Level RAM[57], room RAM[3], keys held RAM[65] & 0x0E, x RAM[42] (doubled pixels) and y RAM[43] by `grid`."""
    keys = (int(ram[65]) & 0x0E).bit_count()
    return MontezumaCell(int(ram[57]), int(ram[3]), keys, 2 * int(ram[42]) // grid, int(ram[43]) // grid)


class PitfallCell(NamedTuple):
    """A place in Pitfall, from RAM: the room counted from the start, to the right, modulo 255."""

    room: int
    x: int
    y: int


def pitfall_cell(ram: U8, grid: int = 16) -> PitfallCell:
    """Room from the register in RAM[1], x RAM[97] (doubled pixels) and y RAM[105] by `grid`."""
    return PitfallCell(_pitfall_rooms()[int(ram[1])], 2 * int(ram[97]) // grid, int(ram[105]) // grid)


@cache
def _pitfall_rooms() -> dict[int, int]:
    """Index of each register value: the game walks a linear feedback register from 0xC4, to the right."""
    rooms, value = {0: 255}, 0xC4
    for index in range(255):
        rooms[value] = index
        bit = (value >> 7 ^ value >> 5 ^ value >> 4 ^ value >> 3) & 1
        value = (value << 1 & 0xFF) | bit
    return rooms


def room_of(cell: MontezumaCell | PitfallCell) -> tuple[int, ...]:
    """The room of a cell: with its level, where there are levels."""
    return (cell.level, cell.room) if isinstance(cell, MontezumaCell) else (cell.room,)


class Rooms:
    """Counts the rooms seen, and keeps one picture of each if asked.

    >>> rooms = Rooms()
    >>> rooms.see(MontezumaCell(0, 1, 0, 4, 4)), rooms.see(MontezumaCell(0, 1, 1, 5, 4)), len(rooms)
    (True, False, 1)
    """

    def __init__(self) -> None:
        self.pictures: dict[tuple[int, ...], Any] = {}

    def see(self, cell: MontezumaCell | PitfallCell, picture: Any = None) -> bool:
        """Note a cell; true if its room is new."""
        room = room_of(cell)
        new = room not in self.pictures
        if new or (self.pictures[room] is None and picture is not None):
            self.pictures[room] = picture
        return new

    def __len__(self) -> int:
        return len(self.pictures)
