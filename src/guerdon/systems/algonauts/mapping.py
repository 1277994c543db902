"""The label files `mapping_<class>.npy`: a dict {label: name}, which numpy keeps as a pickled object.

They are never unpickled. The few instructions that such a file needs are read one by one, the names of numpy's own
types in it are inert words, and anything else is refused by name; so no code of the file's choosing can run.
"""

from __future__ import annotations

import io
import pickletools
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from tokenize import TokenError
from typing import Any, NamedTuple

import numpy as np

from guerdon.core.errors import ConfigError

MOST = 1 << 20
"""Bytes of a file; real ones have some hundred."""


class _Word(NamedTuple):
    """A name in the file, which is not looked up."""

    module: str
    name: str


class _Made(NamedTuple):
    """What a call would have made, and the state it would have been given."""

    word: _Word
    arguments: tuple[Any, ...]
    state: list[Any]


_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
WORDS = frozenset(
    [_Word(module, name) for module in _MULTIARRAY for name in ("_reconstruct", "scalar")]
    + [_Word("numpy", "ndarray"), _Word("numpy", "dtype"), _Word("_codecs", "encode")]
)
_MARK = object()


class _RefusedError(ValueError):
    """The file holds something else."""


class _Machine:
    """A stack and a memo, as the format wants them; values are plain data, words and what words were called with."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, data: bytes) -> Any:
        for code, argument, _ in pickletools.genops(data):
            if code.name == "STOP":
                return self.stack.pop()
            if code.name in _PLAIN:
                self.stack.append(_PLAIN[code.name](argument))
                continue
            step = getattr(self, f"do_{code.name.lower()}", None)
            if step is None:
                raise _RefusedError(f"the instruction {code.name}")
            step(argument)
        raise _RefusedError("no end")

    def marked(self) -> list[Any]:
        at = len(self.stack) - 1 - self.stack[::-1].index(_MARK)
        found = self.stack[at + 1 :]
        del self.stack[at:]
        return found

    def do_proto(self, _: Any) -> None: ...

    def do_frame(self, _: Any) -> None: ...

    def do_mark(self, _: Any) -> None:
        self.stack.append(_MARK)

    def do_memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def do_binput(self, at: int) -> None:
        self.memo[at] = self.stack[-1]

    do_put = do_long_binput = do_binput

    def do_binget(self, at: int) -> None:
        self.stack.append(self.memo[at])

    do_get = do_long_binget = do_binget

    def do_tuple1(self, _: Any) -> None:
        self.stack[-1:] = [tuple(self.stack[-1:])]

    def do_tuple2(self, _: Any) -> None:
        self.stack[-2:] = [tuple(self.stack[-2:])]

    def do_tuple3(self, _: Any) -> None:
        self.stack[-3:] = [tuple(self.stack[-3:])]

    def do_tuple(self, _: Any) -> None:
        self.stack.append(tuple(self.marked()))

    def do_list(self, _: Any) -> None:
        self.stack.append(self.marked())

    def do_append(self, _: Any) -> None:
        item = self.stack.pop()
        self._list().append(item)

    def do_appends(self, _: Any) -> None:
        items = self.marked()
        self._list().extend(items)

    def _list(self) -> list[Any]:
        if type(self.stack[-1]) is not list:
            raise _RefusedError("items of something that is no list")
        return self.stack[-1]

    def do_dict(self, _: Any) -> None:
        items = self.marked()
        self.stack.append(dict(zip(items[::2], items[1::2], strict=True)))

    def do_setitem(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._dict()[key] = value

    def do_setitems(self, _: Any) -> None:
        items = self.marked()
        self._dict().update(zip(items[::2], items[1::2], strict=True))

    def _dict(self) -> dict[Any, Any]:
        if type(self.stack[-1]) is not dict:
            raise _RefusedError("entries of something that is no dict")
        return self.stack[-1]

    def do_global(self, argument: str) -> None:
        self._word(*argument.split(" ", 1))

    def do_stack_global(self, _: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self._word(str(module), str(name))

    def _word(self, module: str, name: str) -> None:
        word = _Word(module, name)
        if word not in WORDS:
            raise _RefusedError(f"the name {module}.{name}"[:120])
        self.stack.append(word)

    def do_reduce(self, _: Any) -> None:
        arguments, word = self.stack.pop(), self.stack.pop()
        if type(word) is not _Word or type(arguments) is not tuple:
            raise _RefusedError("a call of something else")
        if word.name == "encode":
            self.stack.append(_encoded(arguments))
        elif word.name == "scalar":
            self.stack.append(_scalar(arguments))
        else:
            self.stack.append(_Made(word, arguments, []))

    def do_build(self, _: Any) -> None:
        state = self.stack.pop()
        if type(self.stack[-1]) is not _Made:
            raise _RefusedError("a state of something else")
        self.stack[-1].state.append(state)


_PLAIN: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(
        ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"), lambda given: int(given)
    ),
    **dict.fromkeys(
        ("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING"),
        lambda given: str(given),
    ),
    **dict.fromkeys(("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"), lambda given: bytes(given)),
    "NONE": lambda _: None,
    "NEWTRUE": lambda _: True,
    "NEWFALSE": lambda _: False,
    "EMPTY_DICT": lambda _: {},
    "EMPTY_LIST": lambda _: [],
    "EMPTY_TUPLE": lambda _: (),
}  # fmt: skip


def _encoded(arguments: tuple[Any, ...]) -> bytes:
    if len(arguments) != 2 or arguments[1] not in ("latin1", "latin-1") or type(arguments[0]) is not str:
        raise _RefusedError("text in another encoding")
    return arguments[0].encode("latin1")


def _scalar(arguments: tuple[Any, ...]) -> int:
    """A whole number that numpy kept with its type."""
    kind, data = arguments if len(arguments) == 2 else (None, None)
    if not isinstance(kind, _Made) or kind.word.name != "dtype" or not isinstance(data, (bytes, str)):
        raise _RefusedError("a number that is not whole")
    name = str(kind.arguments[0]) if kind.arguments else ""
    if name not in {f"{sign}{size}" for sign in "iu" for size in (1, 2, 4, 8)}:
        raise _RefusedError(f"a number of the type {name!r:.20}")
    raw = data.encode("latin1") if isinstance(data, str) else data
    if len(raw) != int(name[1:]):
        raise _RefusedError("a number that is cut short")
    order = kind.state[0][1] if kind.state and type(kind.state[0]) is tuple and len(kind.state[0]) > 1 else "<"
    return int.from_bytes(raw, "big" if order == ">" else "little", signed=name[0] == "i")


def _unwrapped(found: Any) -> Any:
    """The dict in an array of one object, or as it is."""
    if type(found) is not _Made:
        return found
    state = found.state[0] if found.state else ()
    if found.word.name == "_reconstruct" and type(state) is tuple and len(state) == 5 and type(state[4]) is list:
        return state[4][0] if len(state[4]) == 1 else state[4]
    raise _RefusedError("an array of another kind")


def read_mapping(path: Path) -> dict[int, str]:
    """Names by label.

    Raises:
        ConfigError: the file holds anything but a dict of whole numbers and texts. It is never executed.
    """
    do = "Ask whoever made it for a file made with numpy.save(file, {0: 'Unknown', 1: 'V1v', ...})"
    try:
        if path.stat().st_size > MOST:
            raise _RefusedError(f"{path.stat().st_size:,} bytes")
        found = _unwrapped(_Machine().run(_payload(path.read_bytes())))
        if type(found) is not dict:
            raise _RefusedError(f"a {type(found).__name__}")
        if not all(type(key) is int and type(value) is str for key, value in found.items()):
            raise _RefusedError("other keys than whole numbers, or other values than text")
    except (ValueError, LookupError, TypeError, AttributeError, SyntaxError, RecursionError, TokenError) as error:
        raise ConfigError(f"{path.name} holds a dict of labels and names", f"got {error}"[:200], do) from None
    return dict(sorted(found.items()))


def _payload(data: bytes) -> bytes:
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of headers that look like those of Python 2
        shape, _, dtype = read(file)
    if not dtype.hasobject or shape not in ((), (1,)):
        raise _RefusedError(f"an array of {dtype} and shape {shape}")
    return file.read()


def write_mapping(path: Path, names: Mapping[int, str]) -> None:
    """Write names by label as the challenge keeps them."""
    box = np.empty((), dtype=object)
    box[()] = dict(names)
    np.save(path, box)
