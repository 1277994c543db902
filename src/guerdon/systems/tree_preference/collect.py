"""Trees into preferences: which leaves are compared, what was said, and what it cost to read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from guerdon.core.preference import Choice, Pair, Preference
from guerdon.core.rng import stream
from guerdon.core.score import Fault, FaultKind
from guerdon.core.task import Answer, Task
from guerdon.prefer.sets import PreferenceSet
from guerdon.systems.tree_preference.shapes import Shape, lcp, pairs_of
from guerdon.systems.tree_preference.trees import Generator, Tree

TOPOLOGY = ("tree_id", "path_a", "path_b", "lcp_tokens")
"""Columns beside prompt, chosen and rejected: path_a is that of the chosen response."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Two responses of a tree and what was said of them.

    Args:
        tree: its id.
        prompt: what was asked.
        a: path of one response.
        b: path of the other.
        texts: both responses.
        tokens: of both, and of the prefix that they share.
        choice: left is `a`.
    """

    tree: str
    prompt: str
    a: str
    b: str
    texts: tuple[str, str]
    tokens: tuple[int, int, int]
    choice: Choice


def compare(
    generate: Generator,
    trees: Sequence[Tree],
    shape: Shape,
    preference: Preference,
    seed: int,
    keys: Mapping[str, Any] | None = None,
) -> list[Compared]:
    """Draw pairs of each tree's leaves and ask about all of them in one batch.

    Args:
        generate: counts tokens.
        trees: what was grown.
        shape: how many pairs, and whether incomplete responses are among them.
        preference: the comparer; what it says must not depend on sides: put `both_orders` around a judge that leans.
        seed: of the draw; a tree's pairs depend on the seed and its id.
        keys: what the comparer may know, by prompt.
    """
    asked: list[tuple[Tree, str, str]] = []
    for tree in trees:
        texts = tree.responses if shape.inner else tree.leaves
        rng = stream(seed, "tree", "pairs", tree.id)
        asked += [(tree, a, b) for a, b in pairs_of(list(texts), shape.pairs, rng)]
    sides = [(tree.nodes[a].text, tree.nodes[b].text) for tree, a, b in asked]
    told = preference([_pair(tree, texts, keys) for (tree, _, _), texts in zip(asked, sides, strict=True)])
    counts = generate.count([text for texts in sides for text in texts])
    shared = generate.count([tree.shared(a, b) for tree, a, b in asked])
    return [
        Compared(tree.id, tree.prompt, a, b, texts, (one, two, three), choice)
        for (tree, a, b), texts, one, two, three, choice in zip(
            asked, sides, counts[::2], counts[1::2], shared, told, strict=True
        )
    ]


def _pair(tree: Tree, texts: tuple[str, str], keys: Mapping[str, Any] | None) -> Pair:
    task = Task(tree.id, {"prompt": tree.prompt})
    key = None if keys is None else keys.get(tree.prompt)
    return Pair(task, Answer(tree.id, texts[0]), Answer(tree.id, texts[1]), key)


def as_set(compared: Sequence[Compared]) -> PreferenceSet:
    """A set of preferences with the chosen response first and the columns of `TOPOLOGY`."""
    turned = [each.choice.outcome == "right" for each in compared]
    ordered = [(each.b, each.a) if turn else (each.a, each.b) for each, turn in zip(compared, turned, strict=True)]
    texts = [each.texts[::-1] if turn else each.texts for each, turn in zip(compared, turned, strict=True)]
    outcomes = ["left" if turn else each.choice.outcome for each, turn in zip(compared, turned, strict=True)]
    return PreferenceSet.of(
        [each.prompt for each in compared],
        [one for one, _ in texts],
        [two for _, two in texts],
        outcomes,
        annotator=[each.choice.judge for each in compared],
        fault=[each.choice.fault for each in compared],
        columns={
            "tree_id": [each.tree for each in compared],
            "path_a": [a for a, _ in ordered],
            "path_b": [b for _, b in ordered],
            "lcp_tokens": np.array([each.tokens[2] for each in compared], np.int64),
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What labels cost, in tokens read for a comparison on average, and tokens sampled for all.

    Args:
        pairs: comparisons that were asked.
        decided: those with a winner.
        whole: tokens of both responses.
        once: the same with the shared prefix read once.
        apart: the same without the shared prefix, which annotators of marked texts may skip.
        sampled: tokens sampled.
        trees: grown.
        responses: complete ones, all different within their tree.
        tries: samples that coincided with a sibling, or failed.
    """

    pairs: int
    decided: int
    whole: float
    once: float
    apart: float
    sampled: int
    trees: int
    responses: int
    tries: int

    def lines(self) -> list[str]:
        """For people."""
        saved = 1 - self.apart / self.whole if self.whole else 0.0
        tokens = (
            f"tokens a comparison: {self.whole:.1f} in full, {self.once:.1f} with the shared prefix once, "
            f"{self.apart:.1f} without it ({saved:.1%} less)"
        )
        return [
            f"{self.trees} trees, {self.responses} responses, {self.sampled} tokens sampled ({self.tries} tries again)",
            f"{self.pairs} comparisons, {self.decided} decided",
            tokens,
        ]


def cost(compared: Sequence[Compared], trees: Sequence[Tree]) -> Cost:
    """Add up what comparisons and trees cost."""
    tokens = np.array([each.tokens for each in compared], float).reshape(-1, 3)
    both, shared = tokens[:, 0] + tokens[:, 1], tokens[:, 2]
    n = max(len(compared), 1)
    return Cost(
        pairs=len(compared),
        decided=sum(each.choice.outcome in ("left", "right") for each in compared),
        whole=float(both.sum() / n),
        once=float((both - shared).sum() / n),
        apart=float((both - 2 * shared).sum() / n),
        sampled=sum(tree.sampled for tree in trees),
        trees=len(trees),
        responses=sum(len(tree.leaves) for tree in trees),
        tries=sum(tree.tries for tree in trees),
    )


def levels(compared: Sequence[Compared]) -> list[int]:
    """How many levels each pair shares: labels of late siblings are the noisiest, so look at them apart."""
    return [lcp(each.a, each.b) for each in compared]


@dataclass(frozen=True)
class Nobody(Preference):
    """Leaves every pair open, for labels that come later."""

    def choose(self, pairs: Sequence[Pair]) -> list[Choice]:
        """Skip."""
        return [Choice("skip", judge="", fault=Fault(FaultKind.ABSENT, "not labelled yet")) for _ in pairs]
