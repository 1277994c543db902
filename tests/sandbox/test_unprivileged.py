"""The same, started by a user without rights: what most people are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from guerdon.sandbox import Sandbox

USER = 54321
BECOME = """
import os
os.setgroups([])
os.setresgid({user}, {user}, {user})
os.setresuid({user}, {user}, {user})
"""
SMOKE = """
import os, sys
os.chdir("/")
sys.path.insert(0, {folder!r})
from guerdon.sandbox import *
from guerdon.testing import hostile
backend, *only = sys.argv[1:]
with open_sandbox(backend) as sandbox:
    print(sandbox.identity)
    print(sandbox.run([Job(source="import json\\ndef f(x): return x + 1", entry="f", calls=[(1,)])])[0][0].value)
results = hostile.run_corpus(sandbox.identity.partition("/")[0], only)
print(*[f"{{each.id}}: {{each.problem}}" for each in results if not each.held and not each.gap], sep="\\n")
print("clean" if all(each.held or each.gap for each in results) else "broken", len(results))
"""
ONLY = ["A1a", "A5", "A6", "A8", "A9", "A13a", "A14", "A23", "B", "C1a"]


def reachable_interpreter() -> str | None:
    """A Python 3.11 or newer that any user may run."""
    for minor in range(11, 16):
        for path in (f"/usr/bin/python3.{minor}", f"/usr/local/bin/python3.{minor}"):
            if Path(path).exists():
                return path
    return None


@pytest.fixture(scope="module")
def copied() -> Iterator[tuple[str, str]]:
    """An interpreter and a copy of the package that any user may read."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root can become another user")
    python = reachable_interpreter()
    if python is None:
        pytest.skip("no interpreter that another user may run")
    package = Path(__file__).parents[2] / "src" / "guerdon"
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # pytest's own folders are private
        for room in ("core", "sandbox", "testing"):
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(package / room, Path(folder, "guerdon", room), ignore=ignore)
        subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
        yield python, folder


def smoke(
    copied: tuple[str, str], backend: str, only: list[str], *, prefix: Sequence[str] = (), become: str = ""
) -> str:
    """Run some rows in other surroundings; returns the identity of the rung."""
    python, folder = copied
    source = become + SMOKE.format(folder=folder)
    command = [*prefix, python, "-B", "-c", source, backend, *only]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if "no isolation is available" in found.stderr or "Operation not permitted" in found.stderr:
        pytest.skip(found.stderr[-300:])
    assert found.returncode == 0, found.stderr
    identity, two, *_ = found.stdout.split("\n")
    assert two == "2"
    assert "clean" in found.stdout, found.stdout
    return identity


@pytest.mark.parametrize("backend", ["namespaces", "landlock"])
def test_back_end_holds_for_an_unprivileged_user(backend: str, copied: tuple[str, str]) -> None:
    assert smoke(copied, backend, ONLY, become=BECOME.format(user=USER)).startswith(backend)


@pytest.mark.parametrize(
    ("prefix", "rung"),
    [
        pytest.param(["unshare", "-Ur"], "landlock", id="root of a user namespace with one user"),
        pytest.param(["setpriv", "--bounding-set=-all"], "landlock", id="root without capabilities"),
        pytest.param(["setpriv", "--bounding-set=-sys_admin"], "namespaces", id="root of a container"),
    ],
)
def test_auto_finds_the_right_rung_in_containers(prefix: list[str], rung: str, copied: tuple[str, str]) -> None:
    if shutil.which(prefix[0]) is None:
        pytest.skip(f"no {prefix[0]} here")
    assert smoke(copied, "auto", ["A5", "A7a", "A14", "B1", "B5"], prefix=prefix).startswith(rung)


def test_started_as_root_the_job_is_nobody(namespaces: Sandbox) -> None:
    from guerdon.sandbox import Job

    source = "import os\ndef f(): return [os.getuid(), os.geteuid(), os.getgid(), os.getgroups()]"
    (outcome,) = namespaces.run([Job(source=source, entry="f")])[0]
    assert outcome.value in ([65534, 65534, 65534, []], [65534, 65534, 65534, [65534]])
    assert sys.platform == "linux"
