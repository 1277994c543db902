"""Trees of responses, grown by any generator that can go on from a given beginning.

On each level every node gets B children. A child is sampled to its end and cut at the separator nearest to d / D of its
length; the rest is kept and becomes the first child of the next level, so that nothing is sampled in vain: 8 leaves of
D = 3 and B = 2 cost 14 / 3 lengths of a response. Siblings that coincide are tried again at a higher temperature, up to
the last one, and then left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from guerdon.core.errors import ProviderError
from guerdon.core.rng import entropy
from guerdon.systems.tree_preference.shapes import Shape

SEPARATORS = (r"\n+\s*|(?<=[.!?])\s+", r"(?<=[,;:])\s+", r"\s+")
"""Where a prefix may end, the best first: lines and sentences, other punctuation, words. A prefix ends before them."""


class Generator(Protocol):
    """What goes on from a beginning: a language model of any kind."""

    def __call__(
        self, prompts: Sequence[str], prefixes: Sequence[str], temperature: float, seed: int
    ) -> Sequence[str | None]:
        """The rest of a response to each prompt that begins with the prefix, or `None` where there is none.

        Other seeds give other texts, and the same call the same ones.
        """
        ...

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text."""
        ...


@dataclass
class Node:
    """A beginning of a response.

    Args:
        path: the number of the child on each level; "" is the prompt.
        text: the beginning.
        spare: how it went on when it was sampled; `None` at the root.
        whole: whether it is a complete response.
    """

    path: str
    text: str
    spare: str | None = None
    whole: bool = False


@dataclass
class Tree:
    """The responses to one prompt.

    Args:
        id: its name.
        prompt: what was asked.
        nodes: by path, the root "" among them.
        sampled: tokens that were sampled for it.
        tries: samples that coincided with a sibling, or failed.
    """

    id: str
    prompt: str
    nodes: dict[str, Node] = field(default_factory=lambda: {"": Node("", "")})
    sampled: int = 0
    tries: int = 0

    @property
    def leaves(self) -> dict[str, str]:
        """Complete responses by path; of equal ones the first."""
        found: dict[str, str] = {}
        for path, node in self.nodes.items():
            if node.whole and node.text not in found.values():
                found[path] = node.text
        return found

    @property
    def responses(self) -> dict[str, str]:
        """Complete and incomplete responses by path, without the root; of equal ones the first."""
        found = self.leaves
        for path, node in self.nodes.items():
            if path and not node.whole and node.text not in found.values():
                found[path] = node.text
        return found

    def shared(self, one: str, two: str) -> str:
        """The prefix that two paths share: the text of the last node above both."""
        path, parts = "", list(zip(one.split("."), two.split("."), strict=False))
        for k, (a, b) in enumerate(parts):
            if a != b:
                break
            path = ".".join(one.split(".")[: k + 1])
        return self.nodes[path].text


def cut(text: str, share: float, above: int = 0, depth: int = 3, separators: Sequence[str] = SEPARATORS) -> int | None:
    """Where a text is cut: the separator nearest to a share of its length, beyond `above`.

    A better separator is taken if one is within half a part of the mark; else the next kind is looked at.

    Args:
        text: a whole response.
        share: d / D.
        above: characters that are already there.
        depth: D; a part is 1 / D of the length.
        separators: patterns, the best first.

    Returns:
        The number of characters of the prefix; `None` if it can be cut nowhere.

    >>> cut("One thing. Another thing, and more of it.", 1 / 3), cut("a b c d", 0.5), cut("word", 0.5)
    (10, 3, None)
    """
    mark, near = share * len(text), len(text) / (2 * depth)
    places: list[int] = []
    for pattern in separators:
        places += [hit.start() for hit in re.finditer(pattern, text) if above < hit.start() and hit.end() < len(text)]
        best = min(places, key=lambda at: (abs(at - mark), at), default=None)
        if best is not None and abs(best - mark) <= near:
            return best
    return min(places, key=lambda at: (abs(at - mark), at), default=None)


def grow(
    generate: Generator, prompts: Sequence[str], ids: Sequence[str], shape: Shape, seed: int, *name: str | int
) -> list[Tree]:
    """A tree for each prompt; prompts of one call must differ.

    Args:
        generate: the generator.
        prompts: what is asked.
        ids: names of the trees.
        shape: of the trees.
        seed: of all draws, with the name of this call.
        name: of this call.

    Raises:
        ProviderError: nothing at all could be sampled.
    """
    trees = [Tree(id_, prompt) for id_, prompt in zip(ids, prompts, strict=True)]
    level = [(tree, tree.nodes[""]) for tree in trees]
    for depth, breadth in enumerate(shape.breadth, 1):
        grown: list[tuple[Tree, Node]] = []
        for child in range(breadth):
            grown += _children(generate, level, child, depth, shape, (seed, *name))
        level = [(tree, node) for tree, node in grown if not node.whole]
    if trees and not any(tree.leaves for tree in trees):
        raise ProviderError("a generator that goes on from a prompt", "it gave no text at all", "Check the model")
    return trees


def _children(
    generate: Generator,
    level: Sequence[tuple[Tree, Node]],
    child: int,
    depth: int,
    shape: Shape,
    key: tuple[int, *tuple[str | int, ...]],
) -> list[tuple[Tree, Node]]:
    """The child of this number of each node, where one could be made that differs from its siblings."""
    made = []
    left = []
    for tree, node in level:
        if child == 0 and node.spare is not None:
            made.append((tree, _placed(tree, node, node.spare, child, depth, shape)))
        else:
            left.append((tree, node))
    for k, temperature in enumerate(shape.temperatures):
        if not left:
            break
        seed = entropy(key[0], "tree", *key[1:], depth, child, k) % 2**31
        told = generate([tree.prompt for tree, _ in left], [node.text for _, node in left], temperature, seed)
        counts = generate.count([text or "" for text in told])
        again = []
        for (tree, node), rest, tokens in zip(left, told, counts, strict=True):
            tree.sampled += tokens
            new = None if rest is None else _placed(tree, node, rest, child, depth, shape)
            if new is None:
                tree.tries += 1
                again.append((tree, node))
            else:
                made.append((tree, new))
        left = again
    return [(tree, node) for tree, node in made if node is not None]


def _placed(tree: Tree, above: Node, rest: str, child: int, depth: int, shape: Shape) -> Node | None:
    """A new node of the tree, or `None` if it coincides with a sibling or is empty."""
    text = above.text + rest
    at = None if depth == shape.depth else cut(text, depth / shape.depth, len(above.text), shape.depth)
    head, whole = (text, True) if at is None else (text[:at], False)
    path = f"{above.path}.{child}" if above.path else str(child)
    stem = path.rpartition(".")[0]
    siblings = [node.text for name, node in tree.nodes.items() if name and name.rpartition(".")[0] == stem]
    if not head.strip() or head in siblings:
        return None
    node = Node(path, head, None if whole else text[len(head) :], whole)
    tree.nodes[path] = node
    return node
