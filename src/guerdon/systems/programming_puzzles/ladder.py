"""A difficulty ladder of puzzles, and whether learning from own solutions climbs it.

Puzzles of depth 1, 2 and 3 are compositions of the same few operations over constants of four to six digits, so that
solutions of low puzzles hold the parts of higher ones and no solution is found by numeric coincidence.
"""

from __future__ import annotations

import ast
import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from guerdon.core.errors import ConfigError, did_you_mean
from guerdon.core.rng import entropy, stream
from guerdon.systems.programming_puzzles.constants import Constants, constants, parse
from guerdon.systems.programming_puzzles.enumeration import Enumeration, Model
from guerdon.systems.programming_puzzles.evaluate import FAILED, Interpreter, Meter
from guerdon.systems.programming_puzzles.features import Vocabulary, bag
from guerdon.systems.programming_puzzles.grammar import grammar, prefix_rules
from guerdon.systems.programming_puzzles.learned import Forest, Labels, Learned, Lesson
from guerdon.systems.programming_puzzles.weights import Uniform

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Arm = Literal["uniform", "once", "bootstrapped", "shuffled", "random"]

TICKS = 2_000

FAMILIES: Mapping[int, Mapping[str, Callable[..., int]]] = {
    1: {
        "n + a == b": lambda n, a: n + a,
        "n - a == b": lambda n, a: n - a,
        "a - n == b": lambda n, a: a - n,
        "n * a == b": lambda n, a: n * a,
        "n // a == b": lambda n, a: n,
        "a + n == b": lambda n, a: a + n,
    },
    2: {
        "n * a + b == c": lambda n, a, b: n * a + b,
        "n * a - b == c": lambda n, a, b: n * a - b,
        "(n + b) * a == c": lambda n, a, b: (n + b) * a,
        "(n - b) * a == c": lambda n, a, b: (n - b) * a,
        "n + a - b == c": lambda n, a, b: n + a - b,
        "b - n * a == c": lambda n, a, b: b - n * a,
    },
    3: {
        "(n + b) * a - c == d": lambda n, a, b, c: (n + b) * a - c,
        "(n - b) * a + c == d": lambda n, a, b, c: (n - b) * a + c,
        "n * a + b - c == d": lambda n, a, b, c: n * a + b - c,
    },
}
"""Depth → equation → its last constant, from a solution and the other constants."""

COPIES = {1: 3, 2: 2, 3: 2}
"""Depth → puzzles of each family: 18, 12 and 6 in all."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One puzzle of the ladder.

    Args:
        name: unique.
        depth: number of operations of its solution.
        sat: source of its verifier.
    """

    name: str
    depth: int
    sat: str


def ladder(seed: int) -> list[Rung]:
    """The 36 puzzles of a seed.

    >>> rungs = ladder(0)
    >>> [sum(rung.depth == depth for rung in rungs) for depth in (1, 2, 3)]
    [18, 12, 6]
    """
    rungs = []
    for depth, families in FAMILIES.items():
        for (equation, last), copy in itertools.product(families.items(), range(COPIES[depth])):
            rungs.append(_rung(depth, equation, last, copy, stream(seed, "ladder", equation, copy)))
    return rungs


def _rung(depth: int, equation: str, last: Callable[..., int], copy: int, rng: Rng) -> Rung:
    names = "abcd"[: last.__code__.co_argcount]
    n, known = _constants(len(names) - 1, rng)
    end = int(10 ** rng.uniform(3, 6)) if "//" in equation else last(n, *known)
    inputs = ", ".join(f"{name}={value}" for name, value in zip(names, [*known, end]))
    return Rung(f"{equation}:{copy}", depth, f"def sat(n: int, {inputs}):\n    return {equation}")


def _constants(count: int, rng: Rng) -> tuple[int, list[int]]:
    """A solution and the inputs of an equation.

    The first, a factor of deeper equations, has four digits; the others and their differences are larger than twice
    that, or a division without the right offset would round to the solution.
    """
    while True:
        n, first = (int(10 ** rng.uniform(3, 6)), int(10 ** rng.uniform(3, 4)))
        rest = [int(10 ** rng.uniform(4.5, 6)) for _ in range(count - 1)]
        gaps = [*rest, *(abs(x - y) for x, y in itertools.combinations(rest, 2))]
        if all(gap > 2 * first for gap in gaps):
            return n, [first, *rest]


