"""Explorations from stored states: a pure function of the state and a seed, in this process or in several."""

from __future__ import annotations

import atexit
import os
import threading
import zlib
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context, parent_process
from typing import TYPE_CHECKING, Any, NamedTuple

from guerdon.bench.loading import load_file, loaded_files
from guerdon.core.errors import SolverError
from guerdon.core.plain import Json
from guerdon.core.rng import stream
from guerdon.search.downscaling import Downscale
from guerdon.systems.go_explore.simulator import (
    CellOf,
    Cells,
    Room,
    Simulator,
    cell_of,
    grey,
    packed,
    room_here,
    simulator,
)

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Key = Hashable
TRIES = 3
MARK = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How one exploration goes.

    Args:
        steps: at most so many.
        keep: probability that an action is the one before.
        stop_at_death: end at the loss of a life, not only of the game.
        drop: steps before such a death that are not stored either.
        frame_share: probability that a step's screen is kept for fitting dynamic cells.
        with_frames: whether stored states carry their screen.
    """

    steps: int = 100
    keep: float = 0.95
    stop_at_death: bool = True
    drop: int = 1
    frame_share: float = 0.0
    with_frames: bool = False


class Start(NamedTuple):
    """A stored state as it was when it was sampled: by its token, or else by the actions that lead there."""

    score: float
    length: int
    token: Any
    actions: list[Json]


class Offer(NamedTuple):
    """A state on offer to its cell.

    Args:
        step: of the exploration, from 1.
        key: the cell.
        score: from the start of the episode.
        room: where the game's RAM is known.
        snapshot: mark, screen (dynamic cells) and token, where that is bytes; see `Kept`.
        live: a token that is not bytes.
    """

    step: int
    key: Key
    score: float
    room: Room | None
    snapshot: bytes
    live: Any


class Found(NamedTuple):
    """One exploration.

    Args:
        actions: those taken.
        rewards: (step from 1, reward) where it is not zero.
        seen: the cells of the steps that count.
        offers: states worth offering, in order.
        score: at its end.
        over: whether it ended in death or at the end of the episode.
        frames: packed screens for fitting dynamic cells.
    """

    actions: list[Json]
    rewards: list[tuple[int, float]]
    seen: list[Key]
    offers: list[Offer]
    score: float
    over: bool
    frames: list[bytes]


class Kept(NamedTuple):
    """What a snapshot in the archive holds.

    Args:
        mark: 16 bytes that say which state it is.
        frame: its packed screen, with dynamic cells.
        token: the way back, if that is bytes.
    """

    mark: bytes
    frame: bytes
    token: bytes | None

    @classmethod
    def of(cls, snapshot: bytes) -> Kept:
        """From the archive."""
        size = int.from_bytes(snapshot[MARK : MARK + 4], "little")
        token = snapshot[MARK + 4 + size :]
        return cls(snapshot[:MARK], snapshot[MARK + 4 : MARK + 4 + size], zlib.decompress(token) if token else None)

    def pack(self) -> bytes:
        """For the archive."""
        token = b"" if self.token is None else zlib.compress(self.token, 1)
        return b"".join((self.mark, len(self.frame).to_bytes(4, "little"), self.frame, token))


Accepts = Callable[[Key, float, int], bool]
"""Whether a state with a cell, score and length might be taken."""


def explore(sim: Simulator, cell: CellOf, start: Start, rules: Rules, rng: Rng, accepts: Accepts) -> Found:
    """Go back to a state, then take random actions until the steps, the life or the episode end.

    A state is offered when its cell is new to this exploration, or its score higher than before in that cell: no other
    state can be taken, since a later one has a longer trajectory.
    """
    go_to(sim, start)
    lives, score, over = sim.lives(), start.score, False
    actions = sim.draw(rules.steps, rules.keep, rng)
    keep_frame = rng.random(len(actions)) < rules.frame_share if rules.frame_share else None
    best: dict[Key, float] = {}
    found = Found([], [], [], [], 0.0, False, [])
    dead = False
    for i, action in enumerate(actions, 1):
        reward, over = sim.step(action)
        found.actions.append(action)
        if reward:
            score += reward
            found.rewards.append((i, reward))
        dead = rules.stop_at_death and sim.lives() < lives
        if over or dead:
            break
        key = cell(sim.world)
        found.seen.append(key)
        if keep_frame is not None and keep_frame[i - 1]:
            found.frames.append(packed(grey(sim.world)))
        if score > best.get(key, float("-inf")):
            best[key] = score
            if accepts(key, score, start.length + i):
                found.offers.append(offer(sim, i, key, score, rules.with_frames))
    if dead:
        last = len(found.actions) - 1 - rules.drop
        del found.seen[max(last, 0) :]
        found.offers[:] = [each for each in found.offers if each.step <= last]
    return found._replace(score=score, over=over or dead)


def go_to(sim: Simulator, start: Start) -> None:
    """Return to a stored state."""
    if start.token is not None:
        sim.restore(start.token)
        return
    sim.reset()
    for action in start.actions:
        sim.step(action)


def offer(sim: Simulator, step: int, key: Key, score: float, with_frame: bool) -> Offer:
    """The state of now, ready for the archive."""
    token = sim.save()
    frame = packed(grey(sim.world)) if with_frame else b""
    kept = Kept(sim.mark(), frame, token if sim.carries else None)
    return Offer(step, key, score, room_here(sim.world), kept.pack(), None if sim.carries else token)


# ── several at once ─────────────────────────────────────────────────────────────────────────────────────────────────


class Place(NamedTuple):
    """Which world, by name; what `simulator` takes."""

    env_id: str
    arguments: str
    max_steps: int | None
    seed: int


class Plan(NamedTuple):
    """Everything that explorations share."""

    place: Place
    cells: Cells
    shrink: Downscale | None
    rules: Rules
    seed: int


def here(plan: Plan, sim: Simulator, starts: Sequence[Start], accepts: Accepts) -> Iterator[Found]:
    """Explorations in this process, one after another; number i draws from a stream of its own."""
    cell = cell_of(plan.cells, sim.world, plan.shrink)
    for i, start in enumerate(starts):
        yield explore(sim, cell, start, plan.rules, stream(plan.seed, "explore", i), accepts)


def spread_out(plan: Plan, starts: Sequence[Start], processes: int) -> Iterator[Found]:
    """The same explorations in worker processes, in the same order. A pool that lost a worker is replaced.

    Raises:
        SolverError: workers died three times in a row.
    """
    size = max(1, -(-len(starts) // (4 * processes)))
    parts = [(at, starts[at : at + size]) for at in range(0, len(starts), size)]
    done: dict[int, list[Found]] = {}
    for _ in range(TRIES):
        try:
            pool = _pool(processes)
            jobs: dict[int, Future[list[Found]]] = {
                at: pool.submit(_part, plan, at, part) for at, part in parts if at not in done
            }
            for at, job in jobs.items():
                done[at] = job.result()
        except BrokenProcessPool:
            _pool.cache_clear()
            continue
        yield from (found for at, _ in parts for found in done[at])
        return
    raise SolverError(
        f"{processes} worker processes that explore", f"they died {TRIES} times in a row",
        "Give fewer processes, or look for what kills them (memory?)",
    )  # fmt: skip


def _part(plan: Plan, first: int, starts: Sequence[Start]) -> list[Found]:
    sim = simulator(*plan.place)
    cell = cell_of(plan.cells, sim.world, plan.shrink)
    return [
        explore(sim, cell, start, plan.rules, stream(plan.seed, "explore", first + i), _always)
        for i, start in enumerate(starts)
    ]


def _always(key: Key, score: float, length: int) -> bool:
    return True


@cache
def _pool(processes: int) -> ProcessPoolExecutor:
    pool = ProcessPoolExecutor(processes, get_context("spawn"), initializer=_begin, initargs=(loaded_files(),))
    atexit.register(pool.shutdown, wait=False, cancel_futures=True)
    return pool


def _begin(files: Sequence[str]) -> None:
    """In a worker: the user's files, and an end together with the parent, however that ends."""
    for file in files:
        load_file(file)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)
