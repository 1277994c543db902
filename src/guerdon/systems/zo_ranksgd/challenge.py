"""The challenge: find a point with a small loss from rankings of points, without ever being told a loss."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from guerdon.core.challenge import Challenge, Probes
from guerdon.core.errors import ConfigError
from guerdon.core.plain import Json, digest
from guerdon.core.reward import Reward
from guerdon.core.rng import stream
from guerdon.core.task import Answer, Key, Task
from guerdon.prefer.rankings import SortedBy, Ties
from guerdon.systems.zo_ranksgd.objective import FUNCTIONS, Objective, losses_of, source_of

Tell = Literal["order", "values"]
SPREADS = {"quadratic": 1.0, "rosenbrock": 0.5}
TASK = "find"


class Ranked(Challenge):
    """What all challenges of this system share: one task, whose data says how the oracle may be asked.

    An answer is a point, a list of `dim` numbers. Points of one query share the note `group`; the note `best` asks for
    fewer than k. With `tell="order"` the score of a point is how many of its query it beats, and nothing else.
    """

    m: int
    k: int
    noise: float
    ties: Ties
    tell: Tell

    def check_oracle(self) -> None:
        """Refuse oracles that say nothing.

        Raises:
            ConfigError: fewer than two points, or none or too many ranked.
        """
        if self.m < 2:
            raise ConfigError("a query ranks at least 2 points", f"got m = {self.m}", "Raise --m")
        if not 1 <= self.k <= self.m:
            raise ConfigError(f"1 to m = {self.m} points are ranked", f"got k = {self.k}", "Change --k")

    def oracle(self, seed: int) -> Reward:
        """The judge: rankings of the hidden loss, or the loss itself for baselines that cannot do without."""
        if self.tell == "values":
            return Objective()
        return SortedBy(reward=Objective(), best=self.k, noise=self.noise, ties=self.ties, seed=seed)

    def posed(self, start: Sequence[float], **more: Json) -> list[Task]:
        """The one task."""
        data: dict[str, Json] = {
            "dim": len(start), "start": list(start), "tell": self.tell, "m": self.m, "k": self.k, **more,
        }  # fmt: skip
        return [Task(TASK, data)]


@dataclass(frozen=True, kw_only=True)
class RankedFunction(Ranked):
    """A function of d numbers, to be minimised by rankings (Tang, Rybin and Chang, arXiv 2303.03751, section 4).

    >>> challenge = RankedFunction(dim=3, m=2, k=1)
    >>> (task,) = challenge.tasks("main")
    >>> task.data["start"]
    [0.0, 0.0, 0.0]
    """

    function: str = "quadratic"
    """`quadratic` ‖x‖², `rosenbrock`, or a function of your own as FILE.py:NAME, which takes an array (d,) and gives
    the loss (source: the first two)."""
    dim: int = 100
    """d (source: 100)."""
    m: int = 15
    """Points in one query."""
    k: int = 15
    """How many of them are ranked, best first; the rest is only known to be worse."""
    noise: float = 0.0
    """Probability that two neighbours in a ranking are swapped, from the best to the worst."""
    ties: Ties = "shuffle"
    """Points of equal loss: in a random order ("shuffle"), or without one ("missing")."""
    tell: Tell = "order"
    """"order", or "values" for baselines that need the loss itself; the solver is then told −loss."""
    start_seed: int = 0
    """Draws the start, and the ties and the noise of the oracle."""
    spread: float = 0.0
    """Standard deviation of the start around 0; by default 1 for the quadratic, 0.5 for Rosenbrock, 1 for others."""
    hidden: bool = True
    """Points are offsets from a start that only the judge knows, so that nobody can know where the optimum lies."""

    name: ClassVar[str] = "zo-ranksgd"

    def __post_init__(self) -> None:
        self.check_oracle()
        if self.dim < 1:
            raise ConfigError("a point has at least 1 entry", f"got dim = {self.dim}", "Raise --dim")
        if self.function not in FUNCTIONS:
            losses_of({"function": self.function})  # refuses a name that nothing stands behind

    def fingerprint(self) -> str:
        """A digest of the user's function, if there is one."""
        return digest(self.function, source_of(self.function))

    def start(self) -> list[float]:
        """x₀ ~ N(0, spread²)."""
        spread = self.spread or SPREADS.get(self.function, 1.0)
        start: list[float] = (spread * stream(self.start_seed, "start").standard_normal(self.dim)).tolist()
        return start

    @property
    def judge(self) -> Reward:
        """Ranks by the loss."""
        return self.oracle(self.start_seed)

    def tasks(self, split: str) -> Iterable[Task]:
        """One task: where to start, and how the oracle may be asked."""
        return self.posed([0.0] * self.dim if self.hidden else self.start())

    def keys(self, tasks: Sequence[Task]) -> Sequence[Key]:
        """The function and the hidden start."""
        key: Mapping[str, Any] = {"function": self.function, "dim": self.dim}
        return [{**key, "start": self.start()} if self.hidden else key for _ in tasks]

    def probes(self, tasks: Sequence[Task]) -> Probes:
        """The optimum has no loss; staying, and what is no point, beats nobody."""
        start = self.start() if self.hidden else [0.0] * self.dim
        aim = {"quadratic": 0.0, "rosenbrock": 1.0}.get(self.function)
        oracle = [] if aim is None else [Answer(TASK, [aim - entry for entry in start])]
        wrong: list[Json] = [
            None, True, "best", {}, [], [0.0] * (self.dim + 1), [True] * self.dim, ["0"] * self.dim, [[0.0]] * self.dim,
            [10**400] * self.dim,
        ]  # fmt: skip
        return Probes(
            oracle=oracle,
            nothing=[Answer(TASK, [0.0] * self.dim)],
            cheats={"what is no point": [Answer(TASK, each) for each in wrong]},
            top=-1e-20,
            floor=0.0 if self.tell == "order" else float("inf"),
            oracle_judge=Objective(),
        )
