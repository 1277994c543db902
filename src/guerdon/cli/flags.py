"""Flags and TOML from the fields of recipe dataclasses, so that what is configured is what is recorded."""

from __future__ import annotations

import dataclasses
import inspect
import tomllib
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from guerdon.core.errors import ConfigError, did_you_mean
from guerdon.core.recipe import field_docs

SIMPLE = (str, int, float, bool, Path)


@dataclasses.dataclass(frozen=True, slots=True)
class Flag:
    """One field of a recipe as a command-line option."""

    owner: str
    field: str
    option: str
    parameter: str
    type: Any
    default: Any
    help: str


def flags_of(recipe: Any, owner: str, taken: Sequence[str]) -> list[Flag]:
    """The options for a recipe's class (or for an instance, whose values become the defaults).

    A field whose name is taken is prefixed with its owner: `--solver-batch`.
    """
    kind = recipe if isinstance(recipe, type) else type(recipe)
    if not dataclasses.is_dataclass(kind):
        return []
    hints, docs = typing.get_type_hints(kind), field_docs(kind)
    flags = []
    for field in dataclasses.fields(kind):
        if not field.init or field.name.startswith("_") or not _can_flag(hints[field.name]):
            continue
        name = f"{owner}_{field.name}" if field.name in taken else field.name
        default = getattr(recipe, field.name) if recipe is not kind else _default(field)
        option = "--" + name.replace("_", "-")
        flags.append(Flag(owner, field.name, option, name, hints[field.name], default, docs.get(field.name, "")))
    return flags


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else ...


def _can_flag(hint: Any) -> bool:
    hint = _without_none(hint)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return len(arguments) == 2 and arguments[1] is ... and arguments[0] in SIMPLE
    return hint in SIMPLE or origin is Literal


def _without_none(hint: Any) -> Any:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        rest = [part for part in typing.get_args(hint) if part is not type(None)]
        return rest[0] if len(rest) == 1 else hint
    return hint


def parameter(flag: Flag) -> inspect.Parameter:
    """The flag as a parameter that Typer understands."""
    hint, default = flag.type, flag.default
    if typing.get_origin(_without_none(hint)) is tuple:
        hint, default = list[typing.get_args(_without_none(hint))[0]], list(default) if default is not ... else ...  # type: ignore[misc]
    panel = f"Fields of the {flag.owner}"
    names = [f"{flag.option}/--no-{flag.option[2:]}"] if hint is bool else [flag.option]
    option = typer.Option(*names, help=flag.help, rich_help_panel=panel)
    kwargs: dict[str, Any] = {} if default is ... else {"default": default}
    return inspect.Parameter(
        flag.parameter, inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[hint, option], **kwargs
    )


def with_flags(function: Callable[..., Any], flags: Sequence[Flag]) -> Callable[..., Any]:
    """`function` with the flags as further keyword parameters, passed to it in the mapping `fields`.

    The mapping has one entry per owner, each a mapping of field names to values.
    """
    own = inspect.signature(function, eval_str=True)
    keep = [p for name, p in own.parameters.items() if name != "fields"]

    def call(**values: Any) -> Any:
        fields: dict[str, dict[str, Any]] = {}
        for flag in flags:
            value = values.pop(flag.parameter)
            fields.setdefault(flag.owner, {})[flag.field] = tuple(value) if isinstance(value, list) else value
        return function(**values, fields=fields)

    keep = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in keep]
    call.__signature__ = own.replace(parameters=[*keep, *map(parameter, flags)])  # type: ignore[attr-defined]
    call.__annotations__ = {p.name: p.annotation for p in [*keep, *map(parameter, flags)]}
    call.__doc__, call.__name__ = function.__doc__, function.__name__
    return call


def build(recipe: Any, values: Mapping[str, Any], owner: str) -> Any:
    """An instance of a recipe's class from field values.

    Raises:
        ConfigError: a field is unknown, or its value is refused by the class.
    """
    kind = recipe if isinstance(recipe, type) else type(recipe)
    known = [field.name for field in dataclasses.fields(kind)]
    for name in values:
        if name not in known:
            raise ConfigError(f"a field of the {owner} {kind.__name__}", f"got {name!r}", did_you_mean(name, known))
    try:
        return kind(**values) if recipe is kind else dataclasses.replace(recipe, **values)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"fields that make a {kind.__name__}", str(error), "See the command's --help") from error


def read_recipe(path: Path) -> dict[str, dict[str, Any]]:
    """A TOML recipe: tables `challenge`, `solver` (each with `name` and fields) and `run`.

    Raises:
        ConfigError: the file cannot be read or has another table.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError("a recipe file", f"{path}: {error.strerror}", "Check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is TOML", str(error), "Mend it there") from None
    allowed = ("challenge", "solver", "run")
    for name, table in tables.items():
        if name not in allowed or not isinstance(table, dict):
            raise ConfigError(f"{path} has tables {', '.join(allowed)}", f"got {name!r}", did_you_mean(name, allowed))
    return {name: tables.get(name, {}) for name in allowed}


def as_arguments(table: Mapping[str, Any], flags: Sequence[Flag], owner: str) -> list[str]:
    """A TOML table as command-line arguments, to be parsed (and checked) like typed ones.

    Raises:
        ConfigError: a key is no field.
    """
    options = {flag.field: flag for flag in flags if flag.owner == owner}
    arguments: list[str] = []
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in options:
            raise ConfigError(f"a field of the {owner}", f"got {key!r}", did_you_mean(name, options))
        option = options[name].option
        if isinstance(value, bool):
            arguments.append(option if value else f"--no-{option[2:]}")
        else:
            items = value if isinstance(value, list) else [value]
            arguments += [f"{option}={item}" for item in items]
    return arguments
