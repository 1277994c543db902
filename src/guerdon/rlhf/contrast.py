"""Contrast instructions: does a reward notice that the instruction changed?

    items = contrast_set(instructions, responses, WordVectors.of(instructions))   # two alike instructions, two answers
    found = consistency(items, score)                                             # found.res, found.ins

An item is two instructions that are worded alike and the preferred response to each. A consistent reward prefers r1 to
r2 under i1 (response consistency) and r1 under i1 to r1 under i2 (instruction consistency); chance is one half
(arXiv 2309.16155).
"""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.core.intervals import wilson
from guerdon.prefer.calibration import Estimate

Floats: TypeAlias = npt.NDArray[np.float64]
Encoder: TypeAlias = Callable[[Sequence[str]], npt.ArrayLike]
"""Texts to vectors (n, E)."""
Scorer: TypeAlias = Callable[[Sequence[str], Sequence[str]], npt.ArrayLike]
"""Instructions and responses, side by side, to scores (n,); nan is unknown."""
BAND = (0.75, 0.9)
"""Cosines of the source, for its encoder (SimCSE); another encoder has another scale, see `quantile_band`."""
BLOCK = 1024
_WORD = re.compile(r"\w+", re.UNICODE)


@dataclass(frozen=True, eq=False)
class ContrastSet:
    """n items of two instructions with their preferred responses.

    Args:
        i1: instructions.
        r1: the preferred response to each.
        i2: instructions that are worded like i1.
        r2: the preferred response to each of them.
        cosine: (n,) of the vectors of i1 and i2; nan where it is not known.
    """

    i1: list[str]
    r1: list[str]
    i2: list[str]
    r2: list[str]
    cosine: Floats

    def __len__(self) -> int:
        return len(self.i1)

    def rows(self) -> Iterator[dict[str, object]]:
        """Each item as plain data."""
        for k in range(len(self)):
            cosine = None if math.isnan(self.cosine[k]) else float(self.cosine[k])
            yield {"i1": self.i1[k], "r1": self.r1[k], "i2": self.i2[k], "r2": self.r2[k], "cosine": cosine}

    def take(self, which: Sequence[int] | npt.NDArray[np.int64]) -> ContrastSet:
        """Some items, by position."""
        places = [int(k) for k in which]
        i1, r1, i2, r2 = ([side[k] for k in places] for side in (self.i1, self.r1, self.i2, self.r2))
        return ContrastSet(i1, r1, i2, r2, self.cosine[places])


# ---- making items ----------------------------------------------------------------------------------------------------


def unit(vectors: npt.ArrayLike) -> Floats:
    """Vectors (n, E) of length 1; those of length 0 stay 0.

    Raises:
        ConfigError: they are not finite vectors.
    """
    made = np.asarray(vectors, float)
    if made.ndim != 2 or not np.isfinite(made).all():
        raise ConfigError("finite vectors (n, E) from the encoder", f"got shape {made.shape}", "Encode each text")
    scaled: Floats = made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-12)
    return scaled


def quantile_band(vectors: npt.ArrayLike, low: float = 0.98, high: float = 1.0, *, ceiling: float = 0.98) -> Band:
    """A band of cosines by quantiles over all pairs of texts, for an encoder with a scale of its own.

    Args:
        vectors: (n, E); of more than 2,000 every so many are looked at.
        low: share of pairs that are less alike than the band.
        high: share of pairs that are at most as alike as its end.
        ceiling: of the band in any case: above it are rewordings of one instruction.
    """
    made = unit(vectors)
    made = made[:: max(1, math.ceil(len(made) / 2000))]
    if len(made) < 2:
        raise ConfigError("at least two texts", f"got {len(made)}", "Give more")
    found = (made @ made.T)[np.triu_indices(len(made), 1)]
    ends = np.quantile(found[found <= ceiling] if (found <= ceiling).any() else found, [low, high])
    return float(ends[0]), min(float(ends[1]), ceiling)


Band: TypeAlias = tuple[float, float]


def contrast_set(
    instructions: Sequence[str],
    responses: Sequence[str],
    encode: Encoder,
    band: Band = BAND,
    *,
    limit: int | None = None,
) -> ContrastSet:
    """Items from instructions and their preferred responses: for each instruction its most alike one in the band.

    Equal instructions and pairs whose responses are equal are left out, and so is an item that is there the other way
    round.

    Args:
        instructions: n texts.
        responses: the preferred response to each.
        encode: of instructions.
        band: lowest and highest cosine.
        limit: most items; those with the highest cosines are kept.

    Raises:
        ConfigError: lengths differ, or the encoder gave something else than finite vectors.
    """
    n = len(instructions)
    if len(responses) != n:
        raise ConfigError(f"a response to each of {n} instructions", f"got {len(responses)}", "Align them")
    vectors = unit(encode(list(instructions))) if n else np.zeros((0, 1))
    if len(vectors) != n:
        raise ConfigError(f"a vector for each of {n} instructions", f"got {len(vectors)}", "Encode each text")
    asked, told = _numbered(instructions), _numbered(responses)
    pairs: dict[tuple[int, int], float] = {}
    for start in range(0, n, BLOCK):
        rows = np.arange(start, min(start + BLOCK, n))
        cosines = vectors[rows] @ vectors.T
        usable = (cosines >= band[0]) & (cosines <= band[1])
        usable &= (asked[rows][:, None] != asked) & (told[rows][:, None] != told)
        best = np.where(usable, cosines, -np.inf)
        for k, j in zip(rows.tolist(), best.argmax(1).tolist()):
            if usable[k - start, j] and (j, k) not in pairs:
                pairs[k, j] = float(cosines[k - start, j])
    ordered = sorted(pairs, key=lambda pair: (-pairs[pair], pair))[:limit]
    sides = ([texts[k] for k in places] for places in zip(*ordered) for texts in (instructions, responses))
    i1, r1, i2, r2 = sides if ordered else ([], [], [], [])
    return ContrastSet(i1, r1, i2, r2, np.array([pairs[pair] for pair in ordered], float))


