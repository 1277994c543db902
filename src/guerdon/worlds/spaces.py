"""Actions as plain JSON and back, and what is wrong with an observation. Knows Gymnasium's fundamental spaces."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from guerdon.core.plain import Json


def encode(space: Any, action: Any) -> Json:
    """An action as plain JSON: a number, a list, or an object by name.

    Raises:
        ValueError: it is not in the space.

    >>> class Discrete: start, n = 0, 2
    >>> encode(Discrete(), np.int64(1))
    1
    """
    match kind_of(space):
        case "Discrete":
            if isinstance(action, np.ndarray) and action.shape == ():
                action = action[()]
            if isinstance(action, (int, np.integer)) and not isinstance(action, bool):
                return _counted(space, int(action))
            raise ValueError(f"got a {type(action).__name__}")
        case "Tuple":
            _same_length(action, space.spaces, tuple)
            return [encode(part, item) for part, item in zip(space.spaces, action, strict=True)]
        case "Dict":
            _same_length(action, space.spaces, dict)
            return {name: encode(part, action[name]) for name, part in space.spaces.items()}
        case _:
            array = np.asarray(action)
            problem = _array_misfit(space, array, bounds=True)
            if problem:
                raise ValueError(problem)
            plain: Json = array.tolist()
            return plain


def decode(space: Any, plain: Json) -> Any:
    """The action written as plain JSON. Types are taken strictly: `true` is not 1, and 1.0 is not 1.

    Raises:
        ValueError: it is none of the space.
    """
    match kind_of(space):
        case "Discrete":
            if type(plain) is not int:
                raise ValueError(f"got {str(plain)[:40]!r} ({type(plain).__name__})")
            return _counted(space, plain)
        case "Tuple":
            _same_length(plain, space.spaces, (list, tuple))
            return tuple(decode(part, item) for part, item in zip(space.spaces, plain, strict=True))  # type: ignore[arg-type]
        case "Dict":
            _same_length(plain, space.spaces, Mapping)
            return {name: decode(part, plain[name]) for name, part in space.spaces.items()}  # type: ignore[index]
        case _:
            return _decoded_array(space, plain)


def _decoded_array(space: Any, plain: Json) -> np.ndarray[Any, Any]:
    whole = np.dtype(space.dtype).kind in "iub"
    if not isinstance(plain, (list, tuple)) and space.shape != ():
        raise ValueError(f"got a {type(plain).__name__}, not a list")
    try:
        array = np.array(plain, dtype=object)
    except ValueError:
        raise ValueError("got lists of unequal lengths") from None
    if array.shape != tuple(space.shape):
        raise ValueError(f"got shape {array.shape}")
    allowed = (int,) if whole else (int, float)
    odd = [item for item in array.flat if type(item) not in allowed]
    if odd:
        raise ValueError(f"got {str(odd[0])[:40]!r} ({type(odd[0]).__name__})")
    try:
        made = array.astype(space.dtype)
    except OverflowError:
        raise ValueError("got a number too large") from None
    if whole and any(int(one) != other for one, other in zip(made.flat, array.flat, strict=True)):
        raise ValueError("got a number too large")
    problem = _array_misfit(space, made, bounds=True)
    if problem:
        raise ValueError(problem)
    return made


def misfit(space: Any, value: Any, bounds: bool = True, where: str = "") -> str | None:
    """What keeps a value from being an observation of the space, or `None`.

    Args:
        space: a Gymnasium space.
        value: what the world returned.
        bounds: also look at the space's bounds.
        where: path of the value, for the message.
    """
    kind = kind_of(space)
    if kind in ("Dict", "Tuple"):
        if kind == "Dict":
            good, items = isinstance(value, Mapping), space.spaces
        else:
            good, items = isinstance(value, tuple), dict(enumerate(space.spaces))
        if not good or len(value) != len(items) or (kind == "Dict" and set(value) != set(items)):
            return f"{where or 'got'} a {type(value).__name__} with other parts"
        found = (misfit(part, value[name], bounds, f"{where}[{name!r}]") for name, part in items.items())
        return next(filter(None, found), None)
    prefix = f"{where} has " if where else "got "
    if kind == "Discrete":
        inside = isinstance(value, (int, np.integer)) and space.start <= value < space.start + space.n
        return None if inside else f"{prefix}{str(value)[:40]} ({type(value).__name__})"
    if kind in ("Box", "MultiDiscrete", "MultiBinary"):
        if not isinstance(value, np.ndarray):
            return f"{prefix}a {type(value).__name__}, not an array"
        problem = _array_misfit(space, value, bounds)
        return problem and prefix + problem.removeprefix("got ")
    return None if space.contains(value) else f"{prefix}a {type(value).__name__} outside it"


def leaves(value: Any) -> Iterator[Any]:
    """The parts of an observation that are not containers, in a fixed order."""
    if isinstance(value, Mapping):
        for name in sorted(value, key=str):
            yield from leaves(value[name])
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def fingerprint(value: Any) -> str:
    """A digest of an observation, bit by bit: arrays with dtype and shape, the rest by `repr`."""
    total = hashlib.blake2b(digest_size=16)
    for leaf in leaves(value):
        if isinstance(leaf, np.ndarray):
            total.update(f"{leaf.dtype.str}{leaf.shape}".encode())
            total.update(np.ascontiguousarray(leaf).tobytes())
        elif isinstance(leaf, np.generic):
            total.update(repr(leaf.item()).encode())
        else:
            total.update(repr(leaf).encode())
        total.update(b"|")
    return total.hexdigest()


def kind_of(space: Any) -> str:
    """The fundamental space that a space is, by the name of its class; no import of Gymnasium is needed."""
    for base in type(space).__mro__:
        if base.__name__ in ("Discrete", "Box", "MultiDiscrete", "MultiBinary", "Tuple", "Dict"):
            return base.__name__
    return "other"


def _counted(space: Any, number: int) -> int:
    if not space.start <= number < space.start + space.n:
        raise ValueError(f"got {str(number)[:40]}")
    return number


def _array_misfit(space: Any, value: np.ndarray[Any, Any], bounds: bool) -> str | None:
    if value.shape != tuple(space.shape):
        return f"got shape {value.shape}"
    if not np.can_cast(value.dtype, space.dtype):
        return f"got dtype {value.dtype}"
    if value.dtype.kind == "f" and np.isnan(value).any():
        return "got nan"
    if bounds and not space.contains(value):
        return f"got {value.ravel()[:4]!s}, out of bounds"
    return None


def _same_length(value: Any, parts: Any, kind: Any) -> None:
    if not isinstance(value, kind) or len(value) != len(parts):
        raise ValueError(f"got a {type(value).__name__} that does not have its {len(parts)} parts")
    if isinstance(value, Mapping) and set(value) != set(parts):
        raise ValueError("got other names")
