"""Rows A13 to A25: code that crashes, breaks its tools, or abuses the wire."""

from __future__ import annotations

from guerdon.sandbox import Limits
from guerdon.testing.hostile_rows.row import SLOW, Row, at_most, body, code, faults, letters, value
from guerdon.testing.hostile_rows.snippets import ANY, DEEP, FRAME, NEST, PROTOCOL, TIMEOUT

ROWS: list[Row] = [
    *letters(
        "A13",
        [
            ("SIGKILL to itself", body("import os; os.kill(os.getpid(), 9)"), faults("crash", named="SIGKILL")),
            ("SIGTERM to itself", body("import os; os.kill(os.getpid(), 15)"), faults("crash", named="SIGTERM")),
            ("reads address 0", body("import ctypes; ctypes.string_at(0)"), faults("crash", named="SIGSEGV")),
            (
                "faulthandler._sigsegv",
                body("import faulthandler; faulthandler._sigsegv()"),
                faults("crash", named="SIGSEGV"),
            ),
            ("os.abort", body("import os; os.abort()"), faults("crash", named="SIGABRT")),
            ("real-time signal", body("import os; os.kill(os.getpid(), 40)"), faults("crash", named="40")),
        ],
    ),
    *letters(
        "A14",
        [
            ("kills its parent", body("import os; os.kill(os.getppid(), 9)"), value(None)),
            ("kills everybody", body("import os; os.kill(-1, 9)"), value(None)),
            ("kills its process group", body("import os; os.killpg(0, 9)"), faults("crash", "exception")),
            ("kills process 1", body("import os; os.kill(1, 9)"), value(None)),
            (
                "kills the host by number",
                body("import os; os.kill(pid, 9)", "pid"),
                value(),
                {"calls": lambda bait: [(bait.pid,)]},
            ),
            (
                "interrupts its parent",
                body("""
                import os, time
                for number in (2, 15, 1, 13, 14, 17, 10, 12):
                    try: os.kill(os.getppid(), number)
                    except OSError: pass
                time.sleep(0.05)
                return 7
             """),
                value(7),
            ),
            (
                "signals by ownership of a pipe",
                body("""
                import fcntl, os
                r, w = os.pipe()
                fcntl.fcntl(r, 8, os.getppid()); fcntl.fcntl(r, 10, 9)
                return "owns"
             """),
                value(),
            ),
        ],
    ),
    *letters(
        "A15",
        [
            (
                "a million levels of Python",
                DEEP + body("def g(n): return g(n + 1)\nreturn g(0)"),
                ANY,
                {"limits": SLOW},
            ),
            ("default recursion limit", body("def g(n): return g(n + 1)\nreturn g(0)"), faults("exception", "crash")),
            ("repr of a deep list", DEEP + body(NEST + "return repr(x)"), ANY),
            ("json of a deep list", DEEP + body("import json\n" + NEST + "return json.dumps(x)"), ANY),
            (
                "a regular expression of deep groups",
                DEEP + body("import re\nre.compile('(' * 50000 + ')' * 50000)"),
                value(None),
                {"limits": SLOW},
            ),
            ("pickle of a deep list", DEEP + body("import pickle\n" + NEST + "pickle.dumps(x)\nreturn repr(x)"), ANY),
            ("comparison of deep lists", DEEP + body(NEST + "y = x\n" + NEST + "return x == y"), ANY),
            ("returns a deep list", body(NEST + "return x"), faults("invalid", "exception", "crash")),
            (
                "__getattr__ that calls itself in C",
                DEEP
                + code("""
                class X:
                    def __getattr__(self, name): return getattr(self, name + "x")
                def f(): return X().y
             """),
                ANY,
            ),
        ],
    ),
    *letters(
        "A16",
        [
            ("100,000 parentheses", "x = " + "(" * 100_000 + ")" * 100_000 + "\ndef f(): return 1\n", ANY),
            ("a million not", "x = " + "not " * 1_000_000 + "1\ndef f(): return 1\n", ANY, {"limits": SLOW}),
            ("100 MB of source", "#" + "x" * 100_000_000 + "\ndef f(): return 1\n", ANY),
            ("20 MB of statements", "x = 1\n" * 3_000_000 + "def f(): return 1\n", ANY),
            ("a folded constant of 1 GB", "def f(): return len('a' * 10**9)\n", ANY),
            ("a million attributes", "def f(): return a" + ".b" * 1_000_000 + "\n", ANY, {"limits": SLOW}),
            ("a huge power", "def f(): return 9 ** 9 ** 9\n", TIMEOUT),
            ("NUL in the source", "def f(): return 1\n\0", faults("invalid")),
            ("a lone surrogate in the source", "def f(): return '\ud800'\n", faults("invalid", "exception")),
            ("does not parse", "def f(: return 1\n", faults("invalid", named="SyntaxError")),
            ("defines nothing", "", faults("invalid")),
            ("its entry is not a function", "f = 3\n", faults("invalid")),
            ("a million digits", "def f(): return " + "9" * 1_000_000 + " % 7\n", value(0), {}),
        ],
    ),
    *letters(
        "A17",
        [
            ("closes all descriptors", body("import os; os.closerange(0, 65536); return 7"), PROTOCOL),
            (
                "replaces its result descriptor",
                body("""
                import os
                os.dup2(os.open("/dev/null", os.O_WRONLY), 3)
                return 7
             """),
                faults("exit", "protocol"),
            ),
        ],
    ),
    *letters(
        "A18",
        [
            ("half a frame, then hangs", body("import os, time\nos.write(3, bytes(5)); time.sleep(60)"), TIMEOUT),
            (
                "a length of 2**63",
                FRAME + body("os.write(3, struct.pack('>QBI', 1 << 63, 2, 0))\nwhile True: pass"),
                PROTOCOL,
            ),
            ("half a frame, then leaves", body("import os\nos.write(3, bytes(5)); os._exit(0)"), PROTOCOL),
            (
                "a length that is never filled",
                FRAME + body("os.write(3, struct.pack('>QBI', 1000, 2, 0) + b'x')\nos._exit(0)"),
                PROTOCOL,
            ),
            (
                "one byte at a time",
                FRAME
                + body("""
                import time
                for byte in frame(2, 0, b"i\\0\\0\\0\\1\\x07"): os.write(3, bytes([byte])); time.sleep(0.001)
                time.sleep(60)
             """),
                value(7),
            ),
        ],
    ),
    *letters(
        "A19",
        [
            (
                "the same frame twice",
                FRAME + body("for _ in range(2): os.write(3, frame(2, 0, b'T'))"),
                PROTOCOL,
                {"calls": [(), ()]},
            ),
            (
                "answers call 2 before call 1",
                FRAME + body("os.write(3, frame(2, 1, b'T'))"),
                PROTOCOL,
                {"calls": [(), ()]},
            ),
            ("answers a call that does not exist", FRAME + body("os.write(3, frame(2, 99, b'T'))"), PROTOCOL),
            ("says READY again", FRAME + body("os.write(3, frame(1, 0, b''))"), PROTOCOL),
            ("a frame of unknown kind", FRAME + body("os.write(3, frame(77, 0, b''))"), PROTOCOL),
            ("a value that is not one", FRAME + body("os.write(3, frame(2, 0, b'?')); os._exit(0)"), PROTOCOL),
            (
                "a container that lies about its length",
                FRAME + body("os.write(3, frame(2, 0, b'l\\xff\\xff\\xff\\xff')); os._exit(0)"),
                PROTOCOL,
            ),
            (
                "a fault of the host",
                FRAME + body("os.write(3, frame(3, 0, b'sandbox\\0 broken')); os._exit(0)"),
                PROTOCOL,
            ),
            (
                "a dict with one key twice",
                FRAME + body("os.write(3, frame(2, 0, b'd\\0\\0\\0\\2TTTT')); os._exit(0)"),
                PROTOCOL,
            ),
            (
                "a list as a key",
                FRAME + body("os.write(3, frame(2, 0, b'd\\0\\0\\0\\1l\\0\\0\\0\\0T')); os._exit(0)"),
                PROTOCOL,
            ),
        ],
    ),
    *letters(
        "A20",
        [
            (
                "a trace function that raises",
                body("""
                import sys
                def trace(*_): raise RuntimeError("traced")
                sys.settrace(trace); sys.setprofile(trace)
                return 7
             """),
                value(7),
            ),
            (
                "a gc callback that raises",
                body("""
                import gc
                gc.callbacks.append(lambda *_: 1 / 0); gc.set_threshold(1)
                return [[] for _ in range(100)] and 7
             """),
                value(7),
            ),
            (
                "a storm of timers",
                body("""
                import signal
                def storm(*_): raise KeyboardInterrupt
                signal.signal(signal.SIGALRM, storm); signal.setitimer(signal.ITIMER_REAL, 1e-5, 1e-5)
                return 7
             """),
                value(7),
            ),
            (
                "a timer without a handler",
                body("import signal, time\nsignal.alarm(1); time.sleep(60)"),
                faults("crash", "timeout"),
                {"limits": SLOW},
            ),
        ],
    ),
    *letters(
        "A21",
        [
            ("stops itself", body("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"), TIMEOUT),
            ("stops its parent", body("import os, signal; os.kill(os.getppid(), signal.SIGSTOP); return 7"), value(7)),
            ("asks for a better priority", body("import os; os.nice(-20); return 'nicer'"), value()),
            (
                "asks for real time",
                body("""
                import os; os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)); return "real time"
             """),
                value(),
            ),
            (
                "raises its own limits",
                body("""
                import resource
                for name in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE):
                    resource.setrlimit(name, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                return "raised"
             """),
                value(),
            ),
            (
                "changes the limits of its parent",
                body("""
                import os, resource
                resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (0, 0)); return "changed"
             """),
                value(),
            ),
        ],
    ),
    *letters(
        "A22",
        [
            ("ten million digits", body("return len(str(7 ** 12_000_000))"), TIMEOUT),
            ("pow", body("return pow(7, 10**9) % 10"), faults("timeout", "memory")),
            ("a regular expression that explodes", body("import re\nre.match('(a+)+$', 'a' * 40 + 'b')"), TIMEOUT),
            (
                "burns CPU in children",
                body("""
                import os
                while True:
                    try:
                        if os.fork() == 0:
                            while True: pass
                    except OSError: pass
             """),
                TIMEOUT,
            ),
        ],
    ),
    *letters(
        "A23",
        [
            (
                "5,000 zombies",
                body("""
                import os
                for _ in range(5000):
                    if os.fork() == 0: os._exit(0)
             """),
                faults("limit"),
                {"limits": SLOW},
            ),
        ],
    ),
    *letters(
        "A24",
        [
            (
                "one mapping of 1 TB",
                body("import mmap; return len(mmap.mmap(-1, 1 << 40))"),
                faults("memory", "exception"),
            ),
            (
                "many mappings",
                body("""
                import mmap
                kept = []
                while True:
                    kept.append(mmap.mmap(-1, 1 << 20)); kept[-1].write(b"x" * (1 << 20))
             """),
                faults("memory", "exception", "limit"),
                {"limits": SLOW},
            ),
            (
                "memfd_create",
                body("""
                import os
                fd = os.memfd_create("x")
                for _ in range(1024): os.write(fd, bytes(1 << 20))
                return "1 GB"
             """),
                value(),
            ),
            (
                "shared memory",
                body("""
                from multiprocessing import shared_memory
                return shared_memory.SharedMemory(create=True, size=1 << 30).size
             """),
                value(),
                {"limits": SLOW},
            ),
            (
                "a sparse file, mapped and touched",
                body("""
                import mmap, os
                fd = os.open("sparse", os.O_RDWR | os.O_CREAT)
                os.ftruncate(fd, 1 << 26)
                whole = mmap.mmap(fd, 1 << 26)
                for at in range(0, 1 << 26, 4096): whole[at] = 1
                return 64
             """),
                at_most(8),
            ),
            (
                "memory in many children",
                body("""
                import os, time
                for _ in range(100):
                    if os.fork() == 0:
                        kept = []
                        while True: kept.append(bytearray(1 << 20))
                time.sleep(60)
             """),
                faults("limit", "timeout", "memory"),
                {"limits": Limits(wall_s=0.5, memory_mb=64, processes=4)},
            ),
            (
                "pipes, filled",
                body("""
                import os
                kept = []
                while True:
                    r, w = os.pipe(); kept.append((r, w))
                    os.set_blocking(w, False)
                    try:
                        while True: os.write(w, bytes(65536))
                    except BlockingIOError: pass
             """),
                faults("limit"),
            ),
            ("opens too many files", body("import os\nwhile True: os.dup(1)"), faults("limit")),
        ],
    ),
    *letters(
        "A25",
        [
            (
                "changes the clock, zone, locale, mask and folder",
                body("""
                import os, time
                def each(*attempts):
                    for attempt in attempts:
                        try: attempt()
                        except BaseException: pass
                os.environ["TZ"] = "Asia/Tokyo"
                each(
                    lambda: time.clock_settime(time.CLOCK_REALTIME, 0.0),
                    time.tzset,
                    lambda: os.umask(0),
                    lambda: os.rmdir(os.getcwd()),
                    lambda: os.chdir("/"),
                    lambda: __import__("locale").setlocale(0, "tr_TR.UTF-8"),
                )
                return 7
             """),
                value(7),
            ),
            (
                "breaks the interpreter it runs in",
                body("""
                import builtins, sys
                sys.modules["json"] = sys.modules["math"] = None
                builtins.len = builtins.sum = None
                sys.path.clear(); sys.meta_path.clear()
                return 7
             """),
                value(7),
            ),
        ],
    ),
]
"""Every input of A13 to A25."""
