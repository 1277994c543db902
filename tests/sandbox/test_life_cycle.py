"""Zygotes die, hosts fork and get killed: nobody is wrongly faulted, nothing is left."""

from __future__ import annotations

import fcntl
import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from guerdon.core.errors import SandboxError
from guerdon.core.score import FaultKind
from guerdon.sandbox import Job, Limits, Outcome, Sandbox, open_sandbox
from guerdon.sandbox.pool import Pool
from guerdon.testing.hostile import descendants

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no back end works off Linux")
ONE = Job(source="def f(): return 1", entry="f", limits=Limits(wall_s=20.0))
NAP = Job(
    source="import time\ndef f(n): time.sleep(0.5); return n", entry="f", calls=[(7,)], limits=Limits(wall_s=20.0)
)


def pool_of(sandbox: Sandbox) -> Pool:
    assert isinstance(sandbox, Pool)
    return sandbox


def wait_until(true: Callable[[], bool], seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.02)
    return true()


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


@pytest.fixture(params=["namespaces", "landlock", "trusted"])
def own(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A sandbox of this test's own."""
    request.getfixturevalue(request.param)
    with open_sandbox(request.param) as sandbox:
        yield sandbox


def test_a_zygote_killed_between_jobs_is_replaced(own: Sandbox) -> None:
    for number in (signal.SIGKILL, signal.SIGSEGV):
        assert own.run([ONE])[0][0].value == 1
        os.kill(pool_of(own)._zygotes[0].pid, number)
        assert [row[0].value for row in own.run([ONE, ONE])] == [1, 1]


def test_a_zygote_killed_during_a_job_costs_the_job_nothing(own: Sandbox) -> None:
    own.run([ONE])
    pid = pool_of(own)._zygotes[0].pid
    timer = threading.Timer(0.2, os.kill, (pid, signal.SIGKILL))
    timer.start()
    results = own.run([NAP, ONE])
    timer.join()
    assert [row[0].value for row in results] == [7, 1]
    assert gone(pid)


def test_a_zygote_that_always_dies_is_a_fault_of_the_host(own: Sandbox) -> None:
    own.run([ONE])
    stop = threading.Event()

    def murder() -> None:
        while not stop.wait(0.05):
            for zygote in list(pool_of(own)._zygotes):
                if zygote.flight is not None and zygote.flight.ready and zygote.flight.job is NAP:
                    os.kill(zygote.pid, signal.SIGKILL)

    thread = threading.Thread(target=murder)
    thread.start()
    results = own.run([NAP, ONE])
    stop.set()
    thread.join()
    fault = results[0][0].fault
    assert fault is not None
    assert (fault.kind, fault.whose) == (FaultKind.SANDBOX, "host")
    assert results[1][0].value == 1


def test_a_stopped_zygote_is_given_up(own: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guerdon.sandbox.flight.START_S", 0.5)
    own.run([ONE])
    for pid in descendants(os.getpid()) & ({pool_of(own)._zygotes[0].pid} | descendants(pool_of(own)._zygotes[0].pid)):
        os.kill(pid, signal.SIGSTOP)
    assert own.run([ONE])[0][0].value == 1


def test_close_leaves_nothing_and_refuses_more(own: Sandbox) -> None:
    own.run([ONE])
    pid = pool_of(own)._zygotes[0].pid
    below = descendants(pid) | {pid}
    own.close()
    own.close()
    assert wait_until(lambda: all(gone(each) for each in below))
    with pytest.raises(SandboxError, match="closed"):
        own.run([ONE])


def test_closing_from_another_thread_ends_a_run(own: Sandbox) -> None:
    timer = threading.Timer(0.3, own.close)
    timer.start()
    endless = Job(source="def f():\n    while True: pass", entry="f", limits=Limits(wall_s=600.0))
    (outcome,), (second,) = own.run([endless, ONE])
    timer.join()
    assert outcome.fault is not None
    assert second.fault is not None
    assert outcome.fault.whose == second.fault.whose == "host"


def test_a_forgotten_sandbox_ends_its_zygotes(trusted: Sandbox) -> None:
    sandbox = open_sandbox("trusted")
    sandbox.run([ONE])
    pid = pool_of(sandbox)._zygotes[0].pid
    del sandbox
    gc.collect()
    assert gone(pid)


def test_500_jobs_leave_no_descriptor_process_or_memory(own: Sandbox) -> None:
    def counts() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), len(descendants(os.getpid()))

    def resident(pid: int) -> int:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096

    own.run([ONE] * 50)
    below = sorted(descendants(pool_of(own)._zygotes[0].pid) | {pool_of(own)._zygotes[0].pid})
    before, weight = counts(), [resident(pid) for pid in [os.getpid(), *below]]
    for _ in range(9):
        assert all(row[0].value == 1 for row in own.run([ONE] * 50))
    assert counts() == before
    assert sorted(descendants(pool_of(own)._zygotes[0].pid) | {pool_of(own)._zygotes[0].pid}) == below
    grown = [resident(pid) - was for pid, was in zip([os.getpid(), *below], weight)]
    assert max(grown) < 4 << 20


def test_an_exception_in_the_middle_leaves_nothing_at_work(own: Sandbox) -> None:
    bad = Job(source="def f(x): return x", entry="f", calls=[(object(),)])  # type: ignore[list-item]
    with pytest.raises(SandboxError, match="plain data"):
        own.run([NAP, bad, ONE])
    assert own.run([ONE])[0][0].value == 1
    assert len(pool_of(own)._zygotes) == 1


def _use(sandbox: Sandbox, queue: multiprocessing.Queue[object]) -> None:
    queue.put(sandbox.run([ONE])[0][0].value)
    sandbox.close()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_process_gets_zygotes_of_its_own(own: Sandbox, method: str) -> None:
    own.run([ONE])
    pid = pool_of(own)._zygotes[0].pid
    context: Any = multiprocessing.get_context(method)
    queue = context.Queue()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # fork in a process with threads, from 3.12 on
        process = context.Process(target=_use, args=(own, queue))
        process.start()
    assert queue.get(timeout=60) == 1
    process.join(60)
    assert process.exitcode == 0
    assert own.run([ONE])[0][0].value == 1
    assert pool_of(own)._zygotes[0].pid == pid


def test_a_sandbox_can_be_pickled_as_its_settings(own: Sandbox) -> None:
    with pickle.loads(pickle.dumps(own)) as twin:
        assert twin.run([ONE])[0][0].value == 1
        assert twin.kind == pool_of(own).kind


def program(text: str) -> subprocess.Popen[str]:
    source = str(Path(__file__).parents[2] / "src")
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(text)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": source},
    )


