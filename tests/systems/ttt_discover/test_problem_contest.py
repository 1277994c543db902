"""Contest problems: generators and markers against independent rules, and the judge of programs."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guerdon.core.reward import Reward
from guerdon.core.task import Answer, Case
from guerdon.sandbox import shared
from guerdon.sandbox.programs import TOOLS
from guerdon.systems.ttt_discover.problems import ahc039, ahc058
from guerdon.systems.ttt_discover.problems.contest import Contest, WrongOutput
from guerdon.testing.challenge import ChallengeContract
from guerdon.testing.reward import RewardContract

native = pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason="no GNU C++ compiler")
FISHING, APPLES = ahc039.Ahc039(cases=2, seconds=20.0), ahc058.Ahc058(cases=2, seconds=20.0)
BOTH = [FISHING, APPLES]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["construction", "language", "source"]), inner)
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module", autouse=True)
def closed() -> Iterator[None]:
    yield
    shared.close()


def judged(challenge: Contest, *contents: Any) -> list[Any]:
    (task,) = challenge.tasks("main")
    (key,) = challenge.keys([task])
    return challenge.judge([Case(task, Answer(task.id, content), key) for content in contents])


def python(source: str) -> dict[str, str]:
    return {"language": "python", "source": source}


# The cases


@pytest.mark.parametrize("seed", range(101, 105))
def test_fish_are_distinct_places_inside(seed: int) -> None:
    lines = ahc039.generate(seed).splitlines()
    assert lines[0] == "5000"
    places = [tuple(map(int, line.split())) for line in lines[1:]]
    assert len(places) == len(set(places)) == 10_000
    assert all(0 <= x <= 100_000 and 0 <= y <= 100_000 for x, y in places)


def test_fish_lie_in_clusters_that_differ_by_kind() -> None:
    for seed in range(101, 105):
        places = ahc039.points(ahc039.generate(seed))
        blocks = places // 5000
        crowd = [len({tuple(block) for block in half.tolist()}) for half in (blocks[:5000], blocks[5000:])]
        assert max(crowd) < 300  # of 400 blocks; evenly spread fish would be in all
        assert abs(places[:5000].mean(axis=0) - places[5000:].mean(axis=0)).max() > 100


@pytest.mark.parametrize("seed", range(101, 111))
def test_plants_keep_the_published_bounds(seed: int) -> None:
    plant = ahc058.plant(ahc058.generate(seed))
    assert (plant.turns, plant.apples, len(plant.capacity), len(plant.cost)) == (500, 1, 10, 4)
    assert plant.capacity[0] == plant.cost[0][0] == 1
    assert list(plant.capacity) == sorted(plant.capacity)
    for level, row in enumerate(plant.cost):
        for capacity, cost in zip(plant.capacity, row, strict=True):
            assert capacity * 500**level - 1 <= cost <= 100 * capacity * 500**level + 1


@pytest.mark.parametrize("module", [ahc039, ahc058])
def test_a_seed_is_a_case(module: Any) -> None:
    first = module.generate(101)
    module.generate.cache_clear()
    assert first == module.generate(101) != module.generate(102)


# The fishing rules


def skyline(steps: Sequence[tuple[int, int]]) -> tuple[list[tuple[int, int]], list[int]]:
    """A polygon under a skyline, and its x coordinates; the columns' heights are the second of each step."""
    xs = [0]
    for width, _ in steps:
        xs.append(xs[-1] + width)
    corners = [(0, 0)]
    for (left, right), (_, height) in zip(pairwise(xs), steps, strict=True):
        corners += [(left, height), (right, height)]
    corners.append((xs[-1], 0))
    return list(dict.fromkeys(corners)), xs


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 6)), min_size=1, max_size=7), st.integers(0, 7))
def test_inside_is_what_a_skyline_covers(steps: list[tuple[int, int]], turn: int) -> None:
    import numpy as np

    corners, xs = skyline(steps)
    places = [(x, y) for x in range(-1, xs[-1] + 2) for y in range(-1, 8)]
    under = [
        any(
            left <= x <= right and 0 <= y <= height
            for (left, right), (_, height) in zip(pairwise(xs), steps, strict=True)
        )
        for x, y in places
    ]
    shifted = [(x + 30, y + 30) for x, y in corners]
    moved = np.array([(x + 30, y + 30) for x, y in places])
    if turn & 1:
        shifted, moved = [(y, x) for x, y in shifted], moved[:, ::-1]
    if turn & 2:
        shifted, moved = [(60 - x, y) for x, y in shifted], moved * [-1, 1] + [60, 0]
    if turn & 4:
        shifted = shifted[::-1]
    ahc039.check(shifted)
    assert ahc039.inside(shifted, moved).tolist() == under


