"""Counts of molecules in single cells: files, splits, metrics and synthetic data.

Metrics as OpenProblems computes them (version 1, denoising task), which arXiv 2601.16175 uses:

    mse       of log(1 + 10^4 x / total of the cell), over all entries, test counts against denoised ones
    poisson   mean(test - d log(test + 10^-6)), d = denoised * (all test molecules / all training molecules)

In the Poisson loss the published code has the test counts in the place of the prediction; it is kept, since the
published constants were computed with it. Mind that it is linear in the scale of d, which the error does not see:
counts close to zero pass it. What the data say of a prediction is

    likelihood   mean(p - test log(p + 10^-6)), p = d with each cell's total that of its training counts, then scaled
                 as above

a Poisson loss with its arguments in order, which no scale can game.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guerdon.core.errors import ChallengeError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]
    Matrix = NDArray[np.float64]

TRAIN_FRACTION = 0.9
_TINY = 1e-6


@dataclass(frozen=True)
class Cells:
    """A data set, split into two halves of molecules.

    Args:
        train: (cells, genes) counts that are shown.
        test: (cells, genes) counts of the same cells that are kept.
    """

    train: Counts
    test: Counts


@dataclass(frozen=True, slots=True)
class Ends:
    """Losses between which a score is normalised: without denoising, and of the test counts themselves.

    Args:
        raw_mse: of the training counts.
        raw_poisson: of the training counts.
        perfect_mse: of the test counts.
        perfect_poisson: of the test counts.
        raw_likelihood: of the training counts; nan where it was not published.
        perfect_likelihood: of the test counts; nan where it was not published.
    """

    raw_mse: float
    raw_poisson: float
    perfect_mse: float
    perfect_poisson: float
    raw_likelihood: float = float("nan")
    perfect_likelihood: float = float("nan")


PANCREAS = Ends(0.304721, 0.257575, 0.0, 0.031739)
PBMC = Ends(0.270945, 0.300447, 0.0, 0.043569)
TABULA = Ends(0.261763, 0.206542, 0.0, 0.026961)
"""Published ends of the three real data sets (repository of arXiv 2601.16175, denoising verifier)."""


def split(counts: Counts, seed: int) -> Cells:
    """Molecular cross-validation: each molecule is shown with probability 0.9; genes without a shown one are left out.

    Args:
        counts: (cells, genes) whole numbers.
        seed: of numpy's older generator, as in the published code, so that the same seed is the same split.
    """
    import numpy as np

    train = np.random.RandomState(seed).binomial(counts, TRAIN_FRACTION)
    kept = train.sum(axis=0) > 0
    return Cells(train[:, kept], (counts - train)[:, kept])


def mse(test: Counts, denoised: Matrix) -> float:
    """The published mean squared error."""
    import numpy as np

    return float(np.mean((_log_normal(test) - _log_normal(denoised)) ** 2))


def poisson(cells: Cells, denoised: Matrix) -> float:
    """The published Poisson loss."""
    import numpy as np

    return float(np.mean(cells.test - _scaled(cells, denoised) * np.log(cells.test + _TINY)))


def likelihood(cells: Cells, denoised: Matrix) -> float:
    """The Poisson loss of a prediction, each cell's total being known."""
    import numpy as np

    total = denoised.sum(axis=1, keepdims=True)
    factor = cells.train.sum(axis=1, keepdims=True) / np.where(total == 0, 1, total)
    expected = _scaled(cells, denoised * factor)
    return _loss(cells.test, expected)


def _loss(test: Counts, expected: Any) -> float:
    import numpy as np

    return float(np.mean(expected - test * np.log(expected + _TINY)))


def ends(cells: Cells) -> Ends:
    """The losses without denoising and of the test counts, for a data set."""
    raw, perfect = cells.train.astype(float), cells.test.astype(float)
    return Ends(
        mse(cells.test, raw),
        poisson(cells, raw),
        mse(cells.test, perfect),
        poisson(cells, perfect),
        likelihood(cells, raw),
        _loss(cells.test, perfect),
    )


def _scaled(cells: Cells, denoised: Matrix) -> Matrix:
    return denoised * (float(cells.test.sum()) / float(cells.train.sum()))


