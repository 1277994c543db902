"""The challenge: hand in the detections of a split's images; the boxes that are there stay with the judge."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal

from guerdon.core.challenge import Challenge, Landmark, Picture, Probes, Visibility
from guerdon.core.errors import ConfigError
from guerdon.core.plain import Blob, Json, canonical
from guerdon.core.reward import Reward
from guerdon.core.score import FaultKind, Score
from guerdon.core.task import Answer, Case, Key, Task
from guerdon.systems.v3det import scenes as drawing
from guerdon.systems.v3det.entries import read_answer
from guerdon.systems.v3det.files import found_name, read_image
from guerdon.systems.v3det.sheet import sheet, shown_images
from guerdon.vision.coco import FileProblemError, Labels, read_labels, results_of
from guerdon.vision.detections import Detections
from guerdon.vision.figures import figures
from guerdon.vision.hierarchy import Tree, read_tree
from guerdon.vision.submission import MOST

Track = Literal["supervised", "open"]
MEASURES: Mapping[str, str] = {"supervised": "AP", "open": "OVD"}
SCORED: Mapping[str, str] = {
    "supervised": "AP over all categories, at overlaps of 0.50 to 0.95",
    "open": "(AP of base categories + 3 × AP of novel ones) / 4",
}
ENTRY_HELP = """\
A COCO result list: a JSON file in UTF-8, or a zip with that one file.

```json
[{{"image_id": 1, "category_id": 2, "bbox": [12.5, 30, 64, 48], "score": 0.91}}]
```

| field | what it holds |
|---|---|
| `image_id` | a whole number, the `id` of an image in the annotation file |
| `category_id` | a whole number, the `id` of a category there |
| `bbox` | left, top, width and height in pixels: finite, no negative size |
| `score` | a finite number; of two detections the one with the higher score is the surer |

- At most {most} entries for an image. An image with none needs no entry; `[]` is a file too.
- The same image, category and box stands there once.
- Other fields are passed over.

The score is {score}. A file with a mistake is refused with the entry, its line and field. Look before you hand it in,
with the list of images as it was given to you:

    guerdon v3det check results.json --labels IMAGES.json
"""
TRAIN = 48
"""Generated scenes to learn from."""
PUBLISHED = (
    ("Cascade R-CNN, EVA", 0.494), ("Cascade R-CNN, Swin-B", 0.432), ("Deformable DETR, Swin-B", 0.431),
    ("DINO, Swin-B", 0.426), ("Deformable DETR, ResNet-50", 0.350), ("DINO, ResNet-50", 0.340),
    ("Cascade R-CNN, ResNet-50", 0.321), ("CenterNet2, ResNet-50", 0.301), ("Faster R-CNN, ResNet-50", 0.258),
    ("FCOS, ResNet-50", 0.096),
)  # fmt: skip
OPEN = (("Detic, ResNet-50", 0.287, 0.056), ("CenterNet2 with CLIP, ResNet-50", 0.286, 0.030))


@dataclass(frozen=True, kw_only=True)
class DetectionJudge(Reward):
    """AP by V3Det's rules, or (AP base + 3 AP novel) / 4 in the open track, with all other figures as parts."""

    track: Track = "supervised"
    """Which figure is the score."""
    most: int = MOST
    """Detections of one image at most."""
    resamples: int = 200
    """Of the images, for intervals; 0 for none."""
    seed: int = 0
    """Draws the resamples: the same for all, so that submissions can be compared pair by pair."""
    stored: str = field(default="", metadata={"recipe": False})
    """Folder of stored files, for answers that are files."""

    label: ClassVar[str] = "detection"

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        """Each result file by itself."""
        return [self._one(case) for case in cases]

    def _one(self, case: Case) -> Score:
        labels, tree = known(case.key)
        try:
            found = read_answer(case.answer.content, labels, most=self.most, stored=self.stored)
        except FileProblemError as problem:
            return Score.failed(FaultKind.INVALID, str(problem)[:500])
        told = figures(labels, found, tree, resamples=self.resamples, seed=self.seed)
        measure = MEASURES[self.track]
        parts = told.parts()
        if measure not in parts:
            return Score.failed(FaultKind.JUDGE, f"no {measure}: no category of the labels has a box")
        ends = {end: parts[f"{measure}_{end}"] for end in ("low", "high") if f"{measure}_{end}" in parts}
        return Score(parts[measure], {**parts, **ends})


@lru_cache(maxsize=4)
def _labels(place: str, _digest: str) -> Labels:
    return read_labels(Path(place))


@lru_cache(maxsize=4)
def _tree(place: str, _digest: str, labels: str, digest: str) -> Tree:
    return read_tree(Path(place), _labels(labels, digest).categories)


@lru_cache(maxsize=4)
def _generated(text: str) -> tuple[Labels, Tree]:
    return read_labels(text.encode()), Tree.of(len(drawing.NAMES), drawing.edges())


def known(key: Key) -> tuple[Labels, Tree | None]:
    """Labels and tree of a key; files are read once."""
    if "annotations" in key:
        return _generated(key["annotations"])
    place = key["tree"]
    tree = _tree(place, digest_of(place), key["labels"], key["digest"]) if place else None
    return _labels(key["labels"], key["digest"]), tree


