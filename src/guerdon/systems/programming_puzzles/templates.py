"""The templates of the grammar: `result type: Python with typed slots`, each with the function that computes it.

Bound variables are written @0, @1. A binder's `binds` gives, slot by slot, the types of the variables it binds there.
"""

from __future__ import annotations

import operator as op
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from guerdon.systems.programming_puzzles import evaluate as ev


@dataclass(frozen=True, slots=True)
class Template:
    """One template.

    Args:
        text: `result: expression`, slots in braces.
        apply: computes the value.
        weight: relative weight among the rules of its nonterminal, used by `prior="weighted"`.
        binds: per slot, the types of the variables bound in it.
    """

    text: str
    apply: Callable[..., Any]
    weight: float = 1.0
    binds: tuple[tuple[str, ...], ...] = ()


def templates(size: Literal["small", "full"]) -> Iterator[Template]:
    """All templates of a grammar."""
    if size == "small":
        yield from _small()
        return
    yield from _integers()
    yield from _texts()
    yield from _truths()
    yield from _reals()
    for element in ("int", "str", "bool", "float"):
        yield from _lists(element)
        yield from _lists(f"List[{element}]")
    yield from _deep_lists("List[List[int]]")
    for element in ("bool", "float", "str"):
        yield from _deepest(f"List[List[{element}]]")
    yield from _special_lists()
    yield from _sets_and_dicts()
    yield from _ranges()
    yield from _comprehensions()


def const(kind: str, *values: Any, weight: float = 1.0) -> Iterator[Template]:
    """One rule for each constant."""
    for value in values:
        yield Template(f"{kind}: {value!r}", lambda value=value: value, weight)


def _table(kind: str, weight: float, table: Mapping[str, Callable[..., Any]]) -> Iterator[Template]:
    """Templates that differ in text and function only; with no kind, the texts hold their result types."""
    for text, apply in table.items():
        yield Template(f"{kind}: {text}" if kind else text, apply, weight)


def _pick(then: Any, test: bool, other: Any) -> Any:
    return then if test else other


def _choice(kind: str) -> Template:
    return Template(f"{kind}: {{{kind}}} if {{bool}} else {{{kind}}}", _pick, 0.3)


def _operators(kind: str, table: dict[str, Callable[..., Any]], other: str | None = None) -> Iterator[Template]:
    for sign, apply in table.items():
        yield Template(f"{kind}: {{{kind}}} {sign} {{{other or kind}}}", apply)


def _integers() -> Iterator[Template]:
    yield from const("int", 0, 1, 2, weight=2.0)
    yield from const("int", 3, 4, 5, 10, 100, 1000)
    yield from const("int", 6, 7, 8, 9, weight=0.5)
    yield Template("int: -1", lambda: -1, 2.0)
    yield from _operators("int", {"+": op.add, "-": op.sub, "*": op.mul, "//": op.floordiv}, None)
    yield Template("int: {int} % {int}", op.mod)
    yield Template("int: {int} ** {int}", ev.power)
    yield Template("int: -{int}", op.neg)
    yield from _table(
        "int",
        1.0,
        {
            "abs({int})": abs,
            "len({str})": len,
            "int({str})": ev.integer,
            "int({float})": ev.integer,
            "{str}.count({str})": str.count,
            "{str}.index({str})": str.index,
        },
    )
    yield from _table(
        "int",
        0.5,
        {
            "{int} & {int}": op.and_,
            "{int} | {int}": op.or_,
            "{int} ^ {int}": op.xor,
            "{int} << {int}": ev.shift_left,
            "{int} >> {int}": op.rshift,
            "round({float})": round,
            "int({bool})": int,
            "ord({str})": ord,
            "{str}.find({str})": str.find,
            "{str}.rfind({str})": str.rfind,
            "pow({int}, {int}, {int})": ev.modular_power,
            "min({int}, {int})": min,
            "max({int}, {int})": max,
            "sum({List[bool]})": sum,
            "len({Set[int]})": len,
            "len({Set[str]})": len,
            "{Dict[str, int]}[{str}]": op.getitem,
            "max({Set[int]})": max,
            "min({Set[int]})": min,
            "len({List[bool]})": len,
        },
    )
    yield from _table(
        "int",
        0.8,
        {
            "sum({List[int]})": ev.total,
            "max({List[int]})": max,
            "min({List[int]})": min,
            "len({List[int]})": len,
            "len({List[str]})": len,
            "{List[int]}.count({int})": list.count,
            "{List[int]}.index({int})": list.index,
            "len({List[List[int]]})": len,
            "len({List[float]})": len,
            "{List[str]}.index({str})": list.index,
            "{List[str]}.count({str})": list.count,
        },
    )
    yield _choice("int")


