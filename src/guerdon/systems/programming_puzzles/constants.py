"""What COPY rules may insert: inputs by name, literals and constant sub-expressions of a puzzle, by type.

The verifier is parsed, never run. A sub-expression is constant when it depends on literals and on inputs that the
verifier does not rebind; it is computed by a metered interpreter over a closed list of operators and functions.
"""

from __future__ import annotations

import ast
import math
import operator as op
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from guerdon.core.errors import SolverError
from guerdon.systems.programming_puzzles import evaluate as ev

TICKS = 20_000
"""Ticks for all constant sub-expressions of one puzzle."""

SHORT = 4
"""Longest list in an input whose elements are constants of their own: long ones would crowd out everything else."""

BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: op.add,
    ast.Sub: op.sub,
    ast.Mult: ev.times,
    ast.Div: op.truediv,
    ast.FloorDiv: op.floordiv,
    ast.Mod: lambda a, b: _modulo(a, b),
    ast.Pow: ev.power,
    ast.BitAnd: op.and_,
    ast.BitOr: op.or_,
    ast.BitXor: op.xor,
    ast.LShift: ev.shift_left,
    ast.RShift: op.rshift,
}
UNARY: dict[type, Callable[[Any], Any]] = {ast.USub: op.neg, ast.UAdd: op.pos, ast.Not: op.not_, ast.Invert: op.invert}
COMPARE: dict[type, Callable[[Any, Any], bool]] = {
    ast.Eq: op.eq,
    ast.NotEq: op.ne,
    ast.Lt: op.lt,
    ast.LtE: op.le,
    ast.Gt: op.gt,
    ast.GtE: op.ge,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
    ast.Is: op.is_,
    ast.IsNot: op.is_not,
}
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs, "all": all, "any": any, "bool": bool, "chr": ev.character, "dict": dict,
    "enumerate": lambda s: list(enumerate(s)),
    "float": float,
    "int": ev.integer, "len": len, "list": list, "max": max, "min": min, "ord": ord,
    "pow": lambda base, exponent, *m: pow(base, exponent, *m) if m else ev.power(base, exponent),
    "range": ev.numbers, "reversed": lambda s: list(reversed(s)), "round": round, "set": set, "sorted": sorted,
    "str": str, "sum": sum, "tuple": tuple, "zip": lambda *s: list(zip(*s)),
}  # fmt: skip
_TEXT = frozenset((
    "capitalize", "count", "endswith", "find", "index", "isalnum", "isalpha", "isdigit", "islower", "isspace",
    "isupper", "join", "lower", "lstrip", "replace", "rfind", "rindex", "rstrip", "split", "splitlines", "startswith",
    "strip", "swapcase", "title", "upper",
))  # fmt: skip
METHODS: dict[type, frozenset[str]] = {
    str: _TEXT,
    list: frozenset(("count", "index", "copy")),
    tuple: frozenset(("count", "index")),
    dict: frozenset(("get", "items", "keys", "values")),
    set: frozenset(("union", "intersection", "difference", "issubset", "issuperset")),
    float: frozenset(("is_integer",)),
}


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that a program may use, and the Python that names it.

    Args:
        code: an expression valid in the body of `sol`.
        value: its value.
        origin: "input", "literal" or "expression".
    """

    code: str
    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Verifier:
    """A parsed `sat`.

    Args:
        function: its syntax tree.
        inputs: default values by name.
        names: every identifier in it.
    """

    function: ast.FunctionDef
    inputs: Mapping[str, Any]
    names: frozenset[str]

    @property
    def prefix(self) -> str:
        """A prefix for bound variables that clashes with no name of the puzzle."""
        return next(p for p in ("x", "v", "w", "_x_", "_v_", "_bound_") if not any(n.startswith(p) for n in self.names))


def parse(sat: str) -> Verifier:
    r"""Read the source of `def sat(answer: TYPE, a=..., b=...)` without running it.

    Raises:
        SolverError: it is not such a function.

    >>> dict(parse("def sat(n: int, a=7, b=[1]):\n    return n + a in b").inputs)
    {'a': 7, 'b': [1]}
    """
    try:
        function = next(node for node in ast.parse(sat).body if isinstance(node, ast.FunctionDef))
        arguments = function.args
        inputs = {a.arg: ast.literal_eval(v) for a, v in zip(arguments.args[1:], arguments.defaults)}
    except (SyntaxError, ValueError, StopIteration, RecursionError) as error:
        raise SolverError(
            "a puzzle's sat is one function with literal inputs", str(error), "Check its source"
        ) from None
    names = {n.id for n in ast.walk(function) if isinstance(n, ast.Name)} | set(inputs)
    return Verifier(function, inputs, frozenset(names | {a.arg for a in ast.walk(function) if isinstance(a, ast.arg)}))


def type_of(value: Any) -> str | None:
    """The nonterminal of a value, or `None` for one that the grammar has no type for.

    >>> type_of([[1], []]), type_of({"a": 1}), type_of([1, "a"]), type_of([])
    ('List[List[int]]', 'Dict[str, int]', None, None)
    """
    kind = type(value)
    if kind in (bool, int, float, str, range):
        return kind.__name__
    if kind is list or kind is set:
        inner = {type_of(part) for part in value} - ({None} if _has_empty(value) else set())
        if len(inner) != 1 or None in inner:
            return None
        return f"{'List' if kind is list else 'Set'}[{inner.pop()}]"
    if kind is dict and value and {type(k) for k in value} == {str} and {type(v) for v in value.values()} == {int}:
        return "Dict[str, int]"
    return None


def _has_empty(value: Any) -> bool:
    return any(type(part) is list and not part for part in value)


def constants(sat: str) -> dict[str, list[Constant]]:
    r"""All constants of a puzzle by type: inputs first, then literals, then computed sub-expressions.

    A value is listed once, under the first expression that has it.

    >>> found = constants("def sat(n: int, a=7):\n    return n * 2 == a + 43")
    >>> [(c.code, c.value) for c in found["int"]]
    [('a', 7), ('2', 2), ('43', 43), ('a + 43', 50)]
    """
    verifier = parse(sat)
    found: dict[str, dict[str, Constant]] = {}

    def add(code: str, value: Any, origin: str) -> None:
        kind = type_of(value)
        if kind is not None and kind.count("List") <= 3 and _is_plain(value):
            found.setdefault(kind, {}).setdefault(repr(value), Constant(code, value, origin))

    for name, value in verifier.inputs.items():
        add(name, value, "input")
    for name, value in verifier.inputs.items():
        for code, part in _parts(name, value):
            add(code, part, "literal")
    computed = list(_computed(verifier))
    for origin in ("literal", "expression"):
        for node, value in computed:
            if (origin == "literal") == isinstance(node, ast.Constant):
                add(ast.unparse(node), value, origin)
    return {kind: list(by_value.values()) for kind, by_value in found.items()}


def _is_plain(value: Any) -> bool:
    if type(value) is int:
        return value.bit_length() <= ev.MAX_BITS
    if type(value) in (list, set, dict):
        return len(value) <= ev.MAX_ITEMS and all(map(_is_plain, value.values() if type(value) is dict else value))
    return type(value) is not float or math.isfinite(value)


def _parts(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Literals inside an input: the elements of a short list, and the numbers and texts of a short list of lists."""
    if type(value) is list and len(value) <= SHORT:
        for index, part in enumerate(value):
            yield f"{name}[{index}]", part
            if type(part) is list and len(part) <= SHORT:
                yield from _parts(f"{name}[{index}]", part)


