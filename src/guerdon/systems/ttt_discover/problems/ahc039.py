"""AtCoder Heuristic Contest 039, Purse Seine Fishing: a net around many mackerels and few sardines.

5,000 mackerels and 5,000 sardines are integer points of [0, 10^5]^2. A solution is a simple polygon with axis-parallel
edges, at most 1,000 vertices and at most 4 * 10^5 of edges; its mark is max(0, a - b + 1) for a mackerels and b
sardines inside or on its boundary. Rules and generation: https://atcoder.jp/contests/ahc039/tasks/ahc039_a. Generator,
marker and their random numbers are this project's own: a seed here is not the contest's case of that number, whose
files may be given instead (`folder`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from guerdon.core.challenge import Landmark, Picture
from guerdon.core.rng import stream
from guerdon.core.task import Answer, Task
from guerdon.systems.ttt_discover.problems.contest import Contest, Marked, WrongOutput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from guerdon.core.rng import Rng

SIDE = 100_000
FISH = 5_000
VERTICES = 1_000
LENGTH = 4 * SIDE
_TOKEN = re.compile(r"\S+", re.ASCII)
Polygon = Sequence[tuple[int, int]]


@lru_cache(maxsize=512)
def generate(seed: int) -> str:
    """A case: mackerels, then sardines, each from 10 to 25 clusters.

    A cluster has a weight from U(0, 1), a centre from [20000, 80000]^2 and a deviation from 1000 to 5000; a fish picks
    a cluster by weight and a rounded normal place, again until the place is inside and free.
    """
    rng = stream(seed, "ahc039")
    taken: dict[tuple[int, int], None] = {}
    for kind in (1, 2):
        count = int(rng.integers(10, 26))
        weights = rng.random(count)
        centers = rng.integers(20_000, 80_001, size=(count, 2))
        spreads = rng.integers(1_000, 5_001, size=count)
        while len(taken) < kind * FISH:
            drawn = rng.choice(count, size=FISH, p=weights / weights.sum())
            places = centers[drawn] + spreads[drawn, None] * rng.standard_normal((FISH, 2))
            for x, y in places.round().astype(int).tolist():
                if 0 <= x <= SIDE and 0 <= y <= SIDE and len(taken) < kind * FISH:
                    taken.setdefault((x, y))
    return f"{FISH}\n" + "".join(f"{x} {y}\n" for x, y in taken)


@lru_cache(maxsize=512)
def points(case: str) -> NDArray[np.int64]:
    """The (2N, 2) places of a case, mackerels first."""
    import numpy as np

    numbers = np.array(case.split(), dtype=np.int64)
    return numbers[1:].reshape(2 * int(numbers[0]), 2)


def polygon(output: str) -> list[tuple[int, int]]:
    """The last polygon of an output; all of them must be well formed.

    Raises:
        WrongOutput: there is none, or a number is missing, no integer or out of its range.
    """
    tokens = (match.group() for match in _TOKEN.finditer(output))
    found: list[tuple[int, int]] = []
    for first in tokens:
        count = _number(first, 4, VERTICES)
        found = [(_number(next(tokens, ""), 0, SIDE), _number(next(tokens, ""), 0, SIDE)) for _ in range(count)]
    if not found:
        raise WrongOutput("no polygon")
    return found


def _number(token: str, low: int, high: int) -> int:
    if not (token.isascii() and token.isdigit() and len(token) <= 9 and low <= int(token) <= high):
        raise WrongOutput(f"{token[:20]!r} is no integer from {low} to {high}")
    return int(token)


def check(vertices: Polygon) -> None:
    """Hold a polygon to the rules.

    Raises:
        WrongOutput: which one it breaks.
    """
    import numpy as np

    if len(set(vertices)) < len(vertices):
        raise WrongOutput("two vertices are equal")
    p = np.array(vertices, dtype=np.int64)
    step = np.roll(p, -1, axis=0) - p
    if (step != 0).all(axis=1).any():
        raise WrongOutput("an edge is not parallel to an axis")
    if np.abs(step).sum() > LENGTH:
        raise WrongOutput(f"the net is longer than {LENGTH}")
    if ((step * np.roll(step, -1, axis=0)).sum(axis=1) < 0).any():
        raise WrongOutput("an edge turns back on the one before")
    low, high = np.minimum(p, p + step), np.maximum(p, p + step)
    touch = ((low[:, None] <= high[None]) & (low[None] <= high[:, None])).all(axis=2)
    apart = np.abs(np.subtract.outer(np.arange(len(p)), np.arange(len(p))))
    if (touch & (apart > 1) & (apart < len(p) - 1)).any():
        raise WrongOutput("the polygon touches or crosses itself")


def inside(vertices: Polygon, places: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which places lie inside a simple axis-parallel polygon or on its boundary, exactly.

    The lines through the vertices cut the plane into cells, each wholly inside or outside; the closed polygon is the
    union of the closed cells inside.

    Args:
        vertices: of the polygon, in order.
        places: (n, 2) integer points.

    Returns:
        (n,) booleans.
    """
    import numpy as np

    p = np.array(vertices, dtype=np.int64)
    xs, ys = np.unique(p[:, 0]), np.unique(p[:, 1])
    crossed = np.zeros((len(xs) + 1, len(ys) + 1), dtype=bool)  # with a rim of outer cells
    for (x, y), (u, v) in zip(p, np.roll(p, -1, axis=0), strict=True):
        if y == v:
            first, last = np.searchsorted(xs, [min(x, u), max(x, u)])
            crossed[first + 1 : last + 1, np.searchsorted(ys, y) + 1] ^= True
    cells = np.logical_xor.accumulate(crossed, axis=1)
    within = np.zeros(len(places), dtype=bool)
    for side_x in ("left", "right"):
        for side_y in ("left", "right"):
            within |= cells[
                np.searchsorted(xs, places[:, 0], side=side_x),
                np.searchsorted(ys, places[:, 1], side=side_y),
            ]
    return within


