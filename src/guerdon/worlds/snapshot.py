"""Save a world and go back: one protocol, four ways, and a check that they are right.

    ale       cloneState, where no actions stick          tens of microseconds
    mujoco    the whole MjData, the layers' attributes     tens of microseconds
    copy      deepcopy of a pure-Python world              milliseconds
    replay    reset and the same actions again             as long as the episode so far

A snapshot that forgets something (a hidden random generator, a counter in a wrapper) is worse than none, so
`check_snapshot` restores and plays on, and says at which step the two futures part.
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from guerdon.core.errors import ConfigError
from guerdon.core.plain import canonical
from guerdon.worlds.spaces import fingerprint
from guerdon.worlds.world import layers

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Token = Any
"""What `save` returns and `restore` takes; opaque. Bytes, except for copies of live worlds."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a snapshot costs, measured.

    Args:
        save_s: seconds for `save`.
        restore_s: seconds for `restore`.
        size: bytes of a token, or 0 where it is a live copy.
    """

    save_s: float
    restore_s: float
    size: int


class Snapshot(Protocol):
    """Saves and restores one world, at any moment after its reset."""

    way: str
    world: Any

    def save(self) -> Token:
        """The state of now."""

    def restore(self, token: Token) -> None:
        """Go to a saved state, as often as one likes."""

    def cost(self) -> Cost:
        """What one costs now."""


class _Adapter(Snapshot):
    """What all snapshots share: the timing, and the world's own notes."""

    way = ""

    def __init__(self, world: Any) -> None:
        self.world = world

    def cost(self) -> Cost:
        """Save and restore once each, timed."""
        start = time.perf_counter()
        token = self.save()
        middle = time.perf_counter()
        self.restore(token)
        size = len(token) if isinstance(token, bytes) else 0
        return Cost(middle - start, time.perf_counter() - middle, size)

    def _book(self) -> tuple[Any, ...]:
        """What the world itself notes, beside the environment's state."""
        world = self.world
        return world.seed, world.steps, world.ended, list(world.actions), copy.deepcopy(world.observation)

    def _note(self, book: tuple[Any, ...]) -> None:
        world = self.world
        world.seed, world.steps, world.ended, actions, observation = book
        world.actions, world.observation, world._last = list(actions), copy.deepcopy(observation), None


class OwnSnapshot(_Adapter):
    """For worlds that save and restore themselves, such as `AleWorld`."""

    way = "own"

    def save(self) -> Token:
        """The world's own token."""
        return self.world.save()

    def restore(self, token: Token) -> None:
        """By the world's own restore."""
        self.world.restore(token)


class AleSnapshot(_Adapter):
    """For Gymnasium's Atari ids: the emulator with its random numbers, and the counters of all layers.

    Not for sticky actions: the emulator's state does not hold the action that may be repeated in the next frame (as of
    ale-py 0.12.1), so the step after a restore may repeat an action of another future. Those worlds are replayed;
    `AleWorld` draws its sticky actions itself and has no such trouble.

    Raises:
        ConfigError: the world's actions are sticky.
    """

    way = "ale"

    def __init__(self, world: Any) -> None:
        super().__init__(world)
        if self.sticks(world):
            raise ConfigError(
                "an Atari world without sticky actions", "the action that sticks is not in the emulator's state",
                "Make it with repeat_action_probability=0, or use AleWorld(game, sticky=...) or ReplaySnapshot",
            )  # fmt: skip

    @staticmethod
    def sticks(world: Any) -> bool:
        """Whether the emulator repeats actions by chance."""
        return float(world.env.unwrapped.ale.getFloat("repeat_action_probability")) > 0.0

    def save(self) -> Token:
        """Emulator, layers and notes."""
        state = self.world.env.unwrapped.ale.cloneState(include_rng=True)
        return state.serialize(), layer_states(self.world.env), self._book()

    def restore(self, token: Token) -> None:
        """Restore all three; the screen is right from the next step on."""
        from ale_py import ALEState

        state, states, book = token
        self.world.env.unwrapped.ale.restoreState(ALEState(state))
        put_layer_states(self.world.env, states)
        self._note(book)


class CopySnapshot(_Adapter):
    """For worlds written in Python: a deep copy of the environment with its wrappers. The token is a live copy."""

    way = "copy"

    def save(self) -> Token:
        """A copy that is never stepped."""
        return copy.deepcopy(self.world.env), self._book()

    def restore(self, token: Token) -> None:
        """A fresh copy of the copy takes the environment's place."""
        self.world.env = copy.deepcopy(token[0])
        self._note(token[1])


class ReplaySnapshot(_Adapter):
    """For worlds that cannot be saved: the seed and the actions, played again from the start."""

    way = "replay"

    def save(self) -> bytes:
        """Seed and actions, as JSON."""
        return canonical([self.world.seed, self.world.actions]).encode()

    def restore(self, token: bytes) -> None:
        """Reset with the seed and take the actions."""
        import json

        seed, actions = json.loads(token)
        self.world.reset(seed)
        for action in actions:
            self.world.step(self.world.decode(action))


def snapshot_of(world: Any) -> Snapshot:
    """The best way to save a world: its own, the emulator's, MuJoCo's, a deep copy, or replay.

    Args:
        world: a `World`, an `AleWorld`, or anything with `save` and `restore`.
    """
    if hasattr(world, "save") and hasattr(world, "restore"):
        return OwnSnapshot(world)
    inner = world.env.unwrapped
    if hasattr(inner, "ale"):
        return ReplaySnapshot(world) if AleSnapshot.sticks(world) else AleSnapshot(world)
    if type(getattr(inner, "data", None)).__name__ == "MjData":
        from guerdon.worlds.mujoco import MujocoSnapshot

        return MujocoSnapshot(world)
    try:
        copy.deepcopy(world.env)
    except Exception:  # noqa: BLE001  # whatever a world raises when copied, it cannot be copied
        return ReplaySnapshot(world)
    return CopySnapshot(world)


