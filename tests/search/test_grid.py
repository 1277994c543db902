import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.core.errors import ConfigError, SolverError
from guerdon.search import BETTER, KEPT_OUT, NEW, REFUSED, GridArchive

RANGES = ((-1.0, 1.0), (0.0, 3.0))


def make(dims=(5, 3), **more):
    return GridArchive(dims=dims, ranges=RANGES, solution_dim=2, **more)


def rows(seed, count):
    """Coarse numbers, so that ties and shared cells abound; some measures are out of bounds or on a border."""
    rng = np.random.default_rng(seed)
    objectives = rng.integers(-3, 4, size=count) / 2
    measures = np.round(rng.uniform(-2, 4, size=(count, 2)) * 5) / 5
    return rng.normal(size=(count, 2)), objectives, measures


def one_by_one(batches):
    """The reference: a dictionary, one row at a time."""
    cells = {}
    probe = make()
    for solutions, objectives, measures in batches:
        for i, cell in enumerate(probe.cell_of(measures).tolist()):
            if cell not in cells or objectives[i] > cells[cell][0]:
                cells[cell] = (objectives[i], solutions[i].tolist())
    return cells


def contents(archive):
    elites = archive.elites()
    return {c: (o, s.tolist()) for c, o, s in zip(elites.cells.tolist(), elites.objectives, elites.solutions)}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 40), max_size=5))
def test_contents_are_those_of_one_row_at_a_time(seed, sizes):
    batches = [rows(seed + i, size) for i, size in enumerate(sizes)]
    archive = make()
    for batch in batches:
        status, value = archive.add(*batch)
        assert len(status) == len(value) == len(batch[0])
    assert contents(archive) == one_by_one(batches)
    assert archive.coverage == len(archive) / 15
    everything = np.concatenate([batch[0] for batch in batches]) if batches else np.zeros((0, 2))
    assert np.array_equal(everything[archive.elites().serials], archive.elites().solutions)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 40), max_size=5))
def test_everything_equals_ribs(seed, sizes):
    ribs = pytest.importorskip("ribs.archives")
    peer = ribs.GridArchive(solution_dim=2, dims=(5, 3), ranges=RANGES)
    archive = make()
    for i, size in enumerate(sizes):
        batch = rows(seed + i, size)
        status, value = archive.add(*batch)
        theirs = peer.add(*batch)
        assert np.array_equal(status, theirs["status"])
        assert np.array_equal(value, theirs["value"])
        assert np.array_equal(archive.cell_of(batch[2]), peer.index_of(batch[2]))
    found = peer.data(return_type="dict")
    order, elites = np.argsort(found["index"]), archive.elites()
    pairs = {"index": "cells", "solution": "solutions", "objective": "objectives", "measures": "measures"}
    for theirs_name, ours in pairs.items():
        assert np.array_equal(found[theirs_name][order], getattr(elites, ours))
    assert archive.qd_score(offset=-2.0) == pytest.approx(float(peer.stats.qd_score) + 2 * len(peer))
    assert archive.coverage == float(peer.stats.coverage)


def test_status_and_value_are_against_the_archive_before_the_batch():
    archive = make()
    status, value = archive.add(np.zeros((2, 2)), [1.0, 2.0], [[0, 0], [0, 0]])
    assert status.tolist() == [NEW, NEW]
    assert value.tolist() == [1.0, 2.0]
    status, value = archive.add(np.zeros((3, 2)), [2.0, 5.0, 3.0], [[0, 0]] * 3)
    assert status.tolist() == [KEPT_OUT, BETTER, BETTER]
    assert value.tolist() == [0.0, 3.0, 1.0]


def test_a_row_that_cannot_be_compared_is_refused_by_itself():
    archive = make()
    objectives = [None, float("nan"), float("-inf"), float("inf"), 1.0, 2.0]
    measures = [[0, 0]] * 4 + [[float("nan"), 0], [0, 0]]
    status, value = archive.add(np.zeros((6, 2)), objectives, measures)
    assert status.tolist() == [REFUSED] * 5 + [NEW]
    assert np.isnan(value[:5]).all()
    assert len(archive) == 1
    assert archive.cell_of([[float("nan"), 0]]).tolist() == [-1]


