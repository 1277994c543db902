"""Which of many submissions are nearly the same: found without comparing each with each."""

import random
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hosting_helpers import ADMIN, FREE, OneFile, contest, person

from guerdon.hosting import Host, Phase, duplicates
from guerdon.hosting.duplicates import candidates, shared


def lists(draw: random.Random, size: int) -> list[list[int]]:
    """Lists of numbers that repeat, some of them changed a little into others."""
    found = [[draw.randrange(draw.choice([2, 5, 1000])) for _ in range(draw.randrange(size))] for _ in range(12)]
    for each in found[:6]:
        other = [*each, *draw.choices(range(9), k=draw.randrange(2))]
        for place in range(min(len(other), draw.randrange(3))):
            other[place] = draw.randrange(1000)
        draw.shuffle(other)
        found.append(other)
    return found


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("share", [0.0, 0.5, 0.9, 0.99])
def test_all_that_share_enough_are_candidates(seed: int, share: float) -> None:
    draw = random.Random(seed)
    found = lists(draw, draw.choice([4, 30, 300]))
    arrays = [np.sort(np.array(each, np.int64)) for each in found]
    alike = {
        (i, j): both / longest
        for (i, one), (j, two) in combinations(enumerate(found), 2)
        if (longest := max(len(one), len(two))) and (both := (Counter(one) & Counter(two)).total()) / longest > share
    }
    tried = candidates(arrays, share)
    assert alike.keys() <= tried
    assert {pair: s for pair in tried if (s := shared(arrays[pair[0]], arrays[pair[1]], share)) > share} == alike


def test_what_has_little_in_common_is_not_compared() -> None:
    """Two thousand files of 200 lines, all with the same 20 lines among them, and two that are nearly the same."""
    draw = np.random.default_rng(0)
    arrays = [np.sort(np.concatenate([np.arange(20), draw.integers(20, 1 << 60, 180)])) for _ in range(2000)]
    near = arrays[7].copy()
    near[-1] += 1
    assert candidates([*arrays, near], 0.99) == {(7, 2000)}
    assert candidates([], 0.99) == candidates([near[:0], near[:0]], 0.99) == set()


def test_of_too_much_the_newest_are_compared_by_line(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    contest(host, Phase("open", "open", limits=FREE), challenge=OneFile())
    for turn in range(2):
        for name in ("Ada", "Bea"):
            lines = [*range(1000 * turn, 1000 * turn + 200), name]
            who = person(host, f"{name} {turn}")
            host.submissions.submit(who, "numbers", "open", "\n".join(map(str, lines)).encode())
    assert len(host.near_duplicates("numbers", ADMIN)) == 2
    monkeypatch.setattr(duplicates, "PIECES", 300)
    (pair,) = host.near_duplicates("numbers", ADMIN)
    assert (pair.first.number, pair.second.number) == (2, 3)