RING = [(10, 10), (50, 10), (50, 50), (10, 50), (10, 30), (20, 30), (20, 40), (40, 40), (40, 20), (10, 20)]


def test_a_bay_is_outside_and_its_shore_inside() -> None:
    import numpy as np

    ahc039.check(RING)
    places = {(30, 30): False, (20, 35): True, (30, 40): True, (15, 25): False, (45, 30): True, (10, 25): False}
    assert ahc039.inside(RING, np.array(list(places))).tolist() == list(places.values())


@pytest.mark.parametrize(
    ("corners", "reason"),
    [
        ([(0, 0), (10, 10), (10, 0), (0, 10)], "not parallel"),
        ([(0, 0), (10, 0), (10, 10), (10, 5)], "not parallel|turns back"),
        ([(0, 0), (20, 0), (10, 0), (10, 10), (0, 10)], "turns back"),
        ([(0, 0), (10, 0), (0, 0), (0, 10)], "equal"),
        ([(0, 0), (10, 0), (10, 10), (5, 10), (5, 0), (0, 0)], "equal"),
        ([(0, 0), (10, 0), (10, 10), (5, 10), (5, -5 + 5), (3, 0), (3, 5), (0, 5)], "touches|crosses|turns"),
        ([(0, 0), (30, 0), (30, 20), (10, 20), (10, 10), (40, 10), (40, 30), (0, 30)], "crosses"),
        ([(0, 0), (100_000, 0), (100_000, 100_000), (50_000, 100_000), (50_000, 1), (0, 1)], ""),
        ([(0, 0), (100_000, 0), (100_000, 100_000), (6, 100_000), (6, 1), (5, 1), (5, 3), (0, 3)], "longer"),
    ],
)  # fmt: skip
def test_polygons_are_held_to_the_rules(corners: list[tuple[int, int]], reason: str) -> None:
    if reason:
        with pytest.raises(WrongOutput, match=reason):
            ahc039.check(corners)
    else:
        ahc039.check(corners)


SQUARE = "4\n0 0\n9 0\n9 9\n0 9\n"


@pytest.mark.parametrize(
    "output",
    [
        "",
        "3\n0 0\n9 0\n9 9\n",
        "4\n0 0\n9 0\n9 9\n0\n",
        "4\n0 0\n9 0\n9 9\n0 9.0\n",
        "4\n0 0\n9 0\n9 9\n-1 9\n",
        "4\n0 0\n100001 0\n100001 9\n0 9\n",
        "4\n0 0\n9 0\n9 9\n0 ٩\n",
        "1001\n" + "0 0\n" * 1001,
        "x\n" + SQUARE,
        SQUARE + "4\n0 0\n",
        "9" * 5000 + "\n",
    ],
)
def test_outputs_that_are_no_polygon_are_wrong(output: str) -> None:
    with pytest.raises(WrongOutput):
        ahc039.polygon(output)


def test_the_last_polygon_counts() -> None:
    assert ahc039.polygon("4 1 1 2 1 2 2 1 2\n" + SQUARE) == [(0, 0), (9, 0), (9, 9), (0, 9)]


def test_the_whole_sea_is_worth_one() -> None:
    assert ahc039.mark(ahc039.generate(101), "4\n0 0\n100000 0\n100000 100000\n0 100000\n") == 1.0


