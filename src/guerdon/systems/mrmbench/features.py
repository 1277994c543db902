"""Representations of any transformers reward model, read once and kept as float16."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.prefer.models import HEAD, Backbone, RewardModel, Rows
from guerdon.rlhf.encoding import Pretrained, from_pretrained
from guerdon.systems.mrmbench.tasks import Level, Part, Sample

Halves: TypeAlias = npt.NDArray[np.float16]
Represent: TypeAlias = Callable[[Rows], npt.NDArray[Any]]
"""Rows of token ids to representations (n, D), for models whose head or pooling is their own."""


@dataclass(frozen=True, eq=False)
class Reader:
    """Reads the representation at the last token of a prompt with its response.

    Rows are padded by their lengths, never by looking for the first padding id, so an end token inside an answer cuts
    nothing off.

    Args:
        represent: rows to representations (n, D).
        encoding: prompts and responses to rows, by the model's own chat template where it has one.
        name: of the model, for people and for the names of kept files.
        source: what tells the model from others of that name: where it is, and of a folder, its files' sizes and times.
        reward: rows to rewards (n,), where the model has a head of one row.
    """

    represent: Represent
    encoding: Pretrained
    name: str
    source: str = ""
    reward: Callable[[Rows], npt.NDArray[np.float64]] | None = field(default=None, repr=False)

    @classmethod
    def of(
        cls, where: str | Path, *, longest: int = 2_048, template: str = "", device: str = "", dtype: str = "auto",
        budget: int = 16_384,
    ) -> Reader:  # fmt: skip
        """A reader of a folder or hub id: a reward model, or a language model as a baseline.

        Args:
            where: of the model; only safetensors are read and no code of the model's own is run.
            longest: tokens of a row; its beginning is cut off.
            template: see `Pretrained`; the model's own by default.
            device: such as "cuda"; by default a GPU if there is one.
            dtype: "auto" is as the model was saved.
            budget: tokens that are read at once.

        Raises:
            ConfigError: there is no such model.
        """
        import torch

        place = device or ("cuda" if torch.cuda.is_available() else "cpu")
        options = {"use_safetensors": True, "dtype": dtype}
        model = from_pretrained("AutoModel", where, **options).eval().to(place)
        body = Backbone(model, str(where))
        head = _head(where, options, place)
        weights = {name: each.detach() for name, each in body.module.named_parameters()}
        spare = torch.zeros(body.width, device=place, dtype=next(iter(weights.values())).dtype)
        scoring = RewardModel(body, {**weights, HEAD: spare if head is None else head})
        encoding = Pretrained.of(where, template=template, longest=longest)
        return cls(
            lambda rows: scoring.features(rows, budget=budget),
            encoding,
            Path(str(where)).name,
            _source(where),
            None if head is None else lambda rows: scoring.raw(rows, budget=budget),
        )

    def __call__(self, samples: Sequence[Sample], folder: Path | None = None, name: str = "") -> Halves:
        """(n, D) representations of samples, in float16.

        Args:
            samples: prompts with responses.
            folder: where representations are kept; the same samples are not read again.
            name: of the task, in the names of kept files.

        Raises:
            ConfigError: a representation is too large for float16, or not finite.
        """
        file = None if folder is None else folder / f"{self.name}-{name}-{self._digest(samples)}.npy"
        if file is not None and file.exists():
            return _kept(file)
        rows = self.encoding.rows([each.input for each in samples], [each.output for each in samples])
        with np.errstate(over="ignore"):
            made: Halves = np.asarray(self.represent(rows)).astype(np.float16)
        if not np.isfinite(made).all():
            raise ConfigError("representations within 65,504", "got larger ones or nan", "Give represent= that scales")
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            draft = file.with_name(f".{file.name}.{os.getpid()}.part")
            with draft.open("wb") as part:
                np.save(part, made, allow_pickle=False)
            draft.replace(file)
        return made

    def _digest(self, samples: Sequence[Sample]) -> str:
        """A name for what is read and how."""
        made = hashlib.sha256(repr((self.source, self.encoding.template, self.encoding.longest)).encode())
        for each in samples:
            for text in (each.input, each.output):
                made.update(hashlib.sha256(text.encode("utf-8", "replace")).digest())
        return made.hexdigest()[:16]


def task_name(level: Level, dimension: str, part: Part) -> str:
    """The name of one part of a task in the names of kept files."""
    return f"{level}-{dimension}-{part}"


def _head(where: str | Path, options: dict[str, Any], place: str) -> Any:
    """The head of a classifier of one label called `score`, if the model was saved as one."""
    config = from_pretrained("AutoConfig", where)
    kinds = [str(name) for name in getattr(config, "architectures", None) or ()]
    if not any("SequenceClassification" in name for name in kinds) or getattr(config, "num_labels", 0) != 1:
        return None
    model = from_pretrained("AutoModelForSequenceClassification", where, **options)
    weight = getattr(getattr(model, "score", None), "weight", None)
    return None if weight is None else weight.detach()[0].clone().to(place)


def _source(where: str | Path) -> str:
    folder = Path(where)
    files = sorted(folder.glob("*.safetensors")) + sorted(folder.glob("*.json")) if folder.is_dir() else []
    told = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return repr((str(folder.resolve()) if files else str(where), told))


def _kept(file: Path) -> Halves:
    try:
        found = np.load(file, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ConfigError(f"representations in {file.name}", str(error)[:160], "Delete the file") from None
    return np.asarray(found, np.float16)
