"""Programs in decreasing probability: top-down enumeration over a model of rules, without repetition.

    p(tree) = Π p(rule | parent rule, child index, puzzle)

A round yields the trees with τ_k <= p < τ_{k-1}; τ starts at `tau0` and is divided by e each round.
"""

from __future__ import annotations

import functools
import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple, Protocol

from guerdon.systems.programming_puzzles.constants import Constant
from guerdon.systems.programming_puzzles.evaluate import Node
from guerdon.systems.programming_puzzles.grammar import Grammar, Rule

WINDOWS = 4
"""Windows of equal width in log p into which a round is cut; each is sorted, so programs come in order of p."""

SLACK = 1e-9
NEVER = -math.inf
FLOOR = -60.0
"""Rounds end at this log p: nobody waits for programs that improbable."""

_logp = attrgetter("logp")


class Choice(NamedTuple):
    """One way to expand a nonterminal."""

    p: float
    rule: Rule
    leaf: Constant | int | None = None
    """The constant of a COPY rule, the index of the variable of a VAR rule."""


class Model(Protocol):
    """p(rule | parent, child index) for one puzzle."""

    def key(self, parent: int, child: int, kind: str) -> object:
        """What, besides the variables in scope, decides the choices: contexts with equal keys are shared."""

    def choices(self, parent: int, child: int, kind: str, scope: tuple[str, ...]) -> Sequence[Choice]:
        """The possible expansions with probabilities that sum to at most one."""


class _Option(NamedTuple):
    """A rule of the grammar at a place; the whole program, if it has no slots."""

    logp: float
    rule: Rule
    node: Node | None


@functools.lru_cache(maxsize=1 << 14)
def _options(choices: tuple[tuple[float, Rule], ...]) -> tuple[_Option, ...]:
    """Options in decreasing probability, shared by all contexts and puzzles that give the same."""
    options = [
        _Option(math.log(p), rule, None if rule.kids else Node(math.log(p), rule)) for p, rule in choices if p > 0
    ]
    return tuple(sorted(options, key=_logp, reverse=True))


class Context:
    """A place in a tree: its expansions, and the programs found for it so far."""

    __slots__ = ("kids", "leaves", "options", "scope", "tables", "uppers")

    def __init__(self, leaves: list[Node], options: tuple[_Option, ...], scope: tuple[str, ...]) -> None:
        self.leaves, self.options, self.scope = leaves, options, scope
        self.kids: dict[tuple[int, int], Context] = {}
        self.tables: dict[int, _Table] = {}
        self.uppers: dict[int, tuple[float, bool]] = {}  # a bound, and whether it is reached


class _Table:
    """Programs of one context and depth with log p >= bound, best first."""

    __slots__ = ("bound", "nodes", "weights")

    def __init__(self) -> None:
        self.bound = math.inf
        self.nodes: list[Node] = []
        self.weights: list[float] = []  # -log p, ascending


