"""P8: average precision of detectors, with a 95 % interval, at V3Det's and at COCO's number of categories.

guerdon gives the point and 1,000 resamples of the images; pycocotools, faster-coco-eval and hotcoco the point. Before
any time is taken, and in each pass, the average precision of every category has to be the same on all sides, to eight
decimals. What is measured starts from both files in memory, indexed, and ends with average precision; reading files,
building indices, and printing are left out.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.common import Claim, Pass, Plan, Samples, compare, costs, measure
from benchmarks.meter import Load
from benchmarks.peers import DRIVERS, Driver, MissingError, environment, version_of
from benchmarks.record import Session

PEERS = {"pycocotools": "pycocotools", "faster": "faster-coco-eval", "hotcoco": "hotcoco"}
GOAL = 5.0
RESAMPLES = 1000
UNIT = "ms CPU per detection file"
CALLS = {
    "pycocotools": 'COCOeval(truths, found, "bbox").evaluate() and .accumulate(), areaRng all, maxDets [100]',
    "faster": 'COCOeval_faster(truths, found, "bbox").evaluate() and .accumulate(), areaRng all, maxDets [100]',
    "hotcoco": 'COCOeval(truths, found, "bbox").evaluate() and .accumulate(), areaRng all, maxDets [100]',
    "guerdon": "match(truths, found, categories, Rules(most=100)), precision(...), bootstrap(..., resamples=1000)",
    "floor": "numpy: sort scores, find the detections of each truth's image and category, overlaps; no matching",
}


@dataclass(frozen=True, slots=True)
class Work:
    """A detection file: so many images, detections in each, categories, and boxes that are there."""

    name: str
    images: int
    per_image: int
    categories: int
    boxes: int

    @property
    def size(self) -> dict[str, int]:
        """For drivers."""
        return {
            "images": self.images, "per_image": self.per_image, "categories": self.categories, "boxes": self.boxes,
        }  # fmt: skip


# The second is of the size of COCO's validation set, with the detections of each image that count there.
FULL = (Work("13,204 categories", 200, 60, 13_204, 1_500), Work("80 categories", 5_000, 100, 80, 36_781))
QUICK = (Work("13,204 categories", 4, 20, 1_000, 40), Work("80 categories", 20, 20, 80, 100))


def run(plan: Plan, load: Load, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure P8; returns the record."""
    peers, missing = _peers(plan, say)
    session = Session("p8", plan, load)
    samples: dict[str, Samples] = {}
    with _drivers({name: command for name, (command, _) in peers.items()}) as drivers:
        for work in QUICK if plan.quick else FULL:
            samples |= _measure(drivers, work, plan, session, lambda text, work=work: say(f"{work.name}, {text}"))
        source = drivers["guerdon"].group.source
    versions = {name: version for name, (_, version) in peers.items()}
    claims = [claim for work in FULL for claim in _claims(samples, work, versions, missing)]
    return session.record(
        claims, costs(samples), samples, calls=CALLS, peers=versions, missing=missing, cpu_from=source
    )


def _peers(plan: Plan, say: Callable[[str], None]) -> tuple[dict[str, tuple[list[str], str]], dict[str, str]]:
    """Commands and versions of the peers, or why they are missing."""
    try:
        python = environment("p8", plan.peers, say)
        found = {
            name: ([str(python), str(DRIVERS / f"p8_{name}.py")], version_of(python, package))
            for name, package in PEERS.items()
        }
        return found, {}
    except MissingError as error:
        return {}, dict.fromkeys(PEERS, str(error))


@contextlib.contextmanager
def _drivers(peers: Mapping[str, list[str]]) -> Iterator[dict[str, Driver]]:
    commands = {name: [sys.executable, str(DRIVERS / f"p8_{name}.py")] for name in ("floor", "guerdon")}
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(Driver(name, command)) for name, command in {**commands, **peers}.items()}


def _measure(
    drivers: Mapping[str, Driver], work: Work, plan: Plan, session: Session, say: Callable[[str], None]
) -> dict[str, Samples]:
    for driver in drivers.values():
        driver.ask("prepare", **work.size)
    contenders = {f"{name}, {work.name}": _judge(driver) for name, driver in drivers.items() if name != "floor"}
    contenders[f"guerdon with interval, {work.name}"] = _judge(drivers["guerdon"], resamples=RESAMPLES)
    first = "pycocotools" if "pycocotools" in drivers else "guerdon"
    wanted = contenders[f"{first}, {work.name}"](-1).output
    contenders[f"floor, {work.name}"] = _floor(drivers["floor"], wanted)
    for name in ("guerdon with interval", "floor"):
        contenders[f"{name}, {work.name}"](-1)  # warm
    return measure(contenders, plan.rounds, lambda _: wanted, say, session.load)


def _judge(driver: Driver, **asked: int) -> Callable[[int], Pass]:
    def once(_round: int) -> Pass:
        _, spent = driver.timed("judge_with_interval" if asked else "judge", **asked)
        return Pass(driver.ask("read"), spent, 1)

    return once


def _floor(driver: Driver, wanted: Any) -> Callable[[int], Pass]:
    """It computes no precision, so that there is nothing to compare."""

    def once(_round: int) -> Pass:
        _, spent = driver.timed("judge")
        return Pass(wanted, spent, 1)

    return once


def _claims(
    samples: dict[str, Samples], work: Work, versions: Mapping[str, str], missing: Mapping[str, str]
) -> Iterator[Claim]:
    for peer, package in PEERS.items():
        interval = peer == "pycocotools"
        ours = f"guerdon{' with interval' if interval else ''}, {work.name}"
        yield compare(
            samples[ours],
            samples.get(f"{peer}, {work.name}"),
            samples[f"floor, {work.name}"],
            id="P8",
            claim=f"average precision at {work.name}" + (", ours with 1,000 resamples" if interval else ""),
            peer=f"{package} {versions.get(peer, '')}".strip(),
            call=CALLS[peer],
            goal=GOAL if interval else None,
            unit=UNIT,
            missing=missing.get(peer, ""),
        )
