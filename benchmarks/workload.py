"""The programs that P1 asks verdicts on: written here, in the manner of HumanEval, copied from nowhere.

Each problem has a function to write and a handful of tests; each problem gets several candidates, one in five of which
is wrong: a changed line, an exception, or a syntax error.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

CANDIDATES = 8
"""Candidates for each problem."""
FAILING = 5
"""One in so many is wrong."""


@dataclass(frozen=True, slots=True)
class Program:
    """A candidate and the question put to every executor: does it pass its tests?

    Args:
        id: unique in the workload.
        problem: which problem it tries to solve.
        source: defines `entry`.
        entry: name of the function.
        inputs: arguments of each test.
        expected: what each test must give.
        kind: type of all results together, as the puzzle judge writes it.
        right: whether it passes.
    """

    id: str
    problem: str
    source: str
    entry: str
    inputs: list[list[Any]]
    expected: list[Any]
    kind: str
    right: bool

    def plain(self) -> dict[str, Any]:
        """As it is sent to an executor, without the answer."""
        fields = asdict(self)
        del fields["right"]
        return fields


@dataclass(frozen=True, slots=True)
class Family:
    """Problems that differ in a constant K.

    Args:
        entry: name of the function.
        kind: type of one result.
        source: with `K` for the constant.
        wrong: replacements that break it, (old, new).
        make: arguments of one test.
    """

    entry: str
    kind: str
    source: str
    wrong: Sequence[tuple[str, str]]
    make: Callable[[random.Random], list[Any]]


def numbers(rng: random.Random, least: int = 3, most: int = 9) -> list[int]:
    """A short list of small numbers."""
    return [rng.randint(-20, 60) for _ in range(rng.randint(least, most))]


def letters(rng: random.Random, alphabet: str = "abcdeo xyz", least: int = 4, most: int = 16) -> str:
    """A short text."""
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(least, most)))


FAMILIES = [
    Family("fib_like", "int", """
def fib_like(n):
    a, b = 0, K
    for _ in range(n):
        a, b = b, a + b
    return a
""", [("a, b = b, a + b", "a, b = b, a + a"), ("range(n)", "range(n + 1)")], lambda rng: [rng.randint(0, 40)]),
    Family("running_sums", "List[int]", """
def running_sums(values):
    total, sums = 0, []
    for value in values:
        total = (total + value) % (K * 100)
        sums.append(total)
    return sums
""", [("total + value", "total - value"), ("sums.append(total)", "sums.append(total + 1)")],
           lambda rng: [numbers(rng)]),
    Family("shift_letters", "str", """
def shift_letters(text):
    out = []
    for char in text:
        if char.isalpha():
            out.append(chr((ord(char) - 97 + K) % 26 + 97))
        else:
            out.append(char)
    return "".join(out)
""", [("- 97 + K", "- 97 - K - 1"), ("% 26", "% 25")], lambda rng: [letters(rng) + "a"]),
    Family("count_vowels", "int", """
def count_vowels(text):
    return K * sum(1 for char in text if char in "aeiou")
""", [("aeiou", "bcdfg"), ("K * sum", "1 + K * sum")], lambda rng: [letters(rng) + "ae"]),
    Family("digit_sum", "int", """
def digit_sum(n):
    base = K + 2
    total = 0
    while n:
        n, digit = divmod(n, base)
        total += digit
    return total
""", [("total += digit", "total -= digit"), ("base = K + 2", "base = K + 3")], lambda rng: [rng.randint(9999, 10**9)]),
    Family("primes_below", "List[int]", """
def primes_below(n):
    n = n + K
    sieve = [True] * n
    for p in range(2, int(n ** 0.5) + 1):
        if sieve[p]:
            for multiple in range(p * p, n, p):
                sieve[multiple] = False
    return [i for i in range(2, n) if sieve[i]]
""", [("range(2, n)", "range(1, n)"), ("p * p, n, p", "p * p, n, 2 * p")], lambda rng: [rng.randint(30, 120)]),
    Family("run_lengths", "str", """
def run_lengths(text):
    out, i = [], 0
    while i < len(text):
        j = i
        while j < len(text) and text[j] == text[i] and j - i < K + 1:
            j += 1
        out.append(text[i] + str(j - i))
        i = j
    return "".join(out)
""", [("str(j - i)", "str(j - i + 1)"), ("text[i] + str", "text[0] + str")],
           lambda rng: ["b" + letters(rng, "aab", 6, 20)]),
    Family("balanced", "bool", """
def balanced(text):
    depth = 0
    for char in text:
        depth += 1 if char == "(" else -1
        if depth < 0 or depth > K + 1:
            return False
    return depth == 0
""", [("depth == 0", "depth != 0"), ("depth += 1", "depth += 2")],
           lambda rng: ["(" * rng.randint(1, 3) + ")" * rng.randint(1, 3)]),
    Family("collatz_steps", "int", """
def collatz_steps(n):
    steps = K
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps
""", [("steps = K", "steps = K + 1"), ("steps += 1", "steps += 2")], lambda rng: [rng.randint(5, 500)]),
    Family("most_common", "str", """
def most_common(text):
    counts = {}
    for word in text.split():
        counts[word] = counts.get(word, 0) + K
    return min(counts, key=lambda word: (-counts[word], word))
""", [("(-counts[word], word)", "(counts[word], word)"), ("min(counts", "'_' + min(counts")],
           lambda rng: [" ".join(["b", "b", *(rng.choice("abcd") for _ in range(rng.randint(4, 12))), "z"])]),
    Family("rotated", "List[int]", """
