"""The challenge checks itself; both tracks rank as they should; answers come as lists, texts and stored files."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("msgspec")
pytest.importorskip("PIL")
pytest.importorskip("scipy")

from guerdon.bench.run import run
from guerdon.core.errors import ConfigError
from guerdon.core.plain import Blob
from guerdon.core.score import Score
from guerdon.core.task import Answer, Case
from guerdon.ledger import Ledger
from guerdon.systems.v3det.challenge import DetectionJudge, V3Det, known, oracle
from guerdon.systems.v3det.files import read_image
from guerdon.systems.v3det.load import annotations_of, detections_like, labels_like
from guerdon.systems.v3det.sheet import GAP, INK, sheet
from guerdon.systems.v3det.solvers import ResultFile, TinyDetector
from guerdon.testing.challenge import ChallengeContract
from guerdon.testing.reward import RewardContract
from guerdon.vision.coco import results_of
from guerdon.vision.detections import Detections


class TestSupervised(ChallengeContract):
    @pytest.fixture
    def challenge(self) -> V3Det:
        return V3Det(scenes=4, resamples=20)


class TestOpen(ChallengeContract):
    @pytest.fixture
    def challenge(self) -> V3Det:
        return V3Det(track="open", scenes=6, resamples=20)


class TestJudge(RewardContract):
    @pytest.fixture
    def judge(self) -> DetectionJudge:
        return DetectionJudge(resamples=20)

    @pytest.fixture
    def cases(self) -> list[Case]:
        challenge = V3Det(scenes=3)
        (task,) = challenge.tasks("val")
        (key,) = challenge.keys([task])
        contents: list[Any] = [[], "[]", None, challenge.probes([task]).oracle[0].content]
        return [Case(task, Answer("val", each), key) for each in contents]


def judged(challenge: V3Det, content: Any, split: str = "val") -> Score:
    (task,) = challenge.tasks(split)
    (key,) = challenge.keys([task])
    return challenge.judge([Case(task, Answer(task.id, content), key)])[0]


def test_names_rank_first_in_the_open_track_and_nothing_is_known_of_novel_ones_without_them() -> None:
    challenge = V3Det(track="open", resamples=50)
    (task,) = challenge.tasks("val")
    told: Any = task.data
    novel = {each["id"] for each in told["categories"] if each["novel"]}
    assert len(novel) == 7
    assert not novel & {each["category_id"] for each in told["train"]["annotations"]}
    by_names = judged(challenge, TinyDetector().detect(task))
    closed = judged(challenge, TinyDetector(classifier="closed").detect(task))
    assert by_names.value is not None
    assert closed.value is not None
    assert closed.parts["AP_novel"] < 0.05 < 0.3 < by_names.parts["AP_novel"]
    assert by_names.parts["low"] > closed.parts["high"]
    assert by_names.value == pytest.approx((by_names.parts["AP_base"] + 3 * by_names.parts["AP_novel"]) / 4)
    assert judged(challenge, []).value == 0.0


def test_the_best_answer_is_shown_and_a_malformed_one_is_not() -> None:
    challenge = V3Det(scenes=5)
    (task,) = challenge.tasks("val")
    (shown,) = challenge.pictures(task, Answer("val", TinyDetector().detect(task)))
    assert shown.data.startswith(b"\x89PNG")
    wrong: list[Any] = ["[]", [{"image_id": 1}], None]
    assert not any(challenge.pictures(task, Answer("val", each)) for each in wrong)


@pytest.mark.parametrize(
    ("box", "seen"),
    [
        ((0, 0, 1e9, 1e9), (0, 0, 1000, 1000)),
        ((-1e9, 5, 1e9 + 7, 1e9), (-500, 5, 507, 500)),
        ((-1e9, -1e9, 2e9, 2e9), None),
        ((1e9, 20, 1e9, 5), None),
    ],
)
def test_a_box_that_leaves_its_picture_is_drawn_as_far_as_it_is_seen(box: Any, seen: Any) -> None:
    """Drawn to its end, a box of a billion pixels would take half a minute."""
    from PIL import Image, ImageChops, ImageDraw

    plain = Image.new("RGB", (64, 48), (9, 60, 90))
    shown = sheet({0: np.asarray(plain)}, Detections.of([0], [0], [box], [1.0]), [" "])
    wanted = plain.resize((192, 144), Image.Resampling.NEAREST)
    if seen is not None:
        x, y, w, h = (3 * side for side in seen)
        ImageDraw.Draw(wanted).rectangle((x, y, x + w, y + h), outline=INK, width=2)
    with Image.open(io.BytesIO(shown)) as page:
        drawn = page.convert("RGB").crop((GAP, GAP, GAP + 192, GAP + 144))
    assert ImageChops.difference(drawn, wanted).getbbox() is None


def test_a_tree_that_has_changed_is_read_anew(folder: Path) -> None:
    labels, tree = folder / "val.json", folder / "other_tree.json"
    nodes = {"categoryid2treeid": {"1": "a", "2": "b"}}
    for fathers, above in (({"b": "a"}, [[], [0]]), ({"a": "b"}, [[1], []])):
        tree.write_text(json.dumps({**nodes, "child2father": fathers}))
        os.utime(tree, ns=(len(above[0]), len(above[0])))
        challenge = V3Det(labels=str(labels), tree=str(tree))
        (key,) = challenge.keys(list(challenge.tasks("val")))
        found = known(key)[1]
        assert found is not None
        assert [found.of_category(k).tolist() for k in range(2)] == above


def test_detections_in_photographs_are_shown_where_the_folder_is_known(folder: Path) -> None:
    from PIL import Image

    (folder / "images").mkdir()
    for k in range(30):
        Image.new("RGB", (640, 480), (k, 60, 90)).save(folder / "images" / f"{k:06d}.jpg")
    labels, text = str(folder / "val.json"), (folder / "results.json").read_text()
    challenge = V3Det(labels=labels, root=str(folder))
    (task,) = challenge.tasks("val")
    (shown,) = challenge.pictures(task, Answer("val", text))
    with Image.open(io.BytesIO(shown.data)) as page:
        assert page.size == (4 * (288 + 12) + 12, 2 * (216 + 12) + 12)
        assert len(page.getcolors(1 << 20) or []) > 8  # boxes are drawn into plain pictures
    assert not challenge.pictures(task, Answer("val", []))
    assert not V3Det(labels=labels).pictures(task, Answer("val", text))


def test_a_run_is_recorded(tmp_path: Path) -> None:
    challenge = V3Det(scenes=4, resamples=20)
    with Ledger.open(tmp_path / "a.db") as book:
        done = run(TinyDetector(), challenge, ledger=book, budget=4)
        ((_, verdict),) = book.judged(done.id)
        assert verdict is not None
        assert verdict.score.value is not None
        assert verdict.score.value > 0.3


def test_what_is_wrong_with_an_answer_is_said_to_whoever_handed_it_in() -> None:
    told = judged(V3Det(scenes=3), [{"image_id": 1, "category_id": 99, "bbox": [0, 0, 1, 1], "score": 1}])
    assert told.fault is not None
    assert told.fault.whose == "solver"
    assert "entry 0 (line 1), category_id 99" in told.fault.detail


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    labels = labels_like(30, 200, 12, seed=1)
    (tmp_path / "val.json").write_text(json.dumps(annotations_of(labels)))
    tree = {
        "categoryid2treeid": {str(k): f"n{k}" for k in range(1, 13)},
        "child2father": {f"n{k}": ["n1"] for k in range(2, 13)},
    }
    (tmp_path / "tree.json").write_text(json.dumps(tree))
    found = detections_like(labels, 20, seed=1)
    (tmp_path / "results.json").write_bytes(results_of(found, labels))
    return tmp_path


def test_files_are_judged_with_their_tree(folder: Path) -> None:
    fields = {"labels": str(folder / "val.json"), "resamples": 20}
    plain, tree = V3Det(**fields), V3Det(**fields, tree=str(folder / "tree.json"))
    (task,) = plain.tasks("val")
    whole: Any = plain.probes([task]).oracle[0].content
    child = next(row["category_id"] for row in whole if row["category_id"] != 1)
    kinds = [{**row, "category_id": child, "score": 2.0} for row in whole if row["category_id"] == 1]
    assert kinds
    one, two = judged(plain, [*whole, *kinds]), judged(tree, [*whole, *kinds])
    assert one.value is not None
    assert one.value < 0.99  # a kind of what the label says is wrong without a tree, and ignored with one
    assert two.value == judged(plain, whole).value == 1.0
    text = ResultFile(file=str(folder / "results.json")).detect(task)
    assert 0 < (judged(tree, text).value or 0) < 1
    assert plain.fingerprint() != tree.fingerprint()
    assert plain.landmarks(task)[0].measure == "AP"


def test_a_stored_file_is_an_answer(folder: Path) -> None:
    data = (folder / "results.json").read_bytes()
    blob = Blob.of(data)
    (folder / blob.digest[:2]).mkdir()
    (folder / blob.digest[:2] / blob.digest).write_bytes(data)
    challenge = V3Det(labels=str(folder / "val.json"), stored=str(folder), resamples=0)
    assert judged(challenge, blob).value == judged(challenge, data.decode()).value
    assert judged(V3Det(labels=str(folder / "val.json")), blob).fault is not None


def test_a_contest_says_what_is_wrong_without_a_key(folder: Path) -> None:
    from guerdon.hosting.evaluate import StoredFile

    class Keyless(V3Det):
        def keys(self, tasks: Any) -> Any:
            raise AssertionError("no key is needed")

    challenge = Keyless(labels=str(folder / "val.json"))
    (task,) = challenge.tasks("val")
    good = folder / "results.json"
    blob = Blob.of(good.read_bytes())
    file = StoredFile(blob.digest, blob.size, blob.media, str(good))
    assert challenge.entry_problem(task, file) is None
    assert judged(V3Det(labels=str(folder / "val.json"), resamples=0), file).value is not None
    good.write_text('[{"image_id": 1, "category_id": 77, "bbox": [0, 0, 1, 1], "score": 1}]')
    assert "entry 0 (line 1), category_id 77" in (challenge.entry_problem(task, file) or "")


def test_a_split_without_a_file_has_no_task(folder: Path) -> None:
    assert V3Det(labels=str(folder / "val.json")).tasks("test") == []
    assert V3Det(test_labels=str(folder / "val.json")).tasks("val") == []
    (task,) = V3Det(test_labels=str(folder / "val.json")).tasks("test")
    told: Any = task.data
    assert len(told["images"]) == len(json.loads((folder / "val.json").read_text())["images"])
    with pytest.raises(ConfigError, match="is not there"):
        V3Det(labels=str(folder / "none.json")).fingerprint()


def test_the_limit_of_an_image_holds_for_the_oracle() -> None:
    labels = labels_like(2, 60, 3)
    assert np.bincount([row["image_id"] for row in oracle(labels, 5)]).max() == 5


@pytest.mark.parametrize("name", ["../secret.png", "/etc/hostname", "missing.png"])
def test_images_are_under_their_root(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError):
        read_image(tmp_path, name)
