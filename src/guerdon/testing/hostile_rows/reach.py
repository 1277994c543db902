"""Rows B5 to B12: code that reaches for rights, kernel services, and other jobs."""

from __future__ import annotations

from guerdon.sandbox import Limits
from guerdon.testing.hostile_rows.row import NOTHING, SLOW, Row, body, code, faults, letters, value
from guerdon.testing.hostile_rows.snippets import LIBC, reads, refused

ROWS: list[Row] = [
    *letters(
        "B5",
        [
            (
                "unshares each kind of namespace",
                LIBC
                + body("""
                flags = (0x10000000, 0x20000000, 0x20000, 0x40000000, 0x08000000, 0x04000000, 0x02000000, 0x80)
                return [hex(flag) for flag in flags if libc.unshare(flag) == 0]
             """),
                NOTHING,
            ),
            (
                "clones into new namespaces",
                LIBC
                + body("""
                found = []
                for flag in (0x10000000, 0x20000000, 0x20000, 0x40000000, 0x08000000, 0x04000000, 0x02000000):
                    pid = call(56 if X86 else 220, flag | 17, 0, 0, 0, 0)
                    if pid == 0: os._exit(0)
                    if pid > 0: found.append(hex(flag))
                return found
             """),
                NOTHING,
            ),
            (
                "clone3",
                LIBC
                + body("""
                arguments = (ctypes.c_uint64 * 11)(0x10000000, 0, 0, 0, 17)
                pid = call(435, arguments, 88)
                if pid == 0: os._exit(0)
                return "cloned" if pid > 0 else ""
             """),
                NOTHING,
            ),
            (
                "mounts, remounts and unmounts",
                LIBC
                + body("""
                done = [
                    libc.mount(b"x", b"/tmp", b"tmpfs", 0, None),
                    libc.mount(None, b"/", None, 32 | 4096, None),
                    libc.mount(b"/", b"/tmp", None, 4096, None),
                    libc.umount2(b"/tmp", 2),
                    call(429, -100, b"/", 0), call(428, -100, b"/", 1), call(430, b"tmpfs", 0),
                    call(442, -100, b"/", 0, bytes(32), 32),
                ]
                return [at for at, result in enumerate(done) if result >= 0]
             """),
                NOTHING,
            ),
            (
                "changes its root",
                LIBC
                + body("""
                done = [libc.chroot(b"/tmp"), call(155 if X86 else 41, b"/tmp", b"/tmp")]
                return [at for at, result in enumerate(done) if result >= 0]
             """),
                NOTHING,
            ),
            (
                "enters another namespace",
                LIBC
                + body("""
                found = []
                for kind in ("user", "pid", "mnt", "net"):
                    try: fd = os.open("/proc/1/ns/" + kind, os.O_RDONLY)
                    except OSError: continue
                    if libc.setns(fd, 0) == 0: found.append(kind)
                return found
             """),
                NOTHING,
            ),
            (
                "has a capability left over",
                LIBC
                + body("""
                import struct
                header, data = struct.pack("<Ii", 0x20080522, 0), ctypes.create_string_buffer(24)
                if call(125 if X86 else 90, header, data) < 0: return ""
                return "" if not any(struct.unpack("<6I", data.raw)) else "capabilities"
             """),
                NOTHING,
            ),
            (
                "becomes another user",
                LIBC
                + body("""
                done = [libc.setuid(0), libc.setgid(0), libc.setgroups(0, None), libc.setreuid(0, 0)]
                return [at for at, result in enumerate(done) if result == 0]
             """),
                NOTHING,
            ),
            (
                "writes outside its scratch",
                body(
                    """
                import os
                found = []
                for path in ["/hostile", "/dev/hostile", "/usr/hostile", "/lib/hostile", "/site/hostile",
                             os.__file__, folder + "/hostile"]:
                    try: os.close(os.open(path, os.O_WRONLY | os.O_CREAT)); found.append(path)
                    except OSError: pass
                return found
             """,
                    "folder",
                ),
                NOTHING,
                {"calls": lambda bait: [(bait.folder,)]},
            ),
            (
                "changes modes, times and sizes of files of the host",
                body(
                    """
                import os
                found = []
                for attempt in (lambda: os.chmod(path, 0o600), lambda: os.utime(path, (0, 0)),
                                lambda: os.truncate(path, 0), lambda: os.rename(path, path + "x"),
                                lambda: os.unlink(path), lambda: os.chmod(folder, 0),
                                lambda: os.link(path, path + "y"), lambda: os.symlink(path, folder + "/z"),
                                lambda: os.mkdir(folder + "/d"), lambda: os.setxattr(path, "user.x", b"x")):
                    try: attempt(); found.append(attempt.__code__.co_names)
                    except OSError: pass
                return [list(names) for names in found]
             """,
                    "folder",
                    "path",
                ),
                NOTHING,
                {"calls": lambda bait: [(bait.folder, bait.canary)]},
            ),
            ("makes a device", body("import os; os.mknod('sda', 0o60666, os.makedev(8, 0)); return 'made'"), NOTHING),
            ("executes a program", body("import os; os.execv('/bin/sh', ['sh'])"), faults("exception")),
        ],
    ),
    *letters(
        "B6",
        [
            (
                "io_uring, bpf, perf, userfaultfd, keys",
                refused("""[
                ("io_uring_setup", 425, 1, bytes(120)), ("io_uring_enter", 426, 0, 0, 0, 0, 0, 0),
                ("bpf", 321, 0, bytes(72), 72), ("perf_event_open", 298, bytes(120), 0, -1, -1, 0),
                ("userfaultfd", 323, 1), ("keyctl", 250, 0, -3, 0), ("add_key", 248, b"user", b"k", b"v", 1, -3),
                ("request_key", 249, b"user", b"k", 0, -3), ("open_by_handle_at", 304, -100, bytes(16), 0),
                ("name_to_handle_at", 303, -100, b"/", bytes(16), bytes(8), 0), ("kexec_load", 246, 0, 0, 0, 0),
                ("init_module", 175, bytes(8), 8, b""), ("personality", 135, 0x0040000), ("syslog", 103, 10, 0, 0),
                ("reboot", 169, 0, 0, 0, 0), ("swapon", 167, b"/tmp/x", 0), ("sethostname", 170, b"x", 1),
                ("acct", 163, 0), ("quotactl", 179, 0, 0, 0, 0), ("fanotify_init", 300, 0, 0),
                ("inotify_init1", 294, 0), ("memfd_secret", 447, 0), ("landlock_create_ruleset", 444, 0, 0, 1),
                ("seccomp", 317, 2, 0, bytes(4)), ("kcmp", 312, 1, 1, 0, 0, 0), ("move_pages", 279, 0, 0, 0, 0, 0, 0),
                ("process_madvise", 440, 0, 0, 0, 0, 0), ("pidfd_open", 434, 1, 0), ("ptrace", 101, 0, 0, 0, 0),
            ]"""),
                NOTHING,
            ),
            (
                "a 32-bit call",
                LIBC
                + body("""
                if not X86: os.kill(os.getpid(), 31)
                import mmap
                page = mmap.mmap(-1, 4096, prot=7)
                page.write(b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3")
                return ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
             """),
                faults("crash"),
            ),
            (
                "an x32 number",
                LIBC + body("if not X86: os.kill(os.getpid(), 31)\nreturn call(0x40000000 + 39)"),
                faults("crash", named="SIGSYS"),
            ),
        ],
    ),
    *letters(
        "B7",
        [
            (
                "links from its scratch to outside",
                body(
                    """
                import os
                found = []
                for name, make in (("soft", os.symlink), ("hard", os.link)):
                    for target in (path, "/etc/passwd", os.__file__):
                        try:
                            make(target, name)
                            if target != os.__file__: found.append(open(name).read())
                            else: open(name, "r+b"); found.append("may write " + target)
                        except OSError: pass
                        try: os.unlink(name)
                        except OSError: pass
                return found
             """,
                    "path",
                ),
                NOTHING,
                {"calls": lambda bait: [(bait.canary,)]},
            ),
        ],
    ),
    *letters(
        "B8",
        [
            (
                "writes where Python looks for code",
                body("""
                import os
                home = os.path.dirname(os.__file__)
                found = []
                for path in (home + "/site-packages/x.pth", home + "/sitecustomize.py", home + "/usercustomize.py",
                             home + "/json/__init__.py", home + "/__pycache__/abc.cpython-311.pyc", "/site/x.py",
                             "/conftest.py"):
                    try: os.close(os.open(path, os.O_WRONLY | os.O_CREAT)); found.append(path)
                    except OSError: pass
                for path in ("sitecustomize.py", "usercustomize.py", "conftest.py", "json.py", "math.py"):
                    try: open(path, "w").write("raise SystemExit")
                    except OSError: pass
                os.environ["PYTHONPATH"] = os.getcwd()
                return found
             """),
                NOTHING,
                {
                    "after": body("""
                import json, math, os, sys
                bad = [m for m in ("sitecustomize", "usercustomize") if m in sys.modules]
                return bad + (["PYTHONPATH"] if "PYTHONPATH" in os.environ else [])
             """)
                },
            ),
        ],
    ),
    *letters(
        "B9",
        [
            (
                "leaves files for the next job",
                body("""
                for path in ("hostile-note", "/tmp/hostile-note", "/dev/shm/hostile-note", "/var/tmp/hostile-note"):
                    try: open(path, "w").write("hello")
                    except OSError: pass
                return ""
             """),
                NOTHING,
                {
                    "after": body("""
                import os
                paths = ("hostile-note", "/tmp/hostile-note", "/dev/shm/hostile-note", "/var/tmp/hostile-note")
                found = [path for path in paths if os.path.exists(path)]
                try: found += os.listdir(".")
                except OSError: pass
                return found
             """)
                },
            ),
            (
                "leaves System V and POSIX objects",
                LIBC
                + body("""
                done = [libc.shmget(4711, 4096, 0o1666), libc.semget(4711, 1, 0o1666), libc.msgget(4711, 0o1666),
                        libc.mq_open(b"/hostile", 0o102, 0o666, None)]
                return [at for at, result in enumerate(done) if result >= 0]
             """),
                NOTHING,
                {
                    "after": LIBC
                    + body("""
                done = [libc.shmget(4711, 4096, 0), libc.semget(4711, 1, 0), libc.msgget(4711, 0),
                        libc.mq_open(b"/hostile", 0)]
                return [at for at, result in enumerate(done) if result >= 0]
             """)
                },
            ),
            (
                "leaves a lock on the interpreter",
                body("""
                import fcntl, os
                try: fcntl.flock(os.open(os.__file__, os.O_RDONLY), fcntl.LOCK_EX)
                except OSError: pass
                return ""
             """),
                NOTHING,
                {
                    "after": body("""
                import fcntl, os
                try: fcntl.flock(os.open(os.__file__, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError as error: return [str(error)]
                return []
             """)
                },
            ),
            (
                "leaves changed modules",
                body("""
                import builtins, sys
                builtins.hostile = sys.hostile = 1
                sys.modules["hostile"] = sys
                return ""
             """),
                NOTHING,
                {
                    "after": body("""
                import builtins, sys
                found = [name for name in ("builtins", "sys") if hasattr(sys.modules[name], "hostile")]
                return found + ["hostile"] * ("hostile" in sys.modules)
             """)
                },
            ),
        ],
    ),
    *letters(
        "B10",
        [
            (
                "looks for open descriptors",
                body("""
                import os
                found = []
                for fd in range(65536):
                    try: os.fstat(fd); found.append(fd)
                    except OSError: pass
                return found
             """),
                value([0, 1, 2, 3], faults_too=False),
                {"limits": SLOW},
            ),
            (
                "reads its own descriptors",
                body("""
                import os
                found = []
                os.set_blocking(1, False); os.set_blocking(3, False)
                for fd in (0, 1, 3):
                    try: found.append(os.read(fd, 10))
                    except OSError: pass
                return [x for x in found if x]
             """),
                NOTHING,
            ),
        ],
    ),
    *letters(
        "B11",
        [
            (
                "types into the terminal",
                body("""
                import fcntl
                found = []
                for fd in (0, 1, 2, 3):
                    for request in (0x5412, 0x541C, 0x540E):
                        try: fcntl.ioctl(fd, request, b"x"); found.append((fd, request))
                        except OSError: pass
                return found
             """),
                NOTHING,
            ),
            ("opens the terminal", reads("/dev/tty", "/dev/console", "/dev/tty0", "/dev/pts/0", "/dev/ptmx"), NOTHING),
        ],
    ),
    *letters(
        "B12",
        [
            (
                "searches its memory for the key",
                code("""
                import gc, hashlib, sys
                def f(digest):
                    seen, found, queue = set(), [], list(gc.get_objects(0) + gc.get_objects(1) + gc.get_objects(2))
                    queue += list(sys._current_frames().values()) + list(sys.modules.values())
                    while queue:
                        each = queue.pop()
                        if id(each) in seen: continue
                        seen.add(id(each))
                        if type(each) is str and each.startswith("key-"):
                            if hashlib.sha256(each.encode("utf-8", "replace")).hexdigest() == digest: found.append(each)
                        queue += gc.get_referents(each)
                    return found
             """),
                NOTHING,
                {"calls": lambda bait: [(bait.digest,)], "limits": Limits(wall_s=20.0)},
            ),
        ],
    ),
]
"""Every input of B5 to B12."""
