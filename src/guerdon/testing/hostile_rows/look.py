"""Rows B1 to B4: code that looks around and calls out."""

from __future__ import annotations

from guerdon.sandbox import Limits
from guerdon.testing.hostile_rows.row import NOTHING, SLOW, Row, body, letters, value
from guerdon.testing.hostile_rows.snippets import CONNECT, LIBC, METADATA, NAMES, reads, refused

ROWS: list[Row] = [
    *letters(
        "B1",
        [
            (
                "reads files of the host",
                reads(
                    "/etc/passwd",
                    "/etc/shadow",
                    "/etc/hostname",
                    "/root/.ssh/id_rsa",
                    "/root/.bash_history",
                    "/etc/ssl/openssl.cnf",
                    "/proc/version",
                    "/sys/kernel/notes",
                ),
                NOTHING,
            ),
            ("reads the canary", reads(), NOTHING, {"calls": lambda bait: [(bait.canary,)]}),
            (
                "reads /proc",
                reads(
                    "/proc/1/environ",
                    "/proc/1/cmdline",
                    "/proc/self/environ",
                    "/proc/self/mountinfo",
                    "/proc/self/maps",
                    "/proc/cpuinfo",
                    "/proc/net/tcp",
                    "/proc/sys/kernel/core_pattern",
                ),
                NOTHING,
            ),
            (
                "reads the host's /proc entries",
                body(
                    """
                import glob
                found = []
                for path in glob.glob("/proc/[0-9]*/cmdline") + ["/proc/%d/environ" % pid]:
                    try: found.append(open(path).read())
                    except OSError: pass
                return found
             """,
                    "pid",
                ),
                NOTHING,
                {"calls": lambda bait: [(bait.pid,)]},
            ),
            (
                "asks the environment",
                body("import os\nreturn {k: v for k, v in os.environ.items() if k not in ('TZ', 'LC_CTYPE')}"),
                value({}),
            ),
            (
                "lists folders of the host",
                body(
                    """
                import os
                found = []
                for path in (folder, "/home", "/etc", "/var", "/proc", "/sys", "/opt", "/srv", "/mnt", "/run"):
                    try: found += os.listdir(path)
                    except OSError: pass
                return found
             """,
                    "folder",
                ),
                NOTHING,
                {"calls": lambda bait: [(bait.folder,)]},
            ),
            (
                "asks for the size of a file of the host",
                body("import os; return os.stat(path).st_size", "path"),
                NOTHING,
                {"calls": lambda bait: [(bait.canary,)], "gaps": {"landlock": METADATA}},
            ),
            (
                "asks for the name of the host",
                body("import os; return os.uname().nodename == name", "name"),
                NOTHING,
                {"calls": lambda bait: [(bait.host,)], "gaps": {"landlock": NAMES}},
            ),
            ("climbs out with ..", reads(*["../" * n + "etc/passwd" for n in range(1, 9)]), NOTHING),
        ],
    ),
    *letters(
        "B2",
        [
            (
                "looks for the judge's source and tests",
                body("""
                import os
                names = ("flight.py", "zygote.py", "hostile.py", "conftest.py", "canary")
                found = []
                for folder, _, files in os.walk("/"):
                    found += [folder + "/" + name for name in files if name in names or "guerdon" in folder]
                return found
             """),
                NOTHING,
                {"limits": Limits(wall_s=20.0, memory_mb=256)},
            ),
            (
                "imports the judge",
                body("""
                import sys
                sys.path += ["/site", "/work", "/usr/lib/python3/dist-packages"]
                import guerdon.bench
                return "imported"
             """),
                value(),
            ),
            (
                "imports packages of the host",
                body("""
                found = []
                for name in ("numpy", "pytest", "pip", "setuptools", "sqlalchemy"):
                    try: __import__(name); found.append(name)
                    except ImportError: pass
                return found
             """),
                NOTHING,
                {"limits": SLOW},
            ),
        ],
    ),
    *letters(
        "B3",
        [
            (
                "connects to a port of the host",
                CONNECT + body("return attempt(2, 1, 0, ('127.0.0.1', port))", "port"),
                NOTHING,
                {"calls": lambda bait: [(bait.port,)]},
            ),
            (
                "connects to a Unix socket",
                CONNECT + body("return attempt(1, 1, 0, path)", "path"),
                NOTHING,
                {"calls": lambda bait: [(bait.unix,)]},
            ),
            (
                "connects to an abstract socket",
                CONNECT + body("return attempt(1, 1, 0, '\\0' + name)", "name"),
                NOTHING,
                {"calls": lambda bait: [(bait.abstract,)]},
            ),
            ("opens a vsock", CONNECT + body("return attempt(40, 1, 0, None)"), NOTHING),
            ("opens netlink", CONNECT + body("return attempt(16, 3, 0, None)"), NOTHING),
            ("opens a raw socket", CONNECT + body("return attempt(2, 3, 1, None)"), NOTHING),
            ("asks the metadata service", CONNECT + body("return attempt(2, 1, 0, ('169.254.169.254', 80))"), NOTHING),
            ("asks DNS", CONNECT + body("return repr(s.getaddrinfo('example.org', 80))"), NOTHING),
            (
                "sends UDP",
                CONNECT + body("s.socket(2, 2, 0).sendto(b'x', ('127.0.0.1', port))\nreturn 'sent'", "port"),
                NOTHING,
                {"calls": lambda bait: [(bait.port,)]},
            ),
            ("makes a pair of sockets", CONNECT + body("s.socketpair()\nreturn 'a pair'"), NOTHING),
            ("opens a packet socket", CONNECT + body("return attempt(17, 3, 0, None)"), NOTHING),
        ],
    ),
    *letters(
        "B4",
        [
            (
                "traces its parent and the host",
                LIBC
                + body(
                    """
                if not X86: return []
                return [who for who in (os.getppid(), pid, 1, 2) if call(101, 16, who, 0, 0) >= 0]
             """,
                    "pid",
                ),
                NOTHING,
                {"calls": lambda bait: [(bait.pid,)]},
            ),
            (
                "reads the memory of others",
                LIBC
                + body(
                    """
                if not X86: return []
                data, size = ctypes.create_string_buffer(64), ctypes.c_size_t(64)
                part = (ctypes.c_size_t * 2)(ctypes.addressof(data), 64)
                return [who for who in (os.getppid(), pid, 1) if call(310, who, part, 1, part, 1, 0) >= 0]
             """,
                    "pid",
                ),
                NOTHING,
                {"calls": lambda bait: [(bait.pid,)]},
            ),
            (
                "takes descriptors of others",
                LIBC
                + body(
                    """
                found = []
                for who in (os.getppid(), pid, 1):
                    fd = call(434, who, 0)
                    if fd >= 0 and call(438, fd, 0, 0) >= 0: found.append(who)
                return found
             """,
                    "pid",
                ),
                NOTHING,
                {"calls": lambda bait: [(bait.pid,)]},
            ),
            ("opens /proc/<pid>/mem", reads("/proc/1/mem", "/proc/self/mem", "/proc/2/mem"), NOTHING),
            ("lets itself be traced", LIBC + refused("[('traceme', 101, 0, 0, 0, 0)]").removeprefix(LIBC), NOTHING),
        ],
    ),
]
"""Every input of B1 to B4."""
