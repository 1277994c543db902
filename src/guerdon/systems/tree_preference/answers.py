"""Exact checks of numeric answers, such as those of GSM8K: the number after "####", or the last one of a text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from guerdon.core.reward import Range, Reward
from guerdon.core.score import Score
from guerdon.core.task import Case
from guerdon.prefer.sets import response_of

_NUMBER = re.compile(r"[-+]?\$?\d[\d,]*(?:\.\d+)?|[-+]?\$?\.\d+")
_MARK = "####"


def final_number(text: str) -> Decimal | None:
    r"""The number that a text ends in: after the last "####" if there is one, else the last of all.

    >>> final_number("He pays 3 * 4 = 12 dollars.\n#### 1,200"), final_number("so it is $7.50."), final_number("none")
    (Decimal('1200'), Decimal('7.50'), None)
    """
    part = text.rpartition(_MARK)[2] if _MARK in text else text
    found = _NUMBER.findall(part)
    if not found:
        return None
    try:
        return Decimal((found[0] if _MARK in text else found[-1]).replace(",", "").replace("$", ""))
    except InvalidOperation:
        return None


@dataclass(frozen=True)
class ExactAnswer(Reward):
    """1 if the final number of a response equals that of the key, else 0."""

    range: Range = (0.0, 1.0)

    @property
    def name(self) -> str:
        """exact-answer."""
        return "exact-answer"

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        """Compare numbers, not texts: 7.50 is 7.5."""
        return [self._one(case) for case in cases]

    def _one(self, case: Case) -> Score:
        wanted, said = final_number(str(case.key)), final_number(str(response_of(case.answer)))
        return Score(1.0 if wanted is not None and wanted == said else 0.0)