def test_the_mark_counts_mackerels_less_sardines() -> None:
    case = "2\n5 5\n9 9\n0 9\n50 50\n"
    assert ahc039.mark(case, SQUARE) == 2.0
    assert ahc039.mark("1\n50 50\n5 5\n", SQUARE) == 0.0


# The apple rules


def literal(plant: ahc058.Plant, plan: Sequence[ahc058.Action]) -> int:
    """The rules, word for word."""
    machines = {(i, j): 1 for i in range(4) for j in range(10)}
    power = dict.fromkeys(machines, 0)
    apples = plant.apples
    for action in plan:
        if action is not None:
            i, j = action
            apples -= plant.cost[i][j] * (power[action] + 1)
            assert apples >= 0
            power[action] += 1
        for i in range(4):
            for j in range(10):
                if i == 0:
                    apples += plant.capacity[j] * machines[i, j] * power[i, j]
                else:
                    machines[i - 1, j] += machines[i, j] * power[i, j]
    return apples


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(101, 110), st.data())
def test_plans_are_played_by_the_rules(seed: int, data: Any) -> None:
    plant = ahc058.plant(ahc058.generate(seed))
    plant = ahc058.Plant(40, 10**9, plant.capacity, plant.cost)
    wanted = data.draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)) | st.none(), max_size=40))
    plan: list[ahc058.Action] = []
    for action in wanted:
        try:
            ahc058.play(plant, [*plan, action])
            plan.append(action)
        except WrongOutput:
            plan.append(None)
    assert ahc058.play(plant, plan) == literal(plant, plan)


def test_one_machine_from_the_first_turn() -> None:
    case = ahc058.generate(101)
    output = "# a remark\n0 0\n" + "-1\n" * 499
    assert ahc058.mark(case, output) == round(100_000 * math.log2(500))
    assert ahc058.mark(case, "-1\n" * 500) == 0.0


@pytest.mark.parametrize(
    "output",
    ["", "-1\n" * 499, "-1\n" * 501, "0 0 0\n" + "-1\n" * 499, "4 0\n" + "-1\n" * 499, "0 10\n" + "-1\n" * 499,
     "3 9\n" + "-1\n" * 499, "-1 0\n" + "-1\n" * 499, "0\n" + "-1\n" * 499, "٠ ٠\n" + "-1\n" * 499, "0 0\n" * 500],
)  # fmt: skip
def test_plans_that_break_the_rules_are_wrong(output: str) -> None:
    with pytest.raises(WrongOutput):
        ahc058.mark(ahc058.generate(101), output)


# The judge of programs


class TestFishing(ChallengeContract, RewardContract):
    @pytest.fixture
    def challenge(self) -> Contest:
        return FISHING

    @pytest.fixture
    def judge(self) -> Reward:
        return FISHING.judge

    @pytest.fixture
    def cases(self) -> Sequence[Case]:
        return contract_cases(FISHING)


class TestApples(ChallengeContract, RewardContract):
    @pytest.fixture
    def challenge(self) -> Contest:
        return APPLES

    @pytest.fixture
    def judge(self) -> Reward:
        return APPLES.judge

    @pytest.fixture
    def cases(self) -> Sequence[Case]:
        return contract_cases(APPLES)


def contract_cases(challenge: Contest) -> list[Case]:
    (task,) = challenge.tasks("main")
    (key,) = challenge.keys([task])
    contents = [python(challenge.oracle()), {"construction": python(challenge.oracle())}, python("")]
    return [Case(task, Answer(task.id, content), key) for content in contents]


def test_the_reward_is_the_mean_mark_over_the_scale() -> None:
    source = "print('4\\n0 0\\n100000 0\\n100000 100000\\n0 100000')"
    (score,) = judged(FISHING, python(source))
    assert score.value == 1 / 1500
    assert score.parts == {"mean": 1.0, "cases": 2.0, "passed": 2.0}
    (score,) = judged(APPLES, python("print('0 0\\n' + '-1\\n' * 499)"))
    assert score.value == pytest.approx(100_000 * math.log2(500) / 3e6, rel=1e-6)


