"""Whole detectors from folders: what they write can be handed in; a grounded one reads names as its library does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("msgspec")
pytest.importorskip("PIL")

import torch
import transformers
from PIL import Image

from guerdon.systems.v3det.command import main
from guerdon.systems.v3det.grounding import GroundingDetector, Marks, prompts_of
from guerdon.systems.v3det.runners import DetrDetector
from guerdon.vision.submission import MOST

NAMES = ["Cat", "big dog", "St. Bernard", "cow", "owl"]
WORDS = ["[PAD]", "[UNK]", "cat", "big", "dog", "st", "bernard", "cow", "owl"]
MARKS = Marks(101, 1012, 102)


def tokenizer(folder: Path) -> Any:
    """Words of BERT's vocabulary at the places that Grounding DINO has built in."""
    lines = [*WORDS, *(f"[unused{k}]" for k in range(len(WORDS), 1040))]
    lines[101], lines[102], lines[1012], lines[1029] = "[CLS]", "[SEP]", ".", "?"
    (folder / "vocab.txt").write_text("\n".join(lines))
    return transformers.BertTokenizer(str(folder / "vocab.txt"))


def tiny_grounding(longest: int) -> Any:
    torch.manual_seed(0)
    seen = transformers.SwinConfig(
        image_size=32, patch_size=4, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=2,
        out_indices=[2, 3, 4],
    )  # fmt: skip
    read = transformers.BertConfig(
        vocab_size=1040, max_position_embeddings=64, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2,
    )  # fmt: skip
    config = transformers.GroundingDinoConfig(
        backbone_config=seen, text_config=read, d_model=32, encoder_layers=1, decoder_layers=2, encoder_ffn_dim=16,
        decoder_ffn_dim=16, encoder_attention_heads=2, decoder_attention_heads=2, num_queries=7, max_text_len=longest,
    )  # fmt: skip
    return transformers.GroundingDinoForObjectDetection(config).eval()


def pictures() -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (64, 48, 3), dtype=np.uint8) for _ in range(2)]


def prepare(some: list[Any]) -> dict[str, Any]:
    values = torch.stack([torch.from_numpy(each).permute(2, 0, 1).float() / 255 for each in some])
    return {"pixel_values": values, "pixel_mask": torch.ones(len(some), *some[0].shape[:2], dtype=torch.long)}


def test_names_are_put_together_as_the_library_does(tmp_path: Path) -> None:
    from transformers.models.grounding_dino.modeling_grounding_dino import build_label_maps

    words = tokenizer(tmp_path)
    names = [NAMES[0], NAMES[1], NAMES[3]]
    told = words([name.lower() for name in names], add_special_tokens=False)["input_ids"]
    (prompt,) = prompts_of(told, MARKS, 12)
    assert prompt.ids.tolist() == words("cat. big dog. cow.")["input_ids"]
    (maps,) = build_label_maps(torch.zeros(1, 2, len(prompt.ids)), torch.from_numpy(prompt.ids)[None])
    np.testing.assert_allclose(prompt.share, maps.numpy() / maps.numpy().sum(1, keepdims=True))


def test_a_full_stop_in_a_name_does_not_cut_it_and_long_names_are_cut(tmp_path: Path) -> None:
    told = tokenizer(tmp_path)(["st. bernard", "cow " * 50], add_special_tokens=False)["input_ids"]
    one, two = prompts_of(told, MARKS, 10)
    assert one.ids.tolist() == [101, 5, 6, 1012, 102]
    assert len(two.ids) == 10
    assert [each.places.tolist() for each in (one, two)] == [[0], [1]]


def test_texts_in_turn_find_what_each_finds_alone() -> None:
    model = tiny_grounding(longest=12)
    names = [[2], [3, 4], [5, 6], [7], [8]]
    prompts = list(prompts_of(names, MARKS, 7))
    assert [each.places.tolist() for each in prompts] == [[0, 1], [2, 3], [4]]
    found = GroundingDetector(model, prepare, prompts)(pictures())
    assert len(found) == 2
    assert len(found[0].score) == 7 * len(names) <= MOST
    assert (np.diff(found[1].score) <= 0).all()
    ids = torch.tensor([[101, 8, 1012, 102]] * 2)
    with torch.inference_mode():
        told = model(
            **prepare(pictures()), input_ids=ids, attention_mask=torch.ones_like(ids),
            token_type_ids=torch.zeros_like(ids),
        )  # fmt: skip
    owls = found[1].score[found[1].category == 4]
    np.testing.assert_allclose(owls, np.sort(told.logits[1, :, 1].sigmoid().numpy())[::-1], rtol=1e-5)