class Enumeration:
    """All programs of a type in decreasing probability.

    Sub-programs are listed once per context and remaining depth and shared by all programs that hold them, with
    their values: the tables grow as τ falls. Where we differ from the source: the best completable probabilities
    ("uppers") are computed when first needed instead of after 20 programs, and a round is cut into sorted windows;
    neither changes which programs a round holds.

    Args:
        rules: the grammar.
        model: probabilities for one puzzle.
        kind: type of the answer.
        depth: most nodes from the root to a leaf.
        tau0: probability at which the first round ends.
    """

    def __init__(self, rules: Grammar, model: Model, kind: str, depth: int = 10, tau0: float = 1e-3) -> None:
        self.rules, self.model, self.depth, self.tau0 = rules, model, depth, tau0
        self._contexts: dict[object, Context] = {}
        self.root = self._context(-1, 0, kind, ())

    def __iter__(self) -> Iterator[Node]:
        for batch in self.rounds():
            yield from batch

    def rounds(self) -> Iterator[Iterator[Node]]:
        """One iterator per round, to be used up in turn."""
        high, low = math.inf, math.log(self.tau0)
        while low > FLOOR:
            if self.upper(self.root, self.depth, FLOOR) <= FLOOR:
                return
            yield self._round(low, high)
            high, low = low, low - 1.0

    def _round(self, low: float, high: float) -> Iterator[Node]:
        top = min(high, low + max(1.0, math.ceil(-low)))
        cuts = max(1, round((top - low) * WINDOWS))
        edges = [low + (top - low) * i / cuts for i in range(cuts)]
        for start, end in zip(reversed(edges), [high, *reversed(edges)]):
            found = self._window(self.root, self.depth, start, end)
            found.sort(key=_logp, reverse=True)
            yield from found

    def upper(self, context: Context, depth: int, floor: float = NEVER) -> float:
        """Log of the best probability of any program for a context within a depth, if that is above the floor.

        Otherwise some bound no larger than the floor: places that no program above it can reach are never built.
        """
        if depth <= 0:
            return NEVER
        known, exact = context.uppers.get(depth, (0.0, False))
        if exact or known <= floor:
            return known
        best = max(floor, context.leaves[0].logp) if context.leaves else floor
        for option in context.options:
            if option.logp <= best:
                break
            value = option.logp + self._uppers(context, option, depth, best - option.logp)[1]
            best = max(best, value)
        context.uppers[depth] = (best, best > floor or floor == NEVER)
        return best

    def _uppers(self, context: Context, option: _Option, depth: int, floor: float) -> tuple[list[float], float]:
        """Uppers of the slots of a rule and their sum; given up, with NEVER for the sum, once it is at most floor."""
        found: list[float] = []
        total = 0.0
        for child in range(len(option.rule.kids)):
            value = self.upper(self._kid(context, option.rule, child), depth - 1, floor - total)
            total += value
            if total <= floor:
                return found, NEVER
            found.append(value)
        return found, total

    def _context(self, parent: int, child: int, kind: str, scope: tuple[str, ...]) -> Context:
        key = (self.model.key(parent, child, kind), kind, scope)
        context = self._contexts.get(key)
        if context is None:
            choices = self.model.choices(parent, child, kind, scope)
            leaves = [self._leaf(choice, len(scope)) for choice in choices if choice.leaf is not None and choice.p > 0]
            leaves.sort(key=_logp, reverse=True)
            options = _options(tuple((choice.p, choice.rule) for choice in choices if choice.leaf is None))
            context = self._contexts[key] = Context(leaves, options, scope)
        return context

    def _leaf(self, choice: Choice, level: int) -> Node:
        logp, rule, leaf = math.log(choice.p), choice.rule, choice.leaf
        if isinstance(leaf, Constant):
            return Node(logp, rule, (), level, leaf.code).leaf(leaf.value)
        return Node(logp, rule, (), level, leaf).variable()

    def _kid(self, context: Context, rule: Rule, child: int) -> Context:
        kid = context.kids.get((rule.index, child))
        if kid is None:
            scope = context.scope + rule.binds[child] if rule.binds else context.scope
            kid = context.kids[rule.index, child] = self._context(rule.index, child, rule.kids[child], scope)
        return kid

    def _table(self, context: Context, depth: int, bound: float) -> _Table:
        """Programs of a context with at least log p = bound (the table may hold more)."""
        table = context.tables.get(depth)
        if table is None:
            table = context.tables[depth] = _Table()
        if bound < table.bound:
            bound = math.floor(bound * 2) / 2  # on a grid, so that tables grow in few steps
            found = self._window(context, depth, bound, table.bound)
            found.sort(key=_logp, reverse=True)
            table.nodes += found
            table.weights += [-node.logp for node in found]
            table.bound = bound
        return table

    def _window(self, context: Context, depth: int, low: float, high: float) -> list[Node]:
        """All programs of a context with low <= log p < high, in no order of p but always the same one."""
        found: list[Node] = []
        if depth <= 0:
            return found
        for node in context.leaves:
            if low <= node.logp < high:
                found.append(node)
        for option in context.options:
            if option.logp < low:
                break
            if option.node is not None:
                if option.logp < high:
                    found.append(option.node)
                continue
            rest = low - option.logp - SLACK
            uppers, best = self._uppers(context, option, depth, rest)
            if best > rest:
                tables = [
                    self._table(self._kid(context, option.rule, i), depth - 1, rest - (best - own))
                    for i, own in enumerate(uppers)
                ]
                tails = [sum(uppers[i + 1 :]) for i in range(len(uppers))]
                self._combine(option.rule, len(context.scope), tables, tails, (option.logp, low, high), (), found)
        return found

    def _combine(
        self,
        rule: Rule,
        level: int,
        tables: list[_Table],
        tails: list[float],
        limits: tuple[float, float, float],
        chosen: tuple[Node, ...],
        found: list[Node],
    ) -> None:
        so_far, low, high = limits
        position = len(chosen)
        table, tail = tables[position], tails[position]
        if position + 1 < len(tables):
            least = low - so_far - tail - SLACK
            for node in table.nodes:
                if node.logp < least:
                    break
                onward = (so_far + node.logp, low, high)
                self._combine(rule, level, tables, tails, onward, (*chosen, node), found)
            return
        nodes = table.nodes
        start = 0 if high == math.inf else bisect_right(table.weights, so_far - high - SLACK)
        for index in range(start, len(nodes)):
            node = nodes[index]
            logp = so_far + node.logp
            if logp < low:
                break
            if logp < high:
                found.append(Node(logp, rule, (*chosen, node), level))