START = """
import os, sys, time
from guerdon.sandbox import *
sandbox = open_sandbox(BACKEND, workers=2)
sandbox.run([Job(source="def f(): return 1", entry="f")] * 4)
print(*[z.pid for z in sandbox._zygotes], flush=True)
"""
HANG = 'sandbox.run([Job(source="def f():\\n    while True: pass", entry="f", limits=Limits(wall_s=600.0))] * 2)\n'


@pytest.mark.parametrize("backend", ["namespaces", "landlock", "trusted"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_zygote_outlives_its_host(backend: str, number: int, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(backend)
    with program(START.replace("BACKEND", repr(backend)) + HANG) as host:
        assert host.stdout is not None
        pids = [int(word) for word in host.stdout.readline().split()]
        time.sleep(0.3)
        below = descendants(host.pid)
        host.send_signal(number)
        host.wait(60)
    assert set(pids) <= below
    assert wait_until(lambda: all(gone(pid) for pid in below))


@pytest.mark.parametrize("ending", ["", "sys.exit(3)", "raise SystemExit", "sandbox.close()"])
def test_interpreter_exit_leaves_nothing(ending: str, trusted: Sandbox) -> None:
    with program(START.replace("BACKEND", "'auto'") + ending) as host:
        assert host.stdout is not None
        pids = [int(word) for word in host.stdout.read().split()]
        host.wait(60)
    assert pids
    assert wait_until(lambda: all(gone(pid) for pid in pids))


def test_ctrl_c_in_a_job_leaves_nothing(namespaces: Sandbox) -> None:
    with program(START.replace("BACKEND", "'auto'") + HANG) as host:
        assert host.stdout is not None
        host.stdout.readline()
        time.sleep(0.3)
        below = descendants(host.pid)
        host.send_signal(signal.SIGINT)
        host.wait(60)
    assert below
    assert wait_until(lambda: all(gone(pid) for pid in below))


def test_out_of_descriptors_is_a_fault_of_the_host_and_passes(namespaces: Sandbox) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    namespaces.run([ONE])
    highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())
    filler = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 2, hard))
    try:
        while True:
            try:
                filler.append(os.dup(0))
            except OSError:
                break
        (outcome,) = namespaces.run([ONE])[0]
    finally:
        for fd in filler:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert outcome.fault is not None
    assert outcome.fault.whose == "host"
    assert namespaces.run([ONE])[0][0].value == 1


