"""The folder `V3Det/` as it is released: where each file is, and what is in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from guerdon.core.errors import ConfigError
from guerdon.systems.v3det.scenes import Pixels
from guerdon.vision.coco import FileProblemError, Labels, read_labels
from guerdon.vision.hierarchy import Tree, read_tree

Split = Literal["train", "val", "test", "train_ovd_base"]
CATEGORIES = 13_204
BASE_CATEGORIES = 6_709
_NAMES = "category_name_13204_v3det_2023_v1.txt"


@dataclass(frozen=True, slots=True)
class Category:
    """A category as the annotation files describe it.

    Args:
        id: from 1.
        name: in English; two categories may share it.
        name_zh: in Chinese.
        info: sentences about it.
        info_gpt: sentences written by language models, by the name of the field.
        novel: whether it has no labels in the open-vocabulary track's training set.
        exemplar: file of an example picture, from the root; "" without.
    """

    id: int
    name: str
    name_zh: str = ""
    info: tuple[str, ...] = ()
    info_gpt: Mapping[str, str] | None = None
    novel: bool = False
    exemplar: str = ""


@dataclass(frozen=True)
class Folder:
    """The released folder.

    Args:
        root: that has `images`, `test`, `exemplar_images` and `annotations`.
    """

    root: Path

    def file(self, name: str) -> Path:
        """A file of the annotations.

        Raises:
            ConfigError: it is not there.
        """
        for place in (self.root / "annotations" / name, self.root / name):
            if place.is_file():
                return place
        raise ConfigError(f"the file {name} in {self.root.name}/annotations", "it is not there", "Download it there")

    def annotations(self, split: Split) -> Path:
        """The annotation file of a split; of test, only which images there are was released."""
        return self.file(f"v3det_2023_v1_{'test_image_info' if split == 'test' else split}.json")

    def labels(self, split: Split) -> Labels:
        """Images, categories and boxes of a split; of test, without boxes."""
        return read_labels(self.annotations(split))

    def tree(self, labels: Labels) -> Tree:
        """The tree over the categories of some labels."""
        return read_tree(self.tree_file, labels.categories)

    @property
    def tree_file(self) -> Path:
        """Of the category tree."""
        return self.file("v3det_2023_v1_category_tree.json")

    def names(self) -> list[str]:
        """Names of the categories in the order of their ids, of which the first is 1.

        Raises:
            FileProblemError: a line is empty.
        """
        lines = self.file(_NAMES).read_text("utf-8").splitlines()
        empty = next((k for k, line in enumerate(lines) if not line.strip()), None)
        if empty is not None:
            raise FileProblemError("a name on each line", f"line {empty + 1} of {_NAMES} is empty", "Mend the file")
        return [line.strip() for line in lines]

    def image(self, name: str, split: Split) -> Path:
        """Where an image is; names are relative to the root, or to its folder `images` or `test`."""
        first = "test" if split == "test" else "images"
        inside = name if name.startswith((f"{first}/", f"{first}\\")) else f"{first}/{name}"
        found = (self.root / inside).resolve()
        if not found.is_relative_to(self.root.resolve()):
            raise FileProblemError("a file inside of the data set's folder", f"got {name[:80]!r}", "Correct file_name")
        return found

    def exemplar(self, category: int) -> Path:
        """The example picture of a category, by its id."""
        return self.root / "exemplar_images" / f"{category}.jpg"


def found_name(root: Path, name: str) -> str:
    """The name of an image from the root: as it is told, or below `images` or `test`, wherever there is such a file."""
    return next((each for each in (name, f"images/{name}", f"test/{name}") if (root / each).is_file()), name)


def read_image(root: Path, name: str) -> Pixels:
    """(h, w, 3) pixels of a file under a folder.

    Raises:
        ConfigError: it is outside, missing, or no picture.
    """
    place = (root / name).resolve()
    if not place.is_relative_to(root.resolve()):
        raise ConfigError("an image under the data set's folder", f"got {name[:80]!r}", "Correct file_name")
    try:
        from PIL import Image

        with Image.open(place) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError) as error:
        raise ConfigError("an image that can be read", f"{name}: {error}"[:200], "Check --root") from None


def read_categories(source: Path | bytes) -> list[Category]:
    """What an annotation file says of its categories, by ascending id; nothing else of it is kept in memory.

    Raises:
        FileProblemError: it is not such a file.
    """
    told = _decoded(source, _shapes()["categories"]).categories
    return sorted((_category(each) for each in told), key=lambda each: each.id)


def _category(told: Any) -> Category:
    info = told.cat_info if isinstance(told.cat_info, list) else [told.cat_info]
    written = {name: getattr(told, name) for name in ("cat_info_gpt", "cat_info_gpt4", "cat_info_gpt4v")}
    texts = {name: " ".join(each) if isinstance(each, list) else each for name, each in written.items() if each}
    return Category(
        told.id, told.name, told.name_zh or "", tuple(each for each in info if each), texts, told.novel,
        told.exemplar_image or "",
    )  # fmt: skip


def base_only(source: Path | bytes) -> bytes:
    """The open-vocabulary training set of a training set: base boxes, and the images that have one.

    Boxes and images are copied as they are, whatever else their entries say.

    Raises:
        FileProblemError: it is not an annotation file.
    """
    import msgspec

    told = _decoded(source, _shapes()["raw"])
    novel = {each.id for each in _each(told.categories, "named") if each.novel}
    marks = _each(told.annotations, "of image")
    kept = [k for k, each in enumerate(marks) if each.category_id not in novel]
    images = {marks[k].image_id for k in kept}
    ids = _each(told.images, "named")
    encoded: bytes = msgspec.json.encode(
        {
            "images": [told.images[k] for k, each in enumerate(ids) if each.id in images],
            "categories": told.categories,
            "annotations": [told.annotations[k] for k in kept],
        }
    )
    return encoded


def one_label_each(source: Path | bytes) -> bytes:
    """Early annotations, in which a box may have several categories, with one annotation for each of these.

    The copies have the box's id as `ori_id` and new ids from 1 on.

    Raises:
        FileProblemError: it is not an annotation file.
    """
    import msgspec

    told = _decoded(source, dict[str, Any])
    rows = told.get("annotations")
    if not isinstance(rows, list) or not all(isinstance(each, dict) and "category_id" in each for each in rows):
        got = "it has no list of annotations with a category_id"
        raise FileProblemError("an annotation file", got, "Give a COCO-style file")
    made: list[dict[str, Any]] = []
    for each in rows:
        kinds = each["category_id"] if isinstance(each["category_id"], list) else [each["category_id"]]
        made += [
            {**each, "category_id": kind, "ori_id": each.get("id"), "id": len(made) + k}
            for k, kind in enumerate(kinds, 1)
        ]
    encoded: bytes = msgspec.json.encode({**told, "annotations": made})
    return encoded


def drawn_split(categories: int, seed: int, share: float = BASE_CATEGORIES / CATEGORIES) -> np.ndarray[Any, Any]:
    """(K,) which categories are novel in a random split with a share of base ones, as many as V3Det's by default."""
    novel = np.ones(categories, bool)
    novel[np.random.default_rng([seed, 7]).permutation(categories)[: round(share * categories)]] = False
    return novel


