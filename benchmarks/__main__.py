"""Measure against the peers, or write the README's table.

python -m benchmarks all             # everything, peers installed first; writes benchmarks/results
python -m benchmarks p2 --quick      # small counts, nothing recorded
python -m benchmarks readme          # the table in README.md from the recorded results
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from benchmarks import (
    p1_sandbox,
    p2_ledger,
    p4_ratings,
    p5_archive,
    p6_reward_scoring,
    p8_detection,
    p9_explore,
    p11_board,
    p12_import,
    p14_ridge,
    p15_startup,
    p16_grpo,
    record,
    table,
)
from benchmarks.common import ROUNDS, BenchmarkError, Plan
from benchmarks.meter import Load
from benchmarks.peers import CACHE, GROUPS, MissingError, environment

BENCHMARKS = {
    "p1": p1_sandbox.run,
    "p2": p2_ledger.run,
    "p4": p4_ratings.run,
    "p5": p5_archive.run,
    "p6": p6_reward_scoring.run,
    "p8": p8_detection.run,
    "p9": p9_explore.run,
    "p11": p11_board.run,
    "p12": p12_import.run,
    "p14": p14_ridge.run,
    "p15": p15_startup.run,
    "p16": p16_grpo.run,
}
PEER_GROUPS = {
    "p1": ("p1",),
    "p2": ("p2",),
    "p4": ("p4",),
    "p5": ("p5",),
    "p6": ("trl",),
    "p8": ("p8",),
    "p9": ("p9",),
    "p11": ("p11",),
    "p12": ("p12",),
    "p14": ("p14",),
    "p15": ("p2", "trl"),
    "p16": ("trl",),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; the exit status is 1 when a benchmark failed."""
    options = _options(arguments)
    console = Console(width=None if sys.stdout.isatty() else 200)
    try:
        if options.what == "readme":
            table.write_readme(Path(options.readme), record.read_all(Path(options.output)))
            return 0
        names = list(BENCHMARKS) if options.what == "all" else [options.what]
        _measure(names, options, console)
    except BenchmarkError as error:
        console.print(f"[red]{type(error).__name__}[/red]: ", end="")
        console.print(str(error), markup=False)
        return 1
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=[*BENCHMARKS, "all", "readme"], help="which benchmark")
    parser.add_argument("--rounds", type=int, default=None, help=f"rounds of A B B A (default {ROUNDS})")
    parser.add_argument("--quick", action="store_true", help="small counts; nothing is recorded")
    parser.add_argument("--wait", type=float, default=None, help="seconds to wait for a calm machine (default 120)")
    parser.add_argument("--peers", default=str(CACHE), help="folder of the peers' environments")
    parser.add_argument("--no-peers", action="store_true", help="leave the peers out")
    parser.add_argument("--output", default=str(record.RESULTS), help="folder of the records")
    parser.add_argument("--readme", default=str(record.ROOT / "README.md"), help="file with the marks")
    options = parser.parse_args(arguments)
    if options.rounds is not None and options.rounds < (1 if options.quick else ROUNDS):
        parser.error(f"--rounds is at least {ROUNDS}, or 1 with --quick")
    return options


def _measure(names: Sequence[str], options: argparse.Namespace, console: Console) -> None:
    load = Load()
    plan = Plan(
        rounds=options.rounds or (1 if options.quick else ROUNDS),
        quick=options.quick,
        wait=(0.0 if options.quick else 120.0) if options.wait is None else options.wait,
        peers="" if options.no_peers else options.peers,
    )
    say = _speaker()
    _install(names, plan, say)
    load.note()
    for name in names:
        found = BENCHMARKS[name](plan, load, lambda text, name=name: say(f"{name}: {text}"))  # type: ignore[misc]
        table.show(found, console)
        if plan.quick:
            continue
        console.print(f"recorded in {record.write(found, Path(options.output))}", markup=False)


def _install(names: Sequence[str], plan: Plan, say: Callable[[str], None]) -> None:
    """Make all environments first, so that no installation disturbs a measurement; a failure is reported later."""
    wanted = {group for name in names for group in PEER_GROUPS[name]} if plan.peers else set()
    for group in sorted(wanted & set(GROUPS)):
        try:
            environment(group, plan.peers, say)
        except MissingError as error:
            say(f"{group}: {error}")


def _speaker() -> Callable[[str], None]:
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:5.0f} s] {text}", file=sys.stderr, flush=True)

    return say


if __name__ == "__main__":
    sys.exit(main())