def _texts() -> Iterator[Template]:
    yield from const("str", "", " ", "a", ",", "0", "1", weight=0.7)
    yield Template("str: {str} + {str}", op.add, 2.0)
    yield Template("str: {str} * {int}", ev.times, 2.0)
    yield from _table(
        "str",
        1.0,
        {
            "{str}[{int}]": op.getitem,
            "{str}[{int}:]": lambda s, i: s[i:],
            "{str}[:{int}]": lambda s, i: s[:i],
            "{str}[::-1]": lambda s: s[::-1],
            "{str}[::{int}]": lambda s, i: s[::i],
            "{str}[{int}:{int}]": lambda s, i, j: s[i:j],
            "{str}.lower()": str.lower,
            "{str}.upper()": str.upper,
            "{str}.swapcase()": str.swapcase,
            "{str}.replace({str}, {str})": ev.replace,
            "str({int})": str,
            "{str}.join({List[str]})": ev.join,
        },
    )
    yield from _table(
        "str",
        0.5,
        {
            "{str}.title()": str.title,
            "{str}.capitalize()": str.capitalize,
            "{str}.strip()": str.strip,
            "chr({int})": ev.character,
            "str({float})": str,
            '"".join(sorted({str}))': lambda s: "".join(sorted(s)),
            "{str}.join({str})": ev.join,
            "min({List[str]})": min,
            "max({List[str]})": max,
            "max({str})": max,
            "min({str})": min,
            "bin({int})": bin,
            "hex({int})": hex,
        },
    )
    yield Template("str: ''.join([{str} for @0 in {str}])", _join_each, 1.0, (("str",), ()))
    yield Template("str: ''.join([{str} for @0 in {range}])", _join_each, 0.5, (("int",), ()))
    yield Template("str: ''.join([{str} for @0 in {str} if {bool}])", _join_if, 0.5, (("str",), (), ("str",)))
    yield Template("str: ''.join([{str} for @0 in {List[int]}])", _join_each, 0.5, (("int",), ()))
    yield Template("str: ''.join([{str} for @0 in {List[str]}])", _join_each, 0.5, (("str",), ()))
    yield _choice("str")


def _join_each(scope: tuple[Any, ...], sources: Any, inner: Any) -> str:
    return ev.join("", ev.collect(scope, sources, inner))


def _join_if(scope: tuple[Any, ...], sources: Any, inner: Any) -> str:
    return ev.join("", ev.collect_if(scope, sources, inner))


def _truths() -> Iterator[Template]:
    yield from const("bool", True, False)
    signs = {"==": op.eq, "!=": op.ne, "<": op.lt, "<=": op.le, ">": op.gt, ">=": op.ge}
    yield from _table("bool", 1.0, {f"{{int}} {sign} {{int}}": apply for sign, apply in signs.items()})
    yield from _table(
        "bool",
        1.0,
        {
            "not {bool}": op.not_,
            "{bool} and {bool}": lambda a, b: a and b,
            "{bool} or {bool}": lambda a, b: a or b,
            "{str} == {str}": op.eq,
            "{str} != {str}": op.ne,
            "{str} in {str}": lambda a, b: a in b,
            "{str} not in {str}": lambda a, b: a not in b,
            "{int} in {List[int]}": lambda a, b: a in b,
            "{str} in {List[str]}": lambda a, b: a in b,
            "{str}.isalpha()": str.isalpha,
            "{str}.isupper()": str.isupper,
        },
    )
    yield from _table(
        "bool",
        0.5,
        {
            "{str}.islower()": str.islower,
            "{str}.isdigit()": str.isdigit,
            "{str}.startswith({str})": str.startswith,
            "{str}.endswith({str})": str.endswith,
            "{str} < {str}": op.lt,
            "{float} < {float}": op.lt,
            "{float} == {float}": op.eq,
            "{float}.is_integer()": float.is_integer,
            "{List[int]} == {List[int]}": op.eq,
            "{bool} == {bool}": op.eq,
            "any({List[bool]})": any,
            "all({List[bool]})": all,
            "{int} in {Set[int]}": lambda a, b: a in b,
            "{str} in {Set[str]}": lambda a, b: a in b,
            "{List[int]} in {List[List[int]]}": lambda a, b: a in b,
        },
    )


