"""Categories in a tree: a detection of a kind of what the label says is no mistake.

A box that is labelled "bird" says nothing about "sparrow", so where a detector found a sparrow there, it is ignored:
it neither counts as a hit of "bird" nor against "sparrow". The other way round is a mistake (V3Det, arXiv 2304.03752).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.vision.detections import Detections, Truths

Ints: TypeAlias = npt.NDArray[np.int64]
_AT_ONCE = 4_000_000


@dataclass(frozen=True, eq=False)
class Tree:
    """The ancestors of each of K categories, itself not among them.

    Args:
        starts: (K + 1,) where those of each begin in `ancestors`.
        ancestors: indices of categories.

    >>> tree = Tree.of(3, [(0, 1), (1, 2)])
    >>> [tree.of_category(k).tolist() for k in range(3)]
    [[], [0], [0, 1]]
    """

    starts: Ints
    ancestors: Ints

    @classmethod
    def of(cls, categories: int, edges: Iterable[tuple[int, int]]) -> Tree:
        """From pairs of parent and child; a category may have several parents.

        Raises:
            ConfigError: an index is no category.
        """
        parents: list[set[int]] = [set() for _ in range(categories)]
        for parent, child in edges:
            if not (0 <= parent < categories and 0 <= child < categories):
                raise ConfigError(f"categories from 0 to {categories - 1}", f"got {parent} over {child}", "Number them")
            parents[child].add(parent)
        above = []
        for k in range(categories):
            seen: set[int] = set()
            ahead = list(parents[k])
            while ahead:
                one = ahead.pop()
                if one not in seen:
                    seen.add(one)
                    ahead += parents[one]
            above.append(sorted(seen - {k}))
        return cls._of_lists(above)

    @classmethod
    def _of_lists(cls, above: Sequence[Sequence[int]]) -> Tree:
        starts = np.concatenate([[0], np.cumsum([len(each) for each in above])]).astype(np.int64)
        return cls(starts, np.array([k for each in above for k in each], np.int64))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def of_category(self, category: int) -> Ints:
        """Ancestors of one category."""
        return self.ancestors[self.starts[category] : self.starts[category + 1]]


def read_tree(path: Path, categories: npt.ArrayLike) -> Tree:
    """The tree of V3Det's file `..._category_tree.json`.

    Its nodes are strings and more than the data set's categories; of these only the latter are kept, with the order of
    ancestors that the file gives.

    Args:
        path: with `categoryid2treeid` and `descendant2ancestor`, or `child2father`.
        categories: (K,) ids of the data set, ascending.

    Raises:
        ConfigError: the file is another.
    """
    ids = np.asarray(categories, np.int64).tolist()
    try:
        told: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        node_of = {int(k): str(v) for k, v in told["categoryid2treeid"].items()}
        fathers = {str(k): _listed(v) for k, v in told.get("descendant2ancestor", told.get("child2father")).items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ConfigError("a tree of categories", f"{path.name}: {error}"[:200], "See V3Det's category tree") from None
    index_of: dict[str, list[int]] = {}
    for index, each in enumerate(ids):
        index_of.setdefault(node_of.get(each, ""), []).append(index)
    above = []
    for index, each in enumerate(ids):
        nodes = _all_above(node_of.get(each, ""), fathers)
        above.append(sorted({k for node in nodes for k in index_of.get(node, ())} - {index}))
    return Tree._of_lists(above)


def with_kinds(truths: Truths, detections: Detections, tree: Tree) -> Truths:
    """The truths, and for each detection's image and category a copy of each box of an ancestor there, ignored.

    Args:
        truths: what is there.
        detections: what was found; a category that was not found in an image needs no copy there.
        tree: of the categories.
    """
    k = len(tree)
    found = np.unique(detections.image * k + detections.category)
    there = truths.image * k + truths.category
    order = np.argsort(there, kind="stable")
    there = there[order]
    parts: list[tuple[Ints, Ints]] = []
    for some in np.array_split(found, max(1, len(found) // _AT_ONCE)):
        category = some % k
        counts = tree.starts[category + 1] - tree.starts[category]
        child = np.repeat(some, counts)
        at = np.arange(len(child)) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(
            tree.starts[category], counts
        )  # fmt: skip
        wanted = child - child % k + tree.ancestors[at]
        first, last = np.searchsorted(there, wanted, "left"), np.searchsorted(there, wanted, "right")
        hits = np.flatnonzero(last > first)
        n = (last - first)[hits]
        which = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n) + np.repeat(first[hits], n)
        parts.append((order[which], np.repeat(child[hits] % k, n)))
    if not parts:
        return truths
    source, category = (np.concatenate(column) for column in zip(*parts, strict=True))
    copies = truths.take(source)
    return truths + replace(copies, category=category, ignore=np.ones(len(copies), bool))


def _listed(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def _all_above(node: str, fathers: Mapping[str, list[str]]) -> set[str]:
    seen: set[str] = set()
    ahead = list(fathers.get(node, ()))
    while ahead:
        one = ahead.pop()
        if one not in seen:
            seen.add(one)
            ahead += fathers.get(one, ())
    return seen - {node}
