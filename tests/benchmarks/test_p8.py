import sys

import pytest
from benchmarks.common import Plan, UnequalError, check_same
from benchmarks.meter import Load

from benchmarks import p8_detection

QUICK = Plan(rounds=1, quick=True)
SMALL = {"images": 12, "per_image": 15, "categories": 30, "boxes": 60}


def test_detectors_are_judged_without_the_peers():
    pytest.importorskip("msgspec")
    found = p8_detection.run(QUICK, Load(), lambda text: None)
    assert {claim["missing"] for claim in found["claims"]} == {"left out"}
    assert len(found["claims"]) == 6
    assert all(claim["ours"] > 0 and claim["ratio"] is None for claim in found["claims"])


@pytest.mark.parametrize(("peer", "package"), [("pycocotools", "pycocotools"), ("faster", "faster_coco_eval"),
                                               ("hotcoco", "hotcoco")])  # fmt: skip
def test_sides_agree_on_each_category_where_the_peer_is_installed(peer, package):
    pytest.importorskip(package)
    with p8_detection._drivers({peer: [sys.executable, str(p8_detection.DRIVERS / f"p8_{peer}.py")]}) as drivers:
        for driver in drivers.values():
            driver.ask("prepare", **SMALL)
        theirs = p8_detection._judge(drivers[peer])(0).output
        for asked in ({}, {"resamples": 20}):
            assert p8_detection._judge(drivers["guerdon"], **asked)(0).output == theirs
    assert max(theirs) > 0.05
    assert -1 in theirs
    with pytest.raises(UnequalError):
        check_same("guerdon", 0, theirs, [0.0, *theirs[1:]])
