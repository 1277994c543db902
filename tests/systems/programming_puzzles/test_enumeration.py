import itertools
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon.systems.programming_puzzles.constants import Constant, constants
from guerdon.systems.programming_puzzles.enumeration import Choice, Enumeration
from guerdon.systems.programming_puzzles.grammar import Grammar, Rule, code, grammar, prefix_rules
from guerdon.systems.programming_puzzles.weights import Uniform

KINDS = ("A", "B", "C")


def tiny(shape: Any) -> Any:
    """A grammar over nonterminals A, B, C from [(result, kids)], and its rules in a Grammar."""
    rules = [
        Rule(i, f"{result}: {i}", result, kids, ("",) * (len(kids) + 1), (True,) * len(kids), True, lambda *_: None)
        for i, (result, kids) in enumerate(shape)
    ]
    of = {kind: tuple(rule for rule in rules if rule.result == kind) for kind in KINDS}
    return Grammar(tuple(rules), of, {}, {})


class Bigram:
    """A model with a probability of its own for each place."""

    def __init__(self, whole: Any, weights: Any) -> None:
        self.whole, self.weights = whole, weights

    def key(self, parent: Any, child: Any, kind: Any) -> Any:
        return parent, child

    def choices(self, parent: Any, child: Any, kind: Any, scope: Any) -> Any:
        rules = self.whole.of[kind]
        raw = [self.weights[(parent * 7 + child * 3 + rule.index) % len(self.weights)] for rule in rules]
        return [Choice(w / sum(raw), rule) for w, rule in zip(raw, rules)]


def brute(model: Any, whole: Any, kind: Any, depth: Any, least: Any) -> Any:
    """All trees of at least that probability as (p, prefix of rule indices), the slow way."""

    def trees(parent: Any, child: Any, kind: Any, depth: Any) -> Any:
        if depth == 0:
            return
        for p, rule, _ in model.choices(parent, child, kind, ()):
            parts = [list(trees(rule.index, i, kid, depth - 1)) for i, kid in enumerate(rule.kids)]
            for kids in itertools.product(*parts):
                yield p * math.prod(q for q, _ in kids), (rule.index, *itertools.chain(*(t for _, t in kids)))

    return {tree: p for p, tree in trees(-1, 0, kind, depth) if p >= least}


def flat(node: Any) -> Any:
    return (node.rule.index, *itertools.chain(*map(flat, node.kids)))


shapes = st.lists(
    st.tuples(st.sampled_from(KINDS), st.lists(st.sampled_from(KINDS), max_size=3).map(tuple)), min_size=1, max_size=6
)
LEAVES = [("A", ()), ("B", ()), ("C", ())]


@settings(max_examples=60, deadline=None)
@given(shapes, st.lists(st.integers(1, 9), min_size=5, max_size=11), st.integers(1, 3))
def test_every_tree_once_in_order_and_none_missing(shape: Any, weights: Any, depth: Any) -> None:
    whole = tiny(LEAVES + [rule for rule in shape if len(rule[1]) < 3 or depth < 3])
    model = Bigram(whole, weights)
    rounds = Enumeration(whole, model, "A", depth, tau0=1e-1).rounds()
    found, tau = [], 1e-1
    high = math.inf
    for batch in itertools.islice(rounds, 6):
        trees = list(batch)
        ps = [math.exp(node.logp) for node in trees]
        assert all(tau * (1 - 1e-9) <= p < high * (1 + 1e-9) for p in ps)
        assert ps == sorted(ps, reverse=True)
        found += trees
        high, tau = tau, tau / math.e
    least = high
    wanted = brute(model, whole, "A", depth, least * (1 - 1e-9))
    got = [flat(node) for node in found]
    assert len(got) == len(set(got))
    assert all(tree in wanted for tree in got)
    assert all(tree in set(got) for tree, p in wanted.items() if p >= least * (1 + 1e-9))
    assert all(math.isclose(math.exp(node.logp), wanted[flat(node)], rel_tol=1e-9) for node in found)
    assert sum(math.exp(node.logp) for node in found) <= 1 + 1e-9


def test_upper_is_the_best_completion() -> None:
    whole = tiny([("A", ()), ("A", ("B",)), ("B", ("B", "B")), ("B", ()), ("C", ())])
    model = Bigram(whole, [1, 8, 3, 1, 1])
    for depth in (1, 2, 3):
        enumeration = Enumeration(whole, model, "A", depth)
        best = max(brute(model, whole, "A", depth, 0).values())
        assert math.isclose(math.exp(enumeration.upper(enumeration.root, depth)), best)


def test_nonterminal_without_programs_ends_at_once() -> None:
    whole = tiny([("A", ("B",)), ("B", ("B",)), ("C", ())])
    assert list(Enumeration(whole, Bigram(whole, [1] * 5), "A")) == []


def test_finite_language_ends() -> None:
    whole = tiny([("A", ("B", "C")), ("B", ()), ("C", ()), ("C", ())])
    assert len(list(Enumeration(whole, Bigram(whole, [1] * 5), "A"))) == 2


SAT = "def sat(ans: int, a=12345, b=777):\n    return ans + a == b"


@pytest.mark.parametrize("size", ["small", "full"])
@pytest.mark.parametrize("prior", ["equal", "weighted"])
def test_uniform_gives_half_to_constants_and_sums_to_one(size: Any, prior: Any) -> None:
    whole = grammar(size)
    found = constants(SAT)
    model = Uniform(whole, found, prior)
    for kind in whole.of:
        for scope in ((), ("int",), ("int", "str")):
            choices = model.choices(-1, 0, kind, scope)
            if not choices:
                continue
            assert math.isclose(sum(choice.p for choice in choices), 1.0)
            assert all(choice.p >= 0 for choice in choices)
    copies = [c.p for c in model.choices(-1, 0, "int", ()) if isinstance(c.leaf, Constant)]
    assert len(copies) == len(found["int"])
    assert math.isclose(sum(copies), 0.5)
    assert len(set(copies)) == 1


def test_order_is_the_same_every_time_and_can_be_taken_up() -> None:
    def programs() -> Any:
        return Enumeration(grammar("full"), Uniform(grammar("full"), constants(SAT)), "int")

    first = [(code(node), prefix_rules(node)) for node in itertools.islice(programs(), 3000)]
    again = [(code(node), prefix_rules(node)) for node in itertools.islice(programs(), 1500, 3000)]
    assert first[1500:] == again
    assert len({repr(program) for program in first}) == len(first)


def test_depth_is_respected() -> None:
    def height(node: Any) -> Any:
        return 1 + max(map(height, node.kids), default=0)

    nodes = itertools.islice(Enumeration(grammar("small"), Uniform(grammar("small"), constants(SAT)), "int", 3), 4000)
    assert max(map(height, nodes)) == 3
