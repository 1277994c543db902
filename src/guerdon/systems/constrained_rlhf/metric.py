"""The published stand-in for people's judgement of dialogue, and its normalisation.

    0.5 * (mean of normalised SacreBLEU, ROUGE-2, BLEU + mean of normalised unique-3, vocabulary, longest response)

Each figure is put on the range that it had in the single-component runs: compute that anew for every setup.
"""

from __future__ import annotations

import importlib
import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from guerdon.core.errors import ConfigError

QUALITY = ("sacrebleu", "rouge2", "bleu")
DIVERSITY = ("unique-3", "vocabulary", "longest")

PUBLISHED_RANGES: Mapping[str, tuple[float, float]] = {
    "bleu": (0.0, 0.004677),
    "sacrebleu": (5.33e-6, 0.110634),
    "rouge2": (0.0, 0.014569),
    "longest": (9.0, 183.0),
    "vocabulary": (41.0, 32_227.0),
    "unique-3": (314.0, 36_880.0),
}
"""Of the released configuration: GPT-2 on its test split of daily_dialog."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """The combined figure of a set of responses.

    Args:
        ranges: lowest and highest value of each figure; see `ranges_of`.
    """

    ranges: Mapping[str, tuple[float, float]] = field(default_factory=lambda: dict(PUBLISHED_RANGES))

    def __call__(self, responses: Sequence[str], references: Sequence[str]) -> float:
        """The combined figure; above 1 or below 0 where a figure leaves its range."""
        return self.combined({**quality(responses, references), **diversity(responses)})

    def combined(self, figures: Mapping[str, float]) -> float:
        """Of figures by name.

        Raises:
            ConfigError: a figure or its range is missing.
        """
        return 0.5 * (self._mean(figures, QUALITY) + self._mean(figures, DIVERSITY))

    def _mean(self, figures: Mapping[str, float], names: Iterable[str]) -> float:
        found = []
        for name in names:
            if name not in figures or name not in self.ranges:
                raise ConfigError(f"a figure and a range of {name}", "one is missing", "Compute all figures first")
            low, high = self.ranges[name]
            found.append((figures[name] - low) / max(high - low, 1e-12))
        return sum(found) / len(found)


def ranges_of(figures: Sequence[Mapping[str, float]]) -> dict[str, tuple[float, float]]:
    """The range of each figure over the evaluations of single-component runs.

    >>> ranges_of([{"bleu": 0.1}, {"bleu": 0.3}])
    {'bleu': (0.1, 0.3)}
    """
    return {name: (min(each[name] for each in figures), max(each[name] for each in figures)) for name in figures[0]}


# ---- diversity -------------------------------------------------------------------------------------------------------


def diversity(responses: Sequence[str]) -> dict[str, float]:
    """Trigrams that occur once, trigrams that are different, and words of the longest response.

    Words are split at spaces in lower case. For the last two punctuation marks are no words, as in the evaluation of
    GEM.

    Args:
        responses: all of a test split.

    >>> diversity(["a b c a b c .", "x"])
    {'unique-3': 3.0, 'vocabulary': 3.0, 'longest': 6.0}
    """
    words = [response.lower().split() for response in responses]
    plain = [[word for word in line if word not in string.punctuation] for line in words]
    return {
        "unique-3": float(sum(1 for count in _counts(words).values() if count == 1)),
        "vocabulary": float(len(_counts(plain))),
        "longest": float(max((len(line) for line in plain), default=0)),
    }


def _counts(lines: Iterable[Sequence[str]], n: int = 3) -> dict[tuple[str, ...], int]:
    found: dict[tuple[str, ...], int] = {}
    for line in lines:
        for at in range(len(line) - n + 1):
            gram = tuple(line[at : at + n])
            found[gram] = found.get(gram, 0) + 1
    return found


# ---- quality: libraries that are there -------------------------------------------------------------------------------


def quality(responses: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """BLEU, SacreBLEU and ROUGE-2 (F1), each from 0 to 1, by `sacrebleu` and `rouge_score`.

    `bleu` is without smoothing, over words split at punctuation; `sacrebleu` is the library's default.

    Raises:
        ConfigError: there are not as many references as responses, or a library is missing.
    """
    if len(responses) != len(references) or not responses:
        got = f"got {len(references)} for {len(responses)}"
        raise ConfigError("a reference for each response", got, "Evaluate prompts that have one")
    sacrebleu, scorer = library("sacrebleu"), library("rouge_score.rouge_scorer", "rouge-score")
    rouge = scorer.RougeScorer(["rouge2"], use_stemmer=False)
    scores = [rouge.score(wanted, given)["rouge2"].fmeasure for given, wanted in zip(responses, references)]
    plain = sacrebleu.BLEU(smooth_method="none", tokenize="13a", force=True)
    return {
        "sacrebleu": sacrebleu.corpus_bleu(list(responses), [list(references)]).score / 100,
        "bleu": plain.corpus_score(list(responses), [list(references)]).score / 100,
        "rouge2": sum(scores) / len(scores),
    }


def meteor(responses: Sequence[str], references: Sequence[str]) -> list[float]:
    """METEOR of each response by itself, from 0 to 1, by NLTK with its WordNet data.

    (The released code gave an episode the mean over all that had finished in its batch so far.)

    Raises:
        ConfigError: NLTK or the data are missing.
    """
    score: Callable[..., float] = library("nltk.translate.meteor_score", "nltk").meteor_score
    try:
        return [
            float(score([wanted.lower().split()], given.lower().split()))
            for given, wanted in zip(responses, references, strict=True)
        ]
    except LookupError:
        got, do = "nltk does not find them", "Run python -m nltk.downloader wordnet, or set NLTK_DATA"
        raise ConfigError("WordNet's data for METEOR", got, do) from None


def library(name: str, package: str | None = None) -> Any:
    """A library that is not always there.

    Raises:
        ConfigError: it is missing.
    """
    try:
        return importlib.import_module(name)
    except ImportError:
        wanted = package or name.partition(".")[0]
        got = f"{wanted} is not installed"
        raise ConfigError(f"{name} for this figure", got, f"Run pip install {wanted}") from None
