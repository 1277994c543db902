"""The command line: build tasks from ratings, probe a model in them, and say which rewards to trust.

guerdon mrmbench build --helpsteer helpsteer.jsonl --safe-rlhf safe.jsonl --out tasks
guerdon mrmbench probe MODEL --data tasks --out table
guerdon mrmbench trust MODEL --data tasks --samples new.jsonl --out trust.jsonl
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from guerdon.bench.commands import obey
from guerdon.core.errors import ConfigError
from guerdon.prefer import files
from guerdon.systems.mrmbench.features import Reader
from guerdon.systems.mrmbench.table import PROBES, compared, confidence, probed, text, written
from guerdon.systems.mrmbench.tasks import DIMENSIONS, LEVELS, Sample, build, from_helpsteer, from_safe_rlhf


def rows_of(name: str) -> Iterator[Mapping[str, Any]]:
    """Rows of a `.jsonl`, `.json` or `.parquet` file, or of a data set by "hub-id" or "hub-id:split".

    Raises:
        ConfigError: it cannot be read.
    """
    path = Path(name)
    if path.exists() or path.suffix in (".json", ".jsonl", ".parquet", ".gz"):
        yield from (row for _, row in files.rows_of(path))
        return
    try:
        from datasets import load_dataset

        where, _, split = name.partition(":")
        yield from load_dataset(where, split=split or "train")
    except (OSError, ValueError, ImportError) as error:
        do = "Give a .jsonl, .json or .parquet file, or a data set of the hub with the package datasets installed"
        raise ConfigError(f"rows of {path.name}", str(error)[:200], do) from None


def _build(options: argparse.Namespace) -> None:
    rated = [each for name in options.helpsteer for each in from_helpsteer(rows_of(name))]
    rated += [each for name in options.safe_rlhf for each in from_safe_rlhf(rows_of(name))]
    if not rated:
        raise ConfigError("ratings", "got none", "Give --helpsteer or --safe-rlhf")
    card = build(rated, options.out, test=options.test, seed=options.seed)
    for level, made in card["levels"].items():
        for dimension in (name for name in DIMENSIONS if name in made):
            told = made[dimension]
            how = told.get("cuts", told.get("severity"))
            print(f"{level} {dimension}: {how}, classes {told['classes']['train']} and {told['classes']['test']}")


def _reader(options: argparse.Namespace) -> Reader:
    return Reader.of(
        options.model,
        longest=options.longest,
        template=options.template,
        device=options.device,
        dtype=options.dtype,
        budget=options.budget,
    )


def _probe(options: argparse.Namespace) -> None:
    reader = _reader(options)
    keep = options.keep or options.out / "features"
    lines = probed(reader, options.data, keep=keep, say=lambda told: print(told, file=sys.stderr, flush=True))
    made = written(lines, reader.name, options.out)
    print(json.dumps([line.row() for line in lines], indent=1) if options.json else text(lines))
    print(f"{made[0]} and {made[1].name}", file=sys.stderr)


def _trust(options: argparse.Namespace) -> None:
    samples = [_sample(row, k) for k, row in enumerate(rows_of(str(options.samples)))]
    if not samples:
        raise ConfigError("samples", "got none", "Give rows with input and output")
    told = confidence(
        _reader(options),
        options.data,
        samples,
        level=options.level,
        metric=options.metric,
        clusters=options.clusters,
        quantile=options.quantile,
        keep=options.keep,
    )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(row) for row in told["samples"]]
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    dropped = sum(not row["keep"] for row in told["samples"])
    print(f"d_min above {told['threshold']:.4g} in {dropped} of {len(samples)} samples: {options.out}")


def _sample(row: Mapping[str, Any], k: int) -> Sample:
    for asked, said in (("input", "output"), ("prompt", "response")):
        if isinstance(row.get(asked), str) and isinstance(row.get(said), str):
            return Sample(row[asked], row[said], 0)
    raise ConfigError(f"input and output, or prompt and response, in row {k}", f"got {sorted(row)}", "Add them")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="guerdon mrmbench", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    made = commands.add_parser("build", help="build tasks from ratings")
    made.add_argument("--helpsteer", nargs="*", default=[], help="files or hub ids of HelpSteer or HelpSteer2")
    made.add_argument("--safe-rlhf", nargs="*", default=[], help="files or hub ids of PKU-SafeRLHF")
    made.add_argument("--test", type=int, default=1_000, help="samples of each test part, about")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--out", type=Path, required=True)
    made.set_defaults(run=_build)
    probe = commands.add_parser("probe", help="probe a model: the table, its JSON and its figure")
    probe.add_argument("--out", type=Path, required=True, help="folder of the table, the figure and representations")
    probe.add_argument("--json", action="store_true", help="print JSON")
    probe.set_defaults(run=_probe)
    trust = commands.add_parser("trust", help="distances of new samples to the centroids of the tasks")
    trust.add_argument("--samples", type=Path, required=True, help="rows with input and output")
    trust.add_argument("--level", choices=LEVELS, default="easy")
    trust.add_argument("--metric", choices=("euclidean", "mahalanobis"), default="euclidean")
    trust.add_argument("--clusters", type=int, default=1, help="centroids of each label")
    trust.add_argument("--quantile", type=float, default=0.95, help="of d_min, beyond which a reward is dropped")
    trust.add_argument("--out", type=Path, required=True)
    trust.set_defaults(run=_trust)
    several = commands.add_parser("compare", help="several models side by side")
    several.add_argument("tables", type=Path, nargs="+", help="folders that probe wrote")
    several.add_argument("--level", choices=LEVELS, default="easy")
    several.add_argument("--probe", choices=tuple(PROBES), default="published")
    several.set_defaults(run=lambda options: print(compared(options.tables, options.level, options.probe)))
    for each in (probe, trust):
        each.add_argument("model", help="folder or hub id")
        each.add_argument("--data", type=Path, required=True, help="folder with mrm_easy and mrm_hard")
        each.add_argument("--keep", type=Path, help="where representations are kept")
        each.add_argument("--longest", type=int, default=2_048, help="tokens of a row")
        each.add_argument("--template", default="", help='"chat", or text with {prompt} and {response}')
        each.add_argument("--device", default="", help="such as cuda")
        each.add_argument("--dtype", default="auto", help="of the weights, such as bfloat16")
        each.add_argument("--budget", type=int, default=16_384, help="tokens that are read at once")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; an error meant for a person ends with its exit code."""
    obey(_parser(), arguments)
