"""Whole programs on standard input and output, and the sandbox that may start some."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from guerdon.core.errors import SandboxError
from guerdon.sandbox import Job, Limits, Sandbox, ladder, open_sandbox, selftest, shared
from guerdon.sandbox.layout import places
from guerdon.sandbox.programs import TOOLS, Program, run_programs
from guerdon.testing import hostile

CALM = Limits(wall_s=20.0, memory_mb=1024)
ADD = "a, b = map(int, input().split())\nprint(a + b)"
ADD_CPP = "#include <iostream>\nint main() { int a, b; std::cin >> a >> b; std::cout << a + b << std::endl; }"
native = pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason="no GNU C++ compiler")


@pytest.fixture(scope="module")
def starting() -> Iterator[Sandbox]:
    try:
        sandbox = open_sandbox("namespaces", imports=["subprocess"], programs=["sh"])
    except SandboxError as error:
        pytest.skip(str(error))
    with sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    shared.close()


def kinds(program: Program, text: str = "", limits: Limits = CALM) -> str:
    ((outcome,),) = run_programs([program], [[text]], limits)
    return outcome.fault.kind.value if outcome.fault else str(outcome.value)


@native
def test_both_languages_answer_in_order() -> None:
    programs = [Program("cpp", ADD_CPP), Program("python", ADD), Program("cpp", ADD_CPP)]
    rows = run_programs(programs, [["1 2", "3 4"], ["5 6"], []], CALM)
    assert [[outcome.value for outcome in row] for row in rows] == [["3\n", "7\n"], ["11\n"], []]


@pytest.mark.parametrize(
    "source",
    [
        "import sys\nprint(len(sys.stdin.read()))",
        "import sys\nsys.stdout.write(str(len(sys.stdin.buffer.read())) + '\\n')",
        "import os\nprint(len(os.read(0, 1 << 20)))",
        "print(sum(len(line) for line in open(0)))\nexit()",
        "import sys\nprint(len(sys.stdin.readline()) + len(input()) + 1)\nsys.exit(0)",
    ],
)
def test_python_programs_read_as_they_please(source: str) -> None:
    assert kinds(Program("python", source), "first\nsecond\n") == "13\n"


def test_python_programs_may_import_what_was_asked_for() -> None:
    source = "import numpy\nprint(int(numpy.arange(4).sum()))"
    ((found,),) = run_programs([Program("python", source)], [[""]], CALM, imports=("numpy",))
    assert found.value == "6\n"
    assert kinds(Program("python", source)) == "exception"


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("raise SystemExit(3)", "exception"),
        ("import os\nos._exit(0)", "exit"),
        ("def", "exception"),
        ("print('x' * (300 << 20))", "memory"),
        ("import sys\nsys.stdout.close()", "exception"),
    ],
)
def test_what_ends_a_python_program_is_its_fault(source: str, kind: str) -> None:
    assert kinds(Program("python", source), limits=Limits(wall_s=20.0, memory_mb=256)) == kind


@native
@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("int main() { return 3; }", "exit"),
        ("int main() { return *(volatile int*)0; }", "crash"),
        ("int main() { for (;;); }", "timeout"),
        ("int main() {", "invalid"),
        ('#include "/etc/passwd"\nint main() {}', "invalid"),
        ('asm(".incbin \\"/etc/passwd\\""); int main() {}', "invalid"),
    ],
    ids=["status", "signal", "endless", "syntax", "include", "incbin"],
)
def test_what_ends_a_native_program_is_its_fault(source: str, kind: str) -> None:
    seconds = 0.5 if kind == "timeout" else 20.0
    assert kinds(Program("cpp", source), limits=Limits(wall_s=seconds, memory_mb=256)) == kind


@native
@pytest.mark.parametrize("backend", ["namespaces", "trusted"])
def test_runs_beside_each_other_do_not_meet(backend: str) -> None:
    shared.configure(backend, workers=2)
    try:
        rows = run_programs(
            [Program("cpp", ADD_CPP), Program("python", ADD)], [[f"{i} 1" for i in range(20)]] * 2, CALM
        )
        left = [path.name for path in Path("/tmp").glob("job-*-*")]
    finally:
        shared.configure()
    assert [[outcome.value for outcome in row] for row in rows] == [[f"{i + 1}\n" for i in range(20)]] * 2
    assert left == []


@native
def test_a_native_program_sees_no_file_no_network_and_not_the_next_run() -> None:
    source = """
