from dataclasses import replace

import numpy as np
import pytest

from guerdon.bench.run import run
from guerdon.core.errors import ConfigError
from guerdon.ledger import Ledger
from guerdon.numerics.ridge import Ridge
from guerdon.systems.algonauts import brains
from guerdon.systems.algonauts.challenge import Algonauts
from guerdon.systems.algonauts.commands import main
from guerdon.systems.algonauts.judge import Truth, score_part
from guerdon.systems.algonauts.layout import COUNTS, VERTICES, Subject, subjects
from guerdon.systems.algonauts.prepare import Recording, divide, prepare
from guerdon.systems.algonauts.solvers import LinearEncoder, SubmissionFile

pytest.importorskip("PIL")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("brains")
    main(["make", str(folder), "--images", "60", "--vertices", "40", "--size", "112", "--subjects", "2"])
    return folder


def test_published_sizes_add_up():
    assert {sum(COUNTS[s]) for s in (1, 2, 5, 7)} == {10_000}
    assert sum(VERTICES[1]) == 39_548
    assert set(COUNTS) == set(VERTICES) == set(range(1, 9))


def test_a_made_brain_is_read_back_in_order(root):
    one, two = subjects(root)
    assert (one.name, two.name) == ("subj01", "subj02")
    images = one.images("training")
    assert [path.name[:10] for path in images[:3]] == ["train-0001", "train-0002", "train-0003"]
    assert one.fmri("training", "lh").shape == (len(images), 40)
    assert one.fmri("training", "lh").dtype == np.float32
    assert one.fmri("test", "rh").shape == (len(one.images("test")), 40)
    regions = one.regions("lh")
    assert regions["V1v"].sum() == regions["early"].sum() == 20
    assert not np.any(regions["V1v"] & regions["hV4"])
    assert ((one.ceiling("rh") >= 0) & (one.ceiling("rh") < 1)).all()


def test_responses_are_those_of_sessions_and_repeats_by_hand(tmp_path):
    made = brains.recording(
        "subj07", tmp_path / "raw", images=30, vertices=6, seed=5, make=lambda n, r: brains.blobs(n, 112, 5, r)
    )
    subject = prepare(made, tmp_path)
    scored = np.empty_like(made.betas["lh"])
    for session in range(10):
        rows = made.sessions == session
        scored[rows] = (made.betas["lh"][rows] - made.betas["lh"][rows].mean(0)) / made.betas["lh"][rows].std(0)
    late = made.sessions >= 7
    training = sorted(set(made.items[~late].tolist()))
    test = sorted(set(made.items[late].tolist()) - set(training))
    for at, item in enumerate(training):
        mean = scored[(made.items == item) & ~late].mean(0)
        np.testing.assert_allclose(subject.fmri("training", "lh")[at], mean, atol=1e-5)
    for at, item in enumerate(test):
        np.testing.assert_allclose(subject.fmri("test", "lh")[at], scored[made.items == item].mean(0), atol=1e-5)
    assert [int(path.stem[-5:]) for path in subject.images("test")] == test


def test_shared_images_are_kept_for_testing_only_when_seen_three_times_at_the_end():
    items = [1, 2, 3, 4, 4, 4, 5, 5, 1]
    sessions = [0, 0, 1, 2, 2, 2, 2, 2, 2]
    parts = divide(items, sessions, withheld=1, elsewhere=[4, 5])
    assert parts.training == [1, 2, 3]
    assert parts.test == [4]
    assert divide(items, sessions, withheld=1).test == [4, 5]
    with pytest.raises(ConfigError, match="withheld"):
        divide(items, sessions, withheld=3)
    with pytest.raises(ConfigError, match="last sessions"):
        divide([1, 1], [0, 1], withheld=1)


def test_entrants_are_given_no_test_responses(tmp_path):
    made = brains.recording(
        "subj01", tmp_path / "raw", images=30, vertices=6, seed=5, make=lambda n, r: brains.blobs(n, 112, 5, r)
    )
    subject = prepare(made, tmp_path / "public", hide_test=True)
    assert not (subject.folder / "test_split" / "test_fmri").exists()
    assert not (subject.folder / "test_split" / "noise_ceiling").exists()
    assert subject.images("test")
    with pytest.raises(ConfigError, match="not there yet"):
        prepare(made, tmp_path / "public")


