"""Pairs for reward models: from columns of preferences, turned round, and named by their digest."""

from types import SimpleNamespace

import numpy as np
import pytest

from guerdon.core.errors import ConfigError
from guerdon.prefer.models import Rows
from guerdon.prefer.pairs import Pairs


def some() -> Pairs:
    return Pairs.of(Rows.of([[2], [3, 4], [5]]), Rows.of([[6, 7], [8], [9]]), margin=[1.0, 2.0, 3.0])


def lists(rows: Rows) -> list[list[int]]:
    return [row[:n] for row, n in zip(rows.values.tolist(), rows.lengths.tolist())]


def test_flipped_pairs_change_sides_and_the_sign_of_their_margin() -> None:
    found = some().flipped([True, False, True])
    assert lists(found.chosen) == [[6, 7], [3, 4], [9]]
    assert lists(found.rejected) == [[2], [8], [5]]
    assert found.margin.tolist() == [-1.0, 2.0, -3.0]
    assert found.flipped([True, False, True]).digest() == some().digest() != found.digest()


def test_a_set_of_preferences_becomes_pairs() -> None:
    told = SimpleNamespace(
        prompt=["p", "q", "r", "s"],
        first=["a", "bb", "c", "d"],
        second=["e", "f", "g", "h"],
        choice=np.array([1, 2, -1, 0], np.int8),
        margin=np.array([np.nan, 2.0, np.nan, np.nan]),
        weight=np.array([1.0, 3.0, 1.0, 1.0]),
    )

    def encode(prompts, answers) -> Rows:
        return Rows.of([list(map(ord, p + a)) for p, a in zip(prompts, answers)])

    found = Pairs.of_set(told, encode, margins=True)
    assert ["".join(map(chr, row)) for row in lists(found.chosen)] == ["pa", "qf", "sd"]
    assert ["".join(map(chr, row)) for row in lists(found.rejected)] == ["pe", "qbb", "sh"]
    assert found.smoothing.tolist() == [0.0, 0.0, 0.5]
    assert found.margin.tolist() == [0.0, 2.0, 0.0]
    assert found.weight.tolist() == [1.0, 3.0, 1.0]


def test_the_digest_is_of_all_that_teaches() -> None:
    names = {
        some().digest(),
        some().with_margin([1.0, 2.0, 4.0]).digest(),
        some().with_smoothing(0.1).digest(),
        some().take([0, 2, 1]).digest(),
        some().take([True, True, False]).digest(),
    }
    assert len(names) == 5
    tied = some().with_smoothing([0.5, 0.0, 0.0]).with_smoothing(0.2)
    assert tied.smoothing.tolist() == [0.5, 0.2, 0.2]


@pytest.mark.parametrize("bad", [{"smoothing": 2.0}, {"margin": np.nan}, {"weight": -1.0}, {"slices": {"x": [True]}}])
def test_numbers_out_of_range_are_refused(bad) -> None:
    with pytest.raises(ConfigError):
        Pairs.of(some().chosen, some().rejected, **bad)
    with pytest.raises(ConfigError):
        Pairs.of(some().chosen, some().rejected.take([0]))
