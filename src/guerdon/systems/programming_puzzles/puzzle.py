"""One puzzle, and the strict reader of the original `puzzles.json` format.

A puzzle is a short Python function `sat(answer, inputs...)`; any answer for which it returns `True` solves it. This
module reads, checks and writes puzzles and never runs them: inputs are read with `ast.literal_eval`, and the sources
that `verifier_source` and `Puzzle.solution_source` return are meant for the sandbox.
"""

from __future__ import annotations

import ast
import functools
import json
import math
import os
import re
import sys
import textwrap
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args

from guerdon.core.errors import ConfigError, did_you_mean

PRELUDE = "from typing import *\n"
"""The line before every verifier and solution: their annotations may use any name of `typing`."""

Base = Literal["bool", "int", "float", "str"]
MAX_DEPTH = 3

_BASES: dict[str, type] = {"bool": bool, "int": int, "float": float, "str": str}
_NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]*:[0-9]+")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class AnswerType:
    """The type of an answer: one of four scalars inside zero to three lists.

    >>> kind = AnswerType.parse("List[List[int]]")
    >>> kind.base, kind.depth, str(kind)
    ('int', 2, 'List[List[int]]')
    >>> kind.check([[1, 2], [3, True]])
    'at [1][1] expected int, got bool'
    >>> kind.check([[1, 2], []]) is None
    True
    """

    base: Base
    depth: int = 0

    def __post_init__(self) -> None:
        if self.base not in get_args(Base) or self.depth not in range(MAX_DEPTH + 1):
            got = f"got base {self.base!r} and depth {self.depth!r}"
            raise ConfigError(
                "An answer type is bool, int, float or str in 0 to 3 lists", got, "Use such a base and depth"
            )

    @classmethod
    def parse(cls, text: str) -> AnswerType:
        """Read `int`, `List[str]`, ... `List[List[List[float]]]`.

        Raises:
            ConfigError: if the text is anything else.
        """
        for base in get_args(Base):
            for depth in range(MAX_DEPTH + 1):
                if text == "List[" * depth + base + "]" * depth:
                    return cls(base, depth)
        do = "Write bool, int, float or str, or one of them in up to three List[...]"
        raise ConfigError("An answer type of the puzzle format was expected", f"got {_short(text)}", do)

    def __str__(self) -> str:
        return "List[" * self.depth + self.base + "]" * self.depth

    def check(self, value: object) -> str | None:
        """Say what is wrong with the type of a value, or None when it is exactly right.

        Types are exact: a bool is no int, a subclass is not its parent, and a tuple is no list.
        """
        return _check(value, _BASES[self.base], self.depth, "")


def _check(value: object, base: type, depth: int, path: str) -> str | None:
    wanted = list if depth else base
    if type(value) is not wanted:
        return f"{f'at {path} ' if path else ''}expected {wanted.__name__}, got {type(value).__name__}"
    if type(value) is list:
        for index, element in enumerate(value):
            fault = _check(element, base, depth - 1, f"{path}[{index}]")
            if fault is not None:
                return fault
    return None


