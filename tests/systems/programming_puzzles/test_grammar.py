import ast
from pathlib import Path
from typing import Any

import pytest

from guerdon.core.errors import ConfigError, SolverError
from guerdon.systems.programming_puzzles.constants import Constants, constants, parse, type_of
from guerdon.systems.programming_puzzles.evaluate import MAX_ITEMS, Meter, Node, RefusedError
from guerdon.systems.programming_puzzles.grammar import code, grammar, prefix_rules, productions
from guerdon.systems.programming_puzzles.templates import templates


def by_type(sat: Any) -> Any:
    return {kind: {c.code: c.value for c in found} for kind, found in constants(sat).items()}


@pytest.mark.parametrize("size", ["small", "full"])
def test_rules_are_unique_typed_and_numbered(size: Any) -> None:
    whole = grammar(size)
    assert len({rule.name for rule in whole.rules}) == len(whole.rules)
    assert [rule.index for rule in whole.rules] == list(range(len(whole.rules)))
    assert {kid for rule in whole.rules for kid in rule.kids} <= set(whole.of)
    for rule in whole.rules:
        assert len(rule.parts) == len(rule.kids) + 1 or not rule.kids
        assert not rule.binds or len(rule.binds) == len(rule.kids)


def test_sizes() -> None:
    assert 50 <= len(list(templates("small"))) <= 60
    assert 200 <= len(list(templates("full"))) <= 420
    with pytest.raises(ConfigError, match="small or full"):
        grammar("huge")


def test_every_answer_type_can_be_built() -> None:
    whole = grammar("full")
    for base in ("int", "str", "bool", "float"):
        for depth in range(4):
            assert whole.of["List[" * depth + base + "]" * depth]


def test_code_puts_parentheses_where_needed() -> None:
    whole = grammar("full")

    def node(name: Any, *kids: Any, payload: Any = None) -> Any:
        return Node(0.0, whole.rule(name), kids, 0, payload)

    plus = node("int: {int} + {int}", node("int: 1"), node("copy: int", payload="-n"))
    assert code(plus) == "1 + (-n)"
    assert code(node("int: -{int}", plus)) == "-(1 + (-n))"
    assert code(node("int: abs({int})", plus)) == "abs(1 + (-n))"
    text = node("copy: str", payload="'a' + b")
    assert code(node("str: {str}.upper()", text)) == "('a' + b).upper()"


def test_bound_variables_are_named_by_level() -> None:
    whole = grammar("full")
    inner = Node(0.0, whole.rule("variable: int"), (), 1, 0)
    outer = Node(0.0, whole.rule("range: range({int})"), (Node(0.0, whole.rule("int: 3")),), 0)
    both = Node(0.0, whole.rule("List[int]: [{int} for @0 in {range}]"), (inner, outer), 0)
    assert code(both, "v") == "[v0 for v0 in range(3)]"
    names = prefix_rules(both)
    assert [whole.rules[rule].name for _, _, rule in productions(whole, names)] == names


def test_constants_are_inputs_literals_and_constant_expressions() -> None:
    found = by_type("def sat(x: str, s='ab', k=[3, 4]):\n    n = 0\n    return x == s.upper() * len(k) and n < 10 ** 3")
    assert found["str"] == {"s": "ab", "s.upper()": "AB", "s.upper() * len(k)": "ABAB"}
    assert found["int"] == {"k[0]": 3, "k[1]": 4, "0": 0, "10": 10, "len(k)": 2, "10 ** 3": 1000}
    assert found["List[int]"] == {"k": [3, 4]}


def test_a_rebound_input_is_a_constant_only_by_name() -> None:
    found = by_type("def sat(x: int, n=5):\n    while n < 99:\n        n = n * 2 + 1\n    return x == n")
    assert "n * 2" not in found["int"]
    assert found["int"]["n"] == 5


def test_comprehensions_over_inputs_are_constants() -> None:
    found = by_type("def sat(t: int, nums=[4, 20], top=9):\n    return t == sum(1 if i < top else 2 for i in nums)")
    assert found["int"]["sum((1 if i < top else 2 for i in nums))"] == 3


@pytest.mark.parametrize(
    "source",
    [
        "9 ** 9 ** 9",
        "'a' * 10 ** 9",
        "[0] * 10 ** 9",
        "list(range(10 ** 9))",
        "1 << 10 ** 9",
        "len.__class__",
        "__import__('os')",
        "open('x')",
        "'{}'.format(3)",
        "'%099999d' % 3",
        "(lambda: 1)()",
        "sum(i for i in range(10 ** 4) for j in range(10 ** 4))",
        "'x'.join(['y' * 1000] * 1000)",
        "'a'.replace('', 'b' * 100000) * 2",
    ],
)
def test_constant_expressions_refuse_what_is_unsafe_or_large(source: Any) -> None:
    found = constants(f"def sat(x: int):\n    return x == ({source})")
    assert not any(c.origin == "expression" and len(repr(c.value)) > MAX_ITEMS for cs in found.values() for c in cs)
    with pytest.raises((RefusedError, KeyError, ValueError, TypeError)):
        Constants(Meter(2000)).value(ast.parse(source, mode="eval").body, {})


def test_verifier_is_parsed_and_never_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    sat = f"def sat(x: int, n=3):\n    open({str(mark)!r}, 'w')\n    return x == n"
    assert "n" in {c.code for c in constants(sat)["int"]}
    assert not mark.exists()
    with pytest.raises(SolverError, match="literal inputs"):
        parse("def sat(x: int, n=open('y')):\n    return True")
    with pytest.raises(SolverError, match="literal inputs"):
        parse("not python at all")


def test_prefix_avoids_names_of_the_puzzle() -> None:
    assert parse("def sat(x: int, y=1):\n    return x == y").prefix not in ("x", "y")


def test_types_are_exact() -> None:
    assert type_of(True) == "bool"
    assert type_of([1.0]) == "List[float]"
    assert type_of([1, True]) is None
    assert type_of({1, 2}) == "Set[int]"
    assert type_of({1: 2}) is None
    assert type_of(None) is None
