"""guerdon: AleWorld with a cell after every step, from RAM or from pixels."""

import numpy as np
from p9_work import GAME, GRID, HEIGHT, LEVELS, SEED, SKIP, WIDTH, operations
from speak import serve

from guerdon.worlds import AleWorld, PixelCell, montezuma_cell


class Guerdon:
    """The worlds room, by its fast path."""

    def __init__(self):
        self.world = AleWorld(GAME, frame_skip=SKIP, observe="none")
        self.cell = PixelCell(WIDTH, HEIGHT, LEVELS)
        self.screen = np.empty((210, 160), np.uint8)
        self.hold, self.keep, self.back = self.world.act, self.world.peek, self.world.go

    def begin(self):
        """A new game."""
        self.world.reset(SEED)

    def over(self):
        """Whether the game is over."""
        return self.world.ended

    def memory(self):
        """The RAM."""
        return self.world.ram

    def by_memory(self, held):
        """One exploration with cells from RAM."""
        world, seen, done = self.world, set(), 0
        for action in held:
            world.act(action)
            done += 1
            seen.add(montezuma_cell(world.ram, GRID))
            if world.ended:
                break
        return done

    def by_pixels(self, held):
        """One exploration with cells from pixels."""
        world, cell, screen, seen, done = self.world, self.cell, self.screen, set(), 0
        for action in held:
            world.act(action)
            done += 1
            seen.add(cell(world.grey(screen)))
            if world.ended:
                break
        return done

    def place(self):
        """The cell from RAM."""
        return list(montezuma_cell(self.world.ram, GRID))

    def levels(self):
        """The cell from pixels."""
        return list(self.cell(self.world.grey(self.screen)))


if __name__ == "__main__":
    side = Guerdon()
    loops = {"memory": side.by_memory, "pixels": side.by_pixels}
    serve(operations(side, loops, {"place": side.place, "levels": side.levels}))