def test_strange_files_are_named(root, tmp_path):
    import shutil

    shutil.copytree(root, tmp_path / "copy")
    one = subjects(tmp_path / "copy")[0]
    folder = one.folder / "test_split" / "test_images"
    (folder / ".DS_Store").write_bytes(b"")
    assert one.images("test")
    (folder / "notes.txt").write_text("x")
    with pytest.raises(ConfigError, match=r"notes\.txt"):
        one.images("test")
    (folder / "notes.txt").unlink()
    one.images("test")[0].unlink()
    with pytest.raises(ConfigError, match="test-0001"):
        one.images("test")
    labels = one.folder / "roi_masks" / "lh.streams_challenge_space.npy"
    np.save(labels, np.full(40, 9))
    with pytest.raises(ConfigError, match=r"\[9\] have none"):
        one.regions("lh")
    with pytest.raises(ConfigError, match="subj01"):
        subjects(tmp_path)


def test_from_pictures_to_a_scored_submission(root, tmp_path, capsys):
    entry = tmp_path / "entry.zip"
    main(["encode", str(root), "--features", "gabor", "--components", "20", "--out", str(entry)])
    main(["check", str(entry), "--data", str(root)])
    main(["score", str(entry), "--data", str(root), "--out", str(tmp_path / "report")])
    said = capsys.readouterr().out
    assert "V1v" in said
    value = float((tmp_path / "report" / "scores.txt").read_text().split(": ")[1])
    assert 20 < value < 100
    challenge = Algonauts(data=str(root))
    (task,) = challenge.tasks("test")
    assert str(root) not in str(task)
    assert challenge.fingerprint() == challenge.fingerprint()
    assert challenge.landmarks(task)
    with pytest.raises(SystemExit):
        main(["check", str(root / "subj01" / "roi_masks" / "mapping_streams.npy"), "--data", str(root)])


def test_missing_pictures_and_wrong_tables_are_said(tmp_path):
    items, sessions = np.array([0, 1, 2, 3]), np.array([0, 0, 1, 1])
    betas = {"lh": np.zeros((4, 2)), "rh": np.zeros((4, 2))}
    with pytest.raises(ConfigError, match="the first is 0"):
        prepare(Recording("subj01", items, sessions, betas, {}), tmp_path, withheld=1)


def raw(folder, trained, change=lambda betas: None, suffix=".PNG"):
    """A recording of some training images and three test images, seen twice each."""
    count = trained + 3
    items = np.concatenate([np.arange(trained), np.arange(trained, count), np.arange(trained, count)])
    sessions = np.concatenate([np.zeros(trained, int), np.ones(3, int), np.full(3, 2)])
    betas = {side: np.random.default_rng(1).normal(size=(len(items), 4)).astype(np.float32) for side in ("lh", "rh")}
    change(betas)
    picture = folder / f"one{suffix}"
    picture.write_bytes(b"picture")
    return Recording("subj01", items, sessions, betas, dict.fromkeys(range(count), picture))


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (b"", "lh_noise_ceiling.npy is an array of numbers"),
        (b"PK", "it is a zip"),
        (np.array([0.5, np.nan]), "that of vertex 1 is nan"),
        (np.array([50.0, 0.5]), "that of vertex 0 is 50.*Divide percents"),
        (np.array([0.5 + 1j]), "numbers"),
        (np.array([["0.5"]]), "numbers"),
    ],
)
def test_ceilings_that_are_none_are_said(tmp_path, table, said):
    subject = Subject(tmp_path / "subj01")
    path = subject.ceiling_path("lh")
    path.parent.mkdir(parents=True)
    if not isinstance(table, bytes):
        np.save(path, table)
    elif table:
        with path.open("wb") as file:
            np.savez(file, one=np.zeros(3))
    else:
        path.write_bytes(table)
    with pytest.raises(ConfigError, match=said):
        subject.ceiling("lh")