@dataclass(frozen=True, slots=True)
class Puzzle:
    r"""One puzzle, field by field as the original JSON format has it.

    Args:
        name: `Generator:instance`, such as `SumOfDigits:2`.
        sat: source of `def sat(answer: TYPE, a=..., b=...)`; every input is a literal default.
        ans_type: the annotation of the answer.
        sol_header: first line of a solution, `def sol(a=..., b=...):`.
        sol_docstring: the statement in English, as an indented docstring, or "".
        sol_bodies: indented bodies of reference solutions; hidden from solvers.
        module: file the generator came from.
        notes: remarks of the author; hidden from solvers, since they may hint at a solution.
        weight: share of the puzzle in a weighted score.

    Raises:
        ConfigError: if a field breaks the format.

    >>> puzzle = Puzzle("AddTo:0", "def sat(n: int, a=7):\n    return n + a == 50", "int", "def sol(a=7):")
    >>> puzzle.generator, puzzle.instance, puzzle.inputs, puzzle.answer_name, puzzle.answer_type
    ('AddTo', 0, {'a': 7}, 'n', AnswerType(base='int', depth=0))
    >>> print(puzzle.solution_source("return 50 - a"))
    from typing import *
    def sol(a=7):
        return 50 - a
    <BLANKLINE>
    """

    name: str
    sat: str
    ans_type: str
    sol_header: str
    sol_docstring: str = ""
    sol_bodies: tuple[str, ...] = ()
    module: str = ""
    notes: str = ""
    weight: float = 1.0

    def __post_init__(self) -> None:
        _check_fields(self)
        _check_sources(self)

    @property
    def generator(self) -> str:
        """Name of the generator: the part of the name before the colon."""
        return self.name.partition(":")[0]

    @property
    def instance(self) -> int:
        """Number of the instance: the part of the name after the colon."""
        return int(self.name.partition(":")[2])

    @property
    def inputs(self) -> dict[str, Any]:
        """The inputs by name, fresh objects at every call, read from the source and never executed."""
        arguments = _function(self.sat).args
        return {a.arg: ast.literal_eval(v) for a, v in zip(arguments.args[1:], arguments.defaults)}

    @property
    def answer_name(self) -> str:
        """Name the verifier gives to the answer."""
        return _function(self.sat).args.args[0].arg

    @property
    def answer_type(self) -> AnswerType:
        """The parsed `ans_type`."""
        return AnswerType.parse(self.ans_type)

    def task_data(self) -> dict[str, str]:
        """What a solver may see: neither reference solutions nor the author's notes."""
        seen = ("name", "sat", "ans_type", "sol_header", "sol_docstring", "module")
        return {name: getattr(self, name) for name in seen}

    def solution_source(self, body: str) -> str:
        """The source of a whole solution module from a body, indented or not."""
        if body.lstrip("\n")[:1] not in (" ", "\t"):
            body = textwrap.indent(body, "    ")
        return f"{PRELUDE}{self.sol_header}\n{body}\n"

    def to_json(self) -> dict[str, Any]:
        """The puzzle as one item of `puzzles.json`."""
        item = {field.name: getattr(self, field.name) for field in fields(self)}
        return item | {"sol_bodies": list(self.sol_bodies)}

    @classmethod
    def from_json(cls, item: object) -> Puzzle:
        """Read one item of `puzzles.json`.

        Raises:
            ConfigError: if a field is missing, unknown, of the wrong type or breaks the format.
        """
        if not isinstance(item, Mapping):
            raise ConfigError("A puzzle must be a JSON object", f"got {_short(item)}", "Write the nine fields")
        known = [field.name for field in fields(cls)]
        for name in known:
            if name not in item:
                raise ConfigError(f'Field "{name}" is missing', f"got {_short(sorted(map(str, item)))}", "Add it")
        for name in item:
            if name not in known:
                raise ConfigError("A puzzle has nine fields", f"got {_short(name)}", did_you_mean(str(name), known))
        bodies = item["sol_bodies"]
        return cls(**(dict(item) | {"sol_bodies": tuple(bodies) if isinstance(bodies, list) else bodies}))


def verifier_source(puzzle: Puzzle) -> str:
    """The source of a module that defines `sat`, ready for the sandbox."""
    return f"{PRELUDE}{puzzle.sat}\n"


def load_puzzles(path: str | os.PathLike[str]) -> list[Puzzle]:
    """Read a puzzle set: a file in the original format, or generator modules (a `.py` file or a folder of them).

    A JSON file is data and is only read. Generator modules are the user's own code and are imported.

    Raises:
        ConfigError: naming the file and, in a JSON file, the item, its line and the field.
    """
    path = Path(path)
    if path.is_dir() or path.suffix == ".py":
        from guerdon.systems.programming_puzzles import generators

        return generators.build(generators.load_generators(path))
    return parse_puzzles(_read_text(path), str(path))


def parse_puzzles(text: str, origin: str = "puzzles") -> list[Puzzle]:
    """Read the text of a `puzzles.json`; `origin` names it in errors.

    Raises:
        ConfigError: naming the item, its line and the field.
    """
    puzzles: list[Puzzle] = []
    places: dict[str, str] = {}
    for place, item in _items(text, origin):
        try:
            puzzle = Puzzle.from_json(item)
        except ConfigError as error:
            raise ConfigError(f"{place}: {error.expected}", error.got, error.do) from None
        if puzzle.name in places:
            got = f"{puzzle.name} is also {places[puzzle.name]}"
            raise ConfigError(f'{place}: field "name" must be unique', got, "Rename one of the two")
        places[puzzle.name] = place
        puzzles.append(puzzle)
    return puzzles


