"""Whether a project's ratings can be relied on: who gave the votes, what they weigh, how few of them decide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from guerdon.hosting.compared import Review, Sensitivity, Voter, pseudonym
from guerdon.hosting.pairing import MODEL, MOST_RATED, View
from guerdon.hosting.things import Project
from guerdon.hosting.trust import Trust, basis, surprises, weighted
from guerdon.prefer import Votes, fewest_to_flip

FAST, MANY = 1.0, 20
"""Less than so many seconds from choice to choice, over so many choices, is too fast to have looked."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What a review needs of a project, at one moment.

    Args:
        project: whose.
        trust: in each annotator.
        votes: that stand, weighted.
        answered: choices of each annotator that stand.
        weighted: by what votes are weighted.
    """

    project: Project
    trust: Mapping[str, Trust]
    votes: Votes
    answered: Mapping[str, int]
    weighted: str

    @classmethod
    def of(cls, project: Project, view: View) -> Seen:
        """What is seen now."""
        people, trust = view.people(), view.trust(project.weights)
        used = basis(project.weights, [trust[name].gold for name in people], view.shared(people))
        answered = {name: len(view.order[name]) for name in people}
        return cls(project, trust, weighted(view.votes(), trust), answered, used)

    def review(self, times: Sequence[tuple[str, float]] = ()) -> Review:
        """The review, the most suspicious annotators first.

        Args:
            times: who chose when, in unix seconds, in order.
        """
        pace = paces(times)
        few = len(self.votes.names) <= MOST_RATED
        odd = surprises(self.votes, MODEL) if few else {}
        names, counts = np.unique(self.votes.annotator, return_counts=True)
        given = {self.votes.annotators[k]: int(n) for k, n in zip(names.tolist(), counts.tolist(), strict=True)}
        voters = [self._voter(name, given.get(name, 0), odd.get(name), pace.get(name)) for name in self.answered]
        voters.sort(key=lambda voter: (not voter.flags, 0.0 if voter.surprise is None else voter.surprise))
        return Review(self._sensitivity() if few else None, voters, self.weighted)

    def _voter(self, name: str, votes: int, surprise: float | None, pace: float | None) -> Voter:
        trust = self.trust[name]
        right, count = (0, 0) if trust.gold is None else (trust.gold.right, trust.gold.count)
        called, answered = pseudonym(self.project, name), self.answered[name]
        fast = ("fast",) if pace is not None and pace < FAST and answered >= MANY else ()
        return Voter(called, answered, votes, count, right, trust.weight, (*trust.flags, *fast), surprise, pace)

    def _sensitivity(self) -> Sensitivity | None:
        votes = self.votes.take(self.votes.weight > 0)
        flip = fewest_to_flip(votes, MODEL)
        if flip is None:
            return None
        by = Counter(pseudonym(self.project, votes.annotators[k]) for k in votes.annotator[flip.rows].tolist())
        return Sensitivity(flip.count, flip.share, flip.top, flip.instead, dict(by.most_common()))


def paces(times: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Median seconds from one choice to the next, of everybody with at least two.

    >>> paces([("a", 10.0), ("b", 11.0), ("a", 12.0), ("a", 13.0), ("a", 99.0)])
    {'a': 2.0}
    """
    moments: dict[str, list[float]] = {}
    for name, at in times:
        moments.setdefault(name, []).append(at)
    return {name: float(np.median(np.diff(each))) for name, each in moments.items() if len(each) > 1}
