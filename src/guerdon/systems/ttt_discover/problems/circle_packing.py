"""Circle packing: n disjoint circles in the unit square with the largest sum of radii, checked without rounding.

A construction is n rows `[x, y, r]`, or `{"centers": [[x, y], ...], "radii": [...]}`. Walls and overlaps are checked
on the exact rational values of the floats, with the tolerance that the published verifier allows (1e-12: arXiv
2601.16175, appendix; arXiv 2506.13131, appendix B.12). A reported sum is not read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

from guerdon.core.challenge import Landmark, Picture, Probes
from guerdon.core.plain import Json
from guerdon.core.task import Answer, Task
from guerdon.systems.ttt_discover.problem import Discovery, Invalid, Verifier, construction, numbers, shown

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Circle = tuple[float, float, float]
_PUBLISHED = {
    26: (("AlphaEvolve", 2.635862), ("AlphaEvolve V2, ThetaEvolve, TTT-Discover (Qwen3-8B)", 2.635983)),
    32: (("AlphaEvolve", 2.937944), ("AlphaEvolve V2, TTT-Discover (Qwen3-8B)", 2.939572)),
}


def circles(content: Any, n: int) -> list[Circle]:
    """The circles in an answer.

    Args:
        content: `n` rows `[x, y, r]`, an object with `centers` and `radii`, or either as a `construction`.
        n: how many there must be.

    Raises:
        Invalid: anything else, or a radius below zero or a number outside [-1, 2].
    """
    if isinstance(content, Mapping) and "construction" in content:
        content = construction(content)
    rows = list(_rows(content, n)) if isinstance(content, Mapping) else content
    if not isinstance(rows, (list, tuple)) or len(rows) != n:
        raise Invalid(f"{n} circles", f"got {shown(rows)}")
    found = [numbers(row, least=3, most=3, low=-1.0, high=2.0, what="a circle [x, y, r]") for row in rows]
    for i, (_, _, r) in enumerate(found):
        if r < 0:
            raise Invalid("radii from 0 up", f"circle {i} has {r!r}")
    return [(x, y, r) for x, y, r in found]


def _rows(content: Mapping[str, Any], n: int) -> Iterator[list[Any]]:
    centers, radii = content.get("centers"), content.get("radii")
    for name, value in (("centers", centers), ("radii", radii)):
        if not isinstance(value, (list, tuple)) or len(value) != n:
            raise Invalid(f"{n} {name}", f"got {shown(value)}")
    for center, radius in zip(centers or (), radii or (), strict=True):
        if not isinstance(center, (list, tuple)) or len(center) != 2:
            raise Invalid("centers [x, y]", f"got {shown(center)}")
        yield [*center, radius]


def fault(found: Sequence[Circle], tolerance: float) -> str:
    """What is wrong with a packing, exactly; "" when nothing is.

    A wall may be crossed, and two circles may overlap, by at most `tolerance`.

    >>> fault([(0.5, 0.5, 0.5)], 0.0), fault([(0.5, 0.5, 0.5000001)], 1e-12)
    ('', 'circle 0 crosses a wall')
    """
    exact = [(Fraction(x), Fraction(y), Fraction(r)) for x, y, r in found]
    slack = Fraction(tolerance)
    for i, (x, y, r) in enumerate(exact):
        if min(x, y) - r < -slack or max(x, y) + r > 1 + slack:
            return f"circle {i} crosses a wall"
    for i, j in _close(found, tolerance):
        (x, y, r), (u, v, s) = exact[i], exact[j]
        reach = r + s - slack
        if reach > 0 and (x - u) ** 2 + (y - v) ** 2 < reach**2:
            return f"circles {i} and {j} overlap"
    return ""


def _close(found: Sequence[Circle], tolerance: float) -> Iterator[tuple[int, int]]:
    """Pairs that floating point cannot tell to be apart: the only ones that need exact arithmetic."""
    for i, (x, y, r) in enumerate(found):
        for j in range(i):
            u, v, s = found[j]
            if math.hypot(x - u, y - v) < r + s + tolerance + 1e-9:
                yield i, j


@dataclass(frozen=True)
class Packed(Verifier):
    """Pays the sum of the radii of a valid packing, rounded down.

    Args:
        n: number of circles.
        tolerance: how far walls may be crossed and circles may overlap.
    """

    n: int = 26
    tolerance: float = 1e-12
    part: ClassVar[str] = "sum_of_radii"
    sense = "max"
    label = "circle-packing"

    def measure(self, content: Any) -> float:
        """The sum, computed from the radii."""
        found = circles(content, self.n)
        problem = fault(found, self.tolerance)
        if problem:
            raise Invalid("disjoint circles in the unit square", problem)
        exact = sum((Fraction(r) for _, _, r in found), Fraction(0))
        near = exact.numerator / exact.denominator
        return near if Fraction(near) <= exact else math.nextafter(near, 0.0)


@dataclass(frozen=True, kw_only=True)
class CirclePacking(Discovery):
    """Pack n circles into the unit square so that the sum of their radii is as large as possible."""

    n: int = 26
    """Number of circles (26 and 32 have published records: arXiv 2601.16175, table 2)."""
    tolerance: float = 1e-12
    """How far a wall may be crossed and two circles may overlap (the published verifier's; 0 is possible)."""

    name: ClassVar[str] = "circle-packing"

    @property
    def judge(self) -> Packed:
        """The verifier."""
        return Packed(n=self.n, tolerance=self.tolerance)

    def prompt(self) -> str:
        """What is asked."""
        return (
            f"Place {self.n} disjoint circles in the unit square [0, 1] x [0, 1] so that the sum of their radii is as "
            f"large as possible. Hand in {self.n} rows [x, y, r]. Walls and overlaps are checked exactly, with a "
            f"tolerance of {self.tolerance:g}."
        )

    def sizes(self) -> Mapping[str, Json]:
        """The number of circles and the tolerance."""
        return {"n": self.n, "tolerance": self.tolerance}

    def landmarks(self, task: Task) -> Sequence[Landmark]:
        """Published sums for 26 and 32 circles, and what a grid gives."""
        rows = [Landmark("grid with one size of gap filled", Packed(n=self.n).measure(grid(self.n)), "sum_of_radii")]
        source = "arXiv 2601.16175, section 4.1"
        return (*rows, *(Landmark(who, value, "sum_of_radii", source) for who, value in _PUBLISHED.get(self.n, ())))

    def pictures(self, task: Task, answer: Answer) -> Sequence[Picture]:
        """The packing."""
        try:
            found = circles(answer.content, self.n)
        except Invalid:
            return ()
        total = math.fsum(r for _, _, r in found)
        return (Picture(f"{self.n} circles, sum of radii {total:.6f}", "image/svg+xml", _drawn(found)),)

    def probes(self, tasks: Sequence[Task]) -> Probes:
        """A grid with filled gaps, against packings that overlap, leave the square or report a sum."""
        n, fair = self.n, [list(circle) for circle in grid(self.n)]
        points = [[0.5, 0.5, 0.0]] * n
        big = [[0.5, 0.5, 0.5]] * n
        swollen = [[x, y, r + 1e-9] for x, y, r in fair]
        contents: dict[str, list[Any]] = {
            "a reported sum": [{"construction": points, "sum": 99.0, "sum_of_radii": 99.0, "value": 99.0}],
            "all on one place": [big] if n > 1 else [],
            "over the walls": [[[2.0, 2.0, 1.0], *points[1:]], [[0.0, 0.0, 0.5], *points[1:]]],
            "a little too large": [swollen],
            "radii below zero": [[[0.5, 0.5, -9.0]] * n],
            "too many": [[*fair, *fair]],
            "no numbers": [None, "1", [], {}, [[True] * 3] * n, [["0"] * 3] * n, [[float("nan")] * 3] * n],
        }
        cheats = {label: [Answer(tasks[0].id, each) for each in rows] for label, rows in contents.items() if rows}
        oracle = [Answer(task.id, fair) for task in tasks]
        top = Packed(n=n, tolerance=self.tolerance).measure(fair)
        return Probes(oracle, [Answer(task.id, points) for task in tasks], cheats if tasks else {}, top=top, floor=0.0)


def grid(n: int) -> list[Circle]:
    """The better of two honest packings: a full grid, or a grid one smaller with its gaps filled; never overlapping.

    >>> round(sum(r for _, _, r in grid(26)), 6)
    2.541421
    """
    side = math.isqrt(n - 1) + 1
    full = _square(side)[:n]
    small = _square(side - 1)
    extra = n - len(small)
    if side < 2 or extra < 0 or extra > (side - 2) ** 2:
        return full
    step = 1 / (side - 1)
    gap = (math.sqrt(0.5) - 0.5) * step * (1 - 1e-12)
    inner = [((i + 1) * step, (j + 1) * step, gap) for i in range(side - 2) for j in range(side - 2)]
    filled = small + inner[:extra]
    return max(full, filled, key=lambda each: sum(r for _, _, r in each))


def _square(side: int) -> list[Circle]:
    if side < 1:
        return []
    radius = 0.5 / side * (1 - 1e-12)
    return [((i + 0.5) / side, (j + 0.5) / side, radius) for i in range(side) for j in range(side)]


def seeds(rng: Rng, count: int, n: int = 26) -> list[list[Circle]]:
    """Start constructions: random centres, each radius half the distance to the nearest wall or half that to a centre.

    Args:
        rng: where they are drawn from.
        count: how many.
        n: number of circles.
    """
    found = []
    for _ in range(count):
        points = [(float(x), float(y)) for x, y in rng.uniform(0.05, 0.95, size=(n, 2))]
        found.append([(*point, _room(i, points)) for i, point in enumerate(points)])
    return found


def _room(i: int, points: Sequence[tuple[float, float]]) -> float:
    x, y = points[i]
    apart = min((math.dist(points[i], other) / 2 for j, other in enumerate(points) if j != i), default=1.0)
    return min(x, y, 1 - x, 1 - y, apart) * (1 - 1e-12)


def _drawn(found: Sequence[Circle]) -> bytes:
    shapes = "".join(f'<circle cx="{x:.6f}" cy="{1 - y:.6f}" r="{max(r, 0):.6f}"/>' for x, y, r in found)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="-0.01 -0.01 1.02 1.02" role="img">'
        '<rect width="1" height="1" fill="#ffffff" stroke="#1f3a5f" stroke-width="0.004"/>'
        f'<g fill="#7a9cc6" stroke="#1f3a5f" stroke-width="0.002">{shapes}</g></svg>'
    ).encode()
