"""Pieces of hostile code, and expectations, that several rows share."""

from __future__ import annotations

from guerdon.testing.hostile_rows.row import code, faults, solver_fault

TIMEOUT, MEMORY, LIMIT, EXIT = faults("timeout"), faults("memory"), faults("limit"), faults("exit")
PROTOCOL, ANY = faults("protocol"), solver_fault
NO_CHILDREN = "the Landlock back end lets no job make children, so there is none to hold"
FILL = """
def f(folder):
    filled, block = 0, b"x" * (1 << 20)
    for number in range(1024):
        try:
            with open("%s/hostile-%d" % (folder, number), "wb", buffering=0) as file:
                filled += file.write(block)
        except FileNotFoundError:
            break
    return filled >> 20
"""
FRAME = """
import os, struct
def frame(kind, index, payload):
    return struct.pack(">QBI", len(payload), kind, index) + payload
"""
NEST = "x = []\nfor _ in range(200000):\n    x = [x]\n"
DEEP = "import sys; sys.setrecursionlimit(10**8)\n"
NAMES = "the host's name and kernel version can be asked for (uname)"
METADATA = "names and sizes of files can be asked for (stat); their contents cannot be read"
LIBC = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    return libc.syscall(number, *arguments)
X86 = os.uname().machine == "x86_64"
"""
CONNECT = LIBC + code("""
    import _socket as s
    def attempt(family, kind, protocol, address):
        with_it = s.socket(family, kind, protocol)
        if address is not None: with_it.connect(address)
        return "connected"
""")


def reads(*paths: str) -> str:
    """Code that returns which paths, and which of the argument, could be read."""
    return code(f"""
        def f(*more):
            found = []
            for path in {list(paths)!r} + list(more):
                try:
                    with open(path, "rb") as file: found.append([path, len(file.read(4096))])
                except OSError: pass
            return found
    """)


def refused(numbers: str) -> str:
    """Code that makes raw system calls (x86_64 numbers) and returns those that were not refused."""
    return LIBC + code(f"""
        def f():
            if not X86: return []
            return [name for name, number, *arguments in {numbers} if call(number, *arguments) >= 0]
    """)
