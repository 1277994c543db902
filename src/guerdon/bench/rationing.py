"""Which answers are judged when what is left of a budget is not enough for all."""

from __future__ import annotations

from collections.abc import Sequence

from guerdon.core.preference import Preference
from guerdon.core.reward import Reward
from guerdon.core.task import Answer


def affordable(answers: Sequence[Answer], left: int, judge: Reward | Preference) -> list[int]:
    """Places of the answers that are judged: the first ones, in whole groups or pairs where these belong together.

    Args:
        answers: in the order in which they were handed in; for a preference left, right, left, right, ...
        left: how many may be judged.
        judge: who would.

    >>> from guerdon.core.reward import reward
    >>> affordable([Answer("a", 1), Answer("b", 1), Answer("a", 2)], 2, reward(lambda text: 1.0))
    [0, 1]
    """
    if len(answers) <= left:
        return list(range(len(answers)))
    if isinstance(judge, Preference):
        return list(range(left - left % 2))
    return _whole_groups(answers, left) if judge.unit == "group" else list(range(left))


def _whole_groups(answers: Sequence[Answer], left: int) -> list[int]:
    sizes: dict[str, int] = {}
    for answer in answers:
        sizes[answer.group] = sizes.get(answer.group, 0) + 1
    kept: set[str] = set()
    for name, size in sizes.items():
        if size > left:
            break
        kept.add(name)
        left -= size
    return [place for place, answer in enumerate(answers) if answer.group in kept]
