"""CMA-ES by the `cma` package, an extra: `pip install guerdon[search]`."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError, SolverError
from guerdon.search import saving
from guerdon.search.arrays import Floats, Rng, column, known, table


class CmaEs:
    """CMA-ES (Hansen, arXiv 1604.00772) behind ask and tell, maximising.

    All randomness comes from the generator passed to `ask`. What was drawn is remembered, so that the saved state is
    numbers only and loading replays them; it grows by population × D numbers each generation. Points whose score is
    unknown are told to be worse than the worst that is known; a generation without any known score is an error.

    Args:
        point: (D,) start, D at least 2.
        sigma: initial standard deviation.
        population: of a generation; by default 4 + ⌊3 ln D⌋.
    """

    def __init__(self, point: npt.ArrayLike, *, sigma: float = 0.3, population: int | None = None) -> None:
        try:
            import cma
        except ImportError:
            raise ConfigError("CMA-ES needs the package cma", "it is not installed", "pip install cma") from None
        self._start, self._sigma = column("point", point).copy(), float(sigma)
        self._population = population or 4 + int(3 * np.log(max(len(self._start), 1)))
        if len(self._start) < 2 or not sigma > 0 or self._population < 2:
            got = f"got D = {len(self._start)}, sigma {sigma}, population {self._population}"
            raise ConfigError("CMA-ES has D >= 2, sigma > 0 and a population >= 2", got, "Change them")
        self._draws: list[Floats] = []
        self._scores: list[Floats] = []
        self._rng: Rng | None = None
        self._replay: list[Floats] = []
        self._asked: Floats | None = None
        options = {
            "popsize": self._population,
            "randn": self._draw,
            "seed": np.nan,  # leave numpy's global generator alone
            "verbose": -9,
            "verb_log": 0,
            "verb_disp": 0,
        }
        self._strategy: Any = cma.CMAEvolutionStrategy(self._start, self._sigma, options)

    def _draw(self, *shape: int) -> Floats:
        if self._replay:
            drawn = self._replay.pop(0)
        elif self._rng is None:
            raise SolverError("randomness comes with ask", "cma drew without it", "Use another version of cma")
        else:
            drawn = self._rng.standard_normal(shape)
        self._draws.append(drawn.ravel())
        return drawn.reshape(shape)

    def ask(self, rng: Rng) -> Floats:
        """The points (population, D) of a generation.

        Raises:
            SolverError: the last generation has not been told.
        """
        if self._asked is not None:
            raise SolverError("ask and tell alternate", "ask came twice", "Tell the scores of the last generation")
        self._rng = rng
        self._asked = np.array(self._strategy.ask(), dtype=np.float64)
        self._rng = None
        return self._asked.copy()

    def tell(self, points: npt.ArrayLike, scores: object) -> None:
        """The scores of the points that were asked, in their order.

        Raises:
            SolverError: other points, or no score is known.
        """
        points_BD = table("points", points, len(self._start))
        scores_B = known(column("scores", scores, len(points_BD)))
        if self._asked is None or not np.array_equal(points_BD, self._asked):
            raise SolverError("the points told are those asked", "got others", "Pass what ask gave, in its order")
        if not (scores_B > -np.inf).any():
            raise SolverError("a generation has a score that is known", "got none", "Score them again")
        lowest = scores_B[scores_B > -np.inf].min()
        losses_B = np.where(scores_B > -np.inf, -scores_B, -lowest + abs(lowest) + 1.0)
        self._strategy.tell(list(self._asked), losses_B.tolist())
        self._scores.append(scores_B)
        self._asked = None

    @property
    def asked(self) -> bool:
        """Whether a generation is asked and not told yet."""
        return self._asked is not None

    def copy(self) -> CmaEs:
        """Another one in the same state; what was drawn is shared, not copied."""
        found = copy.copy(self)
        found._draws, found._scores, found._replay = list(self._draws), list(self._scores), list(self._replay)
        # Its source of randomness is a bound method, so the copy's must be bound to the copy.
        found._strategy = copy.deepcopy(self._strategy, {id(self): found})
        return found

    @property
    def mean(self) -> Floats:
        """The centre of the distribution, (D,)."""
        return np.array(self._strategy.mean, dtype=np.float64)

    @property
    def sigma(self) -> float:
        """The step size."""
        return float(self._strategy.sigma)

    def save(self, folder: Path) -> None:
        """Write what was drawn and told into a folder, between generations.

        Raises:
            SolverError: a generation is asked and not told.
        """
        if self._asked is not None:
            raise SolverError("a state is saved between generations", "one is not told yet", "Tell its scores first")
        arrays = {
            "start": self._start,
            "sigma": np.array(self._sigma),
            "draws": np.concatenate([np.zeros(0), *self._draws]),
            "sizes": np.array([len(each) for each in self._draws], dtype=np.int64),
            "scores": np.array(self._scores, dtype=np.float64).reshape(-1, self._population),
        }
        saving.write(folder, "CmaEs", arrays, {"population": self._population})

    @classmethod
    def load(cls, folder: Path) -> CmaEs:
        """Replay what `save` wrote."""
        arrays, plain = saving.read(folder, "CmaEs")
        found = cls(arrays["start"], sigma=float(arrays["sigma"]), population=plain["population"])
        found._replay = np.split(arrays["draws"], np.cumsum(arrays["sizes"])[:-1]) if len(arrays["sizes"]) else []
        for scores_B in arrays["scores"]:
            found._asked = np.array(found._strategy.ask(), dtype=np.float64)
            found.tell(found._asked, scores_B)
        return found