def _reals() -> Iterator[Template]:
    yield from const("float", 0.0, 1.0, 0.5, 2.0)
    yield from _operators("float", {"+": op.add, "-": op.sub, "*": op.mul, "/": op.truediv})
    yield from _table(
        "float",
        1.0,
        {
            "float({int})": float,
            "{int} / {int}": op.truediv,
            "{float} * {int}": op.mul,
            "{float} / {int}": op.truediv,
            "{float} + {int}": op.add,
            "-{float}": op.neg,
            "{float} ** {float}": ev.power,
            "{int} ** {float}": ev.power,
            "abs({float})": abs,
            "sum({List[float]})": ev.total,
            "max({List[float]})": max,
            "min({List[float]})": min,
            "float({str})": float,
            "round({float}, {int})": round,
        },
    )
    yield _choice("float")


def _lists(t: str) -> Iterator[Template]:
    kind = f"List[{t}]"
    yield Template(f"{kind}: []", list, 0.5)
    yield Template(f"{kind}: [{{{t}}}]", lambda a: [a])
    yield Template(f"{kind}: [{{{t}}}, {{{t}}}]", lambda a, b: [a, b])
    yield Template(f"{kind}: [{{{t}}}, {{{t}}}, {{{t}}}]", lambda a, b, c: [a, b, c])
    yield Template(f"{kind}: {{{kind}}} + {{{kind}}}", op.add)
    yield Template(f"{kind}: {{{kind}}} * {{int}}", ev.times)
    yield Template(f"{kind}: {{{kind}}}[::-1]", lambda s: s[::-1])
    yield Template(f"{kind}: {{{kind}}}[{{int}}:]", lambda s, i: s[i:], 0.5)
    yield Template(f"{kind}: {{{kind}}}[:{{int}}]", lambda s, i: s[:i], 0.5)
    yield Template(f"{t}: {{{kind}}}[{{int}}]", op.getitem)
    yield Template(f"{kind}: sorted({{{kind}}})", sorted)
    if not t.startswith("List"):
        yield Template(f"{kind}: [{{{t}}}, {{{t}}}, {{{t}}}, {{{t}}}]", lambda *parts: list(parts), 0.5)
        yield Template(f"{kind}: {{{kind}}}[::{{int}}]", lambda s, i: s[::i], 0.3)
        yield Template(f"{kind}: sorted({{{kind}}}, reverse=True)", lambda s: sorted(s, reverse=True), 0.5)
        yield _choice(kind)


def _deep_lists(t: str) -> Iterator[Template]:
    kind = f"List[{t}]"
    yield from _deepest(t)
    yield Template(f"{kind}: {{{kind}}}[::-1]", lambda s: s[::-1])
    yield Template(f"{t}: {{{kind}}}[{{int}}]", op.getitem, 0.5)


def _deepest(t: str) -> Iterator[Template]:
    kind = f"List[{t}]"
    yield Template(f"{kind}: []", list, 0.5)
    yield Template(f"{kind}: [{{{t}}}]", lambda a: [a])
    yield Template(f"{kind}: [{{{t}}}, {{{t}}}]", lambda a, b: [a, b])
    yield Template(f"{kind}: {{{kind}}} + {{{kind}}}", op.add)


def _special_lists() -> Iterator[Template]:
    for text, apply, weight in (
        ("List[int]: list({range})", list, 2.0),
        ("List[int]: sorted({Set[int]})", sorted, 1.0),
        ("List[int]: sum({List[List[int]]}, [])", _flat, 0.5),
        ("List[int]: list({Dict[str, int]}.values())", lambda d: list(d.values()), 0.5),
        ("List[str]: list({str})", list, 1.0),
        ("List[str]: {str}.split()", str.split, 1.0),
        ("List[str]: {str}.split({str})", str.split, 1.0),
        ("List[str]: sorted({str})", sorted, 0.5),
        ("List[str]: sorted({Set[str]})", sorted, 1.0),
        ("List[str]: list({Dict[str, int]})", list, 1.0),
        ("List[List[int]]: [list(x) for x in zip({List[int]}, {List[int]})]", _columns, 0.5),
        ("List[List[int]]: [list(x) for x in zip(*{List[List[int]]})]", lambda m: [list(x) for x in zip(*m)], 0.5),
    ):
        yield Template(text, apply, weight)


