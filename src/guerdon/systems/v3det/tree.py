"""The category tree as it is released: names, descriptions, synonyms, parents and children of its nodes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guerdon.core.errors import ConfigError, did_you_mean

_FIELDS = {
    "names": "id2name",
    "descriptions": "id2desc",
    "synonyms": "id2synonym_list",
    "centres": "id2center_synonym",
    "children": "father2child",
    "parents": "child2father",
}


@dataclass(frozen=True, eq=False)
class CategoryTree:
    """Nodes by their ids, which are strings; several are no category of the data set.

    Args:
        nodes: node of each category, by the category's id.
        names: of nodes.
        descriptions: of nodes.
        synonyms: of nodes.
        centres: the synonym in the middle of the others, of nodes.
        children: of nodes.
        parents: of nodes.
    """

    nodes: Mapping[int, str]
    names: Mapping[str, str]
    descriptions: Mapping[str, str]
    synonyms: Mapping[str, tuple[str, ...]]
    centres: Mapping[str, str]
    children: Mapping[str, tuple[str, ...]]
    parents: Mapping[str, tuple[str, ...]]

    @classmethod
    def read(cls, path: Path) -> CategoryTree:
        """From the file `..._category_tree.json`.

        Raises:
            ConfigError: it is another file.
        """
        try:
            told = json.loads(path.read_bytes())
            nodes = {int(each): str(node) for each, node in told["categoryid2treeid"].items()}
            fields = {name: told.get(field, {}) for name, field in _FIELDS.items()}
            lists = {n: {str(k): _texts(v) for k, v in fields[n].items()} for n in ("synonyms", "children", "parents")}
            plain = {n: {str(k): str(v) for k, v in fields[n].items()} for n in ("names", "descriptions", "centres")}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            got = f"{path.name}: {error}"[:200]
            raise ConfigError("a category tree of V3Det", got, "Give v3det_2023_v1_category_tree.json") from None
        if not lists["parents"]:
            lists["parents"] = _turned(lists["children"])
        words: Any = {**plain, **lists}
        return cls(nodes, **words)

    def node(self, category: int) -> str:
        """The node of a category.

        Raises:
            ConfigError: it has none.
        """
        if category not in self.nodes:
            known = [str(each) for each in self.nodes]
            raise ConfigError("the id of a category", f"got {category}", did_you_mean(str(category), known))
        return self.nodes[category]

    def ancestors(self, node: str) -> list[str]:
        """Everything above a node, the nearest first; never itself."""
        return [each for each in _walk(node, self.parents) if each != node]

    def descendants(self, node: str) -> list[str]:
        """Everything below a node, the nearest first; never itself."""
        return [each for each in _walk(node, self.children) if each != node]

    def kinds(self, category: int) -> list[int]:
        """Categories of the data set that are kinds of one, by id."""
        below = set(self.descendants(self.node(category)))
        return sorted(each for each, node in self.nodes.items() if node in below and each != category)

    def path(self, category: int) -> list[str]:
        """Names from the top to a category, by each node's first parent."""
        node, seen = self.node(category), [self.node(category)]
        while self.parents.get(node):
            node = self.parents[node][0]
            if node in seen:
                break
            seen.append(node)
        return [self.names.get(each, each) for each in reversed(seen)]


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(each) for each in value) if isinstance(value, list) else (str(value),)


def _turned(children: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for parent, below in children.items():
        for child in below:
            found[child] = (*found.get(child, ()), parent)
    return found


def _walk(node: str, edges: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    seen: set[str] = set()
    ahead = list(edges.get(node, ()))
    while ahead:
        one = ahead.pop(0)
        if one not in seen:
            seen.add(one)
            yield one
            ahead += edges.get(one, ())
