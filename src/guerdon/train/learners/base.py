"""What all learners of language models share: the optimiser's settings, minibatches, losses over known answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.train import distributed
from guerdon.train.policy import Adam, Policy
from guerdon.train.rollouts import Rollouts
from guerdon.train.state import State

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Tensor: TypeAlias = Any
Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Figures: TypeAlias = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Learner:
    """Settings of an optimiser, and what every learner does unless it says otherwise.

    Args:
        lr: step size of Adam.
        warmup: steps over which it rises from 0.
        clip_norm: largest norm of the gradient.
        decay: decoupled weight decay.
        beta1: decay of Adam's first moment.
        beta2: decay of its second moment.
        eps: added to the root of the second moment.
    """

    lr: float = 1e-5
    warmup: int = 0
    clip_norm: float = 1.0
    decay: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    @property
    def needs_reference(self) -> bool:
        """Whether updates use the reference's log-probabilities."""
        return False

    def adam(self) -> Adam:
        """The optimiser."""
        return Adam(lr=self.lr, beta1=self.beta1, beta2=self.beta2, eps=self.eps, decay=self.decay, clip=self.clip_norm)

    def rate(self, steps: int, of: float | None = None) -> float:
        """The step size after so many steps: rising over the warm-up, then constant."""
        lr = self.lr if of is None else of
        return lr * min(1.0, (steps + 1) / self.warmup) if self.warmup else lr

    def start(self, policy: Policy, seed: int) -> State:
        """The state before training."""
        return State(policy.start(seed))

    def asked(self, prompts: Any, state: State) -> Any:
        """The prompts as the policy is to see them when answers are drawn."""
        return prompts

    def update(self, policy: Policy, state: State, rollouts: Rollouts, rng: Rng) -> tuple[State, Figures]:
        """One iteration.

        Args:
            policy: holds the weights meanwhile.
            state: what was learned so far.
            rollouts: answers that `state` gave.
            rng: shuffles.

        Returns:
            The new state, with its iteration as it was; and figures of the update.
        """
        raise NotImplementedError


def parts(n: int, size: int | None, epochs: int, rng: Rng) -> Iterator[Ints]:
    """Positions of minibatches: all of n once in each epoch, shuffled unless one minibatch holds them all.

    Of several processes each takes its share of a minibatch, and as many minibatches as the others.

    >>> from guerdon.core.rng import stream
    >>> [some.tolist() for some in parts(3, None, 2, stream(0))]
    [[0, 1, 2], [0, 1, 2]]
    """
    most = distributed.most(n)
    size = most if size is None else max(1, size // distributed.place()[1])
    for _ in range(epochs):
        order = np.arange(most) if size >= most else rng.permutation(most)
        for at in range(0, most, size or 1):
            some = order[at : at + size]
            yield some[some < n]


def fitted(array: Floats, which: Sequence[int], like: Tensor) -> Tensor:
    """Rows of an array (n, A, ...) as a tensor on a device, cut to the tokens `(b, A')` of a micro-batch."""
    import torch

    return torch.tensor(array[np.asarray(which)][:, : like.shape[1]], dtype=torch.float32, device=like.device)


def averaged(figures: Sequence[Mapping[str, float]]) -> Figures:
    """Mean of each figure over the steps that gave it.

    >>> averaged([{"loss": 1.0}, {"loss": 3.0, "clip": 0.5}])
    {'loss': 2.0, 'clip': 0.5}
    """
    names = dict.fromkeys(name for each in figures for name in each)
    found = {name: [each[name] for each in figures if name in each] for name in names}
    return {name: float(np.mean(each)) for name, each in found.items()}


def demand_reference(policy: Policy, who: str) -> None:
    """Refuse a policy that has no reference.

    Raises:
        ConfigError: it has none.
    """
    if not policy.has_reference:
        got = "all parameters are trained, and no frozen model was given"
        raise ConfigError(f"{who} compares with a reference", got, "Train an adapter, or give Policy a frozen copy")


def centred(values: Floats, mask: Floats, *, shift: bool = True) -> Floats:
    """Values with sd 1 over what counts, of all processes together; with mean 0, or with the mean they had.

    Args:
        values: of any shape.
        mask: of that shape; 0 leaves a value out and makes it 0.
        shift: whether the mean becomes 0.
    """
    weight = np.asarray(mask, np.float64)
    count, total = distributed.totals([weight.sum(), (values * weight).sum()])
    mean = total / max(count, 1.0)
    squares = distributed.total(float(((values - mean) ** 2 * weight).sum()))
    made = (values - mean) / (np.sqrt(squares / max(count, 1.0)) + 1e-8) + (0.0 if shift else mean)
    found: Floats = np.where(weight > 0, made, 0.0)
    return found


Objective: TypeAlias = Callable[[Tensor, Tensor, list[int]], Tensor]
