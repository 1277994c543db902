"""How much of a learned reward is real: best-of-n under a proxy, measured by the reward that it stands for.

Draw N answers to each prompt once, score them by the proxy and by the gold reward, and the expected gold reward of the
best of n by the proxy follows for every n <= N without a further draw. Numpy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def best_of_n_weights(total: int, n: int) -> Floats:
    """(N,) probability that the i-th worst of N answers is the best of n drawn without replacement.

    `C(i - 1, n - 1) / C(N, n)` for i from n to N, else 0, by logarithms of factorials (arXiv 2210.10760, appendix;
    arXiv 2310.02743, section 4.2).

    Args:
        total: N.
        n: from 1 to N.

    Raises:
        ConfigError: n is not in this range.

    >>> best_of_n_weights(4, 2).round(9).tolist()
    [0.0, 0.166666667, 0.333333333, 0.5]
    """
    if not 1 <= n <= total:
        raise ConfigError(f"n is from 1 to the {total} answers of a prompt", f"got {n}", "Draw more, or lower n")
    log = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, total + 1)))])  # log k!
    i = np.arange(n, total + 1)
    weights = np.zeros(total)
    chosen = log[i - 1] - log[n - 1] - log[i - n]
    weights[n - 1 :] = np.exp(chosen - (log[total] - log[n] - log[total - n]))
    return weights


def best_of_n_kl(n: npt.ArrayLike) -> Floats:
    """`log n - (n - 1) / n`, the divergence of best-of-n from the policy, in nats.

    Exact where no two answers have the same score, else an upper bound (arXiv 2401.01879).

    >>> best_of_n_kl([1, 2]).round(6).tolist()
    [0.0, 0.193147]
    """
    count = np.asarray(n, float)
    found: Floats = np.log(count) - (count - 1) / count
    return found


@dataclass(frozen=True)
class Curve:
    """Proxy and gold reward against optimisation.

    Args:
        n: (K,) answers to choose from, or steps of training.
        kl: (K,) divergence from the policy, in nats.
        proxy: (K,) mean over prompts.
        gold: (K,) mean over prompts.
        proxy_se: (K,) standard error over prompts; nan for one prompt.
        gold_se: (K,) the same.
    """

    n: Ints
    kl: Floats
    proxy: Floats
    gold: Floats
    proxy_se: Floats
    gold_se: Floats

    @property
    def distance(self) -> Floats:
        """(K,) square root of the divergence: the axis on which these curves are drawn (arXiv 2210.10760)."""
        return np.sqrt(self.kl)

    @property
    def peak(self) -> int:
        """Where the gold reward is highest; the first, if several."""
        return int(np.argmax(self.gold))

    @property
    def fall(self) -> float:
        """How far the gold reward falls from its peak to the end; 0 if the end is the peak."""
        return float(self.gold[self.peak] - self.gold[-1])

    @property
    def relative_fall(self) -> float:
        """The fall as a share of what was gained from the start to the peak; 0 if nothing was gained."""
        gained = float(self.gold[self.peak] - self.gold[0])
        return self.fall / gained if gained > 0 else 0.0


def grid(most: int) -> Ints:
    """1, 2, 4, ... and `most` at the end.

    >>> grid(1800).tolist()
    [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1800]
    """
    powers = [2**k for k in range(max(most, 1).bit_length()) if 2**k < most]
    return np.array([*powers, most], np.int64)


def best_of_n(proxy: npt.ArrayLike, gold: npt.ArrayLike, n: Sequence[int] | Ints | None = None) -> Curve:
    """The expected proxy and gold reward of the best of n by the proxy, without bias.

    Where proxy scores of a prompt are equal, one of these answers is taken at random.

    Args:
        proxy: (P, N) scores of N answers to each of P prompts.
        gold: (P, N) of the same answers in the same order.
        n: where to measure; by default 1, 2, 4, ... up to nine tenths of N, since beyond that few answers decide.

    Raises:
        ConfigError: shapes differ, a score is not finite, or n is out of range.

    >>> curve = best_of_n([[0.0, 1.0, 2.0]], [[0.0, 5.0, 1.0]], [1, 3])
    >>> curve.gold.round(6).tolist(), round(curve.fall, 6)
    ([2.0, 1.0], 1.0)
    """
    at, found = best_of_n_by_prompt(proxy, gold, n)
    prompts = found.shape[2]
    means = found.mean(2)
    errors = found.std(2, ddof=1) / np.sqrt(prompts) if prompts > 1 else np.full(means.shape, np.nan)
    return Curve(at, best_of_n_kl(at), means[0], means[1], errors[0], errors[1])


def best_of_n_by_prompt(
    proxy: npt.ArrayLike, gold: npt.ArrayLike, n: Sequence[int] | Ints | None = None
) -> tuple[Ints, Floats]:
    """What `best_of_n` takes the means of.

    Returns:
        n (K,), and (2, K, P): proxy and gold reward of each prompt.

    Raises:
        ConfigError: see `best_of_n`.
    """
    scores, golds = np.asarray(proxy, float), np.asarray(gold, float)
    if scores.shape != golds.shape or scores.ndim != 2 or not scores.size:
        got = f"got {scores.shape} and {golds.shape}"
        raise ConfigError("proxy and gold scores (P, N) of the same answers", got, "Align them")
    if not (np.isfinite(scores).all() and np.isfinite(golds).all()):
        raise ConfigError("finite scores", "got nan or infinity", "Leave out prompts with unknown scores")
    prompts, total = scores.shape
    at = grid(max(1, int(0.9 * total))) if n is None else np.asarray(n, np.int64)
    weights = np.stack([best_of_n_weights(total, int(k)) for k in at])
    found = np.empty((2, len(at), prompts))
    for p in range(prompts):
        order = np.argsort(scores[p], kind="stable")
        ordered = scores[p][order]
        starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        shared = np.add.reduceat(weights, starts, axis=1)
        mean = np.add.reduceat(golds[p][order], starts) / np.diff(np.r_[starts, total])
        found[0, :, p], found[1, :, p] = shared @ ordered[starts], shared @ mean
    return at, found
