"""The system calls that a job may make, as a BPF program: an allow list, with the few that need a look at an argument.

The program is plain numbers, so it can be built once and loaded in every job by one `prctl`.
"""

from __future__ import annotations

import struct

EPERM, ENOSYS, EAGAIN = 1, 38, 11
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
NEW_NAMESPACES = 0x7E020000  # CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}
CLONE_THREAD = 0x00010000
_LOAD, _EQ, _GE, _GT, _SET, _RET = 0x20, 0x15, 0x35, 0x25, 0x45, 0x06
_NUMBER, _ARCH, _ARG0, _ARG1 = 0, 4, 16, 24  # offsets in struct seccomp_data, little-endian low words

# name=x86_64/aarch64; one number means that only x86_64 has it.
ALLOWED = """
read=0/63 close_range=436/436 write=1/64 close=3/57 stat=4 fstat=5/80 lstat=6 newfstatat=262/79 statx=332/291
poll=7 ppoll=271/73 select=23 pselect6=270/72 lseek=8/62 mmap=9/222 mprotect=10/226 munmap=11/215 mremap=25/216
msync=26/227 mincore=27/232 madvise=28/233 brk=12/214 rt_sigaction=13/134 rt_sigprocmask=14/135
rt_sigreturn=15/139 rt_sigpending=127/136 rt_sigtimedwait=128/137 rt_sigsuspend=130/133 sigaltstack=131/132
restart_syscall=219/128 pread64=17/67 pwrite64=18/68 readv=19/65 writev=20/66 preadv=295/69 pwritev=296/70
access=21 faccessat=269/48 faccessat2=439/439 pipe=22 pipe2=293/59 dup=32/23 dup2=33 dup3=292/24 flock=73/32
fsync=74/82 fdatasync=75/83 truncate=76/45 ftruncate=77/46 fallocate=285/47 getdents=78 getdents64=217/61
getcwd=79/17 chdir=80/49 fchdir=81/50 rename=82 renameat=264/38 renameat2=316/276 mkdir=83 mkdirat=258/34
rmdir=84 creat=85 link=86 linkat=265/37 symlink=88 symlinkat=266/36 unlink=87 unlinkat=263/35 readlink=89
readlinkat=267/78 chmod=90 fchmod=91/52 fchmodat=268/53 umask=95/166 utime=132 utimes=235 utimensat=280/88
futimesat=261 open=2 openat=257/56 statfs=137/43 fstatfs=138/44 sendfile=40/71 copy_file_range=326/285
sched_yield=24/124 pause=34 nanosleep=35/101 clock_nanosleep=230/115 alarm=37 getitimer=36/102 setitimer=38/103
gettimeofday=96/169 time=201 clock_gettime=228/113 clock_getres=229/114 times=100/153 getrusage=98/165
getpid=39/172 gettid=186/178 getppid=110/173 getuid=102/174 geteuid=107/175 getgid=104/176 getegid=108/177
getresuid=118/148 getresgid=120/150 getgroups=115/158 getpgid=121/155 getpgrp=111 getsid=124/156 setsid=112/157
setpgid=109/154 wait4=61/260 waitid=247/95 exit=60/93 exit_group=231/94 uname=63/160 sysinfo=99/179
getrlimit=97/163 getpriority=140/141 sched_getaffinity=204/123 getcpu=309/168 futex=202/98 futex_waitv=449/449
set_tid_address=218/96 set_robust_list=273/99 rseq=334/293 membarrier=324/283 getrandom=318/278 arch_prctl=158
epoll_create=213 epoll_create1=291/20 epoll_ctl=233/21 epoll_wait=232 epoll_pwait=281/22 eventfd2=290/19
setrlimit=160/164
"""
# These are looked at: their first or second argument decides.
CLONE, CLONE3, IOCTL, PRCTL = (56, 220), (435, 435), (16, 29), (157, 167)
FCNTL, PRLIMIT, KILL_CALL = (72, 25), (302, 261), (62, 129)
FORKS = (57, 58)  # fork and vfork, x86_64 only
EXECVE = (59, 221)  # only where programs were asked for
SIGNALS = ((200, 130), (234, 131))  # tkill, tgkill
IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # TCGETS TIOCGWINSZ FIONREAD FIONBIO FIONCLEX FIOCLEX
# Duplicates, flags and locks; not F_SETOWN and F_SETSIG, which send signals, nor F_SETPIPE_SZ, which takes memory.
FCNTLS = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032)
PRCTLS = (15, 16)  # PR_SET_NAME, PR_GET_NAME
# Landlock does not govern modes and times, and old versions not truncation; without scratch space a job needs none.
WRITERS = """
truncate fallocate rename renameat renameat2 mkdir mkdirat rmdir creat link linkat symlink symlinkat unlink unlinkat
chmod fchmod fchmodat utime utimes utimensat futimesat copy_file_range
"""
MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}


