"""A recipe is the configuration: a frozen dataclass whose fields are the published hyper-parameters.

Its canonical form is stored, its digest is its identity in the ledger, and flags and TOML are made from its fields.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import functools
import hashlib
import inspect
import itertools
import re
import textwrap
from collections.abc import Hashable, Mapping
from pathlib import PurePath
from typing import Any

from guerdon.core.errors import ConfigError
from guerdon.core.plain import Json, digest, not_plain


def recipe(thing: Any) -> dict[str, Json]:
    """The plain form of a solver, reward or challenge: its kind and its fields, nested recipes included.

    A field with `metadata={"recipe": False}` (a path, a number of threads) is left out; a method `fingerprint`
    adds what the fields do not say, such as the digest of the data behind a path.

    Raises:
        ConfigError: a field holds something that has no plain form, named with the field.

    >>> @dataclasses.dataclass(frozen=True, kw_only=True)
    ... class Climb:
    ...     step: float = 0.1
    >>> recipe(Climb())["step"]
    0.1
    """
    if not dataclasses.is_dataclass(thing) or isinstance(thing, type):
        raise ConfigError(
            "a recipe is an instance of a frozen dataclass",
            f"got {type(thing).__name__}",
            "Decorate its class with @dataclass(frozen=True, kw_only=True)",
        )
    plain: dict[str, Json] = {"kind": kind(thing)}
    for field in dataclasses.fields(thing):
        if field.metadata.get("recipe", True):
            plain[field.name] = _plain(getattr(thing, field.name), f"{type(thing).__name__}.{field.name}")
    if hasattr(thing, "fingerprint"):
        plain["fingerprint"] = thing.fingerprint()
    return plain


def kind(thing: Any) -> str:
    """The name of a recipe's class, as module:Class."""
    return f"{type(thing).__module__}:{type(thing).__qualname__}"


def identity(thing: Any) -> str:
    """The digest of a recipe together with the code of its class: what the ledger and the cache key on."""
    return digest(recipe(thing), code_digest(type(thing)))


def code_digest(thing: Any) -> str:
    """A digest of what a class or function does: its syntax tree without comments, layout and docstrings."""
    return _code_digest(thing)


@functools.cache
def _code_digest(thing: Hashable) -> str:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))  # type: ignore[arg-type]
    except (OSError, TypeError, SyntaxError):
        return "no-source"
    for node in ast.walk(tree):
        if (
            isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef))
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16]


def _plain(value: Any, where: str) -> Json:
    if isinstance(value, enum.Enum):
        return _plain(value.value, where)
    if isinstance(value, PurePath):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return recipe(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, (set, frozenset)):
        return sorted((_plain(item, where) for item in value), key=str)
    if inspect.isfunction(value) and "<lambda>" not in value.__qualname__:
        return f"{value.__module__}:{value.__qualname__}@{code_digest(value)}"
    problem = not_plain(value, where)
    if problem:
        raise ConfigError("a recipe's field is plain data, a path or another recipe", problem, "Give a plain value")
    return value  # type: ignore[no-any-return]


def field_docs(kind: type) -> dict[str, str]:
    """What is said of each field: the string literal under it, or its entry under `Args:` in the class docstring."""
    docs: dict[str, str] = {}
    for base in reversed(kind.__mro__[:-1]):
        docs |= _args_section(base.__doc__ or "")
        try:
            body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0].body  # type: ignore[attr-defined]
        except (OSError, TypeError, SyntaxError):
            continue
        for field, text in itertools.pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                docs[ast.unparse(field.target)] = " ".join(str(text.value.value).split())
    return docs


def _args_section(docstring: str) -> dict[str, str]:
    section = re.search(r"^Args:\n((?:[ ]{4}.*\n|\n)+)", inspect.cleandoc(docstring) + "\n", re.MULTILINE)
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", section.group(1), re.MULTILINE) if section else []
    return {name: " ".join(text.split()) for name, text in entries}