def _numbered(texts: Sequence[str]) -> npt.NDArray[np.int64]:
    """Equal numbers for texts that are equal but for case and white space."""
    known: dict[str, int] = {}
    return np.array([known.setdefault(" ".join(text.lower().split()), len(known)) for text in texts], np.int64)


# ---- measuring -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Consistency:
    """What a reward makes of contrast items.

    Args:
        res: C_res, the share of items with R(i1, r1) > R(i1, r2), with its 95 % interval.
        ins: C_ins, the share with R(i1, r1) > R(i2, r1).
        res_points: (n,) of each item: 1, 0, between for ties and for one of two sides; nan where a score is unknown.
        ins_points: (n,) the same.
        unknown: items without a point in either.
    """

    res: Estimate
    ins: Estimate
    res_points: Floats
    ins_points: Floats
    unknown: int


def consistency(items: ContrastSet, score: Scorer, *, both: bool = True, tie: float = 0.5) -> Consistency:
    """Response and instruction consistency of any scoring function.

    Where we differ from the released scripts: both sides of an item are asked, and a tie is one half.

    Args:
        items: contrast instructions.
        score: scores instructions and responses, side by side; nan is unknown.
        both: ask for the second instruction as well; an item's points are the mean of both sides.
        tie: what equal scores count; 1 in the released scripts.

    Raises:
        ConfigError: the number of scores is another.
    """
    n = len(items)
    asked = [*items.i1, *items.i1, *items.i2, *items.i2]
    scores = np.asarray(score(asked, [*items.r1, *items.r2, *items.r1, *items.r2]), float)
    if scores.shape != (4 * n,):
        raise ConfigError(f"{4 * n} scores", f"got shape {scores.shape}", "Score each row")
    s11, s12, s21, s22 = scores.reshape(4, n)
    sides = [(s11, s12, s21), (s22, s21, s12)][: 2 if both else 1]
    res = np.mean([_points(own, other, tie) for own, other, _ in sides], 0)
    ins = np.mean([_points(own, other, tie) for own, _, other in sides], 0)
    unknown = int((np.isnan(res) | np.isnan(ins)).sum())
    return Consistency(_share(res), _share(ins), res, ins, unknown)


def _points(better: Floats, worse: Floats, tie: float) -> Floats:
    found: Floats = np.where(better == worse, tie, (better > worse).astype(float))
    found[np.isnan(better) | np.isnan(worse)] = math.nan
    return found


def _share(points: Floats) -> Estimate:
    """Wilson's interval over items, which is wide enough for points between 0 and 1 as well."""
    known = points[~np.isnan(points)]
    return Estimate(float(known.mean()) if len(known) else math.nan, *wilson(float(known.sum()), len(known)))


# ---- plain encoder and baseline --------------------------------------------------------------------------------------


def words(text: str) -> list[str]:
    """Words in lower case.

    >>> words("How do I mend a KETTLE?")
    ['how', 'do', 'i', 'mend', 'a', 'kettle']
    """
    return _WORD.findall(text.lower())


@dataclass(frozen=True, eq=False)
class WordVectors:
    """An encoder that needs no model: counts of words, weighted by how rare a word is (tf-idf), hashed.

    It sees only shared words. Cosines are on a scale of their own: take the band from `quantile_band`.

    Args:
        rarity: weight of each known word, log(n / texts with it) + 1.
        unknown: weight of other words.
        width: E, of the vectors.

    >>> encode = WordVectors.of(["mend a kettle", "mend a drum", "eat"])
    >>> np.asarray(encode(["mend a kettle"])).shape
    (1, 2048)
    """

    rarity: dict[str, float]
    unknown: float
    width: int = 2048

    @classmethod
    def of(cls, texts: Sequence[str], width: int = 2048) -> WordVectors:
        """The encoder for some texts."""
        counts = Counter(word for text in texts for word in set(words(text)))
        n = max(len(texts), 1)
        return cls({word: math.log(n / count) + 1 for word, count in counts.items()}, math.log(n) + 1, width)

    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Vectors (n, width) of length 1."""
        made = np.zeros((len(texts), self.width), np.float32)
        for row, text in enumerate(texts):
            for word, count in Counter(words(text)).items():
                place = zlib.crc32(word.encode("utf-8", "replace")) % self.width
                made[row, place] += (1 + math.log(count)) * self.rarity.get(word, self.unknown)
        made /= np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-12)
        return made


def overlap(instructions: Sequence[str], responses: Sequence[str]) -> Floats:
    """The share of an instruction's different words that are in the response: a scorer that understands nothing.

    >>> overlap(["mend the kettle"], ["the kettle leaks"]).round(3).tolist()
    [0.667]
    """
    found = []
    for asked, told in zip(instructions, responses, strict=True):
        wanted = set(words(asked))
        found.append(len(wanted & set(words(told))) / len(wanted) if wanted else 0.0)
    return np.array(found, float)