def _each(entries: list[Any], shape: str) -> list[Any]:
    import msgspec

    decode: Callable[[Any], Any] = msgspec.json.Decoder(_shapes()[shape]).decode
    try:
        return [decode(each) for each in entries]
    except msgspec.ValidationError as error:
        raise FileProblemError("an annotation file", str(error), "Give a COCO-style file") from None


def _decoded(source: Path | bytes, shape: Any) -> Any:
    import msgspec

    data = source.read_bytes() if isinstance(source, Path) else source
    try:
        return msgspec.json.decode(data, type=shape)
    except (msgspec.DecodeError, RecursionError) as error:
        raise FileProblemError("an annotation file", str(error)[:200], "Give a COCO-style file") from None


@cache
def _shapes() -> dict[str, Any]:
    import msgspec

    lists: Any = list  # of shapes that are made here
    text = str | None
    texts = list[str] | str | None
    category = msgspec.defstruct(
        "Category",
        [
            ("id", int), ("name", str), ("name_zh", text, None), ("cat_info", list[text] | text, None),
            ("cat_info_gpt", texts, None), ("cat_info_gpt4", texts, None), ("cat_info_gpt4v", texts, None),
            ("novel", bool, False), ("exemplar_image", text, None),
        ],
    )  # fmt: skip
    raws = lists[msgspec.Raw]
    return {
        "categories": msgspec.defstruct("Categories", [("categories", lists[category])]),
        "raw": msgspec.defstruct("Raw", [("images", raws), ("categories", raws), ("annotations", raws)]),
        "named": msgspec.defstruct("Named", [("id", int), ("novel", bool, False)]),
        "of image": msgspec.defstruct("OfImage", [("image_id", int), ("category_id", int)]),
    }
