# ruff: noqa: PTH112
# pathlib and contextlib would double what every job pays for a fork.
"""The system calls that Python does not offer, through ctypes: namespaces, mounts, capabilities, seccomp, Landlock."""

from __future__ import annotations

import ctypes
import os
import struct

NEWNS, NEWCGROUP, NEWUTS, NEWIPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
NEWUSER, NEWPID, NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MNT_DETACH = 2
CAP_DAC_READ_SEARCH, CAP_SYS_ADMIN = 2, 21
_PR_PDEATHSIG, _PR_DUMPABLE, _PR_SECCOMP, _PR_CAPBSET_DROP = 1, 4, 22, 24
_PR_KEEPCAPS, _PR_SUBREAPER, _PR_NO_NEW_PRIVS = 8, 36, 38
_SYSCALLS = {
    "x86_64": {"pivot_root": 155, "capset": 126, "mount_setattr": 442, "landlock": 444},
    "aarch64": {"pivot_root": 41, "capset": 91, "mount_setattr": 442, "landlock": 444},
}
MACHINE = os.uname().machine
libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> int:
    if result < 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f"{what}: {os.strerror(errno)}")
    return result


def syscall(name: str, *args: object, extra: int = 0) -> int:
    """Make a call by name; `extra` is added to its number (the Landlock calls are three in a row)."""
    number = _SYSCALLS[MACHINE][name] + extra
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in args]
    return _check(libc.syscall(ctypes.c_long(number), *words), name)


def unshare(flags: int) -> None:
    """Move this process (or, for PID namespaces, its next child) into new namespaces."""
    _check(libc.unshare(flags), "unshare")


def setns(fd: int, kind: int) -> None:
    """Enter the namespace behind a descriptor."""
    _check(libc.setns(fd, kind), "setns")


def name_host(name: str) -> None:
    """Give this UTS namespace a name of its own."""
    raw = name.encode()
    _check(libc.sethostname(raw, len(raw)), "sethostname")


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    """Mount, with the path in the error."""
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind, data)]
    _check(libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]), f"mount {target}")


def umount(target: str) -> None:
    """Detach a mount and all below it."""
    _check(libc.umount2(os.fsencode(target), MNT_DETACH), f"umount {target}")


def pivot_root(new: str, old: str) -> None:
    """Make `new` the root and put the old root at `old`."""
    syscall("pivot_root", os.fsencode(new), os.fsencode(old))


def protect(path: str, *, recursive: bool, devices: bool = False) -> None:
    """Make a mount read-only, nosuid and (unless `devices`) nodev."""
    flags = MS_RDONLY | MS_NOSUID | (0 if devices else MS_NODEV)  # MOUNT_ATTR_* have the same values
    at_recursive = 0x8000 if recursive else 0
    attributes = struct.pack("<QQQQ", flags, 0, 0, 0)
    try:
        syscall("mount_setattr", -100, os.fsencode(path), at_recursive, attributes, len(attributes))
    except OSError as error:
        if error.errno != 38:
            raise
        kept = os.statvfs(path).f_flag & ~MS_RDONLY  # a user namespace may not clear what was locked
        mount("", path, None, MS_REMOUNT | MS_BIND | flags | (kept & 0x40F))


_ZERO = ctypes.c_ulong(0)  # a whole register, or the kernel may see rubbish in its upper half


def prctl(option: int, value: int = 0) -> None:
    """Call `prctl`, raising on failure."""
    _check(libc.prctl(option, ctypes.c_ulong(value), _ZERO, _ZERO, _ZERO), f"prctl {option}")


def die_with_parent() -> None:
    """SIGKILL me when my parent dies."""
    prctl(_PR_PDEATHSIG, 9)


def dumpable(yes: bool) -> None:
    """Let processes of the same user look into this one, or not."""
    prctl(_PR_DUMPABLE, int(yes))


def adopt_orphans() -> None:
    """Become the parent of orphaned descendants."""
    prctl(_PR_SUBREAPER, 1)


def no_new_privileges() -> None:
    """Nothing executed from here on can gain a right."""
    prctl(_PR_NO_NEW_PRIVS, 1)


def keep_permitted(yes: bool) -> None:
    """Keep the permitted capabilities over the next change of user, or not."""
    prctl(_PR_KEEPCAPS, int(yes))


def drop_bounding_set() -> None:
    """Empty the capability bounding set."""
    for capability in range(64):
        if (
            libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(capability), _ZERO, _ZERO, _ZERO) < 0
            and ctypes.get_errno() == 22
        ):
            return


def keep_capabilities(mask: int) -> None:
    """Set permitted and effective capabilities to `mask`, inheritable to none."""
    header = struct.pack("<Ii", 0x20080522, 0)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    syscall("capset", header, struct.pack("<6I", low, low, 0, high, high, 0))


def load_filter(program: bytes) -> None:
    """Load a seccomp program; needs `no_new_privileges` first."""
    buffer = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    _check(libc.prctl(_PR_SECCOMP, ctypes.c_ulong(2), head, _ZERO, _ZERO), "seccomp")


def landlock_version() -> int:
    """The Landlock ABI of this kernel; 0 when there is none."""
    try:
        return syscall("landlock", 0, 0, 1)
    except OSError:
        return 0


WRITE_FILE, READ_FILE, READ_FOLDER = 1 << 1, 1 << 2, 1 << 3


def landlock(rules: list[tuple[str, int]], version: int) -> int:
    """Build a ruleset that allows what `rules` say, (path, rights) each, and nothing else; returns its descriptor."""
    files = (1 << 13) - 1
    files |= (version >= 2) << 13 | (version >= 3) << 14 | (version >= 5) << 15
    network, scope = (3 if version >= 4 else 0), (3 if version >= 6 else 0)
    attributes = struct.pack("<QQQ", files, network, scope)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = syscall("landlock", attributes, size, 0)
    for path, rights in rules:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        if not os.path.isdir(path):
            rights &= READ_FILE | WRITE_FILE
        syscall("landlock", ruleset, 1, struct.pack("<Qi", rights, fd), 0, extra=1)
        os.close(fd)
    return ruleset


def restrict(ruleset: int) -> None:
    """Put this process under a Landlock ruleset."""
    syscall("landlock", ruleset, 0, extra=2)
