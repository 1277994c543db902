"""A log of another evaluator as a run of the ledger: read once, recorded in batches, the same however often."""

from __future__ import annotations

import hashlib
import itertools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from guerdon.core.errors import ConfigError
from guerdon.core.plain import digest
from guerdon.core.task import Answer, Task
from guerdon.interop.logs.inspect_log import open_inspect
from guerdon.interop.logs.lm_eval_log import NAME, open_lm_eval
from guerdon.interop.logs.things import Log, Sample, Skipped
from guerdon.ledger import Ledger
from guerdon.ledger.rows import AttemptRow, RunRow, StepRow, VerdictRow, attempt_id, verdict_id

BATCH = 500
CLOSE = 1e-9
"""Relative; two means of the same numbers differ by rounding only."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A mean that the log states, and the same mean of what was recorded.

    Args:
        name: of the measure.
        said: by the log; `None` if it says no number.
        found: in the samples; `None` if there is none, or if it cannot be computed from them.
        why_not: why it cannot.
    """

    name: str
    said: float | None
    found: float | None
    why_not: str = ""

    @property
    def agrees(self) -> bool | None:
        """Whether they agree; `None` where that cannot be known."""
        if self.said is None or self.found is None:
            return None
        return math.isclose(self.said, self.found, rel_tol=CLOSE, abs_tol=CLOSE)


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a log.

    Args:
        run: id of the run.
        new: whether the ledger did not have it, or not all of it.
        tool: "inspect" or "lm-eval".
        task: what was asked.
        model: who answered.
        main: the measure that is the score.
        samples: how many were recorded.
        scored: how many have a number.
        compared: the log's own means beside those of what was recorded.
        skipped: what was left out.
        notes: what somebody should know who reads the run.
    """

    run: str
    new: bool
    tool: str
    task: str
    model: str
    main: str
    samples: int
    scored: int
    compared: tuple[Compared, ...]
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]


def is_log(path: Path) -> bool:
    """Whether a path looks like a log of Inspect or lm-eval, or a folder in which there are some."""
    return bool(_logs(path))


def import_logs(path: Path, ledger: Ledger) -> list[Imported]:
    """Take the logs in a file or folder into a ledger, each as a run.

    What the answers should have been is in the logs and is not recorded.

    Args:
        path: Inspect's `.eval` or `.json`, lm-eval's `samples_*.jsonl`, or a folder of them.
        ledger: where to.

    Raises:
        ConfigError: there is no such log, or one is not readable at all. Logs before it are recorded.
        LedgerError: a run cannot be recorded.
    """
    places = _logs(path)
    if not places:
        wanted = "a log of Inspect (.eval, .json) or lm-eval (samples_*.jsonl), or a folder of them"
        raise ConfigError(wanted, f"{path} is none" if path.exists() else f"{path} is not there", "Name another path")
    return [record(log, ledger) for place in places for log in open_log(place)]


def open_log(path: Path) -> list[Log]:
    """Open one file: a log of Inspect, or one log for each filter of lm-eval's samples."""
    with path.open("rb") as file:
        name = hashlib.file_digest(file, "sha256").hexdigest()
    return open_lm_eval(path, name) if path.suffix == ".jsonl" else [open_inspect(path, name)]


def record(log: Log, ledger: Ledger) -> Imported:
    """Record a log as a run, and compare the means it states with those of what was recorded.

    Args:
        log: opened and not read yet.
        ledger: where to; a run that is there in part is completed, one that is there whole stays as it is.

    Raises:
        LedgerError: it cannot be recorded; what was recorded before stays, and the next import goes on.
    """
    run = ledger.begin(_run(log))
    tally = _Tally()
    with ledger.lock(run.id):
        samples = _once(log)
        while batch := list(itertools.islice(samples, BATCH)):
            _record(ledger, log, run, [(tally.add(sample), sample) for sample in batch])
        for epoch, (seconds, tokens) in sorted(tally.spent.items()):
            ledger.commit_step(StepRow(run.id, epoch, seconds, tokens))
        ledger.finish(run.id, log.status)
    compared = tuple(
        Compared(claim.name, claim.value, None if claim.why_not else tally.mean(claim.name), claim.why_not)
        for claim in log.claims
    )
    return Imported(
        run.id, run.status != log.status, log.tool, log.task, log.model, log.main, sum(tally.places.values()),
        tally.scored, compared, tuple(log.skipped), tuple(log.notes),
    )  # fmt: skip


