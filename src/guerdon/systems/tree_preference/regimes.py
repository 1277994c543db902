"""When trees of responses leave less to guess than independent pairs: both topologies as networks, side by side.

    types    M points; a response hangs on the point of its type by an edge of variance F (inductive bias)
    labels   n comparisons of variance 1
    chain    2 n fresh responses, each in one comparison
    tree     the same number of comparisons among fewer responses, each in several

What counts is the distance of two responses that were never seen, of random types. `reused` has the card's surrogate
(any two of m responses are compared); `grown` builds trees of prompts, whose leaves share what their prefixes share.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream
from guerdon.systems.tree_preference.network import ANCHOR, Floats, Ints, Network
from guerdon.systems.tree_preference.shapes import Shape, lcp, leaf_paths

if TYPE_CHECKING:
    from guerdon.core.rng import Rng


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Sizes of both networks.

    Args:
        types: M.
        per_type: n / M, comparisons for each type.
        bias: F, variance between a response and its type.
        label: variance of a comparison.
        probes: pairs of unseen responses whose distance is taken.
        seed: of all draws.
    """

    types: int = 100
    per_type: float = 1.5
    bias: float = 1.0
    label: float = 1.0
    probes: int = 400
    seed: int = 0

    def __post_init__(self) -> None:
        if self.types < 2 or not min(self.per_type, self.bias, self.label) > 0 or self.probes < 1:
            got = f"got {self.types}, {self.per_type}, {self.bias}, {self.label} and {self.probes}"
            raise ConfigError("two types and a probe at least, and numbers above 0", got, "Change them")

    @property
    def labels(self) -> int:
        """n, the number of comparisons."""
        return round(self.types * self.per_type)


def fresh(setting: Setting) -> Network:
    """The chain: every comparison is of two fresh responses of random types."""
    rng = stream(setting.seed, "regimes", "chain")
    kinds = rng.integers(setting.types, size=2 * setting.labels)
    return _labelled(setting, kinds, np.arange(2 * setting.labels).reshape(-1, 2))


def reused(setting: Setting, leaves: int) -> Network:
    """The card's surrogate of a tree: comparisons of any two of so many responses, an equal number of each type."""
    rng = stream(setting.seed, "regimes", "reused", leaves)
    one = rng.integers(leaves, size=setting.labels)
    two = (one + rng.integers(1, leaves, size=setting.labels)) % leaves
    return _labelled(setting, np.arange(leaves) % setting.types, np.stack([one, two], 1))


def _labelled(setting: Setting, kinds: Ints, pairs: Ints) -> Network:
    """Responses on the points of their types, and comparisons between them."""
    m = setting.types
    at = m + np.arange(len(kinds))
    made = Network.of(m + len(kinds), kinds, at, setting.bias)
    return made.plus(m + pairs[:, 0], m + pairs[:, 1], setting.label)


def median_distance(network: Network, setting: Setting) -> float:
    """The median distance of two unseen responses of random types, by the points of their types and twice F."""
    rng = stream(setting.seed, "regimes", "probes")
    one, two = rng.integers(setting.types, size=(2, setting.probes))
    return float(np.median(network.distances(one, two, ANCHOR))) + 2 * setting.bias


def ratio(setting: Setting, leaves_per_type: int = 1) -> float:
    """Distance by the chain over distance by reused responses; above 1 the tree leaves less to guess."""
    tree = reused(setting, leaves_per_type * setting.types)
    return median_distance(fresh(setting), setting) / median_distance(tree, setting)


# ---- trees of prompts ------------------------------------------------------------------------------------------------


def grown(setting: Setting, shape: Shape) -> tuple[Network, Network]:
    """Chain and tree over the same prompts: labels lie within a prompt, and leaves share what their prefixes share.

    Each prompt is a node. Between it and a response lie the parts of the response, each an edge of variance F / D; the
    leaves of a tree share the edges of their common prefix, so that two of them differ by 2 F (1 - shared share) before
    anything is labelled, and responses of the chain by 2 F. A response also hangs on the point of its type by an edge
    of variance F. Its type is drawn anew with probability 1 / D at each part, so that late siblings are often of one
    type; responses of the chain are of independent types.

    Returns:
        The networks of the chain and of the tree, with `shape.pairs` labels for each prompt.
    """
    prompts = max(1, round(setting.labels / shape.pairs))
    return _chain_of_prompts(setting, shape, prompts), _trees_of_prompts(setting, shape, prompts)


