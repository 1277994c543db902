"""AtCoder Heuristic Contest 058, Apple Incremental Game: machines that make machines that make apples.

N = 10 columns of L = 4 levels, T = 500 turns, K = 1 apple. Machine (i, j) has a count B (1 at first) and a power P (0
at first). Each turn one machine may be strengthened for C_ij (P_ij + 1) apples; then, level by level, level 0 adds
A_j B P apples and level i adds B P machines of level i - 1. The mark is round(10^5 log2 S) for S apples at the end.
Rules and generation: https://atcoder.jp/contests/ahc058/tasks/ahc058_a. Generator and marker are this project's own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, ClassVar

from guerdon.core.challenge import Landmark
from guerdon.core.rng import stream
from guerdon.core.task import Task
from guerdon.systems.ttt_discover.problems.contest import Contest, Marked, WrongOutput

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

COLUMNS, LEVELS, TURNS, APPLES = 10, 4, 500, 1
Action = tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Plant:
    """A case.

    Args:
        turns: T.
        apples: K, at the start.
        capacity: A, of each column.
        cost: C, (L, N).
    """

    turns: int
    apples: int
    capacity: tuple[int, ...]
    cost: tuple[tuple[int, ...], ...]


@lru_cache(maxsize=512)
def generate(seed: int) -> str:
    """A case: A_0 = 1, the others round(10^U(0,2)), sorted; C_00 = 1, the others round(A_j 500^i 10^U(0,2))."""
    rng = stream(seed, "ahc058")
    capacity = sorted([1, *(round(10 ** rng.uniform(0, 2)) for _ in range(COLUMNS - 1))])
    cost = [[round(a * 500**i * 10 ** rng.uniform(0, 2)) for a in capacity] for i in range(LEVELS)]
    cost[0][0] = 1
    lines = [[COLUMNS, LEVELS, TURNS, APPLES], capacity, *cost]
    return "".join(" ".join(map(str, line)) + "\n" for line in lines)


@lru_cache(maxsize=512)
def plant(case: str) -> Plant:
    """Read a case."""
    lines = [[int(word) for word in line.split()] for line in case.splitlines()]
    _, levels, turns, apples = lines[0]
    return Plant(turns, apples, tuple(lines[1]), tuple(tuple(line) for line in lines[2 : 2 + levels]))


def actions(output: str, case: Plant) -> list[Action]:
    """The actions of an output, one for each turn; lines that begin with `#` are remarks.

    Raises:
        WrongOutput: too few or too many, or one names no machine.
    """
    found = list(islice(_actions(output, case), case.turns + 1))
    if len(found) != case.turns:
        raise WrongOutput(f"as many actions as turns: {case.turns}")
    return found


def _actions(output: str, case: Plant) -> Iterator[Action]:
    for line in output.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words == ["-1"]:
            yield None
            continue
        if len(words) != 2 or not all(word.isascii() and word.isdigit() and len(word) <= 3 for word in words):
            raise WrongOutput(f"an action is `-1` or a level and a column; got {line[:40]!r}")
        level, column = int(words[0]), int(words[1])
        if level >= len(case.cost) or column >= len(case.capacity):
            raise WrongOutput(f"there is no machine of level {level} in column {column}")
        yield level, column


def play(case: Plant, plan: Sequence[Action]) -> int:
    """Apples at the end of a plan, exactly.

    Raises:
        WrongOutput: an action costs more apples than there are.
    """
    levels, columns = len(case.cost), len(case.capacity)
    count = [[1] * columns for _ in range(levels)]
    power = [[0] * columns for _ in range(levels)]
    active = [False] * columns
    apples = case.apples
    for turn, action in enumerate(plan):
        if action is not None:
            level, column = action
            power[level][column] += 1
            active[column] = True
            apples -= case.cost[level][column] * power[level][column]
            if apples < 0:
                raise WrongOutput(f"turn {turn} costs more apples than there are")
        for column in (j for j in range(columns) if active[j]):
            apples += case.capacity[column] * count[0][column] * power[0][column]
            for level in range(1, levels):
                count[level - 1][column] += count[level][column] * power[level][column]
    return apples


def mark(case: str, output: str) -> float:
    """The mark of an output.

    Raises:
        WrongOutput: it breaks the rules.
    """
    read = plant(case)
    apples = play(read, actions(output, read))
    return float(math.floor(100_000 * math.log2(apples) + 0.5)) if apples > 0 else 0.0


@dataclass(frozen=True)
class Apples(Marked):
    """Pays the mean mark over 1500 * 2000 (arXiv 2601.16175, appendix).

    Args:
        seconds: wall-clock limit of one case.
        memory_mb: memory of one case, in MiB.
        scale: the mean mark that is worth 1.
    """

    scale: float = 3_000_000.0
    label = "ahc058"

    def generate(self, seed: int) -> str:
        """A plant of a seed."""
        return generate(seed)

    def mark(self, case: str, output: str) -> float:
        """The logarithm of the apples."""
        return mark(case, output)


@dataclass(frozen=True, kw_only=True)
class Ahc058(Contest):
    """Write a program that plans an apple factory (AtCoder Heuristic Contest 058)."""

    public: int = 10
    """Cases that the task shows, none of which judges."""

    name: ClassVar[str] = "ahc058"

    @property
    def judge(self) -> Apples:
        """The verifier."""
        return Apples(seconds=self.seconds, memory_mb=self.memory_mb)

    def prompt(self) -> str:
        """The rules."""
        return self._prompt(
            "There is one machine (i, j) of each level i from 0 to 3 and column j from 0 to 9, each with power 0, and "
            "there is 1 apple. In each of 500 turns you may strengthen one machine: it costs C[i][j] * (P + 1) apples, "
            "which you must have, where P is its power, and adds 1 to its power. Then, in the order of levels 0, 1, 2, "
            "3: each column's level 0 makes A[j] * B * P apples, and each level i from 1 adds B * P to the number of "
            "machines (i - 1, j), where B is the number of its own machines. The mark is round(10^5 * log2(S)) for S "
            "apples at the end.\n\n"
            "Input: a line `N L T K`, which is `10 4 500 1`; a line with A[0] ... A[9], ascending; a line with C[i][0] "
            "... C[i][9] for each level i. Output: 500 lines, `i j` or `-1` for no action. Lines that begin with # are "
            "remarks."
        )

    def landmarks(self, task: Task) -> Sequence[Landmark]:
        """Published totals on the contest's 150 cases, as means."""
        source = "arXiv 2601.16175, table 6; on the contest's own cases"
        totals = {
            "best of 25,600 samples": 772_429_752,
            "best human": 847_674_723,
            "ALE-Agent": 848_373_282,
            "TTT-Discover (gpt-oss-120b)": 848_414_228,
        }
        return [Landmark(who, total / 150, "mean", source) for who, total in totals.items()]

    def oracle(self) -> str:
        """A greedy plan by return on apples spent."""
        return GREEDY

    def top(self) -> float:
        """Well above what level 0 alone can make."""
        return 1.0


