"""The Uniform model of rules: half of the mass to the puzzle's own constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from guerdon.systems.programming_puzzles.constants import Constant
from guerdon.systems.programming_puzzles.enumeration import Choice
from guerdon.systems.programming_puzzles.grammar import MAX_SCOPE, Grammar

Prior = Literal["equal", "weighted"]

COPY_MASS = 0.5
"""Share of the puzzle's constants (Schuster et al. 2021)."""

VARIABLE_MASS = 0.4
"""Share of the bound variables where any is in scope; the source does not state one."""


@dataclass(frozen=True, slots=True)
class Uniform:
    """COPY mass 0.5 split equally over the matching constants, the rest over the other rules of the nonterminal.

    Where we differ: `prior="weighted"` splits the rest by the weights of the grammar instead of equally, and bound
    variables, where there are any, take their share first.

    Args:
        grammar: the rules.
        constants: constants of the puzzle by type.
        prior: how the rest is split.
    """

    grammar: Grammar
    constants: Mapping[str, Sequence[Constant]] = field(default_factory=dict)
    prior: Prior = "equal"

    def key(self, parent: int, child: int, kind: str) -> object:
        """The nonterminal decides alone."""
        return kind

    def choices(self, parent: int, child: int, kind: str, scope: tuple[str, ...]) -> list[Choice]:
        """Expansions of a nonterminal; they sum to one if it has any."""
        rules = [rule for rule in self.grammar.of.get(kind, ()) if rule.new_variables + len(scope) <= MAX_SCOPE]
        weights = [1.0 if self.prior == "equal" else rule.weight for rule in rules]
        constants = self.constants.get(kind, ())
        variables = [index for index, bound in enumerate(scope) if bound == kind]
        free, shares = 1.0, []
        for things, mass in ((variables, VARIABLE_MASS), (constants, COPY_MASS)):
            share = free * (mass if rules or (things is variables and constants) else 1.0) if things else 0.0
            shares.append(share)
            free -= share
        found = [Choice(shares[0] / len(variables), self.grammar.variables[kind], index) for index in variables]
        if kind in self.grammar.copies:
            found += [Choice(shares[1] / len(constants), self.grammar.copies[kind], c) for c in constants]
        whole = sum(weights)
        return found + [Choice(free * weight / whole, rule) for rule, weight in zip(rules, weights)]
