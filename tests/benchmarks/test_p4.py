import sys

import pytest
from benchmarks.common import Plan
from benchmarks.meter import Load

from benchmarks import p4_ratings

QUICK = Plan(rounds=1, quick=True)


def test_ratings_are_measured_without_the_peers():
    found = p4_ratings.run(QUICK, Load(), lambda text: None)
    assert {claim["missing"] for claim in found["claims"]} == {"left out"}
    assert len(found["claims"]) == 3
    assert all(claim["ours"] > 0 and claim["ratio"] is None for claim in found["claims"])


def test_fits_that_differ_are_named():
    ours = [[0.0, 1.0], [0.1, 0.1]]
    assert p4_ratings.difference(ours, [[0.001, 0.999], [0.1, 0.101]]) == "agrees"
    assert p4_ratings.difference(ours, [[0.0], None]) == "1 ratings beside 2"
    assert p4_ratings.difference(ours, [[0.0, 1.5], None]) == "rating 1 is 1.5 beside 1"
    assert p4_ratings.difference(ours, [[0.0, float("nan")], None]) == "rating 1 is nan beside 1"
    assert p4_ratings.difference(ours, [[0.0, 1.0], [0.1, 0.2]]) == "half-width 1 is 0.2 beside 0.1"


def test_choix_agrees_where_it_is_installed():
    pytest.importorskip("choix")
    commands = {name: [sys.executable, str(p4_ratings.DRIVERS / f"p4_{name}.py")] for name in ("choix", "guerdon")}
    found = {}
    for name, command in commands.items():
        with p4_ratings.Driver(name, command) as driver:
            driver.ask("prepare", kind="decided", items=8, count=2000)
            driver.ask("fit", times=1)
            found[name] = driver.ask("read")
    assert p4_ratings.difference(found["guerdon"], found["choix"]) == "agrees"
