"""Encoding models: from features of pictures to the response at every vertex.

Everything is fitted on training images only: standardisation, components, penalties, the choice of layers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.numerics.reduce import Components
from guerdon.numerics.ridge import ALPHAS, MEMORY_MB, Ridge, RidgeFit

Table: TypeAlias = npt.NDArray[np.float32]
Solver: TypeAlias = Literal["ols", "ridge"]
OLS = 1e-6
"""A penalty that does nothing to components, which have no direction without variance."""


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """Components of features, then a linear map to each vertex.

    The organisers' baseline is `Encoder(components=100, solver="ols")` on all layers at once (their text says 1000).
    """

    components: int = 100
    """Principal components of the features (source: 100)."""
    solver: Solver = "ridge"
    """Least squares (the organisers'), or ridge with penalties by cross-validation."""
    alphas: tuple[float, ...] = ALPHAS
    """Penalties that ridge chooses from."""
    folds: int = 5
    """Folds of neighbouring training images."""
    memory_mb: float = MEMORY_MB
    """See `Ridge`."""

    def fit(
        self,
        features: Table,
        responses: npt.NDArray[Any] | Path,
        groups: npt.ArrayLike | None = None,
        on_block: Callable[[int, int], None] = lambda done, of: None,
    ) -> Encoding:
        """Fit to training images.

        Args:
            features: (n, p).
            responses: (n, vertices), or the `.npy` file that holds them.
            groups: (vertices,), label of the region whose vertices share a penalty.
            on_block: told how many vertices are done, and of how many.
        """
        parts = Components.fit(features, self.components)
        alphas = self.alphas if self.solver == "ridge" else (OLS,)
        ridge = Ridge(alphas=alphas, folds=self.folds, memory_mb=self.memory_mb, select="r")
        return Encoding(parts, ridge.fit(parts.transform(features), responses, groups, on_block))


@dataclass(frozen=True, eq=False)
class Encoding:
    """A fitted encoding model.

    Args:
        components: of the features.
        fit: the map to vertices.
    """

    components: Components
    fit: RidgeFit

    def predict(self, features: Table) -> Table:
        """Responses (m, vertices) to pictures with features (m, p)."""
        return np.asarray(self.fit.predict(self.components.transform(features)), np.float32)


@dataclass(frozen=True, eq=False)
class ByLayer:
    """A layer for each group of vertices, chosen by cross-validation among training images.

    Args:
        chosen: layer of each group.
        scores: mean r over folds and vertices, of each layer in each group.
        encodings: the model of each layer in use, for the vertices of its groups.
        columns: which vertices those are.
    """

    chosen: Mapping[str, str]
    scores: Mapping[str, Mapping[str, float]]
    encodings: Mapping[str, Encoding]
    columns: Mapping[str, npt.NDArray[np.int64]]

    def predict(self, features: Mapping[str, Table]) -> Table:
        """Responses (m, vertices)."""
        count = sum(map(len, self.columns.values()))
        found = np.empty((len(next(iter(features.values()))), count), np.float32)
        for layer, encoding in self.encodings.items():
            found[:, self.columns[layer]] = encoding.predict(features[layer])
        return found


def by_layer(
    encoder: Encoder, features: Mapping[str, Table], responses: npt.NDArray[Any] | Path, groups: Sequence[str]
) -> ByLayer:
    """Choose the layer of each group and fit it.

    Args:
        encoder: with solver "ridge".
        features: (n, p) by layer.
        responses: (n, vertices), or the `.npy` file that holds them.
        groups: a label for each vertex, such as its region.

    Raises:
        ConfigError: there is nothing to choose from, or the solver has no cross-validation.
    """
    if not features or encoder.solver != "ridge" or len(encoder.alphas) < 2:
        raise ConfigError("layers, and a ridge with penalties", f"got {len(features)} layers", "Give both")
    labels = np.asarray(groups)
    names = [str(name) for name in np.unique(labels)]
    scores: dict[str, dict[str, float]] = {}
    fits: dict[str, Encoding] = {}
    for layer, table in features.items():
        fits[layer] = encoder.fit(table, responses, labels)
        scores[layer] = {name: float(fits[layer].fit.scores[labels == name].mean()) for name in names}
    chosen = {name: max((told[name], layer) for layer, told in scores.items())[1] for name in names}
    used = {layer: np.flatnonzero([chosen[str(each)] == layer for each in labels]) for layer in set(chosen.values())}
    kept = {layer: Encoding(fits[layer].components, _columns(fits[layer].fit, at)) for layer, at in used.items()}
    return ByLayer(chosen, scores, kept, used)


def _columns(fit: RidgeFit, at: npt.NDArray[np.int64]) -> RidgeFit:
    return RidgeFit(fit.weights[:, at], fit.intercept[at], fit.alphas[at], fit.scores[at], fit.features)


def joined(features: Mapping[str, Table]) -> Table:
    """All layers side by side, (n, sum of p)."""
    return np.concatenate(list(features.values()), axis=1)


def shuffled(table: Table, rng: np.random.Generator) -> Table:
    """Rows in another order: what a model without any knowledge of which picture is which would say."""
    return table[rng.permutation(len(table))]
