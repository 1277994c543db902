"""The floor: `ale.act` four times a step and the question whether the game is over. Cells are exact, never timed."""

import numpy as np
from p9_work import GRID, HEIGHT, SKIP, WIDTH, Raw, operations
from speak import serve


class Floor(Raw):
    """The bare emulator."""

    def memory(self):
        """The RAM."""
        return self.ale.getRAM()

    def explore(self, held):
        """One exploration without looking at anything."""
        ale, codes, done = self.ale, self.codes, 0
        for action in held:
            code = codes[action]
            for _ in range(SKIP):
                ale.act(code)
            done += 1
            if ale.game_over(with_truncation=False):
                break
        return done

    def sums(self):
        """Sums of grey over the areas of the pixel cell, each pixel counted `HEIGHT * WIDTH` times: whole numbers."""
        screen = np.empty((210, 160), np.uint8)
        self.ale.getScreenGrayscale(screen)
        rows = np.repeat(screen.astype(np.int64), HEIGHT, axis=0).reshape(HEIGHT, 210, 160).sum(axis=1)
        return np.repeat(rows, WIDTH, axis=1).reshape(HEIGHT, WIDTH, 160).sum(axis=2).ravel().tolist()

    def place(self):
        """Level, room, keys, x and y, by the published addresses."""
        ram = self.ale.getRAM().tolist()
        return [ram[57], ram[3], bin(ram[65] & 14).count("1"), 2 * ram[42] // GRID, ram[43] // GRID]


if __name__ == "__main__":
    floor = Floor()
    serve(operations(floor, {"bare": floor.explore}, {"sums": floor.sums, "place": floor.place}))
