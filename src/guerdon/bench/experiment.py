"""Experiments: arms times seeds, run by the bench, with every result in the ledger.

A job is one arm with one seed. To the bench it is a task like any other: its answer is that it be done, its judge
does it in a worker, and its score carries the measures as parts. So killing, resuming, hanging, crashing and running
in parallel are the bench's affair. A finished job is never done again while the code it depends on stays the same.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import math
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from guerdon.bench.bench import Progress
from guerdon.bench.loading import load_file, loaded_files, resolve
from guerdon.bench.run import run
from guerdon.bench.verdicts import AllOf, Claim
from guerdon.core.challenge import Challenge
from guerdon.core.errors import ConfigError, RewardError
from guerdon.core.plain import canonical, digest
from guerdon.core.recipe import recipe
from guerdon.core.reward import Reward
from guerdon.core.score import FaultKind, Score
from guerdon.core.solver import Learner, Problem
from guerdon.core.task import Answer, Case, Judged, Task
from guerdon.ledger import Ledger, RunRow, VerdictRow

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Scale = Literal["smoke", "desk", "full"]
JobName = tuple[str, int]
"""An arm and a seed."""
Found = Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Base of every experiment. Subclass as a frozen dataclass: its fields are what may be configured.

    Attributes:
        name: short and unique in its system.
        summary: what is done, in a sentence or two.
        arms: names of what is compared.
        claims: what is to be shown, with the rules that decide, written before the run.
        modules: modules and packages whose code decides the measures, besides the experiment's own module; when
            empty, the whole package that the experiment lives in.
    """

    name: ClassVar[str] = "experiment"
    summary: ClassVar[str] = ""
    arms: ClassVar[tuple[str, ...]] = ()
    claims: ClassVar[tuple[Claim | AllOf, ...]] = ()
    modules: ClassVar[tuple[str, ...]] = ()

    def seeds(self, scale: Scale) -> tuple[int, ...]:
        """The seeds of a scale; those that a design was chosen on should not be among them."""
        return tuple(range(11, {"smoke": 14, "desk": 16, "full": 31}[scale]))

    def run(self, arm: str, seed: int, scale: Scale) -> Found:
        """Do one job and return its measures, `None` for what could not be measured. Runs in a worker process."""
        raise RewardError("an experiment has a run method", f"{type(self).__name__} has none", "Write run(...)")

    def fingerprint(self) -> str:
        """A digest of the code that decides the measures."""
        own = type(self).__module__
        package = getattr(sys.modules.get(own), "__package__", "")
        whole = package if not self.modules and package and _sources(package) else own
        return digest(*(module_digest(name) for name in (whole, *self.modules)))


@cache
def module_digest(name: str) -> str:
    """A digest of the syntax of a module, or of all modules of a package: comments and layout do not count.

    Raises:
        ConfigError: there is no source of that name.
    """
    files = _sources(name)
    if not files:
        raise ConfigError("a module whose code decides the measures", f"{name!r} has no source", "Name another")
    trees = [ast.dump(ast.parse(path.read_bytes())) for path in files]
    return hashlib.sha256("\0".join(trees).encode()).hexdigest()[:16]


