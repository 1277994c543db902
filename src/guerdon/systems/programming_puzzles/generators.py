"""Authoring puzzles: a class with a verifier, reference solutions and a way to make instances.

A generator is a class with a static `sat`, whose docstring is the statement in English, and static reference
solutions `sol`, `sol2`, ... of the inputs alone. Its default arguments are the first instance; `gen` adds
hand-picked ones and `gen_random` random ones:

    class SumOfDigits(Generator):
        @staticmethod
        def sat(n: int, total=30):
            '''Find a number with this sum of digits.'''
            return sum(map(int, str(n))) == total

        @staticmethod
        def sol(total):
            return int("9" * (total // 9) + str(total % 9))

        def gen_random(self):
            self.add(total=self.random.randrange(200))

Sources are taken as written, so `sat` and the solutions must import what they use. They are trusted code: building
imports the author's module, and `failing_references` runs it in this process.

    python -m guerdon.systems.programming_puzzles.generators build OUT.json [MODULE.py ...]
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import importlib.util
import inspect
import json
import linecache
import random
import sys
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from guerdon.core.errors import ConfigError
from guerdon.systems.programming_puzzles.puzzle import Puzzle, load_puzzles, save_puzzles, verifier_source

PACKAGED = Path(__file__).with_name("puzzles.json")
"""The packaged puzzle set: what `build(load_generators(LIBRARY))` gives."""

LIBRARY = Path(__file__).with_name("library")
"""Folder of the modules the packaged set is built from."""

TRIES_PER_INSTANCE = 20


class Generator:
    """A family of puzzles that differ only in their inputs.

    Subclasses define a static `sat(answer: TYPE, inputs=defaults)` and, optionally, static reference solutions
    named `sol*`, and `gen` or `gen_random`, which call `add`.

    Args:
        seed: together with the name of the class it fixes `self.random`; it never reaches the puzzles.

    Attributes:
        weight: weight of the generator, spread evenly over its instances.
        notes: remarks for the reader of the file, hidden from solvers.
        random: source of randomness for `gen` and `gen_random`.
    """

    weight: ClassVar[float] = 1.0
    notes: ClassVar[str] = ""

    def __init__(self, seed: int = 0) -> None:
        digest = hashlib.sha256(f"{seed}:{type(self).__name__}".encode()).digest()
        self.random = random.Random(int.from_bytes(digest, "big"))
        self._verifier = _Source(type(self), "sat")
        self.instances: list[dict[str, Any]] = []
        self._seen: set[str] = set()
        self._kinds: dict[str, _Kind] = {}
        self.add(**self._verifier.defaults())

    def gen(self, n: int) -> None:
        """Add up to `n` hand-picked instances."""

    def gen_random(self) -> None:
        """Add one random instance."""

    def add(self, **inputs: Any) -> None:
        """Add an instance, unless one with the same inputs is there already.

        Raises:
            ConfigError: if the inputs are not those of `sat`, are not plain JSON, or differ in type from the
                inputs of the other instances.
        """
        name = type(self).__name__
        if set(inputs) != set(self._verifier.inputs):
            do = "Pass every input of sat by name"
            raise ConfigError(f"{name} takes the inputs {self._verifier.inputs}", f"got {sorted(inputs)}", do)
        for key, value in inputs.items():
            try:
                kind = _kind(value)
                self._kinds[key] = _merge(self._kinds[key], kind) if key in self._kinds else kind
            except TypeError as error:
                do = "Give an input one type in all instances"
                raise ConfigError(f"Input {key} of {name} must be plain JSON of one type", str(error), do) from None
        ordered = {key: inputs[key] for key in self._verifier.inputs}
        text = json.dumps(ordered)
        if text not in self._seen:
            self._seen.add(text)
            self.instances.append(json.loads(text))

    def puzzles(self, count: int) -> list[Puzzle]:
        """Make up to `count` puzzles: the defaults first, then hand-picked, then random instances."""
        self.gen(count - 1)
        for _ in range(TRIES_PER_INSTANCE * count):
            if len(self.instances) >= count or type(self).gen_random is Generator.gen_random:
                break
            self.gen_random()
        kept = self.instances[:count]
        return [self._puzzle(index, inputs, self.weight / len(kept)) for index, inputs in enumerate(kept)]

    def _puzzle(self, index: int, inputs: dict[str, Any], weight: float) -> Puzzle:
        solutions = [_Source(type(self), name) for name in vars(type(self)) if name.startswith("sol")]
        for solution in solutions:
            if sorted(solution.arguments) != sorted(self._verifier.inputs):
                got = f"{solution.place} takes {solution.arguments}"
                raise ConfigError(f"A solution takes the inputs {self._verifier.inputs}", got, "Rename its arguments")
        return Puzzle(
            name=f"{type(self).__name__}:{index}",
            sat=self._verifier.with_defaults(list(inputs.values())),
            ans_type=self._verifier.annotation(),
            sol_header=f"def sol({', '.join(f'{key}={value!r}' for key, value in inputs.items())}):",
            sol_docstring=self._verifier.docstring(),
            sol_bodies=tuple(solution.body() for solution in solutions),
            module=type(self).__module__.rpartition(".")[2] + ".py",
            notes=self.notes,
            weight=weight,
        )


class _Source:
    """The source of one static method, as written, without its decorator."""

    def __init__(self, owner: type[Generator], name: str) -> None:
        self.place = f"{owner.__name__}.{name}"
        method = vars(owner).get(name)
        if not isinstance(method, staticmethod):
            raise ConfigError(f"{self.place} must be a static method", f"got {method!r}", "Put @staticmethod above it")
        try:
            text = textwrap.dedent(inspect.getsource(method.__func__))
            node = ast.parse(text).body[0]
        except (OSError, SyntaxError) as error:
            raise ConfigError(
                f"{self.place} must have its source in a file", str(error), "Save it in a module"
            ) from None
        if not isinstance(node, ast.FunctionDef):
            raise ConfigError(f"{self.place} must be a plain function", f"got {text.strip()}", "Write it with def")
        self.lines = text.splitlines()
        self.node = node
        self.arguments = [argument.arg for argument in node.args.args]
        self.inputs = self.arguments[1:]

    def defaults(self) -> dict[str, Any]:
        values = self.node.args.defaults
        if not self.arguments or len(values) != len(self.inputs):
            got = f"got {ast.unparse(self.node.args)}"
            raise ConfigError(f"{self.place} takes an answer and inputs with defaults", got, "Give inputs defaults")
        try:
            return {key: ast.literal_eval(value) for key, value in zip(self.inputs, values)}
        except ValueError:
            got = f"got {ast.unparse(self.node.args)}"
            raise ConfigError(f"{self.place} must have literal defaults", got, "Write the values out") from None

    def annotation(self) -> str:
        annotation = self.node.args.args[0].annotation
        return ast.unparse(annotation).replace("list[", "List[") if annotation else ""

    def docstring(self) -> str:
        node = self._docstring_node()
        return "" if node is None else "\n".join(self.lines[node.lineno - 1 : node.end_lineno])

    def body(self) -> str:
        """The statements after the docstring, indented as they stand."""
        first = self.node.body[1 if self._docstring_node() else 0]
        if first.lineno == self.node.lineno:
            return "    " + _cut(self.lines[first.lineno - 1], first.col_offset)[1]
        return "\n".join(self.lines[first.lineno - 1 :])

    def with_defaults(self, values: list[Any]) -> str:
        """The function with other defaults, without decorator and docstring; the rest keeps its formatting."""
        lines = list(self.lines)
        for node, value in reversed(list(zip(self.node.args.defaults, values))):
            end = (node.end_lineno or node.lineno) - 1
            tail = _cut(lines[end], node.end_col_offset or 0)[1]
            head = _cut(lines[node.lineno - 1], node.col_offset)[0]
            lines[node.lineno - 1 : end + 1] = [head + repr(value) + tail, *[""] * (end - node.lineno + 1)]
        docstring = self._docstring_node()
        if docstring is not None:
            del lines[docstring.lineno - 1 : docstring.end_lineno]
        return "\n".join(line for line in lines[self.node.lineno - 1 :] if line.strip())

    def _docstring_node(self) -> ast.stmt | None:
        return self.node.body[0] if ast.get_docstring(self.node, clean=False) is not None else None


def _cut(line: str, column: int) -> tuple[str, str]:
    """Split a line at a column of the syntax tree, which counts UTF-8 bytes."""
    data = line.encode()
    return data[:column].decode(), data[column:].decode()


_Kind = tuple[str, "_Kind | None"]
"""A scalar or the kind of the elements of a list or dict; None for the elements of an empty one."""


def _kind(value: object) -> _Kind:
    if isinstance(value, dict) and not all(type(key) is str for key in value):
        raise TypeError("got a dict with keys that are not strings")
    if type(value) in (list, dict):
        found: _Kind | None = None
        for element in value.values() if isinstance(value, dict) else value:  # type: ignore[attr-defined]
            kind = _kind(element)
            found = kind if found is None else _merge(found, kind)
        return type(value).__name__, found
    if type(value) not in (bool, int, float, str):
        raise TypeError(f"got {type(value).__name__}")
    return type(value).__name__, None


def _merge(first: _Kind, second: _Kind) -> _Kind:
    if first[0] != second[0]:
        raise TypeError(f"got both {first[0]} and {second[0]}")
    if first[1] is None or second[1] is None:
        return first if second[1] is None else second
    return first[0], _merge(first[1], second[1])


def load_generators(path: Path) -> list[type[Generator]]:
    """Import a generator module, or every module of a folder in order of name.

    Raises:
        ConfigError: if a module cannot be imported or no generator is found.
    """
    files = sorted(path.glob("[!_]*.py")) if path.is_dir() else [path]
    found = [generator for file in files for generator in generators_of(_import(file))]
    if not found:
        raise ConfigError(f"{path} must define puzzle generators", "found none", "Subclass Generator there")
    return found


def generators_of(module: ModuleType) -> list[type[Generator]]:
    """The generators a module defines itself, in order of definition."""
    return [
        member
        for name, member in vars(module).items()
        if isinstance(member, type) and issubclass(member, Generator) and member.__module__ == module.__name__
        if not name.startswith("_")
    ]


def _import(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None or not file.is_file():
        raise ConfigError(f"{file} must be a Python module", "cannot read it", "Check the path")
    module = importlib.util.module_from_spec(spec)
    linecache.checkcache(str(file))
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        got = f"{type(error).__name__}: {error}"
        raise ConfigError(f"{file} must be importable", got, "Correct the module") from error
    return module


def build(generators: Iterable[type[Generator]], per_generator: int = 5, seed: int = 0) -> list[Puzzle]:
    """Make the puzzles of some generators; the same arguments give the same puzzles.

    Args:
        generators: generator classes; their names must differ.
        per_generator: greatest number of instances of each.
        seed: seed of all random instances.

    Raises:
        ConfigError: if a generator breaks the rules.
    """
    if per_generator < 1:
        raise ConfigError("A generator makes at least one instance", f"got {per_generator}", "Ask for 1 or more")
    puzzles: list[Puzzle] = []
    owners: dict[str, str] = {}
    for generator in generators:
        name = generator.__name__
        if name in owners:
            got = f"{name} is in {owners[name]} and in {generator.__module__}"
            raise ConfigError("Names of generators must differ", got, "Rename one of the two")
        owners[name] = generator.__module__
        puzzles += generator(seed).puzzles(per_generator)
    return puzzles


def failing_references(puzzles: Iterable[Puzzle]) -> list[str]:
    """Run all reference solutions in this process and say which do not solve their puzzle.

    This is for authors, on code they trust; everything else goes through the judge.
    """
    faults: list[str] = []
    for puzzle in puzzles:
        verifier: dict[str, Any] = {}
        exec(verifier_source(puzzle), verifier)
        for number, body in enumerate(puzzle.sol_bodies):
            solution: dict[str, Any] = {}
            try:
                exec(puzzle.solution_source(body), solution)
                answer = solution["sol"](**puzzle.inputs)
                fault = puzzle.answer_type.check(answer)
                if fault is None:
                    verdict = verifier["sat"](json.loads(json.dumps(answer)))
                    fault = None if verdict is True else f"sat returned {verdict!r}"
            except Exception as error:  # noqa: BLE001
                fault = f"{type(error).__name__}: {error}"
            if fault is not None:
                faults.append(f"{puzzle.name}, solution {number}: {fault}")
    return faults


def main(arguments: Sequence[str] | None = None) -> int:
    """Build a puzzle file from generator modules, after running every reference solution."""
    parser = argparse.ArgumentParser(prog="python -m guerdon.systems.programming_puzzles.generators")
    command = parser.add_subparsers(required=True).add_parser("build", help="write a puzzle file")
    command.add_argument("out", type=Path, help="file to write")
    command.add_argument("modules", type=Path, nargs="*", default=[LIBRARY], help="modules or folders of them")
    command.add_argument("--per-generator", type=int, default=5, help="greatest number of instances of each")
    command.add_argument("--seed", type=int, default=0, help="seed of all random instances")
    options = parser.parse_args(arguments)
    found = [generator for path in options.modules for generator in load_generators(path)]
    puzzles = build(found, options.per_generator, options.seed)
    faults = failing_references(puzzles)
    if faults:
        print("\n".join(faults), file=sys.stderr)
        return 1
    save_puzzles(puzzles, options.out)
    print(f"{len(puzzles)} puzzles of {len(found)} generators in {options.out}")
    return 0


def packaged() -> list[Puzzle]:
    """The puzzle set that ships with the package."""
    return load_puzzles(PACKAGED)


if __name__ == "__main__":
    # Generator modules subclass the imported Generator, which is not the one of __main__.
    from guerdon.systems.programming_puzzles import generators

    raise SystemExit(generators.main())
