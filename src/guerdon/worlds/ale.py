"""Atari by the raw emulator: frame-skip stepping, snapshots, and cells of Montezuma's Revenge and Pitfall.

After a restore the *screen* is the one before it until the next step (ale-py 0.12.1; with 0.11 the RAM too). So
`AleWorld` hands out RAM and screens of steps only, and a snapshot carries the RAM of its moment. Cells from RAM are
domain knowledge, and results that use them say so.
"""

from __future__ import annotations

import json
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError, did_you_mean
from guerdon.core.plain import Json
from guerdon.core.rng import stream
from guerdon.core.score import FaultKind
from guerdon.worlds.cells import U8
from guerdon.worlds.errors import WorldError, missing
from guerdon.worlds.identity import package_version, rom_digest
from guerdon.worlds.spaces import fingerprint
from guerdon.worlds.world import Step, checked_seed

BLOCK = 4096
"""Frames whose stickiness is drawn at once."""
Observe = Literal["ram", "grey", "rgb", "none"]


class AleWorld:
    """An Atari game without Gymnasium's layers: no time-limit counter to go wrong, no copies that nobody asked for.

    An action is an index into `action_meanings`; a step holds it for `frame_skip` frames and adds up the rewards, also
    over the loss of a life. With probability `sticky` a frame repeats the action of the frame before (0 here;
    Gymnasium's v5 ids have 0.25). Which frames do follows from the seed and the frame's number: the emulator's own
    sticky actions are not restored with its state.

    Args:
        game: a ROM of ale-py, such as "montezuma_revenge".
        frame_skip: frames a step takes.
        sticky: probability that a frame repeats the last action instead.
        all_actions: offer all 18 actions instead of the game's own.
        max_frames: truncate after so many frames.
        observe: what `step` returns: the RAM `(128,)`, the grey screen `(210, 160)`, RGB `(210, 160, 3)` or nothing.

    Raises:
        ConfigError: ale-py is not installed, or has no such game.
    """

    autoreset: Literal["none"] = "none"

    def __init__(
        self,
        game: str,
        *,
        frame_skip: int = 4,
        sticky: float = 0.0,
        all_actions: bool = False,
        max_frames: int = 400_000,
        observe: Observe = "ram",
    ) -> None:
        try:
            from ale_py import ALEInterface, LoggerMode, roms
        except ImportError as error:
            raise missing("ale-py", error) from None
        known = roms.get_all_rom_ids()
        if game not in known:
            raise ConfigError("a game of ale-py", f"got {game!r}", did_you_mean(game, known))
        ALEInterface.setLoggerMode(LoggerMode.Error)
        self.game, self.name, self.sticky = game, f"ale/{game}", sticky
        self.frame_skip, self.max_frames, self.observe = frame_skip, max_frames, observe
        self._path = str(roms.get_rom_path(game))
        self.ale: Any = ALEInterface()
        self.ale.setFloat("repeat_action_probability", 0.0)  # stickiness is ours: see _sticks
        self.ale.loadROM(self._path)
        set_ = self.ale.getLegalActionSet() if all_actions else self.ale.getMinimalActionSet()
        self._actions = list(set_)
        self.seed: int | None = None
        self.frames = self.steps = self._held = 0
        self.ended = False
        self._sticky: dict[int, npt.NDArray[np.bool_]] = {}
        self.actions: list[int] = []
        self._ram: U8 | None = None

    @property
    def action_meanings(self) -> list[str]:
        """The name of each action, by index."""
        return [action.name for action in self._actions]

    def identity(self) -> dict[str, Json]:
        """Game, ROM, version of ale-py, and everything that changes what an action does."""
        return {
            "id": self.name,
            "rom": rom_digest(self.game),
            "versions": {"ale_py": package_version("ale_py")},
            "frame_skip": self.frame_skip,
            "sticky": float(self.sticky),
            "actions": ",".join(self.action_meanings),
            "max_frames": self.max_frames,
        }

    def reset(self, seed: int) -> tuple[Any, dict[str, Any]]:
        """Load the game anew with a seed, so that nothing of the episode before is left."""
        self.seed = checked_seed(seed)
        word = int(np.random.SeedSequence(self.seed).generate_state(1)[0]) & 0x7FFFFFFF  # ALE takes 31 bits
        self.ale.setInt("random_seed", word)
        self.ale.loadROM(self._path)
        self.ale.reset_game()
        self._sticky = {}
        self.frames = self.steps = self._held = 0
        self.ended, self.actions, self._ram = False, [], None
        return self._see(), self._info()

    def step(self, action: int) -> Step:
        """Hold an action for `frame_skip` frames.

        Raises:
            WorldError: before a reset, after the end, or no such action.
        """
        if self.seed is None or self.ended:
            what = "there was none" if self.seed is None else f"it ended after {self.steps} steps"
            raise WorldError(
                "a running episode", what, "Call reset(seed)", world=self.name, step=self.steps, kind=FaultKind.INVALID
            )
        self.decode(plain_index(action))
        reward = self.act(int(action))
        terminated = self.ended
        truncated = not terminated and self.frames >= self.max_frames
        self.ended = terminated or truncated
        self.actions.append(int(action))
        return Step(self._see(), float(reward), terminated, truncated, self._info())

    def act(self, action: int) -> int:
        """The fast path of `step`: the reward only; `ended` says whether the game is over."""
        ale, code, reward = self.ale, self._actions[action], 0
        if self.sticky:
            for frame in range(self.frames, self.frames + self.frame_skip):
                if not self._sticks(frame):
                    self._held = action
                reward += ale.act(self._actions[self._held])
        else:
            for _ in range(self.frame_skip):
                reward += ale.act(code)
        self.frames += self.frame_skip
        self.steps += 1
        self.ended = ale.game_over(with_truncation=False)
        self._ram = None
        return reward

    def encode(self, action: Any) -> Json:
        """An action as plain JSON, which is its index."""
        return self.decode(plain_index(action))

    def decode(self, plain: Json) -> int:
        """The index of an action.

        Raises:
            WorldError: there is no such action.
        """
        if type(plain) is int and 0 <= plain < len(self._actions):
            return plain
        raise WorldError(
            f"an action from 0 to {len(self._actions) - 1}",
            f"got {str(plain)[:40]!r}",
            "Give one of them",
            world=self.name,
            step=self.steps,
        )

    def sample(self, rng: np.random.Generator) -> int:
        """A random action."""
        return int(rng.integers(len(self._actions)))

    @property
    def ram(self) -> U8:
        """The 128 bytes of memory now `(128,)`, right also straight after a restore."""
        return self._ram if self._ram is not None else self.ale.getRAM()

    @property
    def lives(self) -> int:
        """Lives left."""
        return int(self.ale.lives())

    def grey(self, out: U8 | None = None) -> U8:
        """The grey screen `(210, 160)`; of the step before, if a restore came since."""
        out = np.empty((210, 160), np.uint8) if out is None else out
        self.ale.getScreenGrayscale(out)
        return out

    def render(self) -> U8:
        """The colour screen `(210, 160, 3)`; of the step before, if a restore came since."""
        return self.ale.getScreenRGB()  # type: ignore[no-any-return]

    def digest(self) -> str:
        """A digest of the RAM, the lives and the frame number."""
        return fingerprint([self.ram, self.lives, self.frames])

    def save(self) -> bytes:
        """The whole state, random numbers included."""
        state = self.ale.cloneState(include_rng=True)
        counters = (self.seed, self.frames, self.steps, self.ended, self._held, bytes(self.ram).hex())
        notes = json.dumps([*counters, [int(action) for action in self.actions]]).encode("ascii")
        return b"".join((len(notes).to_bytes(8, "little"), notes, state.serialize()))

    def restore(self, token: bytes) -> None:
        """Go to a saved state."""
        from ale_py import ALEState

        start = 8 + int.from_bytes(token[:8], "little")
        seed, frames, steps, ended, held, ram, actions = json.loads(token[8:start])
        self.ale.restoreState(ALEState(token[start:]))
        self.seed, self.frames, self.steps, self.ended, self.actions = seed, frames, steps, ended, actions
        self._held, self._sticky = held, {}
        self._ram = np.frombuffer(bytes.fromhex(ram), np.uint8)

    def peek(self) -> tuple[Any, int, int, int]:
        """The fastest snapshot, for search in this process: the emulator's state, frames, steps, the action held."""
        return self.ale.cloneState(include_rng=True), self.frames, self.steps, self._held

    def go(self, peeked: tuple[Any, int, int, int]) -> None:
        """Go to what `peek` returned. RAM and screen mean something after the next step only; `actions` is empty."""
        self.ale.restoreState(peeked[0])
        _, self.frames, self.steps, self._held = peeked
        self.ended, self._ram, self.actions = False, None, []

    def close(self) -> None:
        """Nothing to release."""

    def _sticks(self, frame: int) -> bool:
        """Whether a frame repeats the action before it; a function of the seed and the frame's number."""
        block = frame // BLOCK
        if block not in self._sticky:
            assert self.seed is not None
            self._sticky = {block: stream(self.seed, "sticky", block).random(BLOCK) < self.sticky}
        return bool(self._sticky[block][frame % BLOCK])

    def _see(self) -> Any:
        match self.observe:
            case "ram":
                return np.array(self.ale.getRAM(), np.uint8)
            case "grey":
                return self.grey()
            case "rgb":
                return self.render()
            case _:
                return None

    def _info(self) -> dict[str, Any]:
        return {"lives": self.lives, "frame": self.frames}


def plain_index(action: Any) -> Any:
    """NumPy's whole numbers as Python's; everything else as it is."""
    return action.item() if isinstance(action, np.generic) else action
