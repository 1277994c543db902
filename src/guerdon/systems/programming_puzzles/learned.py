"""The bigram model by random forest: p(rule | puzzle, parent rule, child index), learned from own solutions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream
from guerdon.systems.programming_puzzles.enumeration import Choice
from guerdon.systems.programming_puzzles.features import CHILDREN
from guerdon.systems.programming_puzzles.grammar import Grammar, productions
from guerdon.systems.programming_puzzles.weights import Uniform

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from guerdon.core.rng import Rng

Labels = Literal["own", "shuffled", "random"]

Place = tuple[int, int]
"""(index of the parent rule or -1, child index)."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One solution as the forest learns it.

    Args:
        row: the puzzle's bag of words, shape (words,).
        rules: names of the program's rules in prefix order.
    """

    row: NDArray[np.float32]
    rules: Sequence[str]


class Forest:
    """A random forest over the rules (Schuster et al. 2021: scikit-learn's defaults, 100 trees).

    A training row is every (parent, child index, rule) of every lesson; its features are the puzzle's bag, a one-hot
    parent (the root's counts as one more) and a one-hot child index. Predictions for a puzzle are made at once for
    every place below a rule that occurs in the lessons.

    Args:
        rules: the grammar.
        lessons: own solutions, at least one.
        n_estimators: trees.
        seed: of the forest, and of the permutation.
        labels: "own"; "shuffled" permutes the rules over the rows, which leaves only how often each occurs; "random"
            draws each from the rules of its nonterminal, which leaves nothing to learn.
    """

    def __init__(
        self, rules: Grammar, lessons: Sequence[Lesson], n_estimators: int, seed: int, labels: Labels = "own"
    ) -> None:
        import numpy as np

        self._rules = rules
        rows = [(lesson.row, *place) for lesson in lessons for place in productions(rules, list(lesson.rules))]
        targets = np.array([rule for *_, rule in rows])
        if labels == "shuffled":
            targets = stream(seed, "shuffled labels").permutation(targets)
        elif labels == "random":
            targets = self._random(targets, stream(seed, "random labels"))
        matrix = np.stack([self._features(row, (parent, child)) for row, parent, child, _ in rows])
        self._model = require()(n_estimators=n_estimators, random_state=seed)
        self._model.fit(matrix, targets)
        self._classes: list[int] = [int(rule) for rule in self._model.classes_]
        self.places: tuple[Place, ...] = (
            (-1, 0),
            *((rule, child) for rule in self._classes for child in range(len(rules.rules[rule].kids))),
        )

    def table(self, row: NDArray[np.float32]) -> dict[Place, dict[int, float]]:
        """Probabilities by place for one puzzle; rules never seen as a class are left out."""
        import numpy as np

        matrix = np.stack([self._features(row, place) for place in self.places])
        found = self._model.predict_proba(matrix)
        return {
            place: {rule: float(p) for rule, p in zip(self._classes, line) if p > 0}
            for place, line in zip(self.places, found)
        }

    def _random(self, targets: NDArray[np.int64], rng: Rng) -> NDArray[np.int64]:
        import numpy as np

        of, copies = self._rules.of, self._rules.copies
        kinds = [self._rules.rules[target].result for target in targets]
        return np.array([rng.choice([rule.index for rule in (*of[kind], copies[kind])]) for kind in kinds])

    def _features(self, row: NDArray[np.float32], place: Place) -> NDArray[np.float32]:
        import numpy as np

        parent, child = place
        one_hot = np.zeros(len(self._rules.rules) + 1 + CHILDREN, np.float32)
        one_hot[parent + 1] = 1
        one_hot[len(self._rules.rules) + 1 + min(child, CHILDREN - 1)] = 1
        return np.concatenate([row, one_hot])


def require() -> Any:
    """The classifier's class.

    Raises:
        ConfigError: scikit-learn is not installed.
    """
    try:
        from sklearn.ensemble import RandomForestClassifier
    except ImportError:
        do = 'Install it with: pip install "guerdon[search]"'
        raise ConfigError('model="forest" needs scikit-learn', "it is not installed", do) from None
    return RandomForestClassifier


@dataclass(frozen=True, slots=True)
class Learned:
    """The forest's probabilities, masked to the wanted nonterminal, renormalised and mixed with Uniform.

    The share of a COPY rule is split uniformly over its constants, that of a VAR rule over its variables. Places that
    no solution has are left to Uniform alone.

    Args:
        uniform: the Uniform model of the puzzle.
        table: what the forest says of each place.
        uniform_weight: share of Uniform.
    """

    uniform: Uniform
    table: Mapping[Place, Mapping[int, float]]
    uniform_weight: float = 0.05

    def key(self, parent: int, child: int, kind: str) -> object:
        """The place, where the forest knows it."""
        return (parent, child) if (parent, child) in self.table else kind

    def choices(self, parent: int, child: int, kind: str, scope: tuple[str, ...]) -> Sequence[Choice]:
        """Expansions of a nonterminal at a place."""
        base = self.uniform.choices(parent, child, kind, scope)
        said = self.table.get((parent, child))
        if said is None:
            return base
        share: dict[int, float] = {}
        for choice in base:
            share[choice.rule.index] = share.get(choice.rule.index, 0.0) + choice.p
        whole = sum(said.get(rule, 0.0) for rule in share)
        if whole <= 0:
            return base
        small = self.uniform_weight
        return [
            Choice(p * (small + (1 - small) * said.get(rule.index, 0.0) / (whole * share[rule.index])), rule, leaf)
            for p, rule, leaf in base
        ]
