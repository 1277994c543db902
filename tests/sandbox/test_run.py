"""What honest callers rely on: order, length, modes, faults, limits."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from guerdon.core.errors import SandboxError
from guerdon.core.score import FaultKind
from guerdon.sandbox import Job, Limits, Outcome, Sandbox, open_sandbox

CALM = Limits(wall_s=20.0)


def run(sandbox: Sandbox, source: str, *calls: Any, **more: Any) -> list[Outcome]:
    more.setdefault("limits", CALM)
    return sandbox.run([Job(source=source, entry="f", calls=calls or ((),), **more)])[0]


def kinds(outcomes: list[Outcome]) -> list[str | None]:
    return [outcome.fault.kind.value if outcome.fault else None for outcome in outcomes]


def test_values_come_back_in_order_with_their_types(sandbox: Sandbox) -> None:
    values: list[Any] = [1, True, None, 2.5, "é\ud800", b"\0", [1, (2, {3})], {"a": {1: None}}, -(10**5000), -0.0]
    outcomes = run(sandbox, "def f(x): return x", *((value,) for value in values))
    assert [outcome.value for outcome in outcomes] == values
    assert [type(outcome.value) for outcome in outcomes] == [type(value) for value in values]
    assert all(outcome.fault is None and outcome.seconds > 0 for outcome in outcomes)


def test_an_exception_faults_its_own_call_only(sandbox: Sandbox) -> None:
    outcomes = run(sandbox, "def f(x): return 1 / x", (1,), (0,), (2,))
    assert kinds(outcomes) == [None, "exception", None]
    assert outcomes[1].fault is not None
    assert outcomes[1].fault.detail == "ZeroDivisionError: division by zero"
    assert outcomes[1].fault.whose == "solver"


def test_many_jobs_keep_their_places(sandbox: Sandbox) -> None:
    jobs = [Job(source=f"def f(x): return x + {n}", entry="f", calls=[(k,) for k in range(n % 3)]) for n in range(20)]
    results = sandbox.run(jobs)
    assert [[outcome.value for outcome in row] for row in results] == [[k + n for k in range(n % 3)] for n in range(20)]
    assert sandbox.run([]) == []


def test_source_that_is_no_source_is_invalid(sandbox: Sandbox) -> None:
    for source, word in [("def f(:", "SyntaxError"), ("x = 1", "f"), ("f = 1", "f"), ("\0", "")]:
        (outcome,) = run(sandbox, source)
        assert outcome.fault is not None
        assert outcome.fault.kind is FaultKind.INVALID
        assert word in outcome.fault.detail


def test_an_exception_while_importing_faults_every_call(sandbox: Sandbox) -> None:
    assert kinds(run(sandbox, "1 / 0", (), ())) == ["exception"] * 2


def test_a_dead_candidate_stays_dead(sandbox: Sandbox) -> None:
    source = "import os\ndef f(x):\n    if x == 1: os._exit(3)\n    return x"
    assert kinds(run(sandbox, source, (0,), (1,), (2,))) == [None, "exit", "exit"]
    source = "import os\ndef f(x):\n    if x == 1: os.kill(os.getpid(), 11)\n    return x"
    outcomes = run(sandbox, source, (0,), (1,), (2,))
    assert kinds(outcomes) == [None, "crash", "crash"]
    assert outcomes[1].fault is not None
    assert outcomes[1].fault.detail == "SIGSEGV"


def test_a_candidate_keeps_its_state_between_calls(sandbox: Sandbox) -> None:
    source = "n = 0\ndef f():\n    global n\n    n += 1\n    return n"
    assert [outcome.value for outcome in run(sandbox, source, (), (), ())] == [1, 2, 3]


def test_a_verifier_starts_afresh_for_every_call(sandbox: Sandbox) -> None:
    source = "n = 0\ndef f():\n    global n\n    n += 1\n    return n"
    assert [outcome.value for outcome in run(sandbox, source, (), (), (), mode="verifier")] == [1, 1, 1]


def test_a_verifier_call_that_kills_or_hangs_is_faulted_alone(sandbox: Sandbox) -> None:
    source = (
        "import os\ndef f(x):\n    if x == 1: os._exit(0)\n    if x == 3:\n        while True: pass\n"
        "    if x == 5: os.kill(os.getpid(), 9)\n    if x == 6: raise SystemExit\n    return x"
    )
    calls = [(n,) for n in range(8)]
    outcomes = run(sandbox, source, *calls, mode="verifier", limits=Limits(wall_s=0.5))
    assert kinds(outcomes) == [None, "exit", None, "timeout", None, "crash", "exit", None]
    assert outcomes[7].value == 7


def test_a_verifier_that_does_not_parse_faults_all_calls_once(sandbox: Sandbox) -> None:
    assert kinds(run(sandbox, "def f(:", *[()] * 200, mode="verifier")) == ["invalid"] * 200


def test_output_is_kept_short_and_clean(sandbox: Sandbox) -> None:
    source = "import sys\ndef f():\n    print('\\x1b[31mred\\x07')\n    sys.stderr.write('x' * 5000 + 'end\\n')"
    (outcome,) = run(sandbox, source)
    assert len(outcome.output) <= 2048
    assert "\x1b" not in outcome.output
    (outcome,) = run(sandbox, "def f(): print('hello')")
    assert outcome.output == "hello\n"


def test_time_limit_is_per_call_and_reported(sandbox: Sandbox) -> None:
    source = "import time\ndef f(s): time.sleep(s); return s"
    began = time.monotonic()
    outcomes = run(sandbox, source, (0.0,), (0.3,), (60.0,), (0.0,), limits=Limits(wall_s=2.0))
    assert kinds(outcomes) == [None, None, "timeout", "timeout"]
    assert outcomes[1].seconds > 0.2  # the two clocks may differ by a tick
    assert time.monotonic() - began < 30


def test_cpu_limit_is_kept_by_the_kernel(sandbox: Sandbox) -> None:
    (outcome,) = run(sandbox, "def f():\n    while True: pass", limits=Limits(wall_s=60.0, cpu_s=1.0))
    assert kinds([outcome]) == ["timeout"]
    assert outcome.cpu_s > 0.5


def test_memory_limit(sandbox: Sandbox) -> None:
    small = Limits(wall_s=20.0, memory_mb=64)
    assert kinds(run(sandbox, "def f(n): return len(bytearray(n << 20))", (16,), (128,), (16,), limits=small)) == [
        None,
        "memory",
        None,
    ]


def test_result_limit_is_per_value(sandbox: Sandbox) -> None:
    assert kinds(run(sandbox, "def f(n): return 'x' * n", (900,), (2000,), (10,), limits=Limits(result_kb=1))) == [
        None,
        "output",
        None,
    ]


def test_large_arguments_and_results_pass(sandbox: Sandbox) -> None:
    value = [list(range(1000)) for _ in range(200)]
    (outcome,) = run(sandbox, "def f(x): return x", (value,))
    assert outcome.value == value
    (outcome,) = run(sandbox, "def f(x): return len(x)", ("x" * 8_000_000,))
    assert outcome.value == 8_000_000


def test_too_large_a_request_is_a_limit_not_a_failure(sandbox: Sandbox) -> None:
    assert kinds(run(sandbox, "def f(x): return len(x)", (b"x" * (65 << 20),))) == ["limit"]


def test_arguments_that_are_not_plain_are_refused_before_anything_runs(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match="plain data"):
        run(sandbox, "def f(x): return x", (object(),))
    assert run(sandbox, "def f(): return 1")[0].value == 1


def test_limits_are_checked() -> None:
    with pytest.raises(SandboxError, match="wall_s"):
        Limits(wall_s=0)
    with pytest.raises(SandboxError, match="memory_mb"):
        Limits(memory_mb=-1)


def test_jobs_find_a_settled_interpreter(sandbox: Sandbox) -> None:
    source = (
        "import os, random, sys, time\ndef f(): return [time.tzname[0], hash('x'), len(str(10 ** 5000)), "
        "random.random(), sorted(set(os.environ) - {'LC_CTYPE'}), sys.getrecursionlimit(), os.umask(0o77), "
        "os.read(0, 1)]"
    )
    (one,), (two,) = sandbox.run([Job(source=source, entry="f", limits=CALM)] * 2)
    assert one.value == two.value
    assert isinstance(one.value, list)
    assert one.value[0] == "UTC"
    assert one.value[2] == 5001
    assert one.value[4:] == [["TZ"], 1000, 0o77, b""]


MEETS = """
import os, time