def ladder_experiment(
    seed: int,
    programs: int = 1500,
    arms: Sequence[Arm] = get_args(Arm),
    rounds: int = 3,
    n_estimators: int = 100,
    uniform_weight: float = 0.05,
) -> dict[str, Any]:
    """Programs each arm needs for each puzzle, in a single round of equal budget.

    An arm first learns: "once" from what Uniform solved, "bootstrapped" over some rounds from all its own solutions
    so far. Two controls do as "bootstrapped" does: "random" with random rules as labels, from which nothing can be
    learned, and "shuffled" with permuted labels, from which only the frequency of rules can. Then each gets
    `programs` programs per puzzle from the start.

    Args:
        seed: of puzzles and forests.
        programs: budget per puzzle.
        arms: which to run.
        rounds: training rounds of the bootstrapped arms.
        n_estimators: trees of a forest.
        uniform_weight: share of Uniform in the learned models.

    Returns:
        arm → {"solved": count, "by_depth": {depth: count}, "programs": {puzzle: programs to its solution or None}}.
    """
    for arm in arms:
        if arm not in get_args(Arm):
            raise ConfigError("an arm of the ladder", f"got {arm!r}", did_you_mean(arm, get_args(Arm)))
    climb = _Climb(ladder(seed), programs, seed, n_estimators, uniform_weight)
    first = climb.round(None)
    return {arm: climb.report(first if arm == "uniform" else climb.arm(arm, first, rounds)) for arm in arms}


Found = dict[str, tuple[int, list[str]]]
"""Puzzle → programs tried, rules of the solution."""


class _Climb:
    """One ladder and what all arms share of it."""

    def __init__(self, rungs: list[Rung], programs: int, seed: int, n_estimators: int, uniform_weight: float) -> None:
        self.rungs, self.programs, self.seed = rungs, programs, seed
        self.n_estimators, self.uniform_weight = n_estimators, uniform_weight
        self.rules = grammar("small")
        bags = [bag(rung.sat, "int") for rung in rungs]
        vocabulary = Vocabulary(bags)
        self.rows = {rung.name: vocabulary.row(words) for rung, words in zip(rungs, bags)}

    def arm(self, arm: Arm, first: Found, rounds: int) -> Found:
        known, found = dict(first), first
        for step in range(1 if arm == "once" else rounds):
            lessons = [Lesson(self.rows[name], rules) for name, (_, rules) in sorted(known.items())]
            if not lessons:
                break
            seed = entropy(self.seed, "forest", step) % 2**32
            labels: Labels = arm if arm in ("shuffled", "random") else "own"
            found = self.round(Forest(self.rules, lessons, self.n_estimators, seed, labels))
            known = found | known
        return found

    def round(self, forest: Forest | None) -> Found:
        found: Found = {}
        for rung in self.rungs:
            uniform = Uniform(self.rules, constants(rung.sat))
            model: Model = uniform
            if forest is not None:
                model = Learned(uniform, forest.table(self.rows[rung.name]), self.uniform_weight)
            solution = self._search(rung, model)
            if solution:
                found[rung.name] = solution
        return found

    def _search(self, rung: Rung, model: Model) -> tuple[int, list[str]] | None:
        solves, interpreter = _check(rung.sat), Interpreter(TICKS)
        wrong: set[int] = set()
        for tried, node in enumerate(itertools.islice(Enumeration(self.rules, model, "int"), self.programs), 1):
            value = interpreter.value(node)
            if value is FAILED or value in wrong:
                continue
            if solves(value):
                return tried, prefix_rules(node)
            wrong.add(value)
        return None

    def report(self, found: Found) -> dict[str, Any]:
        depths = Counter(rung.depth for rung in self.rungs if rung.name in found)
        return {
            "solved": len(found),
            "by_depth": {depth: depths[depth] for depth in FAMILIES},
            "programs": {rung.name: found[rung.name][0] if rung.name in found else None for rung in self.rungs},
        }


def _check(sat: str) -> Callable[[int], bool]:
    """The verifier of a rung, computed by the interpreter of constant expressions."""
    verifier = parse(sat)
    statement = verifier.function.body[0]
    assert isinstance(statement, ast.Return)
    return lambda n: Constants(Meter(TICKS)).value(statement.value, {**verifier.inputs, "n": n}) is True