def save_puzzles(puzzles: Iterable[Puzzle], path: str | os.PathLike[str]) -> None:
    """Write puzzles in the original format; the file appears whole or not at all."""
    path = Path(path)
    text = json.dumps([puzzle.to_json() for puzzle in puzzles], indent=1, ensure_ascii=False, allow_nan=False)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text + "\n", encoding="utf-8", newline="\n")
    draft.replace(path)


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path} must be a readable file", str(error.strerror), "Check the path") from None
    except UnicodeDecodeError as error:
        got = f"byte {error.start} is not UTF-8"
        raise ConfigError(f"{path} must be UTF-8 text", got, "Save it as UTF-8") from None


class _RefusedError(ValueError):
    """A value that JSON text may hold and a puzzle may not: (what was expected, what came)."""


def _items(text: str, origin: str) -> Iterator[tuple[str, object]]:
    """Yield (place, value) of each element of the list in `text`, so that every fault has a place."""
    decoder = json.JSONDecoder(object_pairs_hook=_no_twins, parse_constant=_no_constant, parse_float=_finite)
    position = _skip(text, 0)
    if text[position : position + 1] != "[":
        got = f"it starts with {_near(text, position)}"
        raise ConfigError(f"{origin} must hold a JSON list of puzzles", got, "Wrap the puzzles in [ and ]")
    position, index, line, counted = _skip(text, position + 1), 0, 1, 0
    while index or text[position : position + 1] != "]":
        line, counted = line + text.count("\n", counted, position), position
        place = f"{origin}, item {index} (line {line})"
        try:
            value, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            raise _unreadable(error, place) from None
        yield place, value
        position, index = _skip(text, end), index + 1
        if text[position : position + 1] == "]":
            break
        if text[position : position + 1] != ",":
            raise ConfigError(
                f"{place} must be followed by a comma or ]", f"got {_near(text, position)}", "Mend the JSON"
            )
        position = _skip(text, position + 1)
    rest = _skip(text, position + 1)
    if rest < len(text):
        raise ConfigError(f"{origin} must end after the list", f"got {_near(text, rest)}", "Remove what follows")


def _unreadable(error: Exception, place: str) -> ConfigError:
    if isinstance(error, _RefusedError):
        return ConfigError(f"{place}: {error.args[0]}", error.args[1], "Correct the value")
    if isinstance(error, json.JSONDecodeError):
        got = f"{error.msg} on line {error.lineno}, column {error.colno}"
        return ConfigError(f"{place} must be JSON", got, "Mend the JSON there")
    if isinstance(error, RecursionError):
        return ConfigError(f"{place} must be a plain object", "it is nested far too deep", "Remove the nesting")
    return ConfigError(f"{place} must hold short numbers", "got one of more than 4300 digits", "Shorten the number")


def _skip(text: str, position: int) -> int:
    while text[position : position + 1] in (" ", "\t", "\n", "\r"):
        position += 1
    return position


def _near(text: str, position: int) -> str:
    if position >= len(text):
        return "the end of the file"
    return f"{_short(text[position : position + 20])} on line {text.count(chr(10), 0, position) + 1}"