def _logs(path: Path) -> list[Path]:
    """The logs at a path. In a folder a `.json` must look like Inspect's: lm-eval's results lie there too."""
    if path.is_file():
        return [path] if _named_like_one(path) else []
    found = (each for each in path.rglob("*") if each.is_file() and _named_like_one(each))
    return sorted(each for each in found if each.suffix != ".json" or _is_inspect(each))


def _named_like_one(path: Path) -> bool:
    return path.suffix in (".eval", ".json") or NAME.fullmatch(path.name) is not None


def _is_inspect(path: Path) -> bool:
    """Whether a JSON file begins as Inspect writes it: version, status, and then `eval`."""
    with path.open("rb") as file:
        return bool(re.search(rb'"eval"\s*:\s*\{', file.read(4096)))


def _run(log: Log) -> RunRow:
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", log.task).strip("-.")[:40] or "log"
    told = {"tool": log.tool, "version": log.version, "digest": log.digest}
    return RunRow(
        f"{slug}-{log.digest[:12]}",
        f"{log.tool}:{log.task}",
        "log",
        "open",
        log.model,
        log.main,
        seed=0,
        budget={},
        recipe={
            "challenge": {"log": told, "task": log.task},
            "solver": {"log": told, "model": log.model},
            "judge": {"log": told, "measure": log.main, "negated": log.lower},
            "independent": True,
            "top": log.top,
            **({} if log.asked is None else {"tasks": log.asked}),
        },
        created=log.created,
    )


def _once(log: Log) -> Iterator[Sample]:
    """The samples of a log, each question once an epoch: the first counts."""
    seen: set[tuple[str, int]] = set()
    for sample in log.samples():
        key = (sample.task, sample.epoch)
        if key in seen:
            log.skip(f"sample {sample.task}, epoch {sample.epoch + 1}", "it is there a second time")
            continue
        seen.add(key)
        yield sample


def _record(ledger: Ledger, log: Log, run: RunRow, batch: Sequence[tuple[int, Sample]]) -> None:
    ledger.tasks_seen(run.challenge, [Task(sample.task, {"prompt": sample.prompt}) for _, sample in batch])
    judge = digest(log.tool, log.task, log.main)
    attempts, verdicts = [], []
    for place, sample in batch:
        answer = Answer(sample.task, sample.answer, note={"tokens": sample.tokens} if sample.tokens else {})
        name = attempt_id(run.id, sample.epoch, place, answer)
        attempts.append(AttemptRow(name, run.id, sample.epoch, place, answer))
        verdicts.append(VerdictRow(verdict_id(name, judge), name, judge, sample.score))
    ledger.record(attempts, verdicts, None)


class _Tally:
    """What is counted while a log goes by: places in each epoch, what it cost if told, the sums behind every mean."""

    def __init__(self) -> None:
        self.places: Counter[int] = Counter()
        self.scored = 0
        self.spent: dict[int, tuple[float, int]] = {}
        self._sums: defaultdict[str, dict[str, tuple[float, int]]] = defaultdict(dict)

    def add(self, sample: Sample) -> int:
        """Count a sample; its place in its epoch."""
        place = self.places[sample.epoch]
        self.places[sample.epoch] += 1
        self.scored += sample.score.known
        if sample.seconds is not None:
            seconds, tokens = self.spent.get(sample.epoch, (0.0, 0))
            self.spent[sample.epoch] = seconds + sample.seconds, tokens + sample.tokens
        for name, value in sample.score.parts.items():
            total, count = self._sums[name].get(sample.task, (0.0, 0))
            self._sums[name][sample.task] = total + value, count + 1
        return place

    def mean(self, name: str) -> float | None:
        """The mean over questions of the mean over epochs, of those that have a number."""
        each = [total / count for total, count in self._sums.get(name, {}).values()]
        return math.fsum(each) / len(each) if each else None
