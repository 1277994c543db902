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

STEPS: Mapping[str, Callable[[int, int], int]] = {
    "{n} + {x}": lambda n, x: n + x,
    "{n} - {x}": lambda n, x: n - x,
    "{x} - {n}": lambda n, x: x - n,
    "{n} * {x}": lambda n, x: n * x,
    "{x} + {n}": lambda n, x: x + n,
    "{x} * {n}": lambda n, x: x * n,
}
"""What a rung may do to its unknown, and how to compute it."""

SHAPE: Mapping[int, tuple[int, int]] = {1: (6, 3), 2: (6, 2), 3: (3, 2)}
"""Depth → (families, puzzles of each): 18, 12 and 6 puzzles."""


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
    for depth, (families, copies) in SHAPE.items():
        for number, steps in enumerate(_families(depth, families, stream(seed, "families", depth))):
            for copy in range(copies):
                rungs.append(_rung(f"{depth}.{number}", steps, copy, stream(seed, "rung", depth, number, copy)))
    return rungs


def _families(depth: int, count: int, rng: Rng) -> list[tuple[str, ...]]:
    """Distinct sequences of steps; each step alone at depth 1, then those with one product among the first four."""
    if depth == 1:
        return [(step,) for step in STEPS]
    pool = [steps for steps in itertools.product(list(STEPS)[:4], repeat=depth) if steps.count("{n} * {x}") == 1]
    if depth == 2:
        return pool[:count]
    return [pool[index] for index in sorted(rng.choice(len(pool), count, replace=False))]


def _rung(family: str, steps: tuple[str, ...], copy: int, rng: Rng) -> Rung:
    n, known = _constants(len(steps), rng)
    factor = next((i for i, step in enumerate(steps) if "*" in step), 0)
    known.insert(factor, known.pop(0))
    text, value = "n", n
    for name, step, constant in zip("abc", steps, known):
        text = step.format(n=text if text == "n" else f"({text})", x=name)
        value = STEPS[step](value, constant)
    names = "abcd"[: len(steps) + 1]
    inputs = ", ".join(f"{name}={constant}" for name, constant in zip(names, [*known, value]))
    equation = f"{text} == {names[-1]}"
    return Rung(f"{family}.{copy}: {equation}", len(steps), f"def sat(n: int, {inputs}):\n    return {equation}")


def _constants(count: int, rng: Rng) -> tuple[int, list[int]]:
    """A solution and the inputs of an equation.

    The first, the factor of an equation, has four digits; the others and their differences are larger than twice
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
            "by_depth": {depth: depths[depth] for depth in SHAPE},
            "programs": {rung.name: found[rung.name][0] if rung.name in found else None for rung in self.rungs},
        }


def _check(sat: str) -> Callable[[int], bool]:
    """The verifier of a rung, computed by the interpreter of constant expressions."""
    verifier = parse(sat)
    statement = verifier.function.body[0]
    assert isinstance(statement, ast.Return)
    return lambda n: Constants(Meter(TICKS)).value(statement.value, {**verifier.inputs, "n": n}) is True
