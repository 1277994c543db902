"""The first and the second autocorrelation inequality, by step functions with certified bounds.

A construction is the heights `a` of a step function on n equal pieces of an interval of length 1/2. With the
autoconvolution `c = a * a` (2n - 1 values):

    first   2 n max(c) / sum(a)^2              an upper bound of C1; smaller is better
    second  ||c||_2^2 / (||c||_1 ||c||_inf)    a lower bound of C2; larger is better

where, for the second, c is read as the piecewise linear function through `[0, c, 0]` on an even grid of [-1/2, 1/2]:
with `y = [0, c, 0]` its L2 norm squared is `h/3 sum(y_i^2 + y_i y_{i+1} + y_{i+1}^2)`, its L1 norm `h sum(c)`, and h
cancels. Source: arXiv 2601.16175, section 4.1 and appendix; arXiv 2506.13131, appendix B.

The value paid is the safe end of an enclosure. Where the numbers are few or short it is exact (integer arithmetic);
for long sequences the autoconvolution is taken by FFT, with the error bound of N. Higham, Accuracy and Stability of
Numerical Algorithms (2nd edition), theorem 24.2, and its largest values are computed again directly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

from guerdon.core.challenge import Landmark, Picture, Probes
from guerdon.core.errors import RewardError
from guerdon.core.plain import Json
from guerdon.core.task import Answer, Task
from guerdon.search.space import Space
from guerdon.systems.ttt_discover.exact import convolved, enclosed, integers
from guerdon.systems.ttt_discover.problem import Discovery, Invalid, Verifier, construction, numbers

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from guerdon.core.rng import Rng

TALLEST = 1000.0
"""Heights above it are cut down to it, as in the published verifier."""
SMALLEST_SUM = 0.01
EXACT_BYTES = 600_000
"""Longest packed sequence that is squared exactly (30,000 doubles of like size: about half a second)."""
_CANDIDATES = 256  # values of the autoconvolution that are computed again directly
_UNIT = 2.0**-53


def heights(content: Any, least: int, most: int) -> list[float]:
    """The heights in an answer, cut down to `TALLEST`.

    Args:
        content: what was handed in: the list itself, or an object with a `construction`.
        least: fewest heights.
        most: most heights.

    Raises:
        Invalid: not a list of finite numbers from 0 up, or their sum is below 0.01.
    """
    found = [min(each, TALLEST) for each in numbers(construction(content), least=least, most=most, low=0.0)]
    if math.fsum(found) < SMALLEST_SUM:
        raise Invalid(f"heights with a sum of at least {SMALLEST_SUM:g}", f"their sum is {math.fsum(found):g}")
    return found


def first_bound(a: Sequence[float]) -> tuple[float, float]:
    """Enclosure of `2 n max(a * a) / sum(a)^2`: floats (low, high) around the exact value.

    >>> first_bound([3.0] * 7)
    (2.0, 2.0)
    """
    squares, power = integers(a)
    if len(a) * _width(squares) <= EXACT_BYTES:
        return enclosed(Fraction(2 * len(a) * max(convolved(squares, squares)), sum(squares) ** 2))
    factor = Fraction(2 * len(a)) / Fraction(sum(squares), 1 << power) ** 2
    low, high = _largest(a)
    return enclosed(factor * Fraction(low))[0], enclosed(factor * Fraction(high))[1]


def second_bound(a: Sequence[float]) -> tuple[float, float]:
    """Enclosure of `||a * a||_2^2 / (||a * a||_1 ||a * a||_inf)`: floats (low, high) around the exact value.

    >>> low, high = second_bound([1.0] * 5)
    >>> low < high, round(low, 15)
    (True, 0.666666666666667)
    """
    whole, _ = integers(a)
    if len(a) * _width(whole) <= EXACT_BYTES:
        c = convolved(whole, whole)
        twice = sum(y * (y + z) for y, z in zip(c, [*c[1:], 0], strict=True)) + sum(y * y for y in c)
        return enclosed(Fraction(twice, 3 * sum(c) * max(c)))
    values, radius = autoconvolution(a)
    low, high = _largest(a)
    return _second(values - radius, high, radius, down=True), _second(values + radius, low, radius, down=False)


def _second(values: NDArray[np.float64], largest: float, radius: float, *, down: bool) -> float:
    """One end of the second bound, from one end of every value of the autoconvolution, its largest at the other."""
    import numpy as np

    c = np.clip(values, 0.0, None)
    squares = math.fsum(2 * c * c) + math.fsum(c[:-1] * c[1:])
    total = math.fsum(c) + (2 if down else -2) * radius * len(c)  # the L1 norm from its own other end
    value = squares / (3 * total * largest)
    return value * (1 - 16 * _UNIT) if down else value * (1 + 16 * _UNIT)  # the roundings of this function


def autoconvolution(a: Sequence[float]) -> tuple[NDArray[np.float64], float]:
    """`a * a` by FFT, for search, and how far any of its values may be off.

    Args:
        a: n heights.

    Returns:
        The (2n - 1,) values, and the radius `3 L eta |a|_1 |a|_2` of theorem 24.2 for a transform of 2^L points,
        eta about 7 units of rounding; doubled to leave room for another order of the same operations.
    """
    import numpy as np

    array = np.asarray(a, dtype=np.float64)
    count = 2 * len(array) - 1
    log_size = max(1, (count - 1).bit_length())
    spectrum = np.fft.rfft(array, 1 << log_size)
    values = np.fft.irfft(spectrum * spectrum, 1 << log_size)[:count]
    return values, 2 * 3 * log_size * 7 * _UNIT * float(array.sum()) * float(np.linalg.norm(array))


def _largest(a: Sequence[float]) -> tuple[float, float]:
    """Enclosure of the largest value of the autoconvolution: by FFT, the likely ones again directly."""
    import numpy as np

    values, radius = autoconvolution(a)
    top = float(values.max())
    likely = np.flatnonzero(values >= top - 2 * radius)
    likely = likely[np.argsort(values[likely])[::-1]]
    array = np.asarray(a, dtype=np.float64)
    direct = max(_direct(array, int(k)) for k in likely[:_CANDIDATES])
    if len(likely) <= _CANDIDATES:
        return math.nextafter(direct, 0.0), math.nextafter(direct, math.inf)
    return math.nextafter(direct, 0.0), max(direct, top + radius)


def _direct(a: NDArray[np.float64], k: int) -> float:
    """`sum a[i] a[k - i]`, rounded once: products are split into value and error, which are summed exactly."""
    import numpy as np

    first, last = max(0, k - len(a) + 1), min(k, len(a) - 1)
    x = a[first : last + 1]
    y = a[k - last : k - first + 1][::-1]
    product = x * y
    (xh, xl), (yh, yl) = _split(x), _split(y)
    error = ((xh * yh - product) + xh * yl + xl * yh) + xl * yl
    return math.fsum(np.concatenate([product, error]))


def _split(x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    high = 134217729.0 * x
    high = high - (high - x)
    return high, x - high


def _width(whole: Sequence[int]) -> int:
    return (2 * max(whole).bit_length() + len(whole).bit_length()) // 8 + 1


@dataclass(frozen=True)
class Bound(Verifier):
    """Pays for the worse end of a bound's enclosure, with both ends as parts. A subclass writes `ends`.

    Args:
        least: fewest heights.
        most: most heights.
    """

    least: int = 1
    most: int = 100_000
    part: ClassVar[str] = "bound"

    def ends(self, found: Sequence[float]) -> tuple[float, float]:
        """Both ends."""
        raise RewardError("a bound has an enclosure", f"{type(self).__name__} has none", "Write ends(found)")

    def measure(self, content: Any) -> float:
        """The end that claims less."""
        return self.weigh(content)[0]

    def weigh(self, content: Any) -> tuple[float, Mapping[str, float]]:
        """The end that claims less, with both ends as parts."""
        low, high = self.ends(heights(content, self.least, self.most))
        return high if self.sense == "min" else low, {"certified_low": low, "certified_high": high}


@dataclass(frozen=True)
class FirstBound(Bound):
    """Pays `1 / bound` of the first autocorrelation inequality."""

    sense = "min"
    label = "autocorrelation-1"

    def ends(self, found: Sequence[float]) -> tuple[float, float]:
        """Of `first_bound`."""
        return first_bound(found)


@dataclass(frozen=True)
class SecondBound(Bound):
    """Pays the bound of the second autocorrelation inequality."""

    sense = "max"
    label = "autocorrelation-2"

    def ends(self, found: Sequence[float]) -> tuple[float, float]:
        """Of `second_bound`."""
        return second_bound(found)


@dataclass(frozen=True, kw_only=True)
class _Autocorrelation(Discovery):
    """What the two inequalities share: sizes, hostile answers, the picture."""

    least: int = 1
    """Fewest heights. The published prompt asks for 1,000 and up; shorter ones are as valid (arXiv 2601.16175)."""
    most: int = 100_000
    """Most heights (arXiv 2601.16175, appendix)."""
    pieces: int = 60
    """Heights of the constructions that the general solvers of numbers search (`cma-es`, `hill-climb`)."""

    def sizes(self) -> Mapping[str, Json]:
        """The numbers of heights that are allowed, their range, and a space for solvers that need a fixed shape."""
        space = Space((max(self.least, min(self.pieces, self.most)),), low=0.0, high=1.0)
        return {"least": self.least, "most": self.most, "low": 0.0, "high": TALLEST, "space": space.plain()}

    def pictures(self, task: Task, answer: Answer) -> Sequence[Picture]:
        """The step function."""
        try:
            found = heights(answer.content, self.least, self.most)
        except Invalid:
            return ()
        return (Picture(f"Heights of {len(found)} pieces", "image/svg+xml", _steps(found)),)

    def _hostile(self, name: str, lie: float) -> dict[str, list[Answer]]:
        """Answers that must gain nothing over the constant sequence."""
        flat = [1.0] * self.least
        contents: dict[str, list[Any]] = {
            "a reported bound": [{"construction": flat, "bound": lie, "value": lie, "reward": 1e9}],
            "no numbers": [None, True, "1", [], {}, [True] * self.least, ["1"] * self.least, [flat]],
            "not finite": [[float("nan")], [float("inf")] * self.least, [10**400]],
            "below zero or almost nothing": [[-1.0] * self.least, [1e-9] * self.least, [0.0] * self.least],
            "too long": [[1.0] * (self.most + 1)],
        }
        return {label: [Answer(name, each) for each in rows] for label, rows in contents.items()}


@dataclass(frozen=True, kw_only=True)
class Autocorrelation1(_Autocorrelation):
    """Find a step function whose autoconvolution has a small maximum: an upper bound of C1."""

    name: ClassVar[str] = "autocorrelation-1"

    @property
    def judge(self) -> FirstBound:
        """The verifier."""
        return FirstBound(least=self.least, most=self.most)

    def prompt(self) -> str:
        """What is asked."""
        return (
            f"Find n numbers a_0 ... a_(n-1), n from {self.least} to {self.most}, each from 0 to 1000, that make "
            "2 n max(a*a) / (sum a)^2 as small as possible, where a*a is their full convolution with themselves. "
            "The sum must be at least 0.01. Hand in the list of numbers."
        )

    def landmarks(self, task: Task) -> Sequence[Landmark]:
        """Published bounds."""
        source = "arXiv 2601.16175, table 2"
        return (
            Landmark("constant sequence", 2.0, "bound", "exact"),
            Landmark("best of 25,600 samples", 1.51004, "bound", source),
            Landmark("best human", 1.50973, "bound", source),
            Landmark("ThetaEvolve", 1.50681, "bound", source),
            Landmark("AlphaEvolve", 1.50530, "bound", source),
            Landmark("AlphaEvolve V2", 1.50317, "bound", source),
            Landmark("TTT-Discover (gpt-oss-120b)", 1.50287, "bound", source),
        )

    def probes(self, tasks: Sequence[Task]) -> Probes:
        """The square-root singularity, whose autoconvolution is almost flat, against constants and lies."""
        oracle = [Answer(task.id, {"construction": singular(max(self.least, 512))}) for task in tasks]
        nothing = [Answer(task.id, [1.0] * self.least) for task in tasks]
        cheats = self._hostile(tasks[0].id, 1.0) if tasks else {}
        return Probes(oracle=oracle, nothing=nothing, cheats=cheats, top=1 / 1.6, floor=0.5)


@dataclass(frozen=True, kw_only=True)
class Autocorrelation2(_Autocorrelation):
    """Find a step function whose autoconvolution is close to a flat top: a lower bound of C2."""

    name: ClassVar[str] = "autocorrelation-2"

    @property
    def judge(self) -> SecondBound:
        """The verifier."""
        return SecondBound(least=self.least, most=self.most)

    def prompt(self) -> str:
        """What is asked."""
        return (
            f"Find n numbers a_0 ... a_(n-1), n from {self.least} to {self.most}, each from 0 to 1000, with a sum of "
            "at least 0.01. Let c be their full convolution with themselves and f the piecewise linear function "
            "through 0, c_0 ... c_(2n-2), 0 on an even grid. Make ||f||_2^2 / (||f||_1 ||f||_inf) as large as "
            "possible. Hand in the list of numbers."
        )

    def landmarks(self, task: Task) -> Sequence[Landmark]:
        """Published bounds."""
        source = "arXiv 2601.16175, table 2"
        return (
            Landmark("constant sequence", 2 / 3, "bound", "exact"),
            Landmark("AlphaEvolve", 0.8962, "bound", source),
            Landmark("best human", 0.9015, "bound", source),
            Landmark("best of 25,600 samples", 0.9344, "bound", source),
            Landmark("ThetaEvolve", 0.9468, "bound", source),
            Landmark("TTT-Discover (gpt-oss-120b)", 0.9591, "bound", source),
            Landmark("AlphaEvolve V2", 0.9610, "bound", source),
        )

    def probes(self, tasks: Sequence[Task]) -> Probes:
        """The square-root singularity, against constants and lies."""
        oracle = [Answer(task.id, {"construction": singular(max(self.least, 512))}) for task in tasks]
        nothing = [Answer(task.id, [1.0] * self.least) for task in tasks]
        cheats = self._hostile(tasks[0].id, 1.0) if tasks else {}
        return Probes(oracle=oracle, nothing=nothing, cheats=cheats, top=0.87, floor=2 / 3)


def singular(n: int) -> list[float]:
    """The piece averages of `x^(-1/2)` on n pieces, whose continuous autoconvolution is constant: C1 bound near pi/2.

    The first is lowered to 0.88, since its square is the first value of the discrete autoconvolution.
    """
    return [0.88, *(math.sqrt(i + 1) - math.sqrt(i) for i in range(1, n))]


def seeds(rng: Rng, count: int) -> list[list[float]]:
    """Start constructions: one random height, repeated 1,000 to 7,999 times (arXiv 2601.16175, appendix).

    Args:
        rng: where they are drawn from.
        count: how many.
    """
    return [[float(rng.random())] * int(rng.integers(1000, 8000)) for _ in range(count)]


def _steps(a: Sequence[float]) -> bytes:
    """An outline of at most 1,000 pieces, 600 by 200."""
    shown = [max(a[i * len(a) // 1000 : (i + 1) * len(a) // 1000]) for i in range(1000)] if len(a) > 1000 else a
    tall, wide = max(shown), 600 / len(shown)
    points = " ".join(
        f"{x:.2f},{200 - 190 * each / tall:.2f}" for i, each in enumerate(shown) for x in (i * wide, (i + 1) * wide)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 600 200" role="img">'
        f'<polygon points="0,200 {points} 600,200" fill="#7a9cc6" stroke="#1f3a5f" stroke-width="0.5"/></svg>'
    ).encode()
