"""A text world small enough to know everything about: 48 words, answers of up to 16, and a gold reward that is code.

    prompt = (topic, style)      what to write about, and how long
    answer = words, then END     padded with PAD

The gold reward is a weighted sum of five dimensions, each larger when better. Two of them (which words are good, which
words go together) are drawn from the seed and must be learned; three are simple and easy to overdo. So a reward model
that learned from few or noisy labels is right on ordinary answers and wrong on those that please it most: the default
weights were chosen, on seeds 102 and 103, so that one small model trained on 3,000 noisy pairs over-optimises.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]

PAD, END = 0, 1
TOPICS = ("sea", "kitchen", "garden", "music", "night", "workshop")
STYLES = ("brief", "short", "long", "full")
LENGTHS = (5, 8, 11, 14)
"""Words that an answer in each style should have."""
WORDS = (
    "wave tide sail harbour anchor gull shell drift",
    "bread salt oven spoon butter pepper kettle stew",
    "rose moss spade hedge pear seed fern bloom",
    "drum flute chord song rhythm violin chorus tune",
    "moon star owl lantern shadow dream frost silence",
    "hammer nail saw plank glue chisel vise sawdust",
)
VOCABULARY = ("<pad>", "<end>", *TOPICS, *STYLES, *(word for topic in WORDS for word in topic.split()))
"""The text of each id: padding, end, 6 topics, 4 styles, and 48 words, 8 of each topic."""
FIRST_TOPIC, FIRST_STYLE = 2, 2 + len(TOPICS)
FIRST_WORD = FIRST_STYLE + len(STYLES)
N_WORDS = len(VOCABULARY) - FIRST_WORD
PER_TOPIC = N_WORDS // len(TOPICS)
LONGEST = 16
"""Most words of an answer; with END it has at most one more token."""
DIMENSIONS = ("relevance", "coherence", "quality", "variety", "length")
_IDS = {word: k for k, word in enumerate(VOCABULARY)}
_JUNK = -3.0  # quality of a token that is no word


@dataclass(frozen=True, kw_only=True)
class TinyText:
    """One such world; equal fields are equal worlds on every machine.

    Args:
        seed: draws the hidden tables.
        weights: of the five `DIMENSIONS` in the gold reward.
        sweet_spot: the best share of on-topic words; more is worse again.
        tolerance: how far from it a share is worth nothing.
        mean: of the raw gold reward, subtracted; `calibrated` sets it.
        sd: of the raw gold reward, divided by; `calibrated` sets it.

    >>> world = TinyText(seed=7)
    >>> prompts = world.prompts(3, stream(7, "prompts"))
    >>> answers = world.demonstrations(prompts, stream(7, "answers"))
    >>> world.gold(prompts, answers).shape, world.dimensions(prompts, answers).shape
    ((3,), (3, 5))
    """

    seed: int = 0
    weights: tuple[float, ...] = (0.7, 1.0, 0.8, 1.5, 0.7)
    sweet_spot: float = 0.6
    tolerance: float = 0.4
    mean: float = 0.0
    sd: float = 1.0

    def __post_init__(self) -> None:
        if len(self.weights) != len(DIMENSIONS) or not 0 < self.sweet_spot < 1 or not min(self.tolerance, self.sd) > 0:
            got = f"got {self.weights}, {self.sweet_spot}, {self.tolerance} and {self.sd}"
            raise ConfigError("five weights, a sweet spot within 0 and 1, tolerance and sd above 0", got, "Change them")

    @cached_property
    def bigrams(self) -> Floats:
        """(48, 48) hidden: how well the second word follows the first; mean 0, sd 1."""
        drawn = stream(self.seed, "tiny-text", "bigrams").standard_normal((N_WORDS, N_WORDS))
        return _standardised(drawn)

    @cached_property
    def qualities(self) -> Floats:
        """(48,) hidden: how good each word is; mean 0, sd 1."""
        drawn = stream(self.seed, "tiny-text", "qualities").standard_normal(N_WORDS)
        return _standardised(drawn)

    # ---- prompts and demonstrations ----------------------------------------------------------------------------------

    def prompts(self, n: int, rng: Rng) -> Ints:
        """(n, 2) ids of a topic and a style each."""
        topics = FIRST_TOPIC + rng.integers(len(TOPICS), size=n)
        return np.stack([topics, FIRST_STYLE + rng.integers(len(STYLES), size=n)], 1)

    def demonstrations(self, prompts: npt.ArrayLike, rng: Rng, *, skill: float = 0.5) -> Ints:
        """Answers as people would write them: on topic for the most part, with some sense for what goes well.

        The next word is drawn with probability proportional to `exp(a * on_topic + skill * (bigram + quality))`,
        where a lets a share of 0.5 be on topic; the number of words is about what the style wants.

        Args:
            prompts: (n, 2).
            rng: draws them.
            skill: 0 knows nothing of the hidden tables; 1 much.

        Returns:
            (n, 17) ids: words, END, padding.
        """
        asked = self._prompts(prompts)
        n = len(asked)
        on_topic = _topic_of_word()[None, :] == (asked[:, :1] - FIRST_TOPIC)
        a = np.log((N_WORDS - PER_TOPIC) / PER_TOPIC)
        fixed = a * on_topic + skill * self.qualities
        wanted = np.asarray(LENGTHS)[asked[:, 1] - FIRST_STYLE] + rng.integers(-2, 3, size=n)
        draw = rng.random((n, LONGEST))
        words = np.empty((n, LONGEST), np.int64)
        for t in range(LONGEST):
            logits = fixed if t == 0 else fixed + skill * self.bigrams[words[:, t - 1]]
            heap = np.cumsum(np.exp(logits), 1)
            words[:, t] = (heap < draw[:, t, None] * heap[:, -1:]).sum(1)
        return _ended(np.minimum(words, N_WORDS - 1) + FIRST_WORD, np.clip(wanted, 1, LONGEST))

    # ---- the gold reward ---------------------------------------------------------------------------------------------

    def dimensions(self, prompts: npt.ArrayLike, answers: npt.ArrayLike) -> Floats:
        """Each of the five `DIMENSIONS` of each answer.

        relevance: `1 - ((s - s*) / tolerance)^2` of the share s of on-topic words, best at the sweet spot s*.
        coherence: the mean over neighbouring words of the hidden table, 0 for fewer than two words.
        quality: the mean over words of the hidden table; a token that is no word counts as -3.
        variety: minus the share of tokens that occurred before.
        length: minus the relative distance to the number of words that the style wants.

        Args:
            prompts: (n, 2).
            answers: (n, T) ids; what follows the first END or PAD does not count.

        Returns:
            (n, 5).

        Raises:
            ConfigError: the shapes do not fit, or an id is not in the vocabulary.
        """
        asked, ids, count = self._checked(prompts, answers)
        there = np.arange(ids.shape[1]) < count[:, None]
        word = ids - FIRST_WORD
        real = there & (word >= 0)
        word = np.where(real, word, 0)
        some = np.maximum(count, 1)
        share = (real & (word // PER_TOPIC == asked[:, :1] - FIRST_TOPIC)).sum(1) / some
        relevance = 1.0 - ((share - self.sweet_spot) / self.tolerance) ** 2
        pair = real[:, 1:] & real[:, :-1]
        together = np.where(pair, self.bigrams[word[:, :-1], word[:, 1:]], 0.0).sum(1)
        coherence = together / np.maximum(count - 1, 1)
        quality = (np.where(real, self.qualities[word], _JUNK) * there).sum(1) / some
        variety = -_repeated(ids, there) / some
        wanted = np.asarray(LENGTHS)[asked[:, 1] - FIRST_STYLE]
        return np.stack([relevance, coherence, quality, variety, -np.abs(count - wanted) / wanted], 1)

    def gold(self, prompts: npt.ArrayLike, answers: npt.ArrayLike) -> Floats:
        """(n,) the gold reward: the weighted sum of the dimensions, minus `mean`, over `sd`. See `dimensions`."""
        raw: Floats = self.dimensions(prompts, answers) @ np.asarray(self.weights)
        return (raw - self.mean) / self.sd

    def calibrated(self, prompts: npt.ArrayLike, answers: npt.ArrayLike) -> TinyText:
        """The world whose gold reward has mean 0 and sd 1 on these answers: samples of the policy that starts.

        Raises:
            ConfigError: all of them are equally good.
        """
        raw = replace(self, mean=0.0, sd=1.0).gold(prompts, answers)
        if not raw.std() > 1e-9:
            raise ConfigError("answers that differ in reward", f"got {len(raw)} of sd {raw.std()}", "Sample more")
        return replace(self, mean=float(raw.mean()), sd=float(raw.std()))

    # ---- text --------------------------------------------------------------------------------------------------------

    def _prompts(self, prompts: npt.ArrayLike) -> Ints:
        asked = np.asarray(prompts)
        fine = asked.ndim == 2 and asked.shape[1] == 2 and asked.dtype.kind in "iu"
        if fine:
            topics, styles = asked[:, 0] - FIRST_TOPIC, asked[:, 1] - FIRST_STYLE
            fine = bool(((topics >= 0) & (topics < len(TOPICS)) & (styles >= 0) & (styles < len(STYLES))).all())
        if not fine:
            raise ConfigError("prompts are ids of a topic and a style, (n, 2)", f"got {asked.shape}", "Use prompts()")
        return asked.astype(np.int64)

    def _checked(self, prompts: npt.ArrayLike, answers: npt.ArrayLike) -> tuple[Ints, Ints, Ints]:
        asked, ids = self._prompts(prompts), np.asarray(answers)
        if ids.ndim != 2 or len(ids) != len(asked) or ids.dtype.kind not in "iu" or not ids.shape[1]:
            raise ConfigError(f"answers are ids ({len(asked)}, T)", f"got {ids.dtype} {ids.shape}", "Pad with 0")
        if ids.size and not (ids.min() >= 0 and ids.max() < len(VOCABULARY)):
            got = f"got {ids.min()} to {ids.max()}"
            raise ConfigError(f"ids are from 0 to {len(VOCABULARY) - 1}", got, "Use this world's vocabulary")
        return asked, ids.astype(np.int64), lengths(ids)


def lengths(answers: npt.ArrayLike) -> Ints:
    """(n,) tokens before the first END or PAD of answers (n, T)."""
    over = np.asarray(answers) <= END
    found: Ints = np.where(over.any(1), over.argmax(1), over.shape[1]).astype(np.int64)
    return found


def say(ids: Sequence[int] | Ints) -> str:
    """The text of ids, without padding and end.

    >>> say([2, 8, 12, 14, 1, 0])
    'sea brief wave sail'
    """
    return " ".join(VOCABULARY[k] for k in ids if k > END)


def read(text: str) -> list[int]:
    """The ids of a text of known words, without END.

    Raises:
        ConfigError: a word is not known.

    >>> read("sea brief wave sail")
    [2, 8, 12, 14]
    """
    odd = next((word for word in text.split() if word not in _IDS), None)
    if odd is not None:
        raise ConfigError("words of the tiny text world", f"got {odd[:40]!r}", "See VOCABULARY")
    return [_IDS[word] for word in text.split()]


def _topic_of_word() -> Ints:
    topics: Ints = np.arange(N_WORDS) // PER_TOPIC
    return topics


def _standardised(drawn: Floats) -> Floats:
    found: Floats = (drawn - drawn.mean()) / drawn.std()
    return found


def _ended(words: Ints, count: Ints) -> Ints:
    """Words (n, 16) cut to a number of them, with END and padding, (n, 17)."""
    at = np.arange(words.shape[1] + 1)
    longer = np.concatenate([words, np.full((len(words), 1), PAD)], 1)
    return np.where(at < count[:, None], longer, np.where(at == count[:, None], END, PAD))


def _repeated(ids: Ints, there: Any) -> Floats:
    """(n,) tokens that occurred before in the same answer."""
    unlike = -1 - np.arange(ids.shape[1])
    ordered = np.sort(np.where(there, ids, unlike), 1)
    found: Floats = (ordered[:, 1:] == ordered[:, :-1]).sum(1).astype(float)
    return found
