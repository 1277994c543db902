"""Dynamic cells of Go-Explore 2021: frames shrunk to a size and depth that a random search chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError, SolverError
from guerdon.search.arrays import Floats, Rng

PART = 256
"""Frames that are made floats at once."""
KEPT_BYTES = 500_000_000
"""Averaged rows that a fit keeps, since most of its proposals share their height with another."""


@dataclass(frozen=True, slots=True)
class Downscale:
    r"""A cell function for grey frames: area average to (height, width), then floor(depth · p / 255).

    The 2019 runs without domain knowledge use width 11, height 8, depth 8 (arXiv 1901.10995).

    >>> Downscale(1, 1, 8)(np.full((1, 4, 4), 255, dtype=np.uint8))
    [b'\x08']
    """

    width: int
    height: int
    depth: int

    def __post_init__(self) -> None:
        if min(self.width, self.height, self.depth) < 1 or self.depth > 255:
            got = f"got {self.width}, {self.height}, {self.depth}"
            raise ConfigError("width, height and depth are at least 1, depth at most 255", got, "Change them")

    def __call__(self, frames: npt.NDArray[np.uint8]) -> list[bytes]:
        """Keys of frames (N, H, W), values 0 to 255."""
        if frames.ndim != 3:
            raise SolverError("frames have the shape (N, H, W)", f"got {frames.shape}", "Convert them to grey first")
        return self.from_rows(averaged_rows(frames, self.height))

    def from_rows(self, rows_NhW: Floats) -> list[bytes]:
        """Keys of frames whose rows are averaged already, (N, height, W); see `averaged_rows`."""
        small_Nhw = rows_NhW @ _average(rows_NhW.shape[2], self.width).T
        # The averages of whole numbers carry rounding errors of 1e-13, which must not decide a floor.
        levels_Nhw = np.floor(self.depth * small_Nhw / 255 + 1e-9).astype(np.uint8)
        return [levels.tobytes() for levels in levels_Nhw]


def averaged_rows(frames: npt.NDArray[np.uint8], height: int) -> Floats:
    """Frames (N, H, W) with their rows averaged to (N, height, W), some at a time to spare memory."""
    rows_hH = _average(frames.shape[1], height)
    parts = [rows_hH @ frames[at : at + PART].astype(np.float64) for at in range(0, len(frames), PART)]
    return np.concatenate(parts) if parts else np.empty((0, height, frames.shape[2]))


@lru_cache(maxsize=256)
def _average(size: int, parts: int) -> Floats:
    """The (parts, size) matrix that averages over equal stretches, shared pixels in proportion."""
    edges = np.linspace(0, size, parts + 1)
    pixels = np.arange(size)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights: Floats = np.maximum(overlap, 0) * parts / size
    return weights


def spread(keys: Sequence[bytes], target: float = 0.125) -> float:
    """How well cells divide frames (arXiv 2004.12919, methods).

        O = H(p)/ln(n) / √(|n − T|/T + 1),   T = target · number of frames

    n is the number of distinct cells and p their shares. One cell alone divides nothing: 0.

    >>> spread([b"a", b"b", b"a", b"b"], target=0.5)
    1.0
    """
    if not keys:
        raise SolverError("cells are judged by frames", "got none", "Keep some recent frames")
    counts: dict[bytes, int] = {}
    for key in keys:
        counts[key] = counts.get(key, 0) + 1
    if len(counts) == 1:
        return 0.0
    share = np.array(list(counts.values())) / len(keys)
    wanted = target * len(keys)
    entropy = float(-np.sum(share * np.log(share)))
    return entropy / float(np.log(len(counts))) / float(np.sqrt(abs(len(counts) - wanted) / wanted + 1))


def propose(best: Downscale, size: tuple[int, int], rng: Rng) -> Downscale:
    """Another cell function near the best: width and height ~ Geometric(min(1/(best + 1), 20/size)), depth ~
    Geometric(min(1/best, 1/12)), none larger than the frame (width, height) or 255.
    """
    width = rng.geometric(min(1 / (best.width + 1), 20 / size[0], 1.0))
    height = rng.geometric(min(1 / (best.height + 1), 20 / size[1], 1.0))
    depth = rng.geometric(min(1 / best.depth, 1 / 12))
    return Downscale(int(min(width, size[0])), int(min(height, size[1])), int(min(depth, 255)))


def fit(
    frames: npt.NDArray[np.uint8],
    rng: Rng,
    *,
    proposals: int = 3000,
    target: float = 0.125,
    start: Downscale | None = None,
) -> Downscale:
    """The best of many proposals by `spread`, searched around the best so far.

    Args:
        frames: (N, H, W), up to 10,000 recent ones in the paper.
        rng: randomness.
        proposals: how many, 3000 in the paper.
        target: cells wanted for each frame.
        start: where to begin; by default 1 × 1 × 1.
    """
    value_of = _Judge(frames, target)
    best = start or Downscale(1, 1, 1)
    top = value_of(best)
    for _ in range(proposals):
        other = propose(best, (frames.shape[2], frames.shape[1]), rng)
        value = value_of(other)
        if value > top:
            best, top = other, value
    return best


class _Judge:
    """`spread` of cell functions on the same frames: nothing is computed twice, as far as memory allows."""

    def __init__(self, frames: npt.NDArray[np.uint8], target: float) -> None:
        self.frames, self.target = frames, target
        self.values: dict[Downscale, float] = {}
        self.rows: dict[int, Floats] = {}

    def __call__(self, cells: Downscale) -> float:
        if cells not in self.values:
            self.values[cells] = spread(cells.from_rows(self._rows(cells.height)), self.target)
        return self.values[cells]

    def _rows(self, height: int) -> Floats:
        if height not in self.rows:
            if sum(rows_NhW.nbytes for rows_NhW in self.rows.values()) > KEPT_BYTES:
                self.rows.clear()
            self.rows[height] = averaged_rows(self.frames, height)
        return self.rows[height]
