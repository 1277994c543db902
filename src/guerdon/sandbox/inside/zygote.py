"""The zygote: a small interpreter that is already inside the room and forks one job after the other.

    host ── control (seqpacket) ──> zygote ── fork ──> supervisor (process 1 of the job) ── fork ──> worker

The host sends `J` with the limits and two descriptors (the job's socket, its output pipe), or `K` to kill the job at
work. The zygote answers `R` once when it is ready and `D` with the kernel's account when a job and all its processes
are gone, or `E` with a sentence when it could not set a job up.
"""

from __future__ import annotations

import _socket
import gc
import os
import resource
import select
import struct
import sys

from guerdon.sandbox.inside import kernel, room, seccomp, worker

STATUS = struct.Struct("<idd")  # wait status, user seconds, system seconds
LIMITS = struct.Struct("<7q")  # cpu, memory, file size, open files, processes, disk, inodes
_RIGHTS = _socket.CMSG_SPACE(8)
_SCM_RIGHTS, _SOL_SOCKET = _socket.SCM_RIGHTS, _socket.SOL_SOCKET


def main(control_fd: int, plan: dict[str, object]) -> None:
    """Enter the room, fork the zygote proper, wait for it."""
    control = _socket.socket(fileno=control_fd)
    try:
        host = os.pidfd_open(plan["host"])  # type: ignore[arg-type]
        if os.getppid() != plan["host"]:
            os._exit(0)
        start(control, host, plan)
    except BaseException as error:  # noqa: BLE001  # the host turns it into a sentence
        control.send(b"E" + f"{type(error).__name__}: {error}".encode("utf-8", "replace")[:4000])
        os._exit(1)


def start(control: _socket.socket, host: int, plan: dict[str, object]) -> None:
    """Isolate by the plan's kind, then serve until the host goes away."""
    kind = plan["kind"]
    proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    os.setsid()
    os.umask(0o022)
    spaces = kind == "namespaces"
    if spaces:
        folders = [*plan["folders"], *((path, path) for path in _libraries(proc))]  # type: ignore[misc]
        room.enter(folders, plan["hidden"], proc)  # type: ignore[arg-type]
        _become_first(control)
    elif kind == "landlock" and os.getuid() == 0:
        room.become_nobody()
    os.umask(0o077)
    sys.path += plan["path"]  # type: ignore[operator]
    for name in plan["imports"]:  # type: ignore[attr-defined]
        __import__(name)
    zygote = Zygote(control, host, str(kind))
    zygote.memory = _address_space(proc)
    if spaces:
        zygote.own_space = os.open("self/ns/pid", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    os.close(proc)
    if spaces:
        kernel.drop_bounding_set()
        kernel.keep_capabilities(1 << kernel.CAP_SYS_ADMIN)
        kernel.dumpable(False)
    sys.set_int_max_str_digits(0)
    gc.collect()
    gc.freeze()
    gc.disable()
    control.send(b"R" + str(zygote.version).encode())
    zygote.serve()


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
    """Serves the host: one job at a time, each in processes of its own."""

    def __init__(self, control: _socket.socket, host: int, kind: str) -> None:
        self.control, self.host, self.kind = control, host, kind
        self.memory, self.version = 0, kernel.landlock_version() if kind == "landlock" else 1
        self.null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        self.report, self.account = os.pipe()
        os.set_blocking(self.report, False)
        self.own_space = -1
        self.program = seccomp.program(kernel.MACHINE) if kind == "namespaces" else b""

    def serve(self) -> None:
        """Take messages until the host closes the control socket or dies."""
        poll = select.poll()
        poll.register(self.control, select.POLLIN)
        poll.register(self.host, select.POLLIN)
        while True:
            for fd, _ in poll.poll():
                if fd == self.host:
                    os._exit(0)
            message, rights, _, _ = self.control.recvmsg(256, _RIGHTS)
            if not message:
                os._exit(0)
            if message[:1] == b"J":
                socket, output = struct.unpack("ii", rights[0][2][:8])
                self.run(LIMITS.unpack(message[1:]), socket, output)

    def run(self, limits: tuple[int, ...], socket: int, output: int) -> None:
        """Fork a job, wait until all of it is gone, report."""
        pid = self._fork(limits, socket, output)
        os.close(socket)
        os.close(output)
        self._watch(pid)
        try:
            answer = os.read(self.report, 4096)
        except BlockingIOError:
            answer = b"D" + STATUS.pack(9, 0.0, 0.0)  # killed before its supervisor could say
        self.control.send(answer)

    def _fork(self, limits: tuple[int, ...], socket: int, output: int) -> int:
        kernel.unshare(kernel.NEWPID)
        pid = os.fork()
        if pid == 0:
            try:
                self._supervise(limits, socket, output)
            except BaseException as error:  # noqa: BLE001
                os.write(self.account, b"E" + f"{type(error).__name__}: {error}".encode("utf-8", "replace")[:1000])
            os._exit(0)
        kernel.setns(self.own_space, kernel.NEWPID)
        return pid

    def _watch(self, pid: int) -> None:
        """Wait for a child; kill it on the host's word."""
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
            os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(gone)

    def _supervise(self, limits: tuple[int, ...], socket: int, output: int) -> None:
        """Be process 1 of the job: close the door behind it, fork the worker, reap all, give the account."""
        kernel.die_with_parent()
        os.setsid()
        kernel.unshare(kernel.NEWNS | kernel.NEWIPC)
        flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
        kernel.mount("scratch", room.SCRATCH, "tmpfs", flags, f"size={limits[5]},nr_inodes={limits[6]},mode=700")
        os.chdir(room.SCRATCH)
        kernel.keep_capabilities(0)
        kernel.no_new_privileges()
        _bound(limits, self.memory, beside=3)
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
        (resource.RLIMIT_MEMLOCK, 0, 0),
    ):
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
