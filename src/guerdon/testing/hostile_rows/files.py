"""Rows C10 and C13: inputs that no process runs, a reward left in a file and a number near the key."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guerdon.core.errors import RewardError
from guerdon.sandbox import near, read_reward_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """A hostile input that is only looked at: `problem` says what is wrong, given an empty folder."""

    id: str
    title: str
    problem: Callable[[Path], str]


def _refused(make: Callable[[Path], object]) -> Callable[[Path], str]:
    def problem(folder: Path) -> str:
        path = folder / "reward.txt"
        make(path)
        try:
            return f"was read as {read_reward_file(path)!r}"
        except RewardError:
            return ""

    return problem


def _text(content: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(content, "utf-8")


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 30)


def _link(path: Path) -> None:
    path.with_name("real").write_text("1")
    path.symlink_to(path.with_name("real"))


def _zero(folder: Path) -> str:
    path = folder / "reward.txt"
    path.write_text("-0")
    found = read_reward_file(path)
    return "" if found == 0.0 and math.copysign(1.0, found) == 1.0 else f"read as {found!r}"


_TEXTS = [
    "nan", "inf", "-inf", "1e309", "1e0", "1.5", "-1", "1\n1", " 1", "1 ", "\t1", "0x1", "１", "٣", "1_0", "", "\n",
    "1.", ".5", "+1", "1,0", "True", "1\0", "\ufeff1", "0.5\n\n", "0" * 40, '{"reward": 1}',
]  # fmt: skip
_FILES: list[tuple[str, Callable[[Path], object]]] = [
    ("1 GB", _huge),
    ("a link", _link),
    ("a dangling link", lambda path: path.symlink_to("nowhere")),
    ("a pipe", os.mkfifo if hasattr(os, "mkfifo") else lambda path: None),
    ("a folder", lambda path: path.mkdir()),
    ("a device", lambda path: path.symlink_to("/dev/zero")),
    ("nothing", lambda path: None),
    ("bytes that are no text", lambda path: path.write_bytes(b"\xff\xfe1")),
]


def _not_near(answer: Any, key: float, absolute: float = 1e-9, relative: float = 1e-6) -> Callable[[Path], str]:
    return lambda _: "accepted" if near(answer, key, absolute=absolute, relative=relative) else ""


_NEAR: list[tuple[str, Callable[[Path], str]]] = [
    ("1e308 for 1", _not_near(1e308, 1.0)),
    ("1.7e308 for 1e308 with a wide tolerance", _not_near(1.7e308, 1e308, relative=0.5)),
    ("inf for inf", _not_near(math.inf, math.inf)),
    ("inf for 1e308", _not_near(math.inf, 1e308, relative=1.0)),
    ("nan for nan", _not_near(math.nan, math.nan)),
    ("an int too large for a float", _not_near(10**400, 1e308, relative=1.0)),
    ("True for 1", _not_near(True, 1.0)),
    ("a text for a number", _not_near("1.0", 1.0)),
]

STILL: list[Still] = [
    *(
        Still(id=f"C10.{number}", title=f"a reward file that holds {text[:20]!r}", problem=_refused(_text(text)))
        for number, text in enumerate(_TEXTS, 1)
    ),
    *(
        Still(id=f"C10.{number}", title=f"in place of a reward file, {title}", problem=_refused(make))
        for number, (title, make) in enumerate(_FILES, len(_TEXTS) + 1)
    ),
    Still(id="C10.0", title="minus zero in a reward file", problem=_zero),
    *(
        Still(id=f"C13{letter}", title=title, problem=problem)
        for letter, (title, problem) in zip("abcdefgh", _NEAR, strict=True)
    ),
]
"""Every input of C10 and C13."""
