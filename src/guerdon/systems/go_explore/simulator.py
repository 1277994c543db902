"""A world as exploration needs it: a step, the cell it leads to, a way back; and the cells there are."""

from __future__ import annotations

import hashlib
import math
import struct
import zlib
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

import numpy as np

from guerdon.bench.loading import load_file, resolve
from guerdon.core.errors import ConfigError
from guerdon.core.plain import Json
from guerdon.core.rng import stream
from guerdon.search.downscaling import Downscale
from guerdon.worlds import AleWorld, PixelCell, check_snapshot, snapshot_of, world_of
from guerdon.worlds.cells import U8, montezuma_cell, pitfall_cell
from guerdon.worlds.snapshot import ReplaySnapshot
from guerdon.worlds.spaces import fingerprint, kind_of, leaves

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Key = Hashable
CellOf = Callable[[Any], Key]
Room = tuple[int, ...]
KINDS = ("auto", "ram", "pixels", "dynamic", "observation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Which cells: a plain description that a worker process can be sent.

    Args:
        kind: "auto", "ram", "pixels", "dynamic", "observation", or a function as `module:name` or `FILE.py:name`.
        grid: side of a RAM cell, in (doubled) pixels.
        width: pixel cells across.
        height: pixel cells down.
        levels: grey levels of a pixel cell.
        resolution: width of a cell along each real number of an observation.
    """

    kind: str = "auto"
    grid: int = 16
    width: int = 11
    height: int = 8
    levels: int = 8
    resolution: float = 0.5


class Simulator(Protocol):
    """One world under one seed.

    Attributes:
        frames: emulator frames of a step.
        carries: whether what `save` returns is bytes, so that it can be written down and sent to another process.
        world: the world itself.
    """

    frames: int
    carries: bool
    world: Any

    def reset(self) -> None:
        """The start state."""

    def step(self, action: Json) -> tuple[float, bool]:
        """Reward, and whether the episode is over."""

    def draw(self, count: int, keep: float, rng: Rng) -> list[Json]:
        """Random actions, each the one before with probability `keep`."""

    def lives(self) -> int:
        """Lives left; 0 where there are none."""

    def mark(self) -> bytes:
        """16 bytes that say which state this is, as far as it shows."""

    def save(self) -> Any:
        """A way back to this state."""

    def restore(self, token: Any) -> None:
        """Go to a saved state; cells and marks mean something from the next step on."""


class AleSimulator(Simulator):
    """The raw emulator. A token is 14 KB, 7 KB compressed; both ways take some 30 µs."""

    carries = True
    _HEAD = struct.Struct("<QQq")

    def __init__(self, world: AleWorld, seed: int) -> None:
        self.world, self.seed, self.frames = world, seed, world.frame_skip
        self._count = len(world.action_meanings)

    def reset(self) -> None:
        """Load the game anew."""
        self.world.reset(self.seed)

    def step(self, action: Json) -> tuple[float, bool]:
        """Hold an action for the frames of a step."""
        world = self.world
        reward = world.act(cast(int, action))
        if world.frames >= world.max_frames:
            world.ended = True
        return float(reward), world.ended

    def draw(self, count: int, keep: float, rng: Rng) -> list[Json]:
        """Indices of actions."""
        return _repeated(rng.integers(self._count, size=count), keep, rng)

    def lives(self) -> int:
        """Lives left."""
        return int(self.world.lives)

    def mark(self) -> bytes:
        """Of the RAM."""
        return hashlib.blake2b(self.world.ram.tobytes(), digest_size=16).digest()

    def save(self) -> bytes:
        """Counters and the emulator's state."""
        state, *counters = self.world.peek()
        return self._HEAD.pack(*counters) + bytes(state.serialize())

    def restore(self, token: bytes) -> None:
        """Put them back."""
        from ale_py import ALEState

        counters = self._HEAD.unpack_from(token)
        self.world.go((ALEState(token[self._HEAD.size :]), *counters))


class WorldSimulator(Simulator):
    """Any other world, by the best snapshot there is for it; where that is not faithful, by playing again."""

    frames = 1

    def __init__(self, world: Any, seed: int) -> None:
        self.world, self.seed = world, seed
        found = check_snapshot(world, stream(0, "snapshot"), trials=2, before=10, after=15)
        if not found.ok and (found.what == "world" or found.way == "replay"):
            found.insist()
        world.reset(seed)
        kept = snapshot_of(world) if found.ok else ReplaySnapshot(world)
        self._snapshot = None if kept.way == "replay" else kept
        self.carries = kept.way == "own"
        space = world.action_space
        self._choices = range(int(space.start), int(space.start + space.n)) if kind_of(space) == "Discrete" else None

    def reset(self) -> None:
        """Reset with the seed."""
        self.world.reset(self.seed)

    def step(self, action: Json) -> tuple[float, bool]:
        """Take a plain action."""
        step = self.world.step(self.world.decode(action))
        return step.reward, step.ended

    def draw(self, count: int, keep: float, rng: Rng) -> list[Json]:
        """Plain actions of the world's space."""
        if self._choices is not None:
            return _repeated(rng.integers(self._choices.start, self._choices.stop, size=count), keep, rng)
        fresh = rng.random(count) >= keep
        actions: list[Json] = []
        for i in range(count):
            actions.append(self.world.encode(self.world.sample(rng)) if i == 0 or fresh[i] else actions[-1])
        return actions

    def lives(self) -> int:
        """Lives left, in Atari games."""
        ale = getattr(self.world.env.unwrapped, "ale", None)
        return int(ale.lives()) if ale is not None else 0

    def mark(self) -> bytes:
        """Of the last observation."""
        return bytes.fromhex(fingerprint(self.world.observation))

    def save(self) -> Any:
        """What the snapshot saves; `None` where the only way back is to play again."""
        return self._snapshot.save() if self._snapshot is not None else None

    def restore(self, token: Any) -> None:
        """By the snapshot."""
        assert self._snapshot is not None
        self._snapshot.restore(token)


def _repeated(fresh: np.ndarray[Any, Any], keep: float, rng: Rng) -> list[Json]:
    change = rng.random(len(fresh)) >= keep
    change[:1] = True
    last = np.maximum.accumulate(np.where(change, np.arange(len(fresh)), 0))
    found: list[Json] = fresh[last].tolist()
    return found


@lru_cache(maxsize=8)
def simulator(env_id: str, arguments: str, max_steps: int | None, seed: int) -> Simulator:
    """The simulator of a world in this process, by name (see `guerdon.worlds.world_of`).

    Raises:
        ConfigError: it cannot be made, or its seed does not decide what happens in it.
    """
    return simulator_of(world_of(env_id, arguments, max_steps), seed)


def simulator_of(world: Any, seed: int) -> Simulator:
    """The simulator of a world at hand."""
    return AleSimulator(world, seed) if isinstance(world, AleWorld) else WorldSimulator(world, seed)


# ── cells ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def settled(cells: Cells, world: Any) -> str:
    """The kind of cells for a world: what "auto" stands for there.

    RAM where the game's is known, else pixels where the world shows a screen, else the observation.

    Raises:
        ConfigError: the world has no such cells.
    """
    if ":" in cells.kind:
        return cells.kind
    if cells.kind not in KINDS:
        raise ConfigError(f"cells {', '.join(KINDS)} or a function", f"got {cells.kind!r}", "Write FILE.py:function")
    if cells.kind == "auto":
        return "ram" if game_of(world) else "pixels" if _screen(world) else "observation"
    if cells.kind == "ram" and not game_of(world):
        do = "Use pixels, dynamic, or a function of your own"
        raise ConfigError("RAM cells, for Montezuma's Revenge or Pitfall", f"got {world.name}", do)
    if cells.kind in ("pixels", "dynamic") and not _screen(world):
        raise ConfigError("a world that shows a screen", f"{world.name} does not", "Use observation, or a function")
    return cells.kind


def cell_of(cells: Cells, world: Any, shrink: Downscale | None = None) -> CellOf:
    """The function from a world to its cell of now.

    Args:
        cells: which.
        world: to check that it has them.
        shrink: the dynamic cells of now; before their first fit they are the pixel cells of 2019.
    """
    kind = settled(cells, world)
    if kind == "ram":
        read = montezuma_cell if game_of(world) == "montezuma" else pitfall_cell
        return lambda here: tuple(read(ram(here), cells.grid))
    if kind == "dynamic" and shrink is not None:
        return lambda here: shrink(grey(here)[None])[0]
    if kind in ("pixels", "dynamic"):
        pixels = PixelCell(cells.width, cells.height, cells.levels)
        return lambda here: pixels(grey(here))
    if kind == "observation":
        return lambda here: _coarse(here.observation, cells.resolution)
    own = function_of(kind)
    return lambda here: plain_key(own(here), kind)


def function_of(name: str) -> CellOf:
    """A user's function by `module:name` or `FILE.py:name`; it takes the world and returns a plain key.

    Raises:
        ConfigError: there is no such function.
    """
    place, _, attribute = name.rpartition(":")
    try:
        found = getattr(load_file(place), attribute) if place.endswith(".py") else resolve(name)
    except (ImportError, AttributeError) as error:
        raise ConfigError("a function of the world as module:name or FILE.py:name", str(error), "Check it") from None
    if not callable(found):
        raise ConfigError("a function of the world", f"{name} is a {type(found).__name__}", "Name a function")
    return found  # type: ignore[no-any-return]


def plain_key(key: Any, name: str) -> Key:
    """A key as it is, if it can be written down.

    Raises:
        ConfigError: it is neither bytes, text, a number, nor a tuple of these.
    """
    if type(key) is tuple:
        for part in key:
            plain_key(part, name)
    elif type(key) not in (bytes, str, int, float, bool):
        do = "Convert it: int(...), bytes(...), tuple(...)"
        raise ConfigError(f"a plain key from {name}", f"got {str(key)[:40]!r} ({type(key).__name__})", do)
    found: Key = key
    return found


def game_of(world: Any) -> Literal["montezuma", "pitfall"] | None:
    """The game whose RAM is known, by the world's name."""
    name = "".join(letter for letter in str(world.name).lower() if letter.isalpha())
    if not name.startswith("ale"):
        return None
    return "montezuma" if "montezumarevenge" in name else "pitfall" if name.removesuffix("v") == "alepitfall" else None


def ram(world: Any) -> U8:
    """The memory of an Atari game now."""
    found: U8 = world.ram if isinstance(world, AleWorld) else world.env.unwrapped.ale.getRAM()
    return found


def grey(world: Any) -> U8:
    """The screen now `(h, w)`: the emulator's, or an observation that is a picture, its colours averaged."""
    if isinstance(world, AleWorld):
        return world.grey()
    picture = np.asarray(world.observation)
    return picture if picture.ndim == 2 else picture.mean(axis=2).astype(np.uint8)


def room_here(world: Any) -> Room | None:
    """The room, where the game's RAM is known: to report and to claim by, not to choose by."""
    game = game_of(world)
    if game is None:
        return None
    memory = ram(world)
    return (int(memory[57]), int(memory[3])) if game == "montezuma" else (pitfall_cell(memory).room,)


def packed(frame: U8) -> bytes:
    """A screen in a few hundred bytes."""
    return struct.pack("<HH", *frame.shape) + zlib.compress(np.ascontiguousarray(frame).tobytes(), 1)


def unpacked(data: bytes) -> U8:
    """What `packed` packed."""
    found: U8 = np.frombuffer(zlib.decompress(data[4:]), np.uint8).reshape(struct.unpack_from("<HH", data))
    return found


def _screen(world: Any) -> bool:
    if isinstance(world, AleWorld):
        return True
    space = world.observation_space
    return kind_of(space) == "Box" and str(space.dtype) == "uint8" and len(space.shape) in (2, 3) and min(
        space.shape[:2]
    ) >= 8  # fmt: skip


def _coarse(observation: Any, resolution: float) -> Key:
    found: list[int | str] = []
    for leaf in leaves(observation):
        if isinstance(leaf, (np.ndarray, np.generic)):
            values: Sequence[Any] = np.asarray(leaf).ravel().tolist()
        else:
            values = (leaf,)
        found += [_rounded(value, resolution) for value in values]
    return tuple(found)


def _rounded(value: Any, resolution: float) -> int | str:
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return math.floor(value / resolution) if math.isfinite(value) else str(value)
    return str(value)
