"""P9: what exploring costs beside the emulator: a step of four frames, a cell after it, a restore every 100 steps.

All sides go to the same states of Montezuma's Revenge and hold the same actions; after each pass, the RAM at the end
of every exploration is compared. The floor is the bare emulator on the same frames (its restores, one in 400 frames,
are in it: a thousandth). Cells from RAM must equal those by the published addresses. Cells from pixels are held to
exact area averages: guerdon may differ where an average is within `NEAR` of a boundary between two levels, OpenCV,
which rounds averages to whole greys first, where it is within half a grey of one.
"""

from __future__ import annotations

import importlib.util
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks import peers as others
from benchmarks.common import Claim, Pass, Plan, Samples, UnequalError, check_same, compare, measure
from benchmarks.meter import Load
from benchmarks.peers import Driver, version_of
from benchmarks.record import Session

SHARE, BESIDE = 0.85, 1.0  # goals: of the emulator's own speed, and of the plain loop's
UNIT = "ms CPU per 1000 frames"
SKIP = 4
GREYS, LEVELS, AREA = 255, 8, 210 * 160
NEAR = 0.01
CALLS = {
    "guerdon": "AleWorld.go, then 100 × (AleWorld.act, montezuma_cell(world.ram) or PixelCell()(world.grey()))",
    "opencv": "restoreState, then 100 × (4 × act, getScreenGrayscale, cv2.resize(..., (11, 8), INTER_AREA), / 255 * 8)",
    "floor": "restoreState, then 100 × (4 × act, game_over)",
}
EMULATOR = 'ale-py is not installed; pip install "guerdon[worlds]"'
FULL, QUICK = 100, 5
"""Explorations of one pass."""
LOOKED = {True: 2, False: 10}
"""Explorations whose cells are compared one by one, by `quick`."""