def _computed(verifier: Verifier) -> Iterator[tuple[ast.expr, Any]]:
    function = verifier.function
    rebound = {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    inner = {a.arg for n in ast.walk(function) if _is_inner(n, function) for a in _all(n)}
    free = {name: value for name, value in verifier.inputs.items() if name not in rebound and name not in inner}
    meter = ev.Meter(TICKS)
    for statement in function.body:
        for node in _expressions(statement):
            try:
                yield node, ev.bounded(Constants(meter).value(node, free))
            except ev.ERRORS:
                continue


def _is_inner(node: ast.AST, function: ast.FunctionDef) -> TypeGuard[ast.arguments]:
    return isinstance(node, ast.arguments) and node is not function.args


def _all(arguments: ast.arguments) -> list[ast.arg]:
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]


def _expressions(node: ast.AST) -> Iterator[ast.expr]:
    """Expressions of a statement, outermost first; messages of assertions and docstrings are skipped."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.expr) and not isinstance(node, (ast.JoinedStr, ast.Starred)):
        yield node
    for name, field in ast.iter_fields(node):
        if (isinstance(node, ast.Assert) and name == "msg") or name in ("annotation", "returns", "format_spec"):
            continue
        for child in field if isinstance(field, list) else [field]:
            if isinstance(child, ast.AST):
                yield from _expressions(child)


def _modulo(left: Any, right: Any) -> Any:
    if type(left) is str:
        raise ev.RefusedError("text formatting is not a constant")
    return left % right


class Constants:
    """An interpreter of expressions over known names; anything it does not know is refused.

    >>> Constants(ev.Meter(100)).value(ast.parse("sum([x * n for x in range(4)])", mode="eval").body, {"n": 10})
    60
    """

    def __init__(self, meter: ev.Meter) -> None:
        self.meter = meter

    def value(self, node: ast.AST | None, names: Mapping[str, Any]) -> Any:
        """The value of an expression.

        Raises:
            RefusedError: it is not constant, too large or takes too many ticks; and whatever its operations raise.
        """
        visit = getattr(self, f"_{type(node).__name__.lower()}", None)
        if visit is None:
            raise ev.RefusedError("not a constant expression")
        value = ev.bounded(visit(node, names))
        self.meter.charge(1 + (ev.items(value) >> 6))
        return value

    def _constant(self, node: ast.Constant, names: Mapping[str, Any]) -> Any:
        return node.value

    def _name(self, node: ast.Name, names: Mapping[str, Any]) -> Any:
        return names[node.id]

    def _binop(self, node: ast.BinOp, names: Mapping[str, Any]) -> Any:
        return BINARY[type(node.op)](self.value(node.left, names), self.value(node.right, names))

    def _unaryop(self, node: ast.UnaryOp, names: Mapping[str, Any]) -> Any:
        return UNARY[type(node.op)](self.value(node.operand, names))

    def _boolop(self, node: ast.BoolOp, names: Mapping[str, Any]) -> Any:
        stop = isinstance(node.op, ast.Or)
        value: Any = None
        for part in node.values:
            value = self.value(part, names)
            if bool(value) is stop:
                break
        return value

    def _compare(self, node: ast.Compare, names: Mapping[str, Any]) -> bool:
        left = self.value(node.left, names)
        for sign, part in zip(node.ops, node.comparators):
            right = self.value(part, names)
            if not COMPARE[type(sign)](left, right):
                return False
            left = right
        return True

    def _ifexp(self, node: ast.IfExp, names: Mapping[str, Any]) -> Any:
        return self.value(node.body if self.value(node.test, names) else node.orelse, names)

    def _list(self, node: ast.List, names: Mapping[str, Any]) -> Any:
        return [self.value(part, names) for part in node.elts]

    def _tuple(self, node: ast.Tuple, names: Mapping[str, Any]) -> Any:
        return tuple(self._list(node, names))  # type: ignore[arg-type]

    def _set(self, node: ast.Set, names: Mapping[str, Any]) -> Any:
        return set(self._list(node, names))  # type: ignore[arg-type]

    def _dict(self, node: ast.Dict, names: Mapping[str, Any]) -> Any:
        return {self.value(k, names): self.value(v, names) for k, v in zip(node.keys, node.values)}

    def _subscript(self, node: ast.Subscript, names: Mapping[str, Any]) -> Any:
        return self.value(node.value, names)[self.value(node.slice, names)]

    def _slice(self, node: ast.Slice, names: Mapping[str, Any]) -> Any:
        return slice(*(part and self.value(part, names) for part in (node.lower, node.upper, node.step)))

    def _call(self, node: ast.Call, names: Mapping[str, Any]) -> Any:
        if node.keywords:
            raise ev.RefusedError("keyword arguments are not read")
        arguments = [self.value(part, names) for part in node.args]
        self.meter.charge(sum(ev.items(part) for part in arguments) >> 6)
        if isinstance(node.func, ast.Name):
            if node.func.id in names:
                raise ev.RefusedError("not a known function")
            return FUNCTIONS[node.func.id](*arguments)
        if not isinstance(node.func, ast.Attribute):
            raise ev.RefusedError("not a known function")
        return _method(self.value(node.func.value, names), node.func.attr, arguments)

    def _listcomp(self, node: ast.ListComp | ast.GeneratorExp | ast.SetComp, names: Mapping[str, Any]) -> Any:
        return [self.value(node.elt, scope) for scope in self._scopes(node.generators, dict(names))]

    _generatorexp = _listcomp

    def _setcomp(self, node: ast.SetComp, names: Mapping[str, Any]) -> Any:
        return set(self._listcomp(node, names))

    def _dictcomp(self, node: ast.DictComp, names: Mapping[str, Any]) -> Any:
        scopes = self._scopes(node.generators, dict(names))
        return {self.value(node.key, scope): self.value(node.value, scope) for scope in scopes}

    def _scopes(self, loops: list[ast.comprehension], names: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if not loops:
            yield names
            return
        for item in self.value(loops[0].iter, names):
            self.meter.charge(1)
            scope = names | _unpacked(loops[0].target, item)
            if all(self.value(test, scope) for test in loops[0].ifs):
                yield from self._scopes(loops[1:], scope)


def _unpacked(target: ast.expr, item: Any) -> dict[str, Any]:
    if isinstance(target, ast.Name):
        return {target.id: item}
    if not isinstance(target, ast.Tuple) or len(target.elts) != len(item):
        raise ev.RefusedError("cannot unpack")
    found: dict[str, Any] = {}
    for part, value in zip(target.elts, item):
        found |= _unpacked(part, value)
    return found


def _method(thing: Any, name: str, arguments: list[Any]) -> Any:
    if name not in METHODS.get(type(thing), ()):
        raise ev.RefusedError("not a known method")
    if name == "join":
        return ev.join(thing, *arguments)
    if name == "replace":
        return ev.replace(thing, *arguments)
    made = getattr(thing, name)(*arguments)
    return list(made) if type(thing) is dict and name in ("items", "keys", "values") else made
