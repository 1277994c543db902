import sys

import pytest
from benchmarks.common import Plan, UnequalError, check_same
from benchmarks.meter import Load
from benchmarks.peers import DRIVERS, sides

from benchmarks import p5_archive

QUICK = Plan(rounds=1, quick=True)


def test_archives_are_measured_without_the_peer():
    found = p5_archive.run(QUICK, Load(), lambda text: None)
    assert {claim["missing"] for claim in found["claims"]} == {"left out"}
    assert len(found["claims"]) == 4
    assert all(claim["ours"] > 0 and claim["ratio"] is None for claim in found["claims"])


def test_both_sides_agree_cell_by_cell_where_the_peer_is_installed():
    pytest.importorskip("ribs")
    work = p5_archive.Work(64, 640, 1)
    with sides("p5", {"ribs": [sys.executable, str(DRIVERS / "p5_ribs.py")]}) as drivers:
        for driver in drivers.values():
            driver.ask("prepare", batch=64, count=640)
        outputs = {name: p5_archive._filler(driver, work)(0).output for name, driver in drivers.items()}
        assert drivers["guerdon"].ask("verdicts") == drivers["ribs"].ask("verdicts")
    assert outputs["guerdon"] == outputs["ribs"] == outputs["floor"]
    assert len(outputs["ribs"]) > 400
    with pytest.raises(UnequalError):
        check_same("guerdon", 0, outputs["ribs"], outputs["guerdon"][1:])
