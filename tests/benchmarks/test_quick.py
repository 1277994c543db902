import subprocess
import sys
import time

import pytest
from benchmarks.common import BenchmarkError, Plan
from benchmarks.meter import CpuGroup, Load, descendants, tree_seconds
from benchmarks.peers import Driver, MissingError, environment

from benchmarks import p2_ledger, p15_startup

QUICK = Plan(rounds=1, quick=True)
SPIN = "import time\nwhile time.process_time() < 0.3: pass\n"


def test_the_ledger_is_measured_without_peers():
    found = p2_ledger.run(QUICK, Load(), lambda text: None)
    costs = {row["who"]: row["cpu_ms"] for row in found["rows"]}
    assert costs["guerdon, batch 1"] > costs["floor, batch 1"] > 0
    assert {claim["missing"] for claim in found["claims"]} == {"left out"}
    assert all(claim["ratio"] is None and claim["ours"] > 0 for claim in found["claims"])


def test_start_up_is_measured_without_peers():
    found = p15_startup.run(QUICK, Load(), lambda text: None)
    rows = {row["who"]: row for row in found["rows"]}
    assert 0 < rows["import guerdon"]["modules"] < 120
    assert rows["guerdon --version"]["cpu_ms"] > rows["python -c pass"]["cpu_ms"] > 0


def test_what_the_two_writers_must_have_left_behind():
    work = p2_ledger.Work(4, note=3, by_two=True)
    assert work.rows() == [[0, 0.0, 3], [0, 0.0, 3], [1, 0.919, 3], [1, 0.919, 3]]


def test_a_process_that_fails_to_start_is_an_error_with_its_last_words():
    start = p15_startup.Start([sys.executable, "-c", "raise SystemExit('no such module')"], inside=False)
    with pytest.raises(BenchmarkError, match="no such module"):
        start.once(0)


def test_a_driver_that_dies_or_fails_is_named():
    driver = Driver("gone", [sys.executable, "-c", "import sys; sys.exit('last words')"])
    with driver, pytest.raises(BenchmarkError, match="gone ended with 1: last words"):
        driver.ask("anything")


def test_cpu_of_a_hidden_grandchild_is_counted():
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SPIN!r}])"
    group = CpuGroup()
    child = subprocess.Popen([sys.executable, "-S", "-c", code], preexec_fn=group.adopt)
    group.watch(child.pid)
    seen, until = 0.0, time.monotonic() + 60
    while child.poll() is None and time.monotonic() < until:
        seen = max(seen, group.seconds(), tree_seconds(child.pid))
        time.sleep(0.02)
    if group.source == "cgroup":
        assert group.seconds() >= 0.3
    assert seen > 0.15
    assert child.pid not in descendants(child.pid)
    group.close()


def test_peers_that_are_left_out_or_cannot_be_installed_say_so(tmp_path, monkeypatch):
    with pytest.raises(MissingError, match="left out"):
        environment("p1", "")
    home = tmp_path / "p1"
    home.mkdir()
    monkeypatch.setattr("benchmarks.peers._call", _refuse)
    with pytest.raises(MissingError, match="no such package"):
        environment("p1", tmp_path)
    assert not (home / "complete.json").exists()


def _refuse(command):
    raise MissingError("no such package")