def _no_twins(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twin = next(key for key in keys if keys.count(key) > 1)
        raise _RefusedError("a field may be given once", f'"{twin}" is given {keys.count(twin)} times')
    return found


def _no_constant(word: str) -> NoReturn:
    raise _RefusedError("numbers must be finite", f"got {word}")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise _RefusedError("numbers must be finite", f"got {_short(digits)}")
    return number


def _short(value: object) -> str:
    try:
        text = repr(value)
    except (RecursionError, ValueError):
        return f"a {type(value).__name__} too large to show"
    return text if len(text) <= 60 else f"{text[:56]} ..."


def _check_fields(puzzle: Puzzle) -> None:
    for field in fields(Puzzle):
        value = getattr(puzzle, field.name)
        if field.name == "weight":
            if type(value) not in (int, float) or not 0 <= value <= sys.float_info.max:
                raise _field_error("weight", "a finite number of at least 0", value)
        elif field.name == "sol_bodies":
            if not isinstance(value, tuple) or not all(isinstance(body, str) for body in value):
                raise _field_error("sol_bodies", "a list of strings", value)
            if any(_SURROGATE.search(body) for body in value):
                raise _field_error("sol_bodies", "text without lone surrogates", value)
        elif not isinstance(value, str):
            raise _field_error(field.name, "a string", value)
        elif _SURROGATE.search(value):
            raise _field_error(field.name, "text without lone surrogates", value)
    if not _NAME.fullmatch(puzzle.name):
        raise _field_error("name", "Generator:number", puzzle.name)


def _check_sources(puzzle: Puzzle) -> None:
    try:
        kind = AnswerType.parse(puzzle.ans_type)
    except ConfigError as error:
        raise _field_error(
            "ans_type", "bool, int, float, str or up to three List[...] of one", puzzle.ans_type
        ) from error
    arguments = _function(puzzle.sat).args
    annotation = arguments.args[0].annotation
    written = ast.unparse(annotation).replace("list[", "List[") if annotation else ""
    if written != str(kind):
        got = f"{arguments.args[0].arg}: {written}" if written else f"{arguments.args[0].arg} without annotation"
        raise _field_error("sat", f"a function whose answer is annotated {kind}, as ans_type says", got)
    names = [argument.arg for argument in arguments.args[1:]]
    if sorted(_header_names(puzzle.sol_header)) != sorted(names):
        raise _field_error("sol_header", f"def sol(...): with the inputs {names}", puzzle.sol_header)


def _field_error(name: str, wanted: str, got: object, do: str = "Correct the field") -> ConfigError:
    return ConfigError(f'Field "{name}" must be {wanted}', f"got {_short(got)}", do)


def _parse(source: str, field: str) -> list[ast.stmt]:
    """Parse untrusted source; the parser answers hostile text with five kinds of exception."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source).body
    except SyntaxError as error:
        got = f"{error.msg} on line {error.lineno}"
    except (ValueError, RecursionError, MemoryError) as error:
        got = str(error) or "it is nested far too deep"
    raise ConfigError(f'Field "{field}" must be Python source', got, "Correct the source")


@functools.lru_cache(maxsize=4096)
def _function(sat: str) -> ast.FunctionDef:
    """The parsed verifier, known to have one bare answer followed by literal inputs."""
    body = _parse(sat, "sat")
    function = body[0] if len(body) == 1 else None
    if not isinstance(function, ast.FunctionDef) or function.name != "sat" or function.decorator_list:
        raise _field_error("sat", "one undecorated function called sat", sat)
    arguments = function.args
    if arguments.posonlyargs or arguments.kwonlyargs or arguments.vararg or arguments.kwarg or not arguments.args:
        raise _field_error("sat", "a function of the answer and plain inputs", ast.unparse(arguments))
    if len(arguments.defaults) > len(arguments.args) - 1:
        raise _field_error("sat", "a function whose answer has no default", ast.unparse(arguments.args[0]))
    if len(arguments.defaults) < len(arguments.args) - 1:
        bare = arguments.args[len(arguments.args) - len(arguments.defaults) - 1].arg
        raise _field_error("sat", "a function whose inputs all have defaults", bare)
    for argument, default in zip(arguments.args[1:], arguments.defaults):
        try:
            plain = _is_plain(ast.literal_eval(default))
        except (ValueError, TypeError, RecursionError, MemoryError, SyntaxError):
            plain = False
        if not plain:
            raise _field_error("sat", f"a function whose input {argument.arg} is a literal JSON could hold", sat)
    return function


def _is_plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(_is_plain(part) for pair in value.items() for part in pair)
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value))


def _header_names(header: str) -> list[str]:
    """Names of the inputs of a solution, whose order the format leaves free."""
    body = _parse(f"{header}\n    pass", "sol_header")
    function = body[0]
    if len(body) != 1 or not isinstance(function, ast.FunctionDef) or function.name != "sol":
        raise _field_error("sol_header", "def sol(...): with the inputs of sat", header)
    return [argument.arg for argument in function.args.args]
