"""Pictures of a trajectory: a GIF, an MP4 where ffmpeg is, and a sheet of rooms."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from guerdon.core.errors import ConfigError
from guerdon.core.plain import Json
from guerdon.worlds.cells import U8
from guerdon.worlds.errors import missing
from guerdon.worlds.replay import Trajectory, open_world


def pictures(trajectory: Trajectory, world: Any = None, every: int = 1) -> Iterator[U8]:
    """Play a trajectory and yield its pictures `(h, w, 3)`, the first before the first action.

    Args:
        trajectory: what to play.
        world: a world that renders; by default it is opened with `render_mode="rgb_array"`.
        every: yield each so-manieth picture; the last one always.
    """
    if world is None:
        arguments = {} if str(trajectory.world["id"]).startswith("ale/") else {"render_mode": "rgb_array"}
        world = open_world(trajectory.world, **arguments)
    world.reset(trajectory.seed)
    yield _picture(world)
    for i, action in enumerate(trajectory.actions, start=1):
        world.step(world.decode(action))
        if i % every == 0 or i == len(trajectory.actions):
            yield _picture(world)


def film(trajectory: Trajectory, path: str | Path, *, world: Any = None, fps: int = 15, every: int = 1) -> Path:
    """Write a trajectory as a film: `.gif` anywhere, `.mp4` where imageio finds ffmpeg.

    Args:
        trajectory: what to play.
        path: where to write it.
        world: a world that renders, if not one opened from the trajectory.
        fps: pictures a second.
        every: show each so-manieth picture.

    Raises:
        ConfigError: another ending, imageio is missing, or ffmpeg is.
    """
    path = Path(path)
    if path.suffix not in (".gif", ".mp4"):
        raise ConfigError("a film ends in .gif or .mp4", f"got {path.name!r}", "Name it so")
    frames = list(pictures(trajectory, world, every))
    imageio = _imageio()
    if path.suffix == ".gif":
        imageio.imwrite(path, np.stack(frames), duration=1000 / fps, loop=0)
        return path
    try:
        imageio.imwrite(path, np.stack([_even(frame) for frame in frames]), fps=fps)
    except Exception as error:
        text = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        raise ConfigError("imageio writes MP4", text, 'Run: pip install "imageio[ffmpeg]", or write .gif') from error
    return path


def shots(world: Any, seed: int, actions: Sequence[Json], every: int = 1) -> Iterator[U8]:
    """Play plain actions from a reset and yield pictures `(h, w, 3)`; actions after the end are not played.

    Args:
        world: a world that renders.
        seed: of the reset.
        actions: plain, as `world.encode` gives them.
        every: yield each so-manieth picture, and the last one.

    Raises:
        WorldError: an action is not possible.
    """
    world.reset(seed)
    yield _picture(world)
    for i, action in enumerate(actions, start=1):
        world.step(world.decode(action))
        if i % every == 0 or i == len(actions) or world.ended:
            yield _picture(world)
        if world.ended:
            return


def clip(shown: Sequence[U8], *, fps: int = 15, most: int = 1_500_000) -> bytes:
    """Pictures as the bytes of a GIF; every other one is left out until it is small enough.

    Args:
        shown: pictures `(h, w, 3)` of one size; at least one.
        fps: pictures a second.
        most: bytes.

    Raises:
        ConfigError: imageio is missing, or one picture alone is too large.
    """
    data: bytes = _imageio().imwrite("<bytes>", np.stack(shown), extension=".gif", duration=1000 / fps, loop=0)
    if len(data) <= most:
        return data
    if len(shown) < 2:
        raise ConfigError(f"a film of {most:,} bytes", f"got {len(data):,} for one picture", "Draw it smaller")
    return clip(shown[::2], fps=max(1, fps // 2), most=most)


def sheet(rooms: Mapping[Any, U8], path: str | Path, columns: int = 6, gap: int = 4) -> Path:
    """Write one picture of each room side by side, in the order given, as a PNG; see `page_of`."""
    path = Path(path)
    path.write_bytes(page_of(rooms, columns, gap))
    return path


def page_of(rooms: Mapping[Any, U8], columns: int = 6, gap: int = 4) -> bytes:
    """One picture of each room side by side, in the order given, as the bytes of a PNG.

    Args:
        rooms: pictures `(h, w, 3)` of one size, by room.
        columns: pictures in a row.
        gap: pixels between them.

    Raises:
        ConfigError: there are none, or they differ in size.
    """
    tiles = list(rooms.values())
    if not tiles or len({tile.shape for tile in tiles}) != 1:
        got = "got none" if not tiles else f"got {sorted({tile.shape for tile in tiles})}"
        raise ConfigError("pictures of one size", got, "Give at least one, from one world")
    height, width = tiles[0].shape[:2]
    columns = min(columns, len(tiles))
    lines = math.ceil(len(tiles) / columns)
    page = np.full((lines * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, np.uint8)
    for i, tile in enumerate(tiles):
        top, left = (i // columns) * (height + gap), (i % columns) * (width + gap)
        page[top : top + height, left : left + width] = tile
    data: bytes = _imageio().imwrite("<bytes>", page, extension=".png")
    return data


def _picture(world: Any) -> U8:
    picture = world.render()
    if picture is None:
        raise ConfigError("a world that renders", "it returned nothing", 'Make it with render_mode="rgb_array"')
    return np.asarray(picture, np.uint8)


def _even(frame: U8) -> U8:
    """H.264 wants even sides."""
    return frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2]


def _imageio() -> Any:
    try:
        import imageio.v3 as imageio
    except ImportError as error:
        raise missing("imageio", error) from None
    return imageio
