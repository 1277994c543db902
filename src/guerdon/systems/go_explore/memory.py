"""What phase 1 remembers of one task: the archive, the log, the best finished trajectory, and where it has been."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from guerdon.core.plain import Json
from guerdon.search import saving
from guerdon.search.cells import CellArchive, CellRecord
from guerdon.search.downscaling import Downscale, fit
from guerdon.search.grid import BETTER, NEW
from guerdon.systems.go_explore.explore import Found, Kept, Start, offer
from guerdon.systems.go_explore.log import Log
from guerdon.systems.go_explore.simulator import CellOf, Room, Simulator, unpacked

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Key = Hashable


class End(NamedTuple):
    """A stored trajectory, by its end."""

    score: float
    length: int
    pointer: int


class News(NamedTuple):
    """What a batch found that was not known before.

    Args:
        best: the best trajectory, if it is a new one.
        rooms: the ways into new rooms.
    """

    best: End | None
    rooms: list[End]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """When and on what dynamic cells are fitted (arXiv 2004.12919, methods).

    Args:
        first: steps before the first fit.
        every: steps between fits.
        most_cells: fit when the archive has more cells.
        recent: screens kept.
        proposals: tried in a fit.
        target: cells wanted for each screen.
    """

    first: int
    every: int
    most_cells: int
    recent: int
    proposals: int
    target: float


@dataclass(slots=True)
class Memory:
    """The state of phase 1 on one task.

    Args:
        archive: the cells; see `Kept` for its snapshots.
        log: the steps of all stored trajectories.
        done: the best trajectory that ended, in death or otherwise: the cell DONE, which is never chosen.
        live: tokens that are not bytes, by entry; what is missing is played again.
        rooms: the first way into each room.
        steps: taken by explorations.
        explorations: how many.
        shrink: the dynamic cells of now.
        frames: recent screens, packed.
        next_fit: steps at which dynamic cells are fitted next.
        former: states of former archives, by entry, for dynamic cells.
        first: the start state's snapshot.
    """

    archive: CellArchive
    log: Log = field(default_factory=Log)
    done: End | None = None
    live: dict[int, Any] = field(default_factory=dict)
    rooms: dict[Room, End] = field(default_factory=dict)
    steps: int = 0
    explorations: int = 0
    shrink: Downscale | None = None
    frames: deque[bytes] = field(default_factory=deque)
    next_fit: int = 0
    former: CellArchive = field(default_factory=CellArchive)
    first: bytes = b""

    @classmethod
    def begin(cls, sim: Simulator, cell: CellOf, *, reset_counters: bool, with_frames: bool) -> Memory:
        """The archive of the start state alone."""
        memory = cls(CellArchive(reset_counters=reset_counters))
        sim.reset()
        first = offer(sim, 0, cell(sim.world), 0.0, with_frames)
        memory.archive.add([first.key], [0.0], [0], [0], [first.snapshot])
        memory._keep(first.room, End(0.0, 0, 0), first.live)
        memory.first = first.snapshot
        return memory

    @property
    def best(self) -> End:
        """The stored trajectory with the highest score, and of those the shortest."""
        row = int(np.lexsort((self.archive.lengths, -self.archive.scores))[0])
        record = self.archive.record(self.archive.keys[row])
        best = End(record.score, record.length, record.pointer)
        return self.done if self.done is not None and self.done.score > best.score else best

    def start(self, record: CellRecord, *, sendable: bool = False) -> Start:
        """A way back to a sampled cell.

        Args:
            record: as it was sampled.
            sendable: to another process, which a live token is not.
        """
        token: Any = Kept.of(record.snapshot).token
        if token is None and not sendable:
            token = self.live.get(record.pointer)
        actions: list[Json] = [] if token is not None else self.log.actions(record.pointer)
        return Start(record.score, record.length, token, actions)

    def root(self, *, sendable: bool = False) -> Start:
        """A way back to the start state."""
        token: Any = Kept.of(self.first).token
        return Start(0.0, 0, self.live.get(0) if token is None and not sendable else token, [])

    def might_take(self, key: Key, score: float, length: int) -> bool:
        """Whether the archive would take such a state now; what it refuses now it refuses ever after."""
        if key not in self.archive:
            return True
        known = self.archive.record(key)
        return score > known.score or (score == known.score and length < known.length)

    def take(self, records: Sequence[CellRecord], starts: Sequence[End], found: Iterable[Found]) -> News:
        """Bring in explorations, in order.

        Args:
            records: the cells that were chosen, frozen.
            starts: where the explorations really started: the same cells, or the start state.
            found: an exploration for each; fewer where the budget of steps is spent.
        """
        before, known = self.best, set(self.rooms)
        self.archive.choose([record.row for record in records])
        for record, start, one in zip(records, starts, found):
            self._take(record, start, one)
        self._forget()
        best = self.best
        news = [end for room, end in self.rooms.items() if room not in known]
        return News(best if best.score > before.score else None, news)

    def _take(self, record: CellRecord, start: End, one: Found) -> None:
        self.steps += len(one.actions)
        self.explorations += 1
        archive, first = self.archive, self.log.end
        unknown = [key for key in set(one.seen) if key not in archive]
        archive.see(one.seen)
        offers = one.offers
        status = archive.add(
            [each.key for each in offers],
            [each.score for each in offers],
            [start.length + each.step for each in offers],
            np.array([first + each.step for each in offers], np.int64),
            [each.snapshot for each in offers],
        ).tolist()
        if not archive.reset_counters:
            archive.see(unknown)
        taken = [each for each, one_status in zip(offers, status) if one_status in (NEW, BETTER)]
        stored = max((each.step for each in taken), default=0)
        end = End(one.score, start.length + len(one.actions), first + len(one.actions))
        if one.over and (self.done is None or (-end.score, end.length) < (-self.done.score, self.done.length)):
            self.done, stored = end, len(one.actions)
        if stored:
            self.log.append(start.pointer, one.actions[:stored], [pair for pair in one.rewards if pair[0] <= stored])
        if taken:
            archive.found_new([record.key])
        for each in taken:
            way = End(each.score, start.length + each.step, first + each.step)
            self._keep(each.room, way, each.live)
        self.frames.extend(one.frames)

    def _keep(self, room: Room | None, way: End, live: Any) -> None:
        if live is not None:
            self.live[way.pointer] = live
        if room is not None and room not in self.rooms:
            self.rooms[room] = way

    def _forget(self) -> None:
        """Drop live tokens of states that were replaced."""
        if len(self.live) > 2 * (len(self.archive) + len(self.former)) + 16:
            wanted = {self.archive.record(key).pointer for key in self.archive.keys} | set(self.former.keys) | {0}
            self.live = {pointer: token for pointer, token in self.live.items() if pointer in wanted}

    def refit(self, fitting: Fitting, rng: Rng) -> bool:
        """Fit dynamic cells anew where it is time, and give all stored states, former ones too, their new cells.

        Returns:
            Whether it was done.
        """
        while len(self.frames) > fitting.recent:
            self.frames.popleft()
        full = len(self.archive) > fitting.most_cells and self.steps >= self.next_fit - fitting.every + fitting.first
        due = full or self.steps >= (self.next_fit or fitting.first)
        if not due or len(self.frames) < 2:
            return False
        self.next_fit = self.steps + fitting.every
        screens = np.stack([unpacked(each) for each in self.frames])
        self.shrink = fit(screens, rng, proposals=fitting.proposals, target=fitting.target)
        records = [self.archive.record(key) for key in self.archive.keys]
        _add(self.former, [record.pointer for record in records], records)
        self.archive = self.archive.rekeyed(self._named)
        older = [self.former.record(pointer) for pointer in self.former.keys]
        _add(self.archive, self._named(older), older)
        return True

    def _named(self, records: Sequence[CellRecord]) -> list[Key]:
        assert self.shrink is not None
        names: list[Key] = []
        for at in range(0, len(records), 256):
            frames = [unpacked(Kept.of(record.snapshot).frame) for record in records[at : at + 256]]
            names += self.shrink(np.stack(frames))
        return names

    # ── on disk ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def save(self, folder: Path) -> None:
        """Write it into a folder; live tokens are left out and played again when they are needed."""
        self.archive.save(folder / "archive")
        self.former.save(folder / "former")
        self.log.save(folder / "log")
        shrink = self.shrink
        plain: dict[str, Json] = {
            "done": self.done,
            "rooms": [[list(room), list(end)] for room, end in self.rooms.items()],
            "steps": self.steps,
            "explorations": self.explorations,
            "shrink": None if shrink is None else [shrink.width, shrink.height, shrink.depth],
            "next_fit": self.next_fit,
        }
        arrays: dict[str, npt.NDArray[Any]] = {
            "sizes": np.array([len(each) for each in self.frames], np.int64),
            "frames": np.frombuffer(b"".join(self.frames), np.uint8),
            "first": np.frombuffer(self.first, np.uint8),
        }
        saving.write(folder, "Memory", arrays, plain)

    @classmethod
    def load(cls, folder: Path) -> Memory:
        """Read what `save` wrote."""
        arrays, plain = saving.read(folder, "Memory")
        data, ends = arrays["frames"].tobytes(), np.cumsum(arrays["sizes"]).tolist()
        return cls(
            CellArchive.load(folder / "archive"),
            Log.load(folder / "log"),
            End(*plain["done"]) if plain["done"] else None,
            {},
            {tuple(room): End(*end) for room, end in plain["rooms"]},
            plain["steps"],
            plain["explorations"],
            Downscale(*plain["shrink"]) if plain["shrink"] else None,
            deque(data[start:end] for start, end in zip([0, *ends], ends)),
            plain["next_fit"],
            CellArchive.load(folder / "former"),
            arrays["first"].tobytes(),
        )


def _add(archive: CellArchive, keys: Sequence[Key], records: Sequence[CellRecord]) -> None:
    pointers = np.array([record.pointer for record in records], np.int64)
    archive.add(
        keys, [record.score for record in records], [record.length for record in records], pointers,
        [record.snapshot for record in records],
    )  # fmt: skip
