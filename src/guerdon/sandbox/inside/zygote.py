# ruff: noqa: PTH120, PTH123, SIM105, PTH208
# pathlib and contextlib would double what every job pays for a fork.
"""The zygote: a small interpreter that is already inside the room and forks one job after the other.

    host ── control (seqpacket) ──> zygote ── fork ──> supervisor (process 1 of the job) ── fork ──> worker

The host sends `J` with the limits and two descriptors (the job's socket, its output pipe), or `K` to kill the job at
work. The zygote answers `R` once when it is ready and `D` with the kernel's account when a job and all its processes
are gone, or `E` with a sentence when it could not set a job up.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _socket
import gc
import os
import resource
import select
import struct
import sys

from guerdon.sandbox import wire
from guerdon.sandbox.inside import kernel, room, seccomp, worker

LIMITS, STATUS = wire.LIMITS, wire.STATUS
STACK = 8 << 20
_RIGHTS = _socket.CMSG_SPACE(8)
_SCM_RIGHTS, _SOL_SOCKET = _socket.SCM_RIGHTS, _socket.SOL_SOCKET


def main(control_fd: int, plan: dict[str, object]) -> None:
    """Enter the room, fork the zygote proper, wait for it."""
    control = _socket.socket(fileno=control_fd)
    try:
        _close_others(control_fd)
        host = os.pidfd_open(plan["host"])  # type: ignore[arg-type]
        if os.getppid() != plan["host"]:
            os._exit(0)
        start(control, host, plan)
    except BaseException as error:  # noqa: BLE001  # the host turns it into a sentence
        control.send(b"E" + f"{type(error).__name__}: {error}".encode("utf-8", "replace")[:4000])
        os._exit(1)


def _close_others(control_fd: int) -> None:
    """Close what a careless host let every child inherit."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != control_fd:
            try:
                os.close(int(name))
            except OSError:
                pass  # the descriptor of the listing itself


def start(control: _socket.socket, host: int, plan: dict[str, object]) -> None:
    """Isolate by the plan's kind, then serve until the host goes away."""
    kind = plan["kind"]
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # no handler: a job must not be able to wake its process 1
    os.setsid()
    os.umask(0o022)
    if kind == "namespaces":
        folders = [*plan["folders"], *((path, path) for path in _libraries(proc))]  # type: ignore[misc]
        room.enter(folders, plan["hidden"], proc)  # type: ignore[arg-type]
        _become_first(control)
    os.umask(0o077)
    sys.path += plan["path"]  # type: ignore[arg-type]
    for name in plan["imports"]:  # type: ignore[attr-defined]
        __import__(name)
    zygote = KINDS[kind](control, host)  # type: ignore[index]
    zygote.memory = _address_space(proc)
    zygote.settle(proc, plan)
    os.close(proc)
    _quiet()
    control.send(b"R" + zygote.detail.encode())
    zygote.serve()


def _quiet() -> None:
    """Leave the interpreter as every job shall find it."""
    os.environ.clear()
    os.environ["TZ"] = "UTC"
    sys.set_int_max_str_digits(0)  # honest answers have more than 4,300 digits; the clock bounds the work
    exec(
        compile("def f(x):\n    return x\n", "<warm>", "exec", dont_inherit=True), {}
    )  # or each job sets the compiler up
    gc.collect()
    gc.freeze()
    gc.disable()


def _become_first(control: _socket.socket) -> None:
    """Fork process 1 of the new PID namespace; the launcher stays behind to be waited for."""
    pid = os.fork()
    if pid:
        control.close()
        status = os.waitpid(pid, 0)[1]
        os._exit(min(os.waitstatus_to_exitcode(status) & 0xFF, 255))
    kernel.die_with_parent()


