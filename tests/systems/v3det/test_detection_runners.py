"""Runners on tiny random models: their boxes are those that the libraries' own post-processing gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("msgspec")

import torch
import transformers

from guerdon.core.errors import ConfigError
from guerdon.systems.v3det import runners
from guerdon.systems.v3det.runners import DetrDetector, Found, OwlDetector, TorchvisionDetector, places_of

NAMES = ["cat", "dog", "cow"]


def pictures() -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (h, w, 3), dtype=np.uint8) for h, w in ((64, 48), (64, 48))]


def prepare(some: list[Any]) -> dict[str, Any]:
    return {"pixel_values": torch.stack([torch.from_numpy(each).permute(2, 0, 1).float() / 255 for each in some])}


def tiny_detr() -> Any:
    torch.manual_seed(0)
    backbone = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], layer_type="basic", out_features=["stage4"]
    )
    config = transformers.DetrConfig(
        use_timm_backbone=False, backbone_config=backbone, num_queries=7, d_model=16, encoder_layers=1,
        decoder_layers=1, encoder_ffn_dim=16, decoder_ffn_dim=16, encoder_attention_heads=2,
        decoder_attention_heads=2, num_labels=3, use_pretrained_backbone=False, backbone=None,
    )  # fmt: skip
    return transformers.DetrForObjectDetection(config).eval()


def test_detr_gives_what_its_own_post_processing_gives() -> None:
    model = tiny_detr()
    detector = DetrDetector(model, prepare, np.arange(3))
    some = pictures()
    found = detector(some)
    assert len(found[0].score) == 7 * 3
    with torch.inference_mode():
        told = model(**prepare(some))
    chance = told.logits.softmax(-1)[..., :-1]
    assert found[1].score[0] == pytest.approx(float(chance[1].max()))
    middle_x, middle_y, width, height = told.pred_boxes[1, int(chance[1].max(-1).values.argmax())].tolist()
    wanted = np.array([middle_x - width / 2, middle_y - height / 2, middle_x + width / 2, middle_y + height / 2])
    np.testing.assert_allclose(found[1].corners[0], wanted * [48, 64, 48, 64], rtol=1e-5)


def test_labels_that_are_no_category_are_left_out() -> None:
    detector = DetrDetector(tiny_detr(), prepare, places_of(["cow", "tree", "cat"], ["cat", "dog", "cow", "hen"]))
    rows = list(runners.detections(detector, [({"id": k}, each) for k, each in enumerate(pictures())]))
    assert rows
    assert {row["category_id"] for row in rows} <= {0, 2}


def test_a_saved_model_is_run_from_its_folder(tmp_path: Path) -> None:
    tiny_detr().save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(
        json.dumps({"image_processor_type": "DetrImageProcessor", "size": {"shortest_edge": 40, "longest_edge": 64}})
    )
    try:
        detector = DetrDetector.of(tmp_path, NAMES)
    except ImportError as error:  # of torchvision, where transformers needs it to read pictures
        pytest.skip(str(error).strip()[:80])
    assert len(detector(pictures())[0].score) == 21


@pytest.mark.parametrize("kind", ["OwlViT", "Owlv2"])
def test_owl_reads_names_and_pictures_once_each(kind: str) -> None:
    torch.manual_seed(0)
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = getattr(transformers, f"{kind}Config")(
        text_config={**small, "vocab_size": 30, "max_position_embeddings": 6},
        vision_config={**small, "image_size": 32, "patch_size": 8},
        projection_dim=16,
    )
    model = getattr(transformers, f"{kind}ForObjectDetection")(config).eval()
    ids = torch.tensor([[1, 5, 9, 29], [1, 7, 8, 29], [1, 3, 2, 29]])

    def tokens(texts: list[str]) -> dict[str, Any]:
        return {"input_ids": ids[: len(texts)], "attention_mask": torch.ones_like(ids[: len(texts)])}

    def square(some: list[Any]) -> Any:
        return prepare([each[:32, :32] for each in some])["pixel_values"]

    queries = runners.text_queries(model, tokens, NAMES)
    some = pictures()
    found = OwlDetector(model, square, queries, square=kind == "Owlv2")(some)
    with torch.inference_mode():
        told = model(
            input_ids=ids.repeat(2, 1), pixel_values=square(some), attention_mask=torch.ones_like(ids.repeat(2, 1))
        )
    scores = told.logits.sigmoid()
    assert len(found) == 2
    np.testing.assert_allclose(np.sort(found[1].score), np.sort(scores[1].flatten().numpy()), rtol=1e-4)
    best = int(scores[1].flatten().argmax())
    assert found[1].category[0] == best % 3
    processor: Any = getattr(transformers, f"{kind}ImageProcessorPil", None)
    processor = (processor or getattr(transformers, f"{kind}ImageProcessor"))()
    theirs = processor.post_process_object_detection(told, 0.0, [each.shape[:2] for each in some])
    np.testing.assert_allclose(found[1].corners[0], theirs[1]["boxes"][best // 3], rtol=1e-4, atol=1e-3)


class Fixed(torch.nn.Module):  # type: ignore[misc,name-defined]
    """A detector with torchvision's interface."""

    def forward(self, pictures: Any) -> Any:
        corners = torch.tensor([[1.0, 2, 5, 9], [0, 0, 4, 4], [-5, 0, 400, 4], [3, 3, 3, 8]])
        scores = torch.tensor([0.9, 0.00001, 0.5, 0.7])
        return [{"boxes": corners, "labels": torch.tensor([2, 1, 1, 1]), "scores": scores} for _ in pictures]


