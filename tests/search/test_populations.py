import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.core.errors import ConfigError, SolverError
from guerdon.search import Islands, crowding, fronts, nsga2, truncation, youngest

TABLES = st.integers(1, 3).flatmap(
    lambda m: st.lists(st.lists(st.integers(0, 3), min_size=m, max_size=m), min_size=1, max_size=14)
)


def peel(rows):
    """Brute force: take away what nobody left dominates, again and again."""
    left, found, number = set(range(len(rows))), {}, 0
    while left:
        front = {
            i
            for i in left
            if not any(all(b >= a for a, b in zip(rows[i], rows[j])) and rows[i] != rows[j] for j in left)
        }
        found.update(dict.fromkeys(front, number))
        left, number = left - front, number + 1
    return [found[i] for i in range(len(rows))]


@settings(max_examples=100, deadline=None)
@given(TABLES)
def test_fronts_equal_those_of_brute_force(rows):
    assert fronts(rows).tolist() == peel(rows)


@settings(max_examples=60, deadline=None)
@given(TABLES)
def test_crowding_is_its_definition(rows):
    front = fronts(rows)
    found = crowding(rows, front)
    for number in set(front.tolist()):
        members = np.flatnonzero(front == number)
        expected = np.zeros(len(members))
        for values in np.array(rows, dtype=float)[members].T:
            order = np.argsort(values, kind="stable")
            expected[order[0]] = expected[order[-1]] = np.inf
            for i in range(1, len(members) - 1):
                if values[order[-1]] > values[order[0]]:
                    gap = values[order[i + 1]] - values[order[i - 1]]
                    expected[order[i]] += gap / (values[order[-1]] - values[order[0]])
        assert found[members] == pytest.approx(expected)


@settings(max_examples=40, deadline=None)
@given(TABLES, st.integers(0, 20))
def test_survivors_are_the_lowest_fronts(rows, count):
    kept = nsga2(rows, count)
    front = fronts(rows)
    assert len(kept) == min(count, len(rows)) == len(set(kept.tolist()))
    assert sorted(front[kept]) == sorted(front)[: len(kept)]


def test_an_unknown_objective_is_the_worst():
    assert fronts([[1.0, float("nan")], [1.0, 0.0], [float("inf"), 0.0]]).tolist() == [1, 0, 1]
    assert np.isfinite(crowding([[float("nan"), 1.0]] * 3, [0, 0, 0])[1])


def test_truncation_and_age():
    assert truncation([None, 1.0, float("nan"), 2.0], 10).tolist() == [3, 1, 0, 2]
    assert truncation([1.0], 0).tolist() == []
    assert youngest([3, 3, 1], 1).tolist() == [0]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(-3, 3)), max_size=30), st.integers(1, 5))
def test_an_island_keeps_its_best_and_of_equals_the_younger(offers, capacity):
    islands = Islands(count=3, capacity=capacity)
    kept = islands.add([i for i, _ in offers], [str(n) for n in range(len(offers))], [s for _, s in offers])
    for island in range(3):
        mine = [(score, n) for n, (i, score) in enumerate(offers) if i == island]
        expected = {str(n) for _, n in sorted(mine)[-capacity:]}
        assert set(islands.members(island).attempts) == expected
        assert {str(n) for n in np.flatnonzero(kept)} >= expected


def test_migration_extinction_and_lineage(tmp_path):
    islands, rng = Islands(count=3, capacity=4), np.random.default_rng(0)
    islands.add([0, 0, 1], ["a", "b", "c"], [1.0, 2.0, 5.0], [(), ("a",), ()])
    islands.migrate()
    assert islands.members(1).attempts == ("c", "b")
    assert islands.members(1).parents == ((), ("a",))
    assert islands.members(2).attempts == ("c",)
    assert islands.reset_worst(1, rng) == [0]
    assert islands.members(0).attempts == ("c",)
    islands.save(tmp_path)
    again = Islands.load(tmp_path)
    assert again.members().attempts == islands.members().attempts
    assert again.members().parents == islands.members().parents
    assert again.sample(1, 2, 9, np.random.default_rng(3)) == islands.sample(1, 2, 9, np.random.default_rng(3))


def test_islands_without_members_say_so():
    islands, rng = Islands(count=2, capacity=1), np.random.default_rng(0)
    with pytest.raises(SolverError):
        islands.sample(0, 2, 1, rng)
    with pytest.raises(SolverError, match="founded"):
        islands.reset_worst(1, rng)
    with pytest.raises(SolverError, match="less than 2"):
        islands.add([2], ["a"], [1.0])
    with pytest.raises(ConfigError):
        Islands(count=0, capacity=1)
