"""The explorations that all sides do, and how the raw emulator is opened; the same on all sides."""

import hashlib

import numpy as np

GAME, SKIP, STEPS, APART = "montezuma_revenge", 4, 100, 25
WIDTH, HEIGHT, LEVELS, GRID = 11, 8, 8, 16
SEED = 20_260


def emulator_seed():
    """The 31 bits that `AleWorld.reset(SEED)` gives the emulator."""
    return int(np.random.SeedSequence(SEED).generate_state(1)[0]) & 0x7FFFFFFF


def actions(name, count):
    """Random actions out of 18, each held for a while, as the published exploration does."""
    rng = np.random.default_rng([SEED, name, count])
    kept = rng.random(count) < 0.95
    found = rng.integers(18, size=count).tolist()
    for i in range(1, count):
        if kept[i]:
            found[i] = found[i - 1]
    return found


class Raw:
    """The bare emulator, opened as `AleWorld` opens it; `plays[i]` is an exploration's start and its actions."""

    def __init__(self):
        from ale_py import ALEInterface, LoggerMode, roms

        ALEInterface.setLoggerMode(LoggerMode.Error)
        self.ale = ALEInterface()
        self.ale.setFloat("repeat_action_probability", 0.0)
        self.path = str(roms.get_rom_path(GAME))
        self.begin()
        self.codes = list(self.ale.getMinimalActionSet())

    def begin(self):
        """A new game."""
        self.ale.setInt("random_seed", emulator_seed())
        self.ale.loadROM(self.path)
        self.ale.reset_game()

    def hold(self, action):
        """One step."""
        for _ in range(SKIP):
            self.ale.act(self.codes[action])

    def over(self):
        """Whether the game is over."""
        return self.ale.game_over(with_truncation=False)

    def keep(self):
        """The state now."""
        return self.ale.cloneState(include_rng=True)

    def back(self, state):
        """Go to a state."""
        self.ale.restoreState(state)


def plays(side, count):
    """Starts along one random walk, each with the actions that are explored from it.

    Args:
        side: has `begin`, `hold`, `over` and `keep`.
        count: explorations.
    """
    side.begin()
    found = []
    for i, action in enumerate(actions(0, count * APART)):
        if i % APART == 0:
            found.append((side.keep(), actions(1 + i, STEPS)))
        side.hold(action)
        if side.over():
            side.begin()
    return found


def digest(pieces):
    """A short digest of some bytes."""
    return hashlib.sha256(b"".join(pieces)).hexdigest()[:16]


def operations(side, loops, looks):
    """What a side answers to.

    Args:
        side: see `plays`, with `back`.
        loops: by name, the timed loop of one exploration `(actions) -> steps done`.
        looks: by name, what is seen after a step, as plain data; never timed.
    """
    kept = {}

    def prepare(count):
        kept["plays"] = plays(side, count)

    def explore(loop):
        done, ends, once = 0, [], loops[loop]
        for start, held in kept["plays"]:
            side.back(start)
            done += once(held)
            ends.append(bytes(side.memory()))
        return {"steps": done, "memory": digest(ends)}

    def look(what, count):
        found = []
        for start, held in kept["plays"][:count]:
            side.back(start)
            for action in held:
                side.hold(action)
                if side.over():
                    break
                found.append(looks[what]())
        return found

    return {"prepare": prepare, "explore": explore, "look": look}