def _log_normal(values: Any) -> Any:
    import numpy as np

    total = values.sum(axis=1, keepdims=True)
    return np.log1p(values * (1e4 / np.where(total == 0, 1, total)))


def synthetic(seed: int, cells: int, genes: int) -> Counts:
    """Negative-binomial counts of four cell types, sparse as sequencing is (about 84 % zeros).

    Gene levels are log-normal (deviation 1.8); a type changes 3 of 10 genes by a log-normal factor (1.5); a cell has
    half a molecule per gene on average, log-normal (0.4), with a dispersion of 10.

    Args:
        seed: of the data.
        cells: rows.
        genes: columns.
    """
    import numpy as np

    from guerdon.core.rng import stream

    rng = stream(seed, "cells")
    levels = np.exp(rng.normal(0.0, 1.8, genes))
    factors = np.exp(rng.normal(0.0, 1.5, (4, genes)) * (rng.random((4, genes)) < 0.3))
    profile = levels * factors[rng.choice(4, size=cells, p=[0.4, 0.3, 0.2, 0.1])]
    sizes = np.exp(rng.normal(np.log(genes / 2), 0.4, (cells, 1)))
    mean = profile / profile.sum(axis=1, keepdims=True) * sizes
    counts: Counts = rng.poisson(rng.gamma(10.0, mean / 10.0)).astype(np.int64)
    return counts


def read_h5ad(path: str | Path, keep: Sequence[str] = (), column: str = "tech", seed: int = 42) -> Cells:
    """Read an AnnData file as OpenProblems stores it.

    Takes `obsm/train` and `obsm/test` where they are; else splits `layers/counts`, or `X`. Matrices may be dense, CSR
    or CSC.

    Args:
        path: the .h5ad file.
        keep: values of an `obs` column whose cells are kept (`inDrop1` of the pancreas set); all when empty.
        column: that column.
        seed: of the split.

    Raises:
        ChallengeError: no h5py, or not such a file.
    """
    try:
        import h5py  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        raise ChallengeError("a package that reads HDF5", "h5py is not installed", "pip install h5py") from None
    try:
        with h5py.File(path, "r") as file:
            rows = _rows(file["obs"], column, keep) if keep else slice(None)
            if "obsm" in file and {"train", "test"} <= set(file["obsm"]):
                return Cells(*(_whole(_matrix(file["obsm"][name])[rows]) for name in ("train", "test")))
            counts = file["layers/counts"] if "layers/counts" in file else file["X"]
            return split(_whole(_matrix(counts)[rows]), seed)
    except (OSError, KeyError, ValueError) as error:
        raise ChallengeError(f"{path} is an .h5ad file of counts", str(error)[:300], "Export it with AnnData") from None


def _matrix(node: Any) -> NDArray[Any]:
    import numpy as np
    from scipy import sparse

    if not hasattr(node, "keys"):
        return np.asarray(node)
    kind = node.attrs.get("encoding-type", node.attrs.get("h5sparse_format", "csr_matrix"))
    shape = tuple(int(each) for each in node.attrs.get("shape", node.attrs.get("h5sparse_shape", ())))
    build = sparse.csc_matrix if "csc" in str(kind) else sparse.csr_matrix
    return np.asarray(build((node["data"][:], node["indices"][:], node["indptr"][:]), shape=shape).todense())


def _whole(values: NDArray[Any]) -> Counts:
    import numpy as np

    counts: Counts = np.rint(values).astype(np.int64)
    if not np.allclose(values, counts) or (counts < 0).any():
        raise ValueError("the matrix holds no counts")
    return counts


def _rows(obs: Any, column: str, keep: Sequence[str]) -> NDArray[Any]:
    import numpy as np

    node = obs[column]
    if hasattr(node, "keys"):
        names = np.asarray(node["categories"]).astype(str)[np.asarray(node["codes"])]
    elif "__categories" in obs and column in obs["__categories"]:
        names = np.asarray(obs["__categories"][column]).astype(str)[np.asarray(node)]
    else:
        names = np.asarray(node).astype(str)
    rows = np.flatnonzero(np.isin(names, list(keep)))
    if not len(rows):
        raise ValueError(f"no cell has {column} in {list(keep)}; it has {sorted(set(names))[:10]}")
    return rows
