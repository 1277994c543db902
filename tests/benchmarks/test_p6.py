import sys

import pytest
from benchmarks.common import Plan, UnequalError
from benchmarks.meter import Load
from benchmarks.peers import DRIVERS, sides

from benchmarks import p6_reward_scoring as p6

QUICK = Plan(rounds=1, quick=True)


def test_scoring_is_measured_without_the_peer():
    found = p6.run(QUICK, Load(), lambda text: None)
    reasons = {claim["missing"] for claim in found["claims"]}
    if reasons == {p6.NEEDS}:
        pytest.skip(p6.NEEDS)
    assert reasons == {"left out"}
    assert len(found["claims"]) == 2
    assert all(claim["ours"] > 0 and claim["ratio"] is None for claim in found["claims"])


def test_both_sides_give_the_same_scores():
    pytest.importorskip("transformers", reason='needs pip install "guerdon[train]"')
    with sides("p6", {"rewardbench": [sys.executable, str(DRIVERS / "p6_rewardbench.py")]}) as drivers:
        for kind in ("mixed", "shared"):
            for driver in drivers.values():
                driver.ask("prepare", kind=kind, pairs=9)
                driver.ask("score")
            theirs = drivers["rewardbench"].ask("read")
            assert len(theirs) == 18
            p6.check_near("guerdon", theirs, drivers["guerdon"].ask("read"))


@pytest.mark.parametrize("found", [[1.0], [1.0, 2.1], [1.0, float("nan")]])
def test_other_scores_are_refused(found):
    with pytest.raises(UnequalError):
        p6.check_near("ours", [1.0, 2.0], found)
