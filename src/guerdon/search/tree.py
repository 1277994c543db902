"""Trees of attempts: selection of several leaves at once, expansion, backup."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError, SolverError
from guerdon.search import saving
from guerdon.search.arrays import Floats, Ints, column, whole


def puct(q: npt.ArrayLike, prior: npt.ArrayLike, visits: npt.ArrayLike, c: float = 1.25) -> Floats:
    """PUCT (Silver et al. 2017): Q(s, a) + c P(s, a) √(Σ_b N(s, b)) / (1 + N(s, a)), along the last axis.

    Any leading axes are parents worked on together, (..., K) in and out. Where no child has been visited the root is
    taken of 1, so that priors decide. An unknown q (nan) is −inf: such a child is never preferred.

    >>> puct([0.0, 1.0], [0.5, 0.5], [3, 1], c=1.0).tolist()
    [0.25, 1.5]
    """
    visit_K = np.asarray(visits, dtype=np.float64)
    root = np.sqrt(np.maximum(visit_K.sum(axis=-1, keepdims=True), 1.0))
    q_K = np.asarray(q, dtype=np.float64)
    q_K = np.where(np.isnan(q_K), -np.inf, q_K)
    bonus_K: Floats = c * np.asarray(prior, dtype=np.float64) * root / (1.0 + visit_K)
    return q_K + bonus_K


def uct(q: npt.ArrayLike, visits: npt.ArrayLike, c: float = 2**0.5) -> Floats:
    """UCT (Kocsis and Szepesvári 2006): Q + c √(ln Σ_b N(b) / N), along the last axis; +inf for an unvisited child.

    >>> uct([0.5, 0.0], [1, 0]).tolist()
    [0.5, inf]
    """
    visit_K = np.asarray(visits, dtype=np.float64)
    total = np.log(np.maximum(visit_K.sum(axis=-1, keepdims=True), 1.0))
    q_K = np.asarray(q, dtype=np.float64)
    q_K = np.where(np.isnan(q_K), -np.inf, q_K)
    tried_K = visit_K > 0
    return np.where(tried_K, q_K + c * np.sqrt(total / np.where(tried_K, visit_K, 1.0)), np.inf)


@dataclass(frozen=True, kw_only=True)
class TreePolicy:
    """How a tree is searched.

    Args:
        rule: "puct" or "uct".
        c: weight of exploration.
        value: what a node is worth: the mean of the values below it, or their maximum.
        virtual_loss: what a selected leaf that is not backed up yet counts, as a loss, at each node above it
            (Chaslot et al. 2008), so that leaves of one batch spread. It is subtracted from the sum ("mean") or
            divided by the visits and subtracted from the maximum ("max").
        unvisited: Q of a child whose value is not known; `None` for its parent's.
        transpositions: let nodes of one position share their values, while visits stay each node's own (UCT2 of
            Childs, Brodeur and Kocsis 2008). Positions are the `keys` of `expand`.
    """

    rule: Literal["puct", "uct"] = "puct"
    c: float = 1.25
    value: Literal["mean", "max"] = "mean"
    virtual_loss: float = 1.0
    unvisited: float | None = None
    transpositions: bool = False

    def __post_init__(self) -> None:
        if self.rule not in ("puct", "uct") or self.value not in ("mean", "max"):
            got = f"got {self.rule!r}, {self.value!r}"
            raise ConfigError('rule is "puct" or "uct", value "mean" or "max"', got, "Pick one of each")


_COLUMNS = {
    "parent": np.int64,
    "first": np.int64,
    "count": np.int64,
    "depth": np.int64,
    "visits": np.int64,
    "valued": np.int64,
    "pending": np.int64,
    "open": np.int64,
    "shared": np.int64,
    "prior": np.float64,
    "total": np.float64,
    "best": np.float64,
}
_LEAF, _CLOSED = -1, -2  # in `first`: not expanded yet; never to be


class Tree:
    """A search tree in arrays, one row a node, the children of a node in consecutive rows. Node 0 is the root.

    The loop is select → (evaluate, and expand where there are moves) → backup. A leaf that is selected is not selected
    again before its backup. A node without moves, and a leaf whose evaluation was a fault (value not finite), are
    closed: they are never selected again, and neither is a node all of whose children are closed. So `select` gives
    fewer leaves than asked, in the end none, and every search of a finite tree ends. Nothing here is recursive.

    Args:
        policy: how it is searched.

    >>> tree = Tree(TreePolicy(c=1.0))
    >>> tree.expand(tree.select(1), [[0.5, 0.5]])
    [array([1, 2])]
    >>> tree.backup([0], [0.0])
    >>> leaves = tree.select(2)
    >>> tree.backup(leaves, [1.0, None])
    >>> leaves.tolist(), tree.select(5).tolist(), float(tree.q([0])[0])
    ([1, 2], [1], 0.5)
    """

    def __init__(self, policy: TreePolicy | None = None) -> None:
        self.policy = policy or TreePolicy()
        self._columns: dict[str, npt.NDArray[Any]] = {}
        self._resize(64)
        self._keys: dict[int, Hashable] = {}
        self._first: dict[Hashable, int] = {}  # of each position the first node, which has its values
        self._out: set[int] = set()  # selected and not backed up
        self._size = 0
        self._append(-1, np.ones(1))

    def _resize(self, capacity: int) -> None:
        for name, dtype in _COLUMNS.items():
            grown = np.zeros(capacity, dtype=dtype)
            old = self._columns.get(name)
            if old is not None:
                grown[: len(old)] = old
            self._columns[name] = grown

    def _append(self, parent: int, prior_K: Floats) -> Ints:
        start, stop = self._size, self._size + len(prior_K)
        if stop > len(self._columns["parent"]):
            self._resize(max(stop, 2 * len(self._columns["parent"])))
        rows, columns = slice(start, stop), self._columns
        columns["parent"][rows] = parent
        columns["first"][rows], columns["count"][rows] = _LEAF, 0
        columns["depth"][rows] = 0 if parent < 0 else columns["depth"][parent] + 1
        columns["open"][rows], columns["prior"][rows], columns["best"][rows] = 1, prior_K, -np.inf
        columns["shared"][rows] = np.arange(start, stop)
        self._size = stop
        return np.arange(start, stop)

    def __len__(self) -> int:
        return self._size

    def parents(self, nodes: npt.ArrayLike) -> Ints:
        """The parent of each node; −1 for the root."""
        return self._get("parent", nodes)

    def depths(self, nodes: npt.ArrayLike) -> Ints:
        """Edges from the root to each node."""
        return self._get("depth", nodes)

    def visits(self, nodes: npt.ArrayLike) -> Ints:
        """Backups through each node, faults included."""
        return self._get("visits", nodes)

    def _get(self, name: str, nodes: npt.ArrayLike) -> npt.NDArray[Any]:
        found: npt.NDArray[Any] = self._columns[name][whole("nodes", nodes, below=self._size)]
        return found

    def children(self, node: int) -> Ints:
        """The rows of a node's children, in the order of its moves; none for a leaf."""
        row = int(whole("nodes", [node], below=self._size)[0])
        first = int(self._columns["first"][row])
        return np.arange(first, first + int(self._columns["count"][row])) if first >= 0 else np.arange(0)

    def path(self, node: int) -> list[int]:
        """From the root to a node."""
        found: list[int] = []
        parent = self._columns["parent"]
        at = int(whole("nodes", [node], below=self._size)[0])
        while at >= 0:
            found.append(at)
            at = int(parent[at])
        return found[::-1]

    def first_of(self, nodes: npt.ArrayLike) -> Ints:
        """For each node the first node of its position, which holds the values; itself without transpositions."""
        return self._get("shared", nodes)

    def q(self, nodes: npt.ArrayLike) -> Floats:
        """The value of each node by the policy, without virtual losses; nan where none is known."""
        rows = self.first_of(nodes)
        valued = self._columns["valued"][rows]
        if self.policy.value == "max":
            return np.where(valued > 0, self._columns["best"][rows], np.nan)
        return np.where(valued > 0, self._columns["total"][rows] / np.maximum(valued, 1), np.nan)

    def select(self, count: int) -> Ints:
        """Up to `count` different leaves to evaluate, each marked as pending until its backup.

        Returns:
            Nodes (L,), L ≤ count; fewer when no more leaves are open.
        """
        found: list[int] = []
        while len(found) < count and self._columns["open"][0] > 0:
            leaf = self._descend()
            found.append(leaf)
            self._out.add(leaf)
            self._pend(leaf, 1)
            self._open(leaf, -1)
        return np.array(found, dtype=np.int64)

    def _descend(self) -> int:
        first, count, opened = self._columns["first"], self._columns["count"], self._columns["open"]
        at = 0
        while first[at] >= 0:
            rows = slice(int(first[at]), int(first[at] + count[at]))
            score_K = np.where(opened[rows] > 0, self._scores(at, rows), -np.inf)
            best = int(score_K.argmax())
            if opened[rows][best] <= 0:  # every open child is at −inf
                best = int((opened[rows] > 0).argmax())
            at = rows.start + best
        return at

    def _scores(self, node: int, rows: slice) -> Floats:
        columns, policy = self._columns, self.policy
        values = columns["shared"][rows] if policy.transpositions else rows
        valued_K, pending_K = columns["valued"][values], columns["pending"][rows]
        visit_K = columns["visits"][rows] + pending_K
        loss_K = policy.virtual_loss * pending_K
        if policy.value == "mean":
            q_K = (columns["total"][values] - loss_K) / np.maximum(valued_K + pending_K, 1)
            unknown_K = (valued_K == 0) & (pending_K == 0)
        else:
            q_K, unknown_K = columns["best"][values].copy(), valued_K == 0
        if unknown_K.any():
            q_K[unknown_K] = self._fallback(node)
        if policy.value == "max":
            q_K -= loss_K / np.maximum(visit_K, 1)
        if policy.rule == "puct":
            return puct(q_K, columns["prior"][rows], visit_K, policy.c)
        return uct(q_K, visit_K, policy.c)

    def _fallback(self, node: int) -> float:
        if self.policy.unvisited is not None:
            return self.policy.unvisited
        row = int(self._columns["shared"][node])
        valued = int(self._columns["valued"][row])
        if not valued:
            return 0.0
        return float(self._columns["best"][row] if self.policy.value == "max" else self._columns["total"][row] / valued)

    def _pend(self, leaf: int, by: int) -> None:
        parent, pending = self._columns["parent"], self._columns["pending"]
        at = leaf
        while at >= 0:
            pending[at] += by
            at = int(parent[at])

    def _open(self, node: int, by: int) -> None:
        """Change how many open things a node has: itself when it is a leaf that may be selected, else its open
        children. Where that falls to none, or rises from none, its parent has one fewer, or more, and so on.
        """
        parent, opened = self._columns["parent"], self._columns["open"]
        at = node
        while at >= 0:
            before = opened[at] > 0
            opened[at] += by
            if (opened[at] > 0) == before:
                return
            by = -1 if before else 1
            at = int(parent[at])

    def expand(
        self, leaves: npt.ArrayLike, priors: Sequence[npt.ArrayLike], keys: Sequence[Sequence[Hashable]] | None = None
    ) -> list[Ints]:
        """Give leaves their children.

        Args:
            leaves: (L,) nodes that have no children yet.
            priors: for each leaf the prior of each move, at least 0 (nan counts as 0); empty where there is no legal
                move, which closes the leaf.
            keys: for each leaf the position that each move leads to. A move to a position of its own path is a cycle,
                and its node is closed from the start. With transpositions, nodes of one position share their values.

        Returns:
            For each leaf its new nodes.

        Raises:
            SolverError: a leaf has been expanded before.
        """
        rows = whole("leaves", leaves, below=self._size)
        if len(priors) != len(rows) or (keys is not None and len(keys) != len(rows)):
            raise SolverError("each leaf has a list of priors", f"got {len(priors)} for {len(rows)}", "Align them")
        found = []
        for i, leaf in enumerate(rows.tolist()):
            prior_K = np.maximum(np.nan_to_num(column("priors", priors[i]), posinf=1.0, neginf=0.0), 0.0)
            found.append(self._expand(leaf, prior_K, None if keys is None else keys[i]))
        return found

    def _expand(self, leaf: int, prior_K: Floats, keys: Sequence[Hashable] | None) -> Ints:
        if self._columns["first"][leaf] != _LEAF:
            raise SolverError(
                "a leaf is expanded once", f"node {leaf} has been, or is closed", "Expand selected leaves"
            )
        if keys is not None and len(keys) != len(prior_K):
            raise SolverError("each move has a key", f"got {len(keys)} for {len(prior_K)}", "Align them")
        own = 0 if leaf in self._out else 1  # a selected leaf is not open any more
        if not len(prior_K):
            self._columns["first"][leaf] = _CLOSED
            self._open(leaf, -own)
            return np.arange(0)
        nodes = self._append(leaf, prior_K)
        self._columns["first"][leaf], self._columns["count"][leaf] = nodes[0], len(nodes)
        cycles = 0 if keys is None else self._close_cycles(leaf, nodes.tolist(), keys)
        self._open(leaf, len(nodes) - cycles - own)
        return nodes

    def _close_cycles(self, leaf: int, nodes: list[int], keys: Sequence[Hashable]) -> int:
        """Close the new nodes that lead back to their own path; returns how many."""
        above = {self._keys[node] for node in self.path(leaf) if node in self._keys}
        cycles = 0
        for node, key in zip(nodes, keys, strict=True):
            self._name(node, key)
            if key in above:
                self._columns["first"][node], self._columns["open"][node] = _CLOSED, 0
                cycles += 1
        return cycles

    def _name(self, node: int, key: Hashable) -> None:
        self._keys[node] = key
        if self.policy.transpositions:
            self._columns["shared"][node] = self._first.setdefault(key, node)

    def name_root(self, key: Hashable) -> None:
        """Say which position the root is, so that moves back to it count as cycles.

        Raises:
            SolverError: there are transpositions, and the root has been expanded already.
        """
        if self.policy.transpositions and self._columns["first"][0] >= 0:
            raise SolverError("the root is named before it is expanded", "it has children", "Name it first")
        self._name(0, key)

    def backup(self, leaves: npt.ArrayLike, values: Sequence[float | None] | npt.ArrayLike) -> None:
        """Bring the values of selected leaves up to the root.

        A value that is `None`, nan or infinite is a fault: it counts as a visit, adds no value, and closes the leaf
        when that has no children.

        Args:
            leaves: (L,) nodes that `select` gave, in any order.
            values: (L,).

        Raises:
            SolverError: a leaf is not pending.
        """
        rows = whole("leaves", leaves, below=self._size)
        value_L = column("values", values, len(rows))
        for leaf, value in zip(rows.tolist(), value_L.tolist(), strict=True):
            if leaf not in self._out:
                raise SolverError("values are for selected leaves", f"node {leaf} is not pending", "Use select first")
            fault = not np.isfinite(value)
            self._out.remove(leaf)
            self._pend(leaf, -1)
            self._add(leaf, 0.0 if fault else value, 0 if fault else 1)
            if self._columns["first"][leaf] == _LEAF and fault:
                self._columns["first"][leaf] = _CLOSED
            elif self._columns["first"][leaf] == _LEAF:
                self._open(leaf, 1)

    def _add(self, leaf: int, value: float, known: int) -> None:
        columns = self._columns
        parent, visits, valued = columns["parent"], columns["visits"], columns["valued"]
        total, best, shared = columns["total"], columns["best"], columns["shared"]
        at = leaf
        while at >= 0:
            visits[at] += 1
            if known:
                row = shared[at]
                valued[row] += 1
                total[row] += value
                best[row] = max(best[row], value)
            at = int(parent[at])

    def save(self, folder: Path) -> None:
        """Write the tree into a folder. Keys of positions must be text or whole numbers, or not be there."""
        arrays = {name: array[: self._size] for name, array in self._columns.items()}
        plain: dict[str, Any] = {"policy": {name: getattr(self.policy, name) for name in TreePolicy.__annotations__}}
        plain["keys"] = [[node, key] for node, key in self._keys.items()]
        if any(type(key) not in (str, int) for key in self._keys.values()):
            raise SolverError("keys that are saved are text or whole numbers", "got others", "Use a digest as the key")
        plain["out"] = sorted(self._out)
        saving.write(folder, "Tree", arrays, plain)

    @classmethod
    def load(cls, folder: Path) -> Tree:
        """Read what `save` wrote."""
        arrays, plain = saving.read(folder, "Tree")
        tree = cls(TreePolicy(**plain["policy"]))
        size = len(arrays["parent"])
        tree._columns, tree._size = {"shared": np.arange(size), **arrays}, size
        tree._keys, tree._out = dict(plain["keys"]), set(plain["out"])
        if tree.policy.transpositions:
            for node in sorted(tree._keys):
                tree._first.setdefault(tree._keys[node], node)
        return tree
