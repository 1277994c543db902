# ruff: noqa: SIM105
# pathlib and contextlib would double what every job pays for a fork.
"""The process that runs a job's code: reads the request, calls, writes one frame for each call.

It shares its memory with the code it runs, so nothing it says is believed beyond its value. What it does carefully is
to be a faithful servant of an honest candidate; a hostile one can only break its own answer.
"""

from __future__ import annotations

import builtins
import errno
import gc
import os
import sys

from guerdon.sandbox import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import Any

UNWRITABLE = 70  # exit status when the result descriptor is gone
MODULE = "answer"
_LIMITS = (errno.EAGAIN, errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.EDQUOT, errno.EFBIG)
_new_module = type(sys)


def work(fd: int) -> None:
    """Serve the one request on `fd`; never returns."""
    status = UNWRITABLE
    try:
        _serve(fd)
        status = 0
    except BaseException:  # noqa: BLE001  # whatever it was, this process ends without running foreign handlers
        status = 71
    finally:
        os._exit(status)


def _serve(fd: int) -> None:
    try:
        source, entry, fresh, cap, first, calls = _request(fd)
    except MemoryError:
        _send(fd, wire.REST, 0, b"memory\0the request does not fit in the memory limit")
        return
    _send(fd, wire.READY, first, b"")
    gc.enable()
    if "random" in sys.modules:
        sys.modules["random"].seed(0)  # a fork seeds it anew; the same job shall give the same answer
    _answer(fd, source, entry, fresh, cap, first, calls)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # noqa: BLE001  # the stream may have been replaced
            pass


def _request(fd: int) -> list[Any]:
    size = wire.HEAD.unpack(_exactly(fd, wire.HEAD.size))[0]
    return wire.decode(_exactly(fd, size), size)  # type: ignore[return-value]


def _answer(
    fd: int, source: str, entry: str, fresh: bool, cap: int, first: int, calls: list[tuple[object, ...]]
) -> None:
    me = os.getpid()
    try:
        code = compile(source, f"<{MODULE}>", "exec", dont_inherit=True)
        function = None if fresh else _define(code, entry)
    except BaseException as error:  # noqa: BLE001
        _send(fd, wire.REST, first, _reason(error, parsing=True))
        return
    for index, arguments in enumerate(calls, first):
        kind, payload = wire.VALUE, b""
        try:
            value = (_define(code, entry) if function is None else function)(*arguments)
            payload = wire.encode(value, cap)  # type: ignore[arg-type]
        except SystemExit as error:
            kind, payload = wire.FAULT if fresh else wire.REST, _reason(error)
        except BaseException as error:  # noqa: BLE001
            kind, payload = wire.FAULT, _reason(error)
        if os.getpid() != me:  # a child that the code forked came back out of it
            os._exit(0)
        _send(fd, kind, index, payload)
        if kind == wire.REST:
            return


def _define(code: CodeType, entry: str) -> Callable[..., object]:
    """Execute the source in a new module and hand out its entry."""
    module = _new_module(MODULE)
    sys.modules[MODULE] = module
    module.__dict__["__builtins__"] = builtins
    exec(code, module.__dict__)
    function: object = module.__dict__.get(entry)
    if not callable(function):
        raise MissingError(entry)
    return function


class MissingError(Exception):
    """The source does not define its entry."""


def _reason(error: BaseException, *, parsing: bool = False) -> bytes:
    """`kind NUL detail` of an exception, as a fault frame carries it."""
    kind, detail = "exception", ""
    try:
        if isinstance(error, MissingError):
            kind, detail = "invalid", f"the source does not define a function {error}"
        elif isinstance(error, wire.RefusedError):
            kind, detail = "invalid", f"the answer is not plain data: {error}"
        elif isinstance(error, wire.TooBigError):
            kind, detail = "output", "the answer is larger than its limit"
        else:
            kind, detail = _kind(error, parsing), f"{type(error).__name__}: {error}"
    except BaseException:  # noqa: BLE001  # its __str__ is foreign code
        detail = "an exception that cannot be shown"
    return kind.encode() + b"\0" + detail[:500].encode("utf-8", "replace")


def _kind(error: BaseException, parsing: bool) -> str:
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return "memory"
    if isinstance(error, SystemExit):
        return "exit"
    if isinstance(error, OSError) and error.errno in _LIMITS:
        return "limit"
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return "limit"
    if parsing and (isinstance(error, SyntaxError) or type(error) in (ValueError, UnicodeEncodeError, OverflowError)):
        return "invalid"
    return "exception"


def _send(fd: int, kind: int, index: int, payload: bytes) -> None:
    data = memoryview(wire.HEAD.pack(len(payload), kind, index) + payload)
    try:
        while data:
            data = data[os.write(fd, data) :]
    except OSError:
        os._exit(UNWRITABLE)


def _exactly(fd: int, size: int) -> bytes:
    parts = []
    while size:
        part = os.read(fd, min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
