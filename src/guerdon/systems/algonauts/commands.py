"""The command line: make or prepare a challenge, fit a baseline, check and score a submission.

guerdon algonauts make brains --subjects 2 --images 300 --vertices 400
guerdon algonauts encode brains --features lite0 --out entry.zip
guerdon algonauts check entry.zip --data brains
guerdon algonauts score entry.zip --data brains --out report
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from guerdon.bench.commands import obey
from guerdon.core.errors import ConfigError
from guerdon.systems.algonauts import brains
from guerdon.systems.algonauts.baseline import Baseline
from guerdon.systems.algonauts.encode import Encoder
from guerdon.systems.algonauts.features import named
from guerdon.systems.algonauts.judge import Report, judge, truths_of, write_report
from guerdon.systems.algonauts.layout import HEMISPHERES, Hemisphere, read_table, subjects
from guerdon.systems.algonauts.page import write_page
from guerdon.systems.algonauts.prepare import WITHHELD, Recording, prepare
from guerdon.systems.algonauts.submission import Submission, problem, shapes_of, write


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _make(options: argparse.Namespace) -> None:
    def pictures(count: int, rng: Any) -> brains.Stimuli:
        return brains.blobs(count, options.size, 12, rng)

    for number in range(1, options.subjects + 1):
        with tempfile.TemporaryDirectory() as folder:
            made = brains.recording(
                f"subj{number:02d}", Path(folder), images=options.images, vertices=options.vertices, seed=options.seed,
                make=pictures,
            )  # fmt: skip
            prepare(made, options.folder, on_step=_say)


def _prepare(options: argparse.Namespace) -> None:
    with options.trials.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    try:
        items, sessions = (np.array([int(row[name]) for row in rows]) for name in ("image", "session"))
    except (KeyError, ValueError) as error:
        do = "Write a header image,session and a line of two whole numbers for each trial"
        raise ConfigError(f"{options.trials.name} has columns image and session", f"got {error}"[:80], do) from None
    betas: dict[Hemisphere, Any] = {side: read_table(path, 2) for side, path in zip(HEMISPHERES, options.betas)}
    numbered = [path for path in options.images.iterdir() if path.stem.isdigit()]
    images = {int(path.stem): path for path in numbered}
    ncsnr: dict[Hemisphere, Any] = {side: read_table(path, 1) for side, path in zip(HEMISPHERES, options.ncsnr or [])}
    made = Recording(options.name, items, sessions, betas, images, ncsnr=ncsnr)
    prepare(made, options.out, withheld=options.withheld, hide_test=options.hide_test, on_step=_say)


def _encode(options: argparse.Namespace) -> None:
    made = Baseline(
        extractor=named(options.features, size=options.size, pool=options.pool, device=options.device),
        encoder=Encoder(
            components=options.components, solver=options.solver, folds=options.folds, memory_mb=options.memory
        ),
        layers=options.layers,
        share=options.share,
    )
    write(made.predict(options.data, _say), options.out)
    print(f"{options.out}: {options.out.stat().st_size:,} bytes")


def _check(options: argparse.Namespace) -> None:
    said = problem(options.submission, shapes_of(subjects(options.data)))
    if said is not None:
        raise ConfigError("a submission that can be scored", said, "Correct it and check again")
    print(f"{options.submission.name}: every file is there, float32, finite and in its shape")


def _score(options: argparse.Namespace) -> None:
    found = subjects(options.data)
    submission = Submission(options.submission, shapes_of(found))
    predicted = {s: {side: submission.read(s, side) for side in sides} for s, sides in submission.shapes.items()}
    report = judge(truths_of(found), predicted)
    if options.out is not None:
        write_report(report, options.out)
        page = write_page(report, options.out / "scores.html", f"Algonauts: {options.submission.name}")
        _say(f"a page of it, and tables beside: {page}")
    for text in report.warnings():
        _say(text)
    print(json.dumps(_plain(report), indent=1) if options.json else _table(report))


def _plain(report: Report) -> dict[str, Any]:
    chance, signal = report.bounds()
    rows = [
        {"subject": row.subject, "hemisphere": row.hemisphere, "region": row.region, "vertices": row.vertices,
         "mean": row.mean, "median": row.median, "interval": row.interval}
        for row in report.rows()
    ]  # fmt: skip
    return {"chance": chance, "signal": signal, "rows": rows}


def _table(report: Report) -> str:
    lines = [f"{'region':16s} {'mean':>6s}  {'95 % interval':>16s}  {'median':>13s}  {'vertices':>8s}"]
    for row in [report.whole, *(report.row(region) for region in report.regions())]:
        if row.mean is None:
            lines.append(f"{row.region:16s}  unknown: no vertices")
            continue
        low, high = row.interval or (float("nan"), float("nan"))
        lines.append(
            f"{row.region:16s} {row.mean:6.2f}  {low:6.2f} to {high:6.2f}  {row.median:13.2f}  {row.vertices:8,}"
        )
    chance, signal = report.bounds()
    lines.append(f"with so few images, no knowledge scores {chance:.1f} and the signal itself {signal:.1f}")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="guerdon algonauts", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    made = commands.add_parser("make", help="a made-up brain in the organisers' layout")
    made.add_argument("folder", type=Path)
    for name, usual, text in (
        ("subjects", 1, "how many"), ("images", 200, "pictures of each"), ("vertices", 200, "of each hemisphere"),
        ("size", 112, "side of the pictures"), ("seed", 0, "of everything"),
    ):  # fmt: skip
        made.add_argument(f"--{name}", type=int, default=usual, help=text)
    made.set_defaults(run=_make)
    own = commands.add_parser("prepare", help="one subject's folder from single trials")
    own.add_argument("--name", required=True, help="such as subj01")
    own.add_argument("--betas", type=Path, nargs=2, required=True, help="lh.npy rh.npy, (trials, vertices)")
    own.add_argument("--trials", type=Path, required=True, help="CSV with columns image and session, a line per trial")
    own.add_argument("--images", type=Path, required=True, help="folder of pictures called NUMBER.png")
    own.add_argument("--ncsnr", type=Path, nargs=2, help="lh.npy rh.npy, where they are known")
    own.add_argument("--withheld", type=int, default=WITHHELD, help="sessions at the end for testing")
    own.add_argument("--hide-test", action="store_true", help="the folder for entrants: no test responses, no ceilings")
    own.add_argument("--out", type=Path, required=True)
    own.set_defaults(run=_prepare)
    fit = commands.add_parser("encode", help="fit an encoding model and write a submission")
    fit.add_argument("data", type=Path)
    fit.add_argument("--features", default="lite0", help="pixels, gabor, lite0, alexnet, timm:MODEL@LAYER,LAYER, ...")
    fit.add_argument("--layers", choices=("all", "best"), default="all", help="together, or the best for each region")
    fit.add_argument("--solver", choices=("ridge", "ols"), default="ridge")
    fit.add_argument("--share", action="store_true", help="one penalty for each region instead of each vertex")
    fit.add_argument("--components", type=int, default=100)
    fit.add_argument("--folds", type=int, default=5)
    fit.add_argument("--size", type=int, default=0, help="side of the pictures; by default what the network wants")
    fit.add_argument("--pool", type=int, default=4, help="side to which a layer's output is averaged; 0 keeps all")
    fit.add_argument("--device", default="cpu")
    fit.add_argument("--memory", type=float, default=512.0, help="MiB for the regression, beside features and result")
    fit.add_argument("--out", type=Path, required=True)
    fit.set_defaults(run=_encode)
    check = commands.add_parser("check", help="say what is wrong with a submission")
    score = commands.add_parser("score", help="score a submission, by region, subject and hemisphere")
    score.add_argument("--out", type=Path, help="folder of the report's files")
    score.add_argument("--json", action="store_true")
    for each, run in ((check, _check), (score, _score)):
        each.add_argument("submission", type=Path)
        each.add_argument("--data", type=Path, required=True)
        each.set_defaults(run=run)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; an error meant for a person ends with its exit code."""
    obey(_parser(), arguments)
