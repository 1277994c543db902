"""What a solver is told about its answers: everything, one defended aggregate, or nothing yet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from guerdon.core.challenge import Visibility
from guerdon.core.preference import Choice
from guerdon.core.score import Fault, FaultKind, Score
from guerdon.core.task import Judged


@dataclass(frozen=True, slots=True)
class Ladder:
    """The parameter-free Ladder (Blum & Hardt, arXiv 1502.04585, section 4).

    A submission's mean is released only if it beats the best so far by more than one standard error of the paired
    difference; otherwise the previous best is shown again. Released values are rounded to 1/n.
    """

    best: tuple[float, ...] = ()
    shown: float | None = None

    def submit(self, values: Sequence[float]) -> Ladder:
        """The ladder after a submission with these values, one per item of the split."""
        n = len(values)
        if n == 0:
            return self
        if len(self.best) != n:
            return Ladder(tuple(values), _rounded(values)) if not self.best else self
        gains = [new - old for new, old in zip(values, self.best, strict=True)]
        gain = math.fsum(gains) / n
        error = math.sqrt(math.fsum((g - gain) ** 2 for g in gains) / max(n - 1, 1) / n)
        return Ladder(tuple(values), _rounded(values)) if gain > error else self


def _rounded(values: Sequence[float]) -> float:
    n = len(values)
    return round(math.fsum(values) / n * n) / n


@dataclass(slots=True)
class Veil:
    """The filter between judged answers and the solver.

    Args:
        visibility: of the split.
        floor: what an answer counts as in aggregates where all that is known is a fault of the solver.
        ladder: what has been released.
    """

    visibility: Visibility
    floor: float = 0.0
    ladder: Ladder = Ladder()

    def show(self, judged: Sequence[Judged]) -> list[Judged]:
        """What the solver may know of a batch.

        Open: as judged. Aggregate: no value by itself, faults as kinds without detail, and the ladder's value as
        the part `aggregate`; a batch with a value that is not known by the judge's or the host's fault releases
        nothing. Sealed: nothing.
        """
        if self.visibility is Visibility.OPEN:
            return list(judged)
        parts: dict[str, float] = {}
        if self.visibility is Visibility.AGGREGATE:
            values = [_counted(j.score, self.floor) for j in judged]
            known = [value for value in values if value is not None]
            self.ladder = self.ladder.submit(known) if len(known) == len(values) else self.ladder
            parts = {} if self.ladder.shown is None else {"aggregate": self.ladder.shown}
        return [replace(j, score=self._veiled(j.score, parts)) for j in judged]

    def choices(self, chosen: Sequence[Choice]) -> list[Choice]:
        """What the solver may know of choices: on an open split all, elsewhere nothing."""
        if self.visibility is Visibility.OPEN:
            return list(chosen)
        return [Choice(None, fault=Fault(FaultKind.HIDDEN))] * len(chosen)

    def _veiled(self, score: Score, parts: dict[str, float]) -> Score:
        told = self.visibility is Visibility.AGGREGATE and score.fault is not None and score.fault.whose == "solver"
        fault = Fault(score.fault.kind) if told and score.fault else Fault(FaultKind.HIDDEN)
        return Score(None, parts, fault=fault)


def _counted(score: Score, floor: float) -> float | None:
    return floor if score.fault is not None and score.fault.whose == "solver" else score.value
