import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.core.errors import SolverError
from guerdon.search import BETTER, KEPT_OUT, NEW, REFUSED, CellArchive, GoExplore2021
from guerdon.search.downscaling import Downscale, fit, propose, spread

OFFERS = st.lists(st.tuples(st.integers(0, 4), st.integers(-2, 2), st.integers(0, 4)), max_size=40)


def test_the_acceptance_rule():
    archive = CellArchive()
    assert archive.add([b"a"], [1.0], [5]).tolist() == [NEW]
    assert archive.add([b"a"] * 5, [1, 1, 2, 1, None], [5, 4, 9, 1, 1]).tolist() == [
        KEPT_OUT,
        BETTER,
        BETTER,
        KEPT_OUT,
        REFUSED,
    ]
    assert (archive.record(b"a").score, archive.record(b"a").length) == (2.0, 9)


@settings(max_examples=60, deadline=None)
@given(OFFERS)
def test_a_cell_keeps_the_best_offer_and_the_first_of_equals(offers):
    archive = CellArchive()
    keys, scores, lengths = ([offer[i] for offer in offers] for i in range(3))
    archive.add(keys, scores, lengths, list(range(len(offers))))
    for key in set(keys):
        best = min((-s, n, i) for i, (k, s, n) in enumerate(offers) if k == key)
        record = archive.record(key)
        assert (-record.score, record.length, record.pointer) == best


def test_a_sampled_record_is_frozen():
    archive, rng = CellArchive(), np.random.default_rng(0)
    archive.add([(1, 2)], [0.0], [10], [7], [b"old"])
    records = archive.sample([1.0], 3, rng)
    archive.add([(1, 2)], [9.0], [11], [8], [b"new"])
    assert {record.snapshot for record in records} == {b"old"}
    assert archive.record((1, 2)).snapshot == b"new"


@pytest.mark.parametrize("reset", [True, False])
def test_counters(reset):
    archive, rng = CellArchive(reset_counters=reset), np.random.default_rng(0)
    archive.add(["a", "b"], [0, 0], [3, 3])
    archive.sample([1, 0], 4, rng)
    archive.see(["a", "a", "b", "nowhere"])
    assert archive.chosen.tolist() == [4, 0]
    assert archive.seen.tolist() == [1, 1]
    archive.found_new(["a"])
    assert archive.since_new.tolist() == [0, 0]
    archive.add(["a"], [1], [3])
    assert archive.chosen.tolist() == ([0, 0] if reset else [4, 0])


def test_cells_without_weight_are_never_chosen_and_an_empty_archive_says_so():
    archive, rng = CellArchive(), np.random.default_rng(0)
    with pytest.raises(SolverError, match="weights"):
        archive.sample([], 1, rng)
    archive.add(["done", "a"], [0, 0], [0, 0])
    weights = GoExplore2021().weights(seen=archive.seen)
    weights[archive.row("done")] = 0
    assert {record.key for record in archive.sample(weights, 200, rng)} == {"a"}


def test_many_cells_outgrow_the_first_arrays_and_come_back_from_a_folder(tmp_path):
    archive, rng = CellArchive(reset_counters=False), np.random.default_rng(0)
    keys = [(i, "room", b"\x00\xff", (True, None)) for i in range(100)]
    archive.add(keys, np.arange(100.0), range(100), range(100), [b"s" * (i % 3) for i in range(100)])
    archive.sample(np.ones(100), 50, rng)
    archive.see(keys[:10])
    archive.save(tmp_path)
    other = CellArchive.load(tmp_path)
    assert other.keys == archive.keys
    assert [other.record(key) for key in keys] == [archive.record(key) for key in keys]
    for name in ("chosen", "since_new", "seen"):
        assert np.array_equal(getattr(other, name), getattr(archive, name))


def test_rekeying_merges_by_the_rule_and_adds_counters():
    archive = CellArchive()
    archive.add([1, 2, 3], [0, 5, 5], [1, 9, 8])
    archive.see([1, 2, 3])
    merged = archive.rekeyed(lambda records: [record.key >= 2 for record in records])
    assert merged.keys == (False, True)
    assert merged.record(True).length == 8
    assert merged.seen.tolist() == [1, 2]


def test_a_key_that_cannot_be_saved_and_a_misfit_batch_are_refused(tmp_path):
    archive = CellArchive()
    with pytest.raises(SolverError, match="snapshot"):
        archive.add(["a"], [0], [0], None, [])
    archive.add([frozenset()], [0], [0])
    with pytest.raises(SolverError, match="key"):
        archive.save(tmp_path)
    with pytest.raises(SolverError, match="in the archive"):
        archive.record("b")


def test_downscaling_averages_areas():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, size=(3, 8, 12), dtype=np.uint8)
    keys = Downscale(width=3, height=2, depth=8)(frames)
    means = frames.reshape(3, 2, 4, 3, 4).mean(axis=(2, 4))
    assert keys == [np.floor(8 * mean / 255).astype(np.uint8).tobytes() for mean in means]
    odd = Downscale(width=1, height=1, depth=255)(np.full((1, 7, 5), 200, dtype=np.uint8))
    assert odd == [bytes([200])]


def test_the_objective_of_dynamic_cells():
    keys = [b"a"] * 2 + [b"b"] + [b"c"]
    share = np.array([0.5, 0.25, 0.25])
    expected = -np.sum(share * np.log(share)) / np.log(3) / np.sqrt(abs(3 - 0.5) / 0.5 + 1)
    assert spread(keys) == pytest.approx(expected)
    assert spread([b"a"] * 9) == 0.0


def test_the_search_for_a_cell_function_improves():
    rng = np.random.default_rng(0)
    frames = np.repeat(np.repeat(rng.integers(0, 256, size=(40, 4, 4), dtype=np.uint8), 4, axis=1), 4, axis=2)
    best = fit(frames, rng, proposals=60)
    assert spread(best(frames)) > spread(Downscale(1, 1, 1)(frames))
    other = propose(Downscale(200, 200, 200), (16, 16), rng)
    assert other.width <= 16
    assert other.height <= 16


def test_drawing_counts_nothing_and_choosing_counts_what_was_drawn() -> None:
    apart, whole = CellArchive(), CellArchive()
    for archive in (apart, whole):
        archive.add([1, 2, 3], [0.0, 1.0, 2.0], [1, 2, 3])
    drawn = apart.drawn([1.0, 0.0, 2.0], 9, np.random.default_rng(5))
    assert apart.chosen.tolist() == [0, 0, 0]
    apart.choose([record.row for record in drawn])
    assert whole.sample([1.0, 0.0, 2.0], 9, np.random.default_rng(5)) == drawn
    assert apart.chosen.tolist() == whole.chosen.tolist() == apart.since_new.tolist()


def test_a_fit_does_not_depend_on_what_it_keeps(monkeypatch) -> None:
    frames = np.random.default_rng(2).integers(256, size=(40, 20, 30)).astype(np.uint8)
    whole = fit(frames, np.random.default_rng(3), proposals=80)
    monkeypatch.setattr("guerdon.search.downscaling.KEPT_BYTES", 0)
    monkeypatch.setattr("guerdon.search.downscaling.PART", 7)
    assert fit(frames, np.random.default_rng(3), proposals=80) == whole
    assert whole(frames) == whole(frames[:25]) + whole(frames[25:])
