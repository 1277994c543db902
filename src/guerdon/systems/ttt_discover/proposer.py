"""What makes attempts: a trainable distribution over actions, each of which turns a start state into a construction.

The learner knows nothing of actions. It asks a proposer for attempts from some start states, has them judged, and
hands back what was proposed together with one advantage per attempt. A proposer's memory (weights and the state of
its optimiser) is a value of its own, `Policy`, that the learner keeps, passes in and saves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from guerdon.core.plain import Json

if TYPE_CHECKING:
    from guerdon.core.rng import Rng
    from guerdon.core.task import Task

Policy = TypeVar("Policy")


@dataclass(frozen=True, slots=True)
class Start:
    """A state to start attempts from.

    Args:
        content: what was handed in as an answer: a construction, or an object with one and the code that made it.
        value: its measure, signed so that higher is better (`-c5`); `None` where it is not known.
        before: the signed value of the state that it was made from; `None` for a seed.
        note: what the proposer wrote into the note of the answer, such as the last lines of its output.
    """

    content: Json
    value: float | None = None
    before: float | None = None
    note: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Draft:
    """One attempt, before it is judged.

    Args:
        content: what is handed in; `None` where the action made nothing, which the verifier finds invalid.
        action: all that `learn` needs to compute its log-probability again (tokens), and the log-probabilities
            under which it was drawn; recorded in the answer's note.
        note: further remarks for the answer's note: `tokens` (charged to the budget), output, fault.
    """

    content: Json
    action: Mapping[str, Json]
    note: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """An attempt with its advantage, to learn from.

    Args:
        start: where it started.
        progress: the share of all steps that was done when it was drawn, 0 to 1.
        action: what the draft said.
        advantage: of the whole attempt, before any shaping per token.
    """

    start: Start
    progress: float
    action: Mapping[str, Json]
    advantage: float


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one optimiser step is made. Published values in brackets; the defaults are those of the desk.

    Args:
        lr: learning rate of Adam (4e-5).
        betas: of Adam (0.9, 0.95).
        eps: of Adam (1e-8).
        kl: weight of the shaping towards the first policy (0.1; 0.01 for the AtCoder problems).
    """

    lr: float = 1e-2
    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1e-8
    kl: float = 0.0


class Proposer(Protocol[Policy]):
    """Makes attempts and learns from them. All randomness comes from the generator that is passed in."""

    def start(self, task: Task, rng: Rng) -> Policy:
        """The policy before the first step."""

    def seeds(self, task: Task, count: int, rng: Rng) -> list[Json]:
        """Contents of `count` start states; they are judged like any answer."""

    def propose(
        self, task: Task, policy: Policy, starts: Sequence[Start], rollouts: int, progress: float, rng: Rng
    ) -> list[list[Draft]]:
        """`rollouts` attempts from each start; does not change the policy."""

    def learn(
        self, task: Task, policy: Policy, samples: Sequence[Sample], recipe: Recipe
    ) -> tuple[Policy, Mapping[str, float]]:
        """The policy after ONE optimiser step on all samples, and figures of that step (`kl`, `entropy`, ...).

        The loss is that of `guerdon.train.entropic`: importance-sampling policy gradient, unclipped, summed over
        tokens. It depends on nothing but the arguments, so that a step told again gives the same policy.
        """

    def save(self, policy: Policy, folder: Path) -> None:
        """Write a policy into an empty folder, without pickle."""

    def load(self, folder: Path) -> Policy:
        """Read what `save` wrote."""
