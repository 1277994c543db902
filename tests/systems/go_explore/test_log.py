"""The log of trajectories against one that keeps the previous entry of every step."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon.core.errors import SolverError
from guerdon.systems.go_explore.log import Log

WRITINGS = st.lists(
    st.tuples(st.floats(0, 1), st.lists(st.tuples(st.integers(0, 3), st.integers(-2, 2)), min_size=1, max_size=6)),
    max_size=12,
)


@given(WRITINGS)
def test_it_is_the_log_of_single_steps(tmp_path_factory, writings) -> None:
    log, plain = Log(), [(None, None, 0.0)]
    for where, steps in writings:
        parent = int(where * (len(plain) - 1))
        rewards = [(i, float(reward)) for i, (_, reward) in enumerate(steps, 1) if reward]
        assert log.append(parent, [[action] for action, _ in steps], rewards) == len(plain) + len(steps) - 1
        for action, reward in steps:
            plain.append((parent, [action], float(reward)))
            parent = len(plain) - 1
    folder = tmp_path_factory.mktemp("log")
    log.save(folder)
    for each in (log, Log.load(folder)):
        for entry in range(len(plain)):
            way = walked(plain, entry)
            assert each.entries(entry) == way
            assert each.actions(entry) == [plain[one][1] for one in way]
            assert each.score(entry) == sum(plain[one][2] for one in way)
            assert each.length(entry) == len(way)


def walked(plain, entry) -> list[int]:
    way = []
    while entry:
        way.append(entry)
        entry = plain[entry][0]
    return way[::-1]


def test_it_is_written_in_chunks_and_a_missing_one_is_noticed(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("guerdon.systems.go_explore.log.CHUNK", 10)
    log, rng = Log(), np.random.default_rng(0)
    for _ in range(5):
        log.append(log.end, rng.integers(18, size=7).tolist(), [])
    log.save(tmp_path)
    assert len(list(tmp_path.glob("actions-*.npy"))) == 4
    assert Log.load(tmp_path).actions(35) == log.actions(35)
    (tmp_path / "actions-00002.npy").unlink()
    with pytest.raises(SolverError, match="a log of 35 entries"):
        Log.load(tmp_path)


def test_only_what_is_there_can_be_continued() -> None:
    with pytest.raises(SolverError, match="steps that continue an entry"):
        Log().append(1, [0], [])
    with pytest.raises(SolverError):
        Log().append(0, [], [])
