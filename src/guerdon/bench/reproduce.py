"""From a system's name to a document of its experiments: measures, effects, verdicts, and under what they were found.

The document is plain JSON. The table, the page and the recorded verdicts are views of it.
"""

from __future__ import annotations

import datetime
import importlib
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Any

import guerdon
from guerdon.bench.bench import Progress
from guerdon.bench.experiment import Experiment, Results, Scale, conduct
from guerdon.bench.loading import card, load_file
from guerdon.bench.verdicts import AllOf, Claim, Verdict, decide
from guerdon.core.errors import ConfigError, did_you_mean
from guerdon.core.plain import digest
from guerdon.core.recipe import recipe
from guerdon.ledger import Ledger

Document = dict[str, Any]
RECORDS = Path(guerdon.__file__).parent / "reproductions"
"""Where the verdicts on the shipped systems are recorded; they come with the package."""
PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "transformers", "gymnasium")


@dataclass(frozen=True, slots=True)
class Source:
    """Where experiments come from.

    Args:
        slug: name of the system, or of the file.
        experiments: what it declares.
        records: folder of its recorded verdicts.
        home: folder whose commit is theirs.
    """

    slug: str
    experiments: tuple[Experiment, ...]
    records: Path
    home: Path


def find(name: str) -> Source:
    """The experiments of a system by its slug, or of a file by `FILE.py`: its `EXPERIMENTS`.

    Raises:
        ConfigError: there is no such system or file, or it declares no experiment.
    """
    if name.endswith(".py"):
        path = Path(name).resolve()
        return Source(path.stem, _declared(load_file(name), name), path.parent / "reproductions", path.parent)
    place = f"{_package(card(name).slug)}.experiment"
    if importlib.util.find_spec(place) is None:
        raise ConfigError("a system with an experiment", f"{name} has none yet", f"Write EXPERIMENTS in {place}")
    return Source(name, _declared(importlib.import_module(place), place), RECORDS, RECORDS.parent)


def _package(slug: str) -> str:
    for point in entry_points(group="guerdon.systems"):
        if importlib.import_module(point.value).CARD.slug == slug:
            return point.value
    return f"guerdon.systems.{slug.replace('-', '_')}"


def _declared(module: Any, place: str) -> tuple[Experiment, ...]:
    found = getattr(module, "EXPERIMENTS", None)
    if not isinstance(found, tuple) or not found or not all(isinstance(each, Experiment) for each in found):
        raise ConfigError(f"{place} declares EXPERIMENTS, a tuple of Experiment", f"got {found!r:.80}", "Write it")
    for each in found:
        _check(each)
    return found


def _check(experiment: Experiment) -> None:
    """Refuse claims that no run could decide."""
    names = [claim.name for claim in experiment.claims]
    if len(set(names)) < len(names) or not experiment.arms or not names:
        got = f"{experiment.name} has arms {experiment.arms} and claims {names}"
        raise ConfigError("an experiment has arms, and claims with names of their own", got, "Mend it")
    for claim in experiment.claims:
        arms = [] if isinstance(claim, AllOf) else [claim.treatment, *([claim.control] if claim.control else [])]
        for arm in arms:
            if arm not in experiment.arms:
                raise ConfigError(
                    f"claim {claim.name} is about arms", f"got {arm!r}", did_you_mean(arm, experiment.arms)
                )


def seeds_of(experiment: Experiment, scale: Scale, count: int | None = None) -> tuple[int, ...]:
    """The experiment's seeds, or the first so many of them, counting on where it declares fewer.

    Raises:
        ConfigError: none is asked for.
    """
    declared = experiment.seeds(scale)
    if count is None:
        return declared
    if count < 1:
        raise ConfigError("at least one seed", f"got {count}", "Leave --seeds out for those of the scale")
    more = range(max(declared, default=10) + 1, max(declared, default=10) + 1 + count)
    return (*declared, *more)[:count]


def reproduce(
    source: Source,
    ledger: Ledger,
    *,
    scale: Scale = "desk",
    seeds: int | None = None,
    workers: str = "processes:2",
    fresh: bool = False,
    patience_s: float = 1800.0,
    on_progress: Callable[[Experiment], Callable[[Progress], None] | None] = lambda _: None,
) -> Document:
    """Run the experiments of a source and judge their claims.

    Args:
        source: from `find`.
        ledger: where results are and go.
        scale: smoke (checks mechanics only), desk or full.
        seeds: how many; those of the scale by default.
        workers: "inline", "processes:N" or "ray[:ADDRESS]".
        fresh: do all jobs again.
        patience_s: hang guard of one job, in seconds.
        on_progress: makes the listener for an experiment.

    Returns:
        A plain JSON document.
    """
    start, load = time.monotonic(), _load()
    parts = []
    for experiment in source.experiments:
        chosen = seeds_of(experiment, scale, seeds)
        results = conduct(
            experiment, ledger=ledger, scale=scale, seeds=chosen, workers=workers, fresh=fresh,
            patience_s=patience_s, on_progress=on_progress(experiment),
        )  # fmt: skip
        parts.append(_part(experiment, scale, chosen, results))
    return {
        "slug": source.slug,
        "scale": scale,
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "commit": commit(source.home),
        "workers": workers,
        "wall_seconds": round(time.monotonic() - start, 1),
        "machine": _machine(load),
        "versions": _versions(),
        "experiments": parts,
    }


