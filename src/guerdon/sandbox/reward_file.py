"""The strict reader of a reward that somebody left in a file."""

from __future__ import annotations

import math
import os
import re
import stat
from pathlib import Path

from guerdon.core.errors import RewardError

MOST = 32  # bytes
_NUMBER = re.compile(rb"-?[0-9]+(\.[0-9]+)?\n?")


def read_reward_file(path: str | Path, *, low: float = 0.0, high: float = 1.0) -> float:
    """The one number in a file, or a refusal.

    Accepts digits with an optional sign and fraction (and one final newline) in a regular file of at most 32 bytes;
    refuses nan, inf, exponents, other digits, spaces, links, devices and pipes. Minus zero comes back as zero.

    Args:
        path: the file, in a folder that only the judge could write since the candidate ended.
        low: smallest reward allowed.
        high: largest reward allowed.

    Raises:
        RewardError: there is no such file, or it holds anything else.
    """
    text = _contents(path)
    if not _NUMBER.fullmatch(text):
        raise _refusal(path, f"got {text!r}")
    value = float(text)
    if not math.isfinite(value) or not low <= value <= high:
        raise _refusal(path, f"got {value!r}, outside {low:g} to {high:g}")
    return value + 0.0  # -0.0 becomes 0.0


def _contents(path: str | Path) -> bytes:
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
    try:
        fd = os.open(path, flags)
    except OSError as error:
        raise _refusal(path, str(error.strerror)) from None
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise _refusal(path, "it is not a regular file")
        text = os.read(fd, MOST + 1)
    finally:
        os.close(fd)
    if len(text) > MOST:
        raise _refusal(path, f"it is longer than {MOST} bytes")
    return text


def _refusal(path: str | Path, got: str) -> RewardError:
    return RewardError(f"{path} holds one plain number", got, "Write digits such as 0.75, or no file for a fault")
