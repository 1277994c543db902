import ast
import builtins
import itertools
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.systems.programming_puzzles import evaluate as ev
from guerdon.systems.programming_puzzles.constants import constants
from guerdon.systems.programming_puzzles.enumeration import Enumeration
from guerdon.systems.programming_puzzles.evaluate import FAILED, Interpreter, Meter, RefusedError
from guerdon.systems.programming_puzzles.grammar import code, grammar
from guerdon.systems.programming_puzzles.weights import Uniform

SAT = """
def sat(ans: TYPE, n=7, s="Hello you", words=["a", "bc", "bc"], nums=[3, -1, 4], grid=[[1, 2], [3, 4]], r=2.5):
    return ans == "x,y".split(",") or n + 1 == len(nums) or {"a": 1} or True
"""
WORDS = ("abs", "all", "any", "bin", "chr", "enumerate", "float", "hex", "int", "len", "list", "max", "min", "ord")
MORE = ("pow", "range", "round", "set", "sorted", "str", "sum", "zip")
ALLOWED = {name: getattr(builtins, name) for name in WORDS + MORE}


@pytest.mark.parametrize(
    "kind", ["int", "str", "bool", "float", "List[int]", "List[str]", "List[List[int]]", "List[bool]"]
)
def test_values_agree_with_python(kind: Any) -> None:
    """The code that is handed in for display has, under Python itself, the value that was computed."""
    names = {
        "n": 7,
        "s": "Hello you",
        "words": ["a", "bc", "bc"],
        "nums": [3, -1, 4],
        "grid": [[1, 2], [3, 4]],
        "r": 2.5,
    }
    enumeration = Enumeration(grammar("full"), Uniform(grammar("full"), constants(SAT), "weighted"), kind)
    interpreter = Interpreter(2000)
    compared = 0
    for node in itertools.islice(enumeration, 4000):
        value = interpreter.value(node)
        if value is FAILED or node.ticks > 500:
            continue
        text = code(node, "v")
        again = eval(text, {"__builtins__": ALLOWED} | names)
        assert repr(again) == repr(value), text
        compared += 1
    assert compared > 2000


def test_sources_stay_parseable() -> None:
    enumeration = Enumeration(grammar("full"), Uniform(grammar("full"), constants(SAT)), "List[str]")
    for node in itertools.islice(enumeration, 500):
        ast.parse(code(node), mode="eval")


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        (ev.power, (10, 10**6)),
        (ev.power, (2, -1)),
        (ev.power, (-8.0, 0.5)),
        (ev.power, (1e300, 2.0)),
        (ev.times, ("ab", 10**8)),
        (ev.times, (10**8, [1])),
        (ev.times, ([[0] * 1000], 1000)),
        (ev.shift_left, (1, 10**7)),
        (ev.numbers, (10**8,)),
        (ev.numbers, (0, 10**30, 10**29)),
        (ev.join, ("x" * 1000, "y" * 1000)),
        (ev.replace, ("a" * 1000, "a", "b" * 1000)),
        (ev.bounded, (math.inf,)),
        (ev.bounded, (1 << 20_000,)),
        (ev.bounded, ("a" * (1 << 18),)),
        (ev.items, ([[0] * 1000] * 1000,)),
        (ev.character, (0xD800,)),
    ],
)
def test_guards_refuse_before_the_damage(call: Any, arguments: Any) -> None:
    with pytest.raises((RefusedError, OverflowError)):
        call(*arguments)


@given(st.integers(-50, 50), st.integers(0, 20))
def test_guarded_power_is_power(base: Any, exponent: Any) -> None:
    assert ev.power(base, exponent) == base**exponent


def test_ticks_stop_long_programs() -> None:
    whole = grammar("full")
    constant = constants("def sat(x: List[int], n=3000):\n    return True")["int"][0]

    def many() -> Any:
        n = ev.Node(0.0, whole.rule("copy: int"), (), 0, "n").leaf(constant.value)
        source = ev.Node(0.0, whole.rule("range: range({int})"), (n,), 0)
        body = ev.Node(0.0, whole.rule("variable: int"), (), 1, 0).variable()
        return ev.Node(0.0, whole.rule("List[int]: [{int} for @0 in {range}]"), (body, source), 0)

    assert Interpreter(2_000).value(many()) is FAILED
    assert Interpreter(20_000).value(many()) == list(range(3000))


def test_meter_counts_down() -> None:
    meter = Meter(2)
    meter.charge(2)
    with pytest.raises(RefusedError):
        meter.charge(1)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 400))
def test_no_program_takes_more_than_its_ticks(ticks: Any) -> None:
    enumeration = Enumeration(grammar("full"), Uniform(grammar("full"), constants(SAT)), "List[int]")
    interpreter = Interpreter(ticks)
    for node in itertools.islice(enumeration, 200):
        assert interpreter.value(node) is FAILED or node.ticks <= ticks + 2
