import dataclasses
import io
import re
import zipfile

import numpy as np
import pytest
from scipy.stats import pearsonr

from guerdon.bench.check import check
from guerdon.core.errors import ConfigError
from guerdon.core.task import Answer, Case
from guerdon.systems.algonauts.challenge import Algonauts, Packed, packed, parts_of, small
from guerdon.systems.algonauts.judge import Truth, expected, judge, score_part, write_report
from guerdon.systems.algonauts.page import write_page
from guerdon.systems.algonauts.submission import Submission, problem, write
from guerdon.testing.challenge import ChallengeContract


def plainly(predicted, truth, ceiling):
    """The scorer as it is described, vertex by vertex."""
    scores = []
    for v in range(truth.shape[1]):
        r = pearsonr(predicted[:, v], truth[:, v])[0]
        r = r if r > 0 else 0.0
        noise = ceiling[v] if ceiling[v] != 0 else 1e-14
        score = r**2 / noise * 100
        scores.append(min(score, 100.0))
    return np.array(scores)


def guesses(seed=0):
    rng = np.random.default_rng(seed)
    found = {}
    for truth in small(0):
        noise = rng.normal(size=truth.responses.shape).astype(np.float32)
        found.setdefault(truth.subject, {})[truth.hemisphere] = 3 * truth.responses - 7 + 4 * noise
    return found


def test_scores_are_those_of_a_plain_loop_pooled_over_everything():
    report = judge(small(0), guesses())
    each = [plainly(guesses()[t.subject][t.hemisphere], t.responses, t.ceiling) for t in small(0)]
    np.testing.assert_allclose(report.whole.mean, np.concatenate(each).mean(), rtol=1e-6)
    np.testing.assert_allclose(report.whole.median, np.median(np.concatenate(each)), rtol=1e-6)
    np.testing.assert_allclose(report.row("hV4").mean, np.mean([scores[12:] for scores in each]), rtol=1e-6)
    np.testing.assert_allclose(report.row("All_vertices", "subj02", "rh").mean, each[3].mean(), rtol=1e-6)
    low, high = report.whole.interval
    assert 0 <= low < report.whole.mean < high <= 100


def test_pooling_is_over_vertices_and_not_over_hemispheres():
    rng = np.random.default_rng(1)
    one, two = rng.normal(size=(10, 30)), rng.normal(size=(10, 2))
    truths = [Truth("subj01", "lh", one, np.ones(30), {}), Truth("subj01", "rh", two, np.ones(2), {})]
    report = judge(truths, {"subj01": {"lh": one, "rh": -two}})
    assert report.whole.mean == pytest.approx(100 * 30 / 32)


def test_an_empty_region_is_unknown_and_never_zero(tmp_path):
    report = judge(small(0), guesses())
    row = report.row("RSC")
    assert (row.vertices, row.mean, row.interval) == (0, None, None)
    write_report(report, tmp_path)
    assert "RSC: nan" in (tmp_path / "scores_by_roi.txt").read_text()
    assert (tmp_path / "scores.txt").read_text() == f"All_vertices: {report.whole.mean!r}\n"
    assert "subj02_rh_RSC: nan" in (tmp_path / "scores_by_subject_and_roi.txt").read_text()
    assert ",RSC,0,,,," in (tmp_path / "scores.csv").read_text()
    assert "RSC" not in parts_of(report)
    page = write_page(report, tmp_path / "scores.html", "An entry").read_text("utf-8")
    assert "and so unknown: RSC" in page
    assert f"Mean score {report.whole.mean:.2f} over 80 vertices" in page
    assert page.count("<circle") == 3 + 4  # the whole, two regions, and each hemisphere of each subject


def test_constant_predictions_count_as_zero_and_are_said():
    truth = small(0)[0]
    predicted = truth.responses.copy()
    predicted[:, 5] = 0.1
    part = score_part(truth, predicted)
    assert part.flat == 1
    assert part.scores[5] == 0
    predicted = {t.subject: {} for t in small(0)}
    for t in small(0):
        predicted[t.subject][t.hemisphere] = t.responses * (0 if t is truth else 1)
    report = judge(small(0), predicted)
    assert report.warnings() == ["subj01 lh: 20 vertices have the same prediction for every image and count as 0"]


def test_intervals_hold_what_other_images_would_have_shown():
    """Of 40 samples of images, the interval of each holds the mean of all in nearly all cases."""
    rng = np.random.default_rng(3)
    mixing = rng.normal(size=(6, 60)) / 6**0.5
    rows = []
    for _ in range(40):
        signal = rng.normal(size=(100, 6)) @ mixing
        truth = Truth("subj01", "lh", signal + rng.normal(size=signal.shape), np.full(60, 0.5), {})
        rows.append(judge([truth], {"subj01": {"lh": signal + rng.normal(size=signal.shape)}}).whole)
    centre = np.mean([row.mean for row in rows])
    assert sum(row.interval[0] <= centre <= row.interval[1] for row in rows) >= 34


