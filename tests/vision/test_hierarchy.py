"""A kind of what the label says is no mistake; what stands above it is one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from guerdon.core.errors import ConfigError
from guerdon.vision.detections import Detections, Rules, Truths, match
from guerdon.vision.hierarchy import Tree, read_tree, with_kinds
from guerdon.vision.precision import precision

BOX = [[10.0, 10.0, 20.0, 20.0]]


def ap(truths: Truths, found: Detections, tree: Tree) -> list[float]:
    made = precision(match(with_kinds(truths, found, tree), found, len(tree), Rules(most=300)))
    return [float(each) for each in made.average[0, 0]]


def test_a_kind_is_ignored_and_its_twin_is_not() -> None:
    tree = Tree.of(2, [(0, 1)])  # 0 is a bird, 1 a sparrow
    truths = Truths.of([0, 1], [0, 1], BOX * 2)
    sparrows = Detections.of([0, 1], [1, 1], BOX * 2, [0.9, 0.5])
    assert ap(truths, sparrows, tree)[1] == pytest.approx(1.0)
    assert ap(truths, sparrows, Tree.of(2, []))[1] == pytest.approx(0.5)
    twice = Detections.of([0, 0, 1], [1, 1, 1], BOX * 3, [0.9, 0.8, 0.5])
    assert ap(truths, twice, tree)[1] == pytest.approx(0.5)  # one copy takes one detection


def test_what_stands_above_the_label_is_a_mistake() -> None:
    truths = Truths.of([0, 1], [1, 0], BOX * 2)
    found = Detections.of([0, 1], [0, 0], BOX * 2, [0.9, 0.5])
    assert ap(truths, found, Tree.of(2, [(0, 1)]))[0] == pytest.approx(0.5)


def test_copies_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(2)
    tree = Tree.of(7, [(0, 1), (1, 2), (0, 3), (4, 5), (3, 2), (2, 0)])  # a loop, and two ways down
    truths = Truths.of(rng.integers(0, 5, 30), rng.integers(0, 7, 30), rng.random((30, 4)) * 9 + 1)
    found = Detections.of(rng.integers(0, 5, 60), rng.integers(0, 7, 60), rng.random((60, 4)) * 9 + 1, rng.random(60))
    made = with_kinds(truths, found, tree)
    seen = set(zip(found.image.tolist(), found.category.tolist(), strict=True))
    wanted = sorted(
        (int(truths.image[k]), d, tuple(truths.box[k].tolist()))
        for k in range(30)
        for d in range(7)
        if truths.category[k] in tree.of_category(d) and (int(truths.image[k]), d) in seen
    )
    copies = made.take(np.arange(30, len(made)))
    got = sorted(zip(copies.image.tolist(), copies.category.tolist(), map(tuple, copies.box.tolist()), strict=True))
    assert got == wanted
    assert copies.ignore.all()
    assert not any(k in tree.of_category(k) for k in range(7))


def test_reads_v3dets_tree(tmp_path: Path) -> None:
    path = tmp_path / "tree.json"
    told = {
        "categoryid2treeid": {"1": "10", "2": "20", "3": "30"},
        "child2father": {"20": "15", "15": "10", "30": ["20"]},
        "id2name": {"10": "animal"},
    }
    path.write_text(json.dumps(told))
    tree = read_tree(path, [1, 2, 3])
    assert [tree.of_category(k).tolist() for k in range(3)] == [[], [0], [0, 1]]
    path.write_text("[]")
    with pytest.raises(ConfigError, match="a tree of categories"):
        read_tree(path, [1])
