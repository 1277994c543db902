import hashlib
import json
import sys

import pytest
from benchmarks.common import Plan, UnequalError, check_same
from benchmarks.meter import Load
from benchmarks.peers import sides

from benchmarks import p12_import

pytest.importorskip("fastapi")
pytest.importorskip("multipart")
pytest.importorskip("nh3")

QUICK = Plan(rounds=1, quick=True)


def test_items_are_taken_in_without_the_peer():
    found = p12_import.run(QUICK, Load(), lambda text: None)
    (claim,) = found["claims"]
    assert (claim["missing"], claim["ratio"], found["items"]) == ("left out", None, 400)
    assert 0 < claim["floor"] < 1
    assert claim["ours"] > 0


def test_each_side_keeps_exactly_what_came_in(tmp_path):
    sys.path.insert(0, str(p12_import.others.DRIVERS))
    from p12_rows import items

    lines = sorted(json.dumps([row["id"], row["prompt"], row["content"], row["system"]]) for row in items(60))
    right = [60, hashlib.sha256("\n".join(lines).encode()).hexdigest()]
    with sides("p12", {}, {"HOME": str(tmp_path)}) as drivers:
        for name, driver in drivers.items():
            (tmp_path / name).mkdir()
            driver.ask("prepare", folder=str(tmp_path / name), count=60)
            assert p12_import._taker(driver)(0).output == right
            assert p12_import._taker(driver)(1).output == right
    with pytest.raises(UnequalError):
        check_same("guerdon", 0, right, [60, right[1][::-1]])