def _chain_of_prompts(setting: Setting, shape: Shape, prompts: int) -> Network:
    rng = stream(setting.seed, "regimes", "grown-chain")
    m, count = setting.types, 2 * shape.pairs * prompts
    roots, leaves = m + np.arange(prompts), m + prompts + np.arange(count)
    made = Network.of(m + prompts + count, rng.integers(m, size=count), leaves, setting.bias)
    made = made.plus(np.repeat(roots, 2 * shape.pairs), leaves, setting.bias)
    return made.plus(leaves[::2], leaves[1::2], setting.label)


def _trees_of_prompts(setting: Setting, shape: Shape, trees: int) -> Network:
    rng = stream(setting.seed, "regimes", "grown-tree")
    paths = leaf_paths(shape)
    m, inner = setting.types, _prefixes(paths)
    size = len(inner)
    index = {path: k for k, path in enumerate(inner)}
    parents = np.array([index[path.rpartition(".")[0]] for path in inner if path])
    children = np.array([index[path] for path in inner if path])
    ends = np.array([index[path] for path in paths])
    start = m + size * np.arange(trees)[:, None]
    kinds = _types_of(setting, inner, parents, children, trees, rng)[:, ends]
    made = Network.of(m + size * trees, kinds.reshape(-1), (start + ends).reshape(-1), setting.bias)
    part = setting.bias / shape.depth
    made = made.plus((start + parents).reshape(-1), (start + children).reshape(-1), part)
    labelled = [rng.permutation(len(paths) * (len(paths) - 1) // 2)[: shape.pairs] for _ in range(trees)]
    one, two = np.triu_indices(len(paths), 1)
    left = np.concatenate([base + ends[one[some]] for base, some in zip(start[:, 0], labelled, strict=True)])
    right = np.concatenate([base + ends[two[some]] for base, some in zip(start[:, 0], labelled, strict=True)])
    return made.plus(left, right, setting.label)


def _types_of(setting: Setting, inner: list[str], parents: Ints, children: Ints, trees: int, rng: Rng) -> Ints:
    """(trees, nodes) the type at each node: its parent's, or a new one."""
    depth = max(path.count(".") + 1 for path in inner if path)
    kinds = rng.integers(setting.types, size=(trees, len(inner)))
    again = rng.random((trees, len(inner))) < 1 / depth
    for parent, child in zip(parents.tolist(), children.tolist(), strict=True):
        first = "." not in inner[child]
        kinds[:, child] = np.where(again[:, child] | first, kinds[:, child], kinds[:, parent])
    return kinds


def _prefixes(paths: list[str]) -> list[str]:
    """All nodes above and among the leaves, the root "" first, parents before children."""
    found = {""}
    for path in paths:
        parts = path.split(".")
        found |= {".".join(parts[: k + 1]) for k in range(len(parts))}
    return sorted(found, key=lambda path: (path.count(".") + bool(path), path))


def shared_share(shape: Shape) -> float:
    """The mean share of a response that two random leaves have in common, with parts of equal length.

    >>> from fractions import Fraction
    >>> Fraction(shared_share(Shape())).limit_denominator(100)
    Fraction(4, 21)
    """
    paths = leaf_paths(shape)
    shares = [lcp(a, b) / shape.depth for k, a in enumerate(paths) for b in paths[k + 1 :]]
    return float(np.mean(shares))


def table(setting: Setting, per_type: tuple[float, ...], biases: tuple[float, ...]) -> Floats:
    """(len(per_type), len(biases), 2) ratios with one and with two reused responses for each type."""
    rows = [
        [[ratio(replace(setting, per_type=each, bias=bias), leaves) for leaves in (1, 2)] for bias in biases]
        for each in per_type
    ]
    return np.array(rows)
