from __future__ import annotations

import numpy as np
import pytest

from guerdon.systems.rm_consistency.world import KINDS, PARTS, STEPS, HowTo, labelled, useful


def test_instructions_are_split_and_every_word_is_met():
    world = HowTo(101)
    train, test = world.tasks
    assert (len(train), len(test)) == (100, 60)
    assert not {(t.verb, t.thing) for t in train} & {(t.verb, t.thing) for t in test}
    assert {t.verb for t in train} == set(STEPS)
    assert {t.thing for t in train} == set(PARTS)


def test_right_answers_are_useful_and_others_are_not():
    world = HowTo(102)
    train, test = world.tasks
    assert all(useful(task, world.right(task, k)) for task in train for k in range(3))
    assert not any(useful(task, world.wrong(task, kind)) for task in test for kind in KINDS)


def test_pool_holds_right_answers_and_those_of_neighbours():
    world = HowTo(103)
    everything = [*world.tasks[0], *world.tasks[1]]
    for task in world.tasks[1]:
        pool = world.pool(task, everything)
        assert len(pool) == 16
        assert sum(useful(task, text) for text in pool) == 2
        near = [other for other in everything if (other.verb == task.verb) != (other.thing == task.thing)]
        assert sum(any(useful(other, text) for other in near) for text in pool) >= 6


def test_the_same_seed_gives_the_same_world():
    one, two = (labelled(HowTo(7), HowTo(7).tasks[1], ("rude", "salad")) for _ in range(2))
    assert one == two
    assert labelled(HowTo(8), HowTo(8).tasks[1], ("rude", "salad")) != one


def test_wrong_kinds_of_the_test_are_unseen():
    world = HowTo(101)
    assert set(world.unseen).isdisjoint(world.kinds)
    assert len(np.unique([*world.unseen, *world.kinds])) == len(KINDS)


def test_measures_of_every_reward(monkeypatch):
    pytest.importorskip("torch")
    from guerdon.systems.rm_consistency.experiment import Consistent

    experiment = Consistent()
    for arm in experiment.arms:
        found = experiment.run(arm, 101, "smoke")
        assert {claim.measure for claim in experiment.claims if hasattr(claim, "measure")} <= set(found)
        assert all(0 <= found[name] <= 1 for name in ("C_res", "C_ins", "accuracy", "usefulness"))


def test_a_gain_below_half_a_point_refutes():
    from guerdon.bench.verdicts import verdict
    from guerdon.systems.rm_consistency.experiment import Consistent

    claim = next(each for each in Consistent().claims if each.name == "convexda-helps")

    def word(gains):
        standard = {seed: {"mean consistency": 0.7} for seed in range(5)}
        convex = {seed: {"mean consistency": 0.7 + gain} for seed, gain in enumerate(gains)}
        return verdict(claim, {"standard": standard, "convex": convex}, range(5)).word

    assert word([0.02, 0.021, 0.019, 0.02, 0.02]) == "supported"
    assert word([0.002, 0.0021, 0.0019, 0.002, 0.002]) == "refuted"
    assert word([0.1, -0.05, 0.0, 0.02, 0.02]) == "inconclusive"
