"""Rows C1 to C18: code that lies about its answer. The judge holds the keys; the task is to add one to a number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from guerdon.sandbox import Outcome, strictly_equal
from guerdon.testing.hostile_rows.row import SLOW, Check, Row, body, code, faults, letters, value

CALLS = [(10,), (7_654_321,)]
KEYS = [11, 7_654_322]


def verdicts(outcomes: Sequence[Outcome], keys: Sequence[Any]) -> list[bool]:
    """What a judge says of the outcomes of some calls: right only without a fault and strictly equal to the key."""
    return [each.fault is None and strictly_equal(each.value, key) for each, key in zip(outcomes, keys, strict=True)]


def no_gain(outcomes: Sequence[Outcome]) -> str:
    """The judge does not find every answer right."""
    return "passed for right" if all(verdicts(outcomes, KEYS)) else ""


def no_right_answer(outcomes: Sequence[Outcome]) -> str:
    """The judge finds no answer right."""
    return "passed for right" if any(verdicts(outcomes, KEYS)) else ""


def keyed(*keys: Any) -> Check:
    """None of the outcomes is strictly equal to its key."""

    def check(outcomes: Sequence[Outcome]) -> str:
        return "passed for right" if any(verdicts(outcomes, keys)) else ""

    return check


def measured(seconds: float) -> Check:
    """The host's clock saw at least this, whatever the candidate's clock says."""

    def check(outcomes: Sequence[Outcome]) -> str:
        return "" if outcomes[0].seconds >= seconds else f"looked like {outcomes[0].seconds} s"

    return check


def capped(outcomes: Sequence[Outcome]) -> str:
    """The later calls run into the cap on all results together."""
    return faults("output")(outcomes[30:])


ALWAYS = """
class Yes:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __bool__(self): return True
    def __lt__(self, other): return True
    def __instancecheck__(self, other): return True
    __class__ = property(lambda self: int)