GREEDY = """\
import sys

def main():
    rows = [list(map(int, line.split())) for line in sys.stdin.read().splitlines()]
    n, levels, turns, apples = rows[0]
    gain, cost = rows[1], rows[2:]
    count = [[1] * n for _ in range(levels)]
    power = [[0] * n for _ in range(levels)]
    for turn in range(turns):
        left = turns - turn
        best, choice = 1.0, None
        for j in range(n):
            made = float(gain[j] * left)
            for i in range(levels):
                price = cost[i][j] * (power[i][j] + 1)
                worth = made * count[i][j]
                if price <= apples and worth > best * price:
                    best, choice = worth / price, (i, j)
                made *= power[i][j] * (left - i - 1) / (i + 2)
        if choice is None:
            print(-1)
        else:
            i, j = choice
            print(i, j)
            power[i][j] += 1
            apples -= cost[i][j] * power[i][j]
        for j in range(n):
            apples += gain[j] * count[0][j] * power[0][j]
            for i in range(1, levels):
                count[i - 1][j] += count[i][j] * power[i][j]

main()
"""
"""A first program: honest, quick, far from good."""


def seeds(rng: Rng, count: int) -> list[dict[str, str]]:
    """Start programs: the greedy planner, over and over (the paper starts from scratch)."""
    return [{"language": "python", "source": GREEDY} for _ in range(count)]