def mark(case: str, output: str) -> float:
    """The mark of an output.

    Raises:
        WrongOutput: it breaks the rules.
    """
    vertices = polygon(output)
    check(vertices)
    places = points(case)
    caught = inside(vertices, places)
    half = len(places) // 2
    return float(max(0, int(caught[:half].sum()) - int(caught[half:].sum()) + 1))


@dataclass(frozen=True)
class Fishing(Marked):
    """Pays the mean mark over 1500 (arXiv 2601.16175, appendix).

    Args:
        seconds: wall-clock limit of one case.
        memory_mb: memory of one case, in MiB.
        scale: the mean mark that is worth 1.
    """

    scale: float = 1500.0
    label = "ahc039"

    def generate(self, seed: int) -> str:
        """Fish of a seed."""
        return generate(seed)

    def mark(self, case: str, output: str) -> float:
        """Mackerels less sardines and one more."""
        return mark(case, output)


@dataclass(frozen=True, kw_only=True)
class Ahc039(Contest):
    """Write a program that nets many mackerels and few sardines (AtCoder Heuristic Contest 039)."""

    name: ClassVar[str] = "ahc039"

    @property
    def judge(self) -> Fishing:
        """The verifier."""
        return Fishing(seconds=self.seconds, memory_mb=self.memory_mb)

    def prompt(self) -> str:
        """The rules."""
        return self._prompt(
            "There are N = 5000 mackerels and N sardines at distinct integer points with coordinates from 0 to 100000. "
            "Find a polygon that holds many mackerels and few sardines. Its vertices are 4 to 1000 distinct integer "
            "points with coordinates from 0 to 100000; its edges are parallel to the axes, 400000 long at most in "
            "total, and share no point but the ends of neighbours. The mark is max(0, a - b + 1) for a mackerels and b "
            "sardines inside or on an edge.\n\n"
            "Input: N, then a line `x y` for each mackerel, then for each sardine. Output: the number of vertices, "
            "then a line `x y` for each, in order. Of several polygons the last one counts."
        )

    def landmarks(self, task: Task) -> Sequence[Landmark]:
        """Published totals on the contest's 150 cases, as means."""
        source = "arXiv 2601.16175, table 6; on the contest's own cases"
        totals = {
            "best of 25,600 samples": 554_171,
            "ShinkaEvolve": 558_026,
            "best human": 566_997,
            "TTT-Discover (gpt-oss-120b)": 567_062,
        }
        return [Landmark(who, total / 150, "mean", source) for who, total in totals.items()]

    def oracle(self) -> str:
        """The rectangle of a coarse grid with the best balance."""
        return RECTANGLE

    def top(self) -> float:
        """More than a fifth of the best human's mean."""
        return 0.5

    def pictures(self, task: Task, answer: Answer) -> Sequence[Picture]:
        """The first public case with the net that the program throws there."""
        from guerdon.systems.ttt_discover.problems.drawing import net

        return net(self, answer.content)


RECTANGLE = """\
import sys

def main():
    data = list(map(int, sys.stdin.read().split()))
    n, cells = data[0], 50
    size = 100000 // cells
    grid = [[0] * cells for _ in range(cells)]
    for i in range(2 * n):
        x, y = data[1 + 2 * i], data[2 + 2 * i]
        grid[min(x // size, cells - 1)][min(y // size, cells - 1)] += 1 if i < n else -1
    best, net = -1, (0, 0, 0, 0)
    for left in range(cells):
        rows = [0] * cells
        for right in range(left, cells):
            column = grid[right]
            total, low = 0, 0
            for y in range(cells):
                rows[y] += column[y]
                if total <= 0:
                    total, low = 0, y
                total += rows[y]
                if total > best:
                    best, net = total, (left, low, right, y)
    x0, y0 = net[0] * size, net[1] * size
    x1, y1 = (net[2] + 1) * size - 1, (net[3] + 1) * size - 1
    print(4)
    print(x0, y0)
    print(x1, y0)
    print(x1, y1)
    print(x0, y1)

main()
"""
"""A first program: honest, quick, far from good."""


def seeds(rng: Rng, count: int) -> list[dict[str, str]]:
    """Start programs: the rectangle finder, over and over (the paper starts from a strong published program)."""
    return [{"language": "python", "source": RECTANGLE} for _ in range(count)]
