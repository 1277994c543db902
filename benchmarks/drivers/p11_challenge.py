"""The challenge of the contest that P11 asks for the board of: one number, judged as it is."""

from dataclasses import dataclass
from typing import ClassVar

from guerdon import Challenge, Reward, Task, Visibility


@dataclass(frozen=True, kw_only=True)
class AsItIs(Reward):
    """The number that was handed in."""

    def judge(self, cases):
        return [case.answer.content for case in cases]


@dataclass(frozen=True, kw_only=True)
class One(Challenge):
    """Hand in one number."""

    name = "one"
    entry = "json"
    splits: ClassVar = {"open": Visibility.OPEN}

    @property
    def judge(self):
        return AsItIs()

    def tasks(self, split):
        return [Task("one", {"prompt": "a number"})]
