"""The released files: where they are, what is read of them, and what is made from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("msgspec")

from guerdon.core.errors import ConfigError
from guerdon.systems.v3det.files import Folder, base_only, drawn_split, one_label_each, read_categories
from guerdon.systems.v3det.load import BOXES_OF, IMAGES_OF, annotations_of, detections_like, labels_like, long_tail
from guerdon.systems.v3det.tree import CategoryTree
from guerdon.vision.coco import FileProblemError, read_labels

CATEGORIES: list[dict[str, Any]] = [
    {"id": 2, "name": "crane", "name_zh": "鹤", "cat_info": ["a bird"], "cat_info_gpt": "x", "novel": True},
    {"id": 1, "name": "crane", "cat_info": [], "novel": False, "exemplar_image": "exemplar_images/1.jpg"},
]
SET: dict[str, Any] = {
    "images": [{"id": 1, "file_name": "images/a/1.jpg", "extra": [1]}, {"id": 2, "file_name": "images/b/2.jpg"}],
    "categories": CATEGORIES,
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 2, "bbox": [0, 0, 2, 2]},
        {"id": 2, "image_id": 1, "category_id": 1, "bbox": [0, 0, 3, 2], "kept": "as it is"},
        {"id": 3, "image_id": 2, "category_id": 2, "bbox": [0, 0, 2, 2]},
    ],
}
TREE = {
    "categoryid2treeid": {"1": "7", "2": "9"},
    "id2name": {"7": "animal", "8": "bird", "9": "crane"},
    "id2desc": {"9": "wades"},
    "id2synonym_list": {"9": ["crane", "grus"]},
    "id2center_synonym": {"9": "crane"},
    "father2child": {"7": ["8"], "8": ["9"]},
    "child2father": {"8": "7", "9": "8"},
    "ancestor2descendant": {"7": ["8", "9"], "8": ["9"]},
    "descendant2ancestor": {"8": ["7"], "9": ["8", "7"]},
}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    notes = tmp_path / "annotations"
    notes.mkdir()
    (notes / "v3det_2023_v1_val.json").write_text(json.dumps(SET))
    (notes / "v3det_2023_v1_test_image_info.json").write_text(json.dumps({**SET, "annotations": []}))
    (notes / "v3det_2023_v1_category_tree.json").write_text(json.dumps(TREE))
    (tmp_path / "category_name_13204_v3det_2023_v1.txt").write_text("crane\ncrane \n")
    return Folder(tmp_path)


def test_the_folder_is_read(folder: Folder) -> None:
    labels = folder.labels("val")
    assert labels.novel.tolist() == [False, True]
    assert len(folder.labels("test").truths) == 0
    assert folder.names() == ["crane", "crane"]
    assert folder.tree(labels).of_category(1).tolist() == [0]  # the node between is no category
    assert folder.image("images/a/1.jpg", "val") == folder.root.resolve() / "images/a/1.jpg"
    assert folder.image("x.jpg", "test").parent.name == "test"
    assert folder.exemplar(3).name == "3.jpg"
    with pytest.raises(ConfigError, match=r"v3det_2023_v1_train\.json"):
        folder.labels("train")
    with pytest.raises(FileProblemError, match="inside"):
        folder.image("images/../../x.jpg", "val")


def test_categories_are_read_with_all_that_is_said_of_them() -> None:
    one, two = read_categories(json.dumps(SET).encode())
    assert (one.id, one.exemplar, one.info, one.novel) == (1, "exemplar_images/1.jpg", (), False)
    assert (two.name_zh, two.info, two.info_gpt) == ("鹤", ("a bird",), {"cat_info_gpt": "x"})


def test_the_tree_is_walked(folder: Folder) -> None:
    tree = CategoryTree.read(folder.tree_file)
    assert tree.ancestors("9") == ["8", "7"]
    assert tree.descendants("7") == ["8", "9"]
    assert tree.kinds(1) == [2]
    assert tree.path(2) == ["animal", "bird", "crane"]
    assert (tree.synonyms["9"], tree.centres["9"], tree.descriptions["9"]) == (("crane", "grus"), "crane", "wades")
    with pytest.raises(ConfigError, match="the id of a category"):
        tree.node(5)


def test_a_node_among_its_own_descendants_is_no_kind_of_itself(tmp_path: Path) -> None:
    looped = {**TREE, "father2child": {"7": ["9"], "9": ["7"]}, "child2father": {"9": ["7"], "7": ["9"]}}
    (tmp_path / "t.json").write_text(json.dumps(looped))
    tree = CategoryTree.read(tmp_path / "t.json")
    assert tree.kinds(1) == [2]
    assert tree.ancestors("7") == ["9"]
    assert tree.path(1)


def test_base_boxes_are_kept_as_they_are() -> None:
    made = json.loads(base_only(json.dumps(SET).encode()))
    assert made["images"] == SET["images"][:1]
    assert made["annotations"] == SET["annotations"][1:2]
    assert made["categories"] == CATEGORIES


def test_a_box_with_several_labels_becomes_one_for_each() -> None:
    raw = {**SET, "annotations": [{**SET["annotations"][0], "id": 40, "category_id": [2, 1]}]}
    made = json.loads(one_label_each(json.dumps(raw).encode()))["annotations"]
    assert [(each["id"], each["ori_id"], each["category_id"]) for each in made] == [(1, 40, 2), (2, 40, 1)]
    assert made[0]["bbox"] == made[1]["bbox"]


def test_what_is_no_annotation_file_is_said() -> None:
    for source in (b"[]", b'{"images": []}', b"{"):
        with pytest.raises(FileProblemError):
            read_categories(source)
        with pytest.raises(FileProblemError):
            base_only(source)
    for source in (b"[]", b'{"annotations": [1]}', b"{", b"[" * 100_000):
        with pytest.raises(FileProblemError):
            one_label_each(source)


def test_a_random_split_has_as_many_base_categories_as_v3det() -> None:
    assert (~drawn_split(13_204, 3)).sum() == 6_709
    assert not np.array_equal(drawn_split(100, 1), drawn_split(100, 2))


@pytest.mark.parametrize("quantiles", [IMAGES_OF, BOXES_OF])
def test_the_long_tail_has_the_published_quantiles(quantiles: Any) -> None:
    counts = long_tail(13_204, quantiles)
    for share, value in quantiles[1:-1]:
        assert np.quantile(counts, share) == pytest.approx(value, rel=0.02)
    assert counts.max() <= quantiles[-1][1]


def test_generated_load_is_of_the_asked_size_and_round_trips() -> None:
    labels = labels_like(50, 300, 40, seed=2)
    found = detections_like(labels, 30, seed=2)
    assert len(labels.truths) == 300
    assert np.bincount(found.image).tolist() == [30] * 50
    again = read_labels(json.dumps(annotations_of(labels)).encode())
    np.testing.assert_array_equal(again.truths.box, labels.truths.box)
    np.testing.assert_array_equal(again.truths.category, labels.truths.category)
    np.testing.assert_array_equal(again.novel, labels.novel)
