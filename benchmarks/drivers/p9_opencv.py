"""A plain loop over ale-py, with the cell as it is published: shrink by area, divide, round down."""

import cv2
import numpy as np
from p9_work import HEIGHT, LEVELS, SKIP, WIDTH, Raw, operations
from speak import serve

cv2.setNumThreads(1)


class Plain(Raw):
    """The emulator and OpenCV."""

    def __init__(self):
        super().__init__()
        self.screen = np.empty((210, 160), np.uint8)

    def memory(self):
        """The RAM."""
        return self.ale.getRAM()

    def cell(self):
        """The cell of the screen."""
        self.ale.getScreenGrayscale(self.screen)
        small = cv2.resize(self.screen, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        return (small / 255.0 * LEVELS).astype(np.uint8).tobytes()

    def explore(self, held):
        """One exploration."""
        ale, codes, seen, done = self.ale, self.codes, set(), 0
        for action in held:
            code = codes[action]
            for _ in range(SKIP):
                ale.act(code)
            done += 1
            seen.add(self.cell())
            if ale.game_over(with_truncation=False):
                break
        return done

    def levels(self):
        """The cell as a list."""
        return list(self.cell())


if __name__ == "__main__":
    plain = Plain()
    serve(operations(plain, {"pixels": plain.explore}, {"levels": plain.levels}))
