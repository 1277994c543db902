"""The scores of a contest: who handed in what, the same on all sides; and the best of them."""

import heapq
import random

SEED = 11


def scores(teams, each):
    """Scores in the order in which they came.

    Yields:
        The team's number and the score, from 0 to 1, all of them different.
    """
    rng = random.Random(SEED)
    count = teams * each
    order = list(range(count))
    rng.shuffle(order)
    for number, value in enumerate(order):
        yield number % teams, (value + 0.5) / count


def best(teams, each, most=100):
    """The teams that lead by the best score of each: number and score, best first."""
    top = {}
    for team, value in scores(teams, each):
        top[team] = max(value, top.get(team, 0.0))
    return [[team, value] for value, team in heapq.nlargest(most, ((value, team) for team, value in top.items()))]
