"""`python -m guerdon.systems.alpaca_farm`: annotate pairs, compare models, compare leaderboards."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from guerdon.core.errors import ConfigError, GuerdonError
from guerdon.core.rng import stream
from guerdon.lm.cache import cached
from guerdon.lm.opening import open_model
from guerdon.lm.protocol import Model
from guerdon.prefer.annotators import Pool
from guerdon.systems.alpaca_farm.data import pairs_of_samples, rows_of, write_json
from guerdon.systems.alpaca_farm.evaluate import annotate, boards_agree, evaluate, table, write_board
from guerdon.systems.alpaca_farm.pools import pool


def main(arguments: Sequence[str] | None = None) -> None:
    """Annotate pairs, compare models with a reference, or compare two leaderboards."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except GuerdonError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m guerdon.systems.alpaca_farm", description=main.__doc__)
    commands = parser.add_subparsers(required=True)

    one = commands.add_parser("annotate", help="label pairs, or pairs drawn of several samples of each instruction")
    one.add_argument("pairs", help="JSON list of {instruction, input, output_1, output_2}, or of {..., output: [...]}")
    one.add_argument("--output", type=Path, required=True, help="where labelled pairs go")
    one.add_argument("--noise", type=float, default=0.5, help="chance that a label is a coin; 0.5 flips 25 %%")
    _add_pool(one)
    one.set_defaults(run=_annotate)

    two = commands.add_parser("evaluate", help="win-rates of models against a reference")
    two.add_argument("outputs", nargs="+", help="a file of outputs for each model")
    two.add_argument("--reference", required=True, help="the outputs that all are compared with")
    two.add_argument("--annotations", type=Path, help="folder for each pair's annotation")
    two.add_argument("--board", type=Path, help="file for the leaderboard as JSON")
    two.add_argument("--json", action="store_true", help="print the leaderboard as JSON")
    _add_pool(two)
    two.set_defaults(run=_evaluate, noise=0.0)

    three = commands.add_parser("correlate", help="how alike two leaderboards rank the models that both have")
    three.add_argument("boards", nargs=2, help="files of evaluate --board, such as one of models and one of people")
    three.set_defaults(run=_correlate)
    return parser


def _add_pool(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--annotators", default="default", help="default, or a configuration (YAML, JSON or TOML)")
    parser.add_argument(
        "--model", action="append", required=True, metavar="[NAME=]SPEC",
        help="smollm2, torch:org/name, http://host:port/v1#id or scripted:NAME; NAME is that of the configuration",
    )  # fmt: skip
    parser.add_argument("--cache", type=Path, default=Path("annotations.sqlite"), help="replies that are paid for")
    parser.add_argument("--seed", type=int, default=0)


@contextlib.contextmanager
def _pool(options: argparse.Namespace) -> Iterator[Pool]:
    with contextlib.ExitStack() as stack:
        models: dict[str, Model] = {}
        for given in options.model:
            name, spec = _named(given)
            models[name] = stack.enter_context(cached(open_model(spec), options.cache))
        yield pool(options.annotators, models, noise=options.noise, seed=options.seed)


def _named(given: str) -> tuple[str, str]:
    """`NAME=SPEC` or `SPEC`; a URL may have an equals sign too, so a name has no colon."""
    name, equals, spec = given.partition("=")
    return (name, spec) if equals and ":" not in name else ("", given)


def _annotate(options: argparse.Namespace) -> None:
    rows = rows_of(options.pairs)
    if rows and isinstance(rows[0].get("output"), list):
        rows = pairs_of_samples(rows, stream(options.seed, "alpaca-farm", "pairs"))
    with _pool(options) as annotators:
        found = annotate(rows, annotators, done=_progress)
    write_json(options.output, found.rows)
    sys.stdout.write(
        f"{len(found.rows)} labelled, {found.coins} of them by a coin; {found.dropped} without an answer\n"
    )


def _evaluate(options: argparse.Namespace) -> None:
    with _pool(options) as annotators:
        entries = evaluate(
            options.outputs, options.reference, annotators, annotations=options.annotations, done=_progress
        )
    if options.board:
        write_board(options.board, entries)
    if options.json:
        sys.stdout.write(json.dumps({entry.name: entry.plain() for entry in entries}, indent=2) + "\n")
    else:
        sys.stdout.write(table(entries) + "\n")
    if all(entry.compared.rate.n_total == 0 for entry in entries):
        raise ConfigError("annotators that answer", "every answer is unknown", "Look at --model and --annotations")


def _correlate(options: argparse.Namespace) -> None:
    found = asdict(boards_agree(*options.boards))
    sys.stdout.write("  ".join(f"{name} {value:.3g}" for name, value in found.items()) + "\n")


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{done} of {total} pairs" + ("\n" if done == total else ""))