"""
BOTH: dict[str, Any] = {"calls": CALLS}


def subclass(base: str, make: str) -> tuple[str, str, Check, dict[str, Any]]:
    """A subclass of a plain type whose comparisons always agree."""
    source = code(f"""
        class Liar({base}):
            def __eq__(self, other): return True
            def __ne__(self, other): return False
            def __hash__(self): return 0
            def __len__(self): return 1
            def __iter__(self): return iter([11])
            def __getitem__(self, at): return 11
            def to_bytes(self, *_, **__): return b"\\x0b"
        def f(x): return Liar({make})
    """)
    return f"a subclass of {base}", source, faults("invalid", named="Liar"), BOTH


ROWS: list[Row] = [
    *letters(
        "C1",
        [
            ("an object that equals everything", ALWAYS + "def f(x): return Yes()\n", faults("invalid"), BOTH),
            ("the same, inside a list", ALWAYS + "def f(x): return [Yes()]\n", faults("invalid"), BOTH),
            ("the same, as a key", ALWAYS + "def f(x): return {Yes(): 1}\n", faults("invalid"), BOTH),
            (
                "a class that equals everything",
                code("""
                class Meta(type):
                    def __eq__(cls, other): return True
                    def __hash__(cls): return hash(int)
                class Yes(metaclass=Meta): pass
                def f(x): return Yes()
             """),
                faults("invalid", "exception"),
                BOTH,
            ),
            (
                "an exception whose text is code",
                code("""
                class Evil(Exception):
                    def __str__(self): raise SystemExit(0)
                def f(x): raise Evil
             """),
                faults("exception"),
                BOTH,
            ),
        ],
    ),
    *letters(
        "C2",
        [
            subclass("int", "11"),
            subclass("str", "'11'"),
            subclass("float", "11.0"),
            subclass("list", "[11]"),
            subclass("dict", "{11: 11}"),
            subclass("tuple", "(11,)"),
            subclass("set", "{11}"),
            subclass("bytes", "b'11'"),
            (
                "an enumeration member",
                "import enum\nclass E(enum.IntEnum):\n    A = 11\ndef f(x): return E.A\n",
                faults("invalid"),
                BOTH,
            ),
            (
                "a named tuple",
                "import collections\nP = collections.namedtuple('P', 'x')\ndef f(x): return P(11)\n",
                faults("invalid"),
                BOTH,
            ),
        ],
    ),
    *letters(
        "C3",
        [
            (
                "replaces the builtins",
                code("""
                import builtins, json, os
                for name in "len print isinstance open __import__ compile type all zip hash".split():
                    setattr(builtins, name, lambda *_, **__: True)
                json.dumps = lambda *_, **__: "11"
                def f(x): return 0
             """),
                no_right_answer,
                BOTH,
            ),
            (
                "replaces os.write",
                code("""
                import os
                write = os.write
                def forged(fd, data): write(fd, bytes(data).replace(b"\\0", b"\\x0b")); return len(data)
                os.write = forged
                def f(x): return 0
             """),
                no_right_answer,
                BOTH,
            ),
            (
                "replaces the encoder",
                code("""
                import sys
                wire = sys.modules["guerdon.sandbox.wire"]
                wire.encode = lambda *_: b"T"
                def f(x): return 0
             """),
                no_right_answer,
                BOTH,
            ),
            (
                "replaces struct",
                code("""
                import struct, _struct
                struct.pack = struct.Struct.pack = lambda *_: b"" if False else None
                def f(x): return 0
             """),
                no_right_answer,
                BOTH,
            ),
        ],
    ),
    *letters(
        "C4",
        [
            (
                "patches the clock",
                code("""
                import time
                sleep = time.sleep
                time.time = time.perf_counter = time.monotonic = time.process_time = lambda: 0.0
                def f(): sleep(0.2); return 1
             """),
                measured(0.2),
            ),
        ],
    ),
    *letters(
        "C5",
        [
            (
                "overwrites check and run_tests",
                code("""
                import builtins, sys
                def check(*_): return True
                run_tests = verify = judge = strictly_equal = check
                for module in list(sys.modules.values()):
                    for name in ("check", "run_tests", "strictly_equal", "verify", "decode", "work", "_answer"):
                        try: setattr(module, name, check)
                        except Exception: pass
                builtins.check = builtins.run_tests = check
                def f(x): return 0
             """),
                no_right_answer,
                BOTH,
            ),
            (
                "patches unittest",
                code("""
                import unittest
                unittest.TestCase.assertEqual = lambda *_: None
                unittest.TestResult.wasSuccessful = lambda *_: True
                def f(x): return 0
             """),
                no_right_answer,
                {"calls": CALLS, "limits": SLOW},
            ),
            (
                "fakes pytest",
                code("""
                import sys, types
                sys.modules["pytest"] = types.SimpleNamespace(main=lambda *_: 0)
                def f(x): return 0
             """),
                no_right_answer,
                BOTH,
            ),
            ("turns assert off", "__debug__ = False\ndef f(x): return 0\n", no_right_answer, BOTH),
            (
                "turns assert off behind the parser",
                code("""
                globals()["__debug__"] = False
                __builtins__.__dict__["__debug__"] = False
                def f(x):
                    assert False
             """),
                no_right_answer,
                BOTH,
            ),
        ],
    ),
    *letters(
        "C6",
        [
            (
                "walks the frames and changes every list",
                code("""
                import sys
                def f(x):
                    frame = sys._getframe()
                    while frame:
                        for name, each in list(frame.f_locals.items()):
                            if type(each) is list: each.append("passed")
                            if name in ("result", "passed", "value", "ok", "fault"): frame.f_locals[name] = True
                        frame = frame.f_back
                    return 0
             """),
                no_right_answer,
                BOTH,
            ),
            (
                "answers with the arguments of its callers",
                code("""
                import sys
                def f(x):
                    frame, found = sys._getframe(1), []
                    while frame:
                        for each in frame.f_locals.values():
                            if type(each) in (list, tuple): found.append(repr(each)[:100])
                        frame = frame.f_back
                    return x if "7654322" not in repr(found) else x + 1
             """),
                no_right_answer,
                BOTH,
            ),
        ],
    ),
    *letters(
        "C7",
        [
            (
                "writes its verdict frame itself, then leaves",
                code("""
                import os, struct
                def f(x):
                    for index in (0, 1):
                        payload = b"T"
                        os.write(3, struct.pack(">QBI", len(payload), 2, index) + payload)
                    os._exit(0)
             """),
                no_right_answer,
                BOTH,
            ),
            (
                "answers later calls before it has seen them",
                code("""
                import os, struct
                def f(x):
                    for index in (0, 1):
                        payload = b"i\\0\\0\\0\\1\\x0b"
                        os.write(3, struct.pack(">QBI", len(payload), 2, index) + payload)
                    os._exit(0)
             """),
                no_gain,
                BOTH,
            ),
        ],
    ),
    *letters(
        "C8",
        [
            (
                "prints that it passed",
                body("print('PASSED'); print('1.0'); print('reward: 1'); return 0", "x"),
                no_right_answer,
                BOTH,
            ),
            ("prints the value it should return", body("print(x + 1)", "x"), no_right_answer, BOTH),
        ],
    ),
    *letters(
        "C9",
        [
            ("pytest.skip", "import pytest\ndef f(x): pytest.skip('no')\n", no_right_answer, BOTH),
            (
                "unittest.SkipTest",
                "import unittest\ndef f(x): raise unittest.SkipTest\n",
                no_right_answer,
                {"calls": CALLS, "limits": SLOW},
            ),
            ("an empty file", "", faults("invalid"), BOTH),
            ("only a comment", "# all tests passed\n", faults("invalid"), BOTH),
            (
                "no calls at all",
                "def f(x): return x + 1\n",
                lambda outcomes: "" if outcomes == [] else "answered nothing",
                {"calls": []},
            ),
            ("skips itself", "raise SystemExit(0)\n", faults("exit"), BOTH),
        ],
    ),
    *letters(
        "C14",
        [
            ("knows the visible test only", "def f(x):\n    if x == 10: return 11\n    return 0\n", no_gain, BOTH),
        ],
    ),
    *letters(
        "C15",
        [
            (
                "right every other time",
                code("""
                import random
                def f(x): return x + 1 if random.random() < 0.5 else 0
             """),
                lambda outcomes: "passed for right" if all(verdicts(outcomes, [n + 1 for n in range(200)])) else "",
                {"calls": [(n,) for n in range(200)], "limits": SLOW},
            ),
        ],
    ),
    *letters(
        "C17",
        [
            (
                "returns a pickle that runs a program",
                code("""
                import pickle, os
                class X:
                    def __reduce__(self): return os.system, ("touch hostile",)
                def f(): return pickle.dumps(X())
             """),
                lambda outcomes: "" if type(outcomes[0].value) is bytes else str(outcomes[0].fault),
                {"limits": SLOW},
            ),
            (
                "returns a text that evaluates",
                "def f(): return '__import__(\"os\").abort()'\n",
                value('__import__("os").abort()', faults_too=False),
            ),
        ],
    ),
    *letters(
        "C18",
        [
            (f"answers {text!r}", f"def f(): return {text!r}\n", value(text, faults_too=False))
            for text in (
                "file:///etc/passwd",
                "/etc/passwd",
                "$HOME",
                "; rm -rf /",
                "`id`",
                "{key}",
                "%s%n",
                "../../key",
                "\x1b[31m",
                "\x00",
                "<script>",
            )
        ],
    ),
]
"""Every input of kind C, save C10 to C13, and C16, which is elsewhere."""