@dataclass(frozen=True, slots=True)
class Faithful:
    """Whether a snapshot is faithful, and otherwise what differed.

    Args:
        ok: true if every restored future was the same.
        step: the step, counted from the snapshot, at which futures first parted; `None` if they did not.
        what: "observation", "reward", "end", "world" (not even reproducible from its seed) or "".
        way: how it was saved.
        cost: the mean of what was measured.
    """

    ok: bool
    step: int | None
    what: str
    way: str
    cost: Cost

    def insist(self) -> None:
        """Raise unless it is faithful.

        Raises:
            ConfigError: it is not.
        """
        if not self.ok:
            cause = "its seed does not decide what happens" if self.what == "world" else f"the {self.what} differs"
            raise ConfigError(
                f"a restored world goes on as before (by {self.way})",
                f"{cause} {self.step} steps later",
                "Let the world keep its random numbers in self.np_random, or use ReplaySnapshot",
            )


def check_snapshot(
    world: Any,
    rng: Rng,
    snapshot: Snapshot | None = None,
    *,
    trials: int = 4,
    before: int = 20,
    after: int = 30,
    seed: int = 0,
) -> Faithful:
    """Restore and replay: save at a random moment, play on, go back, play the same, compare bit by bit.

    Each trial compares three futures of one moment: the one after saving, the one after a restore, and the one after
    a detour and a second restore; and the first of them with an episode in which nothing was saved.

    Args:
        world: the world; it is reset.
        rng: draws the actions.
        snapshot: the way to check; `snapshot_of(world)` by default.
        trials: moments to try.
        before: at most so many steps before the snapshot.
        after: steps to compare after it.
        seed: of the first episode; each trial takes the next.
    """
    costs: list[Cost] = []
    way = snapshot.way if snapshot else ""
    for trial in range(trials):
        at = 0 if trial == 0 else int(rng.integers(before + 1))
        actions = [world.sample(rng) for _ in range(at + after)]
        detour = [world.sample(rng) for _ in range(after)]
        world.reset(seed + trial)
        plain = [_play(world, actions)]
        world.reset(seed + trial)
        plain.append(_play(world, actions))
        if (apart := _parting(plain[0], plain[1])) is not None:
            return Faithful(False, apart[0], "world", way, _mean(costs))
        world.reset(seed + trial)
        lead = _play(world, actions[:at])
        kept = snapshot or snapshot_of(world)
        way = kept.way
        start = time.perf_counter()
        token = kept.save()
        saved = time.perf_counter() - start
        futures = [plain[0][len(lead) :], _play(world, actions[at:])]
        kept.restore(token)
        futures.append(_play(world, actions[at:]))
        kept.restore(token)
        _play(world, detour)
        start = time.perf_counter()
        kept.restore(token)
        costs.append(Cost(saved, time.perf_counter() - start, len(token) if isinstance(token, bytes) else 0))
        futures.append(_play(world, actions[at:]))
        partings = [found for one in futures[1:] if (found := _parting(futures[0], one)) is not None]
        if partings:
            return Faithful(False, *min(partings), way, _mean(costs))
    return Faithful(True, None, "", way, _mean(costs))


Played = list[tuple[str, float, bool]]


def _play(world: Any, actions: list[Any]) -> Played:
    """Digest of the observation, reward and end, for each step up to the end of the episode."""
    played: Played = []
    for action in actions:
        if world.ended:
            break
        step = world.step(action)
        played.append((fingerprint(step.observation), step.reward, step.ended))
    return played


def _parting(one: Played, other: Played) -> tuple[int, str] | None:
    for i, (a, b) in enumerate(zip(one, other)):
        for what, x, y in zip(("observation", "reward", "end"), a, b):
            if x != y:
                return i, what
    return None if len(one) == len(other) else (min(len(one), len(other)), "end")


def _mean(costs: list[Cost]) -> Cost:
    if not costs:
        return Cost(0.0, 0.0, 0)
    columns = [(c.save_s, c.restore_s, c.size) for c in costs]
    save, restore, size = np.mean(columns, axis=0)
    return Cost(float(save), float(restore), int(size))


# ── the attributes of wrappers ──────────────────────────────────────────────────────────────────────────────────────

PASSED_OVER = frozenset({"env", "ale", "model", "data", "spec", "mujoco_renderer", "viewer"})


def layer_states(env: Any) -> list[dict[str, Any]]:
    """Attributes of the environment and its wrappers, each copied; those that cannot be are passed over."""
    found = []
    for layer in layers(env):
        kept = {}
        for name, value in vars(layer).items():
            if name in PASSED_OVER or name.endswith("_space"):
                continue
            try:
                kept[name] = copy.deepcopy(value)
            except Exception:  # noqa: BLE001  # renderers, windows, handles: nothing that decides the future
                continue
        found.append(kept)
    return found


def put_layer_states(env: Any, states: list[dict[str, Any]]) -> None:
    """Set the attributes that `layer_states` returned."""
    for layer, kept in zip(layers(env), states, strict=True):
        for name, value in kept.items():
            setattr(layer, name, copy.deepcopy(value))