@dataclass(frozen=True, kw_only=True)
class V3Det(Challenge):
    """Both tracks of the V3Det Challenge 2024, on its files, on other COCO-style files, or on generated scenes.

    An answer is a result list of `{"image_id", "category_id", "bbox", "score"}`, at most 300 for an image.
    """

    track: Track = "supervised"
    """"supervised" is scored by AP; "open" by (AP base + 3 AP novel) / 4, and tells of base boxes only."""
    labels: str = ""
    """Annotation file of the split `val`; without one there are generated scenes."""
    test_labels: str = ""
    """Annotation file of the split `test`, which stays sealed."""
    tree: str = ""
    """File of the category tree; without one a detection of a kind of what a label says is wrong."""
    root: str = ""
    """Folder of the images, as the solver is told."""
    train: str = ""
    """Annotation file to learn from, as the solver is told; for the open track that of base boxes."""
    most: int = MOST
    """Detections of one image at most."""
    resamples: int = 200
    """Of the images, for intervals; 0 for none."""
    scenes: int = 16
    """Generated scenes in each split."""
    seed: int = 0
    """Draws the scenes, and the resamples."""
    stored: str = field(default="", metadata={"recipe": False})
    """Folder of stored files, for answers that are files."""

    name: ClassVar[str] = "v3det"
    splits: ClassVar[Mapping[str, Visibility]] = {"val": Visibility.OPEN, "test": Visibility.SEALED}
    entry: ClassVar[str] = "file"

    def __post_init__(self) -> None:
        if self.track not in MEASURES or self.most < 1 or self.resamples < 0 or self.scenes < 1:
            got = f"got track={self.track!r}, most={self.most}, resamples={self.resamples}, scenes={self.scenes}"
            raise ConfigError("a track of supervised or open, most and scenes of 1 or more", got, "Change them")

    @property
    def entry_help(self) -> str:
        """What an entrant should know of the file, as markdown."""
        return ENTRY_HELP.format(most=self.most, score=SCORED[self.track])

    def fingerprint(self) -> list[str]:
        """Digests of the files."""
        return [digest_of(name) for name in (self.labels, self.test_labels, self.tree, self.train) if name]

    @property
    def judge(self) -> DetectionJudge:
        """Average precision."""
        return DetectionJudge(
            track=self.track, most=self.most, resamples=self.resamples, seed=self.seed, stored=self.stored
        )

    def tasks(self, split: str) -> Iterable[Task]:
        """One task: the images, the categories, and what to learn from; none where the files are another split's."""
        self.visibility(split)
        if self._filed and not self._place(split):
            return []
        data = self._posed(split) if self._filed else self._drawn(split)
        return [Task(split, {"track": self.track, "most": self.most, "split": split, **data})]

    def _drawn(self, split: str) -> dict[str, Any]:
        learned = [drawing.scene(self.seed, "train", k) for k in range(TRAIN)]
        asked = self._scenes(split)
        train = drawing.annotated(learned, novel=self.track == "supervised")
        return {
            "images": drawing.told_images(asked, 1),
            "categories": train["categories"],
            "train": {"images": drawing.told_images(learned, 1), "annotations": train["annotations"]},
            "tree": [list(pair) for pair in drawing.edges()],
        }

    def _scenes(self, split: str) -> list[drawing.Scene]:
        return [drawing.scene(self.seed, split, k) for k in range(self.scenes)]

    @property
    def _filed(self) -> bool:
        return bool(self.labels or self.test_labels)

    def _place(self, split: str) -> str:
        return self.labels if split == "val" else self.test_labels

    def _posed(self, split: str) -> dict[str, Any]:
        place = self._place(split)
        labels = _labels(place, digest_of(place))
        images = zip(labels.images.tolist(), labels.names, labels.sizes.tolist(), strict=True)
        kinds = zip(labels.categories.tolist(), labels.category_names, labels.novel.tolist(), strict=True)
        return {
            "images": [{"id": k, "file_name": name, "width": w, "height": h} for k, name, (w, h) in images],
            "categories": [{"id": k, "name": name, "novel": novel} for k, name, novel in kinds],
            "root": self.root,
            "train_file": self.train,
            "tree_file": self.tree,
        }

    def keys(self, tasks: Sequence[Task]) -> Sequence[Key]:
        """Where the boxes are; of generated scenes, the boxes."""
        return [self._key(str(task.data["split"])) for task in tasks]

    def _key(self, split: str) -> Key:
        if not self._filed:
            return {"annotations": json.dumps(drawing.annotated(self._scenes(split)))}
        place = self._place(split)
        return {"labels": place, "tree": self.tree, "digest": digest_of(place)}

    def entry_problem(self, task: Task, content: Json | Blob) -> str | None:
        """What is wrong with an answer as far as anybody may know: said before it is judged, without a key."""
        told: Any = task.data
        try:
            ids = _without_boxes(told["images"], told["categories"])
            read_answer(content, ids, most=self.most, stored=self.stored, keep=True)
        except FileProblemError as problem:
            return str(problem)
        return None

    def secrets(self, tasks: Sequence[Task]) -> list[str]:
        """Boxes with their images, as they would be written."""
        found = []
        for task in tasks:
            key = self._key(str(task.data["split"]))
            truths = known(key)[0].truths if "labels" in key else None
            if truths is None:
                found += [canonical(each) for each in json.loads(key["annotations"])["annotations"]]
            else:
                found += [canonical(box) for box in truths.box[:500].tolist()]
        return found

    def probes(self, tasks: Sequence[Task]) -> Probes:
        """The boxes that are there reach 1; nothing, boxes of all categories everywhere, and no list gain nothing."""
        (task,) = tasks[:1]
        labels, _ = known(self._key(str(task.data["split"])))
        everywhere: list[Any] = [
            {"image_id": image, "category_id": kind, "bbox": [0, 0, *size], "score": 1.0}
            for image, size in zip(labels.images[:50].tolist(), labels.sizes[:50].tolist())
            for kind in labels.categories[: self.most].tolist()
        ]
        one = {"image_id": int(labels.images[0]), "category_id": int(labels.categories[0]), "bbox": [0, 0, 9, 9]}
        wrong: list[Any] = [
            None, "", {}, "[]]", 1.0, [None], [one], [{**one, "score": "1"}], [{**one, "score": 1, "image_id": "1"}],
            [{**one, "score": 1, "image_id": -1}], [{**one, "score": 1, "bbox": [0, 0, -1, 5]}],
        ]  # fmt: skip
        cheats = {"what is no result file": [Answer(task.id, each) for each in wrong]}
        if not self._filed:
            cheats["every category everywhere"] = [Answer(task.id, everywhere)]
        return Probes(
            oracle=[Answer(task.id, oracle(labels, self.most))],
            nothing=[Answer(task.id, [])],
            cheats=cheats,
            top=0.98 if self._filed else 1.0,
        )

    def landmarks(self, task: Task) -> Sequence[Landmark]:
        """The authors' baselines on the validation set, beside results on files."""
        if not self._filed:
            return ()
        if self.track == "supervised":
            return [Landmark(f"{name}, val", value, "AP", "arXiv 2304.03752") for name, value in PUBLISHED]
        return [
            Landmark(f"{name}, val", value, measure, "arXiv 2304.03752")
            for name, base, novel in OPEN
            for measure, value in (("AP_base", base), ("AP_novel", novel), ("OVD", (base + 3 * novel) / 4))
        ]

    def pictures(self, task: Task, answer: Answer) -> Sequence[Picture]:
        """The first images in which something was found, with the surest detections; images of files need a root."""
        told: Any = task.data
        labels = _without_boxes(told["images"], told["categories"])
        try:
            found = read_answer(answer.content, labels, most=self.most, stored=self.stored)
            shown = {k: self._pixels(told["images"], int(labels.images[k])) for k in shown_images(found)}
        except ConfigError:  # no result file, or no picture where the task says
            return ()
        if not shown:
            return ()
        page = sheet(shown, found, labels.category_names)
        return (Picture("The first images, with the surest detections of each", "image/png", page),)

    def _pixels(self, images: Sequence[Mapping[str, Any]], image: int) -> drawing.Pixels:
        told = next(each for each in images if each["id"] == image)
        if "png" in told:
            return drawing.pixels_of(told["png"])
        if not self.root:
            raise ConfigError("a folder of images", "none is named", "Set --root")
        root = Path(self.root)
        return read_image(root, found_name(root, told["file_name"]))