def f(folder, n):
    open(os.path.join(folder, str(n)), "w").close()
    while len(os.listdir(folder)) < 3:
        time.sleep(0.01)
    return n
"""


def test_workers_run_at_the_same_time_and_keep_order(tmp_path: Path) -> None:
    """The first three jobs end only when all three have begun."""
    jobs = [Job(source=MEETS, entry="f", calls=[(str(tmp_path), n)], limits=Limits(wall_s=60.0)) for n in range(6)]
    with open_sandbox("trusted", workers=3) as sandbox:
        assert [row[0].value for row in sandbox.run(jobs)] == list(range(6))


def test_threads_may_share_a_sandbox(namespaces: Sandbox) -> None:
    found: dict[int, object] = {}

    def use(n: int) -> None:
        found[n] = run(namespaces, "def f(x): return x * 2", (n,))[0].value

    threads = [threading.Thread(target=use, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: 2 * n for n in range(8)}


def test_imports_are_there_for_every_job(namespaces: Sandbox) -> None:
    source = "import numpy\ndef f(x): return [numpy.arange(x).sum().item(), numpy.arange(x).sum()][x % 2]"
    with open_sandbox("namespaces", imports=["numpy", "typing"]) as sandbox:
        outcomes = run(sandbox, source, (4,), (5,))
        assert outcomes[0].value == 6
        assert outcomes[1].fault is not None
        assert "numpy.int64" in outcomes[1].fault.detail
        wrong = run(sandbox, "import numpy\ndef f(): return numpy.array([True])")
        assert kinds(wrong) == ["invalid"]


def test_memory_of_all_processes_together_is_bounded(namespaces: Sandbox) -> None:
    source = (
        "import os, time\ndef f():\n    for _ in range(8):\n        if os.fork() == 0:\n"
        "            x = bytearray(b'x') * (40 << 20)\n            time.sleep(60)\n    time.sleep(60)"
    )
    assert kinds(run(namespaces, source, limits=Limits(wall_s=15.0, memory_mb=100))) == ["memory"]
