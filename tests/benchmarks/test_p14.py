import sys

import pytest
from benchmarks.common import Plan
from benchmarks.meter import Load
from benchmarks.peers import DRIVERS, sides

from benchmarks import p14_ridge

QUICK = Plan(rounds=1, quick=True)


def test_regressions_are_measured_without_the_peer():
    found = p14_ridge.run(QUICK, Load(), lambda text: None)
    assert {claim["missing"] for claim in found["claims"]} == {"left out"}
    assert all(claim["ours"] > 0 and claim["ratio"] is None for claim in found["claims"])


def test_both_sides_agree_where_the_peer_is_installed():
    pytest.importorskip("himalaya")
    with sides("p14", {"himalaya": [sys.executable, str(DRIVERS / "p14_himalaya.py")]}) as drivers:
        for work in p14_ridge.QUICK:
            for driver in drivers.values():
                driver.ask("prepare", count=work.count, width=work.width, targets=work.targets)
                driver.ask("fit", times=1)
            ours, theirs = (drivers[name].ask("read") for name in ("guerdon", "himalaya"))
            assert p14_ridge.difference(ours, theirs) == "agrees"
            assert len(set(ours["alphas"])) > 1
            moved = {**theirs, "intercepts": [value + 1 for value in theirs["intercepts"]]}
            assert "intercept" in p14_ridge.difference(ours, moved)
            assert "penalties" in p14_ridge.difference(ours, {**theirs, "alphas": [9] * len(ours["alphas"])})