@pytest.mark.parametrize(
    "bad",
    ["raise SystemExit(1)", "import os; os.abort()", "print('4')", "while True: pass", "x = [0] * 10 ** 10"],
    ids=["status", "signal", "output", "endless", "memory"],
)
def test_failing_one_case_is_failing_all(bad: str) -> None:
    second = FISHING.judge.generate(1).splitlines()[1]
    good = "print('4\\n0 0\\n100000 0\\n100000 100000\\n0 100000')"
    source = f"input()\nif input() == {second!r}:\n    {bad}\nelse:\n    {good}"
    (score,) = judged(ahc039.Ahc039(cases=3, seconds=3.0, memory_mb=256), python(source))
    assert score.value == 0.0
    assert score.parts == {"mean": 0.0, "cases": 3.0, "passed": 1.0}


def test_what_does_not_compile_is_a_fault() -> None:
    (score,) = judged(APPLES, {"language": "cpp", "source": "int main() {"})
    if score.fault.whose == "solver":
        assert "compiles" in score.fault.detail
    else:
        assert "no C++ programs can be run here" in score.fault.detail


@native
def test_the_language_does_not_matter() -> None:
    source = """
#include <cstdio>
int main() { puts("0 0"); for (int i = 1; i < 500; ++i) puts("-1"); }
"""
    both = judged(APPLES, {"language": "cpp", "source": source}, python("print('0 0\\n' + '-1\\n' * 499)"))
    assert both[0].value == both[1].value > 0


def test_a_missing_compiler_is_no_fault_of_the_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guerdon.sandbox.programs.TOOLS", ("no-such-compiler",))
    (score,) = judged(APPLES, {"language": "cpp", "source": "int main() {}"})
    assert score.value is None
    assert score.fault.whose == "host"


def test_judging_cases_are_not_shown_and_do_not_depend_on_what_is() -> None:
    for challenge in BOTH:
        (task,) = challenge.tasks("main")
        assert len(task.data["examples"]) == challenge.public  # type: ignore[arg-type]
        shown = set(task.data["examples"])  # type: ignore[arg-type]
        (key,) = challenge.keys([task])
        assert not shown & set(challenge.judge.texts(key))


def test_contest_files_can_judge(tmp_path: Path) -> None:
    (tmp_path / "0000.txt").write_text("1\n5 5\n50 50\n")
    (tmp_path / "0001.txt").write_text("1\n50 50\n5 5\n")
    challenge = ahc039.Ahc039(folder=str(tmp_path), seconds=20.0)
    (score,) = judged(challenge, python(f"print({SQUARE!r})"))
    assert score.parts["mean"] == 1.0  # (2 + 0) / 2
    assert challenge.fingerprint() != ahc039.Ahc039().fingerprint()


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(ANYTHING)
def test_no_answer_breaks_the_judges_or_earns(content: Any) -> None:
    for challenge in BOTH:
        (score,) = judged(challenge, content)
        assert score.value in (None, 0.0)
        assert score.value is not None or score.fault.whose == "solver"


@pytest.mark.parametrize("source", ["\ud800", "\0", "(" * 100_000, "x" * 600_000, "def"])
def test_odd_sources_earn_nothing(source: str) -> None:
    for score in judged(APPLES, python(source), {"construction": {"construction": python(source)}}):
        assert score.value in (None, 0.0)


def test_the_picture_shows_the_net_of_a_public_case() -> None:
    (task,) = FISHING.tasks("main")
    (picture,) = FISHING.pictures(task, Answer(task.id, python(FISHING.oracle())))
    assert b"<polygon" in picture.data
    for content in (None, python("print(1)"), python("while True: pass"), {"language": "cpp"}):
        assert ahc039.Ahc039(seconds=0.2).pictures(task, Answer(task.id, content)) == ()


@pytest.mark.parametrize(
    "content",
    [
        [0] * 10_000_000,
        {"language": "python", "source": "#" * 10_000_000},
        {"language": "python", "source": [0] * 10_000_000},
    ],
)
def test_huge_answers_are_refused_in_few_words(content: Any) -> None:
    (score,) = judged(APPLES, content)
    assert score.fault.kind == "invalid"
    assert len(score.fault.detail) < 200
