"""Known detectors that write result files: transformers' DETR family and OWL-ViT, and torchvision's.

    detections(detector, images) -> rows      boxes in pixels, at most 300 of an image, categories by their place

A detector is called with a list of pictures (h, w, 3) and gives `Found` for each.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.systems.v3det.scenes import Pixels
from guerdon.vision.submission import MOST

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
LEAST = 1e-4
"""Score below which nothing is kept (the authors' test setting)."""
AT_ONCE = 512
"""Names that are encoded at once."""


@dataclass(frozen=True, eq=False)
class Found:
    """What a detector found in a picture.

    Args:
        corners: (n, 4) left, top, right and bottom in pixels.
        category: (n,) places of categories.
        score: (n,).
    """

    corners: Floats
    category: Ints
    score: Floats


class Detects(Protocol):
    """A detector."""

    def __call__(self, pictures: Sequence[Pixels]) -> Sequence[Found]:
        """What is in each picture."""


def detections(
    detector: Detects,
    images: Iterable[tuple[Mapping[str, Any], Pixels]],
    *,
    batch: int = 8,
    least: float = LEAST,
    most: int = MOST,
) -> Iterator[dict[str, Any]]:
    """Entries of a result file, image by image, the surest first; `category_id` is the category's place.

    Args:
        detector: finds.
        images: what is known of each (its `id`), and its pixels; read as they are needed.
        batch: pictures at once.
        least: score from which an entry is kept.
        most: entries of an image.
    """
    rest = iter(images)
    while some := list(islice(rest, batch)):
        for (told, pixels), found in zip(some, detector([picture for _, picture in some]), strict=True):
            yield from _entries(told["id"], found, pixels.shape[1], pixels.shape[0], least, most)


def _entries(image: int, found: Found, width: int, height: int, least: float, most: int) -> Iterator[dict[str, Any]]:
    corners = found.corners.clip(0, [width, height, width, height])
    sides = corners[:, 2:] - corners[:, :2]
    good = np.flatnonzero((found.score > least) & (sides > 0).all(1) & np.isfinite(corners).all(1))
    good = good[np.argsort(-found.score[good], kind="stable")]
    written: set[Any] = set()
    for k in good.tolist():
        if len(written) == most:
            return
        box = tuple(round(float(side), 2) for side in (*corners[k, :2], *sides[k]))
        mark = int(found.category[k]), box
        if mark not in written and min(box[2:]) > 0:  # rounding may have made it another's twin, or nothing
            written.add(mark)
            score = round(float(found.score[k]), 6)
            yield {"image_id": image, "category_id": mark[0], "bbox": list(box), "score": score}


def write_results(rows: Iterable[Mapping[str, Any]], ids: Sequence[int], path: Path, after: int = 0) -> int:
    """Write a result file as rows come; returns how many it has.

    Args:
        rows: of `detections`.
        ids: of the categories, by place.
        path: the file.
        after: rows that are in it already; see `go_on`.
    """
    import msgspec

    count = after
    with path.open("ab" if after else "wb") as file:
        if not after:
            file.write(b"[")
        for count, row in enumerate(rows, after + 1):
            file.write(b"\n" if count == 1 else b",\n")
            file.write(msgspec.json.encode({**row, "category_id": ids[row["category_id"]]}))
        file.write(b"\n]\n")
    return count


def go_on(path: Path, images: Sequence[int]) -> tuple[int, int]:
    """Cut what `write_results` had not finished before the image at which it stopped.

    Args:
        path: the file.
        images: ids, in the order in which they are looked at.

    Returns:
        Images that are done, and rows that are left in the file.

    Raises:
        ConfigError: it is about other images.
    """
    last, first_row, start, rows, place = None, 0, 0, 0, 0
    with path.open("rb") as file:
        for line in file:
            image = _image_of(line)
            if image is not None:
                if image != last:
                    last, first_row, start = image, rows, place
                rows += 1
            place += len(line)
    if last is None:
        return 0, 0
    if last not in images:
        raise ConfigError(f"{path.name} of these images", f"it has {last}", "Remove it, or name its own --labels")
    with path.open("r+b") as file:
        file.truncate(max(start - len(b",\n"), 0))
    return list(images).index(last), first_row


def _image_of(line: bytes) -> int | None:
    """Of a whole row of a result file; `None` for anything else."""
    try:
        row = json.loads(line.strip().removesuffix(b","))
    except ValueError:
        return None
    return row.get("image_id") if isinstance(row, dict) else None


@dataclass(frozen=True, eq=False)
class DetrDetector:
    """A model of the DETR family: DETR, Conditional DETR, Deformable DETR, RT-DETR, DAB, D-FINE and their like.

    Every query may be handed in under several categories, as detectors with sigmoids are judged.

    Args:
        model: gives `logits` and `pred_boxes`.
        prepare: pictures to the model's inputs.
        places: (labels,) place of the category of each label, -1 for none.
        device: where the model is.
    """

    model: Any
    prepare: Callable[[list[Pixels]], Mapping[str, Any]]
    places: Ints
    device: str = "cpu"

    @classmethod
    def of(cls, where: str | Path, names: Sequence[str], *, device: str = "cpu") -> DetrDetector:
        """A model by folder or hub id.

        Raises:
            ConfigError: transformers or the model is missing, or none of its labels is a category.
        """
        model = opened("AutoModelForObjectDetection", where).to(device).eval()
        processor = opened("AutoImageProcessor", where)
        labels = [str(model.config.id2label[k]) for k in range(len(model.config.id2label))]

        def prepare(pictures: list[Pixels]) -> Mapping[str, Any]:
            return processor(images=pictures, return_tensors="pt")  # type: ignore[no-any-return]

        return cls(model, prepare, places_of(labels, names), device)

    def __call__(self, pictures: Sequence[Pixels]) -> list[Found]:
        """Boxes of each picture under each category, the surest 300 and more."""
        import torch

        inputs = {name: each.to(self.device) for name, each in self.prepare(list(pictures)).items()}
        with torch.inference_mode():
            told = self.model(**inputs)
        logits = told.logits.float()
        known = len(self.places)
        if logits.shape[-1] == known + 1:  # the last is "no object"
            scores = logits.softmax(-1)[..., :-1]
        else:
            scores = logits[..., :known].sigmoid()
        scores = scores.masked_fill(torch.from_numpy(self.places < 0).to(scores.device), 0.0)
        return [
            surest(score, box, self.places, each.shape)
            for score, box, each in zip(scores, told.pred_boxes.float(), pictures, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class OwlDetector:
    """OWL-ViT, or OWLv2: regions scored by how well they fit each name.

    Names are encoded once, and pictures once each, so that 13,204 names cost one matrix product a picture.

    Args:
        model: `OwlViTForObjectDetection` or `Owlv2ForObjectDetection`.
        prepare: pictures to `pixel_values`.
        queries: (K, d) of the names.
        device: where the model is.
        square: boxes are shares of the square around a picture, as those of OWLv2 are.
    """

    model: Any
    prepare: Callable[[list[Pixels]], Any]
    queries: Any
    device: str = "cpu"
    square: bool = False

    @classmethod
    def of(cls, where: str | Path, prompts: Sequence[str], *, device: str = "cpu") -> OwlDetector:
        """A model by folder or hub id, asked for these texts.

        Raises:
            ConfigError: transformers or the model is missing.
        """
        model = opened("AutoModelForZeroShotObjectDetection", where).to(device).eval()
        processor = opened("AutoProcessor", where)

        def tokens(texts: list[str]) -> Mapping[str, Any]:
            longest = model.config.text_config.max_position_embeddings
            shape: Any = {"padding": "max_length", "truncation": True, "max_length": longest, "return_tensors": "pt"}
            return processor.tokenizer(texts, **shape)  # type: ignore[no-any-return]

        def prepare(pictures: list[Pixels]) -> Any:
            return processor.image_processor(images=pictures, return_tensors="pt")["pixel_values"]

        square = model.config.model_type == "owlv2"
        return cls(model, prepare, text_queries(model, tokens, prompts, device=device), device, square)

    def __call__(self, pictures: Sequence[Pixels]) -> list[Found]:
        """Boxes of each picture under each name."""
        import torch

        values = self.prepare(list(pictures)).to(self.device)
        with torch.inference_mode():
            grid, _ = self.model.image_embedder(pixel_values=values)
            regions = grid.flatten(1, 2)
            logits, _ = self.model.class_predictor(regions, self.queries.expand(len(regions), -1, -1))
            boxes = self.model.box_predictor(regions, grid)
        places = np.arange(self.queries.shape[0])
        return [
            surest(score, box, places, (max(each.shape[:2]),) * 2 if self.square else each.shape)
            for score, box, each in zip(logits.float().sigmoid(), boxes.float(), pictures, strict=True)
        ]


def text_queries(
    model: Any, tokens: Callable[[list[str]], Mapping[str, Any]], prompts: Sequence[str], *, device: str = "cpu"
) -> Any:
    """(K, d) tensor of texts, in pieces.

    Args:
        model: as of `OwlDetector`.
        tokens: texts to `input_ids` and `attention_mask`.
        prompts: the texts.
        device: where the model is.
    """
    import torch

    found = []
    for at in range(0, len(prompts), AT_ONCE):
        inputs = {name: each.to(device) for name, each in tokens(list(prompts[at : at + AT_ONCE])).items()}
        with torch.inference_mode():
            told = getattr(model, model.base_model_prefix).get_text_features(**inputs)
        vectors = told if isinstance(told, torch.Tensor) else told.pooler_output
        found.append(vectors / vectors.norm(dim=-1, keepdim=True))
    return torch.cat(found)


@dataclass(frozen=True, eq=False)
class TorchvisionDetector:
    """A detector of `torchvision.models.detection`, or any model with its interface.

    Args:
        model: takes a list of (3, h, w) from 0 to 1, gives `boxes`, `labels` and `scores` for each.
        places: (labels,) place of the category of each label, -1 for none; label 0 is the ground.
        device: where the model is.
    """

    model: Any
    places: Ints
    device: str = "cpu"

    @classmethod
    def of(cls, model: Any, categories: int, *, device: str = "cpu") -> TorchvisionDetector:
        """A model whose label k + 1 is category k."""
        return cls(model.to(device).eval(), np.arange(-1, categories), device)

    def __call__(self, pictures: Sequence[Pixels]) -> list[Found]:
        """What the model finds; its own limit of detections holds (box_detections_per_img)."""
        import torch

        inputs = [
            torch.from_numpy(np.ascontiguousarray(each)).permute(2, 0, 1).float().div(255).to(self.device)
            for each in pictures
        ]
        with torch.inference_mode():
            told = self.model(inputs)
        found = []
        for each in told:
            place = self.places[each["labels"].cpu().numpy()]
            good = place >= 0
            corners, score = each["boxes"].double().cpu().numpy(), each["scores"].double().cpu().numpy()
            found.append(Found(corners[good], place[good], score[good]))
        return found


def places_of(labels: Sequence[str], names: Sequence[str]) -> Ints:
    """(labels,) place among the categories of each of a model's labels, -1 for none.

    As many labels as categories are taken in their order, whatever they are called: two categories may share a name.
    Otherwise they are found by name, where only one category has it.

    Raises:
        ConfigError: none is a category.

    >>> places_of(["Cat", "cow", "dog"], ["dog", "cat"]).tolist()
    [1, -1, 0]
    """
    if len(labels) == len(names):
        return np.arange(len(names))
    place = _single([name.strip().lower() for name in names])
    found = np.array([place.get(label.strip().lower(), -1) for label in labels], np.int64)
    if not len(found) or (found < 0).all():
        got = f"{len(labels)} labels, the first are {', '.join(labels[:3])}"
        raise ConfigError("a model that knows categories of the data set", got, "Fine-tune it on these categories")
    return found


def _single(names: Sequence[str]) -> dict[str, int]:
    unique, first, counts = np.unique(np.asarray(names), return_index=True, return_counts=True)
    return {str(name): int(at) for name, at, count in zip(unique, first, counts) if count == 1}


def surest(scores: Any, boxes: Any, places: Ints, shape: tuple[int, ...]) -> Found:
    """The surest pairs of query and category; boxes are middles and sizes, as shares of the picture."""
    import torch

    flat = scores.flatten()
    value, at = torch.topk(flat, min(MOST, len(flat)))
    row, label = (at // scores.shape[1]).cpu().numpy(), (at % scores.shape[1]).cpu().numpy()
    middle, size = boxes[row, :2].double().cpu().numpy(), boxes[row, 2:].double().cpu().numpy()
    scale = np.array([shape[1], shape[0], shape[1], shape[0]], float)
    corners = np.concatenate([middle - size / 2, middle + size / 2], 1) * scale
    return Found(corners, places[label], value.double().cpu().numpy())


def opened(kind: str, where: str | Path) -> Any:
    """A part of a model in transformers' layout.

    Args:
        kind: of `transformers`, such as "AutoImageProcessor".
        where: folder or hub id.

    Raises:
        ConfigError: transformers is missing, or there is no such part.
    """
    try:
        import transformers
    except ImportError:
        raise ConfigError("transformers runs these detectors", "it is not installed",
                          'Run pip install "guerdon[train,vision]"') from None  # fmt: skip
    try:
        return getattr(transformers, kind).from_pretrained(where)
    except (OSError, ValueError) as error:
        said = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"a model in {where} for {kind}", said, "Name a folder with config.json, or a hub id"
        ) from None
