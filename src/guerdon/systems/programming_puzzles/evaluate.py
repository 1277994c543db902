"""The metered interpreter under the enumerative solvers: guarded primitives, ticks, and program nodes.

Nothing here runs source text. A program is a tree of `Node`; each rule of the grammar brings its own function, and
values of sub-trees are kept in their nodes, so a new program costs one call. One tick is charged for each node that
is evaluated and one for every 64 elements it touches or makes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

MAX_BITS = 14_000
"""Largest integer, in bits: what fits in the 4,300 digits that Python writes as text."""

MAX_ITEMS = 1 << 17
"""Longest text or list, counted through all levels of nesting."""

MAX_ROWS = 1 << 11
"""Rows of a loop inside a loop whose length is not known beforehand."""

KEPT = 1 << 12
"""Values of so many elements are computed anew when needed again, so that tables of programs stay small."""

SIZED = frozenset({list, str, set, dict, tuple, range})
ERRORS = (ArithmeticError, ValueError, TypeError, LookupError, AttributeError, MemoryError, RecursionError)

UNSET = object()
FAILED = object()
"""The value of a program that raised, grew too large or ran out of ticks."""
OPEN = object()
"""The value of a program that depends on a variable bound outside it."""

Run = Callable[[tuple[Any, ...]], Any]


class RefusedError(ValueError):
    """A value that would be too large, or too many ticks."""


class Meter:
    """Ticks left of one evaluation."""

    __slots__ = ("left", "limit")

    def __init__(self, limit: int) -> None:
        self.left = self.limit = limit

    def charge(self, ticks: int) -> None:
        """Take some ticks.

        Raises:
            RefusedError: there are not so many left.
        """
        self.left -= ticks
        if self.left < 0:
            raise RefusedError("out of ticks")


def bounded(value: Any) -> Any:
    """The value itself, if it is small enough to work with.

    Raises:
        RefusedError: it is too long, too large, complex or not finite.
    """
    kind = type(value)
    if kind is int:
        if value.bit_length() > MAX_BITS:
            raise RefusedError("too many bits")
    elif kind in SIZED:
        if len(value) > MAX_ITEMS:
            raise RefusedError("too long")
    elif kind is complex or (kind is float and not math.isfinite(value)):
        raise RefusedError("not a finite real number")
    return value


def items(value: Any) -> int:
    """Number of elements through all levels, the larger of own length and content.

    >>> items([[1, 2, 3], [4]]), items("abc"), items(7)
    (6, 3, 0)
    """
    if type(value) in (list, tuple) and value and type(value[0]) in SIZED:
        total = len(value)
        for part in value:
            total += items(part)
            if total > MAX_ITEMS:
                raise RefusedError("too many elements")
        return total
    return len(value) if type(value) in SIZED else 0


def power(base: Any, exponent: Any) -> Any:
    """`base ** exponent` for real results of moderate size; an integer to a negative power is refused.

    >>> power(2, 10), power(2.0, -1.0)
    (1024, 0.5)
    """
    if type(base) is int and type(exponent) is int:
        if exponent < 0:
            raise RefusedError("negative exponent")
        if abs(base) > 1 and base.bit_length() * exponent > MAX_BITS:
            raise RefusedError("too many bits")
    return bounded(base**exponent)


def modular_power(base: int, exponent: int, modulus: int) -> int:
    """`pow(base, exponent, modulus)`."""
    return pow(base, exponent, modulus)


def times(left: Any, right: Any) -> Any:
    """`left * right`: a product of numbers, or a repetition of bounded length."""
    for sequence, count in ((left, right), (right, left)):
        if type(sequence) in (str, list, tuple) and items(sequence) * max(count, 0) > MAX_ITEMS:
            raise RefusedError("too long a repetition")
    return left * right


def shift_left(value: int, count: int) -> int:
    """`value << count`, bounded."""
    if count > MAX_BITS:
        raise RefusedError("too many bits")
    return value << count


def numbers(*bounds: int) -> range:
    """`range(...)` of bounded length."""
    made = range(*bounds)
    bounded(made[0] if made else 0)
    if max(map(abs, bounds)).bit_length() > 62:
        raise RefusedError("too long a range")
    return made if len(made) <= MAX_ITEMS else _too_long()


def _too_long() -> range:
    raise RefusedError("too long a range")


def replace(text: str, old: str, new: str) -> str:
    """`text.replace(old, new)`, bounded."""
    if (len(text) + 1) * len(new) > MAX_ITEMS:
        raise RefusedError("too long")
    return text.replace(old, new)


def join(glue: str, parts: Iterable[str]) -> str:
    """`glue.join(parts)`, bounded."""
    parts = list(parts)
    if len(glue) * len(parts) + sum(map(len, parts)) > MAX_ITEMS:
        raise RefusedError("too long")
    return glue.join(parts)


def character(code: int) -> str:
    """`chr(code)`; halves of surrogate pairs are refused, for no text file can hold them."""
    if 0xD800 <= code <= 0xDFFF:
        raise RefusedError("half a character")
    return chr(code)


def integer(value: Any) -> int:
    """`int(value)`; text of more digits than Python reads is refused by Python itself."""
    return int(value)


def total(values: Iterable[Any]) -> Any:
    """`sum(values)` of numbers only."""
    return sum(values)


class Node:
    """One program: a rule, its sub-programs and, once asked for, its value.

    Args:
        logp: natural logarithm of its probability.
        rule: the rule at its root.
        kids: sub-programs, in the order of the rule's slots.
        level: number of variables in scope at its root.
        payload: the constant of a COPY leaf, the index of a variable.
    """

    __slots__ = ("kids", "level", "logp", "payload", "rule", "run", "ticks", "uses", "value")

    def __init__(
        self, logp: float, rule: Any, kids: tuple[Node, ...] = (), level: int = 0, payload: Any = None
    ) -> None:
        self.logp, self.rule, self.kids, self.level, self.payload = logp, rule, kids, level, payload
        self.value: Any = UNSET
        self.ticks = 1
        self.uses = 0  # bit i: depends on variable i
        self.run: Run | None = None

    def leaf(self, value: Any) -> Node:
        """Make it a constant."""
        self.value, self.ticks = value, 1 + (items(value) >> 6)
        return self

    def variable(self) -> Node:
        """Make it the variable whose index is the payload."""
        self.value, self.uses = OPEN, 1 << self.payload
        return self


class Interpreter:
    """Evaluates nodes within a number of ticks, each node once.

    >>> from guerdon.systems.programming_puzzles.grammar import grammar
    >>> rules = {rule.name: rule for rule in grammar("small").rules}
    >>> two = Node(0.0, rules["int: 2"])
    >>> Interpreter(100).value(Node(0.0, rules["int: {int} + {int}"], (two, two)))
    4
    """

    def __init__(self, ticks: int) -> None:
        self.ticks = ticks
        self._meter = Meter(ticks)

    def value(self, node: Node) -> Any:
        """The value, `FAILED`, or `OPEN` if it depends on a variable in scope."""
        value = node.value
        return self._evaluate(node) if value is UNSET else value

    def _evaluate(self, node: Node) -> Any:
        rule, ticks, uses, arguments = node.rule, 1, 0, []
        for kid in node.kids:
            value = kid.value
            if value is UNSET:
                value = self._evaluate(kid)
            if value is FAILED:
                node.value = FAILED
                return FAILED
            arguments.append(value)
            ticks += kid.ticks
            uses |= kid.uses
        uses &= (1 << node.level) - 1
        node.uses, node.ticks = uses, ticks
        if uses:
            node.value = OPEN
            return OPEN
        value = self._bound(node) if rule.binds else self._plain(node, rule.apply, arguments, ticks)
        if type(value) not in SIZED or len(value) < KEPT:
            node.value = value
        return value

    def _plain(self, node: Node, apply: Callable[..., Any], arguments: list[Any], ticks: int) -> Any:
        if ticks > self.ticks:
            return FAILED
        try:
            value = bounded(apply(*arguments))
            if type(value) in SIZED:
                node.ticks = ticks = ticks + (items(value) >> 6)
                if ticks > self.ticks:
                    return FAILED
        except ERRORS:
            return FAILED
        return value

    def _bound(self, node: Node) -> Any:
        self._meter.left = self.ticks
        try:
            value = self._compile_binder(node)(())
            self._meter.charge(items(value) >> 6)
        except ERRORS:
            return FAILED
        node.ticks = self.ticks - self._meter.left
        return value

    def _runner(self, node: Node) -> Run:
        if node.run is None:
            node.run = self._compile(node)
        return node.run

    def _compile(self, node: Node) -> Run:
        if node.value is OPEN and node.payload is not None:
            index: int = node.payload
            return lambda scope: scope[index]
        if node.value is not OPEN:
            constant = self.value(node)
            return lambda scope: constant
        if node.rule.binds:
            return self._compile_binder(node)
        apply, meter = node.rule.apply, self._meter
        runs = [self._runner(kid) for kid in node.kids]

        def run(scope: tuple[Any, ...]) -> Any:
            arguments = [part(scope) for part in runs]
            meter.charge(1 + sum([len(part) >> 6 for part in arguments if type(part) in SIZED]))
            return bounded(apply(*arguments))

        return run

    def _compile_binder(self, node: Node) -> Run:
        binds, apply, meter = node.rule.binds, node.rule.apply, self._meter
        outer = [self._runner(kid) for kid, bound in zip(node.kids, binds) if not bound]
        inner = [self._runner(kid) for kid, bound in zip(node.kids, binds) if bound]
        level, crossed = node.level, apply in (collect_product, collect_product_if)

        def run(scope: tuple[Any, ...]) -> Any:
            sources = [part(scope) for part in outer]
            lengths = [len(source) for source in sources]
            meter.charge(1 + (math.prod(lengths) if crossed else max(lengths)))
            # A scope may be shorter than `level` when the program depends on no outer variable.
            scope = scope if len(scope) == level else scope + (None,) * (level - len(scope))
            return bounded(apply(scope, sources, inner))

        return run


def collect(scope: tuple[Any, ...], sources: Sequence[Any], inner: Sequence[Run]) -> list[Any]:
    """`[BODY for x in SOURCE]`."""
    (body,) = inner
    return [body((*scope, x)) for x in sources[0]]


def collect_if(scope: tuple[Any, ...], sources: Sequence[Any], inner: Sequence[Run]) -> list[Any]:
    """`[BODY for x in SOURCE if TEST]`; slots: source, body, test."""
    body, test = inner
    return [body(now) for x in sources[0] if test(now := (*scope, x))]


def collect_numbered(scope: tuple[Any, ...], sources: Sequence[Any], inner: Sequence[Run]) -> list[Any]:
    """`[BODY for i, x in enumerate(SOURCE)]`."""
    (body,) = inner
    return [body((*scope, i, x)) for i, x in enumerate(sources[0])]


def collect_numbered_if(scope: tuple[Any, ...], sources: Sequence[Any], inner: Sequence[Run]) -> list[Any]:
    """`[BODY for i, x in enumerate(SOURCE) if TEST]`."""
    body, test = inner
    return [body(now) for i, x in enumerate(sources[0]) if test(now := (*scope, i, x))]


def collect_zipped(scope: tuple[Any, ...], sources: Sequence[Any], inner: Sequence[Run]) -> list[Any]:
    """`[BODY for x, y in zip(LEFT, RIGHT)]`."""
    (body,) = inner
    return [body((*scope, x, y)) for x, y in zip(*sources)]


def collect_nested(scope: tuple[Any, ...], sources: Sequence[Any], inner: Sequence[Run]) -> list[Any]:
    """`[BODY for x in LEFT for y in RIGHT]` where RIGHT may depend on x; slots: body, left, right."""
    body, right = inner
    found: list[Any] = []
    for x in sources[0]:
        for y in right((*scope, x)):
            found.append(body((*scope, x, y)))
            if len(found) > MAX_ROWS:
                raise RefusedError("too many rows")
    return found


def collect_pairs(scope: tuple[Any, ...], sources: Sequence[Any], inner: Sequence[Run]) -> list[Any]:
    """`[BODY for x, y in PAIRS]`."""
    (body,) = inner
    return [body((*scope, x, y)) for x, y in sources[0]]


def collect_product(scope: tuple[Any, ...], sources: Sequence[Any], inner: Sequence[Run]) -> list[Any]:
    """`[BODY for x in LEFT for y in RIGHT]`."""
    (body,) = inner
    return [body((*scope, x, y)) for x in sources[0] for y in sources[1]]


def collect_product_if(scope: tuple[Any, ...], sources: Sequence[Any], inner: Sequence[Run]) -> list[Any]:
    """`[BODY for x in LEFT for y in RIGHT if TEST]`."""
    body, test = inner
    return [body(now) for x in sources[0] for y in sources[1] if test(now := (*scope, x, y))]
