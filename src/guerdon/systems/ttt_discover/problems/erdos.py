"""The Erdős minimum overlap problem: a step function on [0, 2] whose largest overlap with its complement is small.

For h: [0, 2] → [0, 1] with integral 1 the overlap at a shift x is ∫ h(t) (1 − h(t + x)) dt, and C5 is its maximum
over all shifts. With n equal steps the overlap is linear between multiples of the step, so its maximum is found
exactly. Sources: arXiv 2601.16175 (problem and figures), arXiv 1609.08000 (step functions).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

from guerdon.core.challenge import Landmark, Picture, Probes
from guerdon.core.errors import ConfigError
from guerdon.core.plain import Json
from guerdon.core.task import Answer, Task
from guerdon.search.space import Space
from guerdon.systems.ttt_discover import exact
from guerdon.systems.ttt_discover.problem import Discovery, Invalid, Sense, Verifier, construction, numbers

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from guerdon.core.rng import Rng

    Floats = npt.NDArray[np.float64]

MOST = 1000
"""Most steps of a construction (source)."""
SLACK = 1e-12
"""How far rescaling may push a value above 1 before it is refused; what is within is set to 1."""
PAPER = "arXiv 2601.16175, table 2"
KNOWN: tuple[float, ...] = (
    0, 0, 0, 0.3, 0.289, 0.613, 0.258, 0.338, 0.697, 0.415, 0.454, 0.564, 0.617, 0.665, 0.553, 0.755, 1, 0.884, 0.724,
    0.679, 1, 0.97, 0.84, 0.841, 0.781, 0.553, 0.665, 0.617, 0.564, 0.454, 0.415, 0.697, 0.338, 0.258, 0.613, 0.289,
    0.3, 0, 0, 0,
)  # fmt: skip
"""A construction found by this system with 1,000 attempts, rounded: C5 = 0.38214."""


def overlaps(h: npt.ArrayLike) -> Floats:
    """The overlap at each shift that is a multiple of the step, (2 n − 1,): `np.correlate(h, 1 - h, "full") * 2 / n`.

    >>> overlaps([0.5, 0.5]).tolist()
    [0.25, 0.5, 0.25]
    """
    import numpy as np

    h_n = np.asarray(h, dtype=np.float64)
    found: Floats = np.correlate(h_n, 1.0 - h_n, "full") * (2.0 / len(h_n))
    return found


def c5(h: npt.ArrayLike) -> float:
    """The largest overlap in floating point: for search. The verifier computes it exactly.

    >>> c5([0.5] * 40)
    0.5
    """
    return float(overlaps(h).max())


def rescaled(h: Sequence[float]) -> list[float]:
    """Values with the sum n / 2, by the published rule: multiplied, then held to the range again.

    Raises:
        Invalid: there is nothing to scale, or a value would rise above 1.
    """
    total, half = math.fsum(h), len(h) / 2
    if total <= 0:
        raise Invalid("values with a positive sum", "the sum is 0")
    factor = half / total
    highest = max(h) * factor if math.isfinite(factor) else math.inf
    if highest > 1 + SLACK:
        got = f"the largest becomes {highest:.12g}"
        raise Invalid(f"values from 0 to 1 also when they are scaled to the sum {half:g}", got)
    return [min(value * factor, 1.0) for value in h]


def exact_c5(h: Sequence[float]) -> Fraction:
    """C5 without rounding, for values of 0 to 1 whose sum is n / 2 up to rounding.

    What rounding has left of the sum is mended exactly: a sum that is too large by scaling h, one that is too small
    by scaling 1 − h, so that the function that is measured is admissible in every digit.

    >>> exact_c5([0.5, 0.5])
    Fraction(1, 2)
    """
    h_i, power = exact.integers(h)
    one = 1 << power
    free = [one - value for value in h_i]
    if 2 * sum(h_i) >= len(h) * one:
        low, high, total = _scaled_down(h_i, one)
    else:
        high, low, total = _scaled_down(free, one)
    largest = max(exact.correlated(low, high))
    return Fraction(2 * largest, len(h) * total * total)


def _scaled_down(values: list[int], one: int) -> tuple[list[int], list[int], int]:
    """Values scaled to half of their number, and what is missing to 1, as numerators over a common denominator."""
    total, half = 2 * sum(values), len(values) * one
    scaled = [value * half for value in values]
    return scaled, [one * total - value for value in scaled], one * total


@dataclass(frozen=True)
class OverlapVerifier(Verifier):
    """C5 of a step function, computed exactly after rescaling; a value that an answer reports is not read."""

    part: ClassVar[str] = "c5"
    sense: ClassVar[Sense] = "min"
    label: ClassVar[str] = "minimum overlap"

    def weigh(self, content: Any) -> tuple[float, Mapping[str, float]]:
        """The float next above the exact C5, which is an upper bound that holds; and the floats around it."""
        h = numbers(construction(content), least=1, most=MOST, low=0.0, high=1.0, what="a step function")
        low, high = exact.enclosed(exact_c5(rescaled(h)))
        return high, {"certified_low": low, "certified_high": high, "pieces": float(len(h))}


@dataclass(frozen=True, kw_only=True)
class ErdosOverlap(Discovery):
    """The Erdős minimum overlap problem: find a step function with a small C5."""

    pieces: int = 40
    """Steps of the functions that a search starts from; a construction may have any number up to 1,000."""

    name: ClassVar[str] = "erdos-overlap"

    def __post_init__(self) -> None:
        if not 1 <= self.pieces <= MOST:
            raise ConfigError(f"pieces from 1 to {MOST}", f"got {self.pieces}", "Write --pieces 40")

    @property
    def judge(self) -> OverlapVerifier:
        """Exact."""
        return OverlapVerifier()

    def prompt(self) -> str:
        """The problem in words."""
        return (
            "Find a step function h on [0, 2] with values from 0 to 1 and integral 1 for which\n"
            "C5 = max over x of the integral of h(t) (1 - h(t + x)) dt is as small as possible.\n"
            f"Hand in the list of its values on n equal steps, n at most {MOST}. The values are multiplied so that\n"
            "their sum is n / 2 and must then still lie between 0 and 1.\n"
            'C5 is computed as max(numpy.correlate(h, 1 - h, "full")) * 2 / n.'
        )

    def sizes(self) -> Mapping[str, Json]:
        """Limits of a construction, and a space for solvers that need a fixed shape."""
        space = Space((self.pieces,), low=0.0, high=1.0)
        return {"pieces": self.pieces, "most": MOST, "low": 0.0, "high": 1.0, "space": space.plain()}

    def landmarks(self, task: Task) -> Sequence[Landmark]:
        """Published values of C5."""
        found = (
            ("best human (Haugland 2016)", 0.380927, "arXiv 1609.08000"),
            ("AlphaEvolve", 0.380924, PAPER),
            ("OpenEvolve, same budget", 0.380965, PAPER),
            ("best of 25,600", 0.380906, PAPER),
            ("TTT-Discover, Qwen3-8B", 0.380932, PAPER),
            ("TTT-Discover, gpt-oss-120b (600 pieces)", 0.380876, PAPER),
            ("later record", 0.380868, "published in spring 2026"),
        )
        return tuple(Landmark(name, value, "c5", source) for name, value, source in found)

    def pictures(self, task: Task, answer: Answer) -> Sequence[Picture]:
        """The step function, and below it the overlap by shift."""
        try:
            raw = construction(answer.content)
            h = rescaled(numbers(raw, least=1, most=MOST, low=0.0, high=1.0))
        except Invalid:
            return ()
        value = exact.enclosed(exact_c5(h))[1]
        caption = f"A step function of {len(h)} pieces with C5 = {value:.6f}; below it, the overlap by shift"
        return (Picture(caption, "image/svg+xml", drawn(h).encode()),)

    def probes(self, tasks: Sequence[Task]) -> Probes:
        """A construction of our own below 0.3825; half everywhere is worth 2 to anybody; lies gain nothing."""
        name, flat = tasks[0].id, [0.5] * 40
        nothing = [Answer(name, content) for content in (None, [], {}, "", flat, {"construction": flat})]
        lies: dict[str, list[Json]] = {
            "report a better value": [{"construction": flat, "c5": 0.38, "bound": 0.38, "value": 3.0}],
            "rescaling pushes values above 1": [[1.0] * 10 + [0.0] * 30],
            "values outside the range": [[-0.5, 1.5] * 20, [float(10**300)] * 4],
            "nothing but zeros": [[0.0] * 40],
            "too many steps": [[0.5] * (MOST + 1)],
            "booleans and texts": [[True, False] * 20, ["0.5"] * 40],
        }
        cheats = {what: [Answer(name, content) for content in contents] for what, contents in lies.items()}
        return Probes(oracle=[Answer(name, list(KNOWN))], nothing=nothing, cheats=cheats, top=1 / 0.3825, floor=2.0)


def seeds(rng: Rng, count: int, least: int = 40, most: int = 99) -> list[list[float]]:
    """Start constructions: 0.5 plus noise of U(−0.4, 0.4) that is centred, on `least` to `most` steps (source)."""
    found: list[list[float]] = []
    while len(found) < count:
        noise = rng.uniform(-0.4, 0.4, size=int(rng.integers(least, most, endpoint=True)))
        h_n = 0.5 + noise - noise.mean()
        if h_n.min() >= 0 and h_n.max() <= 1:  # centring may push a value out of range
            found.append(h_n.tolist())
    return found


def drawn(h: Sequence[float]) -> str:
    """The step function and its overlaps as SVG."""
    width, height, gap = 640, 200, 30
    steps = " ".join(
        f"{x * width / len(h):.2f},{height * (1 - value):.2f}" for i, value in enumerate(h) for x in (i, i + 1)
    )
    found = overlaps(h)
    top = max(float(found.max()), 1e-9)
    curve = " ".join(
        f"{(k + 1) * width / (len(found) + 1):.2f},{gap + height * (2 - value / top):.2f}"
        for k, value in enumerate(found.tolist())
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-10 -10 {width + 20} {2 * height + gap + 20}" '
        'font-family="sans-serif" font-size="12">'
        f'<polygon points="0,{height} {steps} {width},{height}" fill="#4c78a8" fill-opacity="0.35" stroke="#4c78a8"/>'
        f'<line x1="0" y1="{height}" x2="{width}" y2="{height}" stroke="#888"/>'
        f'<polyline points="{curve}" fill="none" stroke="#b8502e" stroke-width="1.5"/>'
        f'<line x1="0" y1="{height + gap}" x2="{width}" y2="{height + gap}" stroke="#b8502e" stroke-dasharray="4 4"/>'
        f'<text x="4" y="{height + gap - 6}">overlap by shift; dashed: C5 = {top:.6f}</text>'
        "</svg>"
    )