def rotated(values):
    k = K % len(values)
    return values[k:] + values[:k]
""", [("values[k:] + values[:k]", "values[:k] + values[k:]"), ("+ values[:k]", "+ values[:k + 1]")],
           lambda rng: [[*range(rng.randint(6, 9)), 77]]),
    Family("kth_smallest", "int", """
def kth_smallest(values):
    return sorted(set(values))[min(K, len(set(values))) - 1]
""", [("sorted(set(values))", "sorted(set(values), reverse=True)"), ("- 1]", "- 1] + 1")],
           lambda rng: [[*numbers(rng, 6, 9), -99, 200, 300, 400]]),
    Family("to_roman", "str", """
def to_roman(n):
    n, out = n + K, []
    for value, numeral in [(100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"),
                           (1, "i")]:
        while n >= value:
            out.append(numeral)
            n -= value
    return "".join(out)
""", [("n + K", "n + K + 1"), ("join(out)", "join(out[1:])")], lambda rng: [rng.randint(20, 300) * 5 + 1]),
    Family("transposed", "List[List[int]]", """
def transposed(rows):
    return [[value * K for value in column] for column in zip(*rows)]
""", [("zip(*rows)", "rows"), ("value * K", "value * K + 1")],
           lambda rng: [[[1, *numbers(rng, 2, 2)], [5, *numbers(rng, 2, 2)]]]),
    Family("pairs_with_sum", "int", """
def pairs_with_sum(values):
    seen, found = {}, 0
    for value in values:
        found += seen.get(K * 10 - value, 0)
        seen[value] = seen.get(value, 0) + 1
    return found
""", [("found += seen", "found -= 1 + seen"), ("return found", "return found + 1")], lambda rng: [numbers(rng, 8, 14)]),
    Family("is_palindrome", "bool", """
def is_palindrome(text):
    kept = [char for char in text if char.isalpha()]
    return kept == kept[::-1] and len(kept) >= K
""", [("kept == kept[::-1]", "kept != kept[::-1]"), ("len(kept) >= K", "len(kept) < 0")],
           lambda rng: [(half := letters(rng, "abc", 4, 9)) + half[::-1] + rng.choice(["", "", " z"])]),
]  # fmt: skip


def make(count: int, seed: int) -> list[Program]:
    """So many candidates; those of one problem stand together, as a batch of a solver's answers does.

    Args:
        count: how many programs.
        seed: of all choices.
    """
    rng = random.Random(seed)
    problems = []
    for number in range(-(-count // CANDIDATES)):
        family = FAMILIES[number % len(FAMILIES)]
        problems.append(_problem(family, 2 + number // len(FAMILIES), number, rng))
    rng.shuffle(problems)
    return [program for problem in problems for program in problem][:count]


def _problem(family: Family, constant: int, number: int, rng: random.Random) -> list[Program]:
    source = family.source.lstrip().replace("K", str(constant))
    name = f"{family.entry}-{constant}"
    inputs = _inputs(family, source, constant, rng)
    expected = outputs(source, family.entry, inputs)
    programs = []
    for candidate in range(CANDIDATES):
        right = (number * CANDIDATES + candidate) % FAILING != 0
        text = source if right else _broken(family, constant, candidate, rng)
        text += f"\n# candidate {candidate}\nATTEMPT = {candidate}\n"
        programs.append(
            Program(
                id=f"{name}/{candidate}",
                problem=name,
                source=text,
                entry=family.entry,
                inputs=inputs,
                expected=expected,
                kind=f"List[{family.kind}]",
                right=right,
            )
        )
    return programs


def _inputs(family: Family, source: str, constant: int, rng: random.Random) -> list[list[Any]]:
    """Six tests that every wrong variant fails."""
    for _ in range(1000):
        inputs = [family.make(rng) for _ in range(6)]
        good = outputs(source, family.entry, inputs)
        if all(outputs(_changed(family, constant, i), family.entry, inputs) != good for i in range(len(family.wrong))):
            return inputs
    raise AssertionError(f"a wrong variant of {family.entry} with K = {constant} passes")


def _changed(family: Family, constant: int, which: int) -> str:
    old, new = family.wrong[which]
    assert old in family.source, (family.entry, old)
    return family.source.lstrip().replace(old, new).replace("K", str(constant))


def _broken(family: Family, constant: int, candidate: int, rng: random.Random) -> str:
    kind = rng.randrange(4)
    if kind == 0:
        return f"def {family.entry}(*arguments):\n    raise ValueError({candidate})\n"
    if kind == 1 and candidate % 2:
        return f"def {family.entry}(x:\n    return x\n"
    return _changed(family, constant, kind % len(family.wrong))


def outputs(source: str, entry: str, inputs: Sequence[Sequence[Any]]) -> list[Any]:
    """What a program of ours gives, run in this process; an exception stands for its result."""
    scope: dict[str, Any] = {}
    exec(source, scope)
    found: list[Any] = []
    for arguments in inputs:
        try:
            found.append(scope[entry](*arguments))
        except Exception as error:  # noqa: BLE001  # a wrong variant may raise
            found.append(type(error).__name__)
    return found


def loopers(count: int) -> list[Program]:
    """Programs that never end."""
    source = "def spin(x):\n    while True:\n        x += 1\n"
    return [
        Program(f"spin/{i}", "spin", f"{source}# candidate {i}\n", "spin", [[i]], [i], "List[int]", False)
        for i in range(count)
    ]