def oracle(labels: Labels, most: int = MOST) -> Any:
    """The result list of a detector that knows the labels; crowds and what is above the limit are left out."""
    truths = labels.truths.take(~labels.truths.ignore)
    seen: set[Any] = set()
    counts: dict[int, int] = {}
    kept = []
    for k, row in enumerate(zip(truths.image.tolist(), truths.category.tolist(), map(tuple, truths.box.tolist()))):
        if row not in seen and counts.get(row[0], 0) < most:
            seen.add(row)
            counts[row[0]] = counts.get(row[0], 0) + 1
            kept.append(k)
    some = truths.take(kept)
    whole = Detections.of(some.image, some.category, some.box, [1.0] * len(some))
    return json.loads(results_of(whole, labels))


def _without_boxes(images: Sequence[Mapping[str, Any]], categories: Sequence[Mapping[str, Any]]) -> Labels:
    shown = [{name: each[name] for name in ("id", "file_name", "width", "height")} for each in images]
    return read_labels(json.dumps({"images": shown, "categories": list(categories)}).encode())


def digest_of(place: str) -> str:
    """SHA-256 of a file; of one that has not changed it is computed once.

    Raises:
        ConfigError: it is not there.
    """
    try:
        told = Path(place).stat()
    except OSError:
        raise ConfigError("a file of the data set", f"{Path(place).name} is not there", "Check the path") from None
    return _digest(place, told.st_mtime_ns, told.st_size)


@lru_cache(maxsize=64)
def _digest(place: str, _changed: int, _size: int) -> str:
    with Path(place).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