#include <cstdio>
#include <sys/socket.h>
int main() {
    printf("%d %d %d %d %d", fopen("/etc/passwd", "r") != nullptr, socket(AF_INET, SOCK_STREAM, 0) >= 0,
           fopen("/usr/bin/left", "w") != nullptr, fopen("/tmp/left", "r") != nullptr, fopen("/proc/1/mem", "r") != 0);
    fclose(fopen("/tmp/left", "w"));
}
"""
    (row,) = run_programs([Program("cpp", source)], [["", "", ""]], CALM)
    assert {outcome.value for outcome in row} == {"0 0 0 0 0"}


def test_a_missing_compiler_is_a_fault_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guerdon.sandbox.programs.TOOLS", ("no-such-compiler",))
    rows = run_programs([Program("cpp", ADD_CPP), Program("python", ADD)], [["1 2"], ["1 2"]], CALM)
    fault = rows[0][0].fault
    assert fault is not None
    assert (fault.kind.value, fault.whose) == ("sandbox", "host")
    assert "Install no-such-compiler" in fault.detail
    assert rows[1][0].value == "3\n"


SHELL = """
import subprocess
def f(command):
    return subprocess.run(["/usr/bin/sh", "-c", command], capture_output=True, env={}).stdout.decode()
"""


def test_only_named_programs_are_there(starting: Sandbox) -> None:
    ((outcome,),) = starting.run([Job(source=SHELL, entry="f", calls=[("echo /usr/bin/* /etc /root/*",)], limits=CALM)])
    assert outcome.value == "/usr/bin/sh /etc /root/*\n"
    assert starting.identity.startswith("namespaces/1-programs+py")


def test_without_programs_nothing_can_be_started(namespaces: Sandbox) -> None:
    source = "import os\ndef f():\n    os.execv(os.sys.executable, ['python'])"
    ((outcome,),) = namespaces.run([Job(source=source, entry="f", limits=CALM)])
    assert outcome.fault is not None
    assert "PermissionError" in outcome.fault.detail


def test_the_self_test_holds_with_programs(starting: Sandbox) -> None:
    assert selftest.probe(starting.run) == ""


def test_reaching_out_is_as_hard_with_programs(starting: Sandbox) -> None:
    with hostile.lay_out() as bait:
        results = [hostile.try_row(row, starting, bait) for row in hostile.ROWS if row.id.startswith("B")]
    assert len(results) > 40
    assert [f"{result.id}: {result.problem}" for result in results if not result.held] == []


def test_landlock_refuses_to_start_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder, "LADDER", ("landlock",))
    with pytest.raises(SandboxError, match="landlock starts none"):
        open_sandbox(programs=["sh"])


def test_shared_sandboxes_are_apart_by_their_furniture() -> None:
    plain, with_numpy = shared.get(), shared.get(("numpy",))
    assert plain is shared.get()
    assert with_numpy is shared.get(["numpy"])
    assert plain is not with_numpy
    assert shared.identity() == plain.identity == with_numpy.identity
    shared.close()
    assert shared.identity() == ""


def test_libraries_named_after_the_distribution_come_along() -> None:
    pytest.importorskip("sklearn")
    names = {path.name for path in places("sklearn")}
    beside = {path.name for path in places("sklearn")[0].parent.glob("scikit_learn.libs")}
    assert names == {"sklearn", *beside}
    assert [path.name for path in places("hypothesis")] == ["hypothesis"]