def test_chance_and_signal_are_what_a_simulation_gives():
    """The calibration on 4000 vertices and 159 images: about 93 for the signal itself, 1.3 for random predictions."""
    rng = np.random.default_rng(4)
    ncsnr = rng.gamma(4, 0.15, 4000)
    ceiling = ncsnr**2 / (ncsnr**2 + 0.5)
    signal = rng.normal(size=(159, 4000)) * ncsnr
    truth = Truth("subj01", "lh", signal + rng.normal(size=signal.shape) * 0.5**0.5, ceiling, {})
    chance, best = expected(ceiling, 159)
    found = judge([truth], {"subj01": {"lh": rng.normal(size=signal.shape)}}).whole.mean
    assert found == pytest.approx(chance, abs=0.15)
    assert judge([truth], {"subj01": {"lh": signal}}).whole.mean == pytest.approx(best, abs=0.5)
    assert 90 < best < 97


def test_shapes_are_checked():
    with pytest.raises(ConfigError, match=r"subj01 lh of shape \(24, 20\)"):
        score_part(small(0)[0], np.zeros((24, 19)))


SHAPES = Algonauts().shapes()


def zipped(entries):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def npy(array, **how):
    buffer = io.BytesIO()
    np.save(buffer, array, **how)
    return buffer.getvalue()


def entries():
    return {
        f"{subject}/{side}_pred_test.npy": npy(np.asarray(table, np.float32))
        for subject, sides in guesses().items()
        for side, table in sides.items()
    }


def test_good_submissions_pass_however_they_are_packed(tmp_path):
    assert problem(zipped(entries()), SHAPES) is None
    folder = {f"algonauts_2023_challenge_submission/{name}": data for name, data in entries().items()}
    assert problem(zipped({**folder, "__MACOSX/x": b"", "subj01/.DS_Store": b""}), SHAPES) is None
    write(guesses(), tmp_path / "a.zip")
    assert problem(tmp_path / "a.zip", SHAPES) is None
    write(guesses(), tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


NAN = np.zeros((24, 20), np.float32)
NAN[3, 7] = np.nan


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"subj02/rh_pred_test.npy": None}, "subj02/rh_pred_test.npy"),
        ({"subj01/lh_pred_test.npy": npy(np.zeros((24, 19), np.float32))}, r"subj01/lh_pred_test.npy.*\(24, 20\)"),
        ({"subj01/lh_pred_test.npy": npy(np.zeros((24, 20)))}, "subj01/lh_pred_test.npy holds float32: got float64"),
        ({"subj01/lh_pred_test.npy": npy(NAN)}, r"subj01/lh_pred_test.npy.*nan at \[3, 7\]"),
        ({"subj01/lh_pred_test.npy": npy(np.array([{}], dtype=object))}, "subj01/lh_pred_test.npy.*never loaded"),
        ({"subj01/lh_pred_test.npy": npy(NAN.astype(np.float16))}, "holds finite|float32: got float16"),
        ({"subj01/lh_pred_test.npy": npy(np.zeros((24, 20), ">f4"))}, "subj01/lh_pred_test.npy holds float32: got >f4"),
        ({"subj01/lh_pred_test.npy": npy(np.zeros((24, 20), "<c8"))}, "subj01/lh_pred_test.npy holds numbers"),
        ({"subj01/lh_pred_test.npy": npy(np.zeros(24, "f4,f4"))}, "subj01/lh_pred_test.npy holds numbers"),
        ({"subj01/lh_pred_test.npy": npy(np.zeros((20, 24), np.float32))}, r"shape \(24, 20\): got \(20, 24\)"),
        ({"subj01/lh_pred_test.npy": npy(np.zeros((0, 20), np.float32))}, r"shape \(24, 20\): got \(0, 20\)"),
        ({"subj01/lh_pred_test.npy": npy(np.zeros((24, 20, 1), np.float32))}, r"got \(24, 20, 1\)"),
        ({"subj01/lh_pred_test.npy": npy(np.full((24, 20), -np.inf, np.float32))}, r"-inf at \[0, 0\], and 479 more"),
        ({"subj01/lh_pred_test.npy": npy(np.zeros((24, 20), np.float32))[:-7]}, "1,913 bytes follow"),
        ({"subj01/lh_pred_test.npy": npy(np.zeros((24, 20), np.float32))[:40]}, "subj01/lh_pred_test.npy is a .npy"),
        (
            {"subj01/lh_pred_test.npy": npy(np.zeros((24, 20), np.float32)).replace(b"(24, 20)", b"(9**9,2)")},
            "subj01/lh_pred_test.npy is a .npy array",
        ),
        ({"subj01/lh_pred_test.npy": b"hello"}, "subj01/lh_pred_test.npy"),
        ({"subj03/lh_pred_test.npy": b"hello"}, "no other files"),
        ({"../subj03/x": b"hello"}, ""),
    ],
)
def test_what_is_wrong_is_said_with_the_file(change, said):
    made = {name: data for name, data in {**entries(), **change}.items() if data is not None}
    text = problem(zipped(made), SHAPES)
    assert text is not None
    assert re.search(said, text, re.DOTALL), text