def _flat(rows: list[list[int]]) -> list[int]:
    return [x for row in rows for x in row]


def _columns(left: list[int], right: list[int]) -> list[list[int]]:
    return [[x, y] for x, y in zip(left, right)]


def _sets_and_dicts() -> Iterator[Template]:
    for t in ("int", "str"):
        kind = f"Set[{t}]"
        yield Template(f"{kind}: set({{List[{t}]}})", set, 2.0)
        yield Template(f"{kind}: {{{kind}}} - {{{kind}}}", op.sub)
        yield Template(f"{kind}: {{{kind}}} & {{{kind}}}", op.and_)
        yield Template(f"{kind}: {{{kind}}} | {{{kind}}}", op.or_)
    yield Template("Set[int]: set({range})", set)
    yield Template("Set[str]: set({str})", set)


def _ranges() -> Iterator[Template]:
    yield Template("range: range({int})", ev.numbers, 2.0)
    yield Template("range: range({int}, {int})", ev.numbers)
    yield Template("range: range({int}, {int}, {int})", ev.numbers, 0.5)
    yield Template("range: range(len({List[int]}))", lambda s: range(len(s)))
    yield Template("range: range(len({str}))", lambda s: range(len(s)))


_SOURCES = {
    "range": "int",
    "List[int]": "int",
    "str": "str",
    "List[str]": "str",
    "List[float]": "float",
    "List[List[int]]": "List[int]",
    "List[List[str]]": "List[str]",
    "List[List[float]]": "List[float]",
    "List[List[List[int]]]": "List[List[int]]",
}
_ROWS = {"int": "range", "str": "List[str]"}
_BODIES = ("int", "str", "bool", "float", "List[int]", "List[str]", "List[float]")


def _comprehensions() -> Iterator[Template]:
    for body in _BODIES:
        kind, plain = f"List[{body}]", not body.startswith("List")
        for source, x in _SOURCES.items():
            if not plain and source not in ("range", "List[int]", "List[List[int]]", f"List[{body}]"):
                continue
            text = f"{kind}: [{{{body}}} for @0 in {{{source}}}]"
            yield Template(text, ev.collect, 1.0 if plain else 0.7, ((x,), ()))
        if plain:
            yield from _binders(kind, body)
    yield from _filters()
    yield Template(
        "List[List[int]]: [{List[int]} for @0 in {range} for @1 in {range}]",
        ev.collect_product,
        0.5,
        (("int", "int"), (), ()),
    )
    yield Template(
        "List[List[int]]: [{List[int]} for @0 in {range} for @1 in {range} if {bool}]",
        ev.collect_product_if,
        0.5,
        (("int", "int"), (), (), ("int", "int")),
    )
    yield Template("List[List[List[int]]]: [{List[List[int]]} for @0 in {range}]", ev.collect, 0.5, (("int",), ()))


def _binders(kind: str, body: str) -> Iterator[Template]:
    for source in ("List[int]", "str", "List[str]", "List[float]"):
        x = _SOURCES[source]
        text = f"{kind}: [{{{body}}} for @0, @1 in enumerate({{{source}}})]"
        yield Template(text, ev.collect_numbered, 0.3, (("int", x), ()))
    for pair in ("List[int]", "str", "List[str]"):
        x = _SOURCES[pair]
        text = f"{kind}: [{{{body}}} for @0, @1 in zip({{{pair}}}, {{{pair}}})]"
        yield Template(text, ev.collect_zipped, 0.3, ((x, x), (), ()))
    text = f"{kind}: [{{{body}}} for @0, @1 in {{List[List[int]]}}]"
    yield Template(text, ev.collect_pairs, 0.3, (("int", "int"), ()))


