"""All probes in turn, and the document that they make."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from guerdon.core.errors import ConfigError, GuerdonError, did_you_mean
from guerdon.core.plain import Json
from guerdon.core.preference import Preference
from guerdon.core.recipe import recipe
from guerdon.core.reward import Reward
from guerdon.prefer.sets import PreferenceSet
from guerdon.rlhf.audit.accuracy import accuracy, coverage
from guerdon.rlhf.audit.bias import calibration, length, position
from guerdon.rlhf.audit.courses import best_of_n, training
from guerdon.rlhf.audit.doubt import lineage, strength
from guerdon.rlhf.audit.exploits import edits, exploits
from guerdon.rlhf.audit.extras import Extras
from guerdon.rlhf.audit.findings import ORDER, Finding, Verdict, not_measured, worst
from guerdon.rlhf.audit.sense import contrast, dimensions
from guerdon.rlhf.audit.steadiness import batches, calls
from guerdon.rlhf.audit.subject import Subject

FORMAT = "guerdon-reward-audit-1"
Probe = Callable[[Subject, Extras], Finding]


def _alone(probe: Callable[[Subject], Finding]) -> Probe:
    return lambda subject, _: probe(subject)


PROBES: Mapping[str, Probe] = {
    "coverage": _alone(coverage),
    "accuracy": _alone(accuracy),
    "calibration": _alone(calibration),
    "length": _alone(length),
    "position": _alone(position),
    "contrast": contrast,
    "dimensions": _alone(dimensions),
    "strength": _alone(strength),
    "batches": _alone(batches),
    "calls": _alone(calls),
    "exploits": _alone(exploits),
    "edits": _alone(edits),
    "best-of-n": best_of_n,
    "training": training,
    "lineage": lineage,
}
"""Probes by name, in the order in which they run."""


@dataclass(frozen=True, eq=False)
class Audit:
    """What all probes found.

    Args:
        name: of the reward.
        recipe: what it is, as plain data; None where it does not say.
        source: of the data.
        digest: of the pairs that were used.
        rows: pairs that were used.
        prompts: different ones among them.
        left_out: rows that were not used, by reason.
        seed: of all draws.
        findings: in the order of the probes.
        seconds: of each probe.
    """

    name: str
    recipe: Json
    source: str
    digest: str
    rows: int
    prompts: int
    left_out: Mapping[str, int]
    seed: int
    findings: tuple[Finding, ...]
    seconds: Mapping[str, float]

    @property
    def verdict(self) -> Verdict:
        """The gravest of all."""
        return worst([each.verdict for each in self.findings])

    @property
    def count(self) -> Counter[str]:
        """Findings by verdict."""
        return Counter(each.verdict for each in self.findings)

    def finding(self, probe: str) -> Finding:
        """What a probe found.

        Raises:
            ConfigError: it did not run.
        """
        known = {each.probe: each for each in self.findings}
        if probe not in known:
            raise ConfigError("the name of a probe that ran", f"got {probe!r}", did_you_mean(probe, known))
        return known[probe]

    def document(self) -> dict[str, Json]:
        """As JSON: what the page is made from."""
        return {
            "format": FORMAT,
            "reward": {"name": self.name, "recipe": self.recipe},
            "data": {
                "source": self.source,
                "digest": self.digest,
                "rows": self.rows,
                "prompts": self.prompts,
                "left out": dict(self.left_out),
            },
            "seed": self.seed,
            "verdict": self.verdict,
            "count": {name: self.count.get(name, 0) for name in ORDER},
            "findings": [each.plain() for each in self.findings],
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
            "versions": {name: version(name) for name in ("guerdon", "numpy", "scipy")},
        }


def audit(
    thing: Reward | Preference,
    rows: PreferenceSet,
    extras: Extras | None = None,
    *,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    seed: int = 0,
    limit: int | None = None,
    source: str = "",
    listen: Callable[[str], None] | None = None,
) -> Audit:
    """Hold a reward against labelled pairs, probe by probe. Equal arguments find the same.

    Args:
        thing: a reward, or a judge of pairs.
        rows: labelled pairs, best ones that did not train it.
        extras: what further probes need.
        only: names of probes; all by default.
        skip: names of probes that do not run.
        seed: of all draws.
        limit: most pairs; drawn at random beyond.
        source: of the data, for people.
        listen: called with the name of each probe before it runs.

    Raises:
        ConfigError: a probe is not known, or no pair has a choice.
    """
    for name in (*only, *skip):
        if name not in PROBES:
            raise ConfigError("the name of a probe", f"got {name!r}", did_you_mean(name, PROBES))
    subject = Subject.of(thing, rows, seed=seed, limit=limit)
    findings, seconds = [], {}
    for name in PROBES:
        if name in skip or (only and name not in only):
            continue
        if listen is not None:
            listen(name)
        begun = time.perf_counter()
        findings.append(_probed(name, subject, extras or Extras()))
        seconds[name] = time.perf_counter() - begun
    prompts = int(subject.groups.max()) + 1
    return Audit(
        name=thing.name,
        recipe=_recipe(thing),
        source=source,
        digest=subject.digest(),
        rows=len(subject),
        prompts=prompts,
        left_out=subject.left_out,
        seed=seed,
        findings=tuple(findings),
        seconds=seconds,
    )


def _probed(name: str, subject: Subject, extras: Extras) -> Finding:
    """One probe; what it cannot do is said, and does not stop the others."""
    try:
        return PROBES[name](subject, extras)
    except GuerdonError as error:
        return not_measured(name, name.capitalize(), f"{error.expected}: {error.got}.", error.do)
    except Exception as error:  # noqa: BLE001  # rewards are code of others, and one probe is not the audit
        return not_measured(
            name, name.capitalize(), f"The probe failed with {type(error).__name__}: {str(error)[:200]}"
        )


def _recipe(thing: Any) -> Json:
    try:
        return recipe(thing)
    except (GuerdonError, TypeError, ValueError):
        return None
