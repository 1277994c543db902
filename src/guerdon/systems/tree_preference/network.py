"""Networks of responses (the induced Bayesian network of arXiv 2402.10184) and how far apart inference leaves them.

    nodes    responses, and points that stand for what they have in common
    edges    noisy observations of a difference of rewards: a labelled comparison, or the belief that like responses
             have like rewards; each has a variance

The inference distance of two nodes is the variance that is left of their reward difference when all edges are used.
Variances add in series, precisions in parallel; with Gaussian edges that is the effective resistance of a network of
resistors whose resistances are the variances:

    d(a, b) = L+_aa + L+_bb - 2 L+_ab        L the Laplacian with weights 1 / variance, L+ its pseudo-inverse
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
ANCHOR = 1e-4
"""Precision of a vague prior on each node: it keeps distances finite where a network falls apart."""
_AT_ONCE = 512  # right-hand sides that are solved together


@dataclass(frozen=True, eq=False)
class Network:
    """n nodes and e edges between them; several edges of two nodes act in parallel.

    Args:
        nodes: n.
        first: (e,) one end of each edge.
        second: (e,) the other.
        variance: (e,) of what the edge says of their difference, above 0.

    >>> series = Network.of(3, [0, 1], [1, 2], [2.0, 3.0])
    >>> series.distances([0], [2]).round(9).tolist()
    [5.0]
    """

    nodes: int
    first: Ints
    second: Ints
    variance: Floats

    @classmethod
    def of(cls, nodes: int, first: npt.ArrayLike, second: npt.ArrayLike, variance: npt.ArrayLike) -> Network:
        """A network from its edges; one variance stands for all.

        Raises:
            ConfigError: an end is no node, an edge joins a node with itself, or a variance is not above 0.
        """
        one, two = np.asarray(first, np.int64), np.asarray(second, np.int64)
        spread = np.broadcast_to(np.asarray(variance, float), one.shape).copy()
        if one.shape != two.shape or one.ndim != 1:
            raise ConfigError("two ends of each edge, (e,) each", f"got {one.shape} and {two.shape}", "Align them")
        ends = np.concatenate([one, two])
        if len(ends) and (ends.min() < 0 or ends.max() >= nodes or (one == two).any()):
            raise ConfigError(f"edges between two of {nodes} nodes", f"got {ends.min()} to {ends.max()}", "Check them")
        if not ((spread > 0) & np.isfinite(spread)).all():
            raise ConfigError("finite variances above 0", "one is not", "Make nodes that are equal one node")
        return cls(nodes, one, two, spread)

    def plus(self, first: npt.ArrayLike, second: npt.ArrayLike, variance: npt.ArrayLike) -> Network:
        """The same with further edges; see `of`."""
        more = Network.of(self.nodes, first, second, variance)
        joined = [np.concatenate(both) for both in zip(self._edges(), more._edges(), strict=True)]
        return Network(self.nodes, joined[0], joined[1], joined[2])

    def _edges(self) -> tuple[Ints, Ints, Floats]:
        return self.first, self.second, self.variance

    def laplacian(self, anchor: float = 0.0) -> Any:
        """The (n, n) sparse Laplacian with weights 1 / variance; `anchor` is added to its diagonal."""
        from scipy.sparse import csc_array

        weight, n = 1 / self.variance, self.nodes
        at = np.arange(n)
        rows = np.concatenate([self.first, self.second, self.first, self.second, at])
        columns = np.concatenate([self.second, self.first, self.first, self.second, at])
        values = np.concatenate([-weight, -weight, weight, weight, np.full(n, anchor)])
        return csc_array((values, (rows, columns)), shape=(n, n))

    def parts(self) -> Ints:
        """(n,) the number of the connected part that each node is in."""
        from scipy.sparse import csr_array
        from scipy.sparse.csgraph import connected_components

        ones = np.ones(len(self.first))
        joined = csr_array((ones, (self.first, self.second)), shape=(self.nodes, self.nodes))
        found: Ints = connected_components(joined, directed=False)[1].astype(np.int64)
        return found

    def distances(self, first: npt.ArrayLike, second: npt.ArrayLike, anchor: float = 0.0) -> Floats:
        """(k,) inference distances of pairs of nodes.

        Args:
            first: (k,) nodes.
            second: (k,) nodes.
            anchor: see `ANCHOR`; with 0 the distance between parts that are not connected is infinite.
        """
        one, two = np.asarray(first, np.int64), np.asarray(second, np.int64)
        found = np.zeros(len(one))
        part = self.parts() if anchor == 0 else np.zeros(self.nodes, np.int64)
        apart = part[one] != part[two]
        found[apart] = math.inf
        solve = self._solver(anchor, part)
        for at in range(0, len(one), _AT_ONCE):
            some = np.arange(at, min(at + _AT_ONCE, len(one)))
            some = some[~apart[some] & (one[some] != two[some])]
            sides = np.zeros((self.nodes, len(some)))
            sides[one[some], np.arange(len(some))] = 1.0
            sides[two[some], np.arange(len(some))] = -1.0
            drops = solve(sides)
            k = np.arange(len(some))
            found[some] = drops[one[some], k] - drops[two[some], k]
        return found

    def _solver(self, anchor: float, part: Ints) -> Any:
        """A function from right-hand sides (n, k) to potentials (n, k)."""
        from scipy.sparse import diags_array
        from scipy.sparse.linalg import splu

        matrix = self.laplacian(anchor)
        if anchor == 0:  # potentials are relative: tie down one node of each part, through which no current flows
            held = np.zeros(self.nodes)
            held[np.unique(part, return_index=True)[1]] = 1 / self.variance.mean() if len(self.variance) else 1.0
            matrix = (matrix + diags_array(held)).tocsc()
        return splu(matrix).solve

    def all_distances(self, anchor: float = 0.0) -> Floats:
        """(n, n) inference distances of all pairs."""
        one, two = np.triu_indices(self.nodes, 1)
        found = np.zeros((self.nodes, self.nodes))
        found[one, two] = found[two, one] = self.distances(one, two, anchor)
        return found

    def estimate(self, observed: npt.ArrayLike, anchor: float = ANCHOR) -> Floats:
        """(n,) posterior means of the rewards.

        Args:
            observed: (e,) what each edge says of `reward[first] - reward[second]`; 0 for a belief that they are alike.
            anchor: precision of the normal prior on each reward.

        >>> Network.of(2, [0], [1], [1.0]).estimate([2.0], 1e-9).round(6).tolist()
        [1.0, -1.0]
        """
        told = np.asarray(observed, float) / self.variance
        sums = np.bincount(self.first, told, self.nodes) - np.bincount(self.second, told, self.nodes)
        found: Floats = self._solver(anchor, np.zeros(self.nodes, np.int64))(sums)
        return found


def structure(distances: npt.ArrayLike, clusters: Sequence[int]) -> Floats:
    """The structural function F(M): the mean distance within clusters when all is cut into M of them.

    Clusters are those of average linkage; a pair counts as often as any other pair that shares its cluster with it. A
    power law F ~ M^-alpha marks a highly diverse task, a logarithm a simpler one (arXiv 2402.10184, section 4).

    Args:
        distances: (n, n) by the edges of inductive bias alone.
        clusters: values of M from 1 to n.

    Returns:
        (len(clusters),) 0 where no cluster has two members.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    square = np.asarray(distances, float)
    tree = linkage(squareform(square, checks=False), "average")
    found = []
    for count in clusters:
        of = fcluster(tree, count, "maxclust")
        same = of[:, None] == of[None, :]
        np.fill_diagonal(same, False)
        found.append(float(square[same].mean()) if same.any() else 0.0)
    return np.array(found)


def exponent(clusters: Sequence[int], values: npt.ArrayLike) -> float:
    """Alpha of F ~ M^-alpha by least squares of logarithms; nan with fewer than two values above 0.

    >>> round(exponent([1, 2, 4], [8.0, 4.0, 2.0]), 9)
    1.0
    """
    x, y = np.log(np.asarray(clusters, float)), np.asarray(values, float)
    kept = y > 0
    if kept.sum() < 2:
        return math.nan
    return float(-np.polyfit(x[kept], np.log(y[kept]), 1)[0])
