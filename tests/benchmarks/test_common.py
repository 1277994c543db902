import itertools
import statistics

import pytest
from benchmarks.common import (
    Claim,
    Pass,
    Plan,
    Ratio,
    Samples,
    UnequalError,
    compare,
    measure,
    order,
    pinned,
    quantile,
    ratio,
)
from benchmarks.meter import Load, Spent

from benchmarks import record


def contender(log, name, output="same", cost=1.0):
    def once(number):
        log.append((number, name))
        return Pass(output, Spent(cost, 2 * cost), 10)

    return once


def test_every_round_goes_there_and_back():
    assert order(["A", "B", "C"]) == ["A", "B", "C", "C", "B", "A"]
    log = []
    measure({name: contender(log, name) for name in "AB"}, 2, lambda _: "same")
    assert log == [(0, "A"), (0, "B"), (0, "B"), (0, "A"), (1, "A"), (1, "B"), (1, "B"), (1, "A")]


def test_a_steady_drift_of_the_machine_cancels():
    clock = itertools.count(100)  # everything costs a little more each time

    def drifting(_number):
        return Pass("same", Spent(float(next(clock)), 1.0), 1)

    found = measure({"A": drifting, "B": drifting}, 5, lambda _: "same")
    assert found["A"].cpu == found["B"].cpu
    assert ratio(found["A"].cpu, found["B"].cpu) == Ratio(1.0, 1.0, 1.0)


def test_samples_are_per_unit_and_raw_passes_are_kept():
    samples = measure({"A": contender([], "A", cost=5.0)}, 3, lambda _: "same")["A"]
    assert samples.cpu == [0.5] * 3
    assert samples.wall == [1.0] * 3
    assert samples.raw == [{"cpu": 5.0, "wall": 10.0, "units": 10}] * 6


def test_unequal_outputs_end_the_benchmark_before_any_figure():
    log = []
    sides = {"ours": contender(log, "ours"), "theirs": contender(log, "theirs", output="other", cost=0.01)}
    with pytest.raises(UnequalError, match="theirs, round 1: got other, expected same"):
        measure(sides, 5, lambda _: "same")
    assert log == [(0, "ours"), (0, "theirs")]


def test_the_first_difference_is_named():
    with pytest.raises(UnequalError, match="item 1 is pass, expected fail"):
        measure({"A": contender([], "A", output=["pass", "pass"])}, 1, lambda _: ["pass", "fail"])


def test_the_ratio_is_the_median_of_the_rounds_and_its_interval_stays_within_them():
    theirs, ours = [10.0, 22.0, 28.0, 44.0, 50.0], [10.0, 11.0, 7.0, 11.0, 10.0]
    found = ratio(theirs, ours)
    assert found.median == 4.0
    assert (found.low, found.high) == (1.0, 5.0)  # five rounds are few: the interval is honest about it
    assert found == ratio(theirs, ours)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    import random

    rng = random.Random(7)
    hits = 0
    for _ in range(60):
        each = [3.0 * rng.lognormvariate(0, 0.1) for _ in range(9)]
        found = ratio(each, [1.0] * 9)
        hits += found.low <= 3.0 <= found.high
    assert hits >= 52


def test_a_claim_is_met_by_its_lower_end_only():
    samples = Samples(cpu=[1.0] * 5), Samples(cpu=[4.0, 4.0, 6.0, 6.0, 6.0]), Samples(cpu=[0.25] * 5)
    claim = compare(*samples, id="P9", claim="c", goal=5.0)
    assert (claim.ratio.median, claim.ratio.low, claim.met, claim.floor) == (6.0, 4.0, False, 0.25)
    assert Claim(id="P9", claim="c", goal=60.0, ours=59.0).met is True
    assert Claim(id="P9", claim="c", goal=60.0, missing="not there").met is None
    assert compare(samples[0], None, None, id="P9", claim="c", missing="left out").ratio is None


def fake_load(average, own=lambda: 0.0):
    clock = itertools.count(0.0, 10.0)
    return Load(average=average, own=own, clock=lambda: next(clock))


@pytest.mark.parametrize("averages", [(5.0, 0.0), (0.0, 5.0)])
def test_wall_seconds_of_a_busy_machine_are_not_recorded(averages):
    average = [averages[0]]
    session = record.Session("p9", Plan(), fake_load(lambda: average[0]))
    average[0] = averages[1]
    samples = {"A": Samples(cpu=[1.0], wall=[2.0], raw=[{"cpu": 1.0, "wall": 2.0, "units": 1}])}
    found = session.record([], [{"who": "A", "cpu_ms": 1.0, "wall_ms": 2.0}], samples)
    assert found["wall"] is None
    assert "busy at the" in found["wall_refused"]
    assert found["rows"] == [{"who": "A", "cpu_ms": 1.0, "wall_ms": None}]
    assert found["samples"]["A"] == {"cpu": [1.0], "wall": None, "raw": [{"cpu": 1.0, "wall": None, "units": 1}]}


def test_wall_seconds_of_a_calm_machine_are_recorded():
    session = record.Session("p9", Plan(), fake_load(lambda: 0.1))
    found = session.record([], [{"who": "A", "wall_ms": 2.0}], {"A": Samples(cpu=[1.0], wall=[2.0])})
    assert (found["wall"], found["wall_refused"], found["rows"][0]["wall_ms"]) == ("recorded", "", 2.0)
    assert found["machine"]["cores"] >= 1
    assert found["threads"]["OMP_NUM_THREADS"] == "1"


def test_our_own_work_is_not_held_against_us_but_that_of_others_is():
    used = itertools.count(0.0, 10.0)  # one core all the time
    average = [0.0]
    load = fake_load(lambda: average[0], own=lambda: next(used))
    for _ in range(60):
        load.note()
    average[0] = 1.0
    assert load.reading()["others"] < 0.1
    average[0] = 3.0
    assert load.reading()["others"] > 1.9
    assert not load.calm()


def test_waiting_for_calm_ends_when_it_comes_or_the_time_is_up():
    averages = itertools.chain([9.0, 9.0], itertools.repeat(0.0))
    assert fake_load(lambda: next(averages)).wait(1000, sleep=lambda _: None)
    assert not fake_load(lambda: 9.0).wait(100, sleep=lambda _: None)


def test_threads_are_pinned_for_everybody():
    assert pinned({"MORE": "x"})["OMP_NUM_THREADS"] == "1"
    assert pinned({"MORE": "x"})["MORE"] == "x"


def test_quantiles_are_by_rank():
    assert quantile([3, 1, 2, 4], 0.5) == 3
    assert quantile([1], 0.99) == 1
    assert quantile(range(100), 0.99) == 99
    assert statistics.median(range(100)) == 49.5
