# ruff: noqa: PTH102, PTH103, PTH106, PTH112, PTH114, PTH115, PTH120, PTH211, SIM105
# pathlib and contextlib would double what every job pays for a fork.
"""The room: a small read-only root with the interpreter in it, and the way into it.

`enter` is called once per zygote. Started as root it builds the room as real root (the interpreter may live under a
folder that only root may enter), then drops to an unprivileged user; otherwise it enters a user namespace first.
"""

from __future__ import annotations

import os

from guerdon.sandbox.inside import kernel

NOBODY = 65534
SCRATCH = "/tmp"  # inside the room it is a fresh, sized tmpfs of the job
DEVICES = ("null", "zero", "random", "urandom")
_SPACES = kernel.NEWUSER | kernel.NEWNS | kernel.NEWPID | kernel.NEWNET | kernel.NEWIPC | kernel.NEWUTS


def enter(folders: list[tuple[str, str]], hidden: list[str], proc: int) -> None:
    """Build the room and move into it; the next child is process 1 of its own PID namespace.

    Args:
        folders: (path outside, path inside) of what is bound read-only.
        hidden: paths inside that are covered by an empty folder.
        proc: a descriptor of /proc, which keeps working after the old root is gone.
    """
    user, group = os.getuid(), os.getgid()
    if user == 0 and may_become_nobody(proc):
        if _as_root(folders, hidden):
            _own_spaces(NOBODY, NOBODY, proc)
            return
        become_nobody()
        user = group = NOBODY
    _own_spaces(user, group, proc)
    _build(folders, hidden)


def may_become_nobody(proc: int) -> bool:
    """False without CAP_SETGID and CAP_SETUID, or where the user namespace knows no other user."""
    able = int(_read("self/status", proc).partition("CapEff:")[2].split()[0], 16)
    if able & 0b11000000 != 0b11000000:
        return False
    if _read("self/setgroups", proc).strip() == "deny":
        return False
    for name in ("self/uid_map", "self/gid_map"):
        ranges = [[int(word) for word in line.split()] for line in _read(name, proc).splitlines()]
        if not any(first <= NOBODY < first + count for first, _, count in ranges):
            return False
    return True


def become_nobody() -> None:
    """Give up root."""
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    kernel.dumpable(True)  # else /proc/self stays root's and the id maps cannot be written


def become_nobody_who_can_read(folder: str) -> int:
    """Give up root, save the right to pass closed folders when the interpreter lies in one; returns what was kept."""
    kernel.keep_permitted(True)
    become_nobody()
    kernel.keep_permitted(False)
    mask = 0 if os.access(folder, os.R_OK | os.X_OK) else 1 << kernel.CAP_DAC_READ_SEARCH
    kernel.keep_capabilities(mask)
    return mask


def _as_root(folders: list[tuple[str, str]], hidden: list[str]) -> bool:
    try:
        kernel.unshare(kernel.NEWNS)
    except PermissionError:  # root of a container, without the capability
        return False
    _build(folders, hidden)
    become_nobody()
    return True


def _own_spaces(user: int, group: int, proc: int) -> None:
    kernel.unshare(_SPACES)
    try:
        kernel.unshare(kernel.NEWCGROUP)
    except OSError:
        pass
    kernel.name_host("room")
    _write("self/setgroups", "deny", proc)
    _write("self/uid_map", f"{NOBODY} {user} 1", proc)
    _write("self/gid_map", f"{NOBODY} {group} 1", proc)
    try:
        _write("sys/user/max_user_namespaces", "0", proc)
    except OSError:  # read-only in some containers; the seccomp filter refuses them as well
        pass


def _read(path: str, proc: int) -> str:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    try:
        return os.read(fd, 4096).decode()
    finally:
        os.close(fd)


def _write(path: str, text: str, proc: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC, dir_fd=proc)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _build(folders: list[tuple[str, str]], hidden: list[str]) -> None:
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    base = next(path for path in (SCRATCH, "/run", "/mnt", "/proc") if os.path.isdir(path))
    plain = kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("room", base, "tmpfs", plain, "size=1m,nr_inodes=2048,mode=755")
    os.mkdir(f"{base}/.old", 0o700)
    kernel.pivot_root(base, f"{base}/.old")
    os.chdir("/")
    for outside, inside in folders:
        _bind(f"/.old{outside}", inside)
    for path in hidden:
        if os.path.isdir(path):
            kernel.mount("hidden", path, "tmpfs", plain | kernel.MS_RDONLY, "size=4k,nr_inodes=2,mode=755")
    _links()
    _devices()
    os.makedirs(SCRATCH, 0o755, exist_ok=True)
    kernel.umount("/.old")
    os.rmdir("/.old")
    kernel.protect("/", recursive=False)


def _bind(source: str, target: str) -> None:
    if os.path.isdir(source):
        os.makedirs(target, 0o755, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_CLOEXEC, 0o644))
    kernel.mount(source, target, None, kernel.MS_BIND | kernel.MS_REC)
    kernel.protect(target, recursive=True)


def _links() -> None:
    """Copy the links of a merged /usr, where the loader looks for libraries."""
    for name in ("lib", "lib64"):
        if os.path.islink(f"/.old/{name}") and not os.path.lexists(f"/{name}"):
            os.symlink(os.readlink(f"/.old/{name}"), f"/{name}")


def _devices() -> None:
    os.makedirs("/dev", 0o755, exist_ok=True)
    for name in DEVICES:
        os.close(os.open(f"/dev/{name}", os.O_CREAT | os.O_CLOEXEC, 0o666))
        kernel.mount(f"/.old/dev/{name}", f"/dev/{name}", None, kernel.MS_BIND)
        kernel.protect(f"/dev/{name}", recursive=False, devices=True)
