"""The experiment's mechanics at smoke scale, and its rules on measures whose verdict is known."""

import pytest

pytest.importorskip("gymnasium", reason='needs pip install "guerdon[worlds]"')
pytest.importorskip("ale_py", reason='needs pip install "guerdon[worlds]"')

from guerdon.bench.verdicts import decide
from guerdon.systems.go_explore.experiment import MONTEZUMA, Return
from guerdon.systems.go_explore.solver import GoExplore


@pytest.mark.parametrize("arm", Return.arms)
def test_every_arm_takes_its_steps_and_stores_what_replays(arm) -> None:
    found = Return().run(arm, 101, "smoke")
    assert found["replay ok"] == 1.0
    assert found["rooms"] == 1
    assert 1000 <= found["steps"] < 1100 or arm == "from-start"
    assert found["stored"] in (found["cells"], found["cells"] + 1)
    if arm == "go-explore":
        assert Return().run(arm, 101, "smoke") == found


def test_without_return_no_trajectory_is_longer_than_an_exploration() -> None:
    memory = GoExplore(return_to="start", explore_steps=8).search(MONTEZUMA, 7, 1500)
    assert max(memory.archive.lengths) <= 8
    assert sum(memory.archive.chosen) > 0
    returned = GoExplore(explore_steps=8).search(MONTEZUMA, 7, 1500)
    assert max(returned.archive.lengths) > 8


def measures(**changes):
    go = {"rooms": 3, "cells": 300, "out with 400": 1.0, "in, 0 or 100": 0.0, "replay ok": 1.0}
    start = {"rooms": 1, "cells": 80, "out with 400": 0.0, "in, 0 or 100": 1.0, "replay ok": 1.0}
    arms = {"go-explore": go, "batch-100": dict(go), "from-start": start, "no-return": dict(start)}
    found = {arm: {seed: dict(each) for seed in (11, 12, 13)} for arm, each in arms.items()}
    for place, value in changes.items():
        arm, seed, measure = place.split("__")
        found[arm.replace("_", "-")][int(seed)][measure.replace("_", " ")] = value
    return found


@pytest.mark.parametrize(
    ("changes", "claim", "word"),
    [
        ({}, "return-matters", "supported"),
        ({"go_explore__11__out_with_400": 0.0}, "gets-out", "inconclusive"),
        ({f"from_start__{seed}__out_with_400": 1.0 for seed in (11, 12, 13)}, "gets-out", "refuted"),
        ({"no_return__12__replay_ok": 0.99}, "replays", "refuted"),
        ({f"no_return__{seed}__cells": 300 + seed for seed in (11, 12, 13)}, "no-return-few-cells", "refuted"),
        ({f"no_return__{seed}__rooms": 3 for seed in (11, 12, 13)}, "no-return-no-rooms", "refuted"),
        ({f"go_explore__{seed}__cells": 80 + seed for seed in (11, 12, 13)}, "return-more-cells", "refuted"),
    ],
)
def test_the_rules_say_what_they_should(changes, claim, word) -> None:
    found = decide(Return.claims, measures(**changes), (11, 12, 13))
    assert found[claim].word == word, found[claim]
