"""The same, started by a user without rights: what most people are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from guerdon.sandbox import Sandbox

USER = 54321
SMOKE = """
import os, sys
os.setgroups([])
os.setresgid({user}, {user}, {user})
os.setresuid({user}, {user}, {user})
os.chdir("/")
sys.path.insert(0, {folder!r})
from guerdon.sandbox import *
from guerdon.testing import hostile
backend, *only = sys.argv[1:]
with open_sandbox(backend) as sandbox:
    print(sandbox.identity)
    print(sandbox.run([Job(source="import json\\ndef f(x): return x + 1", entry="f", calls=[(1,)])])[0][0].value)
results = hostile.run_corpus(backend, only)
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


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("backend", ["namespaces", "landlock"])
def test_back_end_holds_for_an_unprivileged_user(backend: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    python = reachable_interpreter()
    if python is None:
        pytest.skip("no interpreter that another user may run")
    folder = Path("/tmp") / f"guerdon-unprivileged-{os.getpid()}-{backend}"  # pytest's own folders are private
    package = Path(__file__).parents[2] / "src" / "guerdon"
    try:
        for room in ("core", "sandbox", "testing"):
            shutil.copytree(package / room, folder / "guerdon" / room, ignore=shutil.ignore_patterns("__pycache__"))
        subprocess.run(["chmod", "-R", "a+rX", str(folder)], check=True)
        source = SMOKE.format(user=USER, folder=str(folder))
        found = subprocess.run(
            [python, "-B", "-c", source, backend, *ONLY], capture_output=True, text=True, check=False
        )
    finally:
        shutil.rmtree(folder)
    if "no isolation is available" in found.stderr:
        pytest.skip(found.stderr[-300:])
    assert found.returncode == 0, found.stderr
    lines = found.stdout.split("\n")
    assert lines[0].startswith(backend)
    assert lines[1] == "2"
    assert "clean" in found.stdout, found.stdout


def test_started_as_root_the_job_is_nobody(namespaces: Sandbox) -> None:
    from guerdon.sandbox import Job

    source = "import os\ndef f(): return [os.getuid(), os.geteuid(), os.getgid(), os.getgroups()]"
    (outcome,) = namespaces.run([Job(source=source, entry="f")])[0]
    assert outcome.value in ([65534, 65534, 65534, []], [65534, 65534, 65534, [65534]])
    assert sys.platform == "linux"