def test_the_order_of_an_array_in_its_file_does_not_matter():
    made = entries()
    name = "subj02/rh_pred_test.npy"
    turned = npy(np.asfortranarray(np.load(io.BytesIO(made[name]))))
    assert b"'fortran_order': True" in turned
    one, two = (Submission(zipped(each), SHAPES).read("subj02", "rh") for each in (made, {**made, name: turned}))
    np.testing.assert_array_equal(one, two)


def test_responses_that_are_not_finite_are_said_to_the_organiser():
    truth = small(0)[0]
    responses = truth.responses.copy()
    responses[5, 7] = np.nan
    for side in ("responses", "ceiling"):
        broken = {"responses": responses, "ceiling": np.full(20, np.nan)}[side]
        with pytest.raises(ConfigError, match="finite responses and ceilings of subj01 lh"):
            dataclasses.replace(truth, **{side: broken})


def test_no_zip_is_said():
    assert problem(b"PK", SHAPES)


class TestContract(ChallengeContract):
    @pytest.fixture
    def challenge(self):
        return Algonauts()


def test_the_judge_tells_its_interval_and_never_reads_what_is_no_zip():
    challenge = Algonauts()
    (task,) = challenge.tasks("test")
    (key,) = challenge.keys([task])
    score, wrong, text = challenge.judge(
        [Case(task, Answer("test", content), key) for content in (packed(guesses()), Packed("0" * 64, 2), "x")]
    )
    assert score.value == pytest.approx(judge(small(0), guesses()).whole.mean)
    assert score.parts["low"] <= score.value <= score.parts["high"]
    assert 0 < score.parts["chance"] < score.parts["signal"] < 100
    assert wrong.fault.kind == text.fault.kind == "invalid"
    assert challenge.entry_problem(task, packed(guesses())) is None
    assert "float64" in challenge.entry_problem(
        task, _as_blob(zipped({**entries(), "subj01/lh_pred_test.npy": npy(np.zeros((24, 20)))}))
    )
    assert not [finding for finding in check(challenge, on_step=lambda _: None) if finding.ok is False]


def _as_blob(data):
    return Packed("0" * 64, len(data), "application/zip", data)


def test_a_contest_judges_the_stored_zip_and_tells_the_entrant_what_is_wrong(tmp_path):
    from guerdon.hosting.challenges import Posed, challenge_of, reference
    from guerdon.hosting.evaluate import FOR_ENTRANT, Guarded, with_files
    from guerdon.ledger.blobs import Blobs

    challenge = challenge_of(*reference("algonauts", {}))
    posed = Posed(challenge, "test")
    assert posed.single
    assert posed.entry == "file"
    (task,) = challenge.tasks("test")
    (key,) = challenge.keys([task])
    blobs = Blobs(lambda: tmp_path)
    good, bad = packed(guesses()).data, zipped({"subj01/lh_pred_test.npy": b"hello"})
    answers = with_files([Answer("test", blobs.put(data)) for data in (good, bad)], blobs)
    judged = Guarded(inner=challenge.judge, check=challenge.entry_problem)(
        [Case(task, answer, key) for answer in answers]
    )
    assert judged[0].parts["low"] < judged[0].value < judged[0].parts["high"]
    assert judged[1].parts == {FOR_ENTRANT: 1.0}
    assert "3 of 4 are missing" in judged[1].fault.detail


def test_entrants_are_told_what_to_hand_in():
    told = Algonauts().entry_help
    files = re.findall(r"`(subj\S+\.npy)` \| ([\d,]+) \| ([\d,]+)", told)
    assert len(files) == 4
    assert problem(zipped({name: npy(np.zeros((int(m), int(n)), np.float32)) for name, m, n in files}), SHAPES) is None
