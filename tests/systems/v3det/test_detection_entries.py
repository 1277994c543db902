"""Result files as strangers hand them in: zipped, broken, hostile; and read once for a check and a judgement."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("msgspec")
pytest.importorskip("PIL")
pytest.importorskip("scipy")

from guerdon.core.errors import ConfigError
from guerdon.core.plain import Blob
from guerdon.core.task import Answer, Case
from guerdon.hosting.evaluate import StoredFile
from guerdon.systems.v3det import entries
from guerdon.systems.v3det.challenge import V3Det
from guerdon.systems.v3det.command import main
from guerdon.systems.v3det.entries import read_entry
from guerdon.vision.coco import FileProblemError, read_labels

TOLD = {"images": [{"id": 3}, {"id": 7}], "categories": [{"id": 1}, {"id": 2}]}
LABELS = read_labels(json.dumps(TOLD).encode())
GOOD = {"image_id": 3, "category_id": 2, "bbox": [0, 0, 1, 1], "score": 0.5}


def zipped(*files: tuple[str, bytes], level: int = 6) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return held.getvalue()


def linked() -> bytes:
    held, link = io.BytesIO(), zipfile.ZipInfo("a.json")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    return held.getvalue()


TEXT = json.dumps([GOOD, {**GOOD, "bbox": [0, 0, 1, 2]}]).encode()


@pytest.mark.parametrize(
    "source",
    [
        TEXT,
        zipped(("results.json", TEXT)),
        zipped(("folder/results.json", TEXT)),
        zipped(("__MACOSX/._results.json", b"x"), ("results.json", TEXT), (".DS_Store", b"")),
        json.dumps(json.loads(TEXT), indent=1).replace("\n", "\r\n").encode(),
    ],
)
def test_a_file_and_a_zip_of_it_are_the_same(source: bytes, tmp_path: Path) -> None:
    (tmp_path / "entry").write_bytes(source)
    for given in (source, tmp_path / "entry"):
        assert read_entry(given, LABELS).score.tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (zipped(("a.json", b"[]"), ("b.json", b"[]")), "a zip with one file: got 2"),
        (zipped(), "a zip with one file: got 0"),
        (zipped(("../a.json", b"[]")), r"\.\."),
        (zipped(("a.txt", b"[]")), "ends in .json"),
        (zipped(("a.json", b" " * 10_000_000)), "100"),
        (zipped(("a.json", TEXT))[:-9], "a whole zip archive"),
        (zipped(("a.json", b"")), "a JSON file"),
        (linked(), "'a.json' is a link"),
        (b"PK", "a whole zip archive"),
    ],
)
def test_a_zip_that_is_not_one_result_file_is_refused(source: bytes, said: str) -> None:
    with pytest.raises(FileProblemError, match=said):
        read_entry(source, LABELS)


def changed(**fields: Any) -> bytes:
    return json.dumps([GOOD, {**GOOD, **fields}], indent=1).encode()


PLACE = r"entry 1 \(line 13\)"
TWICE = json.dumps(GOOD)[:-1].encode()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (changed(bbox=[0, 0, float("nan"), 1]), r"a JSON file.*line 19, column 4, at .NaN"),
        (changed(bbox=[0, 0, -1, 1]), f"no negative size: {PLACE}, bbox"),
        (changed(bbox=[0, 0, "1", 1]), f"{PLACE}, bbox.2.: Expected `float`, got `str`"),
        (changed(bbox=[-1e12, 0, 1, 1]), f"up to a billion, no negative size: {PLACE}, bbox"),
        (changed(category_id=99), f"{PLACE}, category_id 99"),
        (changed(category_id="2"), f"{PLACE}, category_id: Expected `int`, got `str`"),
        (changed(image_id=8), f"{PLACE}, image_id 8"),
        (changed(image_id="3"), f"{PLACE}, image_id: Expected `int`, got `str`"),
        (changed(image_id=3.5), f"{PLACE}, image_id: Expected `int`, got `float`"),
        (changed(image_id=None), f"{PLACE}, image_id: Expected `int`, got `null`"),
        (changed(score="0.5"), f"{PLACE}, score: Expected `float`, got `str`"),
        (changed(score=float("inf")), "a JSON file.*line 22, .*at .Infinity"),
        (changed(segmentation={"size": [9, 9], "counts": "x"}), "image, category and box of entry 0"),
        (b"[" + TWICE + b', "image_id": 7}]', r"each field once: entry 0 \(line 1\), image_id is there twice"),
        (TEXT[: len(TEXT) // 2], r"a JSON file.*line 1"),
        (TEXT.decode().encode("utf-16"), "UTF-8.*UTF-16"),
        (b"\xef\xbb\xbf" + TEXT, "without a byte order mark: got a byte order mark"),
        (b'{"annotations": []}', "Expected `array`, got `object`"),
        (b"", "a JSON file"),
        (b"\x00" * 100, "a JSON file"),
        (b"[" * 100_000, "a JSON file|a list of detections"),
        (b"[null]", "entry 0"),
    ],
)
def test_what_is_wrong_is_named_by_entry_line_and_field(source: bytes, said: str) -> None:
    with pytest.raises(FileProblemError, match=said) as caught:
        read_entry(source, LABELS)
    assert len(str(caught.value)) < 400


def test_a_million_detections_in_one_image_are_too_many() -> None:
    one = json.dumps(GOOD).encode()
    with pytest.raises(FileProblemError, match=r"at most 300 entries for an image: entry 0 .line 1., image_id"):
        read_entry(b"[" + b",".join([one] * 1_000_000) + b"]", LABELS)


@pytest.fixture
def contest(tmp_path: Path) -> tuple[V3Det, Path]:
    told = {**TOLD, "annotations": [{"id": 1, "image_id": 3, "category_id": 2, "bbox": [0, 0, 1, 1]}]}
    (tmp_path / "labels.json").write_text(json.dumps(told))
    (tmp_path / "results.zip").write_bytes(zipped(("r.json", TEXT)))
    return V3Det(labels=str(tmp_path / "labels.json"), resamples=0), tmp_path / "results.zip"


def stored(path: Path) -> StoredFile:
    blob = Blob.of(path.read_bytes())
    return StoredFile(blob.digest, blob.size, blob.media, str(path))


def test_what_was_looked_at_is_not_read_again_to_be_judged(contest: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    challenge, path = contest
    times = []

    def counted(source: Any, labels: Any, **more: Any) -> Any:
        times.append(source)
        return read_entry(source, labels, **more)

    monkeypatch.setattr(entries, "read_entry", counted)
    (task,) = challenge.tasks("val")
    (key,) = challenge.keys([task])

    def judged() -> float | None:
        score = challenge.judge([Case(task, Answer("val", stored(path)), key)])[0].value
        assert not entries._read  # nothing is held on to
        return score

    assert challenge.entry_problem(task, stored(path)) is None
    assert judged() == 1.0
    assert len(times) == 1
    assert judged() == 1.0
    assert len(times) == 2
    assert challenge.entry_problem(task, stored(path)) is None
    path.write_bytes(zipped(("r.json", b"[]")))
    assert judged() == 0.0  # another file of the same name is another


@pytest.mark.parametrize("track", ["supervised", "open"])
def test_entrants_are_told_what_to_hand_in(track: Any) -> None:
    challenge = V3Det(track=track, most=77)
    told = challenge.entry_help
    (example,) = re.findall(r"```json\n(.*)\n```", told)
    (task,) = challenge.tasks("val")
    assert challenge.entry_problem(task, example) is None
    assert "At most 77 entries" in told
    assert ("novel" in told) == (track == "open")


def test_the_terminal_says_what_is_wrong(contest: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    labels = str(tmp_path / "labels.json")
    assert main(["check", str(contest[1]), "--labels", labels]) == 0
    assert "2 detections in 1 images" in capsys.readouterr().out
    (tmp_path / "bad.json").write_bytes(changed(score="high"))
    for where, said in (("bad.json", "entry 1 (line 13), score"), ("none.json", "none.json: No such file")):
        assert main(["check", str(tmp_path / where), "--labels", labels]) == 2
        assert said in capsys.readouterr().err
    assert main(["check", str(contest[1]), "--labels", str(tmp_path / "none.json")]) == 2
    assert "none.json" in capsys.readouterr().err


def test_what_takes_long_is_told(contest: Any, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    from guerdon.systems.v3det import command

    asked = ["score", str(contest[1]), "--labels", contest[0].labels, "--resamples", "20"]
    assert main(asked) == 0
    assert not capsys.readouterr().err
    monkeypatch.setattr(command, "LARGE", 10)
    assert main(asked) == 0
    said = capsys.readouterr()
    assert "reading results.zip" in said.err
    assert "judging 2 detections, with 20 resamples" in said.err
    assert said.out.splitlines()[1].split()[:2] == ["AP", "100.00"]


def test_a_stored_file_has_to_be_there() -> None:
    with pytest.raises(ConfigError, match="is not in it"):
        entries.read_answer(Blob.of(b"x"), LABELS)