def test_measures_out_of_bounds_go_to_the_border_or_nowhere():
    measures = [[-9.0, 0.0], [1e300, float("inf")], [float("-inf"), 9.0], [1.0, 3.0]]
    clipped, refusing = make(), make(outside="refuse")
    clipped.add(np.zeros((4, 2)), [1.0] * 4, measures)
    assert clipped.elites().cells.tolist() == [0, 2, 14]
    assert refusing.add(np.zeros((4, 2)), [1.0] * 4, measures)[0].tolist() == [REFUSED] * 3 + [NEW]
    assert refusing.cell_of(measures).tolist() == [-1, -1, -1, 14]


def test_a_million_equal_solutions_leave_the_first():
    archive = make()
    count = 10**6
    solutions = np.zeros((count, 2))
    solutions[:, 0] = np.arange(count)
    status, _ = archive.add(solutions, np.ones(count), np.zeros((count, 2)))
    assert (status == NEW).all()
    assert len(archive) == 1
    assert archive.elites().solutions[0, 0] == 0
    assert archive.add(solutions[:1], [1.0], [[0.0, 0.0]])[0].tolist() == [KEPT_OUT]


def test_an_empty_archive_is_defined():
    archive, rng = make(), np.random.default_rng(0)
    assert (len(archive), archive.coverage, archive.qd_score(), len(archive.best())) == (0, 0.0, 0.0, 0)
    assert [len(each) for each in archive.add(np.zeros((0, 2)), [], np.zeros((0, 2)))] == [0, 0]
    with pytest.raises(SolverError, match="empty"):
        archive.sample(1, rng)


def test_elites_are_sampled_uniformly_and_repeatably():
    archive = make()
    archive.add(*rows(3, 30))
    drawn = archive.sample(4000, np.random.default_rng(1))
    counts = np.bincount(drawn.cells, minlength=15)
    assert set(np.flatnonzero(counts)) == set(archive.elites().cells.tolist())
    assert counts[counts > 0].min() > 0.7 * 4000 / len(archive)
    again = archive.sample(4000, np.random.default_rng(1))
    assert np.array_equal(drawn.serials, again.serials)


def test_a_saved_archive_goes_on_as_the_first_would(tmp_path):
    first = make(outside="refuse")
    first.add(*rows(1, 20))
    first.save(tmp_path)
    second = GridArchive.load(tmp_path)
    for archive in (first, second):
        archive.add(*rows(2, 20))
    assert contents(first) == contents(second)
    draws = [each.sample(9, np.random.default_rng(0)).serials.tolist() for each in (first, second)]
    assert draws[0] == draws[1]


def test_wrong_shapes_and_settings_are_refused():
    archive = make()
    with pytest.raises(SolverError, match=r"\(B, 2\)"):
        archive.add(np.zeros((2, 3)), [0, 0], np.zeros((2, 2)))
    with pytest.raises(SolverError, match="objectives"):
        archive.add(np.zeros((2, 2)), [0], np.zeros((2, 2)))
    with pytest.raises(SolverError, match="one row of measures"):
        archive.add(np.zeros((2, 2)), [0, 0], np.zeros((1, 2)))
    for broken in ({"dims": (0,), "ranges": [(0, 1)]}, {"dims": (3,), "ranges": [(1, 1)]}, {"dims": (), "ranges": []}):
        with pytest.raises(ConfigError):
            GridArchive(solution_dim=1, **broken)
    with pytest.raises(ConfigError, match="cells"):
        GridArchive(dims=(2**20, 2**20), ranges=RANGES, solution_dim=1)


def test_a_broken_or_foreign_folder_is_refused(tmp_path):
    with pytest.raises(SolverError, match="saved GridArchive"):
        GridArchive.load(tmp_path)
    make().save(tmp_path)
    (tmp_path / "arrays.npz").write_bytes(b"not a zip file")
    with pytest.raises(SolverError, match="saved GridArchive"):
        GridArchive.load(tmp_path)