ANY_PID = 0x7EADBEEF


def for_pid(code: bytes, pid: int) -> bytes:
    """A program made with `own_pid=ANY_PID`, for one process."""
    return code.replace(struct.pack("<I", ANY_PID), struct.pack("<I", pid))


def allowed(machine: str, *, scratch: bool = True) -> list[int]:
    """The plainly allowed call numbers of a machine, sorted; without `scratch`, not those that change files."""
    column = MACHINES[machine][1]
    numbers = []
    for word in ALLOWED.split():
        name, _, columns = word.partition("=")
        parts = columns.split("/")
        if column < len(parts) and (scratch or name not in WRITERS.split()):
            numbers.append(int(parts[column]))
    return sorted(numbers)


def _ranges(numbers: list[int]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _only(number: int, offset: int, values: tuple[int, ...]) -> list[tuple[int, int, int, int]]:
    """Allow a call when its argument is one of `values`, else EPERM."""
    body = [(_LOAD, 0, 0, offset)]
    for value in values:
        body += [(_EQ, 0, 1, value), (_RET, 0, 0, ALLOW)]
    body.append((_RET, 0, 0, ERRNO | EPERM))
    return [(_EQ, 0, len(body), number), *body]


def _clone(number: int, children: bool) -> list[tuple[int, int, int, int]]:
    """Let threads (and, with `children`, processes) be made, but never a namespace."""
    body = [(_LOAD, 0, 0, _ARG0), (_SET, 0, 1, NEW_NAMESPACES), (_RET, 0, 0, ERRNO | EPERM)]
    if not children:
        body += [(_SET, 1, 0, CLONE_THREAD), (_RET, 0, 0, ERRNO | EAGAIN)]
    body.append((_RET, 0, 0, ALLOW))
    return [(_EQ, 0, len(body), number), *body]


def _refused(number: int, errno: int) -> list[tuple[int, int, int, int]]:
    return [(_EQ, 0, 1, number), (_RET, 0, 0, ERRNO | errno)]


def program(machine: str, *, children: bool = True, own_pid: int | None = None, programs: bool = False) -> bytes:
    """Assemble the filter.

    Args:
        machine: `platform.machine()`, one of `MACHINES`.
        children: allow `fork`; without it only threads may be made.
        own_pid: when given, signals may go to this process only and no file may be changed (for jobs without
            namespaces). `ANY_PID` is a
            placeholder that `for_pid` fills in.
        programs: allow `execve`; the filter stays with what it starts.
    """
    arch, column = MACHINES[machine]
    code = [(_LOAD, 0, 0, _ARCH), (_EQ, 1, 0, arch), (_RET, 0, 0, KILL), (_LOAD, 0, 0, _NUMBER)]
    if machine == "x86_64":
        code += [(_GE, 0, 1, 0x40000000), (_RET, 0, 0, KILL)]  # x32 numbers
    code += _clone(CLONE[column], children) + _refused(CLONE3[column], ENOSYS)
    code += _only(IOCTL[column], _ARG1, IOCTLS) + _only(PRCTL[column], _ARG0, PRCTLS)
    code += _only(FCNTL[column], _ARG1, FCNTLS) + _only(PRLIMIT[column], _ARG0, (0,))  # one's own limits
    for number in (KILL_CALL[column], *(pair[column] for pair in SIGNALS)):
        code += [(_EQ, 0, 1, number), (_RET, 0, 0, ALLOW)] if own_pid is None else _only(number, _ARG0, (own_pid,))
    if programs:
        code += [(_EQ, 0, 1, EXECVE[column]), (_RET, 0, 0, ALLOW)]
    if machine == "x86_64":
        for number in FORKS:
            code += [(_EQ, 0, 1, number), (_RET, 0, 0, ALLOW)] if children else _refused(number, EAGAIN)
    for low, high in _ranges(allowed(machine, scratch=own_pid is None)):
        code += [(_GT, 3, 0, high), (_GE, 0, 1, low), (_RET, 0, 0, ALLOW), (_RET, 0, 0, ERRNO | EPERM)]
    code.append((_RET, 0, 0, ERRNO | EPERM))
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)