def tiny_detr(labels: int) -> Any:
    torch.manual_seed(0)
    backbone = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], layer_type="basic", out_features=["stage4"]
    )
    config = transformers.DetrConfig(
        use_timm_backbone=False, backbone_config=backbone, num_queries=7, d_model=16, encoder_layers=1,
        decoder_layers=1, encoder_ffn_dim=16, decoder_ffn_dim=16, encoder_attention_heads=2,
        decoder_attention_heads=2, num_labels=labels, use_pretrained_backbone=False, backbone=None,
    )  # fmt: skip
    return transformers.DetrForObjectDetection(config)


def saved(kind: str, folder: Path) -> None:
    if kind == "detr":
        tiny_detr(len(NAMES)).save_pretrained(folder)
    else:
        tiny_grounding(longest=12).save_pretrained(folder)
        tokenizer(folder).save_pretrained(folder)
    processor = {"detr": "DetrImageProcessor", "grounding-dino": "GroundingDinoImageProcessor"}[kind]
    size = {"shortest_edge": 96, "longest_edge": 160}
    (folder / "preprocessor_config.json").write_text(json.dumps({"image_processor_type": processor, "size": size}))


@pytest.mark.parametrize("kind", ["detr", "grounding-dino"])
def test_a_folder_of_images_becomes_a_file_that_can_be_handed_in(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "test").mkdir()
    saved(kind, tmp_path / "model")
    told = {
        "images": [{"id": 10 * k, "file_name": f"{k}.png", "width": 48, "height": 64} for k in range(3)],
        "categories": [{"id": k + 4, "name": name} for k, name in enumerate(NAMES)],
    }
    (tmp_path / "info.json").write_text(json.dumps(told))
    for each, pixels in zip(told["images"], [*pictures(), pictures()[0]], strict=True):
        Image.fromarray(pixels).save(tmp_path / "test" / str(each["file_name"]))
    labels, out = str(tmp_path / "info.json"), str(tmp_path / "results.json")
    asked = ["detect", str(tmp_path / "model"), "--kind", kind, "--labels", labels, "--root", str(tmp_path),
             "--batch", "2", "--out", out]  # fmt: skip
    try:
        status = main(asked)
    except ImportError as error:  # of torchvision, where transformers needs it to read pictures
        pytest.skip(str(error).strip()[:80])
    said = capsys.readouterr()
    assert status == 0, said.err
    assert "3 of 3 images" in said.err
    rows = json.loads(Path(out).read_text())
    assert {row["image_id"] for row in rows} == {0, 10, 20}
    assert {row["category_id"] for row in rows} <= set(range(4, 9))
    assert main(["check", out, "--labels", labels]) == 0
    assert not list(tmp_path.glob("*.part"))
    part = tmp_path / "results.json.part"
    part.write_bytes(Path(out).read_bytes()[:-400])
    assert main(asked) == 2
    assert "Add --resume" in capsys.readouterr().err
    assert main([*asked, "--resume"]) == 0
    assert json.loads(Path(out).read_text()) == rows


def test_a_folder_without_a_model_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "info.json").write_text(json.dumps({"images": [{"id": 1}], "categories": [{"id": 1, "name": "cat"}]}))
    asked = ["detect", str(tmp_path), "--labels", str(tmp_path / "info.json"), "--root", ".", "--out", "r.json"]
    assert main(asked) == 2
    assert "Name a folder with config.json" in capsys.readouterr().err


def test_rt_detr_gives_what_its_own_post_processing_gives() -> None:
    torch.manual_seed(0)
    backbone = transformers.RTDetrResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = transformers.RTDetrConfig(
        backbone_config=backbone, encoder_hidden_dim=16, encoder_in_channels=[8, 8, 8], encoder_ffn_dim=16,
        encoder_attention_heads=2, d_model=16, num_queries=7, decoder_in_channels=[16, 16, 16], decoder_ffn_dim=16,
        decoder_layers=1, decoder_attention_heads=2, num_denoising=0, num_labels=3, encoder_layers=1,
    )  # fmt: skip
    model = transformers.RTDetrForObjectDetection(config).eval()
    some = [np.random.default_rng(k).integers(0, 255, (64, 64, 3), dtype=np.uint8) for k in range(2)]
    found = DetrDetector(model, lambda few: {"pixel_values": prepare(few)["pixel_values"]}, np.arange(3))(some)
    with torch.inference_mode():
        told = model(pixel_values=prepare(some)["pixel_values"])
    sizes = [each.shape[:2] for each in some]
    processor: Any = getattr(transformers, "RTDetrImageProcessorPil", None) or transformers.RTDetrImageProcessor
    theirs = processor().post_process_object_detection(told, 0.0, sizes)
    for one, two in zip(found, theirs, strict=True):
        np.testing.assert_allclose(one.score[:7], two["scores"].numpy(), rtol=1e-5)
        np.testing.assert_allclose(one.corners[:7], two["boxes"].numpy(), rtol=1e-4, atol=1e-3)
        assert one.category[:7].tolist() == two["labels"].tolist()
