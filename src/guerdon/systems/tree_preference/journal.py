"""The journal of a collection: a line for each tree, appended when its labels are known, never changed.

    prefs.jsonl.trees    settings in the first line, then trees with their nodes and comparisons
    prefs.jsonl          the preferences, written anew from the journal

Killed at any time, a collection goes on from its journal: a line that was cut off is dropped, and its tree grown again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from guerdon.core.errors import ConfigError
from guerdon.core.plain import Json, canonical
from guerdon.core.preference import Choice
from guerdon.core.score import Fault, FaultKind
from guerdon.systems.tree_preference.collect import Compared
from guerdon.systems.tree_preference.trees import Node, Tree

FORMAT = "guerdon-preference-trees-1"


class Journal:
    """An append-only file that one process writes.

    Args:
        path: the file; it is made if it is not there.
        settings: of the collection, plain data. A file of other settings is refused.

    Raises:
        ConfigError: the file is of other settings, broken in the middle, or being written by another process.
    """

    def __init__(self, path: Path, settings: Mapping[str, Json]) -> None:
        import fcntl

        self.path = path
        self._file = path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise ConfigError("a journal that nobody else writes", f"{path.name} is open", "Wait for it") from None
        try:
            self.trees, self.compared = self._taken_up(dict(settings))
        except BaseException:
            self._file.close()
            raise

    def _taken_up(self, settings: dict[str, Json]) -> tuple[list[Tree], list[Compared]]:
        self._file.seek(0)
        data = self._file.read()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            self._file.truncate(len(whole))
        lines = whole.splitlines()
        head = {"format": FORMAT, "settings": settings}
        if not lines:
            self._write(canonical(head))
            return [], []
        if _parsed(self.path, 1, lines[0]) != json.loads(canonical(head)):
            do = "Give the settings that it was begun with, or another file"
            raise ConfigError(f"{self.path.name} continues this collection", "it is of other settings", do)
        return _read(self.path, lines[1:], 2)

    def append(self, trees: Sequence[Tree], compared: Sequence[Compared]) -> None:
        """Write trees with their comparisons, and wait until they are on the disk."""
        of: dict[str, list[Compared]] = {tree.id: [] for tree in trees}
        for each in compared:
            of[each.tree].append(each)
        self._write("\n".join(json.dumps(_plain(tree, of[tree.id]), ensure_ascii=False) for tree in trees))
        self.trees += trees
        self.compared += compared

    def _write(self, text: str) -> None:
        if text:
            self._file.write(text.encode("utf-8", "surrogatepass") + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let others write."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read(path: Path) -> tuple[dict[str, Any], list[Tree], list[Compared]]:
    """Settings, trees and comparisons of a journal; a line that was cut off is left out.

    Raises:
        ConfigError: it is no journal.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError("a journal of trees", f"{path.name}: {error.strerror}", "Check the path") from None
    lines = data[: data.rfind(b"\n") + 1].splitlines()
    head = _parsed(path, 1, lines[0]) if lines else {}
    if not isinstance(head, dict) or head.get("format") != FORMAT:
        raise ConfigError("a journal of trees", f"{path.name} is none", "Give the file that ends in .trees")
    trees, compared = _read(path, lines[1:], 2)
    return dict(head["settings"]), trees, compared


def _parsed(path: Path, number: int, line: bytes) -> Any:
    try:
        return json.loads(line.decode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise ConfigError(f"{path.name}, line {number}: JSON", str(error)[:100], "Restore the file") from None


def _read(path: Path, lines: Sequence[bytes], first: int) -> tuple[list[Tree], list[Compared]]:
    trees: list[Tree] = []
    compared: list[Compared] = []
    for number, line in enumerate(lines, first):
        row = _parsed(path, number, line)
        try:
            tree = _tree(row)
            trees.append(tree)
            compared += [_comparison(tree, each) for each in row["compared"]]
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"{path.name}, line {number}: a tree", str(error)[:100], "Restore the file") from None
    return trees, compared


def _plain(tree: Tree, compared: Sequence[Compared]) -> dict[str, Any]:
    nodes = {node.path: [node.text, node.whole] for node in tree.nodes.values() if node.path}
    told = [
        {
            "a": each.a,
            "b": each.b,
            "outcome": each.choice.outcome,
            "strength": each.choice.strength,
            "judge": each.choice.judge,
            "fault": None if each.choice.fault is None else [each.choice.fault.kind.value, each.choice.fault.detail],
            "tokens": list(each.tokens),
        }
        for each in compared
    ]
    return {
        "tree_id": tree.id,
        "prompt": tree.prompt,
        "nodes": nodes,
        "sampled": tree.sampled,
        "tries": tree.tries,
        "compared": told,
    }


def _tree(row: Mapping[str, Any]) -> Tree:
    tree = Tree(str(row["tree_id"]), str(row["prompt"]), sampled=int(row["sampled"]), tries=int(row["tries"]))
    for path, (text, whole) in row["nodes"].items():
        tree.nodes[path] = Node(path, text, None, bool(whole))
    return tree


def _comparison(tree: Tree, row: Mapping[str, Any]) -> Compared:
    fault = None if row["fault"] is None else Fault(FaultKind(row["fault"][0]), row["fault"][1])
    choice = Choice(row["outcome"], float(row["strength"]), row["judge"], fault)
    one, two, three = map(int, row["tokens"])
    texts = (tree.nodes[row["a"]].text, tree.nodes[row["b"]].text)
    return Compared(tree.id, tree.prompt, row["a"], row["b"], texts, (one, two, three), choice)