def _part(experiment: Experiment, scale: Scale, seeds: Sequence[int], results: Results) -> Document:
    verdicts = decide(experiment.claims, results.measures, seeds)
    return {
        "name": experiment.name,
        "summary": experiment.summary,
        "scale": scale,
        "arms": list(experiment.arms),
        "seeds": list(seeds),
        "code": digest(recipe(experiment)),
        "measures": {arm: _keyed(results.measures.get(arm, {})) for arm in experiment.arms},
        "means": {arm: _means(results.measures.get(arm, {})) for arm in experiment.arms},
        "seconds": {arm: _keyed(results.seconds.get(arm, {})) for arm in experiment.arms},
        "faults": [
            {"arm": fault.arm, "seed": fault.seed, "kind": fault.kind, "detail": fault.detail}
            for fault in results.faults
        ],
        "claims": [_claim(claim, verdicts[claim.name]) for claim in experiment.claims],
    }


def _keyed(values: Mapping[int, Any]) -> dict[str, Any]:
    return {str(seed): value for seed, value in values.items()}


def _means(by_seed: Mapping[int, Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for measures in by_seed.values() for name in measures)
    return {name: statistics.fmean(m[name] for m in by_seed.values() if name in m) for name in names}


def _claim(claim: Claim | AllOf, verdict: Verdict) -> Document:
    said = {
        "name": claim.name,
        "statement": claim.statement,
        "verdict": verdict.word,
        "reason": verdict.reason,
        "missing": verdict.missing,
        "source": claim.source,
        "expected": claim.expected,
    }
    if isinstance(claim, AllOf):
        return {**said, "of": list(claim.of)}
    return {
        **said,
        "measure": claim.measure,
        "effect": claim.effect,
        "rule": claim.rule,
        "refuted_if": claim.refutation,
        "at_least": claim.at_least,
        "at_most": claim.at_most,
        "neutral": claim.neutral,
        "estimate": verdict.estimate,
        "low": verdict.low,
        "high": verdict.high,
        "method": verdict.method,
        "effects": _keyed(verdict.effects),
    }


def blocked(document: Document) -> bool:
    """Whether faults kept a claim from its verdict."""
    return any(part["faults"] and any(c["missing"] for c in part["claims"]) for part in document["experiments"])


# ── recorded verdicts ───────────────────────────────────────────────────────────────────────────────────────────────


def record(source: Source, document: Document) -> Path:
    """Write the document beside the system, where `guerdon systems` finds it.

    Raises:
        ConfigError: it is of smoke scale, which says nothing, or the folder cannot be written.
    """
    if document["scale"] == "smoke":
        raise ConfigError(
            "a record of desk or full scale", "got smoke, which checks mechanics only", "Use --scale desk"
        )
    path = source.records / f"{source.slug}.json"
    try:
        source.records.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} can be written", str(error.strerror), "Record from a checkout") from None
    return path


def recorded(slug: str) -> Document | None:
    """The newest recorded document of a shipped system, if there is one."""
    path = RECORDS / f"{slug}.json"
    if not path.is_file():
        return None
    document: Document = json.loads(path.read_text(encoding="utf-8"))
    return document


def tally(document: Document) -> dict[str, int]:
    """How many claims have which verdict."""
    words = [claim["verdict"] for part in document["experiments"] for claim in part["claims"]]
    return {word: words.count(word) for word in ("supported", "refuted", "inconclusive") if word in words}


# ── under what ──────────────────────────────────────────────────────────────────────────────────────────────────────


def commit(home: Path) -> str | None:
    """The commit of the code, with "+" when files beside it differ from it; `None` outside a checkout."""
    head = _git(home, "rev-parse", "--short=10", "HEAD")
    if head is None:
        return None
    return head + ("+" if _git(home, "status", "--porcelain", "--", ".", ":(exclude)reproductions") else "")


def _git(home: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(home), *words], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _load() -> float | None:
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def _machine(load_before: float | None) -> Document:
    return {
        "system": platform.system(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load_before": load_before,
        "load_after": _load(),
    }


def _versions() -> dict[str, str]:
    found = {"guerdon": guerdon.__version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
