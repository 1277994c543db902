"""Released data: contrast files with their sides, human preferences, StackExchange answers, and texts of each task.

The released contrast files are inverted: their read-me calls `*_response_k` the preferred response, but joined with the
released human preferences every `_k` is the less preferred one, and `_j` is what training prefers. So `_j` is taken
here unless a side is named, and `sides` counts what human preferences say of a file.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from guerdon.core.errors import ConfigError
from guerdon.core.reward import Reward
from guerdon.core.task import Answer, Case, Task
from guerdon.prefer.files import rows_of
from guerdon.rlhf.contrast import ContrastSet, Scorer

Side: TypeAlias = Literal["j", "k"]
Row: TypeAlias = Mapping[str, Any]
TEMPLATES: Mapping[str, str] = {
    "stack-exchange": "Question: {q}\n\nAnswer: {r}",
    "wmt": "Please translate the sentences to English: {q}\n\nAnswer: {r}",
    "realsumm": "Summarize the paragraph: {q}\n\nAnswer: {r}",
    "twitter": "Paraphrase the following sentence: {q}\n\nAnswer: {r}",
}
"""How an instruction and a response become one text in each of the released tasks."""


class InvertedSideWarning(UserWarning):
    """The side of a released contrast file deserves a thought."""


def contrast_items(path: str | Path, side: Side | None = None) -> ContrastSet:
    """Items of a released contrast file, or of one in our own columns i1, r1, i2, r2.

    Args:
        path: JSON, JSON lines or parquet.
        side: which responses of a released file are the preferred ones; "j" by default, with a warning. "k", as the
            read-me has it and the released evaluation uses, warns too: it tests with dispreferred responses.

    Raises:
        ConfigError: the file cannot be read, or a row is of neither shape.
    """
    found = [_item(row, line, Path(path).name, side or "j") for line, row in rows_of(path)]
    if any(released for _, released in found) and side != "j":
        warnings.warn(_about(side), InvertedSideWarning, stacklevel=2)
    i1, r1, i2, r2 = (list(each) for each in zip(*(item for item, _ in found))) if found else ([], [], [], [])
    return ContrastSet(i1, r1, i2, r2, np.full(len(i1), np.nan))


def _about(side: Side | None) -> str:
    if side is None:
        return (
            "the released contrast files call _k preferred, but human preferences prefer _j: _j is taken. "
            "Name the side to be sure."
        )
    return "side k of the released contrast files has the dispreferred responses: figures say little of a reward"


def _item(row: Row, line: int, name: str, side: Side) -> tuple[tuple[str, str, str, str], bool]:
    own = ("i1", "r1", "i2", "r2")
    released = ("query", f"query_response_{side}", "retrieval", f"retrieval_response_{side}")
    for names in (own, released):
        texts = [row.get(each) for each in names]
        if all(isinstance(text, str) for text in texts):
            return (str(texts[0]), str(texts[1]), str(texts[2]), str(texts[3])), names is released
    expected = f"{', '.join(released)}, or {', '.join(own)}, in {name}, row {line}"
    raise ConfigError(expected, f"got {', '.join(sorted(map(str, row)))[:120]}", "Correct the row")


@dataclass(frozen=True)
class Sides:
    """What human preferences say of the sides of a released contrast file.

    Args:
        j: responses `_j` that are preferred there.
        k: responses `_k` that are preferred there.
        both: pairs of responses for which preferences say both.
        unknown: pairs of responses that are not among the preferences.
    """

    j: int
    k: int
    both: int
    unknown: int


def sides(items: Iterable[Row], preferences: Iterable[Row]) -> Sides:
    """Count which side of a released contrast file human preferences prefer.

    Args:
        items: rows of a contrast file.
        preferences: rows with question, response_j (preferred) and response_k.
    """
    known = {_stripped(row, "question", "response_j", "response_k") for row in preferences}
    counts = {"j": 0, "k": 0, "both": 0, "unknown": 0}
    for row in items:
        for part in ("query", "retrieval"):
            asked, j, k = _stripped(row, part, f"{part}_response_j", f"{part}_response_k")
            right, wrong = (asked, j, k) in known, (asked, k, j) in known
            counts["both" if right and wrong else "j" if right else "k" if wrong else "unknown"] += 1
    return Sides(**counts)


def _stripped(row: Row, *names: str) -> tuple[str, ...]:
    return tuple(str(row.get(name, "")).strip() for name in names)


def stack_exchange_pairs(rows: Iterable[Row], most: int = 10) -> list[dict[str, Any]]:
    """Pairs of answers in the shape question, response_j, response_k, from rows of stack-exchange-preferences.

    Args:
        rows: each with `question` and `answers`, which have `text` and `pm_score`.
        most: pairs of a question; those with the largest difference of scores.

    Raises:
        ConfigError: a row is not of this shape.
    """
    found = []
    for at, row in enumerate(rows):
        try:
            told = [(str(each["text"]), float(each["pm_score"])) for each in row["answers"]]
            asked = str(row["question"])
        except (KeyError, TypeError, ValueError) as error:
            expected = f"question and answers with text and pm_score in row {at}"
            raise ConfigError(expected, repr(error)[:100], "Give HuggingFaceH4/stack-exchange-preferences") from None
        pairs = [(one, two, a - b) for one, a in told for two, b in told if a > b and one != two]
        for one, two, _ in sorted(pairs, key=lambda pair: -pair[2])[:most]:
            scores = dict(told)
            found.append(
                {
                    "question": asked,
                    "response_j": one,
                    "response_k": two,
                    "response_j_score": scores[one],
                    "response_k_score": scores[two],
                }
            )
    return found


def preferred(rows: Iterable[Row]) -> tuple[list[str], list[str]]:
    """Instructions and preferred responses of rows in the released shape, each instruction once."""
    found: dict[str, str] = {}
    for row in rows:
        if not all(isinstance(row.get(name), str) for name in ("question", "response_j")):
            got = f"got {', '.join(sorted(map(str, row)))[:120]}"
            raise ConfigError("question and response_j in each row", got, "Give preferences in the released shape")
        found.setdefault(row["question"], row["response_j"])
    return list(found), list(found.values())


def scorer_of(reward: Reward) -> Scorer:
    """A reward as a scorer of instructions and responses; what it cannot judge is nan."""

    def score(instructions: Sequence[str], responses: Sequence[str]) -> Any:
        cases = [
            Case(Task(f"item/{k}", {"prompt": asked}), Answer(f"item/{k}", said), None)
            for k, (asked, said) in enumerate(zip(instructions, responses, strict=True))
        ]
        return np.array([np.nan if told.value is None else told.value for told in reward(cases)], float)

    return score