def _sources(name: str) -> list[Path]:
    """The Python files of a module or package, found without running it; of a folder without `__init__.py`, none."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):  # a script has no spec
        spec = None
    if spec is None:
        file = getattr(sys.modules.get(name), "__file__", None)
        return [Path(file)] if file else []
    if spec.origin is None or not spec.origin.endswith(".py"):
        return []
    folders = spec.submodule_search_locations or ()
    return [path for folder in folders for path in sorted(Path(folder).rglob("*.py"))] or [Path(spec.origin)]


@dataclass(frozen=True)
class Job(Reward):
    """Does the jobs: 1.0 when one is done, with its measures as parts."""

    experiment: Experiment
    scale: Scale
    label: ClassVar[str] = "job"

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        """Do each job by itself: one that raises must not make another run twice."""
        return [self._one(case.task.data) for case in cases]

    def _one(self, data: Mapping[str, Any]) -> Score:
        try:
            return Score(1.0, measured(self.experiment.run(data["arm"], data["seed"], self.scale)))
        except Exception as error:  # noqa: BLE001  # an experiment's error is a fault of that job
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(last.filename).name}:{last.lineno}"
            return Score.failed(FaultKind.EXCEPTION, f"{type(error).__name__}: {error} ({where})"[:500], "judge")

    def __reduce__(self) -> tuple[Callable[..., Job], tuple[Any, ...]]:
        kind = type(self.experiment)
        values = {each.name: getattr(self.experiment, each.name) for each in fields(kind)}
        return _revive, (loaded_files(), kind.__module__, kind.__qualname__, values, self.scale)


def _revive(files: Sequence[str], module: str, name: str, values: Mapping[str, Any], scale: Scale) -> Job:
    """A job in another process, where the user's file has to be loaded before its class is there."""
    for file in files:
        load_file(file)
    return Job(resolve(f"{module}:{name}")(**values), scale)


def measured(found: object) -> dict[str, float]:
    """The measures that are known; what is `None` or no finite number is not.

    Raises:
        RewardError: not a mapping of names to numbers.

    >>> measured({"solved": 3, "speed": None})
    {'solved': 3.0}
    """
    if not isinstance(found, Mapping) or not all(isinstance(name, str) for name in found):
        raise RewardError("run returns measures by name", f"got {type(found).__name__}", "Return a dict")
    known = {name: float(value) for name, value in found.items() if value is not None}
    return {name: value for name, value in known.items() if math.isfinite(value)}


@dataclass(frozen=True, kw_only=True)
class Jobs(Challenge):
    """Jobs of an experiment, as tasks."""

    experiment: Experiment
    """What is run."""
    scale: Scale
    """How large."""
    jobs: tuple[JobName, ...]
    """Arm and seed of each."""

    @property
    def name(self) -> str:  # type: ignore[override]
        """The experiment's name, apart from those of challenges."""
        return f"experiment/{self.experiment.name}"

    @property
    def judge(self) -> Job:
        """Who does them."""
        return Job(self.experiment, self.scale)

    def tasks(self, split: str) -> Iterable[Task]:
        """One task per job."""
        return [Task(f"{arm}/{seed}", {"arm": arm, "seed": seed, "scale": self.scale}) for arm, seed in self.jobs]


@dataclass(frozen=True, kw_only=True)
class EachOnce(Learner[list[str]]):
    """Hands in every task once, in order, a few at a time."""

    at_once: int = field(default=1, metadata={"recipe": False})
    """How many in one step."""

    name: ClassVar[str] = "each-once"

    def start(self, problem: Problem, rng: Rng) -> list[str]:
        """Nothing done."""
        return []

    def ask(self, problem: Problem, state: list[str], rng: Rng) -> list[Answer]:
        """The next few."""
        left = [task.id for task in problem.tasks if task.id not in state]
        return [Answer(name, None) for name in left[: self.at_once]]

    def tell(self, problem: Problem, state: list[str], judged: Sequence[Judged], rng: Rng) -> list[str]:
        """What was done is done."""
        return [*state, *(item.task.id for item in judged)]


@dataclass(frozen=True, slots=True)
class Trouble:
    """A job without measures.

    Args:
        arm: its arm.
        seed: its seed.
        kind: of its fault.
        detail: what is known of it.
    """

    arm: str
    seed: int
    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class Results:
    """What the ledger holds of an experiment.

    Args:
        measures: arm → seed → measure → value.
        seconds: arm → seed → seconds that the job took.
        faults: jobs that failed when last tried.
    """

    measures: dict[str, dict[int, dict[str, float]]]
    seconds: dict[str, dict[int, float]]
    faults: list[Trouble]