def test_results_are_written_as_the_judge_reads_them(tmp_path: Path) -> None:
    from guerdon.vision.coco import read_labels
    from guerdon.vision.submission import read_submission

    detector = TorchvisionDetector.of(Fixed(), 3)
    rows = runners.detections(detector, [({"id": 10 + k}, each) for k, each in enumerate(pictures())], batch=1)
    assert runners.write_results(rows, [4, 6, 8], tmp_path / "r.json") == 4
    told = {"images": [{"id": 10}, {"id": 11}], "categories": [{"id": k} for k in (4, 6, 8)]}
    found = read_submission(tmp_path / "r.json", read_labels(json.dumps(told).encode()))
    assert found.category.tolist() == [1, 0, 1, 0]  # the surest first; unsure and empty boxes are gone
    assert found.box[:2].tolist() == [[1, 2, 4, 7], [0, 0, 48, 4]]  # inside of the picture


def test_no_label_of_a_model_is_a_category() -> None:
    with pytest.raises(ConfigError, match="a model that knows categories"):
        places_of(["LABEL_0", "LABEL_1"], NAMES)
    assert places_of(["x", "x", "y"], NAMES).tolist() == [0, 1, 2]
    assert places_of(["cat", "crane"], ["crane", "crane", "cat"]).tolist() == [2, -1]


def test_not_more_than_the_limit_is_kept() -> None:
    def many(pictures: Any) -> Any:
        n = 400
        corners = np.stack([np.zeros(n), np.zeros(n), np.linspace(1, 48, n), np.ones(n)], 1)
        return [Found(corners, np.zeros(n, int), np.linspace(0.1, 1, n)) for _ in pictures]

    rows = list(runners.detections(many, [({"id": 1}, pictures()[0])]))
    assert len(rows) == 300
    assert rows[0]["score"] == 1.0


def test_what_rounding_makes_alike_is_written_once() -> None:
    def near(pictures: Any) -> Any:
        corners = np.array([[1.0, 1, 5, 5], [1.001, 1, 5, 5], [1.0, 1, 5, 5], [2, 2, 2.001, 9]])
        return [Found(corners, np.array([0, 0, 1, 0]), np.array([0.5, 0.6, 0.7, 0.8])) for _ in pictures]

    rows = list(runners.detections(near, [({"id": 1}, pictures()[0])]))
    assert [(row["category_id"], row["score"]) for row in rows] == [(1, 0.7), (0, 0.6)]


@pytest.mark.parametrize("cut", range(0, 330, 7))
def test_a_run_that_was_broken_off_anywhere_goes_on(cut: int, tmp_path: Path) -> None:
    def corners(some: Any) -> Any:
        return [Found(np.array([[1.0, 1, 5, 5], [2.0, 2, 9, 9]]), np.array([0, 1]), np.array([0.5, 0.6])) for _ in some]

    ids, whole, part = [7, 3, 9], tmp_path / "whole.json", tmp_path / "part.json"

    def rows(first: int) -> Any:
        return runners.detections(corners, [({"id": each}, pictures()[0]) for each in ids[first:]], batch=1)

    assert runners.write_results(rows(0), [4, 6], whole) == 6
    part.write_bytes(whole.read_bytes()[:cut])
    done, after = runners.go_on(part, ids)
    assert after == 2 * done
    assert runners.write_results(rows(done), [4, 6], part, after) == 6
    assert part.read_bytes() == whole.read_bytes()