@pytest.mark.parametrize("dtype", [">f4", "<f8", ">f8", "<f2", "u1", ">i4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_responses_are_the_same_in_every_kind_of_file(tmp_path, dtype, order):
    subject, expected = Subject(tmp_path / "subj01"), np.arange(12.0).reshape(4, 3)
    path = subject.fmri_path("test", "rh")
    path.parent.mkdir(parents=True)
    np.save(path, np.asarray(expected, dtype, order=order))
    truth = Truth("subj01", "rh", subject.fmri("test", "rh"), np.full(3, 0.5), {})
    assert subject.vertices("rh") == 3
    assert score_part(truth, expected.astype(np.float32)).scores.tolist() == [100.0] * 3
    fit = Ridge(alphas=(1e-9,)).fit(expected[:, :1], path)
    np.testing.assert_allclose(fit.predict(expected[:, :1]), expected, atol=1e-6)


@pytest.mark.parametrize("label", [0.5, np.nan, np.inf])
def test_regions_have_whole_labels(tmp_path, label):
    subject = Subject(tmp_path / "subj01")
    for path in (subject.ceiling_path("lh"), subject.folder / "roi_masks" / "lh.streams_challenge_space.npy"):
        path.parent.mkdir(parents=True)
        np.save(path, np.array([0.5, 1.0]) if "ceiling" in path.name else np.array([1.0, label]))
    with pytest.raises(ConfigError, match="whole labels"):
        subject.region_labels("lh")


def test_ten_thousand_pictures_and_more_are_read_back_in_order(tmp_path):
    subject = prepare(raw(tmp_path, 10_001), tmp_path, withheld=2)
    assert [int(path.stem[-5:]) for path in subject.images("training")] == list(range(10_001))
    assert subject.images("test")[0].name == "test-0001_nsd-10001.png"


def unseen(betas):
    betas["rh"][2, 3] = np.nan


@pytest.mark.parametrize(
    ("change", "suffix", "ncsnr", "said"),
    [
        (unseen, ".png", {}, "finite betas of rh: vertex 3 has others"),
        (lambda betas: None, ".bmp", {}, "PNG or JPEG: 23 are others, the first is 'one.bmp'"),
        (lambda betas: None, ".png", {"lh": np.ones(3)}, "each of 4 vertices of lh"),
        (lambda betas: None, ".png", {"lh": np.array([1, 1, np.nan, 1])}, "some are not finite"),
    ],
)
def test_what_nobody_could_read_is_not_prepared_and_nothing_is_left_behind(tmp_path, change, suffix, ncsnr, said):
    made = replace(raw(tmp_path, 20, change, suffix), ncsnr=ncsnr)
    with pytest.raises(ConfigError, match=said):
        prepare(made, tmp_path / "out", withheld=2)
    assert not (tmp_path / "out" / "subj01").exists()


def scored(solver, challenge, folder):
    with Ledger.open(folder / "a.db") as book:
        done = run(solver, challenge, ledger=book, budget=1)
        ((_, verdict),) = book.judged(done.id)
    return verdict.score


def test_the_baseline_is_a_solver_and_so_is_its_zip(root, tmp_path):
    pytest.importorskip("scipy")
    challenge = Algonauts(data=str(root))
    fitted = scored(LinearEncoder(folder=str(root), features="gabor", components=20), challenge, tmp_path)
    main(["encode", str(root), "--features", "gabor", "--components", "20", "--out", str(tmp_path / "entry.zip")])
    handed = scored(SubmissionFile(file=str(tmp_path / "entry.zip")), challenge, tmp_path)
    assert fitted.value == handed.value > 20
    for solver, said in (
        (LinearEncoder(), "Set --folder"),
        (SubmissionFile(file="none.zip"), "none.zip: No such file"),
    ):
        with pytest.raises(ConfigError, match=said):
            run(solver, challenge, budget=1)


def test_layers_are_told_and_missing_files_are_said(root, tmp_path, capsys):
    best = ["--features", "gabor", "--components", "5", "--layers", "best"]
    main(["encode", str(root), *best, "--out", str(tmp_path / "entry.zip")])
    assert "early from gabor" in capsys.readouterr().err
    for command in (["score", str(tmp_path / "none.zip")], ["check", str(tmp_path / "none.zip")]):
        with pytest.raises(SystemExit):
            main([*command, "--data", str(root)])
        assert "none.zip" in capsys.readouterr().err


def test_what_is_no_table_of_trials_is_said(tmp_path, capsys):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "trials.csv").write_text("image,session\n0,0\n")
    (tmp_path / "lh.npy").write_text("x")
    np.save(tmp_path / "flat.npy", np.zeros(3))
    asked = ["prepare", "--name", "subj01", "--images", str(tmp_path / "pictures"), "--out", str(tmp_path / "out")]
    for lh, trials, said in (
        ("lh.npy", "trials.csv", "lh.npy is an array of numbers"),
        ("flat.npy", "trials.csv", "flat.npy has 2 sides"),
        ("lh.npy", "none.csv", "none.csv: No such file"),
    ):
        with pytest.raises(SystemExit):
            main([*asked, "--betas", str(tmp_path / lh), str(tmp_path / lh), "--trials", str(tmp_path / trials)])
        assert said in capsys.readouterr().err