def _libraries(proc: int) -> list[str]:
    """The folders of the shared libraries that this interpreter has mapped."""
    fd = os.open("self/maps", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    with open(fd, "rb") as lines:
        paths = {os.fsdecode(line.split(None, 5)[5].strip()) for line in lines if b"/" in line and b".so" in line}
    return sorted({os.path.dirname(path) for path in paths})


def _address_space(proc: int) -> int:
    """Bytes of address space in use now."""
    fd = os.open("self/statm", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    pages = int(os.read(fd, 64).split()[0])
    os.close(fd)
    return pages * resource.getpagesize()


class Zygote:
    """Serves the host: one job at a time, each in processes of its own.

    This class isolates by namespaces; its two children do with less.
    """

    beside = 3  # processes of the same user that are not the job's: launcher, zygote, supervisor

    def __init__(self, control: _socket.socket, host: int) -> None:
        self.control, self.host = control, host
        self.memory, self.detail = 0, "1"
        self.null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        self.report, self.account = os.pipe()
        os.set_blocking(self.report, False)

    def settle(self, proc: int, plan: dict[str, object]) -> None:
        """Prepare what every job needs, then give up what no job may have."""
        self.programs = bool(plan["programs"])
        self.program = seccomp.program(kernel.MACHINE, programs=self.programs)
        self.detail += "-programs" if self.programs else ""
        self.own_space = os.open("self/ns/pid", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
        kernel.drop_bounding_set()
        kernel.keep_capabilities(1 << kernel.CAP_SYS_ADMIN)
        kernel.dumpable(False)

    def serve(self) -> None:
        """Take messages until the host closes the control socket or dies."""
        poll = select.poll()
        poll.register(self.control, select.POLLIN)
        poll.register(self.host, select.POLLIN)
        while True:
            if any(fd == self.host for fd, _ in poll.poll()):
                os._exit(0)
            message, rights, _, _ = self.control.recvmsg(256, _RIGHTS)
            if not message:
                os._exit(0)
            if message[:1] == b"J":
                socket, output = struct.unpack("ii", rights[0][2][:8])
                self.run(LIMITS.unpack(message[1:]), socket, output)

    def run(self, limits: tuple[int, ...], socket: int, output: int) -> None:
        """Fork a job, wait until all of it is gone, report."""
        pid = self.fork(limits, socket, output)
        os.close(socket)
        os.close(output)
        self.control.send(self.watch(pid))

    def fork(self, limits: tuple[int, ...], socket: int, output: int) -> int:
        """Fork the supervisor into a new PID namespace."""
        kernel.unshare(kernel.NEWPID)
        try:
            return self.child(limits, socket, output)
        finally:
            kernel.setns(self.own_space, kernel.NEWPID)

    def child(self, limits: tuple[int, ...], socket: int, output: int) -> int:
        """Fork; the child enters its room and never returns."""
        pid = os.fork()
        if pid:
            return pid
        try:
            self.enter(limits, socket, output)
        except BaseException as error:  # noqa: BLE001  # the host is told, and tries a fresh zygote
            os.write(self.account, b"E" + f"{type(error).__name__}: {error}".encode("utf-8", "replace")[:1000])
        os._exit(0)

    def watch(self, pid: int) -> bytes:
        """Wait for a child, killing it on the host's word; returns the account."""
        gone = os.pidfd_open(pid)
        poll = select.poll()
        for fd in (gone, self.control.fileno(), self.host):
            poll.register(fd, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poll.poll()}
            if self.host in ready:
                os._exit(0)
            if gone in ready:
                break
            if not self.control.recv(256):
                os._exit(0)
            self.kill(pid)
        os.close(gone)
        return self.reap(pid)

    def kill(self, pid: int) -> None:
        """Kill a job: process 1 of a PID namespace takes all others with it."""
        os.kill(pid, 9)

    def reap(self, pid: int) -> bytes:
        """Collect a dead child and what its supervisor had to say."""
        _, status, usage = os.wait4(pid, 0)
        try:
            return os.read(self.report, 4096)
        except BlockingIOError:  # killed before it could say
            return b"D" + STATUS.pack(status, usage.ru_utime, usage.ru_stime)

    def enter(self, limits: tuple[int, ...], socket: int, output: int) -> None:
        """Be process 1 of the job: close the door behind it, fork the worker, reap all, give the account."""
        kernel.die_with_parent()
        os.setsid()
        kernel.unshare(kernel.NEWNS | kernel.NEWIPC)
        flags = kernel.MS_NOSUID | kernel.MS_NODEV | (0 if self.programs else kernel.MS_NOEXEC)
        kernel.mount("scratch", room.SCRATCH, "tmpfs", flags, f"size={limits[5]},nr_inodes={limits[6]},mode=700")
        os.chdir(room.SCRATCH)
        kernel.keep_capabilities(0)
        kernel.no_new_privileges()
        _bound(limits, self.memory, self.beside)
        kernel.load_filter(self.program)
        pid = os.fork()
        if pid == 0:
            _move_descriptors(self.null, socket, output)
            worker.work(3)
        os.dup2(self.account, 3)
        os.closerange(4, 1 << 16)
        found = 0
        while found != pid:
            found, status, usage = os.wait4(-1, 0)
        os.write(3, b"D" + STATUS.pack(status, usage.ru_utime, usage.ru_stime))


class Landlocked(Zygote):
    """Isolates by Landlock and seccomp alone: no scratch space, no children, signals to itself only."""

    beside = 1024  # the limit counts all processes of the user on the machine

    def settle(self, proc: int, plan: dict[str, object]) -> None:
        """Build the ruleset once; every job enters it for itself."""
        version = kernel.landlock_version()
        if not version:
            raise OSError("this kernel has no Landlock")
        self.program = seccomp.program(kernel.MACHINE, children=False, own_pid=seccomp.ANY_PID)
        self.beside += _processes(proc)
        self.kept = 0
        stdlib = plan["folders"][0][0]  # type: ignore[index]
        self.detail = f"{version}-nochildren-noscratch"
        if os.getuid() == 0 and room.may_become_nobody(proc):
            self.kept = room.become_nobody_who_can_read(stdlib)
            self.detail += "-dac" if self.kept else ""
        self.detail += "-root" if os.getuid() == 0 else ""  # it could not change its user
        self.ruleset = kernel.landlock(_readable(plan, proc), version)
        kernel.dumpable(False)  # no look from outside, and no core for the host's handler

    def fork(self, limits: tuple[int, ...], socket: int, output: int) -> int:
        """Fork the worker itself."""
        return self.child(limits, socket, output)

    def enter(self, limits: tuple[int, ...], socket: int, output: int) -> None:
        """Lock this process in and be the worker."""
        self.prepare(limits)
        kernel.keep_capabilities(self.kept)
        kernel.no_new_privileges()
        kernel.restrict(self.ruleset)
        program = seccomp.for_pid(self.program, os.getpid())
        _move_descriptors(self.null, socket, output)
        kernel.load_filter(program)
        worker.work(3)

    def prepare(self, limits: tuple[int, ...]) -> None:
        """What needs no isolation."""
        kernel.die_with_parent()
        os.setsid()
        os.chdir("/")
        _bound(limits, self.memory, self.beside)


class Trusting(Landlocked):
    """No isolation: the limits only."""

    beside = 1 << 20

    def settle(self, proc: int, plan: dict[str, object]) -> None:
        """Nothing to prepare."""
        kernel.adopt_orphans()

    def enter(self, limits: tuple[int, ...], socket: int, output: int) -> None:
        """Be the worker."""
        self.prepare(limits)
        _move_descriptors(self.null, socket, output)
        worker.work(3)

    def kill(self, pid: int) -> None:
        """Kill the worker's session as far as it still is one."""
        try:
            os.killpg(pid, 9)
        except OSError:
            os.kill(pid, 9)

    def reap(self, pid: int) -> bytes:
        """Collect the worker, then what it left in its session."""
        self.kill(pid)
        account = super().reap(pid)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        return account


KINDS = {"namespaces": Zygote, "landlock": Landlocked, "trusted": Trusting}


def _processes(proc: int) -> int:
    return sum(name.isdigit() for name in os.listdir(proc))


def _readable(plan: dict[str, object], proc: int) -> list[tuple[str, int]]:
    """(path, rights) of the interpreter, its libraries and the imports, without other people's packages."""
    folders: list[tuple[str, str]] = plan["folders"]  # type: ignore[assignment]
    stdlib, imports = folders[0][0], folders[1:]
    both = kernel.READ_FILE | kernel.READ_FOLDER
    rules = [(path, both) for path, _ in imports] + [(stdlib, kernel.READ_FOLDER)]
    rules += [(entry.path, both) for entry in os.scandir(stdlib) if entry.path not in plan["hidden"]]  # type: ignore[operator]
    for path in _libraries(proc):
        if not f"{stdlib}/".startswith(f"{path}/"):
            rules.append((path, both))
        else:  # the folder holds the standard library and its site-packages: its plain files only
            rules += [(entry.path, both) for entry in os.scandir(path) if entry.is_file()]
    rules.append(("/dev/null", kernel.WRITE_FILE))
    return rules + [(f"/dev/{name}", both) for name in room.DEVICES]


def _bound(limits: tuple[int, ...], memory: int, beside: int) -> None:
    """Set the rlimits of a job; `beside` counts the processes that are not the job's."""
    cpu, space, size, files, processes, _, _ = limits
    for name, soft, hard in (
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_AS, memory + space, memory + space),
        (resource.RLIMIT_FSIZE, size, size),
        (resource.RLIMIT_NOFILE, files, files),
        (resource.RLIMIT_NPROC, processes + beside, processes + beside),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_STACK, STACK, 8 * STACK),
        (resource.RLIMIT_MEMLOCK, 0, 0),
    ):
        most = resource.getrlimit(name)[1]
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(name, (soft, hard))


def _move_descriptors(null: int, socket: int, output: int) -> None:
    """Leave a worker with 0 to 3 only: nothing to read, its output twice, its socket."""
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    if socket == 3:
        os.set_inheritable(3, True)
    else:
        os.dup2(socket, 3)
    os.closerange(4, 1 << 16)