def test_outcome_of_a_job_that_outlives_it_is_not_believed(
    namespaces: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guerdon.sandbox.flight.Flight._closed_for_good", lambda _: False)
    (outcome,) = namespaces.run([ONE])[0]
    assert isinstance(outcome, Outcome)
    assert outcome.fault is not None
    assert outcome.fault.kind is FaultKind.SANDBOX
    assert "outlived" in outcome.fault.detail


def test_descriptors_that_the_host_lets_children_inherit_stay_outside(namespaces: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    path.write_text("secret")
    with path.open() as file:
        high = fcntl.fcntl(file.fileno(), fcntl.F_DUPFD, 400)
        os.set_inheritable(file.fileno(), True)
        try:
            with open_sandbox("namespaces") as sandbox:
                pid = pool_of(sandbox)._zygotes[0].pid
                for each in descendants(pid) | {pid}:
                    names = [str(link.readlink()) for link in Path(f"/proc/{each}/fd").iterdir()]
                    assert str(path) not in names
        finally:
            os.close(high)


STRANGE = {
    "no home": ("os.environ.pop('HOME', None)", "ok"),
    "locale C": ("os.environ.update(LC_ALL='C', LANG='C')", "ok"),
    "folder deleted": ("import tempfile; d = tempfile.mkdtemp(); os.chdir(d); os.rmdir(d)", "ok"),
    "SIGCHLD ignored": ("import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)", "ok"),
    "signals blocked": ("import signal; signal.pthread_sigmask(0, range(1, 65))", "ok"),
    "no temporary folder": ("import tempfile; tempfile.tempdir = '/nonexistent'", "Make a temporary folder writable"),
    "standard streams closed": ("os.dup2(1, 9); [os.close(n) for n in (0, 1, 2)]", ""),
    "few descriptors": ("import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))", "ok"),
    "a thread running": ("import threading, time; threading.Thread(target=time.sleep, args=(2,)).start()", "ok"),
    "small stack and no core": ("import resource; resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, 1 << 20))", "ok"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_strange_surroundings_work_or_refuse(name: str, namespaces: Sandbox) -> None:
    prepare, expected = STRANGE[name]
    host = program(
        f"""
        import os
        from guerdon.core.errors import GuerdonError
        from guerdon.sandbox import *
        {prepare}
        try:
            with open_sandbox("namespaces") as sandbox:
                word = {{1: "ok"}}.get(sandbox.run([Job(source="def f(): return 1", entry="f")])[0][0].value, "wrong")
        except GuerdonError as error:
            word = str(error)
        os.write(9 if {name == "standard streams closed"} else 1, word.encode())
        """
    )
    with host:
        assert host.stdout is not None
        said = host.stdout.read()
        assert host.wait(60) == 0
    assert (expected or "ok") in said


@pytest.mark.slow
def test_soak_of_20000_jobs_with_every_tenth_hostile(namespaces: Sandbox) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    bad = [
        Job(source="import os\ndef f(): os._exit(0)", entry="f"),
        Job(source="import os\ndef f():\n    os.fork()\n    os.kill(os.getpid(), 9)", entry="f"),
        Job(source="def f(): return [0] * 10**10", entry="f"),
        Job(source="def f(): return 1 / 0", entry="f"),
    ]
    with open_sandbox("namespaces", workers=2) as sandbox:
        batch = [job for n in range(20) for job in ([ONE] * 9 + [bad[n % 4]])]
        sandbox.run(batch)
        before = resident(), len(list(Path("/proc/self/fd").iterdir())), len(descendants(os.getpid()))
        for _ in range(100):
            results = sandbox.run(batch)
            assert sum(row[0].value == 1 for row in results) == 180
        after = resident(), len(list(Path("/proc/self/fd").iterdir())), len(descendants(os.getpid()))
    assert after[1:] == before[1:]
    assert after[0] - before[0] < 8 << 20
