"""The rules of a fair comparison, as code.

1. Same work, checked before any time is printed; a faster wrong answer ends the benchmark with exit status 1.
2. CPU seconds of whole process trees for the claim; wall seconds only from a calm machine.
3. A B B A order, at least five rounds, median ratio with a bootstrap interval; the claim is its lower end.
4. Threads pinned, to one for both sides.
5. The peer at its best, with its name, version and call in the record; imports excluded on both sides.
6. The physical floor beside it.
"""

from __future__ import annotations

import json
import os
import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.meter import Load, Spent

ROUNDS = 5
SEED = 20_260
RESAMPLES = 4000
PINNED = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
}


class BenchmarkError(Exception):
    """The benchmark failed: exit status 1."""


class UnequalError(BenchmarkError):
    """Two sides did not do the same work, so no time may be printed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure.

    Args:
        rounds: rounds of A B B A.
        quick: small counts, for tests; never recorded.
        wait: seconds to wait for a calm machine.
        peers: folder of the peers' environments; empty leaves all peers out.
    """

    rounds: int = ROUNDS
    quick: bool = False
    wait: float = 0.0
    peers: str = ""


@dataclass(frozen=True, slots=True)
class Pass:
    """One contender, once: what came out, what it cost, and for how many units of work."""

    output: Any
    spent: Spent
    units: int


@dataclass
class Samples:
    """All passes of one contender: `cpu[r]` and `wall[r]` are seconds per unit in round r, mean of its two passes."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    raw: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio with its interval; what may be claimed is `low`."""

    median: float
    low: float
    high: float


def order(names: Sequence[str]) -> list[str]:
    """One round: everybody, then everybody in reverse, so that a steady drift of the machine cancels.

    >>> order(["A", "B"])
    ['A', 'B', 'B', 'A']
    """
    return [*names, *reversed(names)]


def measure(
    contenders: Mapping[str, Callable[[int], Pass]],
    rounds: int,
    expected: Callable[[int], Any],
    say: Callable[[str], None] = lambda text: None,
    load: Load | None = None,
) -> dict[str, Samples]:
    """Run all contenders in A B B A order and compare what they give.

    Args:
        contenders: by name, each called with the number of the round.
        rounds: how many.
        expected: what every contender must give in a round.
        say: progress.
        load: is kept up to date.

    Raises:
        UnequalError: a contender gave something else.
    """
    found = {name: Samples() for name in contenders}
    for number in range(rounds):
        passes: dict[str, list[Pass]] = {name: [] for name in contenders}
        wanted = expected(number)
        for name in order(list(contenders)):
            one = contenders[name](number)
            check_same(name, number, wanted, one.output)
            passes[name].append(one)
            if load is not None:
                load.note()
        for name, pair in passes.items():
            _add(found[name], pair)
        say(f"round {number + 1} of {rounds}")
    return found


def _add(samples: Samples, passes: Sequence[Pass]) -> None:
    units = sum(one.units for one in passes)
    samples.cpu.append(sum(one.spent.cpu for one in passes) / units)
    samples.wall.append(sum(one.spent.wall for one in passes) / units)
    samples.raw += [{"cpu": one.spent.cpu, "wall": one.spent.wall, "units": one.units} for one in passes]


def check_same(name: str, number: int, wanted: Any, got: Any) -> None:
    """Refuse unequal work.

    Raises:
        UnequalError: with the first difference.
    """
    wanted, got = json.loads(json.dumps(wanted)), json.loads(json.dumps(got))
    if wanted == got:
        return
    text = f"got {str(got)[:200]}, expected {str(wanted)[:200]}"
    if isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        at = next(i for i, pair in enumerate(zip(wanted, got)) if pair[0] != pair[1])
        text = f"item {at} is {str(got[at])[:200]}, expected {str(wanted[at])[:200]}"
    raise UnequalError(f"{name}, round {number + 1}: {text}. A faster wrong answer is no result")


def ratio(theirs: Sequence[float], ours: Sequence[float], seed: int = SEED) -> Ratio:
    """How many times more the peer costs: median over rounds, with a 95 % bootstrap interval.

    >>> ratio([4.0, 4.0, 4.0], [2.0, 2.0, 2.0])
    Ratio(median=2.0, low=2.0, high=2.0)
    """
    each = [their / our for their, our in zip(theirs, ours, strict=True)]
    rng = random.Random(seed)
    medians = sorted(statistics.median(rng.choices(each, k=len(each))) for _ in range(RESAMPLES))
    low, high = medians[int(0.025 * RESAMPLES)], medians[int(0.975 * RESAMPLES)]
    return Ratio(statistics.median(each), low, high)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One line of the scoreboard.

    Args:
        id: P1, P2, ...
        claim: what is compared.
        peer: name and version.
        call: how the peer was called.
        goal: the ratio to reach, or for a limit the number not to exceed; `None` for none.
        unit: of `ours` and `theirs`.
        ours: median.
        theirs: median of the peer; `None` for a limit.
        ratio: theirs over ours.
        floor: the floor over ours, 1.0 when we are as fast as the machine allows; `None` without a floor.
        missing: why there is no figure.
        stops: hostile answers that ours stops, such as 23/23, where that matters.
        peer_stops: those that the peer stops.
    """

    id: str
    claim: str
    peer: str = ""
    call: str = ""
    goal: float | None = None
    unit: str = ""
    ours: float | None = None
    theirs: float | None = None
    ratio: Ratio | None = None
    floor: float | None = None
    missing: str = ""
    stops: str = ""
    peer_stops: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the lower end reaches the goal, or a limit is kept; `None` without goal or figure."""
        if self.goal is None or self.missing:
            return None
        if self.ratio is not None:
            return self.ratio.low >= self.goal
        return self.ours is not None and self.ours <= self.goal

    def plain(self) -> dict[str, Any]:
        """As it is recorded."""
        return asdict(self) | {"met": self.met}


def compare(ours: Samples, theirs: Samples | None, floor: Samples | None, scale: float = 1000.0, **about: Any) -> Claim:
    """The claim that follows from the samples of both sides.

    Args:
        ours: our samples.
        theirs: the peer's; `None` when it is missing (say why with `missing=`).
        floor: of the same work.
        scale: from seconds to the unit.
        about: other fields of the claim.
    """
    mine = statistics.median(ours.cpu)
    share = statistics.median(floor.cpu) / mine if floor else None
    if theirs is None:
        return Claim(ours=mine * scale, floor=share, **about)
    return Claim(
        ours=mine * scale,
        theirs=statistics.median(theirs.cpu) * scale,
        ratio=ratio(theirs.cpu, ours.cpu),
        floor=share,
        **about,
    )


def costs(samples: Mapping[str, Samples], scale: float = 1000.0, what: str = "") -> list[dict[str, Any]]:
    """Rows of the printed table: everybody's median cost.

    Args:
        samples: by name.
        scale: from seconds to milliseconds of what a row is about.
        what: a row is about, behind the name.
    """
    return [
        {
            "who": f"{name}, {what}" if what else name,
            "cpu_ms": statistics.median(each.cpu) * scale,
            "wall_ms": statistics.median(each.wall) * scale,
        }
        for name, each in samples.items()
    ]


def pinned(extra: Mapping[str, str] = {}) -> dict[str, str]:
    """This process's environment with one thread for every numerical library."""
    return {**os.environ, **PINNED, **extra}


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which this share lies, from the sorted values (nearest rank)."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]
