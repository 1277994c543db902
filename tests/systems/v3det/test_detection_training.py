"""Heads, losses and sampling against their formulas; the fast judge against the literal one, trees included."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

pytest.importorskip("msgspec")

from guerdon.core.rng import stream
from guerdon.systems.v3det import training
from guerdon.systems.v3det.classify import best_classes, cosines, ridge, word_vectors
from guerdon.systems.v3det.exact import differences
from guerdon.systems.v3det.load import labels_like


def test_the_fast_judge_is_the_literal_one() -> None:
    worst, judged = differences(range(5_000, 5_030))
    assert judged > 100
    assert worst < 1e-12


def test_rare_categories_are_sampled_more_often() -> None:
    labels = labels_like(400, 1_200, 60, seed=4)
    factors = training.repeat_factors(labels, rare=0.05)
    for image in range(40):
        kinds = labels.truths.category[labels.truths.image == image]
        share = labels.frequencies[kinds] / 400
        wanted = max([1.0, *(math.sqrt(0.05 / each) for each in share)])
        assert factors[image] == pytest.approx(wanted)
    some = training.epoch(np.full(2000, 1.25), stream(0, "epoch"))
    assert len(some) == pytest.approx(2500, abs=80)
    assert np.bincount(some).min() == 1


def test_boxes_on_top_of_each_other_are_moved_a_little() -> None:
    boxes = [[0, 0, 100, 50], [0, 0, 100, 50], [300, 300, 10, 10]]
    moved = training.jittered(boxes, stream(0, "jitter"))
    assert moved[[0, 2]].tolist() == [boxes[0], boxes[2]]
    assert 0 < np.abs(moved[1] - boxes[1]).max() <= 1


def test_ridge_is_the_same_in_both_of_its_forms() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(12, 30)), rng.normal(size=(12, 3))
    wide = ridge(x, y, 0.1)
    tall = ridge(np.repeat(x, 4, 0), np.repeat(y, 4, 0), 0.1)  # the same sums, times four, in the other form
    np.testing.assert_allclose(wide(x), tall(x), atol=1e-9)


def test_names_share_words() -> None:
    vectors = word_vectors(["red disc", "blue disc", "disc", "ring"])
    assert cosines(vectors, vectors)[0].round(3).tolist() == [1.0, 0.5, 0.707, 0.0]
    rows, classes = best_classes(np.array([[0.1, 0.9, 0.5]]), 2)
    assert (rows.tolist(), classes.tolist()) == ([0, 0], [1, 2])


def test_heads_and_losses_follow_their_formulas() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    x = torch.randn(5, 8)
    head: Any = training.cosine_head(8, 3)
    cosine = torch.nn.functional.cosine_similarity(x[:, None], head.weight[None], dim=-1)
    torch.testing.assert_close(head(x), 50 * cosine + math.log(0.01 / 0.99))
    text: Any = training.text_head(np.eye(3), 8)
    assert text(x).shape == (5, 3)
    assert not text.vectors.requires_grad
    assert text.bias.item() == pytest.approx(-4.6)
    logits, category = torch.randn(4, 3), torch.tensor([0, 2, -1, 1])
    target = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, 0, 0], [0, 1, 0]])
    p = logits.sigmoid()
    wanted = -(target * p.log() + (1 - target) * (1 - p).log())
    torch.testing.assert_close(training.sigmoid_loss(logits, category), wanted.sum(-1).mean())
    mask = torch.tensor([1.0, 0.0, 1.0])
    torch.testing.assert_close(training.sigmoid_loss(logits, category, mask), (wanted * mask).sum(-1).mean())
    boxes = torch.tensor([[0, 0, 2, 2], [0, 0, 9, 1], [0, 0, 1, 1], [0.0, 0, 2, 3]])
    torch.testing.assert_close(training.max_size_loss(logits, boxes, torch.tensor([2])), wanted_of(logits[1], 2))


def wanted_of(logits: Any, label: int) -> Any:
    p = logits.sigmoid()
    each = [-(p[k].log() if k == label else (1 - p[k]).log()) for k in range(len(p))]
    return sum(each)
