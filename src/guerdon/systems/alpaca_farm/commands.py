"""`guerdon alpaca-farm`: annotate pairs, compare models, compare leaderboards."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from guerdon.bench.commands import obey
from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream
from guerdon.lm.cache import cached
from guerdon.lm.opening import open_model
from guerdon.lm.protocol import Model
from guerdon.prefer.annotators import Pool
from guerdon.systems.alpaca_farm.data import Instruction, pairs, pairs_of_samples, rows_of, write_json, write_outputs
from guerdon.systems.alpaca_farm.evaluate import annotate, boards_agree, evaluate, quality, table, write_board
from guerdon.systems.alpaca_farm.pools import pool


def main(arguments: Sequence[str] | None = None) -> None:
    """Annotate pairs, train by a method, compare models with a reference, or compare two leaderboards."""
    obey(_parser(), arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="guerdon alpaca-farm", description=main.__doc__)
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

    _add_learn(commands)
    three = commands.add_parser("correlate", help="how alike two leaderboards rank the models that both have")
    three.add_argument("boards", nargs=2, help="files of evaluate --board, such as one of models and one of people")
    three.set_defaults(run=_correlate)

    four = commands.add_parser("quality", help="agreement, bias and variance of a pool's labels against people's")
    four.add_argument("pool", help="annotated pairs; several rows of one pair are several annotators")
    four.add_argument("people", help="the same pairs by people")
    four.set_defaults(run=_quality)
    return parser


def _add_learn(commands: Any) -> None:
    one = commands.add_parser("learn", help="train a transformers model by a method, and let it answer instructions")
    one.add_argument("method", help="sft, feedme, reward-conditioning, best-of-n, expert-iteration, ppo, quark or dpo")
    one.add_argument("--policy", required=True, help="folder or hub id of a causal language model")
    one.add_argument("--demonstrations", help="rows with outputs, for sft")
    one.add_argument("--pairs", help="labelled pairs, for feedme, reward-conditioning and dpo")
    one.add_argument("--unlabelled", help="rows to answer, for expert-iteration, ppo and quark")
    one.add_argument("--reward", help="a reward: the folder of guerdon reward fit, a hub id, FILE.py:NAME")
    one.add_argument("--answer", help="rows to answer in the end, such as the eval split")
    one.add_argument("--outputs", type=Path, help="where those answers go, for evaluate")
    one.add_argument("--folder", type=Path, help="where the learned model goes")
    one.add_argument("--lora", type=int, default=0, help="rank of an adapter; 0 trains all weights")
    one.add_argument("--device", default="cpu")
    for name in ("steps", "rollout", "n", "epochs"):
        one.add_argument(f"--{name}", type=int, help="as published by default")
    one.add_argument("--lr", type=float, help="as published by default")
    one.add_argument("--query", type=int, default=192, help="tokens of a prompt")
    one.add_argument("--response", type=int, default=300, help="tokens of an answer")
    one.add_argument("--seed", type=int, default=0)
    one.set_defaults(run=_learn)


def _learn(options: argparse.Namespace) -> None:
    from guerdon.rlhf import kept
    from guerdon.systems.alpaca_farm import full
    from guerdon.systems.alpaca_farm.methods import PUBLISHED
    from guerdon.train.policy import Lora

    if (options.answer is None) != (options.outputs is None):
        raise ConfigError("--answer and --outputs together", "only one is there", "Give both")
    numbers = {name: getattr(options, name) for name in ("steps", "rollout", "n", "epochs")}
    settings = full.adjusted(PUBLISHED, lr=options.lr, **numbers)
    model = full.Full.open(options.policy, device=options.device, query=options.query, response=options.response)
    learned, made = full.run(
        options.method,
        model,
        pairs=pairs(options.pairs) if options.pairs else None,
        demonstrations=_instructions(options.demonstrations),
        unlabelled=_instructions(options.unlabelled),
        reward=full.placed(kept.load(options.reward), options.device) if options.reward else None,
        lora=Lora(rank=options.lora, alpha=float(options.lora)) if options.lora else None,
        settings=settings,
        seed=options.seed,
        folder=options.folder / "training" if options.folder else None,
    )
    if options.folder:
        _save(options, model, learned, made)
    if options.answer:
        asked = _instructions(options.answer)
        write_outputs(options.outputs, asked, full.answer(model, learned, made, asked), options.method)
        sys.stdout.write(f"{len(asked)} answers in {options.outputs}\n")


def _instructions(path: str | None) -> list[Instruction]:
    return [Instruction.of(row, number) for number, row in enumerate(rows_of(path))] if path else []


def _save(options: argparse.Namespace, model: Any, learned: Any, made: Any) -> None:
    """A whole model as transformers keeps it; of an adapter what was learned."""
    made.policy.load(learned.snapshot)
    if options.lora:
        learned.snapshot.save(options.folder)
    else:
        model.model.save_pretrained(options.folder)
        model.tokenizer.save_pretrained(options.folder)
    history = [{name: value for name, value in row.items() if value == value} for row in learned.history]
    write_json(options.folder / "history.json", history)


def _add_pool(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--annotators", default="default", help="default, greedy, or a configuration (YAML, JSON or TOML)"
    )
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
    _tell(boards_agree(*options.boards))


def _quality(options: argparse.Namespace) -> None:
    _tell(quality(rows_of(options.pool), rows_of(options.people)))


def _tell(found: Any) -> None:
    sys.stdout.write("  ".join(f"{name} {value:.3g}" for name, value in asdict(found).items()) + "\n")


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{done} of {total} pairs" + ("\n" if done == total else ""))
