"""The command line: check, score and compare result files, split a training set, run a detector, make a load.

guerdon v3det check RESULTS --labels LABELS
guerdon v3det score RESULTS --labels LABELS [--tree TREE] [--resamples 1000]
guerdon v3det compare ONE TWO --labels LABELS [--tree TREE]
guerdon v3det base-only TRAIN --out BASE
guerdon v3det detect MODEL --kind KIND --labels INFO --root FOLDER --out RESULTS
guerdon v3det load --images 1000 --boxes 7000 --categories 13204 --out FOLDER
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from guerdon.bench.commands import status
from guerdon.core.errors import ConfigError
from guerdon.systems.v3det.entries import read_entry
from guerdon.systems.v3det.files import found_name, read_image
from guerdon.systems.v3det.runners import LEAST, detections, go_on, write_results
from guerdon.systems.v3det.solvers import Detr, GroundingDino, OwlViT, Pretrained
from guerdon.vision.coco import Labels, read_labels, results_of
from guerdon.vision.figures import Figures, figures
from guerdon.vision.hierarchy import read_tree
from guerdon.vision.submission import MOST

KINDS: Mapping[str, type[Pretrained]] = {each.name: each for each in (Detr, OwlViT, GroundingDino)}
EVERY = 10.0
"""Seconds between two lines of progress."""
LARGE = 50 << 20
"""Bytes of a result file that is read for so long that one wants to know."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is 2 for a file or a setting that cannot be used."""
    return status(_parser(), arguments)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="guerdon v3det",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True)

    def command(name: str, run: Any, text: str, *places: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=text, description=text[0].upper() + text[1:])
        one.set_defaults(run=run)
        for place in places:
            one.add_argument(place, type=Path)
        return one

    judging = [
        command("check", _check, "say what is wrong with a result file", "results"),
        command("score", _score, "average precision with intervals", "results"),
        command("compare", _compare, "the first less the second, on the same resampled images", "one", "two"),
    ]
    for each in judging:
        each.add_argument("--labels", type=Path, required=True, help="annotation file")
        each.add_argument("--tree", type=Path, help="category tree")
        each.add_argument("--most", type=int, default=MOST, help="detections of an image at most")
        each.add_argument("--resamples", type=int, default=1000, help="of the images, for intervals; 0 for none")
        each.add_argument("--seed", type=int, default=0, help="of the resamples")
        each.add_argument("--json", action="store_true")
    base = command("base-only", _base_only, "the open track's training set of a training set", "train")
    base.add_argument("--out", type=Path, required=True)
    detect = command("detect", _detect, "run a detector over a folder of images")
    detect.add_argument("model", help="folder or hub id")
    detect.add_argument("--kind", choices=list(KINDS), default="detr", help="of detector")
    detect.add_argument("--labels", type=Path, required=True, help="file with images and categories")
    detect.add_argument("--root", type=Path, required=True, help="folder of the images")
    detect.add_argument("--device", default="cpu")
    detect.add_argument("--batch", type=int, default=8, help="images at once")
    detect.add_argument("--least", type=float, default=LEAST, help="score from which a box is written")
    detect.add_argument("--out", type=Path, required=True)
    detect.add_argument("--resume", action="store_true", help="go on with a run that was broken off")
    load = command("load", _load, "labels and results of any size, with the data set's long tail")
    for name, number in (("images", 1000), ("boxes", 7000), ("categories", 13_204), ("per-image", MOST), ("seed", 0)):
        load.add_argument(f"--{name}", type=int, default=number)
    load.add_argument("--out", type=Path, required=True)
    return parser


def _check(options: argparse.Namespace) -> None:
    found = read_entry(options.results, read_labels(options.labels), most=options.most)
    print(f"{len(found):,} detections in {len(set(found.image.tolist())):,} images: the file can be handed in")


def _judged(results: Path, labels: Labels, options: argparse.Namespace) -> Figures:
    large = results.stat().st_size > LARGE
    if large:
        _say(f"reading {results.name}, {results.stat().st_size / 2**20:,.0f} MiB")
    found = read_entry(results, labels, most=options.most)
    tree = read_tree(options.tree, labels.categories) if options.tree else None
    if large:
        _say(f"judging {len(found):,} detections, with {options.resamples:,} resamples of the images")
    return figures(labels, found, tree, resamples=options.resamples, seed=options.seed)


def _score(options: argparse.Namespace) -> None:
    _print(_judged(options.results, read_labels(options.labels), options), options.json)


def _compare(options: argparse.Namespace) -> None:
    labels = read_labels(options.labels)
    one, two = (_judged(results, labels, options) for results in (options.one, options.two))
    _print(one.minus(two), options.json, "difference")


def _print(told: Figures, as_json: bool, what: str = "per cent") -> None:
    if as_json:
        print(json.dumps(told.parts(), indent=1))
        return
    print(f"{what:>17}  95 % interval over images")
    for name in told.values:
        each = told.interval(name)
        value = "unknown" if each.value is None else f"{100 * each.value:.2f}"
        ends = "" if each.low is None or each.high is None else f"  ({100 * each.low:.2f} to {100 * each.high:.2f})"
        print(f"{name:9}{value:>8}{ends}")


def _base_only(options: argparse.Namespace) -> None:
    from guerdon.systems.v3det.files import base_only

    options.out.write_bytes(base_only(options.train))
    left = read_labels(options.out)
    print(f"{len(left.truths):,} boxes of base categories in {len(left.images):,} images: {options.out}")


def _detect(options: argparse.Namespace) -> None:
    labels = read_labels(options.labels)
    if not len(labels.images) or not len(labels.categories):
        raise ConfigError("a file with images and categories", "there are none", "Name an annotation file in --labels")
    ids = labels.images.tolist()
    unfinished = options.out.with_name(options.out.name + ".part")
    if unfinished.exists() and not options.resume:
        do = "Add --resume to go on with it, or remove it"
        raise ConfigError("no run that was broken off", f"{unfinished.name} is there", do)
    done, after = go_on(unfinished, ids) if unfinished.exists() else (0, 0)
    detector = KINDS[options.kind](model=options.model, device=options.device).opened(list(labels.category_names))
    images = _told(_images(labels, options.root, done), len(ids), done)
    rows = detections(detector, images, batch=options.batch, least=options.least)
    count = write_results(rows, labels.categories.tolist(), unfinished, after)
    unfinished.replace(options.out)
    print(f"{count:,} detections in {len(labels.images):,} images: {options.out}")


def _images(labels: Labels, root: Path, done: int) -> Iterator[tuple[Mapping[str, Any], Any]]:
    for image, name in zip(labels.images[done:].tolist(), labels.names[done:], strict=True):
        yield {"id": image}, read_image(root, found_name(root, name))


def _told(images: Iterator[Any], of: int, before: int) -> Iterator[Any]:
    """The same, and now and then how many there were."""
    started = last = time.monotonic()
    for done, each in enumerate(images, before + 1):
        yield each
        now = time.monotonic()
        if now - last > EVERY or done == of:
            last = now
            rate = (done - before) / max(now - started, 1e-9)
            _say(f"{done:,} of {of:,} images, {rate:.3g} a second")


def _load(options: argparse.Namespace) -> None:
    from guerdon.systems.v3det.load import annotations_of, detections_like, labels_like

    labels = labels_like(options.images, options.boxes, options.categories, options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "labels.json").write_text(json.dumps(annotations_of(labels)))
    found = detections_like(labels, options.per_image, options.seed)
    (options.out / "results.json").write_bytes(results_of(found, labels))
    print(f"labels.json and results.json in {options.out}")