def _filters() -> Iterator[Template]:
    for source, x in _SOURCES.items():
        text = f"List[{x}]: [@0 for @0 in {{{source}}} if {{bool}}]"
        yield Template(text, _keep, 1.0, ((), (x,)))
    for source in ("List[int]", "str", "List[str]", "List[float]"):
        text = f"List[int]: [@0 for @0, @1 in enumerate({{{source}}}) if {{bool}}]"
        yield Template(text, _places, 0.5, ((), ("int", _SOURCES[source])))
    yield Template("List[int]: [{int} for @0 in {List[int]} if {bool}]", ev.collect_if, 0.5, (("int",), (), ("int",)))
    for element in ("int", "str"):
        text = f"List[{element}]: [{{{element}}} for @0 in {{{_ROWS[element]}}} for @1 in {{range}}]"
        x = _SOURCES[_ROWS[element]]
        yield Template(text, ev.collect_nested, 0.3, ((x, "int"), (), (x,)))
    yield Template(
        "List[str]: [{str} for @0 in {str} for @1 in {str}]", ev.collect_product, 0.3, (("str", "str"), (), ())
    )


def _keep(scope: tuple[Any, ...], sources: Any, inner: Any) -> list[Any]:
    return [x for x in sources[0] if inner[0]((*scope, x))]


def _places(scope: tuple[Any, ...], sources: Any, inner: Any) -> list[int]:
    return [i for i, x in enumerate(sources[0]) if inner[0]((*scope, i, x))]


def _small() -> Iterator[Template]:
    yield from const("int", 0, 1, 2, 3, 10)
    yield Template("int: -1", lambda: -1)
    yield from _operators("int", {"+": op.add, "-": op.sub, "*": op.mul, "//": op.floordiv, "%": op.mod})
    yield Template("int: {int} ** {int}", ev.power)
    yield from const("str", "", " ", "a")
    yield from _table(
        "",
        1.0,
        {
            "int: -{int}": op.neg,
            "int: abs({int})": abs,
            "int: len({str})": len,
            "int: len({List[int]})": len,
            "int: sum({List[int]})": ev.total,
            "int: max({List[int]})": max,
            "int: min({List[int]})": min,
            "int: int({str})": ev.integer,
            "int: {List[int]}[{int}]": op.getitem,
            "int: {List[int]}.count({int})": list.count,
            "int: {List[int]}.index({int})": list.index,
            "int: {str}.count({str})": str.count,
            "int: {str}.index({str})": str.index,
            "str: {str} + {str}": op.add,
            "str: {str} * {int}": ev.times,
            "str: {str}[{int}]": op.getitem,
            "str: {str}[::-1]": lambda s: s[::-1],
            "str: {str}[{int}:]": lambda s, i: s[i:],
            "str: {str}[:{int}]": lambda s, i: s[:i],
            "str: {str}.lower()": str.lower,
            "str: {str}.upper()": str.upper,
            "str: {str}.replace({str}, {str})": ev.replace,
            "str: str({int})": str,
            "str: {str}.join({List[str]})": ev.join,
            "str: {List[str]}[{int}]": op.getitem,
            "List[int]: [{int}]": lambda a: [a],
            "List[int]: [{int}, {int}]": lambda a, b: [a, b],
            "List[int]: {List[int]} + {List[int]}": op.add,
            "List[int]: {List[int]} * {int}": ev.times,
            "List[int]: {List[int]}[::-1]": lambda s: s[::-1],
            "List[int]: {List[int]}[{int}:]": lambda s, i: s[i:],
            "List[int]: sorted({List[int]})": sorted,
            "List[int]: list(range({int}))": lambda n: list(ev.numbers(n)),
            "List[int]: list(range({int}, {int}))": lambda a, b: list(ev.numbers(a, b)),
            "List[str]: [{str}]": lambda a: [a],
            "List[str]: {str}.split()": str.split,
            "List[str]: {str}.split({str})": str.split,
            "List[str]: list({str})": list,
            "List[str]: {List[str]} + {List[str]}": op.add,
            "List[str]: {List[str]}[::-1]": lambda s: s[::-1],
        },
    )
    each = "List[int]: [{int} for @0 in {List[int]}]"
    yield Template(each, ev.collect, 1.0, (("int",), ()))
    yield Template("List[str]: [{str} for @0 in {List[str]}]", ev.collect, 1.0, (("str",), ()))
