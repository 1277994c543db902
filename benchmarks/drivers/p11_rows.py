"""The scores of a contest: who handed in what, the same on all sides; and the board that follows from them."""

import random

SEED = 11
LATE = 40
"""Teams that hand in while others look."""


def scores(teams, each):
    """Scores in the order in which they came.

    The best of each team come before the second best of any, so that the best runs are those of different teams.

    Yields:
        The team's number and the score, from 0 to 1, all of them different.
    """
    count = teams * each
    order = list(range(count))
    random.Random(SEED).shuffle(order)
    for place in order:
        yield place % teams, score(place, count)


def score(place, count):
    """The score at a place among so many, from 0 for the best."""
    return (count - place - 0.5) / count


def late(number, turn):
    """What a late team hands in in a turn: better each time than all that were there before."""
    return 1 + (turn + 2) / 100 + number / 10_000


def board(teams, each, turn, most=100):
    """The first rows after a turn: names and scores, best first."""
    first = [[f"late-{number}", late(number, turn)] for number in reversed(range(LATE))]
    rest = [[f"team-{place}", score(place, teams * each)] for place in range(teams)]
    return (first + rest)[:most]
