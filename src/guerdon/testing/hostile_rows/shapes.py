"""Rows C11 and C12: answers of the wrong shape, size or type."""

from __future__ import annotations

from typing import Any

from guerdon.testing.hostile_rows.lies import BOTH, CALLS, capped, keyed, no_right_answer
from guerdon.testing.hostile_rows.row import SLOW, Check, Row, body, code, faults, letters

REFUSED = faults("invalid", "exception", "output", "memory", "timeout")


def instead(title: str, expression: str, key: Any, check: Check | None = None) -> tuple[str, str, Check]:
    """Another type in place of the key."""
    return title, f"def f(): return {expression}\n", check or keyed(key)


ROWS: list[Row] = [
    *letters(
        "C11",
        [
            ("a generator", "def f(x): yield x + 1\n", faults("invalid", named="generator"), BOTH),
            ("a lazy iterator", "def f(x): return map(int, [x + 1])\n", faults("invalid", named="map"), BOTH),
            ("a range of 10**9", "def f(x): return range(10**9)\n", faults("invalid", named="range"), BOTH),
            ("a list that contains itself", body("y = []\ny.append(y)\nreturn y", "x"), faults("invalid"), BOTH),
            (
                "a dict of ten million keys",
                "def f(x): return dict.fromkeys(range(10**7))\n",
                faults("output", "memory", "timeout"),
                {"calls": CALLS, "limits": SLOW},
            ),
            ("a list of ten million", "def f(x): return [0] * 10**7\n", faults("output", "memory", "timeout"), BOTH),
            ("a string of 100 MB", "def f(x): return 'x' * 10**8\n", faults("output", "memory"), BOTH),
            (
                "a list of one list, a million times",
                "def f(x): return [[[0] * 1000] * 1000] * 1000\n",
                faults("output", "memory", "timeout"),
                {"calls": CALLS, "limits": SLOW},
            ),
            (
                "doubling lists",
                body("y = [0]\nfor _ in range(50): y = [y, y]\nreturn y", "x"),
                faults("output", "memory", "timeout"),
                {"calls": CALLS, "limits": SLOW},
            ),
            ("an int of 100 MB", "def f(x): return 1 << 800_000_000\n", faults("output", "memory", "timeout"), BOTH),
            (
                "keys that all have one hash",
                "def f(x): return {k * (2**61 - 1): 0 for k in range(2000)}\n",
                faults("protocol", "invalid", "timeout"),
                BOTH,
            ),
            ("a coroutine", "async def f(x): return x + 1\n", faults("invalid", named="coroutine"), BOTH),
            (
                "a list that grows while it is copied",
                code("""
                import _thread
                def f(x):
                    y = [0]
                    def grow():
                        while True: y.append(0)
                    _thread.start_new_thread(grow, ())
                    return y
             """),
                no_right_answer,
                BOTH,
            ),
            (
                "many results of 3 MB",
                "def f(x): return 'x' * 3_000_000\n",
                capped,
                {"calls": [(n,) for n in range(40)], "limits": SLOW},
            ),
        ],
    ),
    *letters(
        "C12",
        [
            instead("True for 1", "True", 1),
            instead("1.0 for 1", "1.0", 1),
            instead("'1' for 1", "'1'", 1),
            instead("a tuple for a list", "(1, 2)", [1, 2]),
            instead("a list for a tuple", "[1, 2]", (1, 2)),
            instead("True for 1, deep", "{'a': [(True,)]}", {"a": [(1,)]}),
            instead("1.0 as a key", "{1.0: 2}", {1: 2}),
            instead("True in a set", "{True}", {1}),
            instead("NaN", "float('nan')", float("nan")),
            instead("NaN, deep", "[float('nan')]", [float("nan")]),
            instead("bytes for a string", "b'1'", "1"),
            instead("a Decimal", "__import__('decimal').Decimal(1)", 1, REFUSED),
            instead("a Fraction", "__import__('fractions').Fraction(1)", 1, REFUSED),
            instead("a complex number", "1 + 0j", 1, faults("invalid")),
            instead("a frozenset", "frozenset({1})", {1}, faults("invalid")),
            instead("a bytearray", "bytearray(b'1')", b"1", faults("invalid")),
            instead("None for False", "None", False),
            instead("0 for None", "0", None),
            instead("nothing for []", "()", []),
            instead("a function", "f", 1, faults("invalid", named="function")),
            instead("a type", "int", 1, faults("invalid", named="type")),
            instead("an array", "__import__('array').array('i', [1])", [1], faults("invalid", named="array")),
        ],
    ),
]
"""Every input of C11 and C12."""
