"""Grounding DINO as a detector of any categories: their names are read together with the picture.

A text holds as many names as the model takes tokens (256, some fifty names), and the picture is looked at once for each
text: 13,204 names are about 270 looks at a picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from guerdon.systems.v3det.runners import Found, Ints, opened, surest
from guerdon.systems.v3det.scenes import Pixels
from guerdon.vision.submission import MOST


@dataclass(frozen=True, slots=True)
class Marks:
    """Numbers of the tokens that hold a text together.

    Args:
        first: before it.
        stop: after each name, a full stop.
        last: after it.
    """

    first: int
    stop: int
    last: int


@dataclass(frozen=True, eq=False)
class Prompt:
    """Some names as one text.

    Args:
        ids: (L,) tokens.
        share: (k, L) of each name, how much each token counts: alike, and 1 together.
        places: (k,) of the categories.
    """

    ids: Ints
    share: Any
    places: Ints


def prompts_of(names: Sequence[Sequence[int]], marks: Marks, longest: int) -> Iterator[Prompt]:
    """Texts of as many names as fit, each followed by a full stop; a name that is longer than a text is cut.

    Args:
        names: tokens of each.
        marks: tokens around them.
        longest: tokens of a text at most.

    >>> [each.ids.tolist() for each in prompts_of([[5], [6, 7], [8]], Marks(1, 9, 2), 7)]
    [[1, 5, 9, 6, 7, 9, 2], [1, 8, 9, 2]]
    """
    some: list[tuple[int, Sequence[int]]] = []
    used = 2
    for place, name in enumerate(names):
        tokens = [each for each in name if each != marks.stop][: longest - 3] or [marks.stop]
        if some and used + len(tokens) + 1 > longest:
            yield _prompt(some, marks)
            some, used = [], 2
        some.append((place, tokens))
        used += len(tokens) + 1
    if some:
        yield _prompt(some, marks)


def _prompt(some: Sequence[tuple[int, Sequence[int]]], marks: Marks) -> Prompt:
    ids = [marks.first]
    spans = []
    for _, tokens in some:
        spans.append((len(ids), len(ids) + len(tokens)))
        ids += [*tokens, marks.stop]
    ids.append(marks.last)
    share = np.zeros((len(some), len(ids)), np.float32)
    for line, (low, high) in zip(share, spans, strict=True):
        line[low:high] = 1 / (high - low)
    return Prompt(np.array(ids), share, np.array([place for place, _ in some]))


@dataclass(frozen=True, eq=False)
class GroundingDetector:
    """Grounding DINO: a region is of a category as surely as it fits the tokens of its name on average.

    Args:
        model: `GroundingDinoForObjectDetection`, or another with its inputs and outputs.
        prepare: pictures to `pixel_values` and `pixel_mask`.
        prompts: the names, some at a time.
        device: where the model is.
    """

    model: Any
    prepare: Callable[[list[Pixels]], Mapping[str, Any]]
    prompts: Sequence[Prompt]
    device: str = "cpu"

    @classmethod
    def of(cls, where: str | Path, names: Sequence[str], *, device: str = "cpu") -> GroundingDetector:
        """A model by folder or hub id, asked for these names.

        Raises:
            ConfigError: transformers or the model is missing.
        """
        model = opened("AutoModelForZeroShotObjectDetection", where).to(device).eval()
        pictures, tokenizer = opened("AutoImageProcessor", where), opened("AutoTokenizer", where)
        stop = tokenizer.convert_tokens_to_ids(".")
        told = tokenizer([name.strip().lower() for name in names], add_special_tokens=False)["input_ids"]
        marks = Marks(tokenizer.cls_token_id, stop, tokenizer.sep_token_id)

        def prepare(some: list[Pixels]) -> Mapping[str, Any]:
            return pictures(images=some, return_tensors="pt")  # type: ignore[no-any-return]

        return cls(model, prepare, list(prompts_of(told, marks, model.config.max_text_len)), device)

    def __call__(self, pictures: Sequence[Pixels]) -> list[Found]:
        """Boxes of each picture under each name, the surest 300."""
        inputs = {name: each.to(self.device) for name, each in self.prepare(list(pictures)).items()}
        parts = [self._asked(inputs, prompt, pictures) for prompt in self.prompts]
        return [_merged(one) for one in zip(*parts, strict=True)]

    def _asked(self, inputs: Mapping[str, Any], prompt: Prompt, pictures: Sequence[Pixels]) -> list[Found]:
        import torch

        ids = torch.from_numpy(prompt.ids).to(self.device).expand(len(pictures), -1)
        with torch.inference_mode():
            told = self.model(
                **inputs, input_ids=ids, attention_mask=torch.ones_like(ids), token_type_ids=torch.zeros_like(ids)
            )
        fits = told.logits.float()[..., : len(prompt.ids)].sigmoid()
        scores = fits @ torch.from_numpy(prompt.share).to(fits.device).T
        return [
            surest(score, box, prompt.places, each.shape)
            for score, box, each in zip(scores, told.pred_boxes.float(), pictures, strict=True)
        ]


def _merged(parts: Sequence[Found]) -> Found:
    score = np.concatenate([each.score for each in parts])
    best = np.argsort(-score, kind="stable")[:MOST]
    corners, category = (np.concatenate([getattr(each, name) for each in parts]) for name in ("corners", "category"))
    return Found(corners[best], category[best], score[best])
