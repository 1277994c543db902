"""A typed grammar of Python expressions for enumerative solvers, made by instantiating templates over types.

A rule is written as the Python it prints: `"List[int]: {List[int]} + {List[int]}"` makes a list of integers from two.
Slots name the nonterminal that fills them; every nonterminal is a type. Source: Schuster et al. 2021
(arXiv 2106.05784), whose grammar is larger; the templates here are our own.
"""

from __future__ import annotations

import ast
import functools
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from guerdon.core.errors import ConfigError
from guerdon.systems.programming_puzzles import evaluate as ev
from guerdon.systems.programming_puzzles.templates import Template, templates

Size = Literal["small", "full"]

MAX_SCOPE = 3
"""Most variables that comprehensions may have in scope at once."""

_SLOT = re.compile(r"\{([^{}]+)\}")
_VARIABLE = re.compile(r"@([0-9])")
_LOOSE = (ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Lambda)


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One production: how to type it, print it and compute it.

    Args:
        index: position in its grammar.
        name: `result: template`, unique in its grammar.
        result: the nonterminal it expands.
        kids: nonterminals of its slots.
        parts: text around the slots, one more than there are slots.
        bare: per slot, whether it is printed without parentheses.
        atomic: whether the whole expression binds as tightly as a name.
        apply: computes the value from the values of the slots.
        binds: per slot, types of the variables it binds there; empty if the rule binds none.
        weight: relative weight among the rules of its nonterminal, used by `prior="weighted"`.
        new_variables: number of variables it binds.
    """

    index: int
    name: str
    result: str
    kids: tuple[str, ...]
    parts: tuple[str, ...]
    bare: tuple[bool, ...]
    atomic: bool
    apply: Callable[..., Any]
    binds: tuple[tuple[str, ...], ...] = ()
    weight: float = 1.0
    new_variables: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "new_variables", max(map(len, self.binds), default=0))


@dataclass(frozen=True, slots=True, eq=False)
class Grammar:
    """The rules, by index, by name and by nonterminal; COPY and VAR rules stand last.

    Args:
        rules: all rules.
        of: nonterminal → its rules, COPY and VAR left out.
        copies: type → its COPY rule, which inserts a constant of the puzzle.
        variables: type → its VAR rule, which inserts a bound variable.
    """

    rules: tuple[Rule, ...]
    of: dict[str, tuple[Rule, ...]]
    copies: dict[str, Rule]
    variables: dict[str, Rule]

    def rule(self, name: str) -> Rule:
        """The rule of that name.

        Raises:
            KeyError: there is none.
        """
        return _index(self)[name]


@functools.cache
def _index(whole: Grammar) -> dict[str, Rule]:
    return {rule.name: rule for rule in whole.rules}


@functools.cache
def grammar(size: Size = "full") -> Grammar:
    """The grammar of that size.

    >>> len(grammar("small").rules) < 70 < 200 < len(grammar("full").rules)
    True
    """
    if size not in get_args(Size):
        raise ConfigError("a grammar is small or full", f"got {size!r}", 'Write grammar="full"')
    rules: list[Rule] = []
    for template in templates(size):
        rules.append(_rule(len(rules), template))
    types = list(dict.fromkeys([rule.result for rule in rules] + [kid for rule in rules for kid in rule.kids]))
    of = {kind: tuple(rule for rule in rules if rule.result == kind) for kind in types}
    copies = {kind: _leaf(len(rules) + i, "copy", kind) for i, kind in enumerate(types)}
    rules.extend(copies.values())
    bound = dict.fromkeys(kind for rule in rules for group in rule.binds for kind in group)
    variables = {kind: _leaf(len(rules) + i, "variable", kind) for i, kind in enumerate(bound)}
    rules.extend(variables.values())
    return Grammar(tuple(rules), of, copies, variables)


def code(node: ev.Node, prefix: str = "x") -> str:
    """The Python expression of a program; its variables are called prefix + number."""
    return _print(node, prefix)[0]


def prefix_rules(node: ev.Node) -> list[str]:
    """Names of the rules of a program in prefix order: all that learning needs of it."""
    names = [node.rule.name]
    for kid in node.kids:
        names += prefix_rules(kid)
    return names


def productions(whole: Grammar, names: list[str]) -> list[tuple[int, int, int]]:
    """(parent, child index, rule) of every node of a program given in prefix order; the root's parent is -1.

    >>> g = grammar("small")
    >>> rows = productions(g, ["int: {int} + {int}", "copy: int", "int: 2"])
    >>> [(parent if parent < 0 else g.rules[parent].name, child, g.rules[rule].name) for parent, child, rule in rows]
    [(-1, 0, 'int: {int} + {int}'), ('int: {int} + {int}', 0, 'copy: int'), ('int: {int} + {int}', 1, 'int: 2')]
    """
    rows: list[tuple[int, int, int]] = []
    rest = iter(names)

    def walk(parent: int, child: int) -> None:
        rule = whole.rule(next(rest))
        rows.append((parent, child, rule.index))
        for position in range(len(rule.kids)):
            walk(rule.index, position)

    walk(-1, 0)
    return rows


def _print(node: ev.Node, prefix: str) -> tuple[str, bool]:
    rule = node.rule
    if not rule.kids:
        if rule.name.startswith("copy:"):
            return node.payload, not is_loose(node.payload)
        return (rule.parts[0] if node.payload is None else f"{prefix}{node.payload}"), rule.atomic
    pieces = [_named(rule.parts[0], prefix, node.level)]
    for part, kid, bare in zip(rule.parts[1:], node.kids, rule.bare):
        text, atomic = _print(kid, prefix)
        pieces += [text if bare or atomic else f"({text})", _named(part, prefix, node.level)]
    return "".join(pieces), rule.atomic


def _named(part: str, prefix: str, level: int) -> str:
    return _VARIABLE.sub(lambda found: f"{prefix}{level + int(found[1])}", part) if "@" in part else part


@functools.lru_cache(maxsize=4096)
def is_loose(text: str) -> bool:
    """Whether an expression needs parentheses to stand as an operand.

    >>> is_loose("a + 1"), is_loose("-1"), is_loose("f(a + 1)"), is_loose("'a + 1'")
    (True, True, False, False)
    """
    return isinstance(ast.parse(text, mode="eval").body, _LOOSE)


def _leaf(index: int, family: str, kind: str) -> Rule:
    return Rule(index, f"{family}: {kind}", kind, (), ("",), (), True, _nothing)


def _nothing() -> None:
    return None


def _rule(index: int, template: Template) -> Rule:
    result, _, text = template.text.partition(": ")
    parts = _SLOT.split(text)
    parts, kids = parts[::2], parts[1::2]
    bare = tuple(
        before.rstrip()[-1:] in ("(", "[", "{", ",", ":")
        and (after.lstrip()[:1] in (*")],:}",) or after[:5] == " for ")
        for before, after in itertools.pairwise(parts)
    )
    loose = is_loose(_VARIABLE.sub("v", "x".join(parts)))
    return Rule(
        index,
        template.text,
        result,
        tuple(kids),
        tuple(parts),
        bare,
        not loose,
        template.apply,
        template.binds,
        template.weight,
    )