def conduct(
    experiment: Experiment,
    *,
    ledger: Ledger,
    scale: Scale = "desk",
    seeds: Sequence[int] | None = None,
    workers: str = "processes:2",
    fresh: bool = False,
    patience_s: float = 1800.0,
    on_progress: Callable[[Progress], None] | None = None,
) -> Results:
    """Do the jobs that are not done yet, and return the results of all. Killed, the same call goes on.

    Args:
        experiment: what is run.
        ledger: where results are and go.
        scale: smoke, desk or full.
        seeds: which; the experiment's own for this scale by default.
        workers: "inline", "processes:N" or "ray[:ADDRESS]".
        fresh: do all jobs again; the newest results count.
        patience_s: hang guard of one job, in seconds.
        on_progress: called after each few jobs.

    Raises:
        KeyboardInterrupt: it was interrupted; what is done is recorded.
    """
    chosen = experiment.seeds(scale) if seeds is None else tuple(seeds)
    wanted = [(arm, seed) for seed in chosen for arm in experiment.arms]

    def go(jobs: Sequence[JobName], take: int) -> None:
        solver, challenge = EachOnce(at_once=_at_once(workers)), Jobs(experiment=experiment, scale=scale, jobs=(*jobs,))
        done = run(
            solver, challenge, ledger=ledger, seed=take, budget=len(jobs), workers=workers, patience_s=patience_s,
            on_progress=on_progress,
        )  # fmt: skip
        if done.status == "interrupted":
            raise KeyboardInterrupt

    unfinished = [] if fresh else [row for row in _runs(ledger, experiment, scale) if row.status != "done"]
    if unfinished and set(_jobs(unfinished[-1])) <= set(wanted):
        go(_jobs(unfinished[-1]), unfinished[-1].seed)
    known = {} if fresh else _verdicts(ledger, experiment, scale)
    left = [job for job in wanted if job not in known or not known[job].score.known]
    if left:
        go(left, len(_runs(ledger, experiment, scale)))
    return _results(_verdicts(ledger, experiment, scale), wanted)


def _at_once(workers: str) -> int:
    """As many jobs in one step as the bench hands to its workers one by one, so that each is recorded when done."""
    name, _, size = workers.partition(":")
    if name == "processes":
        count = int(size) if size.isdigit() else 2
        return 4 * count if count > 1 else 1
    return 4 * (os.cpu_count() or 1) if name == "ray" else 1


def _runs(ledger: Ledger, experiment: Experiment, scale: Scale) -> list[RunRow]:
    """The runs of an experiment with this code, oldest first."""
    plain = canonical([recipe(experiment), scale])
    found = []
    for row in ledger.runs(f"experiment/{experiment.name}"):
        posed: Any = row.recipe.get("challenge", {})
        if canonical([posed.get("experiment"), posed.get("scale")]) == plain:
            found.append(row)
    return found


def _jobs(row: RunRow) -> list[JobName]:
    posed: Any = row.recipe["challenge"]
    return [(arm, seed) for arm, seed in posed["jobs"]]


def _verdicts(ledger: Ledger, experiment: Experiment, scale: Scale) -> dict[JobName, VerdictRow]:
    """The newest verdict on each job."""
    found: dict[JobName, VerdictRow] = {}
    for row in _runs(ledger, experiment, scale):
        for attempt, verdict in ledger.judged(row.id):
            if verdict is not None:
                arm, _, seed = attempt.answer.task.rpartition("/")
                found[arm, int(seed)] = verdict
    return found


def _results(verdicts: Mapping[JobName, VerdictRow], wanted: Sequence[JobName]) -> Results:
    results = Results({}, {}, [])
    for arm, seed in wanted:
        row = verdicts.get((arm, seed))
        fault = row.score.fault if row else None
        if row is None or fault is not None:
            kind, detail = (fault.kind.value, fault.detail) if fault else ("lost", "no verdict is recorded")
            results.faults.append(Trouble(arm, seed, kind, detail))
            continue
        results.measures.setdefault(arm, {})[seed] = dict(row.score.parts)
        results.seconds.setdefault(arm, {})[seed] = row.seconds
    return results
