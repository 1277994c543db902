"""ConvexDA: replace each preferred response by an extreme rewording of it, so that the budget stays the same.

n rewordings by synonyms -> vectors -> two principal components -> vertices of the convex hull -> one of them
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream
from guerdon.rlhf.contrast import Encoder

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Synonyms: TypeAlias = Callable[[str], Sequence[str]]
"""Other words for a word in lower case; none, where there is none."""
_WORD = re.compile(r"[^\W\d_]+", re.UNICODE)


@dataclass(frozen=True, kw_only=True)
class ConvexDA:
    """Settings of the augmentation (arXiv 2309.16155, section 4.1).

    Where we differ from the released code: it appends the same row once for each vertex; here one vertex, drawn by the
    seed, takes the place of the preferred response.

    Args:
        variants: n rewordings of each response; 5.
        share: of the words that have synonyms, how many are replaced in each; at least one.
        seed: draws rewordings and vertices.
    """

    variants: int = 5
    share: float = 0.5
    seed: int = 0

    def __call__(self, responses: Sequence[str], synonyms: Synonyms, encode: Encoder) -> Augmented:
        """Reword responses; those of equal responses are drawn once, and a vertex for each.

        Args:
            responses: the preferred ones.
            synonyms: other words for a word.
            encode: texts to vectors; of the rewordings.
        """
        places = {text: k for k, text in enumerate(dict.fromkeys(responses))}
        made = [
            [reworded(text, synonyms, self.share, self._rng("words", k, i)) for i in range(self.variants)]
            for text, k in places.items()
        ]
        vectors = np.asarray(encode([text for variants in made for text in variants]), float) if made else np.zeros(0)
        corners = [hull(vectors[k * self.variants : (k + 1) * self.variants]) for k in range(len(made))]
        texts, ways = [], []
        for row, text in enumerate(responses):
            variants, own = made[places[text]], corners[places[text]]
            rng = self._rng("vertex", row)
            texts.append(variants[int(rng.choice(np.arange(self.variants) if own is None else own))])
            ways.append("same" if texts[-1] == text else "random" if own is None else "vertex")
        return Augmented(texts, ways)

    def _rng(self, *name: str | int) -> Rng:
        return stream(self.seed, "convex-da", *name)


@dataclass(frozen=True)
class Augmented:
    """What ConvexDA made.

    Args:
        texts: the rewording of each response.
        ways: of each: "vertex" of the hull, "random" where the hull is degenerate, "same" where nothing changed.
    """

    texts: list[str]
    ways: list[str] = field(repr=False)

    def counts(self) -> dict[str, int]:
        """How many of each way."""
        return {way: self.ways.count(way) for way in ("vertex", "random", "same")}


def reworded(text: str, synonyms: Synonyms, share: float, rng: Rng) -> str:
    """A text with some words replaced by synonyms, in the same case; the same text where there are none.

    >>> reworded("Look at it.", {"look": ("gaze",)}.get, 1.0, stream(0))
    'Gaze at it.'
    """
    places = [(found, options) for found in _WORD.finditer(text) if (options := synonyms(found[0].lower()))]
    if not places:
        return text
    count = max(1, round(share * len(places)))
    chosen = sorted(rng.choice(len(places), size=count, replace=False).tolist(), reverse=True)
    for k in chosen:
        found, options = places[k]
        word = options[int(rng.integers(len(options)))]
        text = text[: found.start()] + (word.capitalize() if found[0][0].isupper() else word) + text[found.end() :]
    return text


def hull(vectors: npt.ArrayLike) -> npt.NDArray[np.int64] | None:
    """Vertices of the convex hull of vectors (n, E) in their first two principal components.

    Returns:
        Their positions; None where there are fewer than three different points or all lie on a line.
    """
    from scipy.spatial import ConvexHull, QhullError

    x = np.asarray(vectors, float)
    x = x - x.mean(0)
    _, sizes, axes = np.linalg.svd(x, full_matrices=False)
    if len(sizes) < 2 or not sizes[1] > 1e-6 * max(float(sizes[0]), 1e-12):
        return None
    plane = x @ axes[:2].T / sizes[:2]
    if len(np.unique(plane.round(9), axis=0)) < 3:
        return None
    try:
        return np.sort(ConvexHull(plane).vertices).astype(np.int64)
    except QhullError:
        return None


# ---- synonyms --------------------------------------------------------------------------------------------------------


def table(words: Mapping[str, Sequence[str]]) -> Synonyms:
    """Synonyms from a table.

    >>> table({"big": ["large"]})("big")
    ['large']
    """
    return lambda word: words.get(word, ())


def read_table(path: str | Path) -> Synonyms:
    """Synonyms from a text file: each line holds words that may stand for one another, by tabs or commas.

    Raises:
        ConfigError: the file cannot be read, or has no such line.
    """
    found: dict[str, list[str]] = {}
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            "a table of synonyms", str(error)[:200], "Give a text file, a group of words a line"
        ) from None
    for line in lines:
        words = [word.strip().lower() for word in re.split(r"[\t,]", line) if word.strip()]
        for word in words:
            found.setdefault(word, []).extend(other for other in words if other != word and other not in found[word])
    if not any(found.values()):
        got = f"got {len(lines)} lines of {Path(path).name} without one"
        raise ConfigError("a group of synonyms in a line", got, "Write words with tabs or commas between")
    return table(found)


def wordnet(folder: str | Path) -> Synonyms:
    """Synonyms from WordNet's own dictionary files, such as those of the Debian package wordnet-base.

    Words of all synsets of a word, of its most frequent part of speech first; single words only.

    Args:
        folder: with `index.noun`, `data.noun` and those of verb, adj and adv.

    Raises:
        ConfigError: the files are not there.
    """
    place = Path(folder)
    parts = [part for part in ("verb", "noun", "adj", "adv") if (place / f"index.{part}").exists()]
    if not parts or not all((place / f"data.{part}").exists() for part in parts):
        do = "Give the folder of index.noun and data.noun, e.g. /usr/share/wordnet"
        raise ConfigError("WordNet's dictionary files", f"{place.name} has none", do)
    index = {part: _index(place / f"index.{part}") for part in parts}
    known: dict[str, list[str]] = {}

    def synonyms(word: str) -> Sequence[str]:
        if word not in known:
            found = [other for part in parts for at in index[part].get(word, ()) for other in _synset(place, part, at)]
            known[word] = [other for other in dict.fromkeys(found) if other != word]
        return known[word]

    return synonyms


def _index(path: Path) -> dict[str, list[int]]:
    """Places of the synsets of each word: `lemma pos n p symbols... n tagged offsets...` (wndb format)."""
    found: dict[str, list[int]] = {}
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            fields = line.split()
            if not line.startswith(" ") and len(fields) > 5:
                found[fields[0]] = [int(at) for at in fields[-int(fields[2]) :]]
    return found


def _synset(folder: Path, part: str, at: int) -> list[str]:
    """Words of a synset: `offset file pos n(hex) word lex_id ...` at a place of the data file."""
    with (folder / f"data.{part}").open("rb") as file:
        file.seek(at)
        fields = file.readline().decode("utf-8", "replace").split()
    if len(fields) < 6 or int(fields[0]) != at:
        raise ConfigError(
            f"a synset at {at} of data.{part}", f"got {fields[:2]}", "Use files of one version of WordNet"
        )
    words = [re.sub(r"\(.*\)", "", word).lower() for word in fields[4 : 4 + 2 * int(fields[3], 16) : 2]]
    return [word for word in words if word.isalpha()]


def of(name: Any) -> Synonyms:
    """Synonyms from a folder of WordNet or a file with a table."""
    return wordnet(name) if Path(name).is_dir() else read_table(name)
