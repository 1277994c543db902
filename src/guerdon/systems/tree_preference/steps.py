"""A world of steps, in which both topologies can be tried a thousand times: a response is six choices of two actions.

    gold reward = value of its choices + what is peculiar to it

Values are linear in the choices ("shared features"), or drawn anew for each of the 64 sequences ("own parameters", so
that nothing is learned of a type but from its own labels). What is peculiar to a response is a sum over its parts, each
of variance F / D, so that leaves of a tree have in common what belongs to their common prefix, and its choices.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream
from guerdon.prefer.ratings import BradleyTerry
from guerdon.prefer.votes import Bools, Votes
from guerdon.systems.tree_preference.network import Floats, Ints
from guerdon.systems.tree_preference.shapes import Shape, leaf_paths

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Values = Literal["shared", "own"]


@dataclass(frozen=True, kw_only=True)
class Steps:
    """The world, and how much of it is labelled.

    Args:
        values: linear in the choices, or one for each sequence.
        steps: choices of a response; a multiple of the depth of the tree.
        actions: of each choice.
        bias: F, variance of what is peculiar to a response; values have variance 1.
        noise: labels follow the gold difference divided by this, by the Bradley-Terry probability; 0 is never wrong.
        labels: comparisons of the chain.
        shape: of the trees.
        prior: standard deviation of the prior on values in the reward model.
    """

    values: Values = "own"
    steps: int = 6
    actions: int = 2
    bias: float = 1.0
    noise: float = 1.0
    labels: int = 96
    shape: Shape = field(default_factory=Shape)
    prior: float = 1.0

    def __post_init__(self) -> None:
        if self.steps % self.shape.depth or self.values not in ("shared", "own") or self.labels < 1:
            got = f"got {self.values}, {self.steps} steps, depth {self.shape.depth} and {self.labels} labels"
            raise ConfigError("shared or own values, steps a multiple of the depth, a label", got, "Change them")

    @property
    def kinds(self) -> int:
        """Sequences of choices."""
        return int(self.actions**self.steps)


@dataclass(frozen=True, eq=False)
class Labelled:
    """Comparisons of responses.

    Args:
        choices: (n, 2, steps) of both sides.
        won: (n,) whether the first side was chosen.
        wrong: (n,) whether that is the worse one.
        shared: (n,) steps of the common prefix.
    """

    choices: Ints
    won: Bools
    wrong: Bools
    shared: Ints

    @property
    def tokens(self) -> int:
        """Steps that are read without common prefixes."""
        return int((2 * (self.choices.shape[2] - self.shared)).sum())

    def within(self, tokens: int) -> Labelled:
        """The first comparisons that cost so many tokens at most."""
        spent = np.cumsum(2 * (self.choices.shape[2] - self.shared))
        n = int(np.searchsorted(spent, tokens, side="right"))
        return Labelled(self.choices[:n], self.won[:n], self.wrong[:n], self.shared[:n])


def values_of(world: Steps, rng: Rng) -> Floats:
    """(actions ** steps,) the value of each sequence, mean 0 and variance 1."""
    if world.values == "own":
        drawn = rng.standard_normal(world.kinds)
    else:
        weights = rng.standard_normal((world.steps, world.actions))
        drawn = weights[np.arange(world.steps), _sequences(world)].sum(1)
    found: Floats = (drawn - drawn.mean()) / drawn.std()
    return found


def _sequences(world: Steps) -> Ints:
    """(kinds, steps) all sequences; the number of one reads its choices as digits."""
    digits = np.indices((world.actions,) * world.steps).reshape(world.steps, -1)
    found: Ints = digits.T.astype(np.int64)
    return found


def number_of(world: Steps, choices: Ints) -> Ints:
    """(...,) the number of each sequence (..., steps)."""
    found: Ints = choices @ (world.actions ** np.arange(world.steps)[::-1])
    return found


def chain(world: Steps, values: Floats, count: int, rng: Rng) -> Labelled:
    """Comparisons of two independent responses each."""
    choices = rng.integers(world.actions, size=(count, 2, world.steps))
    gold = values[number_of(world, choices)] + np.sqrt(world.bias) * rng.standard_normal((count, 2))
    return _labelled(world, choices, gold, np.zeros(count, np.int64), rng)


def trees(world: Steps, values: Floats, count: int, rng: Rng) -> Labelled:
    """Comparisons of leaves of trees, `shape.pairs` from each, drawn uniformly among its leaf pairs."""
    shape = world.shape
    paths = np.array([[int(part) for part in path.split(".")] for path in leaf_paths(shape)])
    grown, part = -(-count // shape.pairs), world.steps // shape.depth
    choices = np.zeros((grown, len(paths), world.steps), np.int64)
    peculiar = np.zeros((grown, len(paths)))
    for d in range(shape.depth):
        _, node = np.unique(paths[:, : d + 1], axis=0, return_inverse=True)
        drawn = rng.integers(world.actions, size=(grown, int(node.max()) + 1, part))
        choices[:, :, d * part : (d + 1) * part] = drawn[:, node]
        spread = rng.standard_normal((grown, int(node.max()) + 1))
        peculiar += np.sqrt(world.bias / shape.depth) * spread[:, node]
    gold = values[number_of(world, choices)] + peculiar
    one, two = np.triu_indices(len(paths), 1)
    which = rng.random((grown, len(one))).argsort(1)[:, : shape.pairs]
    sides = np.stack([one[which], two[which]], 2).reshape(-1, 2)[:count]
    tree = np.repeat(np.arange(grown), shape.pairs)[:count, None]
    alike = np.cumprod(paths[sides[:, 0]] == paths[sides[:, 1]], 1).sum(1) * part
    return _labelled(world, choices[tree, sides], gold[tree, sides], alike, rng)


def _labelled(world: Steps, choices: Ints, gold: Floats, shared: Ints, rng: Rng) -> Labelled:
    gap = gold[:, 0] - gold[:, 1]
    chance = 0.5 * (1 + np.tanh(gap / (2 * world.noise))) if world.noise else (gap > 0).astype(float)
    won = rng.random(len(gap)) < chance
    return Labelled(choices, won, won != (gap > 0), shared)


def reward_of(world: Steps, labelled: Labelled) -> Floats:
    """(kinds,) scores of all sequences by a Bradley-Terry model: linear in the choices, or a parameter for each."""
    fitter = BradleyTerry(prior=world.prior, errors="model")
    points = labelled.won.astype(float)
    if world.values == "own":
        one, two = number_of(world, labelled.choices).T
        differ = one != two
        names = [str(k) for k in range(world.kinds)]
        return fitter.fit(Votes.from_codes(names, one[differ], two[differ], points[differ])).values
    hot = np.eye(world.actions)
    coded = hot[labelled.choices].reshape(len(points), 2, -1)
    labels = tuple(map(str, range(coded.shape[2])))
    zero = np.zeros(len(points), np.int64)
    votes = Votes.from_codes(
        ("first", "second"), zero, zero + 1, points, features=coded[:, 0] - coded[:, 1], labels=labels
    )
    effects = fitter.fit(votes).effects
    weights = np.array([effects[label][0] for label in labels])
    found: Floats = hot[_sequences(world)].reshape(world.kinds, -1) @ weights
    return found


def best_of(world: Steps, values: Floats, scores: Floats, n: int, prompts: int, rng: Rng) -> Floats:
    """(prompts,) gold rewards of the best of n fresh responses by the scores; the same rng draws the same responses."""
    kinds = rng.integers(world.kinds, size=(prompts, n))
    gold = values[kinds] + np.sqrt(world.bias) * rng.standard_normal((prompts, n))
    tie = 1e-9 * rng.random((prompts, n))
    found: Floats = np.take_along_axis(gold, (scores[kinds] + tie).argmax(1)[:, None], 1)[:, 0]
    return found


def duel(world: Steps, seed: int, *, sets: int = 40, n: int = 16, prompts: int = 200) -> dict[str, float]:
    """How often the tree's choice beats the chain's, over many sets of labels.

    Args:
        world: what is learned.
        seed: of all draws.
        sets: worlds with a set of labels each.
        n: fresh responses to choose from.
        prompts: for each set.

    Returns:
        `equal pairs` and `equal tokens` (win rates; a tie is half), `tree gold`, `chain gold` (mean gold rewards at
        equal tokens), and `tree wrong`, `chain wrong` (shares of wrong labels).
    """
    found: dict[str, list[float]] = {}
    for k in range(sets):
        rng = stream(seed, "steps", k)
        values = values_of(world, rng)
        base = chain(world, values, world.labels, rng)
        many = trees(world, values, 4 * world.labels, rng)
        arms = {"chain": base, "pairs": many.within(_cost_of(many, world.labels)), "tokens": many.within(base.tokens)}
        gold = {
            name: best_of(world, values, reward_of(world, labelled), n, prompts, stream(seed, "steps", "test", k))
            for name, labelled in arms.items()
        }
        told = {
            "equal pairs": _wins(gold["pairs"], gold["chain"]),
            "equal tokens": _wins(gold["tokens"], gold["chain"]),
            "tree gold": float(gold["tokens"].mean()),
            "chain gold": float(gold["chain"].mean()),
            "tree wrong": float(arms["tokens"].wrong.mean()),
            "chain wrong": float(base.wrong.mean()),
            "tree pairs": float(len(arms["tokens"].won)),
        }
        for name, value in told.items():
            found.setdefault(name, []).append(value)
    return {name: float(np.mean(each)) for name, each in found.items()}


def _cost_of(labelled: Labelled, count: int) -> int:
    """Tokens of the first so many comparisons."""
    return int((2 * (labelled.choices.shape[2] - labelled.shared[:count])).sum())


def _wins(one: Floats, two: Floats) -> float:
    return float((0.5 * (1 + np.sign(one - two))).mean())
