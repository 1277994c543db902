"""Rows A1 to A12: code that will not end, takes too much, or leaves early."""

from __future__ import annotations

from guerdon.testing.hostile_rows.row import SLOW, Row, at_most, body, code, faults, letters, value
from guerdon.testing.hostile_rows.snippets import EXIT, FILL, FRAME, MEMORY, TIMEOUT

ROWS: list[Row] = [
    *letters(
        "A1",
        [
            ("loops for ever", body("while True: pass"), TIMEOUT),
            ("loops for ever while it is imported", "while True: pass\n", TIMEOUT),
            (
                "loops in an except that catches everything",
                code("""
                def f():
                    while True:
                        try:
                            while True: pass
                        except BaseException: pass
             """),
                TIMEOUT,
            ),
        ],
    ),
    *letters(
        "A2",
        [
            ("sleeps", body("import time; time.sleep(1e9)"), TIMEOUT),
            (
                "waits for a lock",
                body("import _thread; l = _thread.allocate_lock(); l.acquire(); l.acquire()"),
                TIMEOUT,
            ),
            ("reads a pipe that nobody writes", body("import os; os.read(os.pipe()[0], 1)"), TIMEOUT),
        ],
    ),
    *letters(
        "A3",
        [
            (
                "ignores and blocks every signal",
                body("""
                import signal
                for number in range(1, 65):
                    try: signal.signal(number, signal.SIG_IGN)
                    except (OSError, ValueError): pass
                signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
                while True: pass
             """),
                TIMEOUT,
            ),
        ],
    ),
    *letters(
        "A4",
        [
            ("takes 80 GB at once", body("return len([0] * 10**10)"), MEMORY),
            ("grows by 1 MB", body("x = []\nwhile True: x.append(bytearray(1 << 20))"), MEMORY, {"limits": SLOW}),
            (
                "swallows MemoryError and goes on",
                body("""
                x = []
                while True:
                    try: x.append(bytearray(1 << 20))
                    except MemoryError: pass
             """),
                faults("memory", "timeout", "crash"),
            ),
        ],
    ),
    *letters(
        "A5",
        [
            ("fork bomb", body("import os\nwhile True: os.fork()"), faults("limit", "timeout", "exception")),
            (
                "fork bomb that swallows errors",
                body("""
                import os
                while True:
                    try: os.fork()
                    except OSError: pass
             """),
                TIMEOUT,
            ),
            (
                "counts how many children it may have",
                body("""
                import os, time
                made = 0
                try:
                    for _ in range(400):
                        if os.fork() == 0: time.sleep(60); os._exit(0)
                        made += 1
                except OSError: pass
                return made
             """),
                at_most(16),
            ),
        ],
    ),
    *letters(
        "A6",
        [
            (
                "leaves a daemon that writes later",
                body(
                    """
                import os, time
                if os.fork() == 0:
                    os.setsid()
                    if os.fork() == 0:
                        for _ in range(200):
                            time.sleep(0.01)
                            for path in ("/tmp/", "./", "/dev/shm/", folder + "/"):
                                try: open(path + "hostile-late", "a").write("1.0")
                                except OSError: pass
                    os._exit(0)
                return 7
             """,
                    "folder",
                ),
                value(7),
                {"calls": lambda bait: [(bait.folder,)]},
            ),
            ("a child comes back from the function too", body("import os\nos.fork()\nreturn 7"), value(7)),
        ],
    ),
    *letters(
        "A7",
        [
            (
                "10,000 threads",
                body("""
                import _thread, time
                for _ in range(10000): _thread.start_new_thread(time.sleep, (60,))
             """),
                faults("limit", "memory", "timeout"),
            ),
            (
                "10,000 threads with small stacks",
                body("""
                import _thread, time
                _thread.stack_size(32768)
                for _ in range(10000): _thread.start_new_thread(time.sleep, (60,))
             """),
                faults("limit", "memory", "timeout"),
            ),
        ],
    ),
    *letters(
        "A8",
        [
            (f"fills {folder}", FILL, at_most(8), {"calls": [(folder,)], "limits": SLOW})
            for folder in ("/tmp", "/dev/shm", "/dev", "", "/var/tmp", ".")
        ],
    ),
    *letters(
        "A9",
        [
            (
                "a million empty files",
                body("""
                import os
                for number in range(10**6): os.close(os.open("hostile-%d" % number, os.O_CREAT))
             """),
                faults("limit", "exception"),
                {"limits": SLOW},
            ),
            (
                "folders within folders",
                body("""
                import os
                for _ in range(10**6): os.mkdir("d"); os.chdir("d")
             """),
                faults("limit", "exception"),
                {"limits": SLOW},
            ),
        ],
    ),
    *letters(
        "A10",
        [
            ("prints 10 GB", body("while True: print('x' * 10000)"), faults("output")),
            ("prints 10 GB to stderr", body("import os\nwhile True: os.write(2, b'x' * 65536)"), faults("output")),
            (
                "floods the result descriptor",
                body("import os\nwhile True: os.write(3, b'x' * 65536)"),
                faults("output", "protocol"),
            ),
            (
                "floods with frames that look right",
                FRAME + body("while True: os.write(3, frame(2, 0, b'b\\0\\x10\\0\\0' + bytes(1 << 20)))"),
                faults("output", "protocol"),
            ),
            ("prints too much and then answers", body("print('x' * 5_000_000)\nreturn 7"), faults("output")),
        ],
    ),
    *letters(
        "A11",
        [
            (
                "one line without end",
                body("import sys\nwhile True: sys.stdout.write('x' * (1 << 20))"),
                faults("output"),
            ),
            ("one line of 1 GB", body("import sys\nsys.stdout.write('x' * 10**9)"), faults("output", "memory")),
        ],
    ),
    *letters(
        "A12",
        [
            ("os._exit in the function", body("import os; os._exit(0)"), EXIT),
            ("sys.exit in the function", body("import sys; sys.exit(0)"), EXIT),
            ("raises SystemExit", body("raise SystemExit(0)"), EXIT),
            ("exit()", body("exit()"), faults("exit", "exception")),
            ("os._exit while it is imported", "import os\nos._exit(0)\n", EXIT),
            ("sys.exit while it is imported", "import sys\nsys.exit(0)\n", EXIT),
            (
                "os._exit in a thread",
                body("""
                import _thread, os, time
                _thread.start_new_thread(os._exit, (0,))
                time.sleep(60)
             """),
                EXIT,
            ),
            (
                "os._exit in __del__",
                code("""
                import os
                class Last:
                    def __del__(self): os._exit(0)
                def f():
                    x = Last()
                    del x
             """),
                EXIT,
            ),
            ("an atexit handler", body("import atexit, os\natexit.register(os._exit, 0)\nreturn 7"), value(7)),
            (
                "leaves before the second of three calls",
                code("""
                import os
                def f(n):
                    if n == 1: os._exit(0)
                    return n
             """),
                lambda outcomes: (
                    ""
                    if [o.fault and o.fault.kind.value for o in outcomes] == [None, "exit", "exit"]
                    else str(outcomes)
                ),
                {"calls": [(0,), (1,), (2,)]},
            ),
        ],
    ),
]
"""Every input of A1 to A12."""