def run(plan: Plan, load: Load, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure P9; returns the record."""
    if importlib.util.find_spec("ale_py") is None:
        return _nothing(plan, load)
    peer, missing = others.peer("p9", "p9_opencv", "opencv-python-headless", plan.peers, say)
    session = Session("p9", plan, load)
    with others.sides("p9", {"opencv": peer[0]} if peer else {}) as drivers:
        agreement = prepare(drivers, QUICK if plan.quick else FULL, LOOKED[plan.quick])
        contenders = {name: _explorer(drivers[side], loop) for name, (side, loop) in _loops(drivers).items()}
        for once in contenders.values():
            once(-1)  # warm
        wanted = contenders["the bare emulator"](-1).output
        samples = measure(contenders, plan.rounds, lambda _: wanted, say, session.load)
        source = drivers["guerdon"].group.source
    emulator = version_of(sys.executable, "ale-py")
    version = f"OpenCV {peer[1]}" if peer else ""
    return session.record(
        _claims(samples, f"the bare emulator, ale-py {emulator}", version, missing),
        _rows(samples),
        samples,
        calls=CALLS,
        peers={"ale-py": emulator} | ({"opencv": peer[1]} if peer else {}),
        missing={"opencv": missing} if missing else {},
        cpu_from=source,
        cells=agreement,
    )


def _loops(drivers: Mapping[str, Driver]) -> dict[str, tuple[str, str]]:
    """By name of the contender: its side and the loop that is timed."""
    found = {
        "the bare emulator": ("floor", "bare"),
        "guerdon, cells from RAM": ("guerdon", "memory"),
        "guerdon, cells from pixels": ("guerdon", "pixels"),
        "OpenCV, cells from pixels": ("opencv", "pixels"),
    }
    return {name: pair for name, pair in found.items() if pair[0] in drivers}


def prepare(drivers: Mapping[str, Driver], count: int, looked: int) -> dict[str, Any]:
    """Let all sides make their starts, and compare cells one by one.

    Returns:
        How many cells were compared, and on how many guerdon and OpenCV disagree.

    Raises:
        UnequalError: cells differ by more than rounding explains.
    """
    for driver in drivers.values():
        driver.ask("prepare", count=count)
    places = drivers["floor"].ask("look", what="place", count=looked)
    check_same("guerdon, cells from RAM", 0, places, drivers["guerdon"].ask("look", what="place", count=looked))
    sums = drivers["floor"].ask("look", what="sums", count=looked)
    levels = {name: drivers[name].ask("look", what="levels", count=looked) for name in drivers if name != "floor"}
    for name, found in levels.items():
        check_levels(name, sums, found, NEAR if name == "guerdon" else 0.5 + NEAR)
    if "opencv" not in levels:
        return {"compared": len(sums)}
    differ = sum(ours != theirs for ours, theirs in zip(levels["guerdon"], levels["opencv"], strict=True))
    return {"compared": len(sums), "opencv_differs": differ}


def check_levels(name: str, sums: Sequence[Sequence[int]], found: Sequence[Sequence[int]], near: float) -> None:
    """Hold pixel cells to exact area averages.

    Args:
        name: whose they are.
        sums: of grey in each area, over `AREA` of each.
        found: the levels that came out.
        near: an average so near to a boundary, in greys, may fall on its other side.

    Raises:
        UnequalError: at the first that is off.
    """
    check_same(f"{name}, number of cells", 0, len(sums), len(found))
    for at, (areas, levels) in enumerate(zip(sums, found, strict=True)):
        check_same(f"{name}, size of a cell", 0, len(areas), len(levels))
        for area, level in zip(areas, levels, strict=True):
            low, high = (_level(area / AREA + shift) for shift in (-near, near))
            if not low <= level <= high:
                wanted = f"{LEVELS * area // (GREYS * AREA)} of an average of {area / AREA:g}"
                raise UnequalError(f"{name}, cell {at}: got level {level}, expected {wanted}. No result")


def _level(grey: float) -> int:
    return int(max(grey, 0.0) * LEVELS // GREYS)


def _explorer(driver: Driver, loop: str) -> Callable[[int], Pass]:
    def once(_round: int) -> Pass:
        done, spent = driver.timed("explore", loop=loop)
        return Pass(done, spent, done["steps"] * SKIP)

    return once


def _claims(samples: Mapping[str, Samples], emulator: str, version: str, missing: str) -> list[Claim]:
    floor, pixels = samples["the bare emulator"], samples["guerdon, cells from pixels"]
    about: dict[str, Any] = {"scale": 1e6, "id": "P9", "unit": UNIT}
    bare = {"peer": emulator, "call": CALLS["floor"], "goal": SHARE}
    memory = compare(
        samples["guerdon, cells from RAM"], floor, floor, claim="a Go-Explore loop, cells from RAM", **bare, **about
    )
    return [
        memory,
        compare(pixels, floor, floor, claim="a Go-Explore loop, cells from pixels", **bare, **about),
        compare(
            pixels,
            samples.get("OpenCV, cells from pixels"),
            floor,
            claim="a Go-Explore loop, cells from pixels",
            peer=f"a plain loop, {version}" if version else "a plain loop with OpenCV",
            call=CALLS["opencv"],
            goal=BESIDE,
            missing=missing,
            **about,
        ),
    ]


def _rows(samples: Mapping[str, Samples]) -> list[dict[str, Any]]:
    """The printed table: everybody's cost, and frames per second of one core."""
    return [
        {
            "who": name,
            "cpu_ms": statistics.median(each.cpu) * 1e6,
            "wall_ms": statistics.median(each.wall) * 1e6,
            "frames_per_core_s": 1 / statistics.median(each.cpu),
        }
        for name, each in samples.items()
    ]


def _nothing(plan: Plan, load: Load) -> dict[str, Any]:
    """The record where there is no emulator."""
    session = Session("p9", plan, load)
    claim = Claim(id="P9", claim="a Go-Explore loop", peer="the bare emulator", goal=SHARE, unit=UNIT, missing=EMULATOR)
    rows = [{"who": "nobody", "cpu_ms": None, "wall_ms": None, "frames_per_core_s": None}]
    return session.record([claim], rows, {}, calls=CALLS, peers={}, missing={"ale-py": EMULATOR}, cpu_from="nowhere")
