"""Measure the strength of preferences, look at it, and clean the set by it.

guerdon secrets-rm annotate pairs.jsonl --out annotated.jsonl
guerdon secrets-rm look annotated.jsonl
guerdon secrets-rm clean annotated.jsonl --flip 0.1 --margin --out cleaned.jsonl
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from guerdon.bench.commands import obey
from guerdon.prefer.files import Dropped, read, write
from guerdon.prefer.sets import PreferenceSet
from guerdon.rlhf.fitting import RewardFit
from guerdon.systems.secrets_rm.annotate import (
    GPT4,
    agreement,
    annotated,
    by_training,
    measured,
    relabelled,
    released,
    strength_of,
)
from guerdon.systems.secrets_rm.methods import Method

FORMATS = ("guerdon", "trl", "released")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the strength of preferences, look at it, and clean the set by it."""
    parser = argparse.ArgumentParser(prog="guerdon secrets-rm", description=main.__doc__)
    parts = parser.add_subparsers(required=True, metavar="COMMAND")
    _annotate_options(parts.add_parser("annotate", help="score every pair by several reward models"))
    _look_options(parts.add_parser("look", help="classes, deciles, and agreement with another annotator"))
    _clean_options(parts.add_parser("clean", help="flip, soften, or ask for a margin"))
    obey(parser, arguments)


def _annotate_options(parser: argparse.ArgumentParser) -> None:
    _pairs(parser)
    parser.add_argument("--reward", action="append", default=[], help="folder or hub id of a reward model; repeat it")
    parser.add_argument("--members", type=int, default=10, help="that learn from the pairs where no reward is given")
    parser.add_argument("--folds", type=int, default=0, help="vote only on pairs that a member did not learn from")
    parser.add_argument("--backbone", default="tiny", help="of members: tiny, tiny-gru, encoder:REF or REF")
    parser.add_argument("--epochs", type=int, default=0, help="of their training; few, or they learn wrong labels")
    parser.add_argument("--seed", type=int, default=0, help="of heads, orders and folds")
    parser.add_argument("--keep", type=Path, help="folder for the members; they go away by default")
    _written(parser, "annotated.jsonl")
    parser.set_defaults(run=_annotate)


def _look_options(parser: argparse.ArgumentParser) -> None:
    _pairs(parser)
    parser.add_argument("--size", type=int, default=500, help="pairs of a group for the agreement")
    parser.set_defaults(run=_look)


def _clean_options(parser: argparse.ArgumentParser) -> None:
    _pairs(parser)
    parser.add_argument("--flip", type=float, default=0.0, help="share of weakest pairs to flip; 0.1 in the report")
    parser.add_argument("--margin", action="store_true", help="write the strength as margin")
    parser.add_argument("--scale", type=float, default=1.0, help="of margins")
    parser.add_argument("--cap", type=float, default=math.inf, help="of a margin's size")
    parser.add_argument("--soft", type=float, default=0.0, help="smoothing of labels with strength below 0")
    parser.add_argument("--smoothing", type=float, default=0.0, help="smoothing of all labels")
    _written(parser, "cleaned.jsonl")
    parser.set_defaults(run=_clean)


def _pairs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pairs", type=Path, help=".jsonl, .json or .parquet in any format that guerdon reads")


def _written(parser: argparse.ArgumentParser, name: str) -> None:
    parser.add_argument("--out", type=Path, default=Path(name), help="file to write, .jsonl or .parquet")
    parser.add_argument("--format", choices=FORMATS, default="guerdon", help="its shape")


def _annotate(options: argparse.Namespace) -> None:
    rows = _decided(options.pairs)
    if options.reward:
        told = measured(rows, options.reward)
    else:
        settings = RewardFit(backbone=options.backbone, epochs=options.epochs, seed=options.seed)
        told = by_training(
            rows, members=options.members, folds=options.folds, settings=settings, folder=options.keep
        )  # fmt: skip
    made = annotated(rows, told)
    _write(made, options.out, options.format)
    _show(made, 500)
    sys.stdout.write(f"{len(made)} pairs with their strength in {options.out}\n")


def _look(options: argparse.Namespace) -> None:
    _show(_decided(options.pairs), options.size)


def _clean(options: argparse.Namespace) -> None:
    rows = _decided(options.pairs)
    method = Method(
        flip=options.flip, margin=options.margin, soft=options.soft, smoothing=options.smoothing,
        scale=options.scale, cap=options.cap,
    )  # fmt: skip
    mu = strength_of(rows).mean
    made = method.rows(rows, mu)
    _write(made, options.out, options.format)
    changed = int((made.choice != rows.choice).sum())
    soft = int((method.smoothings(mu) > 0).sum())
    said = f"{len(made)} pairs in {options.out}: {changed} labels flipped, {soft} softened"
    sys.stdout.write(said + (", margins by strength\n" if method.margin else "\n"))


def _decided(path: Path) -> PreferenceSet:
    rows = read(path).rows
    return rows if rows.decided.all() else rows.take(rows.decided)


def _write(rows: PreferenceSet, path: Path, shape: str) -> None:
    if shape == "released":
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in released(rows))
        return
    dropped: tuple[Dropped, ...] = ()
    if shape == "trl":
        dropped = write(rows, path, "trl", columns=[name for name in rows.columns if name not in ("prompt",)])
    else:
        dropped = write(rows, path, "guerdon")
    if dropped:
        sys.stdout.write(f"{len(dropped)} pairs could not be written\n")


def _show(rows: PreferenceSet, size: int) -> None:
    told = strength_of(rows)
    out = sys.stdout.write
    kinds = Counter(told.kinds())
    out(f"{len(told.chosen)} members; strength below 0: {100 * float((told.mean < 0).mean()):.1f} % of {len(rows)}\n")
    out("classes: " + ", ".join(f"{name} {kinds[name]}" for name in kinds) + "\n")
    out(f"{'decile':>6}{'strength':>12}{'sd':>8}\n")
    for k, part in enumerate(told.deciles(), 1):
        if len(part):
            out(f"{k:6d}{told.mean[part].mean():12.3f}{told.sd[part].mean():8.3f}\n")
    if GPT4 in rows.columns:
        said = np.array([-1 if value is None else int(value) for value in rows.columns[GPT4]])
        known = np.flatnonzero(said >= 0)
        sets = relabelled(rows)
        out(f"another annotator: {len(known)} pairs, agrees on {len(sets['agreement'])}\n")
        for mean, share in agreement(strength_of(rows.take(known)), said[known] == 1, size) if len(known) else ():
            out(f"{'':6}{mean:12.3f}{100 * share:7.1f}%\n")
